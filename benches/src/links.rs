//! Sessions over links of 1, 2.5 and 10 Gb/s: how many frames per second each way to compress them gives,
//! and what a lone frame has to wait for.
//!
//! Within a cell the fixed ways are measured forwards, then `auto`, then the fixed ones backwards, so that
//! what the machine does besides, if it changes slowly, hits all of them alike.

use std::time::Duration;

use vtremote_benches::content::Content;
use vtremote_benches::picture::{Kind, NV12_4K, NV12_1080P, P010_4K, P010_1080P};

use crate::Problem;
use crate::ends::{Delays, Mode, Pace, Request};
use crate::namespaces::{End, Network, Rate, bind, processors};
use crate::process::Process;
use crate::report::{Report, Unit};
use crate::statistics::Quartiles;

/// Pictures, and what figures call them.
const KINDS: [(&str, Kind); 4] = [
    ("1080p.nv12", NV12_1080P),
    ("1080p.p010", P010_1080P),
    ("4k.nv12", NV12_4K),
    ("4k.p010", P010_4K),
];

/// Added to the way of what a delayed link carries, in each direction.
pub(crate) const DELAY: Duration = Duration::from_millis(2);

/// How long things take.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Before a fixed way is measured, from its first frame on, and before `auto` is.
    pub(crate) warm_up: Duration,
    pub(crate) auto_warm_up: Duration,
    pub(crate) window: Duration,
    /// Lone frames.
    lone: usize,
}

/// What figures are of.
pub(crate) const WHOLE: Plan = Plan {
    warm_up: Duration::from_millis(300),
    auto_warm_up: Duration::from_millis(3000),
    window: Duration::from_millis(600),
    lone: 240,
};

/// Whether there are figures at all.
pub(crate) const SHORT: Plan = Plan {
    warm_up: Duration::ZERO,
    auto_warm_up: Duration::ZERO,
    window: Duration::from_millis(1),
    lone: 6,
};

/// Adds the parts of the report that begin with `link` and `latency`; of all cells, or of those whose names
/// begin so.
pub(crate) fn measure(report: &mut Report, plan: Plan, only: &[&str]) -> Result<(), Problem> {
    let network = match Network::new() {
        Ok(network) => network,
        Err(reason) => {
            report.absent("link", reason.clone());
            report.absent("latency.1g.1080p.over_wire_ms", reason);
            return Ok(());
        }
    };
    let bench = Bench { network, plan, only };
    for (name, kind) in KINDS {
        let names = |rate: Rate| [cell_name(rate, name), delayed_name(rate, name)];
        if !Rate::ALL.into_iter().flat_map(names).any(|cell| bench.wants(&cell)) {
            continue;
        }
        let mut ends = match bench.ends(kind, Content::Clip, &processors())? {
            Ok(ends) => ends,
            Err(reason) => {
                report.absent(&format!("link.*.{name}"), reason);
                continue;
            }
        };
        for rate in Rate::ALL {
            bench.network.shape(rate)?;
            if kind == NV12_1080P && only.is_empty() {
                bench.shape(report, rate, &mut ends)?;
            }
            for direction in [Direction::Encode, Direction::Decode] {
                let cell = cell_name(rate, name);
                bench.cell(report, &cell, direction, &mut ends.client, ends.port)?;
                if kind == NV12_1080P {
                    let delayed = bench.delayed(&ends)?;
                    let cell = delayed_name(rate, name);
                    bench.cell(report, &cell, direction, &mut ends.client, delayed.port)?;
                }
            }
        }
    }
    bench.network.shape(Rate::ALL[0])?;
    bench.one_core(report)?;
    if bench.wants("latency") { bench.latency(report) } else { Ok(()) }
}

fn cell_name(rate: Rate, kind: &str) -> String {
    format!("link.{}.{kind}", rate.name)
}

fn delayed_name(rate: Rate, kind: &str) -> String {
    format!("link.{}.delayed.{kind}", rate.name)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Encode,
    Decode,
}

impl Direction {
    /// Before `fps` in a figure's name.
    fn prefix(self) -> &'static str {
        match self {
            Self::Encode => "",
            Self::Decode => "decode_",
        }
    }
}

struct Bench<'a> {
    network: Network,
    plan: Plan,
    /// How the names of cells begin that are measured; none: all are.
    only: &'a [&'a str],
}

/// A server at the one end and a client at the other.
struct Ends {
    client: Process,
    _server: Process,
    port: u16,
    bulk: u16,
}

/// A process between them.
struct Delayed {
    _forwarder: Process,
    port: u16,
}

fn there(port: u16) -> String {
    format!("{}:{port}", End::There.address())
}

