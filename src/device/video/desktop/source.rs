//! A screen or a window as a source of pictures.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::errors::ReplyOrIdError;
use x11rb::protocol::ErrorKind;
use x11rb::protocol::Event;
use x11rb::protocol::composite::ConnectionExt as _;
use x11rb::protocol::composite::Redirect;
use x11rb::protocol::damage::ConnectionExt as _;
use x11rb::protocol::damage::ReportLevel;
use x11rb::protocol::xproto::ConnectionExt as _;
use x11rb::protocol::xproto::Pixmap;
use x11rb::protocol::xproto::Window;

use super::cursor::Cursor;
use super::display::Display;
use super::grab::Pixels;
use super::grab::grab;
use super::target;
use super::target::Area;
use super::target::Target;
use crate::device::error::DeviceError;
use crate::device::video::VideoSpec;
use crate::device::video::error::Origin;
use crate::device::video::error::VideoError;
use crate::device::video::pace::Pace;
use crate::device::video::source::VideoFormat;
use crate::device::video::source::VideoKind;
use crate::device::video::source::VideoSource;
use crate::media::video::Picture;

/// How often what has not changed is given again, for those who came later.
const REPEAT: Duration = Duration::from_secs(1);

/// Takes pictures of a screen or a window whenever it has changed.
pub(in crate::device) struct DesktopSource {
    lens: Lens,
    format: VideoFormat,
    pace: Pace,
    /// Something was drawn since the last picture.
    changed: bool,
    cursor: Option<Cursor>,
    last: Option<(Arc<Picture>, Instant)>,
}

/// What looks at one target.
struct Lens {
    display: Display,
    target: Target,
    name: String,
    /// Names the buffer of the window.
    pixmap: Pixmap,
    damage: Option<u32>,
}

impl DesktopSource {
    /// Opens what `spec` means, on the display called `on` or on that of the session.
    pub(in crate::device) fn open(
        spec: &VideoSpec,
        format: VideoFormat,
        on: Option<&str>,
    ) -> Result<Self, DeviceError> {
        let lens = Lens::open(spec, on)?;
        let pace = Pace::new(format.fps, 1);
        Ok(Self { lens, format, pace, changed: true, cursor: None, last: None })
    }

    fn look(&mut self, now: Instant) -> Result<Option<Arc<Picture>>, ReplyOrIdError> {
        self.changed |= self.lens.has_changed()?;
        let cursor = Cursor::now(&self.lens.display)?;
        if !self.changed && cursor == self.cursor {
            self.lens.seek()?;
            return Ok(self.again(now));
        }
        let Some(pixels) = self.lens.grab(cursor.as_ref())? else { return Ok(self.again(now)) };
        (self.changed, self.cursor) = (false, cursor);
        let Ok(picture) = pixels.fitted(self.format.max_width, self.format.max_height) else {
            return Ok(None);
        };
        match &self.last {
            // The cursor moved beside the window, or what changed is too small to be seen.
            Some((last, _)) if **last == picture => Ok(self.again(now)),
            _ => {
                let picture = Arc::new(picture);
                self.last = Some((Arc::clone(&picture), now));
                Ok(Some(picture))
            }
        }
    }

    /// The last picture, if it was given long ago.
    fn again(&mut self, now: Instant) -> Option<Arc<Picture>> {
        let (picture, given) = self.last.as_mut()?;
        (now.saturating_duration_since(*given) >= REPEAT).then(|| {
            *given = now;
            Arc::clone(picture)
        })
    }
}

impl VideoSource for DesktopSource {
    fn next(&mut self, now: Instant) -> Result<Option<Arc<Picture>>, DeviceError> {
        if self.pace.due(now).is_none() {
            return Ok(None);
        }
        match self.look(now) {
            Ok(picture) => Ok(picture),
            Err(error) => match self.lens.judge(&error) {
                None => Ok(self.again(now)),
                Some(reason) => Err(self.lens.lost(reason).into()),
            },
        }
    }

    fn kind(&self) -> VideoKind {
        VideoKind::Screen
    }
}

/// One picture of at most this size, without the cursor.
pub(in crate::device) fn snapshot(
    spec: &VideoSpec,
    (max_width, max_height): (u32, u32),
    on: Option<&str>,
) -> Result<Picture, DeviceError> {
    let mut lens = Lens::open(spec, on)?;
    let reason = match lens.grab(None) {
        Ok(Some(pixels)) => match pixels.fitted(max_width, max_height) {
            Ok(picture) => return Ok(picture),
            Err(error) => error.to_string(),
        },
        Ok(None) => "its colours can't be read".to_owned(),
        Err(error) => lens.judge(&error).unwrap_or("it can't be seen now").to_owned(),
    };
    Err(VideoError::Open { origin: lens.origin(), name: lens.name.clone(), reason }.into())
}

