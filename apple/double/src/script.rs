//! What goes wrong, and how.

use crate::state::CALLS;
use std::fmt;

/// What a test wants to go wrong; empty, nothing does.
///
/// As text, for the environment of a daemon: items apart by spaces.
/// - `machine=intel|software|silicon`, `rows=16|64|256` (see [`crate::Machine`])
/// - `fail=VTCompressionSessionEncodeFrame:3:-12903`: the third call of the function gives the status, or
///   the length or count; null, false or no time, if it gives none of these
/// - `stall=VTDecompressionSessionDecodeFrame:3`: the third call of the function does not return
/// - `property=ConstantBitRate:-12900`: what setting the property always gives
/// - `encode=5:drop`, `decode=5:error:-12909`: what becomes of the fifth frame of the first session that
///   gets so far; see [`Outcome`]
/// - `callbacks=fresh|caller`, `blocks=split|long|split-long`, `reorder=0`, `hold`,
///   `no-hdr`, `untold`, `eight-bits`, `afterwards`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// Calls that fail instead of doing anything.
    pub faults: Vec<Fault>,
    /// Calls that do not return before there is another script: the function, and which call of it.
    pub stalls: Vec<(String, usize)>,
    /// Properties whose setting gives a status: the name as the constant's text, and the status.
    pub properties: Vec<(String, i32)>,
    /// What becomes of frames that are encoded, by their number from 1 in the first session that gets so
    /// far. Each happens once.
    pub encode: Vec<(usize, Outcome)>,
    /// The same of samples that are decoded.
    pub decode: Vec<(usize, Outcome)>,
    /// On which threads callbacks come.
    pub callbacks: Callbacks,
    /// How encoded bytes lie in memory.
    pub blocks: Blocks,
    /// Encoders put this many B-frames between others, whatever was asked for.
    pub reorder: Option<u32>,
    /// Encoders give nothing before VTCompressionSessionCompleteFrames.
    pub hold: bool,
    /// Encoders take metadata of HDR and write none, whatever the colours are.
    pub no_hdr: bool,
    /// Encoders that reorder frames say nowhere that they do.
    pub untold: bool,
    /// Encoders make eight bits of ten.
    pub eight_bits: bool,
    /// What an encoder still has when it is invalidated is not lost: it is called back when
    /// [`crate::Double::call_back`] says so.
    pub afterwards: bool,
    /// Calls are counted, for [`crate::Double::calls`]. They always are where one is to fail.
    pub counted: bool,
}

/// A call that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The function.
    pub call: String,
    /// Which call of it, from 1, counted from when the script was given.
    pub nth: usize,
    /// What it gives, if it gives numbers; else that is null, false or no time.
    pub status: i32,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// `drop`: the callback says so, without an error and without a sample.
    Drop,
    /// `error:STATUS`: the callback has this status and no sample.
    Error(i32),
    /// `empty`: the callback has neither a status nor a flag nor a sample.
    Empty,
    /// `late:N`: its callback comes after those of the next N, or at the end.
    Late(usize),
    /// `invalidate`: the session is invalid from this call on, which gives -12903, and what it still had is
    /// never heard of.
    Invalidate,
    /// `die:STATUS`: the call succeeds, but it and everything that the session still had come back with this
    /// status, and the session is invalid.
    Die(i32),
    /// `never`: its callback never comes, as if it got lost between processes. Who waits for what the session
    /// has does not wait for it.
    Never,
}

/// On which threads callbacks come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Callbacks {
    /// The session's own.
    #[default]
    Session,
    /// `fresh`: a new one each time, which ends after it.
    Fresh,
    /// `caller`: that of whoever encodes, decodes or completes, within the call.
    Caller,
}

/// How encoded bytes lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Blocks {
    /// In one piece.
    #[default]
    Contiguous,
    /// `split`: in pieces, one of them between two bytes of a length.
    Split,
    /// `long`: followed by bytes that are not the sample's.
    Long,
    /// `split-long`: both.
    SplitLong,
}

impl Blocks {
    pub(crate) fn split(self) -> bool {
        matches!(self, Blocks::Split | Blocks::SplitLong)
    }

    pub(crate) fn long(self) -> bool {
        matches!(self, Blocks::Long | Blocks::SplitLong)
    }
}

impl Script {
    /// A script under which nothing goes wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// The nth call of a function, from 1, gives this status, length or count; null, false or no time, if it
    /// gives none of these.
    ///
    /// # Panics
    /// If it is no function that can fail here: the fault would never come.
    #[must_use]
    pub fn fail(mut self, call: &str, nth: usize, status: i32) -> Self {
        assert!(CALLS.contains(&call), "no call of {call} can fail");
        self.faults.push(Fault { call: call.to_owned(), nth, status });
        self
    }

    /// The nth call of a function, from 1, does not return before there is another script.
    ///
    /// # Panics
    /// As [`Script::fail`].
    #[must_use]
    pub fn stall(mut self, call: &str, nth: usize) -> Self {
        assert!(CALLS.contains(&call), "no call of {call} can stall");
        self.stalls.push((call.to_owned(), nth));
        self
    }

