use vtremote_apple_double::{Blocks, Callbacks, Double, Outcome, Script};

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
