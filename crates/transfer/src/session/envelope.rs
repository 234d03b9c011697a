//! MAIL and RCPT: who may send, and to whom. RCPT decides: nothing is accepted here that would be bounced for
//! want of a mailbox.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use directory::{LocalRecipient, Resolution, Restriction, Writers};
use message::address::Address;
use protocol::smtp::{
    Detail, Mail, Rcpt, Refusal, Transaction,
    server::{MailAnswer, RcptAnswer},
};
use screening::Screened;
use store::{AccountId, QueueId};
use tokio::time::Instant;

use super::{Conversation, flood, marked::Marked};
use crate::{
    Listener, Roles, Transfer, Unmarked, budget::Pass, callout::Known, flood::What, memory::Held,
    parcel::Folder, return_path::Mark, route::Hop,
};

/// The transaction that is open, if one is.
pub(super) struct Open {
    /// The MAIL command.
    pub(super) mail: Option<Mail>,
    /// Where each accepted recipient goes, in the order of the machine's own list.
    pub(super) targets: Vec<Target>,
    /// The envelope as the machine accepted it, once the content begins.
    pub(super) transaction: Option<Transaction>,
    /// The content so far.
    pub(super) raw: Vec<u8>,
    /// Octets of the content, once it was complete.
    pub(super) size: usize,
    /// The room that it takes.
    pub(super) held: Held,
    /// When the content began.
    pub(super) began: Option<Instant>,
    /// Octets that came since.
    pub(super) came: u64,
    /// How long the client was kept waiting for memory.
    pub(super) waited: Duration,
    /// Why the content was given up, when it was.
    pub(super) given_up: bool,
    /// The id that the message has, once it was screened, and what was found and decided.
    pub(super) screened: Option<(QueueId, Screened)>,
    /// The report of abuse about it that is prepared.
    pub(super) abuse: Option<store::abuse::Prepared>,
    /// What an exchange server of ours says why it belongs into Junk, if it does.
    pub(super) marked: Option<Marked>,
    /// Which mailbox of its recipients it goes to.
    pub(super) folder: Folder,
    /// Accounts whose mailbox is another one.
    pub(super) folders: BTreeMap<AccountId, Folder>,
    /// Its share of what mail without a sender may use.
    pub(super) pass: Option<Pass>,
    /// It is thrown away once it is taken.
    pub(super) discarded: bool,
    /// What the identifier that submits it may submit, as far as that was limited when it began.
    pub(super) room: Option<directory::submission::Room>,
}

/// Where an accepted recipient goes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its address, with a domain.
    pub(super) address: Address,
    /// There.
    pub(super) place: Place,
    /// Whether a bounce to it is one for mail that was not sent from here.
    pub(super) answers_nothing: bool,
}

/// Where mail for a recipient goes.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// To these accounts: into their INBOXes, and on from there.
    Here(Vec<LocalRecipient>),
    /// To the queue, for this destination.
    Queue(String),
    /// Nowhere: it is a canary.
    Nowhere,
    /// Nowhere: the own probe sends it, to see how messages end.
    Sink,
}

impl Open {
    /// `peer` is whose share of the memory it takes; `None` is nobody's in particular.
    pub(super) fn new(transfer: &Transfer, peer: Option<IpAddr>) -> Self {
        Self {
            mail: None,
            targets: Vec::new(),
            transaction: None,
            raw: Vec::new(),
            size: 0,
            held: transfer.memory().hold(peer),
            began: None,
            came: 0,
            waited: Duration::ZERO,
            given_up: false,
            abuse: None,
            screened: None,
            marked: None,
            folder: Folder::Inbox,
            folders: BTreeMap::new(),
            pass: None,
            discarded: false,
            room: None,
        }
    }

    /// Forgets the transaction and gives its memory back.
    pub(super) fn clear(&mut self) {
        self.mail = None;
        self.targets = Vec::new();
        self.transaction = None;
        self.raw = Vec::new();
        self.size = 0;
        self.held.release();
        self.began = None;
        self.came = 0;
        self.waited = Duration::ZERO;
        self.given_up = false;
        self.screened = None;
        self.abuse = None;
        self.marked = None;
        self.folder = Folder::Inbox;
        self.folders = BTreeMap::new();
        self.pass = None;
        self.discarded = false;
        self.room = None;
    }

