//! Binding the receive thread to a processor.

use std::io;
use std::os::unix::thread::JoinHandleExt;
use std::thread::JoinHandle;

use super::Engine;
use crate::wire::Warning;

/// Binds the receive thread to a processor, or tells why not.
pub(super) fn pin(engine: &Engine, cpu: usize) -> Option<Warning> {
    let (why, command) = match engine {
        Engine::Thread(thread) => {
            let error =
                if cpu < libc::CPU_SETSIZE as usize { set_affinity(thread, cpu).err()? } else { no_such_processor() };
            (error.to_string(), format!("taskset -cp {cpu} {}", std::process::id()))
        }
        Engine::Inline(_) => {
            let why = "the mode inline has no receive thread, and the caller's is its own affair";
            (why.into(), format!("taskset -c {cpu} COMMAND"))
        }
    };
    Some(Warning {
        subject: "receive thread".into(),
        setting: "sched_setaffinity",
        asked: format!("processor {cpu}"),
        granted: "any processor that the process may use".into(),
        why,
        command: Some(command),
    })
}

fn set_affinity(thread: &JoinHandle<()>, cpu: usize) -> io::Result<()> {
    // SAFETY: zeros are an empty set, and the processor is below the size of a set.
    let only = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    };
    // SAFETY: the thread has not been joined, and the set has the size that is told.
    match unsafe { libc::pthread_setaffinity_np(thread.as_pthread_t(), size_of_val(&only), &raw const only) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn no_such_processor() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}
