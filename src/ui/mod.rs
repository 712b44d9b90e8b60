//! The terminal client: what is on the screen, and what keys do.
//!
//! [`State`] is everything the screen shows. `update` and `apply` change it, `view`
//! draws it, and all three are pure. `runtime` feeds them from the terminal and from the
//! [`backend`], and is the only part that waits for anything.

pub mod action;
pub mod apply;
pub mod backend;
pub mod canvas;
pub mod command;
pub mod dialog;
pub mod effect;
pub mod error;
pub mod event;
pub mod key;
pub mod keymap;
pub mod layout;
pub mod mouse;
pub mod pane;
pub mod picture;
pub mod player;
pub mod runtime;
pub mod signal;
mod ssh;
pub mod stage;
pub mod state;
pub mod terminal;
pub mod testing;
pub mod text;
pub mod theme;
pub mod update;
pub mod view;
pub mod widget;

pub use action::Action;
pub use apply::apply;
pub use backend::Backend;
pub use backend::SessionConfig;
pub use backend::Surroundings;
pub use effect::Effect;
pub use error::UiError;
pub use event::Event;
pub use runtime::Look;
pub use runtime::UiConfig;
pub use runtime::run;
pub use runtime::run_with;
pub use state::State;
pub use update::update;