    /// Whether it is a canary: a message that goes nowhere in any case.
    pub(super) fn is_canary(&self) -> bool {
        self.targets
            .iter()
            .any(|target| matches!(target.place, Place::Nowhere))
    }

    /// Whether it is of the own probe alone, and is taken and thrown away.
    pub(super) fn is_for_sink(&self) -> bool {
        let sinks = |target: &Target| matches!(target.place, Place::Sink);
        !self.targets.is_empty() && self.targets.iter().all(sinks)
    }

    /// When so many octets must have come: after `grace`, a message brings `rate` octets a second on average, or it
    /// only holds memory. Time that it waited for that is not counted against it. `None`: there is no such time.
    pub(super) fn owes_by(&self, grace: Duration, rate: u64) -> Option<Instant> {
        let paid = self.came.saturating_mul(1000).checked_div(rate)?;
        let allowed = grace
            .saturating_add(self.waited)
            .saturating_add(Duration::from_millis(paid));
        self.began?.checked_add(allowed)
    }

    pub(super) fn in_message(&self) -> bool {
        self.began.is_some()
    }

    pub(super) fn data_began(&self) -> Option<Instant> {
        self.began
    }

    /// The command that the transaction has come to.
    pub(super) fn stage(&self) -> &'static str {
        match (self.began, self.targets.is_empty()) {
            (Some(_), _) => "DATA",
            (None, false) => "RCPT",
            (None, true) => "MAIL",
        }
    }

    pub(super) fn sender(&self) -> Option<&Address> {
        self.mail
            .as_ref()
            .and_then(|mail| mail.reverse_path.address())
    }
}

