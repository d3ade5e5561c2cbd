use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::vtz::{SliceDecoder, SliceEncoder};
use crate::{Compressor, Decompressor};

/// What a worker thread lends to each of its jobs.
#[derive(Default)]
pub struct Scratch {
    /// For slices that go out.
    pub compressor: Compressor,
    /// For slices that come in.
    pub decompressor: Decompressor,
    /// For slices of vtz that go out, once there are any.
    pub vtz_encoder: Option<Box<SliceEncoder>>,
    /// For slices of vtz that come in.
    pub vtz_decoder: SliceDecoder,
}

/// Something to be done on a worker thread. Jobs of one kind wait in the queue as they are; those of
/// different kinds as [`AnyJob`]s.
pub trait Job: Send + 'static {
    /// Does it.
    fn run(self, scratch: &mut Scratch);
}

/// A job of any kind, which costs an allocation.
pub type AnyJob = Box<dyn FnOnce(&mut Scratch) + Send>;

impl<F: FnOnce(&mut Scratch) + Send + 'static> Job for F {
    fn run(self, scratch: &mut Scratch) {
        self(scratch);
    }
}

/// A fixed set of threads that take jobs from a bounded queue, first in, first out.
///
/// A session has its own and drops it at its end: that finishes the queued jobs and joins every
/// thread. Jobs report through what they capture, so one that panics shows as a report that does
/// not come: a channel's sender that it captured is dropped unused.
pub struct Workers<J: Job = AnyJob> {
    /// Gone only while dropping, which is what tells the threads to end.
    jobs: Option<Sender<J>>,
    threads: Vec<JoinHandle<()>>,
    panics: Arc<AtomicU64>,
}

impl<J: Job> Workers<J> {
    /// Starts `threads` threads (at least one) called `name`-0, `name`-1, …, behind a queue of
    /// `queue` jobs that wait; with 0, a job is handed from [`run`](Self::run) to an idle thread.
    ///
    /// # Panics
    /// If `name` contains a NUL.
    pub fn new(name: &str, threads: usize, queue: usize) -> io::Result<Self> {
        let (jobs, queued) = bounded(queue);
        let mut workers = Self { jobs: Some(jobs), threads: Vec::new(), panics: Arc::default() };
        for index in 0..threads.max(1) {
            let (queued, panics) = (queued.clone(), workers.panics.clone());
            let thread = thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || work(&queued, &panics))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Has a worker run `job`. Blocks only while the queue is full, so a job must not itself call
    /// this on its own pool: all of them might then wait for each other.
    pub fn run(&self, job: J) {
        if let Some(jobs) = &self.jobs {
            // Refused only if every worker had ended, and they end only when this is dropped.
            let sent = jobs.send(job);
            debug_assert!(sent.is_ok());
        }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// How many jobs have panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

impl<J: Job> Drop for Workers<J> {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A job that owns the last handle to its pool drops it on one of the pool's threads,
            // which cannot wait for itself and ends by itself right after.
            if thread.thread().id() != thread::current().id() {
                // Jobs' panics are caught, so there is nothing to learn from how a thread ended.
                let _ = thread.join();
            }
        }
    }
}

fn work<J: Job>(queued: &Receiver<J>, panics: &AtomicU64) {
    let mut scratch = Scratch::default();
    for job in queued {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job.run(&mut scratch))) {
            // The payload's drop is the panicking code's own, and could panic again. What that gives is
            // not dropped.
            std::mem::forget(catch_unwind(AssertUnwindSafe(|| drop(payload))));
            panics.fetch_add(1, Ordering::Relaxed);
            // The job may have left it half way through something.
            scratch = Scratch::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::{channel, sync_channel};

    use super::*;

    type AnyWorkers = Workers<AnyJob>;

    #[test]
    fn every_queued_job_has_run_when_the_pool_is_gone() {
        let (done, results) = channel();
        let workers = AnyWorkers::new("test", 3, 2).unwrap();
        assert_eq!(workers.threads(), 3);
        for job in 0..100 {
            let done = done.clone();
            workers.run(Box::new(move |_| done.send(job).unwrap()));
        }
        drop(workers);
        drop(done);
        let mut results: Vec<i32> = results.iter().collect();
        results.sort_unstable();
        assert_eq!(results, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn jobs_of_one_thread_run_in_order() {
        let (done, results) = channel();
        let workers = AnyWorkers::new("test", 1, 4).unwrap();
        for job in 0..50 {
            let done = done.clone();
            workers.run(Box::new(move |_| done.send(job).unwrap()));
        }
        drop((workers, done));
        assert_eq!(results.iter().collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_pool_of_no_threads_still_has_one() {
        let workers = AnyWorkers::new("test", 0, 0).unwrap();
        let (done, result) = channel();
        workers.run(Box::new(move |_| {
            done.send(thread::current().name().map(str::to_owned)).unwrap()
        }));
        assert_eq!(result.recv().unwrap().as_deref(), Some("test-0"));
    }

    #[test]
    fn a_panicking_job_is_counted_and_the_pool_goes_on() {
        struct PanicsAgain;
        impl Drop for PanicsAgain {
            fn drop(&mut self) {
                // Nothing that would have to be freed, since it never is.
                std::panic::panic_any(());
            }
        }
        let workers = AnyWorkers::new("test", 1, 1).unwrap();
        let (report, reports) = channel::<()>();
        workers.run(Box::new(move |_| {
            let _report = report;
            panic!("a test's panic");
        }));
        assert!(reports.recv().is_err());
        workers.run(Box::new(|_| std::panic::panic_any(PanicsAgain)));
        let (done, result) = channel();
        workers.run(Box::new(move |_| done.send(7).unwrap()));
        assert_eq!(result.recv(), Ok(7));
        assert_eq!(workers.panics(), 2);
    }

    #[test]
    fn run_waits_while_the_queue_is_full() {
        let workers = Arc::new(AnyWorkers::new("test", 1, 1).unwrap());
        let third_taken = Arc::new(AtomicBool::new(false));
        let (started, is_started) = channel();
        let (open, gate) = sync_channel::<()>(0);
        let (seen, was_taken) = channel();
        let flag = third_taken.clone();
        workers.run(Box::new(move |_| {
            started.send(()).unwrap();
            gate.recv().unwrap();
            // However long this takes, the second job fills the queue until this one has ended.
            (0..1000).for_each(|_| thread::yield_now());
            seen.send(flag.load(Ordering::SeqCst)).unwrap();
        }));
        is_started.recv().unwrap();
        workers.run(Box::new(|_| ()));
        let caller = thread::spawn({
            let workers = workers.clone();
            move || {
                open.send(()).unwrap();
                workers.run(Box::new(|_| ()));
                third_taken.store(true, Ordering::SeqCst);
            }
        });
        assert_eq!(was_taken.recv(), Ok(false));
        caller.join().unwrap();
    }

    #[test]
    fn a_job_may_own_the_last_handle_to_its_pool() {
        let workers = Arc::new(AnyWorkers::new("test", 2, 1).unwrap());
        let (release, gate) = channel::<()>();
        let (done, result) = channel();
        let own = workers.clone();
        workers.run(Box::new(move |_| {
            gate.recv().unwrap();
            drop(own);
            done.send(()).unwrap();
        }));
        drop(workers);
        release.send(()).unwrap();
        assert_eq!(result.recv(), Ok(()));
    }
}
