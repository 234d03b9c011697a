//! Challenges: what a device is to sign, which nobody knew before, and which counts once (WebAuthn Level 3, section 13.4.3).
//!
//! A login page gives its challenge away as a ticket, so that who opens pages by the thousand fills no memory: only what is
//! answered is remembered, until its time is over.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use world::World;
use zeroize::Zeroizing;

/// How long a challenge can be answered.
const LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Answered challenges that are remembered at once; when there are as many, no other is taken until one's time is over.
const MOST_SPENT: usize = 100_000;
const LEN: usize = 32;
const TIME_LEN: usize = 8;

/// What a device is to sign.
#[derive(Clone, Debug)]
pub struct Challenge {
    octets: [u8; LEN],
    made_at: Timestamp,
}

impl Challenge {
    #[cfg(test)]
    pub(super) fn of(octets: &[u8]) -> Self {
        Self {
            octets: octets.try_into().unwrap_or([0; LEN]),
            made_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// The challenge as it stands on the page, and in what the browser answers: base64url.
    #[must_use]
    pub fn written(&self) -> String {
        BASE64URL_NOPAD.encode(&self.octets)
    }

    /// Whether this is it, as a browser writes it.
    pub(super) fn is(&self, written: &str) -> bool {
        self.written().as_bytes().ct_eq(written.as_bytes()).into()
    }
}

/// The challenges of one process. A restart ends those that are under way.
pub(crate) struct Challenges {
    world: World,
    key: Zeroizing<[u8; LEN]>,
    spent: Mutex<HashMap<[u8; LEN], Timestamp>>,
    /// The latest second that the clock showed: a clock that is set back must not make a time come again that was over, when what was
    /// answered in it is forgotten.
    latest: AtomicI64,
}

impl Challenges {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            key: Zeroizing::new(world.bytes()),
            spent: Mutex::default(),
            latest: AtomicI64::new(i64::MIN),
        }
    }

    pub(crate) fn make(&self) -> Challenge {
        Challenge {
            octets: self.world.bytes(),
            made_at: self.now(),
        }
    }

    /// The time, which never goes back.
    fn now(&self) -> Timestamp {
        let now = self.world.now();
        let latest = self.latest.fetch_max(now.as_second(), Ordering::SeqCst);
        Timestamp::from_second(latest).map_or(now, |latest| latest.max(now))
    }

    /// The challenge as a ticket, which only the browser with the cookie `whose` can bring back.
    pub(crate) fn ticket(&self, challenge: &Challenge, whose: &str) -> String {
        let mut ticket = challenge.octets.to_vec();
        ticket.extend(challenge.made_at.as_second().to_be_bytes());
        let proof = self.proof(&ticket, whose);
        ticket.extend(proof);
        BASE64URL_NOPAD.encode(&ticket)
    }

    /// The challenge of a ticket, if this process wrote it for `whose`.
    pub(crate) fn of_ticket(&self, ticket: &str, whose: &str) -> Option<Challenge> {
        let ticket = BASE64URL_NOPAD.decode(ticket.as_bytes()).ok()?;
        let (told, proof) = ticket.split_at_checked(LEN + TIME_LEN)?;
        if !bool::from(self.proof(told, whose).as_slice().ct_eq(proof)) {
            return None;
        }
        let (octets, second) = told.split_first_chunk::<LEN>()?;
        let second = i64::from_be_bytes(second.try_into().ok()?);
        Some(Challenge {
            octets: *octets,
            made_at: Timestamp::from_second(second).ok()?,
        })
    }

    /// Whether a challenge may be answered now: it was never answered, and not made too long ago. From now on it was.
    pub(crate) fn spend(&self, challenge: &Challenge) -> bool {
        let now = self.now();
        let is_over = |made_at: Timestamp| {
            let age = now.as_second().saturating_sub(made_at.as_second());
            u64::try_from(age).map_or(true, |age| age >= LIFETIME.as_secs())
        };
        if is_over(challenge.made_at) {
            return false;
        }
        let mut spent = self.spent.lock();
        spent.retain(|_, made_at| !is_over(*made_at));
        spent.len() < MOST_SPENT && spent.insert(challenge.octets, challenge.made_at).is_none()
    }

    fn proof(&self, told: &[u8], whose: &str) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_slice()) else {
            // A key of any length will do: this does not happen, and would be a ticket that opens nothing.
            return self.world.bytes();
        };
        mac.update(told);
        mac.update(whose.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use world::{ManualClock, Random};

    use super::*;

    struct Chance;

    impl Random for Chance {
        fn fill(&self, bytes: &mut [u8]) {
            World::system().fill(bytes);
        }
    }

    #[test]
    fn a_challenge_counts_once_and_for_its_time_and_for_its_browser() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let challenges = Challenges::new(&World::new(clock.clone(), Chance));
        let first = challenges.make();
        assert!(challenges.spend(&first));
        assert!(!challenges.spend(&first), "answered already");
        let (second, third) = (challenges.make(), challenges.make());
        let ticket = challenges.ticket(&second, "cookie");
        assert!(challenges.of_ticket(&ticket, "another").is_none());
        assert!(challenges.of_ticket(&ticket[2..], "cookie").is_none());
        assert!(challenges.of_ticket("", "cookie").is_none());
        let restarted = Challenges::new(&World::new(clock.clone(), Chance));
        assert!(restarted.of_ticket(&ticket, "cookie").is_none());
        let back = challenges.of_ticket(&ticket, "cookie");
        assert_eq!(
            back.as_ref().map(Challenge::written),
            Some(second.written())
        );
        clock.advance(LIFETIME - Duration::from_secs(1));
        assert!(back.is_some_and(|back| challenges.spend(&back)));
        assert!(!challenges.spend(&second), "answered by its ticket");
        clock.advance(Duration::from_secs(1));
        assert!(!challenges.spend(&third), "too late");
        assert!(!challenges.spend(&first), "forgotten, and too late as well");
    }

    #[test]
    fn a_clock_that_is_set_back_brings_no_answer_back() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let challenges = Challenges::new(&World::new(clock.clone(), Chance));
        clock.advance(2 * LIFETIME);
        let first = challenges.make();
        let late = challenges.make();
        assert!(challenges.spend(&first));
        // Set back before it was made: another answer must not make it forgotten.
        clock.put_back(LIFETIME);
        assert!(challenges.spend(&challenges.make()));
        clock.advance(LIFETIME);
        assert!(!challenges.spend(&first), "its time has come again");
        // Forgotten since it is over, and set back into its time.
        clock.advance(LIFETIME);
        assert!(challenges.spend(&challenges.make()));
        clock.put_back(LIFETIME);
        assert!(!challenges.spend(&first), "answered");
        assert!(!challenges.spend(&late), "over");
        // Who logs in now is not shut out by that.
        assert!(challenges.spend(&challenges.make()));
    }
}
