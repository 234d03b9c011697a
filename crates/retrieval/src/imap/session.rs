//! CAPABILITY, ENABLE, ID, NAMESPACE, IDLE.

use protocol::imap::{NumberSet, ResponseCode};
use tokio::time::{Instant, sleep_until};

use super::{
    line::Line,
    member::{Idle, Member},
    outcome::{Done, Outcome, Stop},
};

/// Characters of what the client says it is that are kept for the trail.
const CLIENT_LENGTH: usize = 200;

/// ID (RFC 2971): remembers who asks, and says who answers.
pub(super) fn answer_id(line: &mut Line, fields: &[(String, Option<String>)]) {
    let value = |wanted: &str| {
        let found = fields
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found
            .and_then(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let text = format!("{} {}", value("name"), value("version"));
    let text: String = text
        .trim()
        .chars()
        .filter(|c| !c.is_control())
        .take(CLIENT_LENGTH)
        .collect();
    line.client = (!text.is_empty()).then_some(text);
    line.out.id(&[("name", "Kakitome")]);
}

impl Member {
    pub(super) fn capability(&mut self) -> Outcome {
        let names = self.line.capabilities(true);
        self.line.out.capability(&names);
        Ok(Done::new("Done"))
    }

    pub(super) fn namespace(&mut self) -> Outcome {
        self.line.out.namespace();
        Ok(Done::new("Done"))
    }

    /// ENABLE (RFC 5161): what is not known is passed over.
    pub(super) fn enable(&mut self, names: &[String]) -> Outcome {
        let mut enabled = Vec::new();
        for name in names {
            match name.as_str() {
                "CONDSTORE" => self.enable_condstore(),
                "QRESYNC" => {
                    self.enabled.qresync = true;
                    self.enable_condstore();
                }
                "IMAP4REV2" => {
                    self.enabled.rev2 = true;
                    self.line.set_utf8();
                    enabled.push("IMAP4rev2");
                    continue;
                }
                _ => continue,
            }
            enabled.push(name);
        }
        self.line.out.enabled(enabled);
        Ok(Done::new("Enabled"))
    }

    /// The client showed that it knows MODSEQ (RFC 7162, section 3.1): from now on it is told.
    pub(super) fn enable_condstore(&mut self) {
        if self.enabled.condstore {
            return;
        }
        self.enabled.condstore = true;
        if let Some(selected) = &self.selected {
            let code = ResponseCode::HighestModSeq(selected.view.modseq());
            self.line.out.untagged(
                protocol::imap::Status::Ok,
                Some(&code),
                "MODSEQ is told from now on",
            );
        }
    }

    /// IDLE (RFC 2177): pushes what changes until the client says DONE.
    pub(super) async fn idle(&mut self) -> Outcome {
        self.line.await_done();
        self.line.out.continuation("Idling");
        self.mark_stale();
        loop {
            self.tell_changes(true).await?;
            self.line.flush().await?;
            let keepalive = Instant::now() + self.line.settings().keepalive;
            let woken = tokio::select! {
                woken = self.idle_change() => woken,
                () = sleep_until(keepalive) => Idle::Silence,
            };
            match woken {
                Idle::Done(done) => {
                    return if done? {
                        Ok(Done::new("Done"))
                    } else {
                        Err(Stop::Bad("DONE was expected"))
                    };
                }
                Idle::Mailbox => {}
                Idle::Account => self.check_account().await?,
                Idle::Silence => {
                    self.line
                        .out
                        .untagged(protocol::imap::Status::Ok, None, "Still here");
                }
            }
        }
    }

    /// EXPUNGE and VANISHED of an answer's own command.
    pub(super) fn tell_gone_earlier(&mut self, uids: &NumberSet) {
        self.line.out.vanished(true, uids);
    }
}
