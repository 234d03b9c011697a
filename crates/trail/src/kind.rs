//! The kinds of events, each with the name that the trail keeps for ever.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal),* $(,)?) => {
        /// What an event tells. A name, once used, keeps its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub enum Kind { $($(#[doc = $doc])+ $variant),* }

        impl Kind {
            /// Every kind, in the order of this file.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name in the trail.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii_start()),* }
            }
        }
    };
}

kinds! {
    // The server.
    /// The server began to serve.
    ServerStarted = "server.started",
    /// The server stopped in order.
    ServerStopped = "server.stopped",
    /// Settings were read and took effect; the detail holds their digest.
    SettingsLoaded = "settings.loaded",
    /// The clock was put back: events keep the time of the last one until it has caught up.
    ClockBehind = "server.clock-behind",
    /// The clock was set while the server ran, by more than the site permits; the detail holds by how much.
    ClockJumped = "server.clock-jumped",
    /// A person gave a command; the detail holds its words and how it ended.
    CommandGiven = "command.given",
    /// An account was made at an authority that gives certificates (RFC 8555).
    CertificateAccountMade = "certificate.account-made",
    /// A certificate was had from an authority and is in use.
    CertificateObtained = "certificate.obtained",
    /// No certificate could be had from an authority; it is tried again.
    CertificateFailed = "certificate.failed",
    /// A scanner came with other definitions (clause 5.2(3)).
    ScannerDefinitions = "scanner.definitions",
    /// Other YARA rules are in force, or were not put in force for a fault (clause 5.2(3)).
    ScannerRules = "scanner.rules",
    /// A scanner cannot be used: what comes meanwhile is put off, or treated as the settings say.
    ScannerDown = "scanner.down",
    /// A scanner can be used again.
    ScannerUp = "scanner.up",
    /// A canary was sent to see whether the scanners catch it.
    ScannerCanary = "scanner.canary",

    /// A probe of the server's own listeners begins; the detail holds how its attempts to relay can be told from others'.
    ProbeBegun = "probe.begun",
    /// The server's own listeners were probed from outside (clauses 4.3(6), 5.1(1)); the detail holds what failed.
    ProbeDone = "probe.done",

    // Clauses at work.
    /// What a clause rests on stands otherwise than before.
    ClauseStanding = "clause.standing",
    /// All that the clauses rest on was looked at; told once a day.
    ClausesReviewed = "clause.reviewed",
    /// Work begins to come round: the first task is opened when the period under way has ended.
    TaskBegins = "task.begins",
    /// A task came round, and its facts were prepared.
    TaskOpened = "task.opened",
    /// Those who owe a task, or those above them, were told of it.
    TaskReminded = "task.reminded",
    /// A task was done.
    TaskDone = "task.done",
    /// Another person approved what was done, and the task is closed.
    TaskApproved = "task.approved",
    /// Another person did not approve it: it is to be done again.
    TaskRejected = "task.rejected",
    /// A report to the holders of a role was made.
    ReportMade = "report.made",
    /// A report was sent to the holders of its role.
    ReportSent = "report.sent",
    /// A holder of the role acknowledged a report.
    ReportAcknowledged = "report.acknowledged",
    /// What mailboxes take was measured (clause 6.2(1)).
    CapacityMeasured = "capacity.measured",
    /// Outside experts came to be at hand by a contract (clause 10.1(2)).
    ExpertAdded = "expert.added",
    /// The contract of outside experts was renewed, or its contact changed.
    ExpertRenewed = "expert.renewed",
    /// The contract of outside experts ended before its time.
    ExpertEnded = "expert.ended",
    /// It was tried whether outside experts can be reached.
    ExpertDrilled = "expert.drilled",

    // MTA and MSA (clause 4.2(1)a, b).
    /// An SMTP transaction of the exchange was accepted.
    TransactionAccepted = "smtp.accepted",
    /// An SMTP transaction of the exchange, or a recipient of it, was refused.
    TransactionRefused = "smtp.refused",
    /// Mail to nobody or without a sender was more than its budgets, and turned away; told in sum, a minute at a time (clause 5.5(3)).
    FloodRefused = "smtp.flood-refused",
    /// A submission was accepted.
    SubmissionAccepted = "submission.accepted",
    /// A submission, or a recipient of it, was refused.
    SubmissionRefused = "submission.refused",
    /// An identifier met the limit of what it may submit; what follows in the same hour is refused without an event.
    SubmissionLimited = "submission.limited",
    /// A message was accepted and thrown away, as the site wants it done with malware.
    MessageDiscarded = "message.discarded",
    /// A message was put into mailboxes.
    DeliveryLocal = "delivery.local",
    /// A recipient was handed to the next server.
    DeliveryRelayed = "delivery.relayed",
    /// An attempt failed and will be repeated.
    DeliveryDeferred = "delivery.deferred",
    /// A recipient failed for good.
    DeliveryFailed = "delivery.failed",
    /// A recipient's time in the queue ran out.
    DeliveryExpired = "delivery.expired",
    /// A delivery status notification was made.
    NotificationMade = "delivery.notification",
    /// Queued mail was held.
    QueueHeld = "queue.held",
    /// Queued mail was released from hold.
    QueueReleased = "queue.released",
    /// Queued mail was told to try at once.
    QueueRetried = "queue.retried",
    /// Queued mail was discarded without a notification (clause 5.4(2)).
    QueueDiscarded = "queue.discarded",
    /// Queued mail was returned by command.
    QueueBounced = "queue.bounced",

    /// A bounce was accepted: mail was not delivered elsewhere (clause 5.5(1)).
    BounceReceived = "bounce.received",

    // What screening remembers, and by what it decides (clause 5.3).
    /// Another screening policy is in force.
    ScreeningPolicy = "screening.policy",
    /// Another policy was tried on mail of the last days; nothing was changed (clause 5.3(1)).
    ScreeningTried = "screening.tried",
    /// A message was put into Junk mailboxes by what screening decided; the detail holds why (clause 5.3(2)).
    MailMarked = "screening.marked",
    /// Words were learned from a message that somebody moved into Junk or out of it, or that was brought for that.
    WordsLearned = "screening.learned",
    /// Those were forgotten that did not send mail here for a long time.
    SendersForgotten = "screening.forgotten",
    // Aggregate reports of DMARC (RFC 9990).
    /// A domain was told what was seen of mail in its name, or could not be.
    DmarcReportSent = "dmarc.report-sent",
    /// All reports about a day were sent.
    DmarcReportsDone = "dmarc.reports-done",
    /// Somebody reported what was seen of mail in an own domain's name.
    DmarcReportReceived = "dmarc.report-received",
    /// What came to the address for reports could not be read as one.
    DmarcReportUnreadable = "dmarc.report-unreadable",
    // Reports about TLS between servers (RFC 8460).
    /// A domain was told how connections to its servers came to be, or could not be.
    TlsReportSent = "tls.report-sent",
    /// All reports about a day were sent, and what is left of it is forgotten.
    TlsReportsDone = "tls.reports-done",
    /// Somebody reported how connections to an own domain's servers came to be.
    TlsReportReceived = "tls.report-received",
    /// What came to the address for such reports could not be read as one.
    TlsReportUnreadable = "tls.report-unreadable",

    // The quarantine (clause 5.3(2)).
    /// A message was accepted and set apart; the detail holds why, and until when.
    QuarantineKept = "quarantine.kept",
    /// A message that was set apart went to recipients; the detail holds why it had been set apart.
    QuarantineReleased = "quarantine.released",
    /// A message that was set apart was deleted by command.
    QuarantineDeleted = "quarantine.deleted",
    /// A message that was set apart was deleted because its time was over.
    QuarantineExpired = "quarantine.expired",
    /// Somebody was told by mail what is set apart for them.
    QuarantineTold = "quarantine.told",

    // What other domains demand of those who send them mail (RFC 8461).
    /// A policy (MTA-STS) of another domain was fetched and is kept.
    StsPolicyKept = "sts.kept",
    /// A policy (MTA-STS) of another domain ended, and could not be fetched again.
    StsPolicyForgotten = "sts.forgotten",
    // Outbreaks (clause 5.2(2)).
    /// A rule against an outbreak holds from now on; the notice to staff, if one is wanted, waits to be approved.
    OutbreakBegun = "outbreak.begun",
    /// The notice to staff about a rule against an outbreak was composed anew, and waits to be approved.
    OutbreakNoticeComposed = "outbreak.notice-composed",
    /// The notice to staff about a rule against an outbreak was approved and sent.
    OutbreakNoticeApproved = "outbreak.notice-approved",
    /// A rule against an outbreak does not hold any more.
    OutbreakEnded = "outbreak.ended",
    /// The mailboxes were searched for mail that a rule against an outbreak means.
    OutbreakSearched = "outbreak.searched",
    /// A message was pulled out of the mailboxes of an account and set apart, or was not there any more.
    OutbreakPulled = "outbreak.pulled",
    // Reports of abuse (clause 5.2(6)).
    /// A report of abuse about malware from outside was approved and sent.
    AbuseReportSent = "abuse.sent",
    /// A report of abuse that was prepared is not to be sent.
    AbuseReportDropped = "abuse.dropped",
    /// Reports of abuse that were old were forgotten.
    AbuseReportsForgotten = "abuse.forgotten",

    // Software and its vulnerabilities (clauses 4.3, 8.3).
    /// It was looked which software runs here.
    SoftwareListed = "software.listed",
    /// A feed of vulnerabilities was read, or could not be.
    VulnFeedImported = "vuln.feed-imported",
    /// A case was opened: a feed tells of a vulnerability of software that runs here.
    VulnOpened = "vuln.opened",
    /// What feeds say about a case, or the software that it touches, has changed.
    VulnUpdated = "vuln.updated",
    /// Those who have to act were told of cases by mail.
    VulnTold = "vuln.told",
    /// A person took a step in a case, or the server opened a closed one again.
    VulnStep = "vuln.step",

    // Keys that mail is signed with (RFC 6376).
    /// A key to sign mail with was made; it waits for its record to be shown in the DNS.
    SigningKeyMade = "signing.made",
    /// A key signs from now on.
    SigningKeyStarted = "signing.started",
    /// A key has stopped to sign, and its private part was destroyed.
    SigningKeyStopped = "signing.stopped",
    /// The record of a key that has stopped is not needed any more.
    SigningKeyGone = "signing.gone",
    /// Administrators were told which records to publish or to remove.
    SigningTold = "signing.told",

    /// A message for an account goes on to addresses elsewhere; the detail holds the account, and the queue id it goes on as.
    DeliveryForwarded = "delivery.forwarded",

    // Authentication (clauses 4.2(1)b, c).
    /// An identifier proved itself.
    AuthenticationSucceeded = "authentication.succeeded",
    /// A proof was refused.
    AuthenticationFailed = "authentication.failed",

    // MRA (clause 4.2(1)d) and mailboxes.
    /// An MRA session ended; the detail holds counts and bytes.
    RetrievalSession = "retrieval.session",
    /// A mailbox was made.
    MailboxCreated = "mailbox.created",
    /// A mailbox was renamed.
    MailboxRenamed = "mailbox.renamed",
    /// A mailbox was deleted with its messages.
    MailboxDeleted = "mailbox.deleted",
    /// A mailbox was subscribed to or unsubscribed from.
    MailboxSubscribed = "mailbox.subscribed",
    /// Messages were appended by their owner.
    MessageAppended = "message.appended",
    /// A message that a client wanted to append was not kept: the scanners found malware in it or did not answer, or a rule against an outbreak means it.
    AppendRefused = "message.append-refused",
    /// Messages were copied.
    MessageCopied = "message.copied",
    /// Messages were moved.
    MessageMoved = "message.moved",
    /// Flags were changed.
    MessageFlagged = "message.flagged",
    /// Messages were expunged.
    MessageExpunged = "message.expunged",

    // People, orders, accounts (clauses 7.1, 9).
    /// A person was entered.
    PersonAdded = "person.added",
    /// An operating-system user was taken from a person.
    PersonUnmapped = "person.unmapped",
    /// A person left.
    PersonLeft = "person.left",
    /// The personnel clerk announced a person (clause 9.1(1)).
    ArrivalNoted = "person.arrives",
    /// The personnel's list was held against the directory (clause 7.1(3)).
    RosterCompared = "person.roster",
    /// The language was set in which a person is written to.
    PersonLanguage = "person.language",
    /// A role was granted.
    RoleGranted = "role.granted",
    /// A role was revoked.
    RoleRevoked = "role.revoked",
    /// An order was issued.
    OrderIssued = "order.issued",
    /// An order was approved.
    OrderApproved = "order.approved",
    /// An account was issued.
    AccountIssued = "account.issued",
    /// An account was deleted, and its key destroyed.
    AccountDeleted = "account.deleted",
    /// An account was suspended.
    AccountSuspended = "account.suspended",
    /// An account was resumed.
    AccountResumed = "account.resumed",
    /// An account's password was set, by its holder or an account manager.
    PasswordChanged = "account.password",
    /// A stored secret was rewritten with today's scheme after a login.
    PasswordUpgraded = "account.password-upgraded",
    /// A password for one mail program was made.
    AppPasswordMade = "account.app-password",
    /// A password for one mail program was given up, or expired.
    AppPasswordRevoked = "account.app-password-revoked",
    /// A second factor was added.
    SecondFactorAdded = "account.second-factor",
    /// A second factor was removed.
    SecondFactorRemoved = "account.second-factor-removed",
    /// An identifier is shared by some people, on an order (clause 8.1).
    IdentifierShared = "account.shared",
    /// An identifier is its holder's alone again.
    IdentifierUnshared = "account.unshared",
    /// Administrators and users were told of a decision on a shared identifier (clauses 7.1(2)a, 8.1(2)).
    SharingTold = "account.sharing-told",
    /// Those who share an identifier were warned that the decision is to be reviewed.
    ReviewWarned = "account.review-warned",
    /// Somebody may read another's mailbox, on an order (clause 7.1(4)).
    ReadingOpened = "account.reading",
    /// Somebody may not read another's mailbox any more.
    ReadingEnded = "account.reading-ended",
    /// Another's mailbox was read, on an order; the detail holds what was asked for.
    MailboxRead = "mailbox.read",
    /// Mail of an account goes on to another address from now on.
    ForwardAdded = "account.forward",
    /// Mail of an account does not go on to that address any more.
    ForwardRemoved = "account.forward-removed",
    /// An account's quota or addresses were changed.
    AccountChanged = "account.changed",

    /// The notice that mail records are kept and analysed was given to a person (clause 9.1(2)).
    NoticeGiven = "person.notified",
    /// A person said that they know that mail records are kept and analysed (clause 9.1(2)).
    NoticeAcknowledged = "person.acknowledged",
    /// A person's departure was announced, or put on another day (clause 9.2(1)).
    DepartureNoted = "person.departs",
    /// A sealed letter with a new initial password was made (clause 7.1(1)c).
    LetterMade = "account.letter",
    /// The handing-over of a sealed letter was recorded.
    LetterHanded = "account.letter-handed",
    /// An account may not be deleted until further notice.
    HoldPlaced = "account.hold-placed",
    /// An account may be deleted again.
    HoldLifted = "account.hold-lifted",
    /// Somebody asked that an entry of the register is erased (clause 7.1(5)).
    ErasureAsked = "register.erasure-asked",
    /// An entry of the register was erased with a security officer's approval.
    EntryErased = "register.erased",
    /// The holder of an idle identifier was warned (clause 7.1(3)).
    IdleWarned = "account.idle-warned",
    /// The holder of an identifier was warned that its password may cross the network unencrypted (clause 4.1(2)).
    PlaintextWarned = "account.plaintext-warned",

    /// Connections from a network are not taken any more (clause 5.2(5)).
    AddressBlocked = "address.blocked",
    /// Connections from a network are taken again; the detail holds why they were not.
    AddressUnblocked = "address.unblocked",

    // Incidents (clauses 4.1, 5.2(5), 5.5(2)).
    /// An incident was opened.
    IncidentOpened = "incident.opened",
    /// A step of an incident was taken; the detail holds which.
    IncidentStep = "incident.step",
    /// An incident was closed.
    IncidentClosed = "incident.closed",
    /// A lever was used from an incident, or what it did was undone; the detail holds which, and on what.
    IncidentActed = "incident.acted",
    /// An identifier, a network or a domain may have only so much mail in a time, for an incident (clauses 4.4(2), 8.4(1)).
    LimitPlaced = "limit.placed",
    /// It may have as much as before; the detail holds how much it was.
    LimitLifted = "limit.lifted",
    /// No new mail is taken, for an incident, while what waits is delivered (clauses 4.4(2), 8.4(1)).
    DrainBegun = "drain.begun",
    /// New mail is taken again.
    DrainEnded = "drain.ended",
    /// Somebody was told of a step of an incident that is late; the detail holds who.
    IncidentReminded = "incident.reminded",
    /// A runbook came into force; the detail holds its version and its digest.
    RunbookInForce = "runbook.in-force",

    // Traffic (clause 4.4).
    /// An hour of traffic is over; the detail holds what was counted, and how it was judged.
    TrafficHour = "traffic.hour",
    /// Traffic became normal, unusual, alarming or unknown; the detail holds by what.
    TrafficState = "traffic.state",
    /// Old hours of traffic were folded into days, or old days were forgotten.
    TrafficFolded = "traffic.folded",

    // The trail itself.
    /// Somebody searched the trail (clause 8.2(1)a).
    TrailRead = "audit.read",
    /// A destination began to be given the trail; the subject is its name, the detail holds after which event.
    TrailForwarded = "audit.forwarded",
    /// Somebody verified the trail; the detail holds how many events, up to which checkpoint, and what was found.
    TrailVerified = "audit.verified",
    /// A checkpoint was given out, to be kept elsewhere.
    TrailWitnessed = "audit.checkpoint",
    /// The proof that an event is in the trail was given out.
    TrailProved = "audit.proved",
    /// The trail was reviewed: a report was made (clause 8.2(2)); the detail holds its digest.
    TrailReviewed = "audit.reviewed",
    /// A volume of the trail was sealed (clause 4.2(2)); the detail holds its events and root.
    VolumeSealed = "audit.sealed",
    /// An officer decided that a volume is to be erased, or kept longer (clause 4.2(3)); before and after.
    VolumeDecided = "audit.decided",
    /// The erasure of a volume began.
    VolumeErasing = "audit.erasing",
    /// A volume was erased; the detail holds the certificate.
    VolumeErased = "audit.erased",
    /// A volume of the trail is about to be written to a medium; `audit.exported` follows unless that was cut short.
    VolumeExporting = "audit.exporting",
    /// A volume of the trail was written to a medium and read back.
    VolumeExported = "audit.exported",
    /// A bundle for an auditor, or the evidence of one clause with its proofs, was made; the detail holds the digest of its manifest.
    TrailBundled = "audit.bundled",
    /// A medium with a volume of the trail was put somewhere, or given to somebody (clause 8.2(1)b).
    CustodyNoted = "audit.custody",

    // The store.
    /// Bodies that nobody owns any more were erased.
    BodiesCollected = "store.collected",
    /// Bodies of a segment that is mostly dead were written anew elsewhere; the detail holds the segment, and how many.
    BodiesMoved = "store.moved",
    /// `verify --repair` put something right; the detail holds what was found, and what it was before and after.
    StoreRepaired = "store.repaired",
    /// The store is about to be copied; `store.backed-up` follows unless that was cut short.
    StoreBackingUp = "store.backing-up",
    /// The store was copied; the detail holds where to, and how much.
    StoreBackedUp = "store.backed-up",
    /// Deletions were carried out again in a backup from before them; the detail holds how many accounts and messages.
    BackupPurged = "store.backup-purged",
    /// A person said that a backup is no more; the detail holds how that is known.
    BackupGone = "store.backup-gone",
    /// The store was made from a backup; the detail holds where from, how old it is, and which numbers jumped.
    StoreRestored = "store.restored",

    // The regulation.
    /// The site's own regulation was written as a document.
    RegulationRendered = "regulation.rendered",
    /// The regulation, and how each clause stands, were written for machines (OSCAL).
    RegulationExported = "regulation.exported",
}

/// A name that no kind has.
#[derive(Debug, thiserror::Error)]
#[error("no event kind is called {0:?}")]
pub struct UnknownKind(pub String);

impl std::str::FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == name)
            .ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        kind.as_str().to_owned()
    }
}

impl TryFrom<String> for Kind {
    type Error = UnknownKind;

    fn try_from(name: String) -> Result<Self, UnknownKind> {
        name.parse()
    }
}
