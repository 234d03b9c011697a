//! A bundle is what was signed, and whatever else is done to it is named: also by who has the key, since proofs do not lie for it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{convert::Infallible, fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use trail::{
    bundle::{self, Erased, Evidence, Manifest, Report, certificate, is_bundle, verify},
    checkpoint::Checkpoint,
    entry,
    merkle::{self, Frontier, Hash, sha256},
    note::SigningKey,
    volume::{FileOf, hex},
};

const NAME: &str = "mail.example/trail-1";
/// The file of evidence.
const EVENTS: &str = "evidence/4.2-3/events.tsv";

fn key() -> SigningKey {
    SigningKey::new(NAME, &[1; 32]).unwrap()
}

fn event(index: u64) -> String {
    format!("{{\"id\":{},\"subject\":\"会議\"}}", 1000 + index)
}

fn salt(index: u64) -> [u8; 16] {
    [u8::try_from(index + 1).unwrap(); 16]
}

fn leaves(count: u64) -> Vec<Hash> {
    let leaf = |index| entry::leaf(&salt(index), &event(index));
    (0..count).map(leaf).collect()
}

fn tree(leaves: &[Hash]) -> Frontier {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree
}

fn nodes(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> {
    |level, index| {
        let from = usize::try_from(index << level).unwrap();
        Ok(tree(&leaves[from..from + (1 << level)]).root())
    }
}

/// A bundle of eleven events, the first four of which were erased.
struct Made {
    place: TempDir,
    leaves: Vec<Hash>,
    lines: Vec<String>,
    checkpoints: Vec<String>,
}

impl Made {
    fn new() -> Self {
        let leaves = leaves(11);
        let lines = [4, 5, 7, 10].map(|index| {
            let Ok(path) = merkle::inclusion(index, 11, nodes(&leaves));
            bundle::line(index, &salt(index), &path, &event(index))
        });
        let checkpoints = [4, 7, 11].map(|size| line_of(&leaves, size));
        let made = Self {
            place: TempDir::new().unwrap(),
            lines: lines.to_vec(),
            checkpoints: checkpoints.to_vec(),
            leaves,
        };
        made.write();
        made.sign();
        made
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn write(&self) {
        let root = hex(&tree(&self.leaves[..4]).root());
        let says = format!(
            "kakitome erasure certificate 1\norigin {NAME}\nvolume 1\nfirst 0\nlast 4\nroot {root}\n"
        );
        self.put(&certificate(1), &key().sign(&says));
        self.put(bundle::KEY, &format!("{}\n", key().verifier()));
        self.put(bundle::CHECKPOINT, &checkpoint(&self.leaves, 11));
        self.put(bundle::CHECKPOINTS, &self.checkpoints.concat());
        self.put(EVENTS, &self.lines.concat());
        self.put("README.md", "read me\n");
    }

    /// Signs what lies there.
    fn sign(&self) {
        let mut names = vec![bundle::KEY, bundle::CHECKPOINT, bundle::CHECKPOINTS];
        let erased = certificate(1);
        names.extend([EVENTS, "README.md", &erased]);
        let files = names.into_iter().map(|name| {
            let octets = fs::read(self.path().join(name)).unwrap();
            FileOf {
                name: name.to_owned(),
                octets: octets.len() as u64,
                digest: sha256(&[&octets]),
            }
        });
        let manifest = Manifest {
            origin: NAME.to_owned(),
            made: Timestamp::UNIX_EPOCH,
            about: "clause 4.2-3".to_owned(),
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::UNIX_EPOCH,
            size: 11,
            root: tree(&self.leaves).root(),
            erased: vec![Erased {
                volume: 1,
                first: 0,
                last: 4,
            }],
            evidence: vec![Evidence {
                name: EVENTS.to_owned(),
                events: 4,
                left_out: 2,
            }],
            files: files.collect(),
        };
        self.put(bundle::MANIFEST, &manifest.signed(&key()));
    }

    fn report(&self, witnesses: &[String]) -> Report {
        verify(self.path(), &key().verifier(), witnesses, |_| {}).unwrap()
    }

    fn faults(&self) -> Vec<String> {
        let faults = self.report(&[]).faults;
        faults.iter().map(ToString::to_string).collect()
    }

    /// What is found when the lines of evidence are changed, and the key signs it all the same.
    fn changed(change: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
        let mut made = Self::new();
        change(&mut made.lines);
        made.write();
        made.sign();
        made.faults()
    }
}

fn checkpoint(leaves: &[Hash], size: usize) -> String {
    let checkpoint = Checkpoint {
        origin: NAME.to_owned(),
        size: size as u64,
        root: tree(&leaves[..size]).root(),
    };
    checkpoint.signed(&key())
}

fn line_of(leaves: &[Hash], size: usize) -> String {
    let Ok(path) = merkle::consistency(size as u64, 11, nodes(leaves));
    let path: Vec<String> = path
        .iter()
        .map(|hash| BASE64_STANDARD.encode(hash))
        .collect();
    let note = checkpoint(leaves, size);
    format!(
        "{}\n",
        json!({ "size": size, "at": "x", "note": note, "path": path })
    )
}

#[test]
fn what_was_signed_is_whole() {
    let made = Made::new();
    assert!(is_bundle(made.path()));
    let report = made.report(&[checkpoint(&made.leaves, 7)]);
    assert_eq!(report.faults, []);
    assert_eq!(
        (report.events, report.checkpoints, report.witnesses),
        (4, 3, 1)
    );
    assert_eq!(report.left_out(), 2);
    let other = SigningKey::new(NAME, &[2; 32]).unwrap();
    assert!(verify(made.path(), &other.verifier(), &[], |_| {}).is_err());
}

#[test]
fn a_file_that_is_changed_missing_or_more_is_named() {
    let made = Made::new();
    made.put("README.md", "read mE\n");
    assert_eq!(
        made.faults(),
        ["the file README.md is not the one that was signed"]
    );
    made.put("README.md", "read me!\n");
    assert_eq!(
        made.faults(),
        ["the file README.md has 9 octets instead of 8"]
    );
    fs::remove_file(made.path().join("README.md")).unwrap();
    assert_eq!(made.faults(), ["the file README.md is missing"]);
    made.put("README.md", "read me\n");
    made.put("evidence/more.txt", "");
    fs::create_dir(made.path().join("empty")).unwrap();
    std::os::unix::fs::symlink("README.md", made.path().join("link")).unwrap();
    let mut faults = made.faults();
    faults.sort();
    let wanted = [
        "the file empty is a folder without any named file",
        "the file evidence/more.txt is not named in the manifest",
        "the file link is no plain file",
    ];
    assert_eq!(faults, wanted);
}

#[test]
fn an_event_that_was_not_written_so_is_named() {
    let faults = Made::changed(|lines| lines[1] = lines[1].replace("会議", "会計"));
    assert_eq!(
        faults,
        [format!(
            "{EVENTS}: event 1005 is not what was written at place 5"
        )]
    );
    // The proof is that of another event.
    let faults = Made::changed(|lines| {
        let other = event(7);
        lines[1] = lines[1].replace(&event(5), &other);
    });
    assert_eq!(
        faults,
        [format!(
            "{EVENTS}: event 1007 is not what was written at place 5"
        )]
    );
    let faults = Made::changed(|lines| lines[0] = lines[0].replacen('4', "6", 1));
    assert_eq!(
        faults,
        [format!(
            "{EVENTS}: event 1004 is not what was written at place 6"
        )]
    );
    let faults = Made::changed(|lines| lines.swap(0, 1));
    let moved = "event 1004, at place 4, stands where it cannot: put in, or moved";
    assert_eq!(faults, [format!("{EVENTS}: {moved}")]);
    let faults = Made::changed(|lines| {
        lines.pop();
    });
    assert_eq!(
        faults,
        [format!("the file {EVENTS} has 3 events instead of 4")]
    );
    let faults = Made::changed(|lines| lines[2].insert(0, 'x'));
    assert_eq!(faults, [format!("{EVENTS}: line 3 is no event")]);
    let faults = Made::changed(|lines| {
        lines[3].pop();
    });
    assert_eq!(faults, [format!("{EVENTS}: line 4 is no event")]);
}

#[test]
fn a_checkpoint_that_is_replaced_is_named() {
    let mut made = Made::new();
    made.checkpoints[0] = made.checkpoints[1].replace("\"size\":7", "\"size\":4");
    made.write();
    made.sign();
    assert_eq!(
        made.faults(),
        ["the checkpoint over 4 events is false: it tells of 7 events"]
    );
    // One of another history, with the right key.
    let mut forked = made.leaves.clone();
    forked[2] = merkle::leaf_hash(b"forked");
    made.checkpoints[0] = line_of(&forked, 4);
    made.write();
    made.sign();
    let of_another =
        "the checkpoint over 4 events is false: the last checkpoint does not begin with it";
    assert_eq!(made.faults(), [of_another]);
    let faults = Made::new().report(&[checkpoint(&forked, 7)]).faults;
    assert!(
        faults[0].to_string().contains("of another history"),
        "{faults:?}"
    );
    // One of another key.
    let made = Made::new();
    let other = SigningKey::new(NAME, &[2; 32]).unwrap();
    let told = Checkpoint {
        origin: NAME.to_owned(),
        size: 11,
        root: tree(&made.leaves).root(),
    };
    made.put(bundle::CHECKPOINT, &told.signed(&other));
    made.sign();
    let faults = made.faults();
    assert!(
        faults[0].contains("checkpoint.txt: it bears no signature of"),
        "{faults:?}"
    );
}

#[test]
fn a_certificate_of_something_else_is_named() {
    let made = Made::new();
    for (from, to, why) in [
        ("last 4", "last 5", "its certificate is of something else"),
        (
            "erasure certificate",
            "erasure decision",
            "its certificate is of something else",
        ),
        ("root ", "root 0", "its certificate is of another history"),
    ] {
        let note = fs::read_to_string(made.path().join(certificate(1))).unwrap();
        let text = key().verifier().open(&note).unwrap().replace(from, to);
        made.put(&certificate(1), &key().sign(&text));
        made.sign();
        assert_eq!(made.faults(), [format!("the erased volume 1: {why}")]);
        made.write();
    }
    let made = Made::new();
    made.put(bundle::KEY, "mail.example/trail-1+00000000+AQ==\n");
    made.sign();
    assert_eq!(
        made.faults(),
        ["the file key.txt has another key than the one that was given"]
    );
}
