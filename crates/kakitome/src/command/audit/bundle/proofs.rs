//! Evidence and checkpoints, with their proofs: read in views that are held for a step only, and written piece by piece, so that memory is
//! bounded whatever the trail is.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use governance::dossier::{Behind, behind, page};
use jiff::tz::TimeZone;
use serde_json::json;
use store::{
    Snapshot,
    event::{self, Filter},
    tree::{self, Prover, Signed, Volume},
};
use trail::{
    Kind,
    bundle::{self, Erased, Evidence},
};

use super::{
    super::super::{Answer, Failure},
    Making,
};

/// Events that are proved in one view.
const PROVED: usize = 512;
/// Checkpoints that are read in one view.
const CHECKPOINTS: u32 = 4096;
/// Events that are read in one view.
const PAGE: usize = 1000;

impl Making<'_> {
    /// The file of evidence, and the pages, of each clause.
    pub(super) async fn evidence(&self, answer: &Answer) -> Result<Vec<Evidence>, Failure> {
        let size = self.signed.size;
        let last = self
            .site
            .store
            .read(move |sql| tree::last_of(sql, size))
            .await?;
        let mut prover = Prover::new(size);
        let mut evidence = Vec::new();
        let count = self.dossier.clauses.len() as u64;
        for (done, clause) in (0..).zip(&self.dossier.clauses) {
            answer.progress("clauses", done, Some(count));
            let told = |_| answer.progress("clauses", done, Some(count));
            let found = behind(&self.site.store, &clause.events, last, self.most, told).await?;
            let id = &clause.clause.clause.id;
            let name = format!("evidence/{id}/events.tsv");
            prover = self.events(&name, &found, prover).await?;
            let page = page::clause(clause, &found);
            let mut data =
                serde_json::to_value(clause).map_err(|e| Failure::Failed(e.to_string()))?;
            data["events"] = json!(found.events.len());
            data["events_left_out"] = json!(found.left_out);
            let data = super::documents::pretty(&data)?;
            let folder = format!("evidence/{id}");
            self.write(move |to| {
                to.put(&format!("{folder}/clause.md"), page.as_bytes())?;
                to.put(&format!("{folder}/clause.json"), &data)
            })
            .await?;
            evidence.push(Evidence {
                name,
                events: found.events.len() as u64,
                left_out: found.left_out,
            });
        }
        Ok(evidence)
    }

    async fn events(
        &self,
        name: &str,
        found: &Behind,
        mut prover: Prover,
    ) -> Result<Prover, Failure> {
        let name = name.to_owned();
        let mut file = self.write(move |folder| folder.begin(&name)).await?;
        for some in found.events.chunks(PROVED) {
            let some = some.to_vec();
            let prove = move |snapshot: &mut Snapshot<'_>| -> Result<_, store::Error> {
                let mut text = String::new();
                for one in prover.prove(snapshot, &some)? {
                    text.push_str(&bundle::line(one.index, &one.salt, &one.path, &one.line));
                }
                Ok((prover, text))
            };
            let text;
            (prover, text) = self.site.store.read(prove).await.map_err(gone)?;
            file = self
                .write(move |_| {
                    file.push(text.as_bytes())?;
                    Ok(file)
                })
                .await?;
        }
        self.write(move |folder| folder.end(file)).await?;
        Ok(prover)
    }

    /// The checkpoints of the period, each with the proof that the last begins with it, and the certificates of what was erased of it.
    pub(super) async fn checkpoints_and_erased(&self) -> Result<Vec<Erased>, Failure> {
        let (from, to, size) = (self.wanted.from, self.wanted.to, self.signed.size);
        let read = move |snapshot: &mut Snapshot<'_>| -> Result<_, store::Error> {
            let first = tree::written_before(snapshot, from, size)?;
            let last = tree::written_before(snapshot, to, size)?;
            Ok((
                first,
                last,
                tree::volumes(snapshot)?,
                tree::erased_volumes(snapshot)?,
            ))
        };
        let (mut first, last, volumes, mut erased) = self.site.store.read(read).await?;
        // What is in no checkpoint that is proved cannot be told.
        erased.retain(|(one, _)| one.to >= from && one.from < to && one.last <= size);
        for (volume, _) in &erased {
            first = first.min(volume.first);
        }
        let mut wanted = self.given_out().await?;
        wanted.extend(volumes.iter().map(|volume: &Volume| volume.last));
        self.checkpoints((first, last.max(first)), &wanted).await?;
        let mut told = Vec::new();
        for (volume, certificate) in erased {
            let name = bundle::certificate(volume.number);
            self.write(move |folder| folder.put(&name, certificate.as_bytes()))
                .await?;
            told.push(Erased {
                volume: volume.number,
                first: volume.first,
                last: volume.last,
            });
        }
        Ok(told)
    }

    /// The sizes of the checkpoints that were given out or mailed in the period.
    async fn given_out(&self) -> Result<BTreeSet<u64>, Failure> {
        let mut filter = Filter {
            from: Some(self.wanted.from),
            to: Some(self.wanted.to),
            kinds: vec![Kind::TrailWitnessed],
            ..Filter::default()
        };
        let mut sizes = BTreeSet::new();
        loop {
            let page = filter.clone();
            let found = self
                .site
                .store
                .read(move |sql| event::search(sql, &page, PAGE));
            let found: Vec<_> = found.await?;
            let told = found
                .iter()
                .filter_map(|one| one.event.detail.get("events"));
            sizes.extend(told.filter_map(serde_json::Value::as_u64));
            match found.last() {
                Some(last) if found.len() == PAGE => filter.after = Some(last.id),
                _ => return Ok(sizes),
            }
        }
    }

    /// Of the checkpoints that tell of places in the span: the first, the last of each day, those that are wanted, and the last of all.
    async fn checkpoints(&self, span: (u64, u64), wanted: &BTreeSet<u64>) -> Result<(), Failure> {
        let mut file = self
            .write(|folder| folder.begin(bundle::CHECKPOINTS))
            .await?;
        let mut prover = Prover::new(self.signed.size);
        let (mut after, upto) = span;
        let mut chosen = Chosen::default();
        loop {
            let read =
                move |sql: &mut Snapshot<'_>| tree::signed_between(sql, (after, upto), CHECKPOINTS);
            let found = self.site.store.read(read).await?;
            let is_end = found.is_empty();
            let mut keep = Vec::new();
            match found.last() {
                Some(last) => after = last.size,
                // The last of all, which all proofs lead to, ends the list.
                None => keep.extend(chosen.end(self.signed.clone())),
            }
            for signed in found {
                keep.extend(chosen.take(signed, wanted));
            }
            let prove = move |snapshot: &mut Snapshot<'_>| -> Result<_, store::Error> {
                let mut text = String::new();
                for signed in keep {
                    let path = prover.growth(snapshot, signed.size)?;
                    let path = path.iter().map(|hash| BASE64_STANDARD.encode(hash));
                    let (at, path) = (signed.at.to_string(), path.collect::<Vec<String>>());
                    let line =
                        json!({ "size": signed.size, "at": at, "note": signed.note, "path": path });
                    text.push_str(&format!("{line}\n"));
                }
                Ok((prover, text))
            };
            let text;
            (prover, text) = self.site.store.read(prove).await?;
            file = self
                .write(move |_| {
                    file.push(text.as_bytes())?;
                    Ok(file)
                })
                .await?;
            if is_end {
                break;
            }
        }
        self.write(move |folder| folder.end(file)).await?;
        let note = self.signed.note.clone();
        self.write(move |folder| folder.put(bundle::CHECKPOINT, note.as_bytes()))
            .await
    }
}

