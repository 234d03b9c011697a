//! `audit bundle` and `clause evidence --to`: a directory for an auditor, which is verified with the public key alone. See
//! `docs/trail.md`, "Bundle".

mod documents;
mod proofs;

use std::{io, path::PathBuf, sync::Arc};

use ::regulation::{Regulation, SiteFacts};
use directory::{Person, command::CommandError};
use governance::{
    dossier::{self, Dossier, Wanted},
    vuln::export::{self, Paper},
};
use jiff::ToSpan as _;
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::tree::Signed;
use trail::{
    Event, Kind,
    bundle::{self, Evidence, Manifest},
    checkpoint::Checkpoint,
};
use world::Timestamp;

use super::super::{Answer, Failure, regulation, vuln};
use super::verify::must_be_absolute;
use crate::{
    cli::{BundleArgs, BundleSpan},
    folder::{Folder, Readers},
    governing,
    site::Site,
};

/// What is to be made.
pub(in crate::command) struct Order {
    /// One clause, or all.
    pub(in crate::command) clause: Option<String>,
    /// Where it is to lie.
    pub(in crate::command) to: PathBuf,
    /// Who asked for it.
    pub(in crate::command) by: trail::By,
    /// The command's own event, if nobody else records it.
    pub(in crate::command) given: Option<Event>,
}

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    words: &BundleArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let order = Order {
        clause: None,
        to: words.to.clone(),
        by: caller.by(),
        given: None,
    };
    make(site, order, &words.span, answer).await
}

/// Makes it, and tells what is in it.
pub(in crate::command) async fn make(
    site: &Site,
    order: Order,
    span: &BundleSpan,
    answer: &mut Answer,
) -> Result<(), Failure> {
    must_be_absolute(&order.to)?;
    let within = std::path::absolute(&site.path).is_ok_and(|site| order.to.starts_with(site));
    if within {
        let to = order.to.display();
        let why = format!("{to} lies within the site itself, and belongs to an auditor");
        return Err(Failure::Refused(why));
    }
    let wanted = wanted(site, &order, span)?;
    let making = Making::begin(site, order, wanted, span.most as usize).await?;
    let made = making.carry_out(answer).await?;
    for note in made.notes {
        answer.note(note).await;
    }
    answer.row(&made.row).await
}

/// The period: what was said, or the last year.
fn wanted(site: &Site, order: &Order, span: &BundleSpan) -> Result<Wanted, Failure> {
    let to = match &span.until {
        Some(until) => site.time(until)?,
        None => site.world.now(),
    };
    let from = match &span.since {
        Some(since) => site.time(since)?,
        None => {
            let before = to.to_zoned(site.settings().zone()).checked_sub(1.year());
            before.map_or(Timestamp::MIN, |before| before.timestamp())
        }
    };
    match from < to {
        true => Ok(Wanted {
            clause: order.clause.clone(),
            from,
            to,
        }),
        false => Err(Failure::Words(
            "the period ends before it begins".to_owned(),
        )),
    }
}

/// A bundle under way.
struct Making<'a> {
    site: &'a Site,
    order: Order,
    wanted: Wanted,
    /// Events of a clause at most.
    most: usize,
    /// The one checkpoint that all proofs lead to.
    signed: Signed,
    dossier: Dossier,
    /// Cases of vulnerabilities, of a bundle about all clauses.
    papers: Vec<Paper>,
    /// The regulation and the facts for its documents, of the same view of the store; of such a bundle too.
    regulation: Option<(Arc<Regulation>, SiteFacts)>,
    /// Locked only by who writes just now; between two pieces it is free.
    folder: Arc<Mutex<Folder>>,
}

/// What was made, to be told.
struct Made {
    notes: Vec<String>,
    row: Value,
}

