//! Mail on its way, and the queue.

use super::Schema;

pub(super) const MAIL: &[Schema] = schemas! {
    TransactionAccepted {
        subject: "the queue id that the message got";
        outcome: Success;
        shared: SENDER, RECIPIENTS, TAKEN_SIZE, MESSAGE_ID, TAKEN_REPLY, HELLO, TAKEN_TLS, SCREENING, PART;
        facts:
    }
    TransactionRefused {
        subject: "the queue id that the message would have got, if it was screened";
        outcome: Refused;
        shared: STAGE, REFUSAL, OPEN_SENDER, REFUSED_RECIPIENT, REFUSED_RECIPIENTS, REFUSED_REASON, REFUSED_SIZE,
            FURTHER_REFUSALS, WAS_TLS, HELLO, SCREENING, PART;
        facts:
    }
    FloodRefused {
        subject: "none";
        outcome: Refused;
        facts:
            Always "since" Text: "When the first of it was refused (RFC 3339).";
            Always "until" Text: "Up to when it is told (RFC 3339).";
            Always "unknown_recipients" Number: "Recipients who are not here that were refused without an event of their own; each ended its session.";
            Always "null_senders" Number: "Transactions without a sender that were refused so.";
            Always "sessions" Number: "Sessions that were turned away before they were greeted.";
            Sometimes "limited" Number: "Recipients that were put off since a network is limited for an incident; absent if there were none.";
            Sometimes "drained" Number: "Transactions that were put off since no new mail is taken for an incident; absent if there were none.";
            Always "networks" List: "The client networks that most of it came from, at most 20, each with how many.";
            Always "network_count" Number: "How many client networks it came from, up to 10,000.";
    }
    SubmissionAccepted {
        subject: "the queue id that the message got";
        outcome: Success;
        shared: SENDER, RECIPIENTS, TAKEN_SIZE, MESSAGE_ID, TAKEN_REPLY, HELLO, TAKEN_TLS, PERSON, SCREENING, PART;
        facts:
    }
    SubmissionRefused {
        subject: "the queue id that the message would have got, if it was screened";
        outcome: Refused;
        shared: STAGE, REFUSAL, OPEN_SENDER, REFUSED_RECIPIENT, REFUSED_RECIPIENTS, REFUSED_REASON, REFUSED_SIZE,
            FURTHER_REFUSALS, WAS_TLS, HELLO, SCREENING, PART;
        facts:
    }
    SubmissionLimited {
        subject: "the identifier";
        outcome: Refused;
        facts:
            Always "limit" Text: "Which limit: `messages-per-hour`, `messages-per-day`, `recipients-per-hour` or `recipients-per-day`.";
            Always "most" Number: "How many it allows.";
            Always "until" Text: "When there is room again (RFC 3339).";
    }
    MessageDiscarded {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENTS, PART;
        facts:
    }
    DeliveryLocal {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, PART;
        facts:
            Sometimes "recipients" List: "The recipients' addresses, if it went to the mailboxes as it was accepted.";
            Sometimes "accounts" List: "Numbers of the accounts whose mailboxes it went to, as texts; there as `recipients` is.";
            Sometimes "junk" Boolean: "True: it went to their Junk mailboxes, as the screening decided; to INBOX where an account has none.";
            Sometimes "junk_accounts" List: "Numbers of those of `accounts` whose own lessons put it into Junk, as texts; there if it went into Junk for some only.";
            Sometimes "recipient" Text: "The recipient, if it came from the queue.";
            Sometimes "attempt" Number: "Which attempt it was for this recipient, from 1; there if `recipient` is.";
            Sometimes "reply" Text: "`delivered`; there if `recipient` is.";
    }
    DeliveryRelayed {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENT, ATTEMPT, LAST_REPLY, HOST, TLS_POLICY, TLS_TO_HOST, TLS_VERIFIED;
        facts:
            Sometimes "note" Text: "What was unusual: 8-bit text went to a server that does not offer 8BITMIME, or the recipient was taken out of the queue meanwhile.";
    }
    DeliveryDeferred {
        subject: "the message's queue id";
        outcome: Deferred;
        shared: SENDER, RECIPIENT, ATTEMPT, LAST_REPLY, HOST, TLS_POLICY, TLS_TO_HOST, TLS_VERIFIED;
        facts:
    }
    DeliveryFailed {
        subject: "the message's queue id";
        outcome: Failure;
        shared: SENDER, RECIPIENT, ATTEMPT, LAST_REPLY, HOST, TLS_POLICY, TLS_TO_HOST, TLS_VERIFIED;
        facts:
    }
    DeliveryExpired {
        subject: "the message's queue id";
        outcome: Failure;
        shared: SENDER, RECIPIENT, ATTEMPT, LAST_REPLY, HOST, TLS_POLICY, TLS_TO_HOST, TLS_VERIFIED;
        facts:
    }
    NotificationMade {
        subject: "the notification's queue id";
        outcome: Success, Failure;
        facts:
            Always "about" Text: "Queue id of the message that it is about.";
            Always "sender" Text: "`<>`: a notification has the null sender (RFC 3461, section 6).";
            Always "recipients" List: "Whom it is for: the sender of that message.";
            Always "actions" List: "What it reports, each once (RFC 3464, section 2.3.3): `failed`, `delayed`, `delivered` or `relayed`.";
            Sometimes "reason" Text: "Why it could not be given to anybody, if it could not.";
    }
    DeliveryForwarded {
        subject: "the queue id that the message was accepted as";
        outcome: Success;
        shared: RECIPIENTS;
        facts:
            Always "account" Text: "Address of the account that sends it on.";
            Always "queued_as" Text: "The queue id that it goes on as.";
    }
};

