//! Both ends of a session, rule by rule and as a whole, in memory and in virtual time.
//!
//! The files follow the sections of docs/protocol.md. A rig drives one end with the bytes of a
//! scripted peer; a world connects both ends with pipes of limited capacity.

mod client_rig;
mod server_rig;
mod speech;
mod world;

mod s1_transport;
mod s2_order;
mod s3_handshake;
mod s4_configure;
mod s5_frames;
mod s6_packets;
mod s7_flow;
mod s8_keepalive;
mod s9_extensions;

mod early_peers;
mod whole_sessions;
