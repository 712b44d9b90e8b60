//! The connection to the X server, and why there is none.

use x11rb::connection::Connection;
use x11rb::connection::RequestConnection;
use x11rb::errors::ReplyOrIdError;
use x11rb::protocol::composite;
use x11rb::protocol::composite::ConnectionExt as _;
use x11rb::protocol::damage;
use x11rb::protocol::damage::ConnectionExt as _;
use x11rb::protocol::randr;
use x11rb::protocol::xfixes;
use x11rb::protocol::xfixes::ConnectionExt as _;
use x11rb::protocol::xproto::Atom;
use x11rb::protocol::xproto::ConnectionExt as _;
use x11rb::protocol::xproto::Screen;
use x11rb::rust_connection::RustConnection;

use crate::device::video::error::Origin;
use crate::device::video::error::VideoError;

/// Displays that there can be: each has a TCP port from 6000 on.
const MOST_DISPLAYS: u16 = u16::MAX - 6_000;

/// A connected display.
pub(in crate::device) struct Display {
    pub(super) conn: RustConnection,
    pub(super) root: u32,
    pub(super) screen: Screen,
    /// Which of the extensions there are.
    pub(super) has: Extensions,
}

/// Extensions that are of use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extensions {
    /// Windows have buffers of their own.
    pub(super) composite: bool,
    /// The server says when something has changed.
    pub(super) damage: bool,
    /// Monitors can be told apart.
    pub(super) randr: bool,
    /// The cursor can be seen.
    pub(super) xfixes: bool,
    /// The server only shows X11 programs in a Wayland session.
    pub(super) xwayland: bool,
}

impl Display {
    /// Connects to the display called `name`, or to that of the session.
    pub(in crate::device) fn open(origin: Origin, name: Option<&str>) -> Result<Self, VideoError> {
        let set = |variable: &str| std::env::var_os(variable).is_some_and(|it| !it.is_empty());
        if name.is_none() && !set("DISPLAY") {
            return Err(absent(origin, set("WAYLAND_DISPLAY")));
        }
        let called = name.map(str::to_owned).or_else(|| std::env::var("DISPLAY").ok());
        if called.is_some_and(|called| !is_numbered(&called)) {
            return Err(VideoError::NoDisplay {
                origin,
                reason: "DISPLAY does not name a display".to_owned(),
                advice: "set it to something like :0",
            });
        }
        let (conn, number) = x11rb::connect(name).map_err(|error| VideoError::NoDisplay {
            origin,
            reason: format!("the X server can't be reached: {error}"),
            advice: "check DISPLAY and XAUTHORITY, or name file:PATH.y4m instead",
        })?;
        Self::prepare(conn, number).map_err(|error| VideoError::NoDisplay {
            origin,
            reason: format!("the X server refused: {error}"),
            advice: "check XAUTHORITY, or name file:PATH.y4m instead",
        })
    }

    fn prepare(conn: RustConnection, number: usize) -> Result<Self, ReplyOrIdError> {
        let screen = conn.setup().roots.get(number).cloned();
        let screen = screen.ok_or(x11rb::errors::ConnectionError::UnknownError)?;
        let offers = |name| conn.extension_information(name).map(|found| found.is_some());
        let mut has = Extensions {
            composite: offers(composite::X11_EXTENSION_NAME)?,
            damage: offers(damage::X11_EXTENSION_NAME)?,
            randr: offers(randr::X11_EXTENSION_NAME)?,
            xfixes: offers(xfixes::X11_EXTENSION_NAME)?,
            xwayland: conn.query_extension(b"XWAYLAND")?.reply()?.present,
        };
        // Each extension wants to hear first which version of it we speak.
        has.xfixes = has.xfixes && conn.xfixes_query_version(5, 0)?.reply().is_ok();
        has.composite = has.composite && conn.composite_query_version(0, 4)?.reply().is_ok();
        has.damage = has.damage && has.xfixes && conn.damage_query_version(1, 1)?.reply().is_ok();
        Ok(Self { root: screen.root, screen, conn, has })
    }

    pub(super) fn atom(&self, name: &str) -> Result<Atom, ReplyOrIdError> {
        Ok(self.conn.intern_atom(false, name.as_bytes())?.reply()?.atom)
    }
}

/// Whether the number of a display is one. From the largest ones the library that connects would
/// compute a port that does not exist.
fn is_numbered(display: &str) -> bool {
    let number = display.rsplit_once(':').map(|(_, rest)| rest.split('.').next().unwrap_or(rest));
    number.and_then(|number| number.parse().ok()).is_some_and(|number: u16| number < MOST_DISPLAYS)
}

/// There is no X server, as far as the environment says.
fn absent(origin: Origin, wayland: bool) -> VideoError {
    let (reason, advice) = if wayland {
        (
            "this is a Wayland session without an X server, and screens are taken from X11 only",
            "start Xwayland or an X11 session, or share a terminal instead",
        )
    } else {
        (
            "DISPLAY is not set, so there is no graphical session",
            "run it in an X11 session (over SSH: `ssh -X`), or share a terminal instead",
        )
    };
    VideoError::NoDisplay { origin, reason: reason.to_owned(), advice }
}

/// Xwayland has the windows of X11 programs, but not the screen around them.
pub(super) fn hidden_by_wayland(origin: Origin) -> VideoError {
    VideoError::NoDisplay {
        origin,
        reason: "this is a Wayland session, which shows its screen to no X11 program".to_owned(),
        advice: "share a window of an X11 program, or log in to an X11 session",
    }
}

#[cfg(test)]
mod messages {
    use super::*;

    #[test]
    fn a_missing_display_says_why_and_what_to_do() {
        for (wayland, reason) in [(true, "Wayland"), (false, "DISPLAY is not set")] {
            let text = absent(Origin::Screen, wayland).to_string();
            assert!(text.contains(reason) && text.contains("; "), "{text}");
        }
        let text = hidden_by_wayland(Origin::Screen).to_string();
        assert!(text.contains("window"), "{text}");
        for (name, reason) in [
            (":4999", "can't be reached"),
            (":64999", "does not name a display"),
            ("wrong", "does not name a display"),
        ] {
            let refused = Display::open(Origin::Screen, Some(name)).map(drop).unwrap_err();
            assert!(refused.to_string().contains(reason), "{refused}");
        }
    }
}
