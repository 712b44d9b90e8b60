//! How a device is named on the command line and in the settings.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::DeviceError;

/// Which device to open.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum DeviceSpec {
    /// What the system says is its default.
    #[default]
    Default,
    /// The real device with this name or id, or whose name contains it.
    Named(String),
    /// A WAV file: read as a microphone, written as a speaker.
    File(PathBuf),
    /// A sine of so many hertz at half of full scale.
    Tone(f32),
    /// A synthetic talker; the number chooses the voice.
    Voice(u32),
    /// A microphone that hears nothing.
    Silence,
    /// A speaker that nobody hears.
    Null,
}

impl FromStr for DeviceSpec {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let refuse = |why| Err(DeviceError::Spec { spec: text.to_owned(), why });
        match text.split_once(':') {
            Some(("file", "")) => refuse("a path must follow `file:`"),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            Some(("tone", hertz)) => match hertz.parse::<f32>() {
                Ok(hertz) if (1.0..=20_000.0).contains(&hertz) => Ok(Self::Tone(hertz)),
                _ => refuse("a frequency of 1 to 20000 must follow `tone:`"),
            },
            Some(("voice", number)) => match number.parse() {
                Ok(number) => Ok(Self::Voice(number)),
                Err(_) => refuse("a number must follow `voice:`"),
            },
            _ => match text.trim() {
                "" => refuse("it is empty"),
                "default" => Ok(Self::Default),
                "silence" => Ok(Self::Silence),
                "null" => Ok(Self::Null),
                name => Ok(Self::Named(name.to_owned())),
            },
        }
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Named(name) => f.write_str(name),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Tone(hertz) => write!(f, "tone:{hertz}"),
            Self::Voice(number) => write!(f, "voice:{number}"),
            Self::Silence => f.write_str("silence"),
            Self::Null => f.write_str("null"),
        }
    }
}
