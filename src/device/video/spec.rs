//! How a source of pictures is named on the command line and in the settings.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::VideoError;
use crate::device::error::DeviceError;

/// What to take pictures from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VideoSpec {
    /// The first camera.
    #[default]
    Default,
    /// The camera with this name, number or id, or whose name contains it.
    Named(String),
    /// A Y4M file, played in a loop.
    Clip(PathBuf),
    /// A still picture (PNG, JPEG, WebP, GIF).
    Image(PathBuf),
    /// A moving test picture with a frame counter.
    Pattern,
    /// A whole screen: the primary one, or the one with this number, counted from 1.
    Screen(Option<u32>),
    /// One window, by its id or by part of its title.
    Window(String),
    /// The screen of this command in a terminal of its own.
    Terminal(String),
    /// No pictures.
    Off,
}

impl VideoSpec {
    /// Whether no pictures are wanted.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self == Self::Off
    }
}

impl FromStr for VideoSpec {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let refuse = |why| Err(VideoError::Spec { spec: text.to_owned(), why }.into());
        let text = text.trim();
        match text.split_once(':') {
            Some(("file", "")) => refuse("a path must follow `file:`"),
            Some(("file", path)) => Ok(Self::Clip(PathBuf::from(path))),
            Some(("image", "")) => refuse("a path must follow `image:`"),
            Some(("image", path)) => Ok(Self::Image(PathBuf::from(path))),
            Some(("screen", number)) => match number.parse::<u32>() {
                Ok(number) if number > 0 => Ok(Self::Screen(Some(number))),
                _ => refuse("a number from 1 on must follow `screen:`"),
            },
            Some(("window", window)) => match window.trim() {
                "" => refuse("an id or a part of a title must follow `window:`"),
                window => Ok(Self::Window(window.to_owned())),
            },
            Some(("terminal", command)) => match unquoted(command).trim() {
                "" => refuse("a command must follow `terminal:`"),
                command => Ok(Self::Terminal(command.to_owned())),
            },
            _ => match text {
                "" => refuse("it is empty"),
                "default" => Ok(Self::Default),
                "pattern" => Ok(Self::Pattern),
                "screen" => Ok(Self::Screen(None)),
                "off" => Ok(Self::Off),
                "image" | "file" | "window" | "terminal" => {
                    refuse("a colon and more must follow that word")
                }
                name => Ok(Self::Named(name.to_owned())),
            },
        }
    }
}

/// Without the quotes around it, which a shell takes away and a settings file does not.
fn unquoted(command: &str) -> &str {
    let command = command.trim();
    command.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(command)
}

impl fmt::Display for VideoSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Named(name) => f.write_str(name),
            Self::Clip(path) => write!(f, "file:{}", path.display()),
            Self::Image(path) => write!(f, "image:{}", path.display()),
            Self::Pattern => f.write_str("pattern"),
            Self::Screen(None) => f.write_str("screen"),
            Self::Screen(Some(number)) => write!(f, "screen:{number}"),
            Self::Window(window) => write!(f, "window:{window}"),
            Self::Terminal(command) => write!(f, "terminal:\"{command}\""),
            Self::Off => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_back() {
        let named = |name: &str| VideoSpec::Named(name.to_owned());
        let table = [
            ("default", VideoSpec::Default, "default"),
            (" pattern ", VideoSpec::Pattern, "pattern"),
            ("off", VideoSpec::Off, "off"),
            ("screen", VideoSpec::Screen(None), "screen"),
            ("screen:2", VideoSpec::Screen(Some(2)), "screen:2"),
            ("file:a b.y4m", VideoSpec::Clip("a b.y4m".into()), "file:a b.y4m"),
            ("file:C:/a.y4m", VideoSpec::Clip("C:/a.y4m".into()), "file:C:/a.y4m"),
            ("image:me.png", VideoSpec::Image("me.png".into()), "image:me.png"),
            ("window:0x1a", VideoSpec::Window("0x1a".to_owned()), "window:0x1a"),
            ("window: A: b", VideoSpec::Window("A: b".to_owned()), "window:A: b"),
            ("terminal:htop", VideoSpec::Terminal("htop".to_owned()), "terminal:\"htop\""),
            ("terminal:\"vi x\"", VideoSpec::Terminal("vi x".to_owned()), "terminal:\"vi x\""),
            ("Integrated Camera", named("Integrated Camera"), "Integrated Camera"),
            ("USB: Camera", named("USB: Camera"), "USB: Camera"),
            ("0", named("0"), "0"),
        ];
        for (text, spec, written) in table {
            let read: VideoSpec = text.parse().unwrap();
            assert_eq!(read, spec, "{text}");
            assert_eq!(read.to_string(), written, "{text}");
            assert_eq!(read.to_string().parse::<VideoSpec>().unwrap(), spec, "{text}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused_with_the_reason() {
        let table = [
            ("", "empty"),
            ("  ", "empty"),
            ("file:", "path"),
            ("image:", "path"),
            ("image", "colon"),
            ("screen:", "from 1 on"),
            ("screen:0", "from 1 on"),
            ("screen:-1", "from 1 on"),
            ("screen:99999999999", "from 1 on"),
            ("screen:left", "from 1 on"),
            ("window:", "title"),
            ("window:  ", "title"),
            ("terminal:", "command"),
            ("terminal:\"\"", "command"),
        ];
        for (text, reason) in table {
            let refused = text.parse::<VideoSpec>().unwrap_err().to_string();
            assert!(refused.contains(reason), "{text}: {refused}");
            assert!(refused.contains("pattern"), "says what is possible: {refused}");
        }
    }
}
