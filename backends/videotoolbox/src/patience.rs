use std::time::Duration;

/// How long VideoToolbox is waited for, which promises nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until an encoder is there, with all the sessions that are only tried, or a decoder: clients give up on CONFIGURE after
    /// five seconds, and docs/protocol.md section 4 promises an answer within four.
    pub open: Duration,
    /// The part of `open` that sessions may take that are only tried.
    pub warm_up: Duration,
    /// For a packet where no further frame can come before it does.
    pub held: Duration,
    /// For a call to return, a frame's packet or a packet's picture, before it is given up.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            open: Duration::from_millis(3500),
            warm_up: Duration::from_secs(3),
            held: Duration::from_secs(1),
            answer: Duration::from_secs(10),
        }
    }
}
