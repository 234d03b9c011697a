//! `screening learn` and `screening memory`: what the classifier of words knows (clause 5.3(1)).

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use directory::Person;
use serde_json::json;
use transfer::learning;

use super::{Answer, Failure};
use crate::{cli::LearnArgs, site::Site};

/// Messages of one commit.
const AT_ONCE: usize = 50;
/// Octets of one commit's messages.
const OCTETS_AT_ONCE: usize = 32 << 20;
/// Octets of a message that is learned from; more is no mail that anybody got.
const MOST_OCTETS: u64 = 64 << 20;
/// Directories within each other.
const MOST_DEPTH: usize = 5;

pub(super) async fn learn(
    site: &Site,
    caller: &Person,
    words: &LearnArgs,
    answer: &mut Answer,
) -> Result<(), Failure> {
    super::audit::verify::must_be_absolute(&words.path)?;
    let files = files_of(&words.path)?;
    let who = caller.by();
    let (mut batch, mut octets, mut learned) = (Vec::new(), 0, 0_u64);
    for file in &files {
        let mut messages = Messages::open(file)?;
        while let Some(message) = messages.next()? {
            octets += message.len();
            batch.push(message);
            if batch.len() >= AT_ONCE || octets >= OCTETS_AT_ONCE {
                learned += batch.len() as u64;
                let all = std::mem::take(&mut batch);
                learning::learn_from(&site.transfer, all, words.junk, who.clone()).await?;
                octets = 0;
                answer.progress("messages learned", learned, None);
            }
        }
    }
    if !batch.is_empty() {
        learned += batch.len() as u64;
        learning::learn_from(&site.transfer, batch, words.junk, who).await?;
    }
    if learned == 0 {
        return Err(Failure::Failed(format!(
            "there is no message in {}",
            words.path.display()
        )));
    }
    answer
        .row(&json!({ "learned": learned, "junk": words.junk }))
        .await
}

pub(super) async fn memory(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    let learned = learning::lessons(&site.transfer).await?;
    let senders = site
        .store
        .read(|sql| store::acquaintance::count(sql))
        .await?;
    let least = site
        .settings()
        .screening
        .policy()
        .map_err(Failure::Failed)?
        .words
        .lessons;
    let speaks = learned.good >= least && learned.junk >= least;
    answer
        .row(&json!({
            "wanted": learned.good,
            "junk": learned.junk,
            "needed_of_each": least,
            "judges_by_words": speaks,
            "senders_remembered": senders,
        }))
        .await
}

/// All files at `path`, in order.
fn files_of(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![(path.to_owned(), 0)];
    while let Some((path, depth)) = open.pop() {
        let failed = |error: std::io::Error| {
            Failure::Failed(format!("cannot read {}: {error}", path.display()))
        };
        if !fs::metadata(&path).map_err(failed)?.is_dir() {
            found.push(path);
            continue;
        }
        if depth >= MOST_DEPTH {
            return Err(Failure::Refused(format!(
                "{} lies deeper than {MOST_DEPTH} directories",
                path.display()
            )));
        }
        for entry in fs::read_dir(&path).map_err(failed)? {
            open.push((entry.map_err(failed)?.path(), depth + 1));
        }
    }
    found.sort();
    Ok(found)
}

/// The messages of one file: it is one, or an mbox.
struct Messages {
    path: PathBuf,
    reader: BufReader<File>,
    /// Its lines begin with `From ` between messages.
    is_mbox: bool,
    /// The line that the next message begins with, after the separator.
    ended: bool,
}

impl Messages {
    fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::Failed(format!("cannot read {}: {error}", path.display()));
        let mut reader = BufReader::new(File::open(path).map_err(failed)?);
        let is_mbox = reader.fill_buf().map_err(failed)?.starts_with(b"From ");
        let mut messages = Self {
            path: path.to_owned(),
            reader,
            is_mbox,
            ended: false,
        };
        if is_mbox {
            messages.line()?;
        }
        Ok(messages)
    }

    /// The next message; `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let mut message = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                self.ended = true;
                break;
            }
            if self.is_mbox && line.starts_with(b"From ") {
                break;
            }
            if message.len() as u64 + line.len() as u64 > MOST_OCTETS {
                return Err(Failure::Refused(format!(
                    "a message in {} is larger than 64 MiB",
                    self.path.display()
                )));
            }
            message.extend_from_slice(&line);
        }
        Ok((!message.is_empty()).then_some(message))
    }

    fn line(&mut self) -> Result<Vec<u8>, Failure> {
        let mut line = Vec::new();
        let mut bounded = std::io::Read::take(&mut self.reader, MOST_OCTETS);
        bounded.read_until(b'\n', &mut line).map_err(|error| {
            Failure::Failed(format!("cannot read {}: {error}", self.path.display()))
        })?;
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all(text: &[u8]) -> Vec<Vec<u8>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let mut messages = Messages::open(file.path()).unwrap();
        std::iter::from_fn(|| messages.next().unwrap()).collect()
    }

    #[test]
    fn a_file_is_one_message_or_many() {
        assert_eq!(all(b"Subject: a\r\n\r\nFrom here\r\n").len(), 1);
        let mbox = b"From a@x Mon\nSubject: a\n\none\n\nFrom b@x Tue\nSubject: b\n\n>From two\n";
        assert_eq!(
            all(mbox),
            [
                b"Subject: a\n\none\n\n".to_vec(),
                b"Subject: b\n\n>From two\n".to_vec()
            ]
        );
        assert!(all(b"").is_empty());
        assert!(all(b"From x\n").is_empty());
    }
}
