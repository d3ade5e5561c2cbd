//! The header that is checked in is the one that the source gives.

use std::path::Path;
use std::{env, fs};

/// Set to write the header instead of comparing it: `VTREMOTE_WRITE_HEADER=1 cargo test -p libvtremote`.
const WRITE: &str = "VTREMOTE_WRITE_HEADER";

#[test]
fn the_header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    let mut header = cbindgen::Builder::new().with_config(config);
    for part in ["types", "functions", "encoder", "decoder"] {
        header = header.with_src(root.join(format!("src/{part}.rs")));
    }
    header.generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let path = root.join("include/vtremote/vtremote.h");
    if env::var_os(WRITE).is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert!(
        kept == made,
        "vtremote.h is not what the source gives: set {WRITE}=1 and run this again"
    );
}