/// An event that was found a moment ago.
fn gone(error: store::Error) -> Failure {
    match error {
        store::Error::NotFound(what) => Failure::Failed(format!(
            "{what} is gone: its volume was erased while the bundle was written; give the command again"
        )),
        other => other.into(),
    }
}

/// Which checkpoints are kept, as they come.
#[derive(Default)]
struct Chosen {
    /// The size of the last that was kept; 0 before the first.
    kept: u64,
    /// The last that came, unless it was kept.
    waits: Option<Signed>,
}

impl Chosen {
    /// What is kept now that the next has come.
    fn take(&mut self, next: Signed, wanted: &BTreeSet<u64>) -> Vec<Signed> {
        let mut keep = Vec::new();
        let day = |signed: &Signed| signed.at.to_zoned(TimeZone::UTC).date();
        if let Some(waits) = self.waits.take()
            && day(&waits) != day(&next)
        {
            keep.push(waits);
        }
        if self.kept == 0 || wanted.contains(&next.size) {
            self.kept = next.size;
            keep.push(next);
        } else {
            self.waits = Some(next);
        }
        keep
    }

    /// What is kept at the end; `last` in any case, once.
    fn end(&mut self, last: Signed) -> Vec<Signed> {
        let waits = self.waits.take().filter(|waits| waits.size < last.size);
        let mut keep: Vec<Signed> = waits.into_iter().collect();
        if self.kept < last.size {
            keep.push(last);
        }
        keep
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn of_each_day_the_last_is_kept_and_what_is_wanted() {
        let signed = |size: u64, at: &str| Signed {
            at: at.parse().unwrap(),
            size,
            note: String::new(),
        };
        let all = [
            signed(1, "2026-11-01T00:00:00Z"),
            signed(2, "2026-11-01T01:00:00Z"),
            signed(3, "2026-11-01T23:00:00Z"),
            signed(4, "2026-11-02T01:00:00Z"),
            signed(5, "2026-11-02T02:00:00Z"),
            signed(6, "2026-11-02T03:00:00Z"),
            signed(7, "2026-11-02T04:00:00Z"),
            signed(9, "2026-11-05T04:00:00Z"),
        ];
        let wanted = BTreeSet::from([5]);
        let (mut chosen, mut kept) = (Chosen::default(), Vec::new());
        for one in &all {
            kept.extend(chosen.take(one.clone(), &wanted));
        }
        kept.extend(chosen.end(signed(9, "2026-11-05T04:00:00Z")));
        let sizes: Vec<u64> = kept.iter().map(|one| one.size).collect();
        assert_eq!(sizes, [1, 3, 5, 7, 9]);
        let (mut one, last) = (Chosen::default(), signed(9, "2026-11-05T04:00:00Z"));
        assert_eq!(one.take(last.clone(), &wanted), std::slice::from_ref(&last));
        assert_eq!(one.end(last), []);
    }
}
