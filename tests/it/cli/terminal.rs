//! A shared vim between terminal interfaces: seen, lent, taken back, resized, joined late.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::tmux::Terminal;
use crate::support::wait;

const PROGRAM: &str = env!("CARGO_BIN_EXE_conclave");

/// Cells of the shared terminal on the screen of somebody for whom `heading` stands above it:
/// text, colours and attributes, row by row.
fn shared(terminal: &Terminal, heading: &str) -> Option<(String, Vec<Vec<String>>)> {
    let text = terminal.screen();
    let line = text.lines().position(|line| line.contains(heading))?;
    let row = text.lines().nth(line)?;
    // The heading begins one column after the terminal.
    let left = row.get(..row.find(heading)?)?.chars().count() - 1;
    let size = row.split_whitespace().find_map(|word| {
        let (columns, rows) = word.split_once('x')?;
        Some((columns.parse::<usize>().ok()?, rows.parse::<usize>().ok()?))
    })?;
    let (columns, rows) = terminal.size();
    let side = |length| std::num::NonZeroU16::new(length).unwrap();
    let mut parser = vt100::Parser::new(side(rows), side(columns), 0);
    parser
        .process(terminal.styled_screen().trim_end_matches('\n').replace('\n', "\r\n").as_bytes());
    let screen = parser.screen();
    let cell = |row: usize, column: usize| {
        let (row, column) = (u16::try_from(row).ok()?, u16::try_from(column).ok()?);
        let cell = screen.cell(row, column)?;
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let look = (cell.fgcolor(), cell.bgcolor(), cell.bold(), cell.inverse());
        Some(format!("{text} {look:?}"))
    };
    let grid = (line + 1..=line + size.1)
        .map(|row| (left..left + size.0).filter_map(|column| cell(row, column)).collect())
        .collect();
    Some((format!("{}x{}", size.0, size.1), grid))
}

/// Waits until both see the same, and returns its size and text.
fn same(owner: &Terminal, viewer: &Terminal, wanted: &str) -> (String, String) {
    let mut last = (None, None);
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait::until("the same terminal on both screens", || {
            last = (shared(owner, "yours "), shared(viewer, "ana "));
            let (Some(ours), Some(theirs)) = &last else { return None };
            let text: String = ours.1.iter().map(|row| line(row) + "\n").collect();
            (ours == theirs && text.contains(wanted)).then(|| (ours.0.clone(), text))
        })
    }));
    found.unwrap_or_else(|_| {
        panic!("{wanted}: different screens:\n{}\n{}", owner.screen(), viewer.screen())
    })
}

fn line(cells: &[String]) -> String {
    cells
        .iter()
        .filter_map(|cell| cell.split(" ").next())
        .map(|t| if t.is_empty() { " " } else { t })
        .collect()
}

fn join(terminal: &Terminal, invite: &str, data: &Path, name: &str) {
    terminal.run(&format!(
        "{PROGRAM} join '{invite}' --data {} --name {name} --mic silence --speaker null",
        data.display()
    ));
}

/// Ana shares a vim with a file; returns her terminal and the invite.
fn host(data: &Path, file: &Path) -> (Terminal, String) {
    let owner = Terminal::open("share-owner", 130, 44);
    owner.run(&format!(
        "{PROGRAM} host --listen 127.0.0.1:0 --data {} --name ana --room war-room --admit all \
         --mic silence --speaker null --share 'terminal:\"vim -u NONE -i NONE -n -N {}\"'",
        data.display(),
        file.display()
    ));
    let path = data.join("invite.txt");
    let invite = wait::until("the invite file", || fs::read_to_string(&path).ok());
    owner.see("conclave://");
    owner.press_until("Escape", |screen| !screen.contains("conclave://"));
    owner.see("first line");
    (owner, invite.trim().to_owned())
}

/// Ben asks for control, ana lends it, ben types a line, ana takes it back.
fn lend_and_take_back(owner: &Terminal, viewer: &Terminal) {
    viewer.keys(&["t"]);
    owner.see("ben asks for control");
    owner.keys(&["o"]);
    owner.see("ben HAS CONTROL");
    viewer.see("you have control");
    viewer.keys(&["t"]);
    viewer.see("YOU TYPE");
    viewer.run("Oby ben");
    owner.see("by ben");
    viewer.keys(&["Escape"]);
    owner.keys(&["b"]);
    viewer.see("read-only");
    owner.see("you have control");
    let (_, text) = same(owner, viewer, "by ben");
    assert!(text.contains("first line"), "{text}");
}

/// Waits until both see the same terminal in a size that is not `before`; returns it.
fn resized(owner: &Terminal, viewer: &Terminal, before: &str) -> String {
    wait::until("another size", || {
        let (now, _) = same(owner, viewer, "by ben");
        (now != before).then_some(now)
    })
}

#[test]
fn a_shared_vim_is_the_same_for_everybody() {
    let folders: [TempDir; 4] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let [data, bens, chis, files] = &folders;
    let file = files.path().join("notes.txt");
    fs::write(&file, "first line\nsecond line with 会議室 in it\n").unwrap();
    let (owner, invite) = host(data.path(), &file);

    // Read-only: the same cells.
    let viewer = Terminal::open("share-viewer", 120, 40);
    join(&viewer, &invite, bens.path(), "ben");
    viewer.see("read-only");
    let (size, _) = same(&owner, &viewer, "second line");
    lend_and_take_back(&owner, &viewer);

    // Either side changes its size.
    viewer.resize(110, 36);
    let smaller = resized(&owner, &viewer, &size);
    owner.resize(104, 32);
    let smallest = resized(&owner, &viewer, &smaller);
    println!("shared terminal: {size}, {smaller}, {smallest}");

    // Whoever comes late sees it all.
    let late = Terminal::open("share-late", 130, 44);
    join(&late, &invite, chis.path(), "chi");
    late.see("read-only");
    same(&owner, &late, "by ben");
    same(&owner, &viewer, "by ben");

    // Ana writes the file and ends vim; its end is seen.
    owner.keys(&["t"]);
    owner.see("YOU TYPE");
    owner.keys(&["Escape"]);
    owner.run(":wq");
    for terminal in [&owner, &viewer, &late] {
        terminal.see("ended with 0");
    }
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.starts_with("by ben\n"), "{written}");
    for terminal in [&late, &viewer, &owner] {
        terminal.keys(&["C-c"]);
    }
}
