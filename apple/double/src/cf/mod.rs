//! CoreFoundation.

mod base;
mod collections;
mod constants;
mod scalars;
mod string;

pub(crate) use collections::{Array, Dictionary};
pub(crate) use constants::{Constant, constant, constants};
pub(crate) use scalars::{Number, boolean};
