//! The name of a terminal that is to be shared.

use std::fmt;
use std::str::FromStr;

use crate::api::ApiError;

/// A terminal that is to be shared, as the user names it: `terminal:"htop -d 5"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedCommand {
    command: String,
    video: bool,
}

impl SharedCommand {
    /// Shares this command, which a shell runs.
    #[must_use]
    pub fn new(command: &str) -> Self {
        Self { command: command.to_owned(), video: false }
    }

    /// Whether it is to be sent as video, too, for those who show no shared terminals.
    #[must_use]
    pub const fn with_video(mut self, video: bool) -> Self {
        self.video = video;
        self
    }

    /// Whether it is to be sent as video, too.
    #[must_use]
    pub const fn has_video(&self) -> bool {
        self.video
    }

    /// What the shell runs.
    #[must_use]
    pub fn command(&self) -> &str {
        &self.command
    }
}

impl FromStr for SharedCommand {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        let invalid = |reason: &str| ApiError::Invalid {
            what: "what is to be shared",
            reason: format!("{reason}; write terminal:\"COMMAND\""),
        };
        let rest = text.strip_prefix("terminal:").ok_or_else(|| invalid("it is no terminal"))?;
        let inner = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match inner.unwrap_or(rest).trim() {
            "" => Err(invalid("the command is missing")),
            command => Ok(Self::new(command)),
        }
    }
}

impl fmt::Display for SharedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "terminal:\"{}\"", self.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_commands_are_read_and_written() {
        let cases = [
            ("terminal:\"htop -d 5\"", Some("htop -d 5")),
            ("terminal:htop", Some("htop")),
            ("terminal:vim \"a b\"", Some("vim \"a b\"")),
            ("terminal:", None),
            ("terminal:\"\"", None),
            ("screen", None),
        ];
        for (text, command) in cases {
            let read = text.parse::<SharedCommand>().ok();
            assert_eq!(read.as_ref().map(SharedCommand::command), command, "{text}");
            if let Some(read) = read {
                assert_eq!(read.to_string().parse::<SharedCommand>().unwrap(), read);
            }
        }
    }
}