pub(super) const POLICIES: &[Schema] = schemas! {
    StsPolicyKept {
        subject: "the domain";
        outcome: Success;
        facts:
            Always "id" Text: "The id of the record that told of it (RFC 8461, section 3.1).";
            Always "mode" Text: "`enforce`, `testing` or `none`.";
            Always "mx" List: "The hosts that serve the domain, as the policy names them.";
            Always "until" Text: "Until when it holds, unless it is fetched again before.";
    }
    StsPolicyForgotten {
        subject: "the domain";
        outcome: Success;
        facts:
    }
};

pub(super) const BOUNCES: &[Schema] = schemas! {
    BounceReceived {
        subject: "the bounce's queue id";
        outcome: Success;
        facts:
            Always "to" List: "Whom the bounce is for: the sender of what was not delivered; at most 20.";
            Always "cause" Text: "Why it was not delivered: `no-mailbox`, `mailbox-full`, `too-large`, `not-wanted`, `not-believed`, `no-server`, `not-reached`, `loop` or `other`.";
            Always "permanent" Boolean: "Whether it will not be tried again.";
            Always "standard" Boolean: "Whether the bounce is in the standard's form (RFC 3464).";
            Sometimes "about" Text: "Message-ID of what was not delivered, without brackets, if it came back.";
            Sometimes "recipient" Text: "Who did not get it, if that could be made out.";
            Sometimes "domain" Text: "The domain of `recipient`.";
            Sometimes "status" Text: "The enhanced status code (RFC 3463), if one was told.";
            Sometimes "said" Text: "What the other server said, in at most 300 characters.";
    }
};

pub(super) const SCREENING: &[Schema] = schemas! {
    ScreeningPolicy {
        subject: "the policy's digest, as verdicts name it";
        outcome: Success;
        facts:
            Always "settings" Text: "BLAKE3 of the settings that it was read from, in hexadecimal; the store keeps them (`screening policy show`).";
            Sometimes "before" Text: "The digest of the policy that was in force before, if there was one.";
    }
    ScreeningTried {
        subject: "the digest of the policy that was tried";
        outcome: Success;
        facts:
            Always "from" Text: "Since when the mail came that was judged again (RFC 3339).";
            Always "judged" Number: "How many messages.";
            Always "otherwise" Number: "How many of them would have been treated otherwise, or for another reason.";
            Always "changes" Object: "How many would have been treated how instead of how, as `refuse instead of deliver`.";
            Always "unreadable" Number: "How many could not be judged, since their evidence is not whole.";
            Sometimes "lists" Object: "Of each DNS list that the policy has, how many messages it was `asked` about, how many of them it `listed` and for how many it was `unanswered`, and about how many it was `not_asked`: what it would have said of those is not known. Absent where the policy has none, or nothing was judged that lists are asked about.";
    }
    WordsLearned {
        subject: "the number of the account whose holder moved the message; empty where messages were brought";
        outcome: Success;
        facts:
            Always "junk" Boolean: "Whether it was said to be unwanted.";
            Sometimes "taught" Boolean: "Whether anything was learned: not of a message that is gone, or that the same was learned of before.";
            Sometimes "messages" Number: "How many messages were brought.";
            Sometimes "cause" Text: "What had decided that the message went into Junk when it came, as its `screening.marked` tells it; absent where nothing had, or nothing was learned. Moved out of Junk, it had been put there wrongly.";
            Sometimes "criterion" Text: "Which of the site's criteria of that cause had, if it has several.";
    }
    MailMarked {
        subject: "the message's queue id";
        outcome: Success;
        shared: CRITERION;
        facts:
            Always "cause" Text: "What had decided, as `verdict` of the message's event names it, here or on the exchange server that it came by; `words` where the lessons of a mailbox's own holder did; `unknown` where it was not told.";
            Always "mailboxes" Number: "How many Junk mailboxes it went into.";
    }
    SendersForgotten {
        subject: "empty";
        outcome: Success;
        facts:
            Always "count" Number: "How many networks, domains and senders were forgotten.";
    }
};

