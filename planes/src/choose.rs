//! Which compression suits this connection: what `auto` does.
//!
//! A frame goes through three stages that work at the same time: the sender's threads compress it,
//! the link carries it, the receiver's threads unpack it. The slowest of them is the pace, and which
//! one that is depends on the mode:
//!
//! ```text
//!   frames/s of a mode = min(threads · compress, link · ratio, threads there · unpack) / frame
//! ```
//!
//! All five figures are measured while the session runs. The mode in use is measured by using it;
//! of the others a few rows are compressed now and then, and thrown away. What nobody can know
//! before, such as how fast the other end unpacks a mode that it has not seen yet, starts as a
//! [`Prior`]. And since stages never overlap as well as that, what a mode has really given is kept
//! beside what it should have.
//!
//! A file or a live source that gives 24 frames a second needs no more than that, however fast the
//! link. So the cheapest mode that is fast enough with something to spare is taken, and where no
//! mode is fast enough, or nobody has said yet what would be, the fastest.
//!
//! Time goes in spans of some frames, all of one mode. What is decided at the end of one holds for the
//! whole of the next.

use std::fmt;
use std::time::Duration;

/// A mode must be faster than what is needed by this factor …
const SPARE: f64 = 1.1;

/// … and one that costs less by this, or is faster by that, takes the place of the one in use.
const CHEAPER: f64 = 1.1;
const FASTER: f64 = 1.05;

/// Modes whose frames per second differ by less are as fast as each other.
const AS_FAST: f64 = 0.97;

/// A new measurement of a rate counts as much as all before it after so much time of work.
const MEMORY: Duration = Duration::from_millis(500);

/// A span has so many frames and this time, and more of either where the other is not there yet.
const FRAMES: u32 = 8;
const SPAN: Duration = Duration::from_millis(250);

/// The link is the limit where it has something to send for more than this part of the time. What the receiver holds
/// it up is nothing if it is less than that, and is left out if it is less than that; beyond, it is the limit itself.
const LINK_BUSY: f64 = 0.7;
const HELD: f64 = 0.15;
const MOST_HELD: f64 = 0.5;

/// The source or the codec is what everything waits for where it has nothing to give, or no room, for more
/// than this part of the time.
const WAITING: f64 = 0.1;

/// More frames per second than were needed, by this factor, is another need.
const MORE: f64 = 1.05;

/// What a mode gave, of what it should have, is taken to be between these.
const LEAST_YIELD: f64 = 0.02;
const MOST_YIELD: f64 = 1.2;

/// What is not measured because it is not in use, or not the limit, is expected to become better by this
/// part in a second: so it is looked at again, if it could be of use.
const HOPE: f64 = 0.01;

/// Spans after which a mode that was chosen is not a passing one.
const SETTLED: u32 = 2;

/// Frames from a trial of a mode that is not in use to the next, a prime number, so that pictures that return do not
/// always meet the same mode; and as long as there is a mode of which nothing is known.
const TRIAL_EVERY: u32 = 11;
const FIRST_TRIALS_EVERY: u32 = 3;

/// Of what trials have shown before, this part counts beside the latest.
const TRIALS_KEPT: f64 = 0.8;

/// Bytes per second of a link of 1 Gb/s, which most have.
const LIKELY_LINK: f64 = 118e6;

/// A link that has not been the limit yet is expected to carry so many times as much after each second. All at once
/// would fill one that turns out to be slow with rows as they are, for as long as those take to get through.
const FASTER_LINK: f64 = 16.0;

/// Seconds of both ends' kernels for a byte on the wire, as measured on one machine: without it what sends
/// rows as they are would cost nothing.
const WIRE_COST: f64 = 0.4e-9;

/// What to expect of a mode before it was measured. Expect rather too much of what only use can show,
/// which is `unpack`: that is put right as soon as it is tried, and a mode of which too little is
/// expected never is.
#[derive(Debug, Clone, Copy)]
pub struct Prior {
    /// Raw bytes per second that one thread compresses.
    pub compress: f64,
    /// Raw bytes per second that one thread unpacks.
    pub unpack: f64,
    /// Raw bytes for one on the wire.
    pub ratio: f64,
}

/// What this end and its pictures are.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// A frame without compression, in bytes.
    pub frame_bytes: u64,
    /// Threads that compress here.
    pub threads: usize,
    /// Least delay instead of least work.
    pub realtime: bool,
    /// Both ends are on one machine.
    pub is_local: bool,
}

