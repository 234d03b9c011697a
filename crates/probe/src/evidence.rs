//! What was said, as it is kept: bounded, and escaped so that no terminal obeys it.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::reply::escape;

/// Entries of evidence that are kept of one check; what comes after is counted only.
const KEPT: usize = 200;
/// Octets of one entry that are shown.
const SHOWN: usize = 400;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The probe.
    Client,
    /// The server.
    Server,
    /// Nobody: what happened in between.
    Note,
}

/// One entry of the evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Who said it.
    pub by: Speaker,
    /// What, with octets that are not printable ASCII escaped, and the line end of a usual command left out.
    pub text: String,
}

/// Where conversations are written down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder(Arc<Mutex<(Vec<Said>, usize)>>);

impl Recorder {
    /// What happened in between.
    pub(crate) fn note(&self, text: impl Into<String>) {
        self.put(Speaker::Note, text.into());
    }

    /// Octets that were said as they are.
    pub(crate) fn octets(&self, by: Speaker, octets: &[u8]) {
        let (shown, rest) = octets.split_at_checked(SHOWN).unwrap_or((octets, &[]));
        let mut text = escape(shown);
        if !rest.is_empty() {
            text.push_str(&format!("… ({} octets more)", rest.len()));
        }
        self.put(by, text);
    }

    /// What was said, in words.
    pub(crate) fn put(&self, by: Speaker, text: String) {
        let (said, left_out) = &mut *self.0.lock();
        if said.len() < KEPT {
            said.push(Said { by, text });
        } else {
            *left_out = left_out.saturating_add(1);
        }
    }

    /// All that was said since it was taken last.
    pub(crate) fn take(&self) -> Vec<Said> {
        let (mut said, left_out) = std::mem::take(&mut *self.0.lock());
        if left_out > 0 {
            let text = format!("{left_out} more entries are left out");
            said.push(Said {
                by: Speaker::Note,
                text,
            });
        }
        said
    }
}
