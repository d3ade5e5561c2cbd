//! Two network namespaces with a cable between them that is as fast as it is told to be.
//!
//! They have no names, belong to no user but the one who runs this, and are gone when their processes
//! are. `ip`, `tc`, `unshare` and `nsenter` do the work, so that no system call has to be made by hand.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Where a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the client.
    Here,
    /// With the server.
    There,
}

impl End {
    /// Its address at the cable.
    pub(crate) fn address(self) -> &'static str {
        match self {
            Self::Here => "10.9.0.1",
            Self::There => "10.9.0.2",
        }
    }
}

/// What a cable carries per second, in each direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) name: &'static str,
    /// Headers of Ethernet, IP and TCP included.
    pub(crate) bits: u64,
    /// What leaves at once after a pause, in bytes: as little as the kernel's timers can do with.
    pub(crate) burst: u64,
}

impl Rate {
    pub(crate) const ALL: [Self; 3] = [
        Self { name: "1g", bits: 1_000_000_000, burst: 64 << 10 },
        Self { name: "2.5g", bits: 2_500_000_000, burst: 128 << 10 },
        Self { name: "10g", bits: 10_000_000_000, burst: 256 << 10 },
    ];

    /// Bytes per second of TCP's payload: of the 1514 bytes of a frame 1448 are.
    pub(crate) fn payload(self) -> f64 {
        self.bits as f64 / 8.0 * 1448.0 / 1514.0
    }
}

/// Bytes that wait for the shaper, at most: more than TCP has on the way.
const QUEUE: &str = "4m";

/// The cable's end, in each namespace.
const DEVICE: &str = "cable";

/// Both namespaces.
pub(crate) struct Network {
    here: Namespace,
    there: Namespace,
}

/// As long as a process in it waits for the end of its input, which is this one's.
struct Namespace {
    holder: Child,
    /// It belongs to a namespace of users in which this user is root.
    is_own: bool,
}

impl Network {
    /// Two namespaces and a cable without limit, or why there are none.
    pub(crate) fn new() -> Result<Self, String> {
        let here = Namespace::new()?;
        // By the first one's root, who may then lay a cable between them.
        let there = Namespace::beside(&here)?;
        let network = Self { here, there };
        let peer = network.there.holder.id().to_string();
        let link = ["link", "add", DEVICE, "type", "veth", "peer", "name", DEVICE, "netns", &peer];
        network.run(End::Here, "ip", &link)?;
        for end in [End::Here, End::There] {
            let address = format!("{}/24", end.address());
            network.run(end, "ip", &["addr", "add", &address, "dev", DEVICE])?;
            network.run(end, "ip", &["link", "set", DEVICE, "up"])?;
            network.run(end, "ip", &["link", "set", "lo", "up"])?;
        }
        Ok(network)
    }

    /// From here on the cable carries so much and no more.
    pub(crate) fn shape(&self, rate: Rate) -> Result<(), String> {
        let (bits, burst) = (format!("{}bit", rate.bits), rate.burst.to_string());
        let shaper = ["root", "tbf", "rate", &bits, "burst", &burst, "limit", QUEUE];
        let replace = [&["qdisc", "replace", "dev", DEVICE], &shaper[..]].concat();
        [End::Here, End::There].into_iter().try_for_each(|end| self.run(end, "tc", &replace))
    }

    /// A command that becomes the program which its further arguments name, at that end.
    pub(crate) fn command(&self, end: End) -> Command {
        match end {
            End::Here => self.here.command(),
            End::There => self.there.command(),
        }
    }

    fn run(&self, end: End, program: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.command(end);
        command.arg(program).args(arguments);
        let output = command.output().map_err(|error| format!("{program}: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{program}: {}", last_line(&output.stderr))),
        }
    }
}

impl Namespace {
    fn new() -> Result<Self, String> {
        // Root needs no users of its own, and where users may not have any, root still may.
        Self::hold(Command::new("unshare"), &["--net"], false).or_else(|_| {
            Self::hold(Command::new("unshare"), &["--user", "--map-root-user", "--net"], true)
        })
    }

    fn beside(other: &Self) -> Result<Self, String> {
        let mut command = other.command();
        command.arg("unshare");
        Self::hold(command, &["--net"], other.is_own)
    }

    fn hold(mut unshare: Command, arguments: &[&str], is_own: bool) -> Result<Self, String> {
        let missing = |error| format!("unshare: {error}");
        let shell = ["sh", "-c", "echo && exec cat"];
        let stdio = unshare.args(arguments).args(shell).stdin(Stdio::piped());
        let stdio = stdio.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut namespace = Self { holder: stdio.spawn().map_err(missing)?, is_own };
        let mut ready = String::new();
        if let Some(output) = namespace.holder.stdout.as_mut() {
            BufReader::new(output).read_line(&mut ready).map_err(missing)?;
        }
        if ready.is_empty() {
            let _ = namespace.holder.kill();
            let said = namespace.holder.stderr.take().map(std::io::read_to_string);
            let said = said.and_then(Result::ok).unwrap_or_default();
            return Err(last_line(said.as_bytes()));
        }
        Ok(namespace)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args([OsStr::new("--target"), self.holder.id().to_string().as_ref()]);
        if self.is_own {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--net", "--"]);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn last_line(said: &[u8]) -> String {
    String::from_utf8_lossy(said).lines().last().unwrap_or("it says nothing").to_owned()
}

/// Processors that this process may use, as `taskset` counts them.
pub(crate) fn processors() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let ranges = list.unwrap_or_default().trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// A command that becomes the program which its further arguments name, on these processors alone.
pub(crate) fn bind(mut command: Command, processors: &[usize]) -> Command {
    let list: Vec<String> = processors.iter().map(ToString::to_string).collect();
    command.args(["taskset", "--cpu-list", &list.join(",")]);
    command
}
