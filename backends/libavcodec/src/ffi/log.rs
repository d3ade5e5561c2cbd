use super::av;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};

/// How much a line of libavcodec's log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something does not work.
    Error,
    /// Something works, but not as it was asked for.
    Warning,
    /// What the codec does.
    Info,
}

type Hook = Box<dyn Fn(LogLevel, &str) + Send + Sync>;

static HOOK: OnceLock<Hook> = OnceLock::new();

/// Gives libavcodec's log lines to `hook`, from whatever thread wrote them; without a hook they are
/// dropped. The log is one per process: the first hook stays, and `false` says that there was one.
///
/// x265 writes to stderr by itself, and is told to write errors only.
pub fn set_log(hook: impl Fn(LogLevel, &str) + Send + Sync + 'static) -> bool {
    install();
    HOOK.set(Box::new(hook)).is_ok()
}

thread_local! {
    /// The last error line of this thread while [`capture`] runs.
    static CAPTURE: RefCell<Option<Capture>> = const { RefCell::new(None) };
}

struct Capture {
    quiet: bool,
    last_error: Option<String>,
}

/// Runs `f` and gives the last error line that it logged on this thread. `quiet`: its lines do not
/// reach the hook.
pub(super) fn capture<T>(quiet: bool, f: impl FnOnce() -> T) -> (T, Option<String>) {
    install();
    let outer = CAPTURE.replace(Some(Capture { quiet, last_error: None }));
    let result = f();
    let capture = CAPTURE.replace(outer);
    (result, capture.and_then(|capture| capture.last_error))
}

/// Error lines that a decoder has written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// The cause, as a rule; the others are what follows from it.
    pub(crate) first: Option<String>,
    /// How many came behind it.
    pub(crate) more: u64,
}

/// What is collected, by the number that stands in a context's `opaque`.
static COLLECTED: Mutex<BTreeMap<usize, Lines>> = Mutex::new(BTreeMap::new());

/// Keeps the error lines of one codec context, and of the copies of it that frame threads have, from
/// the log hook: they are part of what is told of a packet.
pub(super) struct Collector(usize);

impl Collector {
    pub(super) fn new() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        install();
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        collected().insert(number, Lines::default());
        Collector(number)
    }

    /// For the context's `opaque`, which its copies have too: a number, and nothing to point to.
    pub(super) fn opaque(&self) -> *mut c_void {
        ptr::without_provenance_mut(self.0)
    }

    /// What was written since the last time.
    pub(super) fn take(&self) -> Lines {
        collected().get_mut(&self.0).map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        collected().remove(&self.0);
    }
}

fn collected() -> MutexGuard<'static, BTreeMap<usize, Lines>> {
    // Lines are whole at every place where a panic could be.
    COLLECTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the line to whoever collects those of this context, if somebody does.
fn collect(context: *mut c_void, line: &str) -> bool {
    if context.is_null() {
        return false;
    }
    // SAFETY: what a line is logged for begins with a pointer to its class (av_log's contract), and
    // where that class is AVCodecContext's, it is one.
    let number = unsafe {
        if *context.cast::<*const av::AVClass>() != av::avcodec_get_class() {
            return false;
        }
        (*context.cast::<av::AVCodecContext>()).opaque.addr()
    };
    let mut collected = collected();
    let Some(lines) = collected.get_mut(&number) else { return false };
    match lines.first {
        Some(_) => lines.more += 1,
        None => lines.first = Some(line.to_owned()),
    }
    true
}

fn install() {
    static INSTALL: Once = Once::new();
    // SAFETY: `on_line` has the signature that libavutil calls, and lives as long as the process.
    INSTALL.call_once(|| unsafe { av_log_set_callback(Some(on_line)) });
}

/// A `va_list` parameter. It is passed as one pointer-sized value on every platform that there is:
/// an array decays to a pointer (x86-64), a structure goes by reference (AArch64), or it is a
/// pointer.
type VaList = *mut c_void;

type Callback = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, VaList);

// Declared here since the generated declarations name the platform's own type of va_list.
unsafe extern "C" {
    fn av_log_set_callback(callback: Option<Callback>);
    fn av_log_format_line2(
        class: *mut c_void,
        level: c_int,
        format: *const c_char,
        args: VaList,
        line: *mut c_char,
        size: c_int,
        print_prefix: *mut c_int,
    ) -> c_int;
}

unsafe extern "C" fn on_line(
    class: *mut c_void,
    level: c_int,
    format: *const c_char,
    args: VaList,
) {
    let known = [
        (av::AV_LOG_ERROR, LogLevel::Error),
        (av::AV_LOG_WARNING, LogLevel::Warning),
        (av::AV_LOG_INFO, LogLevel::Info),
    ];
    // The higher bits are a colour.
    let Some((code, level)) = known.into_iter().find(|(code, _)| level & 0xff <= *code) else {
        return;
    };
    let mut line = [0; 1024];
    let mut prefix = 0;
    // SAFETY: libavutil's own arguments are handed on once, and the buffer has the length that is
    // said; a cut line is terminated.
    let line = unsafe {
        let size = line.len() as c_int;
        if av_log_format_line2(class, code, format, args, line.as_mut_ptr(), size, &mut prefix) < 0
        {
            return;
        }
        CStr::from_ptr(line.as_ptr())
    };
    // A panic must not leave a function that C has called.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let line = line.to_string_lossy();
        let line = line.trim_end();
        if level != LogLevel::Error || !collect(class, line) {
            deliver(level, line);
        }
    }));
}

fn deliver(level: LogLevel, line: &str) {
    let quiet = CAPTURE.with_borrow_mut(|capture| match capture {
        Some(capture) => {
            if level == LogLevel::Error {
                capture.last_error = Some(line.to_owned());
            }
            capture.quiet
        }
        None => false,
    });
    if !quiet
        && !line.is_empty()
        && let Some(hook) = HOOK.get()
    {
        hook(level, line);
    }
}
