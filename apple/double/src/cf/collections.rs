use super::base::{
    Callbacks, kCFTypeArrayCallBacks, kCFTypeDictionaryKeyCallBacks,
    kCFTypeDictionaryValueCallBacks,
};
use crate::object::{Object, Owned, Payload, equal, payload};
use crate::state::{scripted, violation};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{ptr, slice};

/// References, in order.
pub(crate) struct Array(Vec<Owned>);

impl Array {
    pub(crate) fn new(items: Vec<Owned>) -> Self {
        Array(items)
    }

    pub(crate) fn iter(&self) -> &[Owned] {
        &self.0
    }

    pub(crate) fn equals(&self, other: &Array) -> bool {
        let pairs = || self.0.iter().zip(&other.0);
        self.0.len() == other.0.len() && pairs().all(|(one, other)| equal(one, other))
    }
}

/// References by references. Few, so that they are searched.
pub(crate) struct Dictionary(Mutex<Vec<(Owned, Owned)>>);

impl Dictionary {
    pub(crate) fn new(pairs: Vec<(Owned, Owned)>) -> Self {
        Dictionary(Mutex::new(pairs))
    }

    pub(crate) fn pairs(&self) -> MutexGuard<'_, Vec<(Owned, Owned)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a key, a reference of its own.
    pub(crate) fn get(&self, key: &str) -> Option<Owned> {
        let pairs = self.pairs();
        let found = pairs.iter().find(|(known, _)| known.text() == Some(key));
        found.map(|(_, value)| value.clone())
    }

    pub(crate) fn set(&self, key: Owned, value: Owned) {
        let mut pairs = self.pairs();
        match pairs.iter_mut().find(|(known, _)| equal(known, &key)) {
            Some(pair) => pair.1 = value,
            None => pairs.push((key, value)),
        }
    }

    pub(crate) fn equals(&self, other: &Dictionary) -> bool {
        if ptr::eq(self, other) {
            return true;
        }
        let other: Vec<(Owned, Owned)> = other.pairs().clone();
        let pairs = self.pairs();
        pairs.len() == other.len()
            && pairs.iter().all(|(key, value)| {
                other.iter().any(|(known, theirs)| equal(known, key) && equal(theirs, value))
            })
    }
}

fn check(callbacks: *const Callbacks, known: &Callbacks) {
    if !ptr::eq(callbacks, known) {
        violation("a collection that does not retain its contents");
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFArrayCreate(
    _allocator: *const Object,
    values: *const *const Object,
    count: isize,
    callbacks: *const Callbacks,
) -> *const Object {
    check(callbacks, &kCFTypeArrayCallBacks);
    let count = usize::try_from(count).unwrap_or(0);
    let values = if count == 0 { &[][..] } else { slice::from_raw_parts(values, count) };
    let items = values.iter().map(|value| Owned::retained(*value)).collect();
    Owned::new(Payload::Array(Array(items))).into_raw()
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFArrayGetCount(array: *const Object) -> isize {
    scripted!("CFArrayGetCount");
    payload!(array, Array).0.len() as isize
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFArrayGetValueAtIndex(
    array: *const Object,
    index: isize,
) -> *const Object {
    let item = usize::try_from(index).ok().and_then(|index| payload!(array, Array).0.get(index));
    match item {
        Some(item) => item.as_ptr(),
        None => violation("CFArrayGetValueAtIndex beyond the end"),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFDictionaryCreate(
    _allocator: *const Object,
    keys: *const *const Object,
    values: *const *const Object,
    count: isize,
    key_callbacks: *const Callbacks,
    value_callbacks: *const Callbacks,
) -> *const Object {
    check(key_callbacks, &kCFTypeDictionaryKeyCallBacks);
    check(value_callbacks, &kCFTypeDictionaryValueCallBacks);
    let dictionary = Dictionary::new(Vec::new());
    for at in 0..usize::try_from(count).unwrap_or(0) {
        let (key, value) = (*keys.add(at), *values.add(at));
        dictionary.set(Owned::retained(key), Owned::retained(value));
    }
    Owned::new(Payload::Dictionary(dictionary)).into_raw()
}

/// Valid for as long as the dictionary has it.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFDictionaryGetValue(
    dictionary: *const Object,
    key: *const Object,
) -> *const Object {
    scripted!("CFDictionaryGetValue");
    let key = Object::at(key);
    let pairs = payload!(dictionary, Dictionary).pairs();
    let found = pairs.iter().find(|(known, _)| equal(known, key));
    found.map_or(ptr::null(), |(_, value)| value.as_ptr())
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFDictionaryGetCount(dictionary: *const Object) -> isize {
    payload!(dictionary, Dictionary).pairs().len() as isize
}

/// Valid for as long as the dictionary has them.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn CFDictionaryGetKeysAndValues(
    dictionary: *const Object,
    keys: *mut *const Object,
    values: *mut *const Object,
) {
    let pairs = payload!(dictionary, Dictionary).pairs();
    for (index, (key, value)) in pairs.iter().enumerate() {
        keys.add(index).write(key.as_ptr());
        values.add(index).write(value.as_ptr());
    }
}
