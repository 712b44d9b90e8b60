//! The seam between the interface and everything that takes time.
//!
//! The runtime hands each [`Effect`] to a [`Backend`] and takes [`Event`]s from it; nothing
//! above this line knows how they come about, so tests can put anything below it.

use crate::ui::effect::Effect;
use crate::ui::event::Event;

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

    /// Ends everything that was begun, leaving the call first.
    fn shutdown(self) -> impl Future<Output = ()> + Send;
}
