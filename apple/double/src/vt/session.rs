//! What both kinds of sessions have in common.

use super::status::K_VT_PARAMETER;
use crate::object::{Object, Owned, Payload};
use crate::state::{Property, Value, scripted, with};

/// The number of a new session.
pub(crate) fn number() -> usize {
    with(|state| {
        state.sessions += 1;
        state.sessions
    })
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTSessionSetProperty(
    session: *const Object,
    key: *const Object,
    value: *const Object,
) -> i32 {
    scripted!("VTSessionSetProperty");
    let Some(name) = Object::at(key).text() else { return K_VT_PARAMETER };
    let value = Object::maybe(value);
    let scripted = with(|state| {
        let properties = state.script.properties.iter();
        properties.filter(|(known, _)| known == name).map(|(_, status)| *status).next()
    });
    let (number, status) = match &Object::at(session).payload {
        Payload::CompressionSession(session) => {
            (session.number, scripted.unwrap_or_else(|| session.set(name, value)))
        }
        Payload::DecompressionSession(session) => {
            (session.number, scripted.unwrap_or_else(|| session.set(name, value)))
        }
        _ => crate::state::violation("VTSessionSetProperty of something that is no session"),
    };
    let name = name.to_owned();
    let value = Value::of(value);
    with(|state| state.properties.push(Property { session: number, name, value, status }));
    status
}

#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTSessionCopyProperty(
    session: *const Object,
    key: *const Object,
    _allocator: *const Object,
    out: *mut *const Object,
) -> i32 {
    scripted!("VTSessionCopyProperty");
    let Some(name) = Object::at(key).text() else { return K_VT_PARAMETER };
    let value = match &Object::at(session).payload {
        Payload::CompressionSession(session) => session.get(name),
        Payload::DecompressionSession(session) => session.get(name),
        _ => crate::state::violation("VTSessionCopyProperty of something that is no session"),
    };
    match value {
        Ok(value) => {
            *out = value.map_or(std::ptr::null(), Owned::into_raw);
            0
        }
        Err(status) => status,
    }
}

/// Each property with what there is to say of it; here whether it can be set.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn VTSessionCopySupportedPropertyDictionary(
    session: *const Object,
    out: *mut *const Object,
) -> i32 {
    scripted!("VTSessionCopySupportedPropertyDictionary");
    let supported = match &Object::at(session).payload {
        Payload::CompressionSession(session) => session.supported(),
        _ => crate::state::violation("the properties of something that does not encode"),
    };
    match supported {
        Ok(supported) => {
            *out = Owned::new(Payload::Dictionary(supported)).into_raw();
            0
        }
        Err(status) => status,
    }
}
