//! Holds the source tree to the rules of `docs/contributing.md`: layers, homes of heavy
//! crates, file headers, bounded channels, owned tasks. It says which line broke which rule.

#![expect(clippy::unwrap_used, reason = "a tree that can't be read must fail the check")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Longest `mod.rs`: header, declarations and re-exports.
const MAX_MOD_LINES: usize = 80;
/// Longest file in which a reader still finds things; an aim of 400 with room for tests.
const MAX_FILE_LINES: usize = 900;

/// What a layer may name besides itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("crypto", &["model"]),
    ("wire", &["model", "crypto"]),
    ("media", &["model", "crypto"]),
    ("device", &["model", "media"]),
    ("net", &["model", "wire", "crypto"]),
    ("rtc", &["model", "media"]),
    ("api", &["model", "crypto", "wire", "media", "device", "net", "rtc"]),
    ("profile", &["model", "crypto"]),
    ("bridge", &["model", "wire", "crypto", "net", "rtc"]),
    ("ui", &["model", "api", "profile", "media"]),
    (
        "cli",
        &[
            "model", "crypto", "wire", "media", "device", "net", "rtc", "api", "profile", "bridge",
            "ui",
        ],
    ),
];

/// Layers that must stay free of I/O, threads and clocks.
const PURE: &[&str] = &["model", "crypto", "wire", "media"];
const IMPURE: &[&str] = &["tokio::", "std::net", "std::fs", "std::thread", "::now()"];

/// The one folder that may name a heavy crate.
const HOMES: &[(&str, &str)] = &[
    ("ratatui::", "src/ui/"),
    ("crossterm::", "src/ui/"),
    ("tui_input::", "src/ui/"),
    ("webrtc::", "src/rtc/"),
    ("str0m::", "src/bridge/sfu/"),
    ("vt100::", "src/media/terminal/"),
    ("spleen_font::", "src/media/terminal/paint/"),
    ("portable_pty::", "src/device/"),
    ("cpal::", "src/device/"),
    ("rodio::", "src/device/"),
    ("opusic_c::", "src/media/codec/"),
    ("vpx_sys::", "src/media/codec/"),
    ("oxideav_vp8::", "src/media/codec/"),
    ("rusqlite::", "src/bridge/store/"),
    ("reqwest::", "src/net/"),
    ("tokio_tungstenite::", "src/net/"),
    ("axum::", "src/bridge/"),
    ("k256::", "src/crypto/"),
    ("aes_gcm::", "src/crypto/"),
    ("ring::", "src/crypto/"),
    ("clap::", "src/cli/"),
    ("directories::", "src/cli/"),
    ("anyhow::", "src/cli/"),
];

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Lines of code with their numbers: no comments, and nothing after the unit tests begin.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
    }

    fn name(&self) -> String {
        self.path.to_string_lossy().replace('\\', "/")
    }

    fn layer(&self) -> Option<&str> {
        let mut parts = self.path.iter().filter_map(|part| part.to_str());
        (parts.next() == Some("src")).then(|| parts.next()).flatten()
    }
}

fn sources(root: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::from(root)];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "{root} holds no sources");
    found
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// Runs `check` over each line of code of each source; it answers what is wrong with the line.
fn each_line(root: &str, check: impl Fn(&Source, &str) -> Option<String>) {
    let mut broken = Vec::new();
    for source in sources(root) {
        for (number, line) in source.code() {
            if let Some(what) = check(&source, line) {
                broken.push(format!("{}:{number}: {what}", source.name()));
            }
        }
    }
    report(&broken);
}

#[test]
fn layers_name_only_what_they_may() {
    each_line("src", |source, line| {
        let layer = source.layer()?;
        let (_, allowed) = LAYERS.iter().find(|(name, _)| *name == layer)?;
        let named = line
            .split("crate::")
            .skip(1)
            .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next());
        named
            .filter(|name| LAYERS.iter().any(|(layer, _)| layer == name))
            .find(|name| *name != layer && !allowed.contains(name))
            .map(|name| format!("layer {layer} must not name {name}"))
    });
}

#[test]
fn the_bridge_cannot_read_what_it_forwards() {
    let secret = ["crypto::frame", "crypto::room_key", "crypto::meta", "crypto::data_message"];
    each_line("src/bridge", |_, line| {
        secret.iter().find(|name| line.contains(*name)).map(|name| format!("names {name}"))
    });
}

#[test]
fn the_interface_sees_only_frames_of_media() {
    each_line("src/ui", |_, line| {
        let rest = line.split("crate::media::").nth(1)?;
        let fine = rest.starts_with("frame") || rest.starts_with("video");
        (!fine).then(|| "ui may name media::frame and media::video only".to_owned())
    });
}

#[test]
fn pure_layers_do_no_io_and_read_no_clock() {
    each_line("src", |source, line| {
        if !PURE.contains(&source.layer()?) {
            return None;
        }
        IMPURE.iter().find(|name| line.contains(*name)).map(|name| format!("names {name}"))
    });
}

#[test]
fn heavy_crates_stay_at_home() {
    each_line("src", |source, line| {
        let name = source.name();
        HOMES
            .iter()
            .find(|(krate, home)| {
                let named = line.match_indices(krate).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                });
                named && !name.starts_with(home)
            })
            .map(|(krate, home)| format!("{krate} belongs in {home}"))
    });
}