/// What the next frame is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice<M> {
    /// How it is compressed.
    pub mode: M,
    /// A mode that some rows of it are to be compressed with besides, the same in two frames: the second shows
    /// what it would give, also where it predicts from the first.
    pub trial: Option<Trial<M>>,
}

/// What is to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial<M> {
    /// How the rows are compressed.
    pub mode: M,
    /// Whether it is the second of two, which [`Chooser::tried`] is to hear of.
    pub counts: bool,
}

/// Chooses among modes by what it is told of the session.
#[derive(Debug)]
pub struct Chooser<M> {
    setting: Setting,
    /// The one that costs both ends least comes first, as far as is known at the start.
    modes: Vec<Mode<M>>,
    current: usize,
    /// As long as it is not measured, what it may carry.
    link: Rate,
    /// Threads that unpack there.
    threads_there: usize,
    /// Frames per second that the source gives and the codec takes; None as long as nothing but this path
    /// holds it up.
    demand: Option<f64>,
    span: Span,
    /// A span of the mode in use has come to its end since anything was chosen …
    judged: bool,
    /// … and so many since it was.
    spans: u32,
    /// Frames until the next trial, and whose turn it is.
    until_trial: u32,
    next_trial: usize,
}

#[derive(Debug)]
struct Mode<M> {
    name: M,
    compress: Rate,
    unpack: Rate,
    /// Bytes on the wire "per second" of raw ones: the reciprocal of the ratio.
    size: Rate,
    /// What it makes of rows, and what the mode in use makes of the same; None where nothing is made smaller.
    beside: Option<Beside>,
    /// What it gave of what it should have given.
    yields: f64,
}

/// Bytes of the same rows in two modes, with less and less of what was long ago. Sums: what compresses well in
/// one picture and badly in the next is mostly in the next.
#[derive(Debug, Clone, Copy)]
struct Beside {
    own: f64,
    other: f64,
    measured: bool,
}

impl Beside {
    fn expected(ratio: f64) -> Self {
        Self { own: ratio, other: 1.0, measured: false }
    }

    fn take(&mut self, own: f64, other: f64) {
        let kept = if self.measured { TRIALS_KEPT } else { 0.0 };
        (self.own, self.other) = (self.own * kept + own, self.other * kept + other);
        self.measured = true;
    }
}

/// Something per something, averaged so that the latest counts most.
#[derive(Debug, Clone, Copy)]
struct Rate {
    value: f64,
    /// How much was measured, at most [`MEMORY`].
    known: Duration,
}

/// What happened since the first frame of a span.
#[derive(Debug, Default)]
struct Span {
    /// The mode of its frames, and when it began.
    of: Option<(usize, Duration)>,
    frames: u32,
    bytes: u64,
    writing: Duration,
    starved: Duration,
    behind: Duration,
    full: Duration,
    amid: Duration,
}

impl Rate {
    fn expected(value: f64) -> Self {
        Self { value, known: Duration::ZERO }
    }

    /// So much was measured over so long.
    fn take(&mut self, value: f64, over: Duration) {
        if !value.is_finite() || value <= 0.0 || over.is_zero() {
            return;
        }
        // What is only expected counts for nothing beside the first measurement.
        let before = self.known.as_secs_f64();
        let weight = over.as_secs_f64() / (before + over.as_secs_f64());
        if before == 0.0 {
            self.value = value;
        } else {
            self.value += (value - self.value) * weight;
        }
        self.known = (self.known + over).min(MEMORY);
    }

    fn measured(&self) -> bool {
        !self.known.is_zero()
    }
}

impl<M: Copy + PartialEq> Chooser<M> {
    /// Chooses among `modes`, the cheapest for both ends first. Without any measurement it takes what would be
    /// the fastest on a link of [`LIKELY_LINK`]: it is about right for most, and on one that is faster, less is
    /// lost than if rows as they are had filled a slow one. Within a machine there is no link to speak of.
    ///
    /// # Panics
    /// If there are no modes.
    pub fn new(setting: Setting, modes: &[(M, Prior)]) -> Self {
        assert!(!modes.is_empty(), "nothing to choose among");
        let first = modes.first().map_or(1.0, |(_, prior)| prior.ratio);
        let modes = modes.iter().map(|&(name, prior)| Mode {
            name,
            compress: Rate::expected(prior.compress),
            unpack: Rate::expected(prior.unpack),
            size: Rate::expected(1.0 / prior.ratio),
            beside: (prior.ratio > 1.0).then(|| Beside::expected(first / prior.ratio)),
            yields: 1.0,
        });
        let mut chooser = Self {
            setting,
            modes: modes.collect(),
            current: 0,
            link: Rate::expected(if setting.is_local { f64::INFINITY } else { LIKELY_LINK }),
            threads_there: setting.threads,
            demand: None,
            span: Span::default(),
            judged: false,
            spans: 0,
            until_trial: FIRST_TRIALS_EVERY,
            next_trial: 0,
        };
        chooser.take(chooser.best());
        chooser
    }

