//! ACL texts: which functions a user of a Context may call (transport.md 9, streams.md 6.1).
//!
//! Lines `ALLOW|DENY <function or group> [argument=value …]`; the last line that matches wins
//! and nothing matching means no.

use super::error::ServiceError;

/// Lines a text may have.
const MAX_LINES: usize = 100;
/// Bytes a text may have.
const MAX_BYTES: usize = 16_384;

/// Functions that only read, without their module.
const CONTEXT_READ: &[&str] = &["contextGetUsers", "contextListUsers"];
const CONTEXT_WRITE: &[&str] = &["contextSendCustomNotification"];
const STREAM_READ: &[&str] =
    &["streamRoomGet", "streamRoomList", "streamRoomListAll", "streamList"];
const STREAM_WRITE: &[&str] = &[
    "streamRoomCreate",
    "streamRoomDeleteMany",
    "streamRoomUpdate",
    "streamRoomDelete",
    "streamRoomClose",
    "streamRoomEnableRecording",
    "streamSendCustomNotification",
    "streamRoomJoin",
    "streamRoomLeave",
    "streamPublish",
    "streamUpdate",
    "streamUnpublish",
    "streamSubscribe",
    "streamUnsubscribe",
    "streamModifySubscription",
    "streamTrickle",
    "streamAcceptOffer",
    "streamSetNewOffer",
];
/// Modules of real bridges that this one does not have; their lines are legal and idle.
const OTHER_MODULES: &[&str] = &["thread", "store", "inbox", "kvdb", "user"];
/// Arguments that lines may test.
const ARGUMENTS: &[&str] = &["contextId", "streamRoomId"];

/// A parsed ACL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    allow: bool,
    name: String,
    arguments: Vec<(String, String)>,
}

impl Acl {
    /// Parses a text.
    ///
    /// # Errors
    ///
    /// [`ServiceError::InvalidAcl`] names the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, ServiceError> {
        if text.len() > MAX_BYTES {
            return Err(ServiceError::InvalidAcl(format!("more than {MAX_BYTES} bytes")));
        }
        let mut lines = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            if lines.len() == MAX_LINES {
                return Err(ServiceError::InvalidAcl(format!("more than {MAX_LINES} lines")));
            }
            let line = Line::parse(line)
                .ok_or_else(|| ServiceError::InvalidAcl(format!("line {}", index + 1)))?;
            lines.push(line);
        }
        Ok(Self { lines })
    }

    /// Whether `function` (as `module/name`) may be called with `arguments`.
    #[must_use]
    pub fn allows(&self, function: &str, arguments: &[(&str, &str)]) -> bool {
        self.lines
            .iter()
            .rev()
            .find(|line| line.covers(function) && line.applies(arguments))
            .is_some_and(|line| line.allow)
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let allow = match words.next()? {
            "ALLOW" => true,
            "DENY" => false,
            _ => return None,
        };
        let name = words.next()?;
        if !is_name(name) {
            return None;
        }
        let mut arguments = Vec::new();
        for word in words {
            let (key, value) = word.split_once('=')?;
            if value.is_empty() || !(ARGUMENTS.contains(&key) || is_foreign(name)) {
                return None;
            }
            arguments.push((key.to_owned(), value.to_owned()));
        }
        Some(Self { allow, name: name.to_owned(), arguments })
    }

    fn covers(&self, function: &str) -> bool {
        if self.name == "ALL" || self.name == function {
            return true;
        }
        let Some((module, name)) = function.split_once('/') else { return false };
        let group = match self.name.split_once('/') {
            None => self.name.as_str(),
            Some((of, group)) if of == module => group,
            Some(_) => return false,
        };
        match group {
            "ALL" => true,
            "READ" => CONTEXT_READ.contains(&name) || STREAM_READ.contains(&name),
            "WRITE" => CONTEXT_WRITE.contains(&name) || STREAM_WRITE.contains(&name),
            _ => false,
        }
    }

    fn applies(&self, arguments: &[(&str, &str)]) -> bool {
        self.arguments
            .iter()
            .all(|(key, value)| arguments.contains(&(key.as_str(), value.as_str())))
    }
}

fn is_foreign(name: &str) -> bool {
    name.split_once('/').is_some_and(|(module, _)| OTHER_MODULES.contains(&module))
}

fn is_name(name: &str) -> bool {
    let is_group = |group: &str| matches!(group, "ALL" | "READ" | "WRITE");
    match name.split_once('/') {
        None => is_group(name),
        Some(("context", function)) => {
            is_group(function)
                || CONTEXT_READ.contains(&function)
                || CONTEXT_WRITE.contains(&function)
        }
        Some(("stream", function)) => {
            is_group(function)
                || STREAM_READ.contains(&function)
                || STREAM_WRITE.contains(&function)
        }
        Some((module, function)) => {
            OTHER_MODULES.contains(&module)
                && !function.is_empty()
                && function.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_matching_line_decides() {
        let join = ("stream/streamRoomJoin", &[("streamRoomId", "r1")][..]);
        let get = ("stream/streamRoomGet", &[("streamRoomId", "r1")][..]);
        let list = ("context/contextListUsers", &[("contextId", "c1")][..]);
        type Case<'a> = (&'a str, (&'a str, &'a [(&'a str, &'a str)]), bool);
        let cases: &[Case<'_>] = &[
            ("", join, false),
            ("ALLOW ALL", join, true),
            ("ALLOW ALL\nDENY stream/streamRoomJoin", join, false),
            ("DENY stream/streamRoomJoin\nALLOW ALL", join, true),
            ("ALLOW READ", get, true),
            ("ALLOW READ", join, false),
            ("ALLOW WRITE", join, true),
            ("ALLOW WRITE", get, false),
            ("ALLOW stream/ALL", join, true),
            ("ALLOW stream/ALL", list, false),
            ("ALLOW stream/WRITE", join, true),
            ("ALLOW context/READ", list, true),
            ("ALLOW ALL\nDENY stream/streamRoomJoin streamRoomId=r2", join, true),
            ("ALLOW ALL\nDENY stream/streamRoomJoin streamRoomId=r1", join, false),
            ("ALLOW thread/READ", get, false),
        ];
        for (text, (function, arguments), expected) in cases {
            let acl = Acl::parse(text).unwrap();
            assert_eq!(acl.allows(function, arguments), *expected, "{text:?} {function}");
        }
    }

    #[test]
    fn invalid_texts_are_refused() {
        for text in [
            "ALLOW",
            "allow ALL",
            "ALLOW stream/streamRoomExplode",
            "ALLOW other/ALL",
            "ALLOW stream/ALL streamRoomId",
            "ALLOW stream/ALL color=red",
            "PERMIT ALL",
        ] {
            assert_eq!(Acl::parse(text).unwrap_err().code(), 0x6131, "{text}");
        }
        assert!(Acl::parse(&"ALLOW ALL\n".repeat(101)).is_err());
    }
}
