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

impl Value {
    /// The way back; what is none of these is shown as a text in angle brackets.
    pub(super) fn of(object: &CFType) -> Self {
        let other = || Value::Text(Text::literal("<another kind of object>"));
        if let Some(value) = object.downcast_ref::<CFBoolean>() {
            return Value::Bool(value.as_bool());
        }
        if let Some(value) = object.downcast_ref::<CFNumber>() {
            // The first gives none where there is a fraction.
            let whole = value.as_i64().map(Value::Long);
            return whole.or(value.as_f64().map(Value::Float)).unwrap_or_else(other);
        }
        if let Some(value) = object.downcast_ref::<CFString>() {
            return Value::Text(Text::literal(value.to_string()));
        }
        if let Some(value) = object.downcast_ref::<CFData>() {
            return Value::Bytes(value.to_vec());
        }
        if let Some(array) = object.downcast_ref::<CFArray>() {
            // SAFETY: VideoToolbox puts objects into its arrays, and nobody changes this one meanwhile.
            let items = unsafe { array.cast_unchecked::<CFType>() };
            return Value::List(items.iter().map(|item| Value::of(&item)).collect());
        }
        if let Some(dictionary) = object.downcast_ref::<CFDictionary>() {
            // SAFETY: as above, of its keys and its values.
            let (keys, values) = unsafe { dictionary.cast_unchecked::<CFType, CFType>() }.to_vecs();
            let text = |key: &CFType| match Value::of(key) {
                Value::Text(text) => text,
                key => Text::literal(key.to_string()),
            };
            let entries = keys.iter().zip(&values);
            return Value::Dictionary(
                entries.map(|(key, value)| (text(key), Value::of(value))).collect(),
            );
        }
        other()
    }
}

/// Bytes in hexadecimal digits; entries of dictionaries by their names.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::Long(value) => value.fmt(f),
            Value::Float(value) => value.fmt(f),
            Value::Text(text) => text.fmt(f),
            Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Value::List(values) => {
                let values: Vec<_> = values.iter().map(Value::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
            Value::Dictionary(entries) => {
                let shown = |(key, value): &(Text, Value)| format!("{key} {value}");
                let mut entries: Vec<_> = entries.iter().map(shown).collect();
                entries.sort_unstable();
                write!(f, "{{{}}}", entries.join(", "))
            }
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
