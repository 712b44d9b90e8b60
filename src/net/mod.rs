//! Transports of the client: HTTP and WebSocket, each driving the protocol core in `wire`.
