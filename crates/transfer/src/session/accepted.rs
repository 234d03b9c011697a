//! An envelope, sorted by where its recipients go.

use std::collections::{BTreeMap, BTreeSet};

use message::{StatusCode, address::Address, bounce::Bounce, dsn::Action};
use protocol::smtp::{BodyKind, Notify, Rcpt, Refusal, Transaction, server::EndOfData};
use store::queue::{self, NewRecipient};

use super::{
    envelope::{Place, Target},
    reports::Brought,
};
use crate::notify::Report;

/// An envelope, sorted by where its recipients go.
pub(super) struct Accepted {
    /// All recipients, as the client named them.
    pub(super) addresses: Vec<Address>,
    /// Those with a mailbox here.
    pub(super) local: Vec<Address>,
    /// Their accounts, each once however many of its addresses were named.
    pub(super) accounts: BTreeSet<store::AccountId>,
    /// Those for other servers.
    pub(super) queued: Vec<NewRecipient>,
    /// Where mail of which address here goes on to, elsewhere.
    pub(super) onward: BTreeMap<Address, Onward>,
    /// Accounts that do not keep what goes on.
    pub(super) let_go: BTreeSet<store::AccountId>,
    /// What it tells of mail that was not delivered, if it is a bounce.
    pub(super) bounce: Option<Bounce>,
    /// What it reports about own domains, if it came to an address for that.
    pub(super) report: Option<Brought>,
    /// Those here whose delivery is to be notified.
    pub(super) notify: Vec<(Address, Option<String>)>,
    /// `1` when an octet above 127 was seen.
    pub(super) body_type: u8,
}

/// Where an account's mail goes on to, elsewhere.
#[derive(Default)]
pub(super) struct Onward {
    /// Whose it is: what waits in the queue is found by it, when it is held or the account is deleted.
    pub(super) identifier: String,
    pub(super) targets: BTreeSet<Address>,
}

impl Accepted {
    pub(super) fn new(
        transaction: &Transaction,
        targets: &[Target],
        end: EndOfData,
    ) -> Result<Self, Refusal> {
        if transaction.recipients.len() != targets.len() {
            tracing::error!("the session and its driver disagree on the recipients");
            return Err(Refusal::temporary());
        }
        let mut accepted = Self {
            addresses: targets
                .iter()
                .map(|target| target.address.clone())
                .collect(),
            local: Vec::new(),
            accounts: BTreeSet::new(),
            queued: Vec::new(),
            onward: BTreeMap::new(),
            let_go: BTreeSet::new(),
            bounce: None,
            report: None,
            notify: Vec::new(),
            body_type: u8::from(end.eight_bit),
        };
        for (rcpt, target) in transaction.recipients.iter().zip(targets) {
            accepted.take(rcpt, target);
        }
        if transaction.mail.reverse_path.is_null() || transaction.mail.requiretls {
            // Kept in any case: of a report that cannot go on nobody is told, and of what needs TLS all the way the header alone
            // comes back (RFC 8689, section 5).
            let all = std::mem::take(&mut accepted.let_go);
            accepted.accounts.extend(all);
        }
        Ok(accepted)
    }

    /// Nothing goes on: it came by here too often.
    pub(super) fn stay(&mut self) {
        self.onward.clear();
        let all = std::mem::take(&mut self.let_go);
        self.accounts.extend(all);
    }

    fn take(&mut self, rcpt: &Rcpt, target: &Target) {
        let notify = rcpt.notify.unwrap_or(Notify::DEFAULT);
        let original = rcpt
            .orcpt
            .as_ref()
            .map(|orcpt| format!("{};{}", orcpt.kind, orcpt.address));
        match &target.place {
            Place::Here(recipients) => {
                for recipient in recipients {
                    let accounts = match recipient.keeps {
                        true => &mut self.accounts,
                        false => &mut self.let_go,
                    };
                    accounts.insert(recipient.account);
                    if !recipient.onward.is_empty() {
                        let onward = self.onward.entry(recipient.address.clone()).or_default();
                        onward.identifier.clone_from(&recipient.forwarder);
                        onward.targets.extend(recipient.onward.iter().cloned());
                    }
                }
                if notify.on_success() {
                    self.notify.push((target.address.clone(), original));
                }
                self.local.push(target.address.clone());
            }
            Place::Nowhere | Place::Sink => {}
            Place::Queue(destination) => {
                let again = self
                    .queued
                    .iter()
                    .any(|other| other.address == target.address);
                if !again {
                    self.queued.push(NewRecipient {
                        address: target.address.clone(),
                        notify: queue::Notify {
                            success: notify.on_success(),
                            failure: notify.on_failure(),
                            delay: notify.on_delay(),
                            given: rcpt.notify.is_some(),
                        },
                        original,
                        destination: destination.clone(),
                    });
                }
            }
        }
    }

    /// `1` when an octet above 127 was seen.
    pub(super) fn body_type(&self) -> u8 {
        self.body_type
    }

    pub(super) fn only_recipient(&self) -> Option<&Address> {
        match self.addresses.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    pub(super) fn delivered_reports(&self) -> Vec<Report> {
        self.notify
            .iter()
            .map(|(address, original)| Report {
                address: address.clone(),
                original: original.clone(),
                action: Action::Delivered,
                status: StatusCode::success(1, 5),
                remote: None,
                diagnostic: None,
                retry_until: None,
            })
            .collect()
    }
}

pub(super) fn body_number(body: BodyKind) -> u8 {
    match body {
        BodyKind::SevenBit => 0,
        BodyKind::EightBitMime => 1,
        BodyKind::BinaryMime => 2,
    }
}
