//! Splits a session description into m-lines and attributes.
//!
//! Works on bytes of strangers: total, without panics, linear in the input, and bounded by the
//! caller's limits. Lines of no interest are skipped, as RFC 8866 asks of a reader.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// Attributes of one section beyond which a description is refused.
const MAX_ATTRIBUTES: usize = 512;

/// What an m-line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum MediaKind {
    Audio,
    Video,
    Application,
    Other,
}

/// Which way media flows, from the writer of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub(super) const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    pub(super) const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}

/// A description taken apart; borrows from the text.
#[derive(Debug)]
pub(in super::super) struct Description<'a> {
    pub(super) session: Vec<Attribute<'a>>,
    pub(super) media: Vec<Section<'a>>,
}

/// `a=name:value`, or `a=name` with an empty value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a str,
}

/// One m-line with what follows it.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) kind: MediaKind,
    pub(super) port: u16,
    pub(super) protocol: &'a str,
    pub(super) formats: Vec<&'a str>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

impl<'a> Description<'a> {
    /// Takes `text` apart.
    pub(in super::super) fn parse(
        text: &'a str,
        max_bytes: usize,
        max_lines: usize,
    ) -> Result<Self, &'static str> {
        if text.len() > max_bytes {
            return Err("too long");
        }
        let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        if lines.next() != Some("v=0") {
            return Err("doesn't start with v=0");
        }
        let mut description = Self { session: Vec::new(), media: Vec::new() };
        for line in lines {
            if line.is_empty() {
                continue;
            }
            if line.bytes().any(|byte| byte < 0x20 && byte != b'\t') {
                return Err("control character");
            }
            let Some((key, value)) = line.split_once('=') else {
                return Err("line without '='");
            };
            match key {
                "m" if description.media.len() >= max_lines => return Err("too many m-lines"),
                "m" => description.media.push(Section::parse(value)?),
                "a" => description.push_attribute(value)?,
                _ => {}
            }
        }
        if description.media.is_empty() {
            return Err("no m-line");
        }
        Ok(description)
    }

    fn push_attribute(&mut self, text: &'a str) -> Result<(), &'static str> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let list = match self.media.last_mut() {
            Some(section) => &mut section.attributes,
            None => &mut self.session,
        };
        if list.len() >= MAX_ATTRIBUTES {
            return Err("too many attributes");
        }
        list.push(Attribute { name, value: value.trim() });
        Ok(())
    }

    /// An attribute that may stand in the section or, for all sections, before them.
    pub(super) fn effective(&self, section: &Section<'a>, name: &str) -> Option<&'a str> {
        section.first(name).or_else(|| find(&self.session, name))
    }

    /// The mids of the BUNDLE group; `None` without such a group.
    pub(super) fn bundle(&self) -> Option<Vec<&'a str>> {
        self.session
            .iter()
            .filter(|attribute| attribute.name == "group")
            .find_map(|attribute| attribute.value.strip_prefix("BUNDLE"))
            .map(|mids| mids.split_ascii_whitespace().collect())
    }
}

impl<'a> Section<'a> {
    fn parse(value: &'a str) -> Result<Self, &'static str> {
        let mut words = value.split_ascii_whitespace();
        let kind = match words.next().ok_or("empty m-line")? {
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            "application" => MediaKind::Application,
            _ => MediaKind::Other,
        };
        let port = words.next().ok_or("m-line without port")?;
        let port = port.split('/').next().unwrap_or(port);
        let port = port.parse().map_err(|_| "m-line with a bad port")?;
        let protocol = words.next().ok_or("m-line without protocol")?;
        let formats: Vec<_> = words.take(MAX_ATTRIBUTES).collect();
        Ok(Self { kind, port, protocol, formats, attributes: Vec::new() })
    }

    /// The first attribute of this name.
    pub(super) fn first(&self, name: &str) -> Option<&'a str> {
        find(&self.attributes, name)
    }

    /// All attributes of this name.
    pub(super) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a str> + 's {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.name == name)
            .map(|attribute| attribute.value)
    }

    /// The `mid`, if it is one that fits a header extension.
    pub(super) fn mid(&self) -> Result<&'a str, &'static str> {
        let mid = self.first("mid").ok_or("m-line without mid")?;
        let fits = (1..=16).contains(&mid.len()) && mid.bytes().all(is_token);
        if fits { Ok(mid) } else { Err("unusable mid") }
    }

    /// The direction; sendrecv where none is given, as RFC 8866 has it.
    pub(super) fn direction(&self) -> Direction {
        self.attributes
            .iter()
            .find_map(|attribute| match attribute.name {
                "sendrecv" => Some(Direction::SendRecv),
                "sendonly" => Some(Direction::SendOnly),
                "recvonly" => Some(Direction::RecvOnly),
                "inactive" => Some(Direction::Inactive),
                _ => None,
            })
            .unwrap_or(Direction::SendRecv)
    }

    /// Values of the form `<payload type> <rest>`, such as those of `rtpmap` and `fmtp`.
    pub(super) fn by_payload_type<'s>(
        &'s self,
        name: &'s str,
    ) -> impl Iterator<Item = (u8, &'a str)> + 's {
        self.all(name).filter_map(|value| {
            let (number, rest) = value.split_once(' ')?;
            Some((payload_type(number)?, rest.trim()))
        })
    }
}

/// A payload type that can be told from RTCP on the same port.
pub(super) fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number| matches!(number, 0..=63 | 96..=127))
}

/// Characters of RFC 8866 tokens.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte)
}

fn find<'a>(list: &[Attribute<'a>], name: &str) -> Option<&'a str> {
    list.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unusable_descriptions_are_refused() {
        let cases = [
            ("empty", String::new()),
            ("not sdp", "hello".into()),
            ("no m-line", "v=0\r\ns=-\r\n".into()),
            ("line without equals sign", "v=0\r\nnonsense\r\nm=audio 9 X 0\r\n".into()),
            ("bad port", "v=0\r\nm=audio x X 0\r\n".into()),
            ("control character", "v=0\r\nm=audio 9 X 0\r\na=mid:\u{7}\r\n".into()),
            ("too many m-lines", format!("v=0\n{}", "m=audio 9 X 0\n".repeat(9))),
            ("too many attributes", format!("v=0\nm=audio 9 X 0\n{}", "a=b\n".repeat(600))),
            ("too long", format!("v=0\nm=audio 9 X 0\ns={}\n", "x".repeat(10_000))),
        ];
        for (name, text) in cases {
            assert!(Description::parse(&text, 9_000, 8).is_err(), "{name}");
        }
    }

    #[test]
    fn session_attributes_hold_for_every_section() {
        let text = "v=0\na=ice-ufrag:abcd\na=group:BUNDLE 0 1\nm=audio 9 P 1\na=mid:0\n\
                    m=video 9 P 2\na=ice-ufrag:efgh\n";
        let description = Description::parse(text, 1000, 8).unwrap();
        assert_eq!(description.bundle(), Some(vec!["0", "1"]));
        let [audio, video] = description.media.as_slice() else { panic!("two sections") };
        assert_eq!(description.effective(audio, "ice-ufrag"), Some("abcd"));
        assert_eq!(description.effective(video, "ice-ufrag"), Some("efgh"));
        assert!(video.mid().is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(v=0\n)?([ma]=[ -~]{0,40}\r?\n|\\PC{0,30}\n){0,30}") {
            let _ = Description::parse(&text, 10_000, 8);
        }
    }
}
