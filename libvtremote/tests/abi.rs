//! The library as C programs meet it: abi.c under AddressSanitizer against a scripted server, and what
//! the installed libraries show of themselves.
#![cfg(unix)]

#[path = "../../client/tests/server/mod.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use server::decode::Decoding;
use server::{Fate, Script, serve_tcp};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo has put the libraries that this test was built with.
fn built() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The libraries as `install` leaves them, in a directory of the test's own.
fn installed(name: &str, arguments: &[&str]) -> PathBuf {
    let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&prefix);
    let mut install = Command::new(root().join("install"));
    run(install.arg("--prefix").arg(&prefix).arg("--from").arg(built()).args(arguments));
    prefix
}

/// abi.c, linked as vtremote.pc would have it.
fn compiled(prefix: &Path, arguments: &[&str]) -> PathBuf {
    let lib = prefix.join("lib");
    let program = prefix.join("abi");
    let mut cc = Command::new(env::var("CC").unwrap_or_else(|_| "cc".into()));
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-fsanitize=address"])
        .arg(root().join("tests/abi.c"))
        .arg("-o")
        .arg(&program)
        .arg(format!("-I{}", prefix.join("include").display()))
        .arg(format!("-L{}", lib.display()))
        .arg(format!("-Wl,-rpath,{}", lib.display()))
        .args(["-lvtremote", "-lpthread"])
        .args(arguments);
    run(&mut cc);
    program
}

/// A decoder that gives every picture the same side data.
fn captioned() -> Decoding {
    Decoding { side_data: vec![(1, vec![1, 2, 3])], ..Decoding::default() }
}

fn scenarios(program: &Path) {
    for (scenario, script) in [
        ("session", Script::default()),
        ("early-close", Script::default()),
        ("failure", Script { fate: Some((6, Fate::Vanish)), ..Script::default() }),
        ("refused", Script { token: "secret", ..Script::default() }),
        ("decode", Script { decoding: captioned(), ..Script::default() }),
        ("decode-failure", Script { fate: Some((6, Fate::Vanish)), ..Script::default() }),
    ] {
        let (address, served) = serve_tcp(script);
        let mut command = Command::new(program);
        for variable in ["VTREMOTE_HOST", "VTREMOTE_TOKEN", "VTREMOTE_TOKEN_FILE"] {
            command.env_remove(variable);
        }
        run(command.arg(scenario).arg(address));
        let served = served.join().unwrap();
        if scenario == "session" {
            let luma: Vec<_> =
                served.frames.iter().map(|frame| frame.planes[0][162 * 91]).collect();
            assert_eq!(luma, Vec::from_iter((0..40).map(|number| number * 3)));
            assert!(served.frames.iter().all(|frame| frame.side_data == [(8, vec![1, 2, 3])]));
            assert_eq!(served.frames[20].flags, 1);
            assert_eq!(served.options.gop, 20);
        }
    }
}

/// Names that a library gives to those who link with it.
fn shown(nm: &mut Command) -> Vec<String> {
    let listing = run(nm);
    let mut names: Vec<_> = listing
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .filter(|name| !name.ends_with(':'))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

/// The functions that the header declares.
fn declared() -> Vec<String> {
    let header = fs::read_to_string(root().join("include/vtremote/vtremote.h")).unwrap();
    let mut names: Vec<_> = header
        .lines()
        .filter(|line| !line.starts_with("//") && !line.starts_with("typedef"))
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("vtremote_"))
        .map(str::to_owned)
        .collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

#[test]
fn a_c_program_runs_the_whole_interface_with_the_shared_library() {
    scenarios(&compiled(&installed("shared", &[]), &[]));
}

#[test]
#[cfg(target_os = "linux")]
fn a_c_program_runs_the_whole_interface_with_the_static_library() {
    let libraries = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];
    scenarios(&compiled(&installed("static", &["--static"]), &libraries));
}

#[test]
#[cfg(target_os = "linux")]
fn the_shared_library_shows_what_the_header_declares_and_no_more() {
    let library = installed("shared-names", &[]).join("lib/libvtremote.so.0");
    let names = shown(Command::new("nm").args(["-D", "--defined-only"]).arg(&library));
    assert_eq!(names, declared());
    let header = run(Command::new("readelf").arg("-d").arg(&library));
    assert!(header.contains("Library soname: [libvtremote.so.0]"), "{header}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_static_library_shows_what_the_header_declares_and_no_more() {
    let library = installed("static-names", &["--static"]).join("lib/libvtremote.a");
    let names = shown(Command::new("nm").args(["-g", "--defined-only"]).arg(&library));
    assert_eq!(names, declared());
}

#[test]
fn pkg_config_finds_the_library_and_its_version() {
    let prefix = installed("pkgconfig", &[]);
    let pc = fs::read_to_string(prefix.join("lib/pkgconfig/vtremote.pc")).unwrap();
    assert!(!pc.contains('@'), "{pc}");
    assert!(pc.contains(&format!("prefix={}\n", prefix.display())), "{pc}");
    assert!(pc.contains(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))), "{pc}");
}