#[test]
fn every_file_says_what_it_is() {
    let broken: Vec<_> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(sources)
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| format!("{}: no header", source.name()))
        .collect();
    report(&broken);
}

#[test]
fn files_stay_readable() {
    let mut broken = Vec::new();
    for source in sources("src") {
        let lines = source.code().count();
        let is_index = source.path.file_name().is_some_and(|name| name == "mod.rs");
        let limit = if is_index { MAX_MOD_LINES } else { MAX_FILE_LINES };
        if lines > limit {
            broken.push(format!("{}: {lines} lines, at most {limit}", source.name()));
        }
    }
    report(&broken);
}

/// The one file that may contain `unsafe`: the binding of libvpx.
const UNSAFE_HOME: &str = "src/media/codec/vp8_libvpx.rs";

#[test]
fn unsafe_code_has_one_home_and_says_why_it_is_sound() {
    let mut broken = Vec::new();
    for root in ["src", "tests", "benches"] {
        for source in sources(root) {
            if source.path == Path::new("tests/tidy.rs") {
                continue;
            }
            let name = source.name();
            let mut explained = false;
            for (index, line) in source.text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
                explained |= line.trim_start().starts_with("// SAFETY: ");
                if words.any(|word| word == "unsafe") {
                    if name != UNSAFE_HOME {
                        broken
                            .push(format!("{name}:{}: unsafe belongs in {UNSAFE_HOME}", index + 1));
                    } else if !explained {
                        broken.push(format!("{name}:{}: no SAFETY line above", index + 1));
                    }
                    explained = false;
                }
            }
        }
    }
    let excepted: Vec<_> = sources("src")
        .into_iter()
        .filter(|source| source.text.contains("expect(unsafe_code"))
        .map(|source| source.name())
        .collect();
    assert_eq!(excepted, ["src/media/codec/mod.rs"], "modules that may use unsafe");
    report(&broken);
}

#[test]
fn channels_are_bounded_and_tasks_are_owned() {
    each_line("src", |_, line| {
        let line = line.trim();
        if line.contains("unbounded_channel") || line.contains("mpsc::channel()") {
            return Some("unbounded channel".to_owned());
        }
        let detached =
            line.starts_with("tokio::spawn(") || line.starts_with("let _ = tokio::spawn(");
        detached.then(|| "detached task".to_owned())
    });
}

#[test]
fn features_and_exceptions_stay_where_they_belong() {
    each_line("src", |source, line| {
        let name = source.name();
        let homes = ["src/device/mod.rs", "src/media/codec/mod.rs"];
        if line.contains("feature = \"") && !homes.contains(&name.as_str()) {
            return Some("cfg(feature) belongs in device/mod.rs or media/codec/mod.rs".to_owned());
        }
        line.contains("allow(").then(|| "use #[expect(…, reason = …)]".to_owned()).filter(|_| {
            line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow(")
        })
    });
}

/// What a cell says where there is nothing to test, followed by why.
const NOT_APPLICABLE: &str = "n/a: ";

#[test]
fn every_row_of_the_protocol_table_names_tests_that_exist() {
    let known: std::collections::HashSet<String> = ["src", "tests"]
        .into_iter()
        .flat_map(sources)
        .flat_map(|source| {
            let names = source.text.lines().filter_map(|line| {
                let line = line.trim_start();
                let rest = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
                Some(rest.split('(').next()?.to_owned())
            });
            names.collect::<Vec<_>>()
        })
        .collect();
    let path = "docs/protocol/coverage.md";
    let text = fs::read_to_string(path).unwrap();
    let (mut broken, mut rows, mut columns) = (Vec::new(), 0, 0);
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let Some(row) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            columns = 0;
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let heading = columns == 0;
        if heading {
            columns = cells.len();
        }
        if heading || row.starts_with("---") || row.starts_with(" ---") {
            continue;
        }
        rows += 1;
        if cells.len() != columns || cells.iter().any(|cell| cell.is_empty()) {
            broken.push(format!("{path}:{number}: an empty cell"));
            continue;
        }
        // The last two cells name tests; the ones before them say of what.
        for cell in &cells[columns - 2..] {
            if cell.strip_prefix(NOT_APPLICABLE).is_some_and(|why| !why.is_empty()) {
                continue;
            }
            let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
            if names.is_empty() {
                broken.push(format!("{path}:{number}: {cell:?} names no test"));
            }
            for name in names.iter().filter(|name| !known.contains(**name)) {
                broken.push(format!("{path}:{number}: there is no test {name}"));
            }
        }
    }
    report(&broken);
    assert!(rows > 250, "{rows} rows");
}

#[test]
fn tests_are_never_skipped_and_never_sleep() {
    let words = ["#[ignore", "thread::sleep", "should_panic"];
    for root in ["src", "tests"] {
        let mut broken = Vec::new();
        for source in sources(root) {
            if source.path == Path::new("tests/tidy.rs") {
                continue;
            }
            for (index, line) in source.text.lines().enumerate() {
                if let Some(word) = words.iter().find(|word| line.contains(*word)) {
                    broken.push(format!("{}:{}: {word}", source.name(), index + 1));
                }
            }
        }
        report(&broken);
    }
}