impl Conversation<'_> {
    pub(super) async fn mail(&mut self, mail: Mail, answer: MailAnswer) {
        self.open.clear();
        if let Err(later) = self.takes_mail().await {
            return answer.refuse(&mut self.machine, later);
        }
        let sender = mail.reverse_path.address().cloned();
        let verdict = self.judge_sender(sender.as_ref()).await;
        if verdict.is_ok()
            && sender.is_none()
            && self.listener == Listener::Exchange
            && !self.trusted
            && !self.is_of_canary()
        {
            let budget = self.transfer.null_senders();
            if !self.without_sender().await {
                return answer.refuse(&mut self.machine, flood::too_many());
            }
            self.open.pass = budget.enter(&self.settings.limits, Instant::now());
            if self.open.pass.is_none() {
                // Told in sum: a flood must not be paid for with a commit for each.
                self.count_flood(What::NullSender);
                return answer.refuse(&mut self.machine, too_many_bounces());
            }
        }
        self.open.mail = Some(mail);
        if verdict.is_ok()
            && let Err(limited) = self.may_submit().await
        {
            self.open.clear();
            return answer.refuse(&mut self.machine, limited);
        }
        match verdict {
            Ok(()) => answer.accept(&mut self.machine),
            Err(refusal) => {
                self.refused("MAIL", None, refusal.reply(), "").await;
                self.open.clear();
                answer.refuse(&mut self.machine, refusal);
            }
        }
    }

    async fn judge_sender(&self, sender: Option<&Address>) -> Result<(), Refusal> {
        let not_yours =
            || Refusal::new::<553>(Detail::NOT_AUTHORIZED, "This sender address is not yours");
        let directory = self.transfer.directory();
        match (self.listener, &self.login) {
            (Listener::Exchange, _) if self.settings.roles == Roles::Mailbox && !self.trusted => {
                // Clause 6.1(1)a: a mailbox server hears its exchange servers and nobody else.
                Err(Refusal::new::<550>(
                    Detail::NOT_AUTHORIZED,
                    "This server takes mail from its exchange servers only",
                ))
            }
            (Listener::Exchange, _) => Ok(()),
            (Listener::Submission | Listener::Submissions, Some(login)) => {
                match directory.still_valid(login).await {
                    Ok(true) => {}
                    Ok(false) => return Err(login_ended()),
                    Err(error) => return Err(self.store_trouble(&error)),
                }
                let Some(sender) = sender else {
                    // Receipts of mail programs (RFC 8098) have no sender; the content is looked at later.
                    return Ok(());
                };
                match directory.may_send_as(login, sender).await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(not_yours()),
                    Err(error) => Err(self.store_trouble(&error)),
                }
            }
            (Listener::Submission | Listener::Submissions, None) => {
                // The machine lets only trusted networks come this far without AUTH.
                let own = sender.is_none_or(|sender| directory.is_own(sender.domain()));
                if self.trusted && (own || !self.settings.submission_requires_own_domain) {
                    Ok(())
                } else if self.trusted {
                    Err(not_yours())
                } else {
                    Err(Refusal::new::<530>(
                        Detail::SECURITY,
                        "Authentication required",
                    ))
                }
            }
        }
    }

    pub(super) async fn rcpt(&mut self, rcpt: Rcpt, answer: RcptAnswer) {
        let Some(address) = self.full_address(&rcpt) else {
            answer.refuse(&mut self.machine, unknown());
            return;
        };
        let (address, answers_nothing) = match self.unmarked(address) {
            Ok(read) => read,
            Err((address, refusal)) => {
                if let Err(over) = self.named_unknown().await {
                    return answer.refuse(&mut self.machine, over);
                }
                crate::metrics::count(crate::metrics::BACKSCATTER);
                self.refused("RCPT", Some(&address), refusal.reply(), ANSWERS_NOTHING)
                    .await;
                self.note_forged_bounce(&address).await;
                return answer.refuse(&mut self.machine, refusal);
            }
        };
        if let Err(limited) = self.may_add().await {
            return answer.refuse(&mut self.machine, limited);
        }
        if let Err(limited) = self.within_limits().await {
            return answer.refuse(&mut self.machine, limited);
        }
        match self.place(&address).await {
            Ok(place) => {
                self.open.targets.push(Target {
                    address,
                    place,
                    answers_nothing,
                });
                answer.accept(&mut self.machine);
            }
            Err(refusal) => {
                if refusal.reply().is_permanent()
                    && refusal != relaying_denied()
                    && let Err(over) = self.named_unknown().await
                {
                    return answer.refuse(&mut self.machine, over);
                }
                self.refused("RCPT", Some(&address), refusal.reply(), "")
                    .await;
                answer.refuse(&mut self.machine, refusal);
            }
        }
    }

    /// The recipient with a domain: `postmaster` alone is that of this server's domain (RFC 5321, 4.5.1).
    fn full_address(&self, rcpt: &Rcpt) -> Option<Address> {
        let directory = self.transfer.directory();
        let hostname = &self.settings.hostname;
        let domain = if directory.is_own(hostname) {
            hostname.clone()
        } else {
            directory.first_domain().unwrap_or_else(|| hostname.clone())
        };
        rcpt.forward_path.at(&domain)
    }

    /// The recipient without the mark of a signed return path, and whether a bounce to it answers nothing that was sent from
    /// here. `Err`: that is refused at once.
    fn unmarked(&self, address: Address) -> Result<(Address, bool), (Address, Refusal)> {
        let Some(rule) = &self.settings.return_path else {
            return Ok((address, false));
        };
        if !self.transfer.directory().is_own(address.domain()) {
            return Ok((address, false));
        }
        let now = self.transfer.world().now();
        let (plain, is_void) = match rule.read(&address, now) {
            Mark::Ours(plain) => return Ok((plain, false)),
            Mark::Void(plain) => (plain, true),
            Mark::None => (address.clone(), false),
        };
        // People, too, answer what a program shows as the sender, long after its mark is void; only a bounce answers a message.
        let is_bounce = self.open.sender().is_none();
        let from_outside = self.listener == Listener::Exchange && !self.trusted;
        // RFC 5321, section 4.5.1: these are never refused.
        let is_role = ROLES.contains(&plain.canonical().local());
        if !is_bounce || !from_outside || is_role || !rule.judges(&plain, now) {
            return Ok((plain, false));
        }
        match rule.unmarked {
            _ if is_void => Err((address, answers_nothing())),
            Unmarked::All => Err((address, answers_nothing())),
            _ => Ok((plain, true)),
        }
    }

    /// Counts a bounce that was refused since it answers nothing that was sent from here.
    pub(super) async fn note_forged_bounce(&self, recipient: &Address) {
        let hello = self.hello.as_ref().map_or("", |hello| hello.name.as_str());
        let recipient = recipient.to_string();
        self.transfer
            .note_forged_bounce(self.peer.ip(), hello, &recipient)
            .await;
    }

    async fn place(&self, address: &Address) -> Result<Place, Refusal> {
        if self.listener == Listener::Exchange && self.transfer.canary().is_at(address, self.peer) {
            return Ok(Place::Nowhere);
        }
        if self.listener == Listener::Exchange && self.transfer.canary().is_sink(address) {
            return Ok(Place::Sink);
        }
        let directory = self.transfer.directory();
        let is_own = directory.is_own(address.domain());
        if !is_own {
            if !self.listener.is_submission() {
                return Err(relaying_denied());
            }
            return Ok(Place::Queue(
                Hop::to(address.domain(), false, &self.settings).destination(),
            ));
        }
        if self.settings.roles.has_mailboxes() {
            return self.local_place(address).await;
        }
        match self.transfer.knows(&self.settings, address).await {
            Known::Yes => Ok(Place::Queue(
                Hop::to(address.domain(), true, &self.settings).destination(),
            )),
            Known::No(refusal) => Err(refusal),
        }
    }

    async fn local_place(&self, address: &Address) -> Result<Place, Refusal> {
        let size = self
            .open
            .mail
            .as_ref()
            .and_then(|mail| mail.size)
            .unwrap_or(0);
        match self.transfer.directory().resolve(address, size).await {
            Ok(Resolution::Local(recipients)) => Ok(Place::Here(recipients)),
            Ok(Resolution::Restricted(recipients, restriction)) => {
                if self.may_write(&restriction) {
                    Ok(Place::Here(recipients))
                } else {
                    Err(not_a_writer())
                }
            }
            Ok(Resolution::Unknown) => Err(unknown()),
            Ok(Resolution::OverQuota) => Err(over_quota()),
            Ok(Resolution::Unattended) => {
                tracing::error!(%address, "mail is put off: the site has no account yet that could keep it");
                Err(unattended())
            }
            Ok(Resolution::Foreign) => Err(relaying_denied()),
            Err(error) => Err(self.store_trouble(&error)),
        }
    }

    /// Whether this client may write to an address that not everybody may write to. Who has not logged in could claim to be
    /// anybody.
    fn may_write(&self, restriction: &Restriction) -> bool {
        match (restriction.writers, &self.login) {
            (Writers::Anyone, _) | (Writers::Inside, Some(_)) => true,
            (Writers::Inside, None) => self.listener.is_submission() && self.trusted,
            (Writers::Members | Writers::Named, Some(login)) => {
                restriction.accounts.contains(&login.account)
            }
            (Writers::Members | Writers::Named, None) => false,
        }
    }

    /// What a client is told when the store fails; the operator is told more.
    pub(super) fn store_trouble(&self, error: &store::Error) -> Refusal {
        crate::trouble::refusal(error, self.peer)
    }
}