impl Bench<'_> {
    fn wants(&self, cell: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| cell.starts_with(start))
    }

    /// Both ends with that content ready, or why there is none; the client has these processors.
    fn ends(
        &self,
        kind: Kind,
        content: Content,
        client: &[usize],
    ) -> Result<Result<Ends, String>, Problem> {
        // It is the same in both processes, and the reason is easier to have from here.
        if let Err(reason) = content.frames(kind, 1) {
            return Ok(Err(reason));
        }
        let place = |end| Some(self.network.command(end));
        let mut server = Process::start_by(place(End::There), "link-server", &[&kind, &content])?;
        let client = bind(self.network.command(End::Here), client);
        let mut client = Process::start_by(Some(client), "link-client", &[&kind, &content])?;
        let (port, bulk) = (server.answer()?, server.answer()?);
        client.answer::<String>()?;
        Ok(Ok(Ends { client, _server: server, port, bulk }))
    }

    fn delayed(&self, ends: &Ends) -> Result<Delayed, Problem> {
        let command = self.network.command(End::There);
        let delay = DELAY.as_micros();
        let mut forwarder = Process::start_by(Some(command), "forward", &[&ends.port, &delay])?;
        let port = forwarder.answer()?;
        Ok(Delayed { _forwarder: forwarder, port })
    }

    /// Whether the cable is as fast as it is to be, also for what comes after a pause.
    fn shape(&self, report: &mut Report, rate: Rate, ends: &mut Ends) -> Result<(), Problem> {
        for (figure, bytes, times) in [("lone_mb", 1_000_000, 15), ("bulk", 50_000_000, 3)] {
            let request = Request::Bulk { address: there(ends.bulk), bytes, times };
            ends.client.tell(&request.to_string())?;
            let measured: f64 = ends.client.answer()?;
            let name = format!("link.{}.{figure}_gbit_s", rate.name);
            report.add(name, Unit::Gbits, std::iter::once(Some(measured)));
        }
        Ok(())
    }

    /// Frames per second of one link, one kind of pictures and one direction, every way.
    fn cell(
        &self,
        report: &mut Report,
        name: &str,
        direction: Direction,
        client: &mut Process,
        port: u16,
    ) -> Result<(), Problem> {
        if !self.wants(name) {
            return Ok(());
        }
        eprint!("\r{name:<44}");
        let mut paces: [Vec<Pace>; Mode::ALL.len()] = Default::default();
        let forwards = 0..Mode::ALL.len();
        // `auto` is the last.
        let backwards = (0..Mode::ALL.len() - 1).rev();
        for index in forwards.chain(backwards) {
            let mode = Mode::ALL[index];
            let (warm_up, window) = match mode {
                Mode::Fixed(_) => (self.plan.warm_up, self.plan.window),
                // Once, and so as long as each of the others twice.
                Mode::Auto => (self.plan.auto_warm_up, 2 * self.plan.window),
            };
            let decodes = direction == Direction::Decode;
            let request = Request::Pace { address: there(port), decodes, mode, warm_up, window };
            client.tell(&request.to_string())?;
            paces[index].push(client.answer()?);
        }
        let prefix = direction.prefix();
        let mut best = (0.0, Mode::Auto);
        for (mode, paces) in Mode::ALL.into_iter().zip(&paces) {
            let fps = paces.iter().map(|pace| pace.fps);
            let median = Quartiles::of(fps.clone()).map_or(0.0, |quartiles| quartiles.median);
            if mode == Mode::Auto {
                let ratio = median / best.0;
                if ratio < LEAST {
                    let coding = paces.last().map(|pace| pace.coding.to_string());
                    report.note(format!(
                        "{name}.{prefix}auto_vs_best: {} gives {:.1} frames per second, auto, which took \
                         {}, {median:.1}",
                        best.1, best.0, coding.unwrap_or_default(),
                    ));
                }
                let ratio = std::iter::once(Some(ratio));
                report.add(format!("{name}.{prefix}auto_vs_best"), Unit::Ratio, ratio);
            } else if median > best.0 {
                best = (median, mode);
            }
            report.add(format!("{name}.{mode}.{prefix}fps"), Unit::Fps, fps.map(Some));
        }
        Ok(())
    }

    /// 1080p over 1 Gb/s on every content, the client bound to one processor.
    fn one_core(&self, report: &mut Report) -> Result<(), Problem> {
        let one = processors().into_iter().take(1).collect::<Vec<_>>();
        for content in Content::ALL {
            let name = format!("link.1g.1080p.nv12.{content}.one_core");
            if !self.wants(&name) {
                continue;
            }
            match self.ends(NV12_1080P, content, &one)? {
                Ok(mut ends) => {
                    let Ends { client, port, .. } = &mut ends;
                    self.cell(report, &name, Direction::Encode, client, *port)?;
                }
                Err(reason) => report.absent(&name, reason),
            }
        }
        Ok(())
    }

    /// What a lone frame of 1080p waits for besides its bytes, over 1 Gb/s, two processors for the client.
    fn latency(&self, report: &mut Report) -> Result<(), Problem> {
        eprintln!("\r{:<44}", "latency");
        let rate = Rate::ALL[0];
        let two = processors().into_iter().take(2).collect::<Vec<_>>();
        let mut ends = match self.ends(NV12_1080P, Content::Clip, &two)? {
            Ok(ends) => ends,
            Err(reason) => {
                report.absent("latency.1g.1080p.over_wire_ms", reason);
                return Ok(());
            }
        };
        let request = Request::Delays { address: there(ends.port), frames: self.plan.lone };
        ends.client.tell(&request.to_string())?;
        let Delays(delays) = ends.client.answer()?;
        let whole = delays.iter().map(|(time, _)| 1e3 * time.as_secs_f64());
        let wire = delays.iter().map(|(_, bytes)| {
            // What leaves at once is not waited for.
            1e3 * bytes.saturating_sub(rate.burst) as f64 / rate.payload()
        });
        let mut over: Vec<f64> =
            whole.clone().zip(wire.clone()).map(|(all, wire)| all - wire).collect();
        over.sort_by(f64::total_cmp);
        let p99 = over.get(over.len() * 99 / 100).copied();
        let mut figure = |name: &str, values: &mut dyn Iterator<Item = f64>| {
            report.add(format!("latency.1g.1080p.{name}"), Unit::Ms, values.map(Some));
        };
        figure("ms", &mut whole.clone());
        figure("wire_ms", &mut wire.clone());
        figure("over_wire_ms", &mut over.iter().copied());
        figure("over_wire_p99_ms", &mut p99.into_iter());
        Ok(())
    }
}

/// What `auto` is to give, of what the best fixed way does.
pub(crate) const LEAST: f64 = 0.95;
