//! Keys and sealed boxes (crypto.md). Pure: the random source and the time are arguments.