/// Why a bounce was refused, in its event.
pub(super) const ANSWERS_NOTHING: &str = "forged-sender";
/// Local parts that take whatever comes.
const ROLES: [&str; 2] = ["postmaster", "abuse"];

pub(super) fn login_ended() -> Refusal {
    Refusal::new::<535>(Detail::BAD_CREDENTIALS, "Your login has ended")
}

fn too_many_bounces() -> Refusal {
    Refusal::new::<451>(
        Detail::new(4, 5),
        "Too much mail without a sender at once, try again later",
    )
}

pub(super) fn answers_nothing() -> Refusal {
    Refusal::new::<550>(
        Detail::NOT_AUTHORIZED,
        "The mail that this answers was not sent from here (its return path is not ours)",
    )
}

fn unknown() -> Refusal {
    Refusal::new::<550>(Detail::BAD_MAILBOX, "No such mailbox here")
}

/// RFC 5321, section 4.5.1: such an address exists, whether or not somebody has been named to read it.
fn unattended() -> Refusal {
    Refusal::new::<451>(
        Detail::NOT_ACCEPTING,
        "Nobody has been named to read this yet, try again later",
    )
}

fn relaying_denied() -> Refusal {
    Refusal::new::<550>(Detail::NOT_AUTHORIZED, "Relaying denied")
}

fn not_a_writer() -> Refusal {
    Refusal::new::<550>(Detail::NOT_AUTHORIZED, "You may not write to this address")
}

fn over_quota() -> Refusal {
    Refusal::new::<452>(Detail::MAILBOX_FULL, "The mailbox is full")
}
