//! Keys and sealed boxes (crypto.md). Pure: the random source and the time are arguments.
//!
//! The lower half are primitives: [`hash`], [`base58`], [`key`], [`sign`], [`ecdh`],
//! [`cipher`], [`kdf`], [`ecies`]. On top of them sit the signed statement about an author
//! ([`dio`]), what a room consists of ([`room_key`], [`meta`]), messages between users of a
//! Context ([`event`]), and what protects a call ([`frame`], [`data_message`]).
//!
//! Nothing here keeps a secret longer than its owner does: keys are wiped when dropped and
//! never printed.

pub mod base58;
pub mod cipher;
pub mod data_message;
pub mod dio;
pub mod ecdh;
pub mod ecies;
pub mod ed25519;
pub mod error;
pub mod event;
pub mod frame;
pub mod hash;
pub mod kdf;
pub mod key;
pub mod meta;
pub mod room_key;
pub mod sign;

pub use error::CryptoError;
