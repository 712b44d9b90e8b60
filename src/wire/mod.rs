//! The PrivMX wire protocol without I/O: client and server roles side by side (transport.md).
