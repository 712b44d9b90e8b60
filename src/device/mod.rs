//! Microphones and speakers, real ones and those that tests use, behind small traits.
