//! Files of sound and pictures, read from and written to anything that can be read from and
//! written to.

pub mod ivf;
pub mod ogg;
pub mod wav;
pub mod y4m;
