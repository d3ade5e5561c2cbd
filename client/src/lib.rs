//! The client: sockets and threads around the client session.