pub(super) const DMARC_REPORTS: &[Schema] = schemas! {
    DmarcReportSent {
        subject: "the domain whose record asks for reports";
        outcome: Success, Failure;
        facts:
            Always "from" Text: "Begin of the time that it is about (RFC 3339, UTC).";
            Always "until" Text: "End of that time: what comes later is told by the next report.";
            Always "messages" Number: "How many messages it tells of.";
            Always "rows" Number: "How many rows it has: messages of which the same was seen are one.";
            Sometimes "left_out" Number: "Messages that it does not tell of, since there were too many rows.";
            Always "to" List: "Addresses that it goes to.";
            Sometimes "report" Text: "The report's id, if one was made.";
            Sometimes "octets" Number: "Octets of the report as it is sent, if one was made.";
            Sometimes "unconfirmed" List: "Addresses of other domains that the record names, and that do not say that they want reports (RFC 9990, section 4).";
            Sometimes "too_small" List: "Addresses that take no report of this size.";
            Sometimes "reason" Text: "Why nobody was told, if nobody was.";
    }
    DmarcReportsDone {
        subject: "the day that they are about, in UTC";
        outcome: Success;
        facts:
            Always "reports" Number: "How many reports were sent in the last round.";
            Always "failed" Number: "How many could not be sent in it.";
    }
    DmarcReportReceived {
        subject: "the queue id of the message that it came in";
        outcome: Success;
        shared: PART;
        facts:
            Always "reporter" Text: "Who reports, in their own words.";
            Always "report" Text: "The report's id, unique for its reporter.";
            Always "domain" Text: "The own domain whose record was found.";
            Always "from" Text: "Begin of the time that it is about (RFC 3339, UTC).";
            Always "until" Text: "End of that time.";
            Always "policy" Text: "What the reporter found published: `none`, `quarantine` or `reject`.";
            Always "messages" Number: "How many messages it tells of.";
            Always "failed" Number: "How many of them passed neither by DKIM nor by SPF.";
            Always "shown" Boolean: "Whether DMARC showed that the message is from whom it says; anybody can write a report.";
            Sometimes "left_out" Number: "Rows that are not kept, since there were too many.";
            Sometimes "rows" List: "What was seen, a text each: source, messages, what was done, `dkim=` and `spf=` with `pass` or `fail`, and the author's domain.";
    }
    DmarcReportUnreadable {
        subject: "the message's queue id";
        outcome: Failure;
        facts:
            Always "reason" Text: "What is wrong with it.";
            Sometimes "file" Text: "Name of the attachment, if it has one.";
    }
};

