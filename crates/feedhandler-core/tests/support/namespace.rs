//! Network namespaces of a test's own: one for the test, and one at the other end of a pair of interfaces.
//!
//! Nothing leaves them: their interfaces lead nowhere else. Without the right to make one, a test says so and passes.

use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Runs `test` on a thread with a namespace of its own, and says why where the test could not be made.
pub fn run(test: impl FnOnce() -> Result<(), String> + Send + 'static) {
    let outcome = thread::spawn(|| unshare().and_then(|()| test()));
    if let Err(reason) = outcome.join().unwrap() {
        eprintln!("skipped: {reason}");
    }
}

fn unshare() -> Result<(), String> {
    // SAFETY: only this thread moves to the new namespace, and with it the threads and programs that it starts.
    match unsafe { libc::unshare(libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(format!("no network namespace: {}", std::io::Error::last_os_error())),
    }
}

/// Waits until an interface sends: the kernel switches it on some time after its link is there, and drops until then.
pub fn wait_until_up(interface: &str) -> Result<(), String> {
    let started = Instant::now();
    while !told_by_ip(&format!("-o link show {interface}"))?.contains("state UP") {
        assert!(started.elapsed() < PATIENCE, "{interface} does not come up");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Changes the interfaces of this thread's namespace.
pub fn ip(arguments: &str) -> Result<(), String> {
    told_by_ip(arguments).map(drop)
}

fn told_by_ip(arguments: &str) -> Result<String, String> {
    let ran = Command::new("ip").args(arguments.split(' ')).output().map_err(|error| format!("no `ip`: {error}"))?;
    if ran.status.success() {
        return Ok(String::from_utf8_lossy(&ran.stdout).into_owned());
    }
    Err(format!("`ip {arguments}`: {}", String::from_utf8_lossy(&ran.stderr)))
}

/// The number of an interface of this thread's namespace.
pub fn index_of(interface: &str) -> u32 {
    let name = std::ffi::CString::new(interface).unwrap();
    // SAFETY: the name ends with a zero.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread in a namespace of its own, at the other end of an interface.
pub struct Far {
    jobs: Sender<Job>,
}

impl Far {
    /// Makes the interface `near` here and `far` there, with their addresses.
    pub fn connected(near: &[&str], far: &[&str]) -> Result<Self, String> {
        let (jobs, queue) = channel();
        let (tell, told) = channel();
        thread::spawn(move || work(&tell, &queue));
        let id = told.recv().unwrap()?;
        ip("link add near type veth peer name far")?;
        ip(&format!("link set far netns {id}"))?;
        let far_end = Self { jobs };
        set_up("near", near)?;
        let far: Vec<String> = far.iter().map(ToString::to_string).collect();
        far_end.run(move || set_up("far", &far.iter().map(String::as_str).collect::<Vec<_>>()))?;
        far_end.run(|| wait_until_up("far"))?;
        wait_until_up("near")?;
        Ok(far_end)
    }

    /// Runs something there, and returns what it returns.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        self.jobs.send(Box::new(move || drop(tell.send(job())))).unwrap();
        told.recv().unwrap()
    }
}

fn work(tell: &Sender<Result<i32, String>>, jobs: &Receiver<Job>) {
    // SAFETY: gettid takes and changes nothing.
    let id = unshare().map(|()| unsafe { libc::gettid() });
    tell.send(id).unwrap();
    for job in jobs {
        job();
    }
}

fn set_up(interface: &str, addresses: &[&str]) -> Result<(), String> {
    for address in addresses {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        ip(&format!("address add {address} dev {interface}{nodad}"))?;
    }
    ip(&format!("link set {interface} up"))?;
    ip("link set lo up")
}
