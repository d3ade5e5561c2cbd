//! The vtremote daemon: serves the encoders of this machine over TCP.