pub(super) const TLS_REPORTS: &[Schema] = schemas! {
    TlsReportSent {
        subject: "the domain whose record asks for reports";
        outcome: Success, Failure;
        facts:
            Always "from" Text: "Begin of the time that it is about (RFC 3339, UTC).";
            Always "until" Text: "End of that time.";
            Always "sessions" Number: "How many sessions it tells of.";
            Always "failed" Number: "How many of them failed.";
            Always "report" Text: "The report's id.";
            Always "octets" Number: "Octets of the report as it is packed.";
            Always "to" List: "Addresses that it goes to by mail.";
            Always "handed" List: "URLs that took it.";
            Sometimes "refused" List: "URLs that did not take it, each with why.";
            Sometimes "reason" Text: "Why nobody was told, if nobody was.";
    }
    TlsReportsDone {
        subject: "the day that they are about, in UTC";
        outcome: Success, Failure;
        facts:
            Always "reports" Number: "How many reports were sent in the last round.";
            Always "failed" Number: "How many could not be sent in it.";
            Always "forgotten" Number: "Sessions that were forgotten without a report: nobody wanted one, or could be told.";
            Sometimes "reason" Text: "Why the day is not tried again although domains could not be asked or told.";
    }
    TlsReportReceived {
        subject: "the queue id of the message that it came in";
        outcome: Success;
        shared: PART;
        facts:
            Always "reporter" Text: "Who reports, in their own words.";
            Always "report" Text: "The report's id, unique for its reporter.";
            Always "domains" List: "The own domains that it is about; at most 20.";
            Always "from" Text: "Begin of the time that it is about (RFC 3339, UTC).";
            Always "until" Text: "End of that time.";
            Always "sessions" Number: "How many sessions with servers of own domains it tells of.";
            Always "failed" Number: "How many of them failed.";
            Always "shown" Boolean: "Whether DMARC showed that the message is from whom it says; anybody can write a report.";
            Sometimes "again" Boolean: "That the same report came before: it counts once.";
            Sometimes "others" Number: "Policies of domains that are none of this site's, which are not kept.";
            Sometimes "left_out" Number: "Policies and failures that are not kept, since there were too many.";
            Sometimes "rows" List: "What was seen, a text each: domain, kind of policy, `ok` or how it failed, sessions, and for a failure the host, its address (`-`: not told), and more.";
    }
    TlsReportUnreadable {
        subject: "the message's queue id";
        outcome: Failure;
        facts:
            Always "reason" Text: "What is wrong with it.";
            Sometimes "file" Text: "Name of the attachment, if it has one.";
    }
};

pub(super) const QUARANTINE: &[Schema] = schemas! {
    QuarantineKept {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENTS, CAUSE, CRITERION, PART;
        facts:
            Always "until" Text: "When it is deleted unless it is released (RFC 3339, UTC).";
    }
    QuarantineReleased {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENTS, CAUSE, CRITERION, PART;
        facts:
            Sometimes "queued_as" Text: "The queue id that it goes to another server as, if its recipients' mailboxes are there.";
    }
    QuarantineDeleted {
        subject: "the message's queue id";
        outcome: Success;
        shared: RECIPIENTS, CRITERION, PART;
        facts:
            Sometimes "sender" Text: "The envelope's sender, if it could be read; `<>` is the null sender.";
            Sometimes "cause" Text: "What had decided, as `verdict` of the message's event names it, if it could be read.";
            Sometimes "note" Text: "That the message's record could not be read, if it could not.";
    }
    QuarantineExpired {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENTS, CAUSE, CRITERION, PART;
        facts:
    }
    QuarantineTold {
        subject: "whom the notice is for";
        outcome: Success, Failure;
        facts:
            Always "messages" Number: "How many messages it tells of.";
            Sometimes "reason" Text: "Why it could not be given to anybody, if it could not.";
    }
};

pub(super) const OUTBREAKS: &[Schema] = schemas! {
    OutbreakBegun {
        subject: "the rule's number";
        outcome: Success;
        facts:
            Always "marks" Object: "What mail it means, all of it: `sha256` of an attachment or of the message, `name` and `type` of an attachment, `sender` (address or domain), `subject`; `*` and `?` stand for any characters and for one.";
            Always "handling" Text: "What it does: `refuse` or `quarantine`.";
            Always "reason" Text: "Why, as it was typed.";
            Always "until" Text: "When it ends by itself (RFC 3339, UTC).";
            Sometimes "notice" Text: "The words for staff beside what the notice says by itself, if staff are to be told: it waits until another person approves it.";
            Sometimes "asked" Number: "How many officers and administrators were asked by mail to approve the notice.";
            Sometimes "told" Number: "How many accounts the notice went to, when it went at once, before notices were approved; 0 if staff were not told.";
    }
    OutbreakNoticeComposed {
        subject: "the rule's number";
        outcome: Success;
        facts:
            Always "notice" Text: "The words for staff beside what the notice says by itself; they take the place of those before.";
            Always "asked" Number: "How many officers and administrators were asked by mail to approve the notice.";
    }
    OutbreakNoticeApproved {
        subject: "the rule's number";
        outcome: Success;
        shared: SINGLE_PERSON;
        facts:
            Always "notice" Text: "The words for staff beside what the notice says by itself.";
            Always "composed_by" Text: "Short name of who composed it.";
            Always "told" Number: "How many accounts it went to.";
    }
    OutbreakEnded {
        subject: "the rule's number";
        outcome: Success, Failure;
        facts:
            Always "reason" Text: "Why, as it was typed, or that its time is over; a failure had been ended just before.";
    }
    OutbreakSearched {
        subject: "the rule's number";
        outcome: Success;
        facts:
            Always "since" Text: "Mail that came at this time or later was looked at (RFC 3339, UTC).";
            Always "looked" Number: "How many messages, of all accounts.";
            Always "found" Number: "How many of them the rule means.";
            Always "accounts" Number: "How many accounts have them.";
            Always "unreadable" Number: "How many could not be read.";
    }
    OutbreakPulled {
        subject: "the rule's number";
        outcome: Success, Failure;
        shared: SINGLE_PERSON;
        facts:
            Always "email" Text: "The message's EMAILID.";
            Always "account" Text: "The address of the account that had it.";
            Sometimes "sender" Text: "The envelope's sender, if the message could still be read; `<>` is the null sender.";
            Sometimes "message_id" Text: "Its Message-ID without brackets; empty if it has none.";
            Always "reason" Text: "Why, as the officer who approved it typed it.";
            Sometimes "held" Text: "The id under which it is set apart. A failure was in no mailbox any more.";
            Sometimes "until" Text: "When it will be deleted (RFC 3339, UTC).";
    }
};

