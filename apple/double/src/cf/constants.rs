use crate::object::{Object, Payload};
use std::borrow::Cow;

/// A pointer to an object that is never released, as the frameworks export their constants.
#[repr(transparent)]
pub(crate) struct Constant(pub(crate) &'static Object);

// SAFETY: the objects behind constants never change.
unsafe impl Sync for Constant {}

pub(crate) const fn constant(text: &'static str) -> Object {
    Object::immortal(Payload::String(Cow::Borrowed(text)))
}

/// Exports constant strings: the symbol, and its text.
macro_rules! constants {
    ($($name:ident = $text:literal;)*) => {$(
        #[unsafe(no_mangle)]
        #[allow(non_upper_case_globals)]
        pub(crate) static $name: $crate::cf::Constant = {
            static OBJECT: $crate::object::Object = $crate::cf::constant($text);
            $crate::cf::Constant(&OBJECT)
        };
    )*};
}
pub(crate) use constants;
