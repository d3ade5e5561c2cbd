//! What tests see.

use crate::object::{Kind, live};
use crate::script::Script;
use crate::state::{Property, install, with};
use crate::{Machine, cv, vt};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};

/// The process's double, for one test at a time.
///
/// When it is dropped no object may be alive, no pixel buffer locked and no rule broken, or the test fails.
/// Drop what is tested first.
pub struct Double(());

static TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN_BACK: Condvar = Condvar::new();

impl Double {
    /// Waits until nobody else has it. Nothing goes wrong until [`Double::script`] says so.
    pub fn new(machine: Machine) -> Self {
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = GIVEN_BACK.wait_while(taken, |taken| *taken);
        *taken.unwrap_or_else(PoisonError::into_inner) = true;
        install(Some(machine), Script::new());
        cv::reset_locks();
        Double(())
    }

    /// As this text says, which is that of [`Script`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let (mut machine, mut rows, mut script) = (Machine::apple_silicon(), None, Script::new());
        for item in text.split_whitespace() {
            match item.split_once('=') {
                Some(("machine", "silicon")) => machine = Machine::apple_silicon(),
                Some(("machine", "intel")) => machine = Machine::intel(),
                Some(("machine", "software")) => machine = Machine::software(),
                Some(("rows", "16")) => rows = Some(16),
                Some(("rows", "64")) => rows = Some(64),
                Some(("rows", "256")) => rows = Some(256),
                _ => script.item(item).map_err(|error| error.to_string())?,
            }
        }
        let double = Double::new(match rows {
            Some(rows) => machine.rows(rows),
            None => machine,
        });
        double.script(script);
        Ok(double)
    }

    /// From here on this goes wrong, and nothing else.
    pub fn script(&self, script: Script) {
        install(None, script);
    }

    /// What still is to go wrong.
    pub fn current_script(&self) -> Script {
        with(|state| state.script.clone())
    }

    /// How often each of [`crate::CALLS`] was called since the script was given, if it counts.
    pub fn calls(&self) -> BTreeMap<String, usize> {
        with(|state| state.calls.clone())
    }

    /// Calls back what encoders still had when they were invalidated, if the script kept it; gives how many
    /// callbacks that were.
    pub fn call_back(&self) -> usize {
        vt::call_back()
    }

    /// Forgets the rules that were broken, for tests that break them.
    pub fn forgive(&self) {
        with(|state| state.violations.clear());
    }

    /// What is alive, and what went wrong.
    pub fn counters(&self) -> Counters {
        Counters::now()
    }

    /// The properties that were set since the double was made, in their order.
    pub fn properties(&self) -> Vec<Property> {
        with(|state| state.properties.clone())
    }

    /// # Panics
    /// If an object is alive, a pixel buffer locked, or a rule was broken.
    #[track_caller]
    pub fn assert_none_alive(&self) {
        let counters = self.counters();
        assert!(counters.is_clean(), "{counters}");
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        let counters = self.counters();
        // What still hangs goes on, as the process does.
        install(None, Script::new());
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        GIVEN_BACK.notify_one();
        if !std::thread::panicking() {
            assert!(counters.is_clean(), "{counters}");
        }
    }
}

/// What is alive, and what went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    /// Objects that are alive, constants aside, by kind. Kinds of which there are none are left out.
    pub objects: BTreeMap<Kind, isize>,
    /// Locks of pixel buffers less unlocks.
    pub locks: isize,
    /// Rules that were broken.
    pub violations: Vec<String>,
}

impl Counters {
    /// As they are.
    pub fn now() -> Self {
        let objects = Kind::ALL.into_iter().map(|kind| (kind, live(kind)));
        let objects = objects.filter(|(_, count)| *count != 0).collect();
        Counters { objects, locks: cv::locks(), violations: with(|state| state.violations.clone()) }
    }

    /// Whether nothing is alive, locked or wrong.
    pub fn is_clean(&self) -> bool {
        *self == Counters::default()
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "double: alive {:?}, locks {}", self.objects, self.locks)?;
        self.violations.iter().try_for_each(|violation| write!(f, "; {violation}"))
    }
}