pub(super) const ABUSE: &[Schema] = schemas! {
    AbuseReportSent {
        subject: "the queue id of the message with malware";
        outcome: Success;
        facts:
            Always "source" Text: "The address that it came from.";
            Always "malware" Text: "What a scanner calls it.";
            Always "reason" Text: "Why, as the officer who approved it typed it.";
            Always "to" Text: "Whom the report went to.";
    }
    AbuseReportDropped {
        subject: "the queue id of the message with malware";
        outcome: Success;
        facts:
            Always "source" Text: "The address that it came from.";
            Always "malware" Text: "What a scanner calls it.";
            Always "reason" Text: "Why, as it was typed.";
    }
    AbuseReportsForgotten {
        subject: "empty";
        outcome: Success;
        facts:
            Always "count" Number: "How many.";
    }
};

pub(super) const SIGNING: &[Schema] = schemas! {
    SigningKeyMade {
        subject: "the domain that the key signs for";
        outcome: Success;
        shared: SELECTOR, SIGNING_ALGORITHM;
        facts:
    }
    SigningKeyStarted {
        subject: "the domain that the key signs for";
        outcome: Success;
        shared: SELECTOR, SIGNING_ALGORITHM;
        facts:
    }
    SigningKeyStopped {
        subject: "the domain that the key signed for";
        outcome: Success;
        shared: SELECTOR, SIGNING_ALGORITHM;
        facts:
    }
    SigningKeyGone {
        subject: "the domain that the key signed for";
        outcome: Success;
        shared: SELECTOR, SIGNING_ALGORITHM;
        facts:
    }
    SigningTold {
        subject: "";
        outcome: Success;
        facts:
            Always "records" List: "Names of the records.";
            Always "told" Number: "How many administrators were told by mail.";
    }
};

pub(super) const QUEUE: &[Schema] = schemas! {
    QueueHeld {
        subject: "the message's queue id; of an incident, the identifier or the network address whose mail it is, a message that came after, or what a lever was used on (`identifier:` or `domain:`)";
        outcome: Success, Failure;
        shared: PART;
        facts:
            Sometimes "sender" Text: "The envelope's sender, if it was held by command; `<>` is the null sender.";
            Sometimes "recipients" List or Number: "The recipients that were held by command; of an incident, how many.";
            Sometimes "incident" Number: "The incident that it was held for (clause 4.1), if it was for one.";
            Sometimes "reason" Text: "What is wrong with a message that cannot be read, if the server held it by itself.";
    }
    QueueReleased {
        subject: "the message's queue id";
        outcome: Success;
        order: "the order that its sender's account was deleted on, if it was released by that";
        shared: SENDER, RECIPIENTS, PART;
        facts:
            Sometimes "incident" Number: "The incident by whose lever or step it was released, if it was by one.";
    }
    QueueRetried {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENTS, PART;
        facts:
    }
    QueueDiscarded {
        subject: "the message's queue id";
        outcome: Success;
        order: "the order that its sender's account was deleted on, if it was discarded by that";
        shared: RECIPIENTS, PART;
        facts:
            Sometimes "sender" Text: "The envelope's sender, if it could be read; `<>` is the null sender.";
            Always "reason" Text: "Why, as it was typed.";
            Sometimes "note" Text: "That the message's record could not be read, if it could not.";
    }
    QueueBounced {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENTS, PART;
        facts:
            Always "reason" Text: "Why, as it was typed.";
    }
};
