//! Tests of the `crypto` layer: official byte vectors, then laws.
//!
//! The vectors are recorded from official programs, one table test per group of them.

mod data_message;
mod defect;
mod event;
mod fixture;
mod frame;
mod law;
mod primitive;
mod room;
mod room_law;
