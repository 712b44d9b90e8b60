//! Which screens and windows a display has, and the one that a name means.

use x11rb::errors::ReplyError;
use x11rb::errors::ReplyOrIdError;
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::protocol::xproto::AtomEnum;
use x11rb::protocol::xproto::ConnectionExt as _;
use x11rb::protocol::xproto::MapState;
use x11rb::protocol::xproto::Window;
use x11rb::protocol::xproto::WindowClass;

use super::display::Display;
use super::display::hidden_by_wayland;
use crate::device::list::DesktopInfo;
use crate::device::video::error::Origin;
use crate::device::video::error::VideoError;

/// Windows that are smaller than this on a side are helpers of their programs.
const LEAST_SIDE: u16 = 16;
/// Most windows that are looked at.
const MAX_WINDOWS: usize = 500;
/// Words of four bytes of a title that are read.
const TITLE_WORDS: u32 = 128;
/// Characters of a title that are shown.
const TITLE_SHOWN: usize = 80;
/// Words of four bytes of the list of windows that are read.
const LIST_WORDS: u32 = 4_096;

/// What is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The monitor with this number, counted from 1.
    Screen(u32, Area),
    /// The window with this id.
    Window(Window),
}

/// A part of the root window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: i16,
    pub(super) y: i16,
    pub(super) width: u16,
    pub(super) height: u16,
}

struct Monitor {
    area: Area,
    name: String,
    primary: bool,
}

/// All screens, then all windows, in the order that the server has them.
pub(in crate::device) fn list(display: &Display) -> Result<Vec<DesktopInfo>, ReplyOrIdError> {
    let mut found = Vec::new();
    if !display.has.xwayland {
        for (number, monitor) in (1_u32..).zip(monitors(display)?) {
            found.push(DesktopInfo {
                origin: Origin::Screen,
                name: monitor.name,
                id: format!("screen:{number}"),
                width: u32::from(monitor.area.width),
                height: u32::from(monitor.area.height),
                is_default: monitor.primary,
            });
        }
    }
    for window in windows(display)? {
        found.push(DesktopInfo {
            origin: Origin::Window,
            name: window.title,
            id: format!("window:{:#x}", window.id),
            width: u32::from(window.width),
            height: u32::from(window.height),
            is_default: false,
        });
    }
    Ok(found)
}

/// The monitors; one as large as the root window where the server tells of none. The first one is
/// primary if none says so.
fn monitors(display: &Display) -> Result<Vec<Monitor>, ReplyOrIdError> {
    let mut found = Vec::new();
    if display.has.randr {
        let reply = display.conn.randr_get_monitors(display.root, true)?.reply();
        for monitor in reply.map(|reply| reply.monitors).unwrap_or_default() {
            let name = display.conn.get_atom_name(monitor.name)?.reply();
            let name = name.map(|name| shown(&name.name)).unwrap_or_default();
            let (x, y, width, height) = (monitor.x, monitor.y, monitor.width, monitor.height);
            let area = Area { x, y, width, height };
            found.push(Monitor { area, name, primary: monitor.primary });
        }
    }
    found.retain(|monitor| monitor.area.width > 0 && monitor.area.height > 0);
    if found.is_empty() {
        let screen = &display.screen;
        let (width, height) = (screen.width_in_pixels, screen.height_in_pixels);
        let area = Area { x: 0, y: 0, width, height };
        found.push(Monitor { area, name: "screen".to_owned(), primary: true });
    }
    if !found.iter().any(|monitor| monitor.primary)
        && let Some(first) = found.first_mut()
    {
        first.primary = true;
    }
    Ok(found)
}

/// A window that people would know.
struct Titled {
    id: Window,
    title: String,
    width: u16,
    height: u16,
}

fn windows(display: &Display) -> Result<Vec<Titled>, ReplyOrIdError> {
    let mut found = Vec::new();
    for id in candidates(display)?.into_iter().take(MAX_WINDOWS) {
        // A window may be gone by now; the others are still there.
        if let Ok(Some(window)) = look_at(display, id) {
            found.push(window);
        }
    }
    Ok(found)
}

/// The windows that the window manager lists; without one, those on the root window.
fn candidates(display: &Display) -> Result<Vec<Window>, ReplyOrIdError> {
    let list = display.atom("_NET_CLIENT_LIST")?;
    let reply = display
        .conn
        .get_property(false, display.root, list, AtomEnum::WINDOW, 0, LIST_WORDS)?
        .reply()?;
    let listed: Vec<Window> = reply.value32().into_iter().flatten().collect();
    if !listed.is_empty() {
        return Ok(listed);
    }
    Ok(display.conn.query_tree(display.root)?.reply()?.children)
}

/// What is known of a window; `None` if it can't be shared.
fn look_at(display: &Display, id: Window) -> Result<Option<Titled>, ReplyError> {
    let attributes = display.conn.get_window_attributes(id)?.reply()?;
    if attributes.map_state != MapState::VIEWABLE || attributes.class == WindowClass::INPUT_ONLY {
        return Ok(None);
    }
    let size = display.conn.get_geometry(id)?.reply()?;
    let title = title(display, id)?;
    let worth = !title.is_empty() && size.width >= LEAST_SIDE && size.height >= LEAST_SIDE;
    Ok(worth.then_some(Titled { id, title, width: size.width, height: size.height }))
}

