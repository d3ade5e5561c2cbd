//! The libavcodec backend: the encoders of the FFmpeg that is installed.
