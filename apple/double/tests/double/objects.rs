use objc2_core_foundation::{CFArray, CFBoolean, CFNumber, CFRetained, CFString, CFType};
use std::panic::{AssertUnwindSafe, catch_unwind};
use vtremote_apple_double::{Double, Kind, Machine};

#[test]
fn objects_are_counted_until_their_last_reference_is_released() {
    let double = Double::new(Machine::apple_silicon());
    let number = CFNumber::new_i64(7);
    let again = number.clone();
    let list = CFArray::<CFNumber>::from_retained_objects(std::slice::from_ref(&number));
    let count = |kind| double.counters().objects.get(&kind).copied();
    assert_eq!((count(Kind::Number), count(Kind::Array)), (Some(1), Some(1)));
    drop((number, again));
    assert_eq!(count(Kind::Number), Some(1), "the array has it");
    drop(list);
    double.assert_none_alive();
}

#[test]
fn constants_are_not_counted_and_never_released() {
    let double = Double::new(Machine::apple_silicon());
    let boolean: CFRetained<CFBoolean> = CFBoolean::new(true).into();
    drop(boolean);
    assert!(CFBoolean::new(true).as_bool());
    double.assert_none_alive();
}

#[test]
fn what_is_alive_at_the_end_fails_the_test() {
    let double = Double::new(Machine::apple_silicon());
    let text = CFString::from_str("left");
    let asserted = catch_unwind(AssertUnwindSafe(|| double.assert_none_alive()));
    let message = asserted.unwrap_err().downcast::<String>().expect("a message");
    assert!(message.contains("alive {String: 1}"), "{message}");
    drop(text);
    double.assert_none_alive();
}

#[test]
fn texts_and_numbers_come_back_as_they_were() {
    let _double = Double::new(Machine::apple_silicon());
    for text in ["", "AverageBitRate", "Größe ♥ 😀"] {
        assert_eq!(CFString::from_str(text).to_string(), text);
    }
    assert_eq!(CFNumber::new_i32(-5).as_i64(), Some(-5));
    assert_eq!(CFNumber::new_f64(0.5).as_f64(), Some(0.5));
    assert_eq!(CFNumber::new_i64(1 << 40).as_i32(), None, "it does not fit");
}

#[test]
fn objects_are_asked_for_their_type() {
    let _double = Double::new(Machine::apple_silicon());
    let text = CFString::from_str("text");
    let object: &CFType = &text;
    assert!(object.downcast_ref::<CFString>().is_some());
    assert!(object.downcast_ref::<CFNumber>().is_none());
}
