//! Tests of the `rtc` layer.
