//! The vtremote command: looks at a server from the client's side.