    /// The mode in use is another from now on.
    fn take(&mut self, mode: usize) {
        let before = std::mem::replace(&mut self.current, mode);
        let factor = self.modes[mode].size.value / self.modes[before].size.value;
        let tried = self.modes[mode].beside;
        for beside in self.modes.iter_mut().filter_map(|other| other.beside.as_mut()) {
            beside.other *= factor;
        }
        if let (Some(Beside { other, measured, .. }), Some(beside)) =
            (tried, &mut self.modes[before].beside)
        {
            *beside = Beside { own: other, other: other * factor, measured };
        }
        self.spans = 0;
    }

    /// What the others would make of what the mode in use has.
    fn compare(&mut self) {
        let size = self.modes[self.current].size.value;
        for (at, mode) in self.modes.iter_mut().enumerate() {
            if let (true, Some(Beside { own, other, .. })) = (at != self.current, mode.beside) {
                mode.size = Rate { value: size * own / other, known: MEMORY / 4 };
            }
        }
    }

    /// A thread has compressed so many raw bytes to so many in this time.
    pub fn compressed(&mut self, mode: M, raw: u64, wire: u64, time: Duration) {
        if let Some(known) = self.known(mode)
            && raw > 0
        {
            known.compress.take(raw as f64 / time.as_secs_f64(), time);
            if mode == self.mode() {
                let size = &mut self.modes[self.current].size;
                size.take(wire as f64 / raw as f64, time.max(Duration::from_micros(1)));
                self.compare();
            }
        }
    }

    /// As [`compressed`](Self::compressed), of the rows that were compressed as [`Choice::trial`] said, and
    /// the mode in which they are sent with the bytes that they have come to in that.
    pub fn tried(&mut self, mode: M, raw: u64, wire: u64, time: Duration, sent: (M, u64)) {
        let at = |mode: M| self.modes.iter().position(|known| known.name == mode);
        let (Some(tried), Some(of)) = (at(mode), at(sent.0)) else { return };
        if raw == 0 || wire == 0 || time.is_zero() {
            return;
        }
        // It stands for all that was not tried since the last.
        self.modes[tried].compress.take(raw as f64 / time.as_secs_f64(), MEMORY);
        // Of what went out in a mode that is not in use any more: what the present one would have made of it.
        let sizes = self.modes[self.current].size.value / self.modes[of].size.value;
        if let (true, Some(beside)) = (tried != self.current, &mut self.modes[tried].beside) {
            beside.take(wire as f64, sent.1 as f64 * sizes);
        }
        self.compare();
    }

    /// The other end's threads, so many of them, needed this long together for so many raw bytes.
    pub fn unpacked(&mut self, mode: M, raw: u64, time: Duration, threads: usize) {
        self.threads_there = threads.max(1);
        if let Some(known) = self.known(mode)
            && raw > 0
        {
            known.unpack.take(raw as f64 / time.as_secs_f64(), time);
        }
    }

    /// The link took so many bytes in this time.
    pub fn sent(&mut self, bytes: u64, time: Duration) {
        self.span.bytes += bytes;
        self.span.writing += time;
    }

    /// There was nothing to send, and nothing that was being compressed, for this time.
    pub fn starved(&mut self, time: Duration) {
        self.span.starved += time;
    }

    /// The other end has taken nothing from the link, since its threads were behind, or since its codec or
    /// whoever it is for had no room; and it has waited for more of a frame that had begun.
    pub fn told(&mut self, behind: Duration, full: Duration, amid: Duration) {
        self.span.behind += behind;
        self.span.full += full;
        self.span.amid += amid;
    }

    /// A lone frame of so many bytes was at the other end this long after its first byte was sent, its
    /// unpacking left out.
    ///
    /// This is how a link is known that never has enough to do: in real time.
    pub fn carried(&mut self, bytes: u64, time: Duration) {
        if self.setting.realtime {
            self.link.take(bytes as f64 / time.as_secs_f64(), time);
        }
    }

    /// A frame of this mode arrived at the other end's codec at this time of the session.
    pub fn delivered(&mut self, mode: M, now: Duration) {
        let Some(mode) = self.modes.iter().position(|known| known.name == mode) else { return };
        let Some((of, began)) = self.span.of.filter(|(of, _)| *of == mode) else {
            self.span = Span { of: Some((mode, now)), ..Span::default() };
            return;
        };
        self.span.frames += 1;
        let passed = now.saturating_sub(began);
        if self.span.frames >= FRAMES && passed >= SPAN {
            let span = std::mem::take(&mut self.span);
            self.span.of = Some((of, now));
            self.judge(of, &span, passed);
        }
    }

