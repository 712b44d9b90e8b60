//! The command line: reads arguments, puts the layers together, prints results.
