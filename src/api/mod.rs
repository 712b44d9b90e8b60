//! The public library: `Endpoint` connects, `Connection` and `StreamApi` do the rest.