    /// Learns from a span of frames of one mode.
    fn judge(&mut self, mode: usize, span: &Span, passed: Duration) {
        let seconds = passed.as_secs_f64();
        let part = |time: Duration| time.as_secs_f64() / seconds;
        let rate = f64::from(span.frames) / seconds;
        let carried = span.bytes as f64 / seconds;
        // What was written may lie in buffers on the way for long: then it is the other end that waits.
        let on_the_way =
            part(span.amid) > LINK_BUSY && part(span.writing + span.starved) > LINK_BUSY;
        let held = part(span.behind + span.full);
        let moved = if held > HELD { 1.0 - held } else { 1.0 };
        if on_the_way && held < MOST_HELD {
            self.link.take(carried / moved, passed);
        } else if part(span.writing) > LINK_BUSY && held < MOST_HELD {
            self.link.take(span.bytes as f64 / span.writing.as_secs_f64() / moved, passed);
        } else if !self.link.measured() {
            self.link.value = carried.max(self.link.value * FASTER_LINK.powf(seconds));
        } else if carried > self.link.value {
            self.link.take(carried, MEMORY);
        } else if !self.setting.realtime {
            self.link.value *= 1.0 + HOPE * seconds;
        }

        let waiting = part(span.starved.max(span.full)) > WAITING && part(span.behind) < HELD;
        let waiting = waiting && !on_the_way;
        if waiting {
            self.demand = Some(rate);
        } else {
            // What this path holds up wants as much as before, unless it gets more than that.
            self.demand = self.demand.filter(|known| rate < known * MORE);
            let should = self.model(&self.modes[mode]);
            if should.is_finite() && should > 0.0 {
                let found = (rate / should).clamp(LEAST_YIELD, MOST_YIELD);
                // What was seen last of a mode that was not in use may have been another time's.
                let weight = if self.spans == 0 { 0.8 } else { 0.5 };
                let yields = &mut self.modes[mode].yields;
                *yields += (found - *yields) * weight;
            }
        }
        for (at, other) in self.modes.iter_mut().enumerate() {
            if at != mode && other.yields < 1.0 {
                other.yields = (other.yields * (1.0 + HOPE * seconds)).min(1.0);
            }
        }
        if mode == self.current {
            self.judged = true;
            self.spans = self.spans.saturating_add(1);
        }
    }

    /// What the next frame is to be.
    pub fn choose(&mut self) -> Choice<M> {
        // A mode gets a whole span to show what it is, and what is in flight when it is chosen is none of it.
        if std::mem::take(&mut self.judged) {
            let best = self.best();
            if best != self.current {
                self.take(best);
            }
        }
        let mode = self.modes[self.current].name;
        self.until_trial = self.until_trial.saturating_sub(1);
        if self.until_trial > 1 || self.modes.len() < 2 {
            return Choice { mode, trial: None };
        }
        if self.next_trial == self.current {
            self.next_trial = (self.next_trial + 1) % self.modes.len();
        }
        let counts = self.until_trial == 0;
        let trial = Trial { mode: self.modes[self.next_trial].name, counts };
        if counts {
            // What is under way is not known yet.
            let unknown = self.modes.iter().filter(|mode| !mode.compress.measured()).count();
            self.until_trial = if unknown > 1 { FIRST_TRIALS_EVERY } else { TRIAL_EVERY };
            self.next_trial = (self.next_trial + 1) % self.modes.len();
        }
        Choice { mode, trial: Some(trial) }
    }

    /// The mode in use.
    pub fn mode(&self) -> M {
        self.modes[self.current].name
    }

    /// Whether the mode in use has shown what it is and stayed.
    pub fn has_settled(&self) -> bool {
        self.spans >= SETTLED
    }

    /// Frames per second that this path would carry in a mode, as far as is known now.
    pub fn frames_per_second(&self, mode: M) -> Option<f64> {
        self.modes.iter().find(|known| known.name == mode).map(|known| self.pace(known))
    }

    /// Frames per second that the source and the codec can use, once something else than this path
    /// has been seen to hold them up.
    pub fn demand(&self) -> Option<f64> {
        self.demand
    }

    fn known(&mut self, name: M) -> Option<&mut Mode<M>> {
        self.modes.iter_mut().find(|mode| mode.name == name)
    }

