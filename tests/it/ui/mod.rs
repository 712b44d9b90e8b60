//! Tests of the `ui` layer.

mod documents;
mod idle;
mod journeys;
mod laws;
mod screens;
mod stage;
mod world;
