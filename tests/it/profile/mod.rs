//! Tests of the `profile` layer.

mod files;
mod invites;
