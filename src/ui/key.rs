//! One key with its modifiers: how it arrives, how it is written.

use std::fmt;

use crossterm::event::KeyCode;
use crossterm::event::KeyEvent;
use crossterm::event::KeyModifiers;

/// A key press without the detail that terminals report differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Which key.
    pub code: KeyCode,
    /// Ctrl and Alt; Shift is part of the character.
    pub modifiers: KeyModifiers,
}

impl Key {
    /// A key alone.
    #[must_use]
    pub const fn new(code: KeyCode) -> Self {
        Self { code, modifiers: KeyModifiers::NONE }
    }

    /// A character.
    #[must_use]
    pub const fn char(character: char) -> Self {
        Self::new(KeyCode::Char(character))
    }

    /// A character together with Ctrl.
    #[must_use]
    pub const fn ctrl(character: char) -> Self {
        Self { code: KeyCode::Char(character), modifiers: KeyModifiers::CONTROL }
    }

    /// The key of an event. Shift goes: it is in the character, or in `BackTab`.
    #[must_use]
    pub fn of(event: &KeyEvent) -> Self {
        let modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        match event.code {
            KeyCode::Char(character) if modifiers.contains(KeyModifiers::CONTROL) => {
                Self { code: KeyCode::Char(character.to_ascii_lowercase()), modifiers }
            }
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => {
                Self { code: KeyCode::BackTab, modifiers }
            }
            code => Self { code, modifiers },
        }
    }

    /// The event of a key, for what wants events.
    #[must_use]
    pub const fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }

    /// Reads a name as [`fmt::Display`] writes it, in any case: `j`, `enter`, `ctrl-c`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut rest = name.chars();
        if let (Some(character), None) = (rest.next(), rest.next()) {
            return Some(Self::char(character));
        }
        let lower = name.to_ascii_lowercase();
        if let Some(character) = lower.strip_prefix("ctrl-").and_then(|rest| rest.chars().next()) {
            return Some(Self::ctrl(character));
        }
        NAMED
            .iter()
            .find(|(_, name)| name.to_ascii_lowercase() == lower)
            .map(|(code, _)| Self::new(*code))
    }
}

/// Keys that have a name instead of a character.
const NAMED: &[(KeyCode, &str)] = &[
    (KeyCode::Enter, "Enter"),
    (KeyCode::Esc, "Esc"),
    (KeyCode::Tab, "Tab"),
    (KeyCode::BackTab, "Shift-Tab"),
    (KeyCode::Backspace, "Backspace"),
    (KeyCode::Delete, "Delete"),
    (KeyCode::Up, "Up"),
    (KeyCode::Down, "Down"),
    (KeyCode::Left, "Left"),
    (KeyCode::Right, "Right"),
    (KeyCode::Home, "Home"),
    (KeyCode::End, "End"),
    (KeyCode::PageUp, "PgUp"),
    (KeyCode::PageDown, "PgDn"),
    (KeyCode::Char(' '), "Space"),
];

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("Ctrl-")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            f.write_str("Alt-")?;
        }
        if let Some((_, name)) = NAMED.iter().find(|(code, _)| *code == self.code) {
            return f.write_str(name);
        }
        match self.code {
            KeyCode::Char(character) if self.modifiers.is_empty() => write!(f, "{character}"),
            KeyCode::Char(character) => write!(f, "{}", character.to_ascii_uppercase()),
            other => write!(f, "{other}"),
        }
    }
}
