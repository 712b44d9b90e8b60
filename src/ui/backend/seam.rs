//! The seam between the interface and everything that takes time.
//!
//! The runtime hands each [`Effect`] to a [`Backend`] and takes [`Event`]s from it; nothing
//! above this line knows how they come about, so tests can put anything below it.

use crate::ui::effect::Effect;
use crate::ui::event::Event;
use crate::ui::stage::Gallery;
use crate::ui::stage::Window;

/// Carries out effects and brings news.
pub trait Backend: Send {
    /// Begins to carry out an effect and returns at once. What comes of it arrives through
    /// [`next`](Self::next).
    fn begin(&mut self, effect: Effect);

    /// Waits for the next fact; `None` when there will be no more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;

    /// Takes the gallery that pictures go to, before the first effect. A backend that brings
    /// none has no use for it.
    fn attach(&mut self, _gallery: Gallery) {}

    /// Says which tiles are in sight from now on; pictures of others are not needed.
    fn look_at(&mut self, _windows: &[Window]) {}

    /// Ends everything that was begun, leaving the call first.
    fn shutdown(self) -> impl Future<Output = ()> + Send;
}
