//! Logins, sessions, and what is done in mailboxes.

use super::Schema;

pub(super) const AUTHENTICATION: &[Schema] = schemas! {
    AuthenticationSucceeded {
        subject: "the identifier";
        outcome: Success;
        order: "the order on which somebody reads another's mailbox, if the login is for that";
        shared: SERVICE, SPOKEN, MECHANISM, CLIENT;
        facts:
            Always "tls" Boolean: "Whether the connection was encrypted.";
            Sometimes "app_password" Number: "Number of the app password, if it was one.";
            Sometimes "app_password_name" Text: "The name that its maker gave it; there if `app_password` is.";
            Sometimes "person" Text: "Short name of its maker; there if `app_password` is.";
            Sometimes "second_factor" Number: "Number of the second factor that was shown, if one was asked for.";
            Sometimes "second_factor_kind" Text: "Its kind: `totp` or `passkey`; there if `second_factor` is.";
            Sometimes "reading" Boolean: "True: it is to read another's mailbox, on the order.";
    }
    AuthenticationFailed {
        subject: "the identifier that was claimed, in the form in which it is looked up; may be empty";
        outcome: Refused;
        shared: SERVICE, SPOKEN, MECHANISM, CLIENT;
        facts:
            Always "tls" Boolean: "Whether the connection was encrypted.";
            Always "reason" Text: "Why it was refused; the client does not learn.";
            Sometimes "claimed" Text: "What was claimed, if it was written otherwise than the subject.";
    }
    RetrievalSession {
        subject: "the identifier";
        outcome: Success, Refused, Failure;
        shared: CLIENT, PROTOCOL, PERSON;
        facts:
            Always "fetched" Number: "How many messages text was fetched of, each counted once a mailbox.";
            Always "octets" Number: "Octets that were written to the client.";
            Always "deleted" Number: "How many messages were removed.";
            Always "appended" Number: "How many messages were put in.";
            Always "milliseconds" Number: "How long it took, from the login on.";
            Always "tls" Boolean: "Whether it was encrypted.";
            Always "end" Text: "Why it ended: `logout`, `closed`, `timed-out`, `shutdown`, `mailbox-deleted`, `account-changed`, `protocol-error`, `literal-too-large`, `busy`, `store-failed`, `too-many-sessions`, `in-use`.";
    }
};

pub(super) const MAILBOXES: &[Schema] = schemas! {
    MailboxCreated {
        subject: "the mailbox's name";
        outcome: Success;
        shared: PROTOCOL, PERSON;
        facts:
            Sometimes "use" Text: "Its special use, if it was given one (RFC 6154).";
    }
    MailboxRenamed {
        subject: "the mailbox's name before";
        outcome: Success;
        shared: PROTOCOL, PERSON;
        facts:
            Always "to" Text: "Its name from then on.";
    }
    MailboxDeleted {
        subject: "the mailbox's name";
        outcome: Success;
        shared: MESSAGES, PROTOCOL, PERSON;
        facts:
    }
    MailboxSubscribed {
        subject: "the mailbox's name";
        outcome: Success;
        shared: PROTOCOL, PERSON;
        facts:
            Always "subscribed" Boolean: "True: subscribed to; false: unsubscribed from.";
    }
    MailboxRead {
        subject: "the identifier whose mailbox it is";
        outcome: Success;
        order: "the order that permits it (clause 7.1(4))";
        shared: PROTOCOL, PERSON;
        facts:
            Always "asked" Text: "What for: `select`, `fetch`, `uid fetch` or `search`.";
            Always "of" Text: "The mailbox to be opened, or the messages to be fetched as a set of IMAP (`$` is the last search's result), perhaps cut with `…`; empty for a search.";
            OrNull "mailbox" Text: "The mailbox that was open when it was asked; null if none was.";
    }
    MessageAppended {
        subject: "the mailbox's name";
        outcome: Success;
        shared: MESSAGES, UIDS, PROTOCOL, PERSON;
        facts:
            Always "octets" Number: "Octets of all of them.";
    }
    AppendRefused {
        subject: "the mailbox's name";
        outcome: Refused;
        shared: PROTOCOL, PERSON;
        facts:
            Always "octets" Number: "Octets of the message.";
            Always "screening" Object: "What the scanners said of it, which rule against an outbreak means it, and what was decided, as in `smtp.refused`.";
    }
    MessageCopied {
        subject: "name of the mailbox that they are in";
        outcome: Success;
        shared: MESSAGES, UIDS, PROTOCOL, PERSON;
        facts:
            Always "to" Text: "Name of the mailbox that they were copied to.";
    }
    MessageMoved {
        subject: "name of the mailbox that they were in";
        outcome: Success;
        shared: MESSAGES, UIDS, PROTOCOL, PERSON;
        facts:
            Always "to" Text: "Name of the mailbox that they were moved to.";
    }
    MessageFlagged {
        subject: "the mailbox's name";
        outcome: Success;
        shared: MESSAGES, UIDS, PROTOCOL, PERSON;
        facts:
            Always "change" Text: "What was changed, as STORE writes it: `+FLAGS (…)`, `-FLAGS (…)` or `FLAGS (…)`.";
            Always "implicit" Boolean: "Whether it came of fetching text, which marks a message as seen, and not of a command to change flags.";
    }
    MessageExpunged {
        subject: "the mailbox's name";
        outcome: Success;
        shared: MESSAGES, UIDS, PROTOCOL, PERSON;
        facts:
    }
};
