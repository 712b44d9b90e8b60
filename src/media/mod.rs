//! What happens to samples and pixels: no device, no socket, no clock.
