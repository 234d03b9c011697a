//! Mail in: to mailboxes until all can be read by IMAP, and through to the next hop until all came out.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::task::JoinSet;

use super::{Bench, MAILBOXES, fill::Watch};
use crate::{
    Outcome,
    client::{Smtp, Trust, envelope},
    figure::{Figure, Meter},
    mail::Letter,
    server::{PASSWORD, REMOTE, Server, address},
};

/// By which door mail comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The exchange's port, from strangers, to mailboxes.
    Exchange,
    /// Submission over TLS with AUTH, to mailboxes.
    Submission,
    /// Submission over TLS with AUTH, to the next hop.
    SubmissionOut,
    /// Submission from a trusted network without TLS, to the next hop: the relay alone.
    Relay,
}

/// A load of messages.
#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    pub(crate) entry: Entry,
    pub(crate) octets: usize,
    pub(crate) sessions: usize,
    /// Whether a session sends many messages over one connection.
    pub(crate) kept: bool,
    /// How many messages; a multiple of [`MAILBOXES`].
    pub(crate) messages: usize,
}

impl Transfer {
    /// The name in tables.
    pub(crate) fn name(&self) -> String {
        let entry = match self.entry {
            Entry::Exchange => "inbound",
            Entry::Submission => "submission to mailboxes",
            Entry::SubmissionOut => "submission to the next hop",
            Entry::Relay => "relay",
        };
        let sessions = match self.sessions {
            1 => "1 session".to_owned(),
            many => format!("{many} sessions"),
        };
        let kept = if self.kept { "kept" } else { "new" };
        format!("{entry}, {} KiB, {sessions}, {kept}", self.octets >> 10)
    }

    fn is_outward(&self) -> bool {
        matches!(self.entry, Entry::SubmissionOut | Entry::Relay)
    }

    pub(super) async fn run(&self, bench: &Bench, server: &Server) -> Outcome<Vec<Figure>> {
        let mut watch = match self.is_outward() {
            true => None,
            false => Some(Watch::open(server, MAILBOXES).await?),
        };
        let (sunk, octets) = (bench.sink.count(), bench.sink.octets());
        let job = Arc::new(Job::new(self.clone(), bench, server));
        let mut senders = Vec::new();
        for number in 0..self.sessions {
            let mut sender = Sender::new(&job, number);
            if self.kept {
                sender.connect().await?;
            }
            senders.push(sender);
        }
        let meter = Meter::start(server);
        let mut tasks = JoinSet::new();
        for sender in senders {
            tasks.spawn(sender.send_all());
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        match &mut watch {
            Some(watch) => watch.wait((self.messages / MAILBOXES).try_into()?).await?,
            None => {
                bench
                    .sink
                    .wait(sunk + u64::try_from(self.messages)?)
                    .await?;
            }
        }
        let cost = meter.stop();
        if let Some(watch) = watch {
            watch.sample(self.octets, job.mark.as_bytes()).await?;
        } else if bench.sink.octets() - octets < u64::try_from(self.messages * self.octets)? {
            return Err("the next hop was given less than was sent".into());
        }
        Ok(vec![Figure::rate(self.name(), self.messages, cost)])
    }
}

/// What the sessions of one load share.
struct Job {
    load: Transfer,
    ports: crate::server::Ports,
    trust: Trust,
    next: AtomicUsize,
    /// Stands in every message of this load and in no other.
    seed: u64,
    mark: String,
}

impl Job {
    fn new(load: Transfer, bench: &Bench, server: &Server) -> Self {
        let seed = u64::try_from(bench.serial()).unwrap_or(0);
        Self {
            load,
            ports: server.ports,
            trust: bench.trust.clone(),
            next: AtomicUsize::new(0),
            seed,
            mark: format!(".{seed}@sender.test>"),
        }
    }
}

/// One session's side.
struct Sender {
    job: Arc<Job>,
    credentials: String,
    envelopes: Vec<Vec<u8>>,
    letter: Letter,
    open: Option<Smtp>,
}

impl Sender {
    fn new(job: &Arc<Job>, number: usize) -> Self {
        let own = address(number % MAILBOXES);
        let from = match job.load.entry {
            Entry::Exchange => "tanaka@sender.test",
            _ => &own,
        };
        let envelopes = (0..MAILBOXES).map(|mailbox| match job.load.is_outward() {
            true => envelope(from, &format!("r{mailbox}@{REMOTE}")),
            false => envelope(from, &address(mailbox)),
        });
        Self {
            envelopes: envelopes.collect(),
            letter: Letter::new(from, job.load.octets, job.seed),
            credentials: plain(&own),
            job: Arc::clone(job),
            open: None,
        }
    }

    async fn connect(&mut self) -> Outcome<()> {
        let ports = self.job.ports;
        let session = match self.job.load.entry {
            Entry::Exchange => Smtp::open(ports.smtp).await?,
            Entry::Relay => Smtp::open(ports.submission).await?,
            Entry::Submission | Entry::SubmissionOut => {
                Smtp::open_authenticated(ports.submissions, &self.job.trust, &self.credentials)
                    .await?
            }
        };
        self.open = Some(session);
        Ok(())
    }

    async fn send_all(mut self) -> Outcome<()> {
        loop {
            let number = self.job.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.job.load.messages {
                break;
            }
            if self.open.is_none() {
                self.connect().await?;
            }
            self.letter.number(number);
            let envelope = &self.envelopes[number % MAILBOXES];
            if let Some(session) = &mut self.open {
                session.send(envelope, &self.letter).await?;
            }
            if !self.job.load.kept
                && let Some(session) = self.open.take()
            {
                session.quit().await?;
            }
        }
        match self.open.take() {
            Some(session) => session.quit().await,
            None => Ok(()),
        }
    }
}

/// The initial response of AUTH PLAIN (RFC 4616).
fn plain(identity: &str) -> String {
    base64(format!("\0{identity}\0{PASSWORD}").as_bytes())
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..part.len()].copy_from_slice(part);
        let [a, b, c] = three;
        let all = [
            a >> 2,
            (a & 3) << 4 | b >> 4,
            (b & 15) << 2 | c >> 6,
            c & 63,
        ];
        for (place, six) in all.iter().enumerate() {
            let padding = place > part.len();
            text.push(if padding {
                '='
            } else {
                char::from(ALPHABET[usize::from(*six)])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b"\0a\0b"), "AGEAYg==");
        assert_eq!(base64(b"abc"), "YWJj");
        assert_eq!(base64(b"abcde"), "YWJjZGU=");
    }
}
