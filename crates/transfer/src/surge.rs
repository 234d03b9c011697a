//! A surge of bounces to mail that was never sent from here: somebody forges this site's addresses (clause 5.5(2)). The bounces are
//! refused, one by one; when they become many, the security officer is to hear of it, once.

use std::{collections::VecDeque, net::IpAddr, time::Duration};

use directory::{
    alarm::{self, Alarm},
    command::incident::IncidentKind,
};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::{Error, Recorded, Tx};

use crate::Transfer;

/// Bounces that an incident shows.
const SAMPLES: usize = 10;
/// Characters of a name or address in a sample.
const MOST_TEXT: usize = 255;

/// When refused bounces are a surge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BounceSurge {
    /// So many. Default 200.
    pub count: usize,
    /// Within this time. Default 10 minutes.
    pub time: Duration,
}

impl Default for BounceSurge {
    fn default() -> Self {
        Self {
            count: 200,
            time: Duration::from_secs(600),
        }
    }
}

/// The refused bounces of late, in memory: a surge that goes on over a restart is seen again.
#[derive(Debug, Default)]
pub(crate) struct Surge {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    times: VecDeque<Timestamp>,
    samples: VecDeque<Value>,
}

/// Bounces that became a surge.
#[derive(Debug, PartialEq)]
struct Risen {
    since: Timestamp,
    samples: Vec<Value>,
}

impl Surge {
    /// Takes note of a bounce; `Some` when it makes a surge of them. Then counting begins anew.
    fn take(&self, rule: BounceSurge, at: Timestamp, sample: Value) -> Option<Risen> {
        let mut seen = self.seen.lock();
        seen.times.push_back(at);
        seen.samples.push_back(sample);
        while seen.samples.len() > SAMPLES {
            seen.samples.pop_front();
        }
        let from = at.checked_sub(rule.time).unwrap_or(Timestamp::MIN);
        while seen.times.front().is_some_and(|first| *first < from) {
            seen.times.pop_front();
        }
        if seen.times.len() < rule.count {
            return None;
        }
        let since = seen.times.front().copied()?;
        seen.times.clear();
        let samples = seen.samples.drain(..).collect();
        Some(Risen { since, samples })
    }
}

/// Why there was nothing to commit.
enum Unopened {
    Open,
    Store(Error),
}

impl From<Error> for Unopened {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Transfer {
    /// A bounce for mail that was never sent from here was refused: opens an incident when there were many, unless one is open.
    pub(crate) async fn note_forged_bounce(&self, peer: IpAddr, hello: &str, recipient: &str) {
        let Some(rule) = self.settings().bounce_surge else {
            return;
        };
        let now = self.world().now();
        let cut = |text: &str| text.chars().take(MOST_TEXT).collect::<String>();
        let sample = json!({
            "at": now.to_string(),
            "peer": peer.to_string(),
            "hello": cut(hello),
            "recipient": cut(recipient),
        });
        let Some(risen) = self.surge().take(rule, now, sample) else {
            return;
        };
        let minutes = rule.time.as_secs().div_ceil(60);
        let reason = format!(
            "{} bounces within {minutes} minutes to mail that was never sent from here",
            rule.count
        );
        let facts = json!({ "bounces": rule.count, "within_seconds": rule.time.as_secs(), "samples": risen.samples });
        let alarm = Alarm {
            kind: IncidentKind::Backscatter,
            reason,
            facts,
            since: risen.since,
        };
        let work = move |tx: &mut Tx<'_>| -> Result<Recorded<()>, Unopened> {
            match alarm::open(tx, &alarm)? {
                Some(event) => Ok(tx.record(&event, ())?),
                None => Err(Unopened::Open),
            }
        };
        match self.store().commit(Vec::new(), work).await {
            Ok(_) => tracing::warn!(
                "an incident was opened: a surge of bounces to mail that was never sent from here"
            ),
            Err(Unopened::Open) => {}
            // Counting has begun anew: as long as it goes on, it is tried again.
            Err(Unopened::Store(error)) => {
                tracing::error!(%error, "a surge of bounces could not be recorded as an incident");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RULE: BounceSurge = BounceSurge {
        count: 3,
        time: Duration::from_secs(60),
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn many_within_the_time_are_a_surge_and_then_counting_begins_anew() {
        let surge = Surge::default();
        let take = |second| surge.take(RULE, at(second), json!(second));
        assert_eq!([take(0), take(50)], [None, None]);
        // The first is too long ago.
        assert_eq!(take(61), None);
        let risen = take(70).unwrap();
        assert_eq!((risen.since, risen.samples.len()), (at(50), 4));
        assert_eq!([take(71), take(72)], [None, None]);
        assert_eq!(take(73).unwrap().samples, [71, 72, 73].map(|n| json!(n)));
    }

    #[test]
    fn memory_is_bounded() {
        let surge = Surge::default();
        for second in 0..1000 {
            drop(surge.take(RULE, at(second * 31), Value::Null));
        }
        let seen = surge.seen.lock();
        assert!(seen.times.len() <= RULE.count && seen.samples.len() <= SAMPLES);
    }
}
