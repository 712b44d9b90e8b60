//! Tests of the `ui` layer.

mod documents;
mod idle;
mod journeys;
mod laws;
mod picture;
mod replay;
mod screens;
mod stage;
mod world;
