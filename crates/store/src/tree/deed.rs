//! What is signed of the end of a volume (clause 4.2(3)): that it is to be kept longer, that it is to be erased, that it was erased.

use jiff::Timestamp;

use super::{
    record::{self, micros},
    volume::{self, Volume},
};
use crate::{
    Error, Snapshot, params,
    shared::Shared,
    sql::{self, Sql},
};

/// The first line of a decision to erase.
pub(super) const DECISION: &str = "kakitome erasure decision 1";
/// The first line of a decision to keep a volume longer.
pub(super) const EXTENSION: &str = "kakitome retention decision 1";
/// The first line of a certificate.
pub(super) const CERTIFICATE: &str = "kakitome erasure certificate 1";

/// The text of a decision, as it is signed: until when the volume is to be kept, and who decided when.
pub(super) fn deed_of(
    shared: &Shared,
    what: &str,
    volume: &Volume,
    (at, by): (Timestamp, &str),
) -> String {
    // As the row keeps them.
    let row = |at: Timestamp| Timestamp::from_microsecond(micros(at)).unwrap_or(at);
    format!(
        "{}retain-until {}\ndecided {} {by}\n",
        head(shared, what, volume),
        row(volume.retain_until),
        row(at)
    )
}

/// Whether the text of a note is that of a decision on this volume.
pub(super) fn is_decided(text: &str, shared: &Shared, volume: &Volume) -> bool {
    let heads = [DECISION, EXTENSION].map(|what| head(shared, what, volume));
    heads.iter().any(|head| text.starts_with(head))
}

/// What a decision and a certificate say first.
pub(super) fn head(shared: &Shared, what: &str, volume: &Volume) -> String {
    let origin = shared.tree.verifier();
    format!(
        "{what}\norigin {}\nvolume {}\nfirst {}\nlast {}\n",
        origin.name(),
        volume.number,
        volume.first,
        volume.last
    )
}

/// The places of the events that may be gone: those of volumes of which a signed note says that an officer decided to erase
/// them, or that they were erased. And the numbers of those that claim it without such a note.
pub(crate) fn erased(
    sql: &mut dyn Sql,
    shared: &Shared,
) -> Result<(Vec<std::ops::Range<u64>>, Vec<u64>), Error> {
    let (mut places, mut unsigned) = (Vec::new(), Vec::new());
    let claims = "SELECT number, certificate FROM trail_volume WHERE decided_at IS NOT NULL OR erased_at IS NOT NULL";
    let claims = sql::rows(sql, claims, &[], |row| {
        Ok((row.count(0)?, row.maybe_text(1)?.unwrap_or_default()))
    })?;
    let key = shared.tree.verifier();
    for (number, note) in claims {
        let volume = volume::find(sql, number)?;
        let what = match volume.erased {
            Some(_) => CERTIFICATE,
            None => DECISION,
        };
        let head = head(shared, what, &volume);
        match key.open(&note) {
            Ok(text) if text.starts_with(&head) => places.push(volume.first..volume.last),
            _ => unsigned.push(number),
        }
    }
    Ok((places, unsigned))
}

/// The signed note that a volume has: the certificate that it was erased, or what was decided on it; empty while there is none.
pub(super) fn certificate(sql: &mut dyn Sql, number: u64) -> Result<String, Error> {
    let find = "SELECT certificate FROM trail_volume WHERE number = ?1";
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let found = sql::first(sql, find, params![number], |row| row.maybe_text(0))?;
    Ok(found.flatten().unwrap_or_default())
}

/// What a volume's row says that the trail does not tell; of one that was erased, that its certificate does not.
pub(crate) fn off_record(
    snapshot: &mut Snapshot<'_>,
    shared: &Shared,
    volume: &Volume,
) -> Result<Option<&'static str>, Error> {
    let note = certificate(snapshot, volume.number)?;
    let key = shared.tree.verifier();
    let text = key.open(&note).ok();
    if let Some(at) = volume.erased {
        // That there is none that is signed is told beside.
        let differs = text.is_some_and(|text| {
            let says = |line: &str| text.lines().any(|said| said.starts_with(line));
            !says(&format!("retained-until {}", volume.retain_until))
                || !says(&format!("erased {at} "))
        });
        return Ok(differs.then_some("its certificate says something else"));
    }
    let told = record::told(snapshot, volume.number)?;
    let text = text.filter(|text| is_decided(text, shared, volume));
    let fault = told.fault(volume, text);
    Ok(fault.or_else(|| told.decision_fault(volume)))
}

/// The volumes that were erased before the trail says that they might be: by the event of their seal and those of what was decided since,
/// and by the certificate where these were erased, too. Their rows are not asked, since these are what was erased by.
///
/// # Errors
/// When the database fails.
pub fn erased_early(snapshot: &mut Snapshot<'_>) -> Result<Vec<u64>, Error> {
    let mut early = Vec::new();
    for volume in volume::volumes(snapshot)? {
        let Some(mut at) = volume.erased else {
            continue;
        };
        let told = record::told(snapshot, volume.number)?;
        let note = certificate(snapshot, volume.number)?;
        let said = |name: &str| {
            let line = note.lines().find_map(|line| line.strip_prefix(name))?;
            line.split(' ').next()?.parse::<Timestamp>().ok()
        };
        // The earlier of what row and certificate say.
        at = said("erased ").map_or(at, |said| said.min(at));
        let kept = told.retain_until().or_else(|| said("retained-until "));
        if kept.is_none_or(|kept| micros(at) < micros(kept)) {
            early.push(volume.number);
        }
    }
    Ok(early)
}
