//! The messages as bytes: what is written, what is read, and what is refused.

mod message;

mod golden;
mod leniency;
mod refusals;
mod round_trip;
