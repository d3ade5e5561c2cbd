//! Which of libavutil's two ways to say the same the installed headers have.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Told by ffmpeg-sys-the-third, which has read the headers.
    for version in ["6_0", "6_1"] {
        println!("cargo::rustc-check-cfg=cfg(ffmpeg_{version})");
        if env::var_os(format!("DEP_FFMPEG_FFMPEG_{version}")).is_some() {
            println!("cargo::rustc-cfg=ffmpeg_{version}");
        }
    }
}
