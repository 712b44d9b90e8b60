//! Tests of the `media` layer.
