//! The engine's clock: a thread that counts the seconds by which scans are ended.
//!
//! The engine starts it with the first scan that has a time, and it takes a while until it runs. A filter of system calls that is built
//! meanwhile would have to permit all that a thread needs to begin. So [`Clock::started`] is called early, and [`Clock::ticked`] waits,
//! before the filter, until the thread was seen to count.

use std::time::Duration;

use yara_x::{ScanError, Scanner};

use crate::Rules;

/// One look whether the clock has counted.
const LOOK: Duration = Duration::from_millis(10);

/// Asks to be called again and again: in all for a minute.
const WAITING: &str =
    "import \"console\" rule waiting { condition: for all i in (1..6000) : (console.log(\".\")) }";

/// The clock did not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine's clock: {0}")]
pub struct ClockError(String);

/// A clock that was started and may not run yet.
#[must_use = "it runs when `ticked` says so"]
pub struct Clock {
    waiting: Rules,
}

impl Clock {
    /// Starts it.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn started() -> Result<Self, ClockError> {
        let waiting = Rules::one("waiting", WAITING).map_err(|faults| failed(faults.join("; ")))?;
        let started = Scanner::new(&waiting.compiled)
            .set_timeout(Duration::from_secs(1))
            .console_log(|_| {})
            .scan(b"")
            .map(drop);
        match started {
            // It may have counted in the middle of the scan.
            Ok(()) | Err(ScanError::Timeout) => Ok(Self { waiting }),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    /// Waits until it counts: about a second from its start.
    ///
    /// # Errors
    /// When it has not counted within a minute, or the engine fails.
    pub fn ticked(self) -> Result<(), ClockError> {
        // Nothing but the clock's next second ends this scan.
        let ended = Scanner::new(&self.waiting.compiled)
            .set_timeout(Duration::from_secs(1))
            .console_log(|_| std::thread::sleep(LOOK))
            .scan(b"")
            .map(drop);
        match ended {
            Err(ScanError::Timeout) => Ok(()),
            Err(error) => Err(failed(error.to_string())),
            Ok(()) => Err(failed("it stands still".to_owned())),
        }
    }
}

fn failed(why: String) -> ClockError {
    ClockError(why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_clock_counts_and_a_second_one_waits_for_its_next_second() {
        Clock::started().unwrap().ticked().unwrap();
        let begun = Instant::now();
        Clock::started().unwrap().ticked().unwrap();
        // The thread is there and counts each second, as exactly as a busy machine lets it.
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