    /// Frames per second, if all stages overlapped.
    fn model(&self, mode: &Mode<M>) -> f64 {
        let here = self.setting.threads.max(1) as f64 * mode.compress.value;
        let there = self.threads_there.max(1) as f64 * mode.unpack.value;
        let link = self.link.value / mode.size.value;
        here.min(there).min(link) / self.setting.frame_bytes.max(1) as f64
    }

    /// Frames per second.
    fn pace(&self, mode: &Mode<M>) -> f64 {
        self.model(mode) * mode.yields
    }

    /// Seconds of both ends' threads for a frame.
    fn cost(&self, mode: &Mode<M>) -> f64 {
        let work = mode.compress.value.recip() + mode.unpack.value.recip();
        self.setting.frame_bytes as f64 * (work + WIRE_COST * mode.size.value)
    }

    /// Seconds from a lone frame's start to its end at the other side. Its parts follow each other
    /// through the stages, so that the slowest counts whole and of the others one part.
    fn delay(&self, mode: &Mode<M>) -> f64 {
        let bytes = self.setting.frame_bytes as f64;
        let here = bytes / mode.compress.value / self.setting.threads.max(1) as f64;
        let there = bytes / mode.unpack.value / self.threads_there.max(1) as f64;
        let link = bytes * mode.size.value / self.link.value;
        let slowest = here.max(there).max(link);
        /// As most frames are cut.
        const PARTS: f64 = 10.0;
        slowest + (here + there + link - slowest) / PARTS
    }

    fn best(&self) -> usize {
        let now = &self.modes[self.current];
        let least = |fits: &dyn Fn(&Mode<M>) -> bool, figure: &dyn Fn(&Mode<M>) -> f64| {
            let fitting = self.modes.iter().enumerate().filter(|(_, mode)| fits(mode));
            fitting.min_by(|a, b| figure(a.1).total_cmp(&figure(b.1))).map(|(index, _)| index)
        };
        let cost = |mode: &Mode<M>| self.cost(mode);
        if self.setting.realtime {
            let other = least(&|_| true, &|mode| self.delay(mode)).unwrap_or(self.current);
            let sooner = self.delay(&self.modes[other]) * FASTER < self.delay(now);
            return if sooner { other } else { self.current };
        }
        if let Some(demand) = self.demand {
            let keeps_up = self.pace(now) >= demand;
            if let Some(other) = least(&|mode| self.pace(mode) >= demand * SPARE, &cost) {
                let better = !keeps_up || cost(&self.modes[other]) * CHEAPER < cost(now);
                return if better { other } else { self.current };
            }
            if keeps_up {
                return self.current;
            }
        }
        let fastest = self.modes.iter().map(|mode| self.pace(mode)).fold(0.0, f64::max);
        let as_fast = |mode: &Mode<M>| self.pace(mode) >= fastest * AS_FAST;
        let other = least(&as_fast, &cost).unwrap_or(self.current);
        let faster = self.pace(&self.modes[other]) > self.pace(now) * FASTER;
        let cheaper = cost(&self.modes[other]) * CHEAPER < cost(now);
        if faster || cheaper { other } else { self.current }
    }
}

