//! The VTR1 wire protocol: messages, limits, and both ends of a session as state machines.
