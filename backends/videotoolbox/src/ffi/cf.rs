//! CoreFoundation: values that go into properties and dictionaries, and those that come back.

use objc2_core_foundation::{
    CFArray, CFBoolean, CFData, CFDictionary, CFNumber, CFRetained, CFString, CFType,
};

/// A name that Apple gives: of a property, an attribute, or a value of one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// A constant of a framework, of macOS 11 or earlier.
    Constant(Constant),
    /// Its text, where the constant is later than macOS 11: a program that was linked to it would not start
    /// on a system without it, where the property could be refused just as well. A constant's text is the
    /// part of its name behind `Key_` (or `ProfileLevel_`).
    Literal(String),
}

/// See [`Text::Constant`].
#[derive(Clone, Copy)]
pub(crate) struct Constant(&'static CFString);

// SAFETY: it is immutable, and lives as long as the framework, which is never unloaded.
unsafe impl Send for Constant {}
// SAFETY: as above.
unsafe impl Sync for Constant {}

impl PartialEq for Constant {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Constant {}

/// The text of a constant: `constant!(kVTCompressionPropertyKey_Quality)`.
macro_rules! constant {
    ($name:path) => {
        // SAFETY: the framework has set it before this program started, and never changes it.
        $crate::ffi::cf::Text::constant(unsafe { $name })
    };
}
pub(crate) use constant;

impl Text {
    pub(crate) fn constant(constant: &'static CFString) -> Self {
        Text::Constant(Constant(constant))
    }

    pub(crate) fn literal(text: impl Into<String>) -> Self {
        Text::Literal(text.into())
    }

    /// As CoreFoundation has it.
    pub(crate) fn string(&self) -> CFRetained<CFString> {
        match self {
            Text::Constant(Constant(string)) => CFRetained::from(*string),
            Text::Literal(text) => CFString::from_str(text),
        }
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Text::Constant(Constant(string)) => string.fmt(f),
            Text::Literal(text) => f.write_str(text),
        }
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// What a property or an attribute can be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    /// A number of 32 bits.
    Int(i32),
    /// A number of 64 bits.
    Long(i64),
    Float(f64),
    Text(Text),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Dictionary(Vec<(Text, Value)>),
}

impl Value {
    /// As CoreFoundation has it.
    pub(crate) fn object(&self) -> CFRetained<CFType> {
        match self {
            Value::Bool(value) => CFRetained::from(&**CFBoolean::new(*value)),
            Value::Int(value) => up(CFNumber::new_i32(*value)),
            Value::Long(value) => up(CFNumber::new_i64(*value)),
            Value::Float(value) => up(CFNumber::new_f64(*value)),
            Value::Text(text) => up(text.string()),
            Value::Bytes(bytes) => up(CFData::from_bytes(bytes)),
            Value::List(values) => {
                let values: Vec<_> = values.iter().map(Value::object).collect();
                up(CFArray::from_retained_objects(&values))
            }
            Value::Dictionary(entries) => up(dictionary(entries)),
        }
    }
}

/// A dictionary for functions that take one.
pub(crate) fn dictionary(entries: &[(Text, Value)]) -> CFRetained<CFDictionary> {
    let (keys, values): (Vec<_>, Vec<_>) =
        entries.iter().map(|(key, value)| (key.string(), value.object())).unzip();
    let keys: Vec<&CFString> = keys.iter().map(|key| &**key).collect();
    let values: Vec<&CFType> = values.iter().map(|value| &**value).collect();
    let dictionary = CFDictionary::<CFString, CFType>::from_slices(&keys, &values);
    // SAFETY: a dictionary of whatever types is a dictionary, and keeps what is in it.
    unsafe { CFRetained::cast_unchecked(dictionary) }
}

fn up<T: objc2_core_foundation::Type>(object: CFRetained<T>) -> CFRetained<CFType> {
    // SAFETY: all of them are CFTypes, and nothing is lost by forgetting of which kind.
    unsafe { CFRetained::cast_unchecked(object) }
}
