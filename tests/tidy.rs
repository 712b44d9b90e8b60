//! Holds the source tree to the rules of `docs/contributing.md`.
