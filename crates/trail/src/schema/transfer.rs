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
            Sometimes "recipient" Text: "The recipient, if it came from the queue.";
            Sometimes "attempt" Number: "Which attempt it was for this recipient, from 1; there if `recipient` is.";
            Sometimes "reply" Text: "`delivered`; there if `recipient` is.";
    }
    DeliveryRelayed {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENT, ATTEMPT, LAST_REPLY, HOST, TLS_TO_HOST, TLS_VERIFIED;
        facts:
            Sometimes "note" Text: "What was unusual: 8-bit text went to a server that does not offer 8BITMIME, or the recipient was taken out of the queue meanwhile.";
    }
    DeliveryDeferred {
        subject: "the message's queue id";
        outcome: Deferred;
        shared: SENDER, RECIPIENT, ATTEMPT, LAST_REPLY, HOST, TLS_TO_HOST, TLS_VERIFIED;
        facts:
    }
    DeliveryFailed {
        subject: "the message's queue id";
        outcome: Failure;
        shared: SENDER, RECIPIENT, ATTEMPT, LAST_REPLY, HOST, TLS_TO_HOST, TLS_VERIFIED;
        facts:
    }
    DeliveryExpired {
        subject: "the message's queue id";
        outcome: Failure;
        shared: SENDER, RECIPIENT, ATTEMPT, LAST_REPLY, HOST, TLS_TO_HOST, TLS_VERIFIED;
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

pub(super) const QUARANTINE: &[Schema] = schemas! {
    QuarantineKept {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENTS, CAUSE, PART;
        facts:
            Always "until" Text: "When it is deleted unless it is released (RFC 3339, UTC).";
    }
    QuarantineReleased {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENTS, CAUSE, PART;
        facts:
            Sometimes "queued_as" Text: "The queue id that it goes to another server as, if its recipients' mailboxes are there.";
    }
    QuarantineDeleted {
        subject: "the message's queue id";
        outcome: Success;
        shared: RECIPIENTS, PART;
        facts:
            Sometimes "sender" Text: "The envelope's sender, if it could be read; `<>` is the null sender.";
            Sometimes "cause" Text: "What had decided, as `verdict` of the message's event names it, if it could be read.";
            Sometimes "note" Text: "That the message's record could not be read, if it could not.";
    }
    QuarantineExpired {
        subject: "the message's queue id";
        outcome: Success;
        shared: SENDER, RECIPIENTS, CAUSE, PART;
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
            Always "told" Number: "How many accounts the notice went to; 0 if staff were not told.";
    }
    OutbreakEnded {
        subject: "the rule's number";
        outcome: Success, Failure;
        facts:
            Always "reason" Text: "Why, as it was typed, or that its time is over; a failure had been ended just before.";
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
        subject: "the message's queue id; of an incident, the identifier whose mail it is";
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
        shared: SENDER, RECIPIENTS, PART;
        facts:
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
