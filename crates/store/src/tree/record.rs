//! What the trail tells of a volume: who writes into the database alone makes none due, and decides nothing (clause 4.2(3)).
//!
//! A volume's row is what is looked at day by day. Before anything is decided or erased by it, it is held against the event of its seal and
//! those of what was decided since, and these against the signed tree.

use jiff::Timestamp;
use serde_json::Value;
use trail::{Actor, By, Kind, Recorded, checkpoint::Checkpoint, entry, merkle};

use super::{Tree, prove, volume::Volume};
use crate::{
    Error, Snapshot,
    event::{self, Filter},
    sql::Sql,
};

/// Events of one volume that are looked at. A volume is sealed once and decided on now and then.
const MOST: usize = 10_000;

/// What the events of a volume tell of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Its seal. `None`: that event was erased with a later volume, or there never was one.
    seal: Option<Seal>,
    /// Until when it is to be kept by the last that was decided, if it was ever put off.
    extended: Option<Timestamp>,
    /// When and by whom it was decided that it is to be erased.
    decided: Option<(Timestamp, String)>,
    /// The events that this rests on.
    events: Vec<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Seal {
    first: Option<u64>,
    last: Option<u64>,
    retain_until: Option<Timestamp>,
}

/// What is told of the volume of that number.
pub(crate) fn told(snapshot: &mut Snapshot<'_>, number: u64) -> Result<Told, Error> {
    let filter = Filter {
        kinds: vec![Kind::VolumeSealed, Kind::VolumeDecided],
        subject: Some(format!("volume {number}")),
        ..Filter::default()
    };
    let mut told = Told::default();
    for found in event::search(snapshot, &filter, MOST)? {
        told.hear(&found);
    }
    Ok(told)
}

impl Told {
    fn hear(&mut self, found: &Recorded) {
        let fact = |name: &str| found.event.detail.get(name);
        let time = |name: &str| {
            let text = fact(name).and_then(Value::as_str);
            text.and_then(|text| text.parse::<Timestamp>().ok())
        };
        match found.event.kind {
            // A volume is sealed once: what was written behind that later tells nothing.
            Kind::VolumeSealed if self.seal.is_none() => {
                self.seal = Some(Seal {
                    first: fact("first").and_then(Value::as_u64),
                    last: fact("last").and_then(Value::as_u64),
                    retain_until: time("retain-until"),
                });
            }
            Kind::VolumeDecided if fact("decision").and_then(Value::as_str) == Some("erase") => {
                self.decided = Some((found.at, name(&found.event.actor)));
            }
            // It only ever makes it longer.
            Kind::VolumeDecided => {
                self.extended = self.extended.max(time("after"));
                self.decided = None;
            }
            _ => return,
        }
        self.events.push(found.id);
    }

    /// Until when the volume is to be kept; `None`: the events that told it are gone.
    pub(crate) fn retain_until(&self) -> Option<Timestamp> {
        self.extended
            .max(self.seal.and_then(|seal| seal.retain_until))
    }

    /// What the row says otherwise of what the volume is and until when it is kept; `note` is the text of the signed note that it has, which
    /// stands for events that were erased.
    pub(crate) fn fault(&self, volume: &Volume, note: Option<&str>) -> Option<&'static str> {
        if let Some(seal) = self.seal
            && (seal.first, seal.last) != (Some(volume.first), Some(volume.last))
        {
            return Some("it was sealed over other events");
        }
        let kept = self.retain_until().or_else(|| note.and_then(retained));
        match kept {
            None => Some("nothing tells that it was sealed"),
            Some(kept) if micros(kept) != micros(volume.retain_until) => {
                Some("it is to be kept until another time")
            }
            Some(_) => None,
        }
    }

    /// What the row says otherwise of who decided that it is to be erased.
    pub(crate) fn decision_fault(&self, volume: &Volume) -> Option<&'static str> {
        let of = |decided: &Option<(Timestamp, String)>| {
            let decided = decided.as_ref();
            decided.map(|(at, by)| (micros(*at), by.clone()))
        };
        match of(&self.decided) == of(&volume.decided) {
            true => None,
            false => Some("no officer has decided on it so"),
        }
    }

    /// Whether the signed tree has these events as they stand.
    pub(crate) fn is_proved(&self, sql: &mut dyn Sql, tree: &Tree) -> Result<bool, Error> {
        for event in &self.events {
            let Some(proof) = prove(sql, *event)? else {
                return Ok(false);
            };
            let Ok(signed) = Checkpoint::open(&proof.checkpoint.note, &tree.verifier()) else {
                return Ok(false);
            };
            let leaf = entry::leaf(&proof.salt, &proof.line);
            let (size, root) = (signed.size, &signed.root);
            if !merkle::verify_inclusion(proof.index, &leaf, size, root, &proof.path) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// As decisions name people.
fn name(actor: &Actor) -> String {
    By::from(actor.clone()).name()
}

/// Until when a signed decision says that a volume is kept.
fn retained(note: &str) -> Option<Timestamp> {
    let line = note
        .lines()
        .find_map(|line| line.strip_prefix("retain-until "));
    line.and_then(|until| until.parse().ok())
}

/// Rows keep microseconds.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}
