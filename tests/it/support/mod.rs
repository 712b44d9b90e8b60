//! What tests share: fixtures, recorded data, worlds of clients and bridges.
