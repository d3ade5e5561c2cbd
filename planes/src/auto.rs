//! `auto` of one session, in the session's own terms: pictures that begin, are made, are written and
//! arrive.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Coding;
use crate::choose::{Choice, Chooser, Prior, Setting};
use crate::trial::Tried;

/// What each coding gives on one thread, measured on video of 1080p; threads that unpack are taken to be
/// a third faster, since too little would never be put right.
const PRIORS: [(Coding, Prior); 5] = [
    (Coding::None, prior(8000.0, 8000.0, 1.0)),
    (Coding::Lz4, prior(700.0, 4500.0, 1.2)),
    (Coding::VtzFast, prior(1400.0, 1600.0, 2.1)),
    (Coding::Zstd, prior(430.0, 1200.0, 1.4)),
    (Coding::Vtz, prior(770.0, 950.0, 3.0)),
];

/// From MB/s.
const fn prior(compress: f64, unpack: f64, ratio: f64) -> Prior {
    Prior { compress: compress * 1e6, unpack: unpack * 1.33e6, ratio }
}

/// The most pictures that are followed on their way: nobody has as many there, but the other end need not
/// say that any arrives.
const MOST_ON_THE_WAY: usize = 1024;

/// Lines of the log have this time between them.
const QUIET: Duration = Duration::from_secs(10);

/// What a thread has made of some rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// How they were compressed.
    pub coding: Coding,
    /// What the rows are, in bytes.
    pub raw: u64,
    /// What they have become.
    pub wire: u64,
    /// What that took.
    pub time: Duration,
}

/// What the other end has done with pictures since it said so last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Pictures that it has unpacked and handed on.
    pub pictures: u32,
    /// Threads that unpack.
    pub threads: usize,
    /// What unpacking took all of them together.
    pub unpacking: Duration,
    /// How long nothing was read since they were behind.
    pub behind: Duration,
    /// How long nothing was read since whoever gets the pictures had no room.
    pub full: Duration,
    /// How long it waited for more of a picture that had begun.
    pub amid: Duration,
}

/// Chooses the coding of each picture of a session.
#[derive(Debug)]
pub struct Auto {
    chooser: Chooser<Coding>,
    /// What a picture is without compression, in bytes.
    frame_bytes: u64,
    /// Pictures that have begun and not arrived.
    flights: VecDeque<Flight>,
    /// The coding that the log was told of, and when.
    told: Option<(Coding, Duration)>,
}

#[derive(Debug)]
struct Flight {
    coding: Coding,
    /// Bytes that were written, or are being written.
    wire: u64,
    /// When its first byte was written, and whether it was the only one on the way then.
    sent: Option<(Duration, bool)>,
}