impl<M: Copy + PartialEq + fmt::Display> Chooser<M> {
    /// The mode in use and why, on one line.
    pub fn reason(&self) -> String {
        let mode = &self.modes[self.current];
        let link = match self.link.measured() {
            true => format!("link {:.0} MB/s", self.link.value / 1e6),
            false => "link not the limit so far".to_owned(),
        };
        let needed = match self.demand {
            Some(rate) => format!("{rate:.0} frames/s needed"),
            None => "as many frames as possible needed".to_owned(),
        };
        let figures = |mode: &Mode<M>| {
            let (pace, ratio) = (self.pace(mode), mode.size.value.recip());
            format!("{} {pace:.0} at {ratio:.1}:1", mode.name)
        };
        let all = self.modes.iter().map(figures).collect::<Vec<_>>().join(", ");
        format!("{} ({link}, {needed}; frames/s possible: {all})", mode.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;
    /// 1080p NV12.
    const FRAME: u64 = 1920 * 1080 * 3 / 2;

    /// What is true of the modes of the tests, in the order none, fast, small.
    const TRUTH: [Prior; 3] = [
        Prior { compress: 8000.0 * MB, unpack: 8000.0 * MB, ratio: 1.0 },
        Prior { compress: 1400.0 * MB, unpack: 1600.0 * MB, ratio: 2.3 },
        Prior { compress: 760.0 * MB, unpack: 950.0 * MB, ratio: 3.4 },
    ];

    /// A path whose stages work at the same time.
    struct Path {
        truth: [Prior; 3],
        /// Bytes per second.
        link: f64,
        /// Frames per second that the source gives or the codec takes.
        source: f64,
        /// How much of its pace each mode gives.
        overlap: [f64; 3],
        now: f64,
    }

    impl Path {
        fn new(link: f64, source: f64) -> Self {
            Self { truth: TRUTH, link, source, overlap: [1.0; 3], now: 0.0 }
        }

        fn pace(&self, mode: usize) -> f64 {
            let Prior { compress, unpack, ratio } = self.truth[mode];
            let pace = (2.0 * compress).min(2.0 * unpack).min(self.link * ratio) / FRAME as f64;
            pace * self.overlap[mode]
        }

        /// Sends so many frames as `chooser` says; gives the modes they had.
        fn run(&mut self, chooser: &mut Chooser<usize>, frames: usize) -> Vec<usize> {
            let raw = FRAME as f64;
            let mut modes = Vec::new();
            for _ in 0..frames {
                let Choice { mode, trial } = chooser.choose();
                let used = mode;
                let Prior { compress, unpack, ratio } = self.truth[mode];
                let seconds = Duration::from_secs_f64;
                chooser.compressed(mode, FRAME, (raw / ratio) as u64, seconds(raw / compress));
                if let Some(Trial { mode, counts: true }) = trial {
                    let Prior { compress, ratio, .. } = self.truth[mode];
                    let part = raw / 10.0;
                    let wire = (part / ratio) as u64;
                    let sent = (used, (part / self.truth[used].ratio) as u64);
                    chooser.tried(mode, FRAME / 10, wire, seconds(part / compress), sent);
                }
                let wire = raw / ratio;
                chooser.sent(wire as u64, seconds(wire / self.link));
                // With a time on the way that nobody knows of.
                chooser.carried(wire as u64, seconds(wire / self.link + 0.0002));
                chooser.unpacked(mode, FRAME, seconds(raw / unpack), 2);
                let pace = self.pace(mode);
                if pace > self.source {
                    chooser.starved(seconds(self.source.recip() - pace.recip()));
                }
                self.now += pace.min(self.source).recip();
                chooser.delivered(mode, seconds(self.now));
                modes.push(mode);
            }
            modes
        }
    }

    fn setting() -> Setting {
        Setting { frame_bytes: FRAME, threads: 2, realtime: false, is_local: false }
    }

    /// Everything here is expected to be half as fast as it is, and twice as fast there.
    fn chooser(setting: Setting) -> Chooser<usize> {
        let modes = TRUTH.map(|truth| Prior {
            compress: truth.compress / 2.0,
            unpack: truth.unpack * 2.0,
            ratio: 1.0 + (truth.ratio - 1.0) / 2.0,
        });
        Chooser::new(setting, &[(0, modes[0]), (1, modes[1]), (2, modes[2])])
    }

    #[test]
    fn a_codec_that_takes_all_gets_the_fastest_mode_of_the_link() {
        for link in [30.0, 117.0, 290.0, 450.0, 600.0, 1200.0, 5000.0] {
            let mut path = Path::new(link * MB, 1e6);
            let mut chooser = chooser(setting());
            // It may take a moment to find out.
            while path.now < 1.5 {
                path.run(&mut chooser, 1);
            }
            let modes = path.run(&mut chooser, 1800);
            let fastest = (0..3).map(|mode| path.pace(mode)).fold(0.0, f64::max);
            let seconds: f64 = modes.iter().map(|&mode| path.pace(mode).recip()).sum();
            assert!(1800.0 / seconds > fastest * 0.95, "{link} MB/s: {}", 1800.0 / seconds);
        }
    }

    #[test]
    fn a_link_that_was_not_the_limit_yet_is_not_filled_with_rows_as_they_are() {
        // What is small is held up by the processors, and the link carries little more.
        let mut path = Path::new(150.0 * MB, 1e6);
        path.truth[2].compress = 200.0 * MB;
        let modes = path.run(&mut chooser(setting()), 2000);
        assert!(!modes.contains(&0));
        // A fast one is found out soon.
        path.link = 2000.0 * MB;
        let mut chooser = chooser(setting());
        path.now = 0.0;
        let modes = path.run(&mut chooser, 2000);
        assert_ne!(modes[1999], 2);
        let last = modes.iter().rposition(|mode| *mode == 2).unwrap();
        let seconds: f64 = modes[..last].iter().map(|&mode| path.pace(mode).recip()).sum();
        assert!(seconds < 1.5, "{seconds}");
    }

    #[test]
    fn a_slow_source_gets_the_cheapest_mode_that_keeps_up() {
        for (link, source, cheapest) in
            [(117.0, 24.0, 0), (117.0, 60.0, 1), (117.0, 100.0, 2), (1200.0, 60.0, 0)]
        {
            let mut path = Path::new(link * MB, source);
            let mut chooser = chooser(setting());
            let modes = path.run(&mut chooser, 2000);
            let right = modes[500..].iter().filter(|mode| **mode == cheapest).count();
            assert_eq!(right, 1500, "{link} MB/s, {source}/s: {}", chooser.reason());
        }
    }

    #[test]
    fn a_link_that_slows_down_is_noticed_and_one_that_recovers_too() {
        let mut path = Path::new(1200.0 * MB, 50.0);
        let mut chooser = chooser(setting());
        assert_eq!(path.run(&mut chooser, 500)[499], 0);
        path.link = 80.0 * MB;
        let modes = path.run(&mut chooser, 500);
        assert_eq!(modes[499], 1);
        let first = modes.iter().position(|mode| *mode == 1).unwrap();
        assert!(first < 50, "{first}");
        // Nothing shows that but trying, which is worth no more than a little now and then.
        let modes = path.run(&mut chooser, 10_000);
        let slow = modes.iter().filter(|mode| **mode == 0).count();
        assert!(slow < 200, "{slow}");
        path.link = 1200.0 * MB;
        assert_eq!(path.run(&mut chooser, 20_000)[19_999], 0);
    }

    #[test]
    fn a_source_that_speeds_up_is_followed() {
        let mut path = Path::new(117.0 * MB, 24.0);
        let mut chooser = chooser(setting());
        path.run(&mut chooser, 500);
        assert!((chooser.demand().unwrap() - 24.0).abs() < 1.0);
        path.source = 100.0;
        assert_eq!(path.run(&mut chooser, 1000)[999], 2);
        path.source = 24.0;
        assert_eq!(path.run(&mut chooser, 1000)[999], 0);
    }

    #[test]
    fn pictures_that_do_not_compress_are_noticed_by_trials() {
        let mut path = Path::new(300.0 * MB, 1e6);
        let mut chooser = chooser(setting());
        assert_eq!(path.run(&mut chooser, 500)[499], 2);
        path.truth[2].ratio = 1.02;
        path.truth[1].ratio = 1.01;
        assert_eq!(path.run(&mut chooser, 1000)[999], 0);
        path.truth = TRUTH;
        assert_eq!(path.run(&mut chooser, 1000)[999], 2);
    }

    #[test]
    fn shots_that_compress_as_well_as_others_do_badly_are_no_reason_for_another_mode() {
        // All that fits through is to be made as small as it can be.
        let mut path = Path::new(60.0 * MB, 1e6);
        let mut chooser = chooser(setting());
        path.run(&mut chooser, 500);
        let mut others = 0;
        for shot in 0..400 {
            let factor = [1.0, 5.0, 1.5, 0.9][shot % 4];
            for (truth, usual) in path.truth.iter_mut().zip(TRUTH).skip(1) {
                truth.ratio = usual.ratio * factor;
            }
            others += path.run(&mut chooser, 6).iter().filter(|mode| **mode != 2).count();
        }
        assert_eq!(others, 0);
    }

    #[test]
    fn figures_that_hardly_differ_do_not_make_it_waver() {
        let mut path = Path::new(117.0 * MB, 1e6);
        path.truth[1] = path.truth[2];
        let mut chooser = chooser(setting());
        path.run(&mut chooser, 1000);
        let mut last = None;
        let mut changes = 0;
        for round in 0..2000 {
            path.truth[1].ratio = 3.4 * if round % 2 == 0 { 1.05 } else { 0.95 };
            path.truth[2].ratio = 3.4 * if round % 2 == 0 { 0.95 } else { 1.05 };
            let mode = path.run(&mut chooser, 1)[0];
            changes += usize::from(last.is_some_and(|last| last != mode));
            last = Some(mode);
        }
        // A trial that looked better than it is costs one.
        assert!(changes <= 1, "{changes}");
    }

    #[test]
    fn in_real_time_the_least_delay_counts() {
        let setting = Setting { realtime: true, ..setting() };
        for (link, mode) in [(117.0, 2), (5000.0, 0)] {
            let mut path = Path::new(link * MB, 30.0);
            let modes = path.run(&mut chooser(setting), 500);
            assert_eq!(modes[499], mode, "{link} MB/s");
        }
    }

    /// Frames of the mode in use that are on the way for so much of the time.
    fn spans(chooser: &mut Chooser<usize>, part: f64, behind: f64, full: f64) {
        let seconds = Duration::from_secs_f64;
        for frame in 0..100 {
            chooser.sent(1 << 20, seconds(0.1 * part));
            chooser.told(seconds(0.1 * behind), seconds(0.1 * full), Duration::ZERO);
            let mode = chooser.choose().mode;
            chooser.delivered(mode, seconds(0.1 * f64::from(frame)));
        }
    }

    #[test]
    fn a_link_that_is_idle_or_held_up_by_the_other_end_is_not_measured() {
        for (part, behind, full) in [(0.1, 0.0, 0.0), (0.9, 0.8, 0.0), (0.9, 0.0, 0.8)] {
            let mut chooser = chooser(setting());
            spans(&mut chooser, part, behind, full);
            assert!(chooser.reason().contains("link not the limit so far"), "{part} {behind}");
        }
        let mut chooser = chooser(setting());
        spans(&mut chooser, 0.9, 0.0, 0.0);
        assert!(chooser.reason().contains("link 12 MB/s"), "{}", chooser.reason());
    }

    #[test]
    fn a_link_whose_buffers_take_all_there_is_to_send_shows_at_the_other_end() {
        let mut chooser = chooser(setting());
        let seconds = Duration::from_secs_f64;
        for frame in 0..100 {
            chooser.sent(1 << 20, seconds(0.001));
            chooser.starved(seconds(0.099));
            chooser.told(Duration::ZERO, Duration::ZERO, seconds(0.09));
            chooser.delivered(0, seconds(0.1 * f64::from(frame)));
        }
        assert!(chooser.reason().contains("link 10 MB/s"), "{}", chooser.reason());
        assert_eq!(chooser.demand(), None);
    }

    #[test]
    fn a_codec_that_has_no_room_is_what_is_needed() {
        let mut chooser = chooser(setting());
        spans(&mut chooser, 0.9, 0.0, 0.8);
        assert!((chooser.demand().unwrap() - 10.0).abs() < 0.1);
        assert_eq!(chooser.choose().mode, 0);
    }

    #[test]
    fn a_mode_that_gives_less_than_it_should_is_left_and_looked_at_again() {
        let mut path = Path::new(117.0 * MB, 1e6);
        let mut chooser = chooser(setting());
        assert_eq!(path.run(&mut chooser, 500)[499], 2);
        path.overlap[2] = 0.5;
        let modes = path.run(&mut chooser, 2000);
        let wrong = modes[200..].iter().filter(|mode| **mode == 2).count();
        assert!(wrong < 100, "{wrong}");
        path.overlap[2] = 1.0;
        assert_eq!(path.run(&mut chooser, 10_000)[9999], 2);
    }

    #[test]
    fn nonsense_is_left_out() {
        let mut chooser = chooser(setting());
        let before = chooser.frames_per_second(0);
        chooser.compressed(0, 0, 0, Duration::ZERO);
        chooser.compressed(0, 10, 10, Duration::ZERO);
        chooser.compressed(7, 10, 10, Duration::from_secs(1));
        chooser.unpacked(0, 10, Duration::ZERO, 0);
        for _ in 0..100 {
            chooser.delivered(0, Duration::ZERO);
            chooser.delivered(7, Duration::from_secs(1));
        }
        chooser.carried(0, Duration::ZERO);
        assert_eq!(chooser.frames_per_second(0), before);
        assert_eq!(chooser.frames_per_second(7), None);
        assert_eq!(chooser.demand(), None);
    }

    #[test]
    fn the_first_frames_suit_a_usual_link_or_none_at_all() {
        assert_eq!(chooser(setting()).mode(), 2);
        assert_eq!(chooser(Setting { is_local: true, ..setting() }).mode(), 0);
    }

    #[test]
    fn every_mode_is_tried_in_its_turn() {
        let mut chooser = chooser(setting());
        let tried: Vec<_> = (0..300).filter_map(|_| chooser.choose().trial).collect();
        for (mode, counts) in [(0, false), (0, true), (1, false), (1, true)] {
            assert!(tried.contains(&Trial { mode, counts }));
        }
        assert!(tried.iter().all(|trial| trial.mode != chooser.mode()));
        let pairs = tried.chunks_exact(2);
        assert!(pairs.clone().all(|pair| pair[0].mode == pair[1].mode && pair[1].counts));
        let lone = Chooser::new(setting(), &[("none", TRUTH[0])]).choose();
        assert_eq!(lone, Choice { mode: "none", trial: None });
    }
}
