//! The encoder over the double: what a session sets and in which order, what becomes of its frames when
//! something goes wrong, and what different Macs can do.

mod session;

mod faults;
mod machines;
mod properties;
mod stream;
