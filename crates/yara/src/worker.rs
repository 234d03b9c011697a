//! The program's body: a worker, or an attempt of what a worker may not do, so that a test sees it fail.
//!
//! ```text
//! kakitome-yara OCTETS SECONDS   a worker with so much memory and processor time in all
//! kakitome-yara try DEED         one deed of a worker that is ready
//! ```

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use malware::{Compiled, FrameError, Limits, Request, RuleFile, Weights, read_words, write_words};
use scanner::{Deed, Rights, RightsError};

use crate::{Clock, ClockError, Matcher, Rules};

/// Octets of a message that are taken, whatever the server asks: its own limit lies below.
const LARGEST_MESSAGE: u64 = 1 << 30;
/// Octets of rules that are taken.
const LARGEST_RULES: u64 = 128 << 20;

/// Why a worker ends.
#[derive(Debug, thiserror::Error)]
enum WorkerFault {
    #[error("usage: kakitome-yara OCTETS SECONDS; the mail server starts it, nobody else needs to")]
    Usage,
    #[error(transparent)]
    Rights(#[from] RightsError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Clock(#[from] ClockError),
    #[error("the pipe: {0}")]
    Pipe(#[from] io::Error),
    #[error("{0} octets are more than a worker takes")]
    TooLarge(u64),
    #[error("the engine broke")]
    Broken,
    #[error("the rules: {0:?}")]
    Rules(Vec<String>),
    #[error("the deed was not done: {0}")]
    NotDone(io::Error),
}

/// Does what the arguments say.
#[must_use]
pub fn run() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = match words.as_slice() {
        ["try", deed] => attempt(deed),
        [memory, seconds] => match (memory.parse(), seconds.parse()) {
            (Ok(memory), Ok(seconds)) => work(Rights { memory, seconds }),
            _ => Err(WorkerFault::Usage),
        },
        _ => Err(WorkerFault::Usage),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            let told = writeln!(io::stderr(), "{fault}");
            // The status tells it, too.
            drop(told);
            ExitCode::FAILURE
        }
    }
}

fn work(rights: Rights) -> Result<(), WorkerFault> {
    let (mut from, mut to) = (io::stdin().lock(), io::stdout().lock());
    let start = rights.keep_for_start()?;
    let (files, weights) = match read_words::<malware::Rules>(&mut from)? {
        Some(words) => (files(&mut from, &words)?, words.weights),
        None => return Ok(()),
    };
    // It gets going while the rules are compiled.
    let clock = Clock::started()?;
    let rules = Rules::compile(&files);
    drop(files);
    let mut compiled = Compiled {
        landlock: start.landlocked(),
        rules: 0,
        faults: Vec::new(),
    };
    let rules = match rules {
        Ok(rules) => rules,
        Err(faults) => {
            compiled.faults = faults;
            write_words(&mut to, &compiled)?;
            return Ok(());
        }
    };
    let mut matcher = Matcher::new(&rules, weights);
    clock.ticked()?;
    start.end()?;
    compiled.rules = rules.count();
    write_words(&mut to, &compiled)?;
    while let Some(request) = read_words::<Request>(&mut from)? {
        let message = octets(&mut from, request.octets, LARGEST_MESSAGE)?;
        let matched = matcher.message(&message, request.limits);
        write_words(&mut to, &matched.ok_or(WorkerFault::Broken)?)?;
    }
    Ok(())
}

/// The files that follow the words about them.
fn files(mut from: impl Read, words: &malware::Rules) -> Result<Vec<RuleFile>, WorkerFault> {
    let mut files = Vec::new();
    let mut left = LARGEST_RULES;
    for told in &words.files {
        let text = octets(&mut from, told.octets, left)?;
        left = left.saturating_sub(told.octets);
        files.push(RuleFile {
            path: told.path.clone(),
            namespace: told.namespace.clone(),
            text,
        });
    }
    Ok(files)
}

fn octets(mut from: impl Read, count: u64, most: u64) -> Result<Vec<u8>, WorkerFault> {
    if count > most {
        return Err(WorkerFault::TooLarge(count));
    }
    let mut octets = vec![0; usize::try_from(count).unwrap_or(usize::MAX)];
    from.read_exact(&mut octets)?;
    Ok(octets)
}

/// One deed of a worker that is ready, with rules of its own that it has used and uses again.
fn attempt(deed: &str) -> Result<(), WorkerFault> {
    let rights = Rights {
        memory: 1 << 30,
        seconds: 60,
    };
    let text = "import \"pe\"\nimport \"math\"\nrule ready { strings: $a = /x{2,9}y/ condition: $a or pe.is_pe or math.entropy(0, filesize) >= 0 }";
    let start = rights.keep_for_start()?;
    let clock = Clock::started()?;
    let rules = Rules::one("ready", text).map_err(WorkerFault::Rules)?;
    let mut matcher = Matcher::new(&rules, Weights::default());
    clock.ticked()?;
    start.end()?;
    if deed != "match" {
        return deed
            .parse::<Deed>()
            .map_err(|_| WorkerFault::Usage)?
            .attempt()
            .map_err(WorkerFault::NotDone);
    }
    let said = matcher.message(b"Subject: x\r\n\r\nxxxy\r\n", Limits::default());
    match said.is_some_and(|said| !said.matches.is_empty()) {
        true => Ok(()),
        false => Err(WorkerFault::Broken),
    }
}
