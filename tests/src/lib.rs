//! What runs across processes: the daemon, the library and ffmpeg together.