fn title(display: &Display, window: Window) -> Result<String, ReplyError> {
    let net_name = display.conn.intern_atom(false, b"_NET_WM_NAME")?.reply()?.atom;
    let names = [net_name, AtomEnum::WM_NAME.into()];
    for name in names {
        let reply = display
            .conn
            .get_property(false, window, name, AtomEnum::ANY, 0, TITLE_WORDS)?
            .reply()?;
        let title = shown(&reply.value);
        if !title.is_empty() {
            return Ok(title);
        }
    }
    Ok(String::new())
}

/// Programs put into their titles what they like, and what web pages like.
fn shown(title: &[u8]) -> String {
    let text = String::from_utf8_lossy(title);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim().chars().take(TITLE_SHOWN).collect()
}

/// The screen with this number, or the primary one.
pub(super) fn screen(
    display: &Display,
    number: Option<u32>,
) -> Result<(Target, String), VideoError> {
    let origin = Origin::Screen;
    if display.has.xwayland {
        return Err(hidden_by_wayland(origin));
    }
    let name = number.map_or_else(|| "screen".to_owned(), |number| format!("screen:{number}"));
    let monitors = monitors(display).map_err(|error| VideoError::Open {
        origin,
        name: name.clone(),
        reason: error.to_string(),
    })?;
    let found = (1_u32..).zip(monitors).find(|(at, monitor)| match number {
        Some(number) => *at == number,
        None => monitor.primary,
    });
    match found {
        Some((number, monitor)) => Ok((Target::Screen(number, monitor.area), monitor.name)),
        None => Err(VideoError::NotFound { origin, name }),
    }
}

/// The window with this id, this title, or the only one whose title contains it.
pub(super) fn window(display: &Display, wanted: &str) -> Result<(Target, String), VideoError> {
    let origin = Origin::Window;
    if let Some(id) = parse_id(wanted)
        && let Ok(true) = exists(display, id)
    {
        let title = title(display, id).unwrap_or_default();
        let title = if title.is_empty() { wanted.to_owned() } else { title };
        return Ok((Target::Window(id), title));
    }
    let failed = |error: ReplyOrIdError| VideoError::Open {
        origin,
        name: wanted.to_owned(),
        reason: error.to_string(),
    };
    let windows = windows(display).map_err(failed)?;
    let found: Vec<(Window, String)> =
        windows.into_iter().map(|window| (window.id, window.title)).collect();
    let (id, title) = choose(found, wanted)?;
    Ok((Target::Window(id), title))
}

fn parse_id(text: &str) -> Option<Window> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => Window::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

fn exists(display: &Display, id: Window) -> Result<bool, ReplyError> {
    match display.conn.get_window_attributes(id)?.reply() {
        Ok(attributes) => Ok(attributes.class != WindowClass::INPUT_ONLY),
        Err(ReplyError::X11Error(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// An exact title comes before a part of one.
fn choose(
    mut windows: Vec<(Window, String)>,
    wanted: &str,
) -> Result<(Window, String), VideoError> {
    let (origin, name) = (Origin::Window, wanted.to_owned());
    let part = wanted.to_lowercase();
    windows.retain(|(_, title)| title.to_lowercase().contains(&part));
    if windows.iter().any(|(_, title)| title == wanted) {
        windows.retain(|(_, title)| title == wanted);
    }
    match windows.pop() {
        Some(only) if windows.is_empty() => Ok(only),
        Some(last) => {
            windows.push(last);
            let names = windows.iter().map(|(id, title)| format!("{id:#x} {title}"));
            let matches = names.collect::<Vec<_>>().join(", ");
            Err(VideoError::Ambiguous { origin, name, matches })
        }
        None => Err(VideoError::NotFound { origin, name }),
    }
}

#[cfg(test)]
mod names {
    use super::*;

    #[test]
    fn titles_are_chosen_by_part_but_never_at_random() {
        let windows = || {
            ["vim notes", "vim", "Firefox: news"]
                .map(str::to_owned)
                .into_iter()
                .zip(1..)
                .map(|(title, id)| (id, title))
                .collect::<Vec<_>>()
        };
        assert_eq!(choose(windows(), "FIRE").unwrap().0, 3);
        assert_eq!(choose(windows(), "vim").unwrap().0, 2, "the exact title wins");
        let unclear = choose(windows(), "vi").unwrap_err();
        assert!(unclear.to_string().contains("0x1 vim notes, 0x2 vim"), "{unclear}");
        assert!(matches!(choose(windows(), "emacs"), Err(VideoError::NotFound { .. })));
    }

    #[test]
    fn titles_can_t_write_to_the_terminal() {
        assert_eq!(shown(b"a\x1b[2Jb\nc\xff"), "a [2Jb c\u{fffd}");
        assert_eq!(shown(&[b'x'; 1_000]).len(), TITLE_SHOWN);
        assert_eq!(parse_id("0x1f"), Some(31));
        assert_eq!(parse_id("31"), Some(31));
        assert_eq!(parse_id("0x"), None);
    }
}
