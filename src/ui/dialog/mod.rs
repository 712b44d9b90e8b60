//! Dialogs: a stack of questions and texts, the top one gets the keys.

mod admit;
mod confirm;
mod create_room;
mod devices;
mod fault;
mod help;
mod invite;
mod share;
mod stack;
mod window;

pub use admit::AdmitDialog;
pub use confirm::ConfirmDialog;
pub use create_room::CreateRoomDialog;
pub use devices::DevicesDialog;
pub use fault::FaultDialog;
pub use help::HelpDialog;
pub use invite::InviteDialog;
pub use share::ShareDialog;
pub use stack::Dialog;
pub use stack::Dialogs;
pub use stack::Outcome;
