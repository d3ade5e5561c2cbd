use std::path::{Path, PathBuf};

/// launchd's name for the service.
pub(crate) const LABEL: &str = "org.vtremote.vtremoted";

/// Where the files of a service are, and launchd's domain for it. They stay where they are over
/// updates: the firewall and the privacy settings know a program by its path.
#[derive(Debug)]
pub(crate) struct Places {
    /// Whether it is the machine's, and not a user's own.
    pub(crate) is_system: bool,
    /// Where launchd keeps the service: `system`, `gui/501`.
    pub(crate) domain: String,
    /// What launchd reads.
    pub(crate) plist: PathBuf,
    /// The directory of program and token.
    pub(crate) support: PathBuf,
    /// The program that runs.
    pub(crate) binary: PathBuf,
    /// What clients must send.
    pub(crate) token: PathBuf,
    /// The directory of the log, which is of whoever the process is.
    pub(crate) logs: PathBuf,
    /// The log.
    pub(crate) log: PathBuf,
}

impl Places {
    /// The service of one user, in their home directory.
    pub(crate) fn agent(home: &Path, user_id: u32) -> Self {
        Self::below(home, "LaunchAgents", format!("gui/{user_id}"), false)
    }

    /// The service of the machine, below `root`.
    pub(crate) fn daemon(root: &Path) -> Self {
        Self::below(root, "LaunchDaemons", "system".into(), true)
    }

    fn below(base: &Path, plists: &str, domain: String, is_system: bool) -> Self {
        let library = base.join("Library");
        let support = library.join("Application Support/vtremote");
        let logs = library.join("Logs/vtremote");
        Places {
            is_system,
            domain,
            plist: library.join(plists).join(format!("{LABEL}.plist")),
            binary: support.join("vtremoted"),
            token: support.join("token"),
            support,
            log: logs.join("vtremoted.log"),
            logs,
        }
    }

    /// The service as launchctl names it.
    pub(crate) fn target(&self) -> String {
        format!("{}/{LABEL}", self.domain)
    }

    /// As people name it.
    pub(crate) fn name(&self) -> &'static str {
        if self.is_system { "service of this machine" } else { "your own service" }
    }

    /// What the command line has for it.
    pub(crate) fn flag(&self) -> &'static str {
        if self.is_system { " --system" } else { "" }
    }
}
