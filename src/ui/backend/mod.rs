//! What carries out effects: the seam, and the real thing below it.

mod call;
mod convert;
mod pictures;
mod seam;
mod session;

pub use seam::Backend;
pub use session::Cue;
pub use session::SessionBackend;
pub use session::SessionConfig;
pub use session::Surroundings;
