//! Breaking off what may take long: to read a file that holds nothing that is looked for, or a pipe that stays quiet.
//!
//! Who calls says what is to be asked ([`asking`]); the loops that may take long ask it from time to time, and end with
//! [`BrokenOff`] if the answer is so. They keep what they have read: what was broken off can be called again, and goes on.
//! On a thread where nobody has said so, nothing is asked.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

/// How often whoever may want to break off is asked, about.
pub const ASK_EVERY: Duration = Duration::from_millis(50);

/// What took long was broken off.
#[derive(Debug, Default)]
pub struct BrokenOff(Option<Box<dyn Error + Send + Sync>>);

impl BrokenOff {
    /// Broken off for a reason, which whoever broke off finds again in the error.
    #[must_use]
    pub fn because(reason: impl Error + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(reason)))
    }

    /// The reason, if it is of that type.
    #[must_use]
    pub fn reason<E: Error + 'static>(&self) -> Option<&E> {
        self.0.as_ref()?.downcast_ref()
    }

    /// What `error` says of it, if it does.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(reason) => write!(f, "broken off: {reason}"),
            None => f.write_str("broken off"),
        }
    }
}

impl Error for BrokenOff {}

/// Whether to break off.
type Ask = Box<dyn FnMut() -> Result<(), BrokenOff>>;

struct Asking {
    ask: Ask,
    every: Duration,
    asked: Instant,
}

thread_local! {
    static ASKING: Cell<Option<Asking>> = const { Cell::new(None) };
}

/// Does `work`, of which what may take long calls `ask` after each time of `every`, about.
pub fn asking<R>(every: Duration, ask: impl FnMut() -> Result<(), BrokenOff> + 'static, work: impl FnOnce() -> R) -> R {
    let asking = Asking { ask: Box::new(ask), every, asked: Instant::now() };
    let _outer = Outer(ASKING.replace(Some(asking)));
    work()
}

/// Whom to ask again afterwards.
struct Outer(Option<Asking>);

impl Drop for Outer {
    fn drop(&mut self) {
        ASKING.set(self.0.take());
    }
}

/// Asks, if it is time to.
///
/// # Errors
/// [`BrokenOff`], if that is the answer.
pub(crate) fn ask() -> io::Result<()> {
    // Taken out: whoever is asked may do work of that kind himself.
    let Some(mut asking) = ASKING.take() else { return Ok(()) };
    let is_due = asking.asked.elapsed() >= asking.every;
    let answer = if is_due { (asking.ask)() } else { Ok(()) };
    if is_due {
        asking.asked = Instant::now();
    }
    ASKING.set(Some(asking));
    answer.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuse() -> Result<(), BrokenOff> {
        Err(BrokenOff::because(fmt::Error))
    }

    #[test]
    fn the_answer_comes_back_with_its_reason_and_only_where_it_was_asked_for() {
        assert!(ask().is_ok(), "nobody wants to be asked");
        let error = asking(Duration::ZERO, refuse, ask).unwrap_err();
        assert!(BrokenOff::of(&error).unwrap().reason::<fmt::Error>().is_some());
        assert!(BrokenOff::of(&io::ErrorKind::Interrupted.into()).is_none());
        assert!(ask().is_ok());
    }

    #[test]
    fn nobody_is_asked_before_it_is_time() {
        assert!(asking(Duration::MAX, refuse, ask).is_ok());
    }

    #[test]
    fn whoever_is_asked_may_ask_others() {
        let inner = || asking(Duration::ZERO, refuse, ask).map_err(|_| BrokenOff::default());
        let error = asking(Duration::ZERO, inner, || ask().and(ask())).unwrap_err();
        assert!(BrokenOff::of(&error).unwrap().reason::<fmt::Error>().is_none());
    }
}
