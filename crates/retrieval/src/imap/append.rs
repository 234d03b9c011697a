//! APPEND of one message or several (RFC 9051, section 6.3.12; RFC 3502): all or none.

use directory::isolation::Found;
use message::{Limits, Summary, header::parse_ids};
use protocol::imap::{Append, AppendMessage, DateTime, MailboxName, ResponseCode};
use store::{
    AccountId, Error, Refusal, SealedBody, Store,
    mailbox::{self, NewMessage},
};
use trail::Kind;

use super::{
    flags,
    member::Member,
    outcome::{Done, Outcome, Stop, or_try_create},
};

impl Member {
    pub(super) async fn append(&mut self, append: Append) -> Outcome {
        let Append { mailbox, messages } = append;
        let count = messages.len();
        self.expect_room(&mailbox, &messages).await?;
        self.pass_gate(&mailbox, &messages).await?;
        let (store, account) = (self.shared.store.clone(), self.login.account);
        let now = self.shared.world.now();
        let world = &self.shared.world;
        let prepared = world.blocking(move || prepare_all(&store, account, messages, now));
        let prepared = prepared.await.map_err(|error| {
            tracing::error!(%error, "a message could not be read");
            Stop::no(ResponseCode::ServerBug, "The message could not be read")
        })??;
        let (bodies, news): (Vec<SealedBody>, Vec<NewMessage>) = prepared.into_iter().unzip();
        let octets: u64 = bodies.iter().map(|body| body.size).sum();
        let who = self.who.clone();
        let receipt = self
            .shared
            .store
            .commit::<_, Error>(bodies, move |tx| {
                let target = mailbox::by_name(tx, account, mailbox.as_str())?
                    .filter(|target| target.selectable)
                    .ok_or_else(|| Refusal::NoMailbox(mailbox.as_str().to_owned()))?;
                let mut uids = Vec::with_capacity(news.len());
                for new in &news {
                    uids.push(mailbox::append(tx, target.id, new, true)?.uid);
                }
                let event = who
                    .event_of(Kind::MessageAppended, &target.name, uids.iter().copied())
                    .detail("octets", octets);
                tx.record(&event, (target.uid_validity, uids))
            })
            .await
            .map_err(or_try_create)?;
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.tally.appended = self.tally.appended.saturating_add(count);
        self.mark_stale();
        let (uid_validity, uids) = receipt.value;
        let code = ResponseCode::AppendUid {
            uid_validity,
            uids: uids.into_iter().collect(),
        };
        Ok(Done::with(code, "Appended"))
    }

    /// Has each message looked at, where the site wants that (clause 5.2(4)).
    async fn pass_gate(
        &self,
        mailbox: &MailboxName,
        messages: &[AppendMessage],
    ) -> Result<(), Stop> {
        let gate = self.shared.gate.get();
        let Some(gate) = gate.filter(|_| self.line.settings().append_gated) else {
            return Ok(());
        };
        for message in messages {
            let Err(barred) = gate.look(&message.body).await else {
                continue;
            };
            let event = self
                .who
                .event(Kind::AppendRefused, mailbox.as_str())
                .outcome(trail::Outcome::Refused)
                .detail("octets", message.body.len())
                .detail("screening", barred.found);
            let found = barred.malware.map(|malware| Found {
                account: Some(self.login.account),
                peer: Some(self.line.peer().ip()),
                malware,
                place: mailbox.as_str().to_owned(),
                ..Found::default()
            });
            let directory = self.shared.directory.clone();
            self.shared
                .store
                .commit::<_, Error>(Vec::new(), move |tx| {
                    if let Some(found) = &found {
                        for isolated in directory.isolate(tx, found)? {
                            drop(tx.record(&isolated, ())?);
                        }
                    }
                    tx.record(&event, ())
                })
                .await?;
            let code = match barred.is_temporary {
                true => ResponseCode::Unavailable,
                false => ResponseCode::Cannot,
            };
            return Err(Stop::No {
                code: Some(code),
                text: barred.text.into(),
            });
        }
        Ok(())
    }

    /// Refuses early what the commit would refuse, before bodies are compressed and sealed for nothing.
    async fn expect_room(
        &self,
        name: &MailboxName,
        messages: &[AppendMessage],
    ) -> Result<(), Stop> {
        let (account, name) = (self.login.account, name.clone());
        let lengths = messages.iter().map(|message| message.body.len());
        let octets = u64::try_from(lengths.sum::<usize>()).unwrap_or(u64::MAX);
        if messages.iter().any(|message| message.body.is_empty()) {
            return Err(Stop::no(
                ResponseCode::Cannot,
                "An empty message cannot be kept",
            ));
        }
        self.shared
            .store
            .read::<_, Error>(move |snapshot| {
                let row = mailbox::by_name(snapshot, account, name.as_str())?;
                if row.is_none_or(|row| !row.selectable) {
                    return Err(Refusal::NoMailbox(name.as_str().to_owned()).into());
                }
                let usage = mailbox::usage(snapshot, account)?;
                let over = |limit| usage.bytes.saturating_add(octets) > limit;
                if usage.limit.is_some_and(over) {
                    return Err(Refusal::OverQuota.into());
                }
                Ok(())
            })
            .await
            .map_err(or_try_create)
    }
}

fn prepare_all(
    store: &Store,
    account: AccountId,
    messages: Vec<AppendMessage>,
    now: jiff::Timestamp,
) -> Result<Vec<(SealedBody, NewMessage)>, Error> {
    messages
        .into_iter()
        .map(|message| prepare(store, account, &message, now))
        .collect()
}

fn prepare(
    store: &Store,
    account: AccountId,
    given: &AppendMessage,
    now: jiff::Timestamp,
) -> Result<(SealedBody, NewMessage), Error> {
    let limits = Limits::default();
    let summary = Summary::of(&given.body, &limits);
    let body = store.seal(&given.body, &[account])?;
    let (flags, keywords) = flags::to_store(&given.flags);
    let new = NewMessage {
        body: body.id,
        size: body.size,
        flags,
        keywords,
        internal_date: given.date.map_or(now, |DateTime { at, .. }| at),
        summary: summary.encode(),
        references: references(&summary, &limits),
    };
    Ok((body, new))
}

/// The identifiers that tie a message to its thread.
fn references(summary: &Summary, limits: &Limits) -> Vec<String> {
    let mut ids: Vec<String> = summary.message_id().into_iter().collect();
    ids.extend(summary.references.iter().cloned());
    let in_reply_to = summary.envelope.in_reply_to.as_deref().unwrap_or_default();
    ids.extend(parse_ids(in_reply_to, limits));
    ids
}