    /// Setting this property always gives this status.
    #[must_use]
    pub fn property(mut self, name: &str, status: i32) -> Self {
        self.properties.push((name.to_owned(), status));
        self
    }

    /// What becomes of the nth frame to encode.
    #[must_use]
    pub fn encode(mut self, nth: usize, outcome: Outcome) -> Self {
        self.encode.push((nth, outcome));
        self
    }

    /// What becomes of the nth sample to decode.
    #[must_use]
    pub fn decode(mut self, nth: usize, outcome: Outcome) -> Self {
        self.decode.push((nth, outcome));
        self
    }

    /// On which threads callbacks come.
    #[must_use]
    pub fn callbacks(self, callbacks: Callbacks) -> Self {
        Script { callbacks, ..self }
    }

    /// How encoded bytes lie in memory.
    #[must_use]
    pub fn blocks(self, blocks: Blocks) -> Self {
        Script { blocks, ..self }
    }

    /// Encoders put so many B-frames between others.
    #[must_use]
    pub fn reorder(self, b_frames: u32) -> Self {
        Script { reorder: Some(b_frames), ..self }
    }

    /// Encoders give nothing before they are completed.
    #[must_use]
    pub fn hold(self) -> Self {
        Script { hold: true, ..self }
    }

    /// Encoders write no metadata of HDR.
    #[must_use]
    pub fn no_hdr(self) -> Self {
        Script { no_hdr: true, ..self }
    }

    /// Encoders say nowhere that they reorder frames.
    #[must_use]
    pub fn untold(self) -> Self {
        Script { untold: true, ..self }
    }

    /// Encoders make eight bits of ten.
    #[must_use]
    pub fn eight_bits(self) -> Self {
        Script { eight_bits: true, ..self }
    }

    /// Encoders call back after their end.
    #[must_use]
    pub fn afterwards(self) -> Self {
        Script { afterwards: true, ..self }
    }

    /// Calls are counted.
    #[must_use]
    pub fn counted(self) -> Self {
        Script { counted: true, ..self }
    }

    /// Takes one item of the text form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn item(&mut self, item: &str) -> Result<(), UnknownItem> {
        let unknown = || UnknownItem(item.to_owned());
        let (key, value) = item.split_once('=').unwrap_or((item, ""));
        let parts: Vec<&str> = value.split(':').collect();
        let number = |text: &str| text.parse::<usize>().map_err(|_| unknown());
        let status = |text: &str| text.parse::<i32>().map_err(|_| unknown());
        let outcome = |parts: &[&str]| match parts {
            ["drop"] => Ok(Outcome::Drop),
            ["empty"] => Ok(Outcome::Empty),
            ["error", code] => Ok(Outcome::Error(status(code)?)),
            ["late", count] => Ok(Outcome::Late(number(count)?)),
            ["invalidate"] => Ok(Outcome::Invalidate),
            ["die", code] => Ok(Outcome::Die(status(code)?)),
            ["never"] => Ok(Outcome::Never),
            _ => Err(unknown()),
        };
        match (key, &parts[..]) {
            ("fail", [call, nth, code]) if CALLS.contains(call) => {
                let call = (*call).to_owned();
                self.faults.push(Fault { call, nth: number(nth)?, status: status(code)? });
            }
            ("stall", [call, nth]) if CALLS.contains(call) => {
                self.stalls.push(((*call).to_owned(), number(nth)?));
            }
            ("property", [name, code]) => {
                self.properties.push(((*name).to_owned(), status(code)?));
            }
            ("encode", [nth, rest @ ..]) => self.encode.push((number(nth)?, outcome(rest)?)),
            ("decode", [nth, rest @ ..]) => self.decode.push((number(nth)?, outcome(rest)?)),
            ("callbacks", ["fresh"]) => self.callbacks = Callbacks::Fresh,
            ("callbacks", ["caller"]) => self.callbacks = Callbacks::Caller,
            ("blocks", ["split"]) => self.blocks = Blocks::Split,
            ("blocks", ["long"]) => self.blocks = Blocks::Long,
            ("blocks", ["split-long"]) => self.blocks = Blocks::SplitLong,
            ("reorder", [count]) => {
                self.reorder = Some(count.parse().map_err(|_| unknown())?);
            }
            ("hold", _) if value.is_empty() => self.hold = true,
            ("no-hdr", _) if value.is_empty() => self.no_hdr = true,
            ("untold", _) if value.is_empty() => self.untold = true,
            ("eight-bits", _) if value.is_empty() => self.eight_bits = true,
            ("afterwards", _) if value.is_empty() => self.afterwards = true,
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

/// An item of a script that is none.
#[derive(Debug)]
pub(crate) struct UnknownItem(String);

impl fmt::Display for UnknownItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the double knows no {:?}", self.0)
    }
}
