//! Gives the shared library the name that programs look for at run time.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // cargo-c gives it a name of its own.
    if env::var_os("CARGO_CFG_CARGO_C").is_some() {
        return;
    }
    let major = env::var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => {
            let name = format!("@rpath/libvtremote.{major}.dylib");
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,{name}");
        }
        Ok("linux" | "android" | "freebsd" | "netbsd" | "openbsd") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libvtremote.so.{major}");
        }
        _ => {}
    }
}
