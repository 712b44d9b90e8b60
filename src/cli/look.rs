//! What the terminal can show, as far as its environment tells.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::profile::Settings;
use crate::ui::Look;
use crate::ui::canvas::VideoBudget;
use crate::ui::theme::Depth;
use crate::ui::theme::GlyphChoice;
use crate::ui::theme::ThemeText;

use super::args::Screen;

/// Longest theme file that is read.
const MAX_THEME_LEN: u64 = 64 * 1024;

/// How the screen is to look: flags, then settings, then what the terminal says of itself.
pub fn choose(screen: &Screen, settings: &Settings, config: &Path) -> Look {
    let ascii = screen.ascii || settings.ascii.unwrap_or(false) || !speaks_unicode();
    Look {
        themes: user_themes(&config.join("themes")),
        theme: screen.theme.clone().or_else(|| settings.theme.clone()),
        depth: colour_depth(|name| std::env::var(name).ok()),
        glyphs: if ascii { GlyphChoice::Ascii } else { GlyphChoice::Unicode },
        mouse: true,
        utc_offset_s: TimeZone::system().to_offset(Timestamp::now()).seconds(),
        video_budget: screen.video_budget.unwrap_or_else(|| video_budget(settings)),
    }
}

/// The budget in the settings; one that can't be read is logged and left out.
fn video_budget(settings: &Settings) -> VideoBudget {
    let Some(text) = &settings.video.budget else { return VideoBudget::default() };
    text.parse().unwrap_or_else(|error| {
        tracing::warn!(%error, %text, "video.budget in the settings not understood");
        VideoBudget::default()
    })
}

/// Colours by `NO_COLOR` (no-color.org), `COLORTERM` and `TERM`.
pub fn colour_depth(variable: impl Fn(&str) -> Option<String>) -> Depth {
    let term = variable("TERM").unwrap_or_default();
    let colour = variable("COLORTERM").unwrap_or_default();
    if variable("NO_COLOR").is_some_and(|value| !value.is_empty()) || term == "dumb" {
        Depth::Mono
    } else if matches!(colour.as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
        Depth::True
    } else if term.contains("256") {
        Depth::Ansi256
    } else {
        Depth::Ansi16
    }
}

/// By the locale; a machine without any is most likely a container whose terminal does.
pub fn speaks_unicode() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Theme files of the user; what can't be read is left out and logged.
fn user_themes(directory: &Path) -> Vec<ThemeText> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut themes = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let small = fs::metadata(&path).is_ok_and(|file| file.len() <= MAX_THEME_LEN);
        let name = path.file_stem().and_then(|name| name.to_str());
        let (true, Some(name)) = (small && path.extension().is_some_and(|e| e == "toml"), name)
        else {
            continue;
        };
        match fs::read_to_string(&path) {
            Ok(toml) => themes.push(ThemeText { name: name.to_owned(), toml }),
            Err(error) => tracing::warn!(%error, path = %path.display(), "theme not readable"),
        }
    }
    themes.sort_by(|a, b| a.name.cmp(&b.name));
    themes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_what_the_terminal_says() {
        let cases: &[(&[(&str, &str)], Depth)] = &[
            (&[("TERM", "xterm"), ("COLORTERM", "truecolor")], Depth::True),
            (&[("TERM", "xterm-direct")], Depth::True),
            (&[("TERM", "tmux-256color")], Depth::Ansi256),
            (&[("TERM", "linux")], Depth::Ansi16),
            (&[("TERM", "dumb")], Depth::Mono),
            (&[("TERM", "xterm"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")], Depth::Mono),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Depth::Ansi256),
            (&[], Depth::Ansi16),
        ];
        for (environment, depth) in cases {
            let variable = |name: &str| {
                environment.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned())
            };
            assert_eq!(colour_depth(variable), *depth, "{environment:?}");
        }
    }
}
