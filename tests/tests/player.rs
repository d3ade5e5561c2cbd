//! A program that plays as players do: seeks about, pauses, stops with pictures in its hands.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vtremote_tests::{Daemon, Ffmpeg, ours, program, run, scratch};

/// `tests/player/player.c`, with the libraries of the ffmpeg that is tested, under AddressSanitizer.
fn player() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("player/player.c");
    let installed = ours("ffmpeg").with_file_name("../lib");
    let mut packages = Command::new("pkg-config");
    packages.env("PKG_CONFIG_PATH", installed.join("pkgconfig"));
    packages.args(["--static", "--cflags", "--libs", "libavformat", "libavcodec", "libavutil"]);
    let flags = String::from_utf8(run(&mut packages).ok()).expect("flags");
    let player = scratch("player").join("player");
    let mut cc = Command::new(env::var("CC").unwrap_or_else(|_| "cc".into()));
    cc.args(["-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-g"]);
    cc.arg("-fsanitize=address").arg(source).arg("-o").arg(&player);
    let library = program("release/vtremoted");
    let library = library.parent().expect("its directory");
    cc.arg(format!("-Wl,-rpath,{}", library.display())).args(flags.split_whitespace());
    run(&mut cc).ok();
    player
}

/// A server that has no session left is as it was before.
#[track_caller]
fn nobody_is_left(daemon: &Daemon) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut probe = Command::new(program("release/vtremote"));
        let probed = run(probe.args(["probe", "--codec", "h264", daemon.address()])).ok();
        let probed = String::from_utf8_lossy(&probed).into_owned();
        if probed.contains("1 of 4 sessions in use with this one") {
            return;
        }
        assert!(Instant::now() < deadline, "{probed}");
    }
}

#[test]
fn a_player_sees_what_a_local_decoder_shows() {
    let dir = scratch("player-films");
    let player = player();
    let daemon = Daemon::libavcodec(&["--max-sessions", "4"]);
    for (codec, format) in [("h264", "nv12"), ("hevc", "nv12"), ("hevc", "p010le")] {
        let film = dir.join(format!("{codec}-{format}.mp4"));
        let encoder = Ffmpeg::new().args("-f lavfi -i testsrc2=size=176x98:rate=25:duration=6");
        let encoder = encoder.encoder(codec, daemon.address());
        let encoder = encoder.args(&format!("-pix_fmt {format} -b:v 300k -bf 2 -g 12"));
        encoder.arg(&film).run().ok();
        for scenario in ["seek", "hold", "two", "pause"] {
            if (scenario, format) == ("pause", "p010le") {
                continue;
            }
            let mut command = Command::new(&player);
            let finished = run(command.args([daemon.address(), codec]).arg(&film).arg(scenario));
            assert_eq!(finished.stderr, "", "{codec} {format} {scenario}: {}", finished.status);
            finished.ok();
            nobody_is_left(&daemon);
        }
    }
}
