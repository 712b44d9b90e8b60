//! Files of sound, read from and written to anything that can be read from and written to.

pub mod wav;
