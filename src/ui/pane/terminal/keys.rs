//! What a key sends to a program in a terminal.

use crossterm::event::KeyCode;
use crossterm::event::KeyModifiers;

use crate::ui::key::Key;

/// The bytes of a key; none if terminals have none for it. `application` is the mode in which
/// cursor keys send other ones.
#[must_use]
pub fn encode(key: Key, application: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if key.modifiers.contains(KeyModifiers::ALT) {
        bytes.push(0x1b);
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let cursor = |letter: char| {
        let introducer = if application && !control { 'O' } else { '[' };
        let modifier = if control { "1;5" } else { "" };
        format!("\x1b{introducer}{modifier}{letter}")
    };
    let text = match key.code {
        KeyCode::Char(character) if control => {
            let Some(byte) = control_byte(character) else { return Vec::new() };
            bytes.push(byte);
            return bytes;
        }
        KeyCode::Char(character) => character.to_string(),
        KeyCode::Enter => "\r".to_owned(),
        KeyCode::Tab => "\t".to_owned(),
        KeyCode::BackTab => "\x1b[Z".to_owned(),
        KeyCode::Backspace => "\x7f".to_owned(),
        KeyCode::Esc => "\x1b".to_owned(),
        KeyCode::Up => cursor('A'),
        KeyCode::Down => cursor('B'),
        KeyCode::Right => cursor('C'),
        KeyCode::Left => cursor('D'),
        KeyCode::Home => cursor('H'),
        KeyCode::End => cursor('F'),
        KeyCode::Insert => "\x1b[2~".to_owned(),
        KeyCode::Delete => "\x1b[3~".to_owned(),
        KeyCode::PageUp => "\x1b[5~".to_owned(),
        KeyCode::PageDown => "\x1b[6~".to_owned(),
        KeyCode::F(number @ 1..=4) => format!("\x1bO{}", char::from(b'P' + number - 1)),
        KeyCode::F(number @ 5..=12) => {
            let codes = [15, 17, 18, 19, 20, 21, 23, 24];
            let code = codes.get(usize::from(number) - 5).copied().unwrap_or(15);
            format!("\x1b[{code}~")
        }
        _ => return Vec::new(),
    };
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Pasted text, bracketed if the program wants that. A bracket in the text itself goes, or what
/// follows it would be taken for typed.
#[must_use]
pub fn encode_paste(text: &str, bracketed: bool) -> Vec<u8> {
    let lines = text.replace("\r\n", "\r").replace('\n', "\r");
    if bracketed {
        format!("\x1b[200~{}\x1b[201~", lines.replace("\x1b[201~", "")).into_bytes()
    } else {
        lines.into_bytes()
    }
}

/// The control character of a key; terminals report some of them by digits.
const fn control_byte(character: char) -> Option<u8> {
    Some(match character {
        'a'..='z' => character as u8 - b'a' + 1,
        ' ' | '@' | '2' => 0,
        '[' | '3' => 0x1b,
        '\\' | '4' => 0x1c,
        ']' | '5' => 0x1d,
        '^' | '6' => 0x1e,
        '_' | '7' | '/' => 0x1f,
        '8' | '?' => 0x7f,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_send_what_terminals_send() {
        let key = |code| Key::new(code);
        let cases: &[(Key, bool, &[u8])] = &[
            (Key::char('a'), false, b"a"),
            (Key::char('会'), false, "会".as_bytes()),
            (key(KeyCode::Enter), false, b"\r"),
            (key(KeyCode::Esc), false, b"\x1b"),
            (key(KeyCode::Up), false, b"\x1b[A"),
            (key(KeyCode::Up), true, b"\x1bOA"),
            (key(KeyCode::F(1)), false, b"\x1bOP"),
            (key(KeyCode::F(12)), false, b"\x1b[24~"),
            (Key::ctrl('c'), false, b"\x03"),
            (Key::ctrl('4'), false, b"\x1c"),
            (Key { code: KeyCode::Char('x'), modifiers: KeyModifiers::ALT }, false, b"\x1bx"),
            (Key { code: KeyCode::Left, modifiers: KeyModifiers::CONTROL }, true, b"\x1b[1;5D"),
        ];
        for (key, application, bytes) in cases {
            assert_eq!(encode(*key, *application), *bytes, "{key}");
        }
        assert_eq!(encode_paste("a\nb", false), b"a\rb");
        assert_eq!(encode_paste("a\x1b[201~b", true), b"\x1b[200~ab\x1b[201~");
    }
}
