//! What this process has used.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of all of its threads.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Memory that it has now, in bytes; none where the system does not say.
pub(crate) fn memory() -> Option<u64> {
    status("self", "VmRSS:")
}

/// The most memory that it had at once, in bytes.
pub(crate) fn peak_memory() -> Option<u64> {
    status("self", "VmHWM:")
}

/// The same of another process, while it runs.
pub(crate) fn peak_memory_of(process: u32) -> Option<u64> {
    status(&process.to_string(), "VmHWM:")
}

fn status(process: &str, key: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}
