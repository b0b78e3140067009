//! A thread that does one job after the other on what it owns, while others only wait for results.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use super::clock::STOP_CHECK_NS;

type Job<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Owns `S` on a thread of its own.
///
/// What a job sends is timed by no lock of another thread: Python's, say, delays no datagram. Dropping it waits for the
/// jobs that it was given.
#[derive(Debug)]
pub struct Worker<S> {
    jobs: Option<mpsc::Sender<Job<S>>>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Send + 'static> Worker<S> {
    /// Starts the thread; `prepare` is the first thing it does.
    ///
    /// # Errors
    ///
    /// The operating system has no thread to give.
    pub fn start(mut state: S, prepare: fn()) -> io::Result<Self> {
        let (jobs, given) = mpsc::channel::<Job<S>>();
        let work = move || {
            prepare();
            for job in given {
                job(&mut state);
            }
        };
        let thread = thread::Builder::new().name("feedhandler-send".to_owned()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has `job` done after those given before.
    pub fn submit<R: Send + 'static>(&self, job: impl FnOnce(&mut S) -> R + Send + 'static) -> Pending<R> {
        let (done, result) = mpsc::channel();
        let job = move |state: &mut S| {
            // Whoever has stopped waiting does not want the result.
            let _ = done.send(job(state));
        };
        // A thread that has ended drops the job, which the one who waits for it is told.
        let _ = self.jobs.as_ref().map(|jobs| jobs.send(Box::new(job)));
        Pending(result)
    }
}

impl<S> Drop for Worker<S> {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The result of a job to come.
#[derive(Debug)]
pub struct Pending<R>(Receiver<R>);

/// The worker's thread ended by a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerGone;

impl fmt::Display for WorkerGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sending thread ended by a panic: a bug in feedhandler")
    }
}

impl std::error::Error for WorkerGone {}

impl<R> Pending<R> {
    /// Waits for the result and calls `meanwhile` every 50 ms.
    ///
    /// # Errors
    ///
    /// There will be no result.
    pub fn wait(self, mut meanwhile: impl FnMut()) -> Result<R, WorkerGone> {
        loop {
            match self.0.recv_timeout(Duration::from_nanos(STOP_CHECK_NS)) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Timeout) => meanwhile(),
                Err(RecvTimeoutError::Disconnected) => return Err(WorkerGone),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn worker() -> Worker<Vec<u32>> {
        Worker::start(Vec::new(), || {}).expect("a thread")
    }

    #[test]
    fn jobs_are_done_in_order_on_the_same_state() {
        let worker = worker();
        let jobs: Vec<_> = (0..100).map(|number| worker.submit(move |state| state.push(number))).collect();
        for job in jobs {
            job.wait(|| {}).expect("done");
        }
        assert!(worker.submit(|state| state.clone()).wait(|| {}).expect("done").into_iter().eq(0..100));
    }

    #[test]
    fn what_is_done_meanwhile_can_stop_the_job() {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let worker = worker();
        let job = worker.submit(move |_| while !seen.load(Ordering::Relaxed) {});
        assert_eq!(job.wait(|| stop.store(true, Ordering::Relaxed)), Ok(()));
    }

    #[test]
    fn dropping_it_waits_for_what_was_given() {
        let worker = worker();
        let job = worker.submit(|_| 42);
        drop(worker);
        assert_eq!(job.wait(|| {}), Ok(42));
    }

    #[test]
    fn a_panic_is_told_to_all_who_wait() {
        let worker = worker();
        let panicking = worker.submit(|_| panic!("in a job"));
        assert_eq!(panicking.wait(|| {}), Err::<(), _>(WorkerGone));
        assert_eq!(worker.submit(|_| ()).wait(|| {}), Err(WorkerGone));
    }
}
