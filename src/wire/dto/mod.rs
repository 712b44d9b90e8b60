//! Parameters, results and events as typed structures.
