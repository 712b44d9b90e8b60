//! Pictures to send: cameras, screens, terminals, files and test pictures, behind one small trait.
//!
//! Sources are pulled, as microphones are: whoever asks says what time it is, and gets the newest
//! picture if there is one that it has not had yet. A source may block, so it is driven on a
//! thread of its own.

pub mod avatar;
mod clip;
pub(super) mod desktop;
mod digits;
mod error;
mod pace;
pub(super) mod patience;
pub mod pattern;
pub mod png;
mod source;
mod spec;
pub(super) mod still;
mod terminal;

pub use error::Origin;
pub use error::VideoError;
pub use source::VideoFormat;
pub use source::VideoKind;
pub use source::VideoSource;
pub use source::open;
pub use spec::VideoSpec;