impl Lens {
    fn open(spec: &VideoSpec, on: Option<&str>) -> Result<Self, VideoError> {
        let (display, (target, name)) = match spec {
            VideoSpec::Window(wanted) => {
                let display = Display::open(Origin::Window, on)?;
                let found = target::window(&display, wanted)?;
                (display, found)
            }
            VideoSpec::Screen(number) => {
                let display = Display::open(Origin::Screen, on)?;
                let found = target::screen(&display, *number)?;
                (display, found)
            }
            _ => {
                let why = "it is neither a screen nor a window";
                return Err(VideoError::Spec { spec: spec.to_string(), why });
            }
        };
        let mut lens = Self { display, target, name, pixmap: x11rb::NONE, damage: None };
        let refused = |lens: &Self, reason: String| VideoError::Open {
            origin: lens.origin(),
            name: lens.name.clone(),
            reason,
        };
        match lens.focus() {
            Ok(true) => Ok(lens),
            Ok(false) => {
                let reason = "the X server lacks the Composite extension, without which a window can't be told from what lies over it";
                Err(refused(&lens, reason.to_owned()))
            }
            Err(error) => Err(refused(&lens, error.to_string())),
        }
    }

    /// Gets the buffer of a window, and asks to be told about changes. `false` if windows have no
    /// buffers.
    fn focus(&mut self) -> Result<bool, ReplyOrIdError> {
        let conn = &self.display.conn;
        let drawable = match self.target {
            Target::Screen(..) => self.display.root,
            Target::Window(window) => {
                if !self.display.has.composite {
                    return Ok(false);
                }
                conn.composite_redirect_window(window, Redirect::AUTOMATIC)?.check()?;
                self.pixmap = conn.generate_id()?;
                window
            }
        };
        if self.display.has.damage {
            let damage = conn.generate_id()?;
            conn.damage_create(damage, drawable, ReportLevel::NON_EMPTY)?.check()?;
            self.damage = Some(damage);
        }
        Ok(true)
    }

    /// Whether something was drawn since the last time. Always, if the server does not tell.
    fn has_changed(&self) -> Result<bool, ReplyOrIdError> {
        let Some(damage) = self.damage else { return Ok(true) };
        let conn = &self.display.conn;
        let mut changed = false;
        while let Some(event) = conn.poll_for_event()? {
            changed |= matches!(event, Event::DamageNotify(notify) if notify.damage == damage);
        }
        if changed {
            conn.damage_subtract(damage, x11rb::NONE, x11rb::NONE)?;
        }
        Ok(changed)
    }

    /// Fails if the window exists no more; nobody tells about that.
    fn seek(&self) -> Result<(), ReplyOrIdError> {
        if let Target::Window(window) = self.target {
            self.display.conn.get_window_attributes(window)?.reply()?;
        }
        Ok(())
    }

    /// `None` if its pixels have no colours.
    fn grab(&self, cursor: Option<&Cursor>) -> Result<Option<Pixels>, ReplyOrIdError> {
        let (pixels, left, top) = match self.target {
            Target::Screen(_, area) => {
                let pixels = grab(&self.display, self.display.root, area)?;
                (pixels, i32::from(area.x), i32::from(area.y))
            }
            Target::Window(window) => {
                let conn = &self.display.conn;
                let corner =
                    conn.translate_coordinates(window, self.display.root, 0, 0)?.reply()?;
                let pixels = self.grab_window(window)?;
                (pixels, i32::from(corner.dst_x), i32::from(corner.dst_y))
            }
        };
        Ok(pixels.map(|mut pixels| {
            if let Some(cursor) = cursor {
                cursor.draw(&mut pixels, left, top);
            }
            pixels
        }))
    }

    /// The buffer is another one after each change of size, so it is named anew each time.
    fn grab_window(&self, window: Window) -> Result<Option<Pixels>, ReplyOrIdError> {
        let conn = &self.display.conn;
        conn.composite_name_window_pixmap(window, self.pixmap)?.check()?;
        let size = conn.get_geometry(window)?.reply().map_err(ReplyOrIdError::from);
        let border = |width: u16| i16::try_from(width).unwrap_or_default();
        let pixels = size.and_then(|size| {
            let (width, height) = (size.width, size.height);
            let (x, y) = (border(size.border_width), border(size.border_width));
            grab(&self.display, self.pixmap, Area { x, y, width, height })
        });
        conn.free_pixmap(self.pixmap)?;
        pixels
    }

    fn origin(&self) -> Origin {
        match self.target {
            Target::Screen(..) => Origin::Screen,
            Target::Window(_) => Origin::Window,
        }
    }

    /// Whether it will never be seen again, and why.
    fn judge(&mut self, error: &ReplyOrIdError) -> Option<&'static str> {
        let ReplyOrIdError::X11Error(error) = error else {
            return Some("the X server has gone");
        };
        match (self.target, error.error_kind) {
            // The screen has another size now.
            (Target::Screen(number, _), ErrorKind::Match) => {
                match target::screen(&self.display, Some(number)) {
                    Ok((target, _)) => {
                        self.target = target;
                        None
                    }
                    Err(_) => Some("it was disconnected"),
                }
            }
            // Minimised, or on its way to another size; it still exists.
            (Target::Window(window), _) => {
                let attributes = self.display.conn.get_window_attributes(window).ok();
                let exists = attributes
                    .is_some_and(|cookie| !matches!(cookie.reply(), Err(ReplyError::X11Error(_))));
                (!exists).then_some("it was closed")
            }
            (Target::Screen(..), _) => Some("the X server refuses to show it"),
        }
    }

    fn lost(&self, reason: &str) -> VideoError {
        let (origin, name) = (self.origin(), self.name.clone());
        VideoError::Lost { origin, name, reason: reason.to_owned() }
    }
}