impl<'a> Making<'a> {
    async fn begin(
        site: &'a Site,
        order: Order,
        wanted: Wanted,
        most: usize,
    ) -> Result<Self, Failure> {
        let Some(signed) = site.store.checkpoint().await? else {
            return Err(Failure::Refused("there are no events yet".to_owned()));
        };
        let (rules, facts, now) = (
            site.rules(),
            governing::gather(site).await,
            site.world.now(),
        );
        let asked = wanted.clone();
        let publisher = vuln::publisher(site);
        let read = move |snapshot: &mut store::Snapshot<'_>| -> Result<_, CommandError> {
            let mut dossier = dossier::gather(snapshot, &rules, &facts, &asked, now)?;
            let (mut papers, mut seen) = (Vec::new(), None);
            if asked.clause.is_none() {
                seen = Some(regulation::Seen::read(snapshot, &rules, &facts, now)?);
                let most = usize::try_from(dossier::MOST_DOCUMENTS).unwrap_or(usize::MAX);
                let span = (asked.from, asked.to);
                let (found, more) = export::papers(snapshot, &publisher, span, most, now)?;
                papers = found;
                dossier.more |= more;
            }
            Ok((dossier, papers, seen))
        };
        let (dossier, papers, seen) = site.store.read(read).await?;
        let (to, mark) = (
            order.to.clone(),
            trail::volume::hex(&site.world.bytes::<4>()),
        );
        let folder =
            Folder::new(&to, &mark, Readers::Owner).map_err(|error| failed(&order, &error))?;
        Ok(Self {
            site,
            order,
            wanted,
            most,
            signed,
            dossier,
            papers,
            regulation: seen.map(|seen| seen.told(site)),
            folder: Arc::new(Mutex::new(folder)),
        })
    }

    /// Does something with the folder on a thread where blocking is allowed.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Folder) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let folder = Arc::clone(&self.folder);
        let written = self
            .site
            .world
            .blocking(move || work(&mut folder.lock()))
            .await;
        let written = written.map_err(|panic| Failure::Failed(panic.to_string()))?;
        written.map_err(|error| failed(&self.order, &error))
    }

    async fn carry_out(self, answer: &Answer) -> Result<Made, Failure> {
        let evidence = self.evidence(answer).await?;
        let erased = self.checkpoints_and_erased().await?;
        self.documents(&evidence, &erased).await?;
        let key = self.site.store.trail_key();
        let checkpoint = Checkpoint::open(&self.signed.note, &key)
            .map_err(|error| Failure::Failed(format!("the last checkpoint: {error}")))?;
        let mut manifest = Manifest {
            origin: key.name().to_owned(),
            made: self.site.world.now(),
            about: self.about(),
            from: self.wanted.from,
            to: self.wanted.to,
            size: checkpoint.size,
            root: checkpoint.root,
            erased,
            evidence,
            files: Vec::new(),
        };
        manifest.files = self.write(|folder| Ok(folder.files.clone())).await?;
        manifest.files.sort_by(|one, two| one.name.cmp(&two.name));
        let note = self.site.store.signed_bundle(&manifest);
        let digest = trail::volume::hex(&trail::merkle::sha256(&[note.as_bytes()]));
        self.write(move |folder| {
            folder.put(bundle::MANIFEST, note.as_bytes())?;
            folder.sync()
        })
        .await?;
        self.read_back(answer).await?;
        self.tell(&manifest, &digest).await?;
        let made = self.made(&manifest, &digest);
        // Nobody else has it: every piece of work on it has ended.
        let Some(folder) = Arc::into_inner(self.folder) else {
            return Err(Failure::Failed("the bundle is still written to".to_owned()));
        };
        let named = self.site.world.blocking(move || folder.into_inner().name());
        let named = named
            .await
            .map_err(|panic| Failure::Failed(panic.to_string()))?;
        named.map_err(|error| failed(&self.order, &error))?;
        Ok(made)
    }

    fn about(&self) -> String {
        match &self.order.clause {
            Some(id) => format!("clause {id}"),
            None => "all".to_owned(),
        }
    }

    /// What somebody finds who has only the directory and the key.
    async fn read_back(&self, answer: &Answer) -> Result<(), Failure> {
        let key = self.site.store.trail_key();
        let path = self.folder.lock().path().to_owned();
        answer.progress("reading back", 0, None);
        let verifying = move || bundle::verify(&path, &key, &[], |_| {});
        let report = self.site.world.blocking(verifying).await;
        let report = report.map_err(|panic| Failure::Failed(panic.to_string()))?;
        let report = report.map_err(|error| Failure::Failed(error.to_string()))?;
        match report.faults.first() {
            None => Ok(()),
            Some(fault) => Err(Failure::Failed(format!(
                "what was read back is not what was written: {fault} (`audit verify` tells whether the trail itself was changed)"
            ))),
        }
    }

    /// Before anybody can read it, the trail knows of it.
    async fn tell(&self, manifest: &Manifest, digest: &str) -> Result<(), Failure> {
        let event = self
            .order
            .by
            .event(Kind::TrailBundled)
            .subject(manifest.about.as_str())
            .detail("to", self.order.to.display().to_string())
            .detail("from", manifest.from.to_string())
            .detail("until", manifest.to.to_string())
            .detail("checkpoint", manifest.size)
            .detail("events", events(&manifest.evidence))
            .detail("left-out", left_out(&manifest.evidence))
            .detail("files", manifest.files.len())
            .detail("manifest", digest);
        let given = self.order.given.clone();
        let work = move |tx: &mut store::Tx<'_>| match given {
            Some(given) => {
                drop(tx.record(&event, ())?);
                tx.record(&given, ())
            }
            None => tx.record(&event, ()),
        };
        let told: Result<_, store::Error> = self.site.store.commit(Vec::new(), work).await;
        told?;
        Ok(())
    }

    fn made(&self, manifest: &Manifest, digest: &str) -> Made {
        let left = left_out(&manifest.evidence);
        let mut notes = Vec::new();
        if left > 0 {
            notes.push(format!(
                "{left} events were left out, since a clause had more than {} in the period: --most permits more",
                self.most
            ));
        }
        if self.dossier.more {
            notes.push(format!(
                "Of tasks, reports, incidents or cases the newest {} were looked through: older ones of the period may be missing.",
                dossier::MOST_DOCUMENTS
            ));
        }
        for erased in &manifest.erased {
            let count = erased.last.saturating_sub(erased.first);
            notes.push(format!(
                "Volume {}, {count} events, was erased on an officer's decision: nothing of it is in the bundle but the certificate.",
                erased.volume
            ));
        }
        let key = self.site.store.trail_key().to_string();
        let row = json!({
            "to": self.order.to.display().to_string(),
            "about": manifest.about,
            "from": manifest.from,
            "until": manifest.to,
            "checkpoint": manifest.size,
            "clauses": manifest.evidence.len(),
            "events": events(&manifest.evidence),
            "left_out": left,
            "erased_volumes": manifest.erased.len(),
            "files": manifest.files.len(),
            "manifest": digest,
            "key": key,
        });
        Made { notes, row }
    }
}

fn events(evidence: &[Evidence]) -> u64 {
    evidence.iter().map(|one| one.events).sum()
}

fn left_out(evidence: &[Evidence]) -> u64 {
    evidence.iter().map(|one| one.left_out).sum()
}

fn failed(order: &Order, error: &io::Error) -> Failure {
    let why = format!("{}: {error}", order.to.display());
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Failure::Refused(why)
        }
        _ => Failure::Failed(why),
    }
}
