//! The selective forwarding unit: passes on sealed frames that it can't read.
