use std::collections::BTreeSet;
use std::path::Path;
use vtremote_apple_double::{Blocks, CALLS, Callbacks, Double, Outcome, Script};

/// What is exported and cannot be made to fail, and why.
const NEVER_FAILS: [(&[&str], &str); 5] = [
    (
        &[
            "CFRetain",
            "CFRelease",
            "CFDictionaryGetKeysAndValues",
            "CVBufferSetAttachment",
            "VTCompressionSessionInvalidate",
            "VTDecompressionSessionInvalidate",
        ],
        "it gives nothing",
    ),
    (
        &[
            "CFArrayCreate",
            "CFDataCreate",
            "CFDictionaryCreate",
            "CFNumberCreate",
            "CFStringCreateWithBytes",
        ],
        "without memory for so little the process ends, as with Rust's own allocations",
    ),
    (&["CFArrayGetValueAtIndex"], "an array has an object at each index below its count"),
    (
        &["CFDictionaryGetCount"],
        "its caller makes room for as much as CFDictionaryGetKeysAndValues writes",
    ),
    (&["CFDataGetBytePtr", "CFDataGetLength"], "so many bytes are there"),
];

/// The functions in these sources that are exported under their own names; a macro's `$name` is none.
fn exports(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            exports(&path, into);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for found in source.split("extern \"C-unwind\" fn ").skip(1) {
            let name: String = found.chars().take_while(char::is_ascii_alphanumeric).collect();
            // Of a type of a function there is nothing behind `fn`.
            into.extend(Some(name).filter(|name| !name.is_empty()));
        }
    }
}

#[test]
fn every_call_can_be_made_to_fail_or_there_is_a_reason() {
    let mut exported = BTreeSet::new();
    exports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut exported);
    let never = NEVER_FAILS.iter().flat_map(|(calls, _)| calls.iter().copied());
    let told: Vec<&str> = CALLS.iter().copied().chain(never).collect();
    let once: BTreeSet<String> = told.iter().map(|call| (*call).to_owned()).collect();
    assert_eq!(once.len(), told.len(), "one is told twice");
    assert_eq!(exported, once);
}

#[test]
fn a_script_is_said_in_a_line() {
    let text = "machine=intel rows=256 fail=VTSessionSetProperty:2:-12902 property=Quality:-12900 \
                stall=VTCompressionSessionCreate:2 encode=4:never encode=5:drop encode=6:error:-12912 \
                decode=7:late:3 decode=8:never stall=CMSampleBufferCreateReady:4 callbacks=fresh \
                blocks=split-long reorder=0 hold no-hdr untold afterwards";
    let double = Double::from_text(text).unwrap();
    let expected = Script::new()
        .fail("VTSessionSetProperty", 2, -12902)
        .property("Quality", -12900)
        .stall("VTCompressionSessionCreate", 2)
        .encode(4, Outcome::Never)
        .encode(5, Outcome::Drop)
        .encode(6, Outcome::Error(-12912))
        .decode(7, Outcome::Late(3))
        .decode(8, Outcome::Never)
        .stall("CMSampleBufferCreateReady", 4)
        .callbacks(Callbacks::Fresh)
        .blocks(Blocks::SplitLong)
        .reorder(0)
        .hold()
        .no_hdr()
        .untold()
        .afterwards();
    assert_eq!(double.current_script(), expected);
}

#[test]
fn an_unknown_item_is_named() {
    for text in [
        "machine=amiga",
        "encode=5",
        "encode=x:drop",
        "fail=CFRetain:1:-1",
        "stall=CFRetain:1",
        "rows=17",
        "what",
    ] {
        let error = Double::from_text(text).err().expect("an error");
        assert!(error.contains(text), "{error}");
    }
}
