//! Programs of others that judge mail, as a client that believes little (clause 5.3).
//!
//! Two kinds: *milters* ([`Milter`]), which speak the protocol of Sendmail's filters, version 6, and may change the message; and
//! *rspamd* ([`Rspamd`]), which is asked over HTTP. Both are shown the whole message at the end of its data, before it is
//! anybody's, with the envelope as it was accepted ([`Envelope`]).
//!
//! ```text
//!   message, Envelope ──► Rspamd::ask  ──► RspamdSaid                     (evidence)
//!                     ──► Milter::show ──► MilterSaid, Changes             (evidence, and what the milter wants changed)
//! ```
//!
//! # What it never does
//!
//! It decides nothing: room `screening` does. It takes no silence, no early answer and no answer that it does not understand for
//! "accept": all of them are failures, with the reason. Of a milter that failed no change is kept. No change breaks the message: a
//! field that is not one refuses all that the milter said. The envelope is nobody's to change here: whom mail goes to was decided by
//! the directory, and is in the trail.
//!
//! ```
//! use engines::{Address, Edit, edited};
//! let at: Address = "unix:/run/opendkim/opendkim.sock".parse().unwrap();
//! assert_eq!(at.to_string(), "unix:/run/opendkim/opendkim.sock");
//! let field = Edit::add(b"X-Seen", b"yes", false).unwrap();
//! let message = edited(b"From: a@b.example\r\n\r\ntext\r\n", &[field], None);
//! assert_eq!(message, b"From: a@b.example\r\nX-Seen: yes\r\n\r\ntext\r\n");
//! ```

mod address;
mod envelope;
mod milter;
mod rspamd;

pub use address::{Address, AddressError};
pub use envelope::{Envelope, Tls};
pub use milter::{
    Changes, Edit, EditError, May, Milter, MilterError, MilterLimits, MilterResult, MilterSaid,
    Mood, PacketError, Packets, Reply, edited,
};
pub use rspamd::{Rspamd, RspamdAction, RspamdError, RspamdLimits, RspamdSaid, Score, Symbol};

/// Characters of a reason, and of a text that an engine gave.
const LONGEST_TEXT: usize = 160;

/// A text of somebody else's, in bounds and in one line.
pub(crate) fn plain(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LONGEST_TEXT).collect()
}

/// Which mail an engine is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Mail from outside.
    Exchange,
    /// Submissions.
    Submission,
    /// Both.
    Both,
}

impl Shown {
    /// Whether mail that came so is shown.
    #[must_use]
    pub fn holds(self, is_submission: bool) -> bool {
        match self {
            Self::Exchange => !is_submission,
            Self::Submission => is_submission,
            Self::Both => true,
        }
    }
}

/// The engines of a site: at most one rspamd, and milters in the order in which they are asked.
#[derive(Debug, Default)]
pub struct Engines {
    /// Asked beside the scanners.
    pub rspamd: Option<(Shown, Rspamd)>,
    /// Shown the message one after the other, each as the one before left it.
    pub milters: Vec<(Shown, Milter)>,
}

impl Engines {
    /// Each by name, and why it cannot be used if it cannot.
    pub async fn probe(&self) -> Vec<(String, Option<String>)> {
        let mut all = Vec::new();
        if let Some((_, rspamd)) = &self.rspamd {
            let failed = rspamd.probe().await.err();
            all.push((
                RSPAMD.to_owned(),
                failed.map(|error| plain(&error.to_string())),
            ));
        }
        for (_, milter) in &self.milters {
            let reason = match milter.probe().await {
                Mood::Well => None,
                Mood::Down(reason) => Some(plain(&reason)),
            };
            all.push((format!("milter {}", milter.name()), reason));
        }
        all
    }
}

/// rspamd's name.
const RSPAMD: &str = "rspamd";