impl Auto {
    /// For pictures that can have these codings.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(setting: Setting, codings: &[Coding]) -> Self {
        let known = PRIORS.into_iter().filter(|(coding, _)| codings.contains(coding));
        Self {
            chooser: Chooser::new(setting, &known.collect::<Vec<_>>()),
            frame_bytes: setting.frame_bytes,
            flights: VecDeque::with_capacity(64),
            told: None,
        }
    }

    /// A picture begins: how it is to be coded.
    pub fn begin(&mut self) -> Choice<Coding> {
        let choice = self.chooser.choose();
        if self.flights.len() >= MOST_ON_THE_WAY {
            self.flights.pop_front();
        }
        self.flights.push_back(Flight { coding: choice.mode, wire: 0, sent: None });
        choice
    }

    /// Some rows of a picture were made.
    pub fn made(&mut self, work: Work) {
        let Work { coding, raw, wire, time } = work;
        self.chooser.compressed(coding, raw, wire, time);
    }

    /// Rows were made twice to see what that gives.
    pub fn tried(&mut self, tried: Tried) {
        let Tried { made: Work { coding, raw, wire, time }, sent } = tried;
        self.chooser.tried(coding, raw, wire, time, (sent.coding, sent.wire));
    }

    /// So many bytes of the picture that began as the `ahead`th before the last are about to be written.
    pub fn writes(&mut self, now: Duration, ahead: usize, bytes: u64) {
        let Some(at) = self.flights.len().checked_sub(1 + ahead) else { return };
        if let Some(flight) = self.flights.get_mut(at) {
            flight.sent.get_or_insert((now, at == 0));
            flight.wire += bytes;
        }
    }

    /// Bytes were written, which took so long.
    pub fn wrote(&mut self, bytes: u64, time: Duration) {
        self.chooser.sent(bytes, time);
    }

    /// There was nothing to write, and nothing under way that will be, for so long.
    pub fn starved(&mut self, time: Duration) {
        self.chooser.starved(time);
    }

    /// The other end has told what it did.
    pub fn progress(&mut self, now: Duration, progress: Progress) {
        let Progress { pictures, threads, unpacking, behind, full, amid } = progress;
        self.chooser.told(behind, full, amid);
        // Nobody is to tell of more than there are.
        let count = self.flights.len().min(pictures as usize);
        let arrived = self.flights.iter().take(count);
        let mut codings = arrived.map(|flight| flight.coding);
        // Time that pictures of several codings took together says nothing of any.
        if let Some(coding) = codings.next()
            && codings.all(|other| other == coding)
        {
            let raw = self.frame_bytes * count as u64;
            self.chooser.unpacked(coding, raw, unpacking, threads);
        }
        if let (1, Some(Flight { wire, sent: Some((began, true)), .. })) =
            (count, self.flights.front())
        {
            let time = now.saturating_sub(*began).saturating_sub(behind + full);
            self.chooser.carried(*wire, time);
        }
        for _ in 0..count {
            self.arrived(now);
        }
    }

    /// The oldest picture on the way has arrived: all that is known of an end that tells nothing.
    pub fn arrived(&mut self, now: Duration) {
        if let Some(flight) = self.flights.pop_front() {
            self.chooser.delivered(flight.coding, now);
        }
    }

    /// The coding of the next picture, as things are.
    pub fn coding(&self) -> Coding {
        self.chooser.mode()
    }

    /// A line for the log when it has settled on another coding than the log knows: which and why.
    pub fn news(&mut self, now: Duration) -> Option<String> {
        let coding = self.coding();
        let known = self.told.is_some_and(|(told, _)| told == coding);
        let soon = self.told.is_some_and(|(_, at)| now.saturating_sub(at) < QUIET);
        if known || soon || !self.chooser.has_settled() {
            return None;
        }
        self.told = Some((coding, now));
        Some(self.chooser.reason())
    }

    /// Whether there was any news.
    pub fn has_told(&self) -> bool {
        self.told.is_some()
    }

    /// The coding in use, why, and what the others would have given.
    pub fn reason(&self) -> String {
        self.chooser.reason()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trial;

    const FRAME: u64 = 1920 * 1080 * 3 / 2;

    fn auto() -> Auto {
        let setting = Setting { frame_bytes: FRAME, threads: 2, realtime: false, is_local: false };
        Auto::new(setting, &Coding::ALL)
    }

    /// Sends pictures over a link of so many bytes a second to an end that unpacks one in this time,
    /// until it is that late.
    fn run(auto: &mut Auto, link: f64, unpacking: Duration, until: Duration) -> Vec<String> {
        let (mut now, mut lines) = (Duration::ZERO, Vec::new());
        while now < until {
            let Choice { mode, trial } = auto.begin();
            let ratio = PRIORS.iter().find(|(coding, _)| *coding == mode).unwrap().1.ratio;
            let wire = (FRAME as f64 / ratio) as u64;
            let work = |coding| Work { coding, raw: FRAME, wire, time: Duration::from_millis(4) };
            auto.made(work(mode));
            if let Some(Trial { mode: trial, counts: true }) = trial {
                let ratio = PRIORS.iter().find(|(coding, _)| *coding == trial).unwrap().1.ratio;
                let made = Work { wire: (FRAME as f64 / ratio) as u64, ..work(trial) };
                auto.tried(Tried { made, sent: work(mode) });
            }
            auto.writes(now, 0, wire);
            let time = Duration::from_secs_f64(wire as f64 / link);
            let step = time.max(unpacking / 2);
            auto.wrote(wire, step);
            now += step;
            let behind = step - time;
            let (pictures, threads, full, amid) = (1, 2, Duration::ZERO, time);
            auto.progress(now, Progress { pictures, threads, unpacking, behind, full, amid });
            lines.extend(auto.news(now));
        }
        lines
    }

    #[test]
    fn a_slow_link_gets_small_pictures_and_the_log_one_line_that_says_why() {
        let mut auto = auto();
        let lines = run(&mut auto, 20e6, Duration::from_millis(4), Duration::from_secs(60));
        assert_eq!(auto.coding(), Coding::Vtz);
        assert!(lines.len() <= 2, "{lines:?}");
        let last = lines.last().unwrap();
        assert!(last.starts_with("vtz (link 20 MB/s") && last.contains("none 6"), "{last}");
    }

    #[test]
    fn an_end_that_is_behind_is_not_taken_for_a_slow_link() {
        let mut auto = auto();
        run(&mut auto, 2000e6, Duration::from_millis(200), Duration::from_secs(60));
        assert!(!auto.reason().contains("link 3"), "{}", auto.reason());
    }

    #[test]
    fn an_end_that_tells_of_no_pictures_costs_no_memory() {
        let mut auto = auto();
        for _ in 0..10 * MOST_ON_THE_WAY {
            auto.begin();
        }
        assert_eq!(auto.flights.len(), MOST_ON_THE_WAY);
    }

    #[test]
    fn an_end_that_tells_of_pictures_that_there_are_not_changes_nothing() {
        let mut auto = auto();
        let pictures = u32::MAX;
        auto.progress(Duration::ZERO, Progress { pictures, ..Progress::default() });
        assert_eq!(auto.begin().mode, self::auto().begin().mode);
        auto.writes(Duration::ZERO, 7, 1);
    }
}
