//! Tests of the `bridge` layer.

mod sfu;
