//! Facts that several kinds share.

use super::{Fact, Holds, When};

macro_rules! facts {
    ($($(#[$doc:meta])* $const:ident = $when:ident $name:literal $holds:ident: $meaning:literal;)*) => {
        $($(#[$doc])* pub(super) const $const: Fact = Fact {
            name: $name,
            holds: Holds::$holds,
            or: None,
            when: When::$when,
            meaning: $meaning,
        };)*
    };
}

/// Those that the documentation tells of once, since many kinds share them.
pub const COMMON: &[Fact] = &[
    TRUNCATED,
    ACTING_ROLE,
    PART,
    SINGLE_PERSON,
    PROTOCOL,
    PERSON,
    MESSAGES,
    UIDS,
];

/// Those that may stand in events of every kind.
pub(super) const EVERYWHERE: &[Fact] = &[TRUNCATED, ACTING_ROLE];

facts! {
    /// What the store adds to an event of any kind that was too large.
    TRUNCATED = Sometimes "truncated" Number:
        "The facts were larger than an event may be (16 KiB as JSON), so that some were shortened or left out; this is how many octets all of them had.";
    /// What the directory adds to what a person did by a role.
    ACTING_ROLE = Sometimes "acting_role" Text:
        "The role by which the person might do what the event tells: the first of those that permit it and that the person held then; absent where any person may, and where nobody did it.";
    /// What `Event::in_parts` adds.
    PART = Sometimes "part" Text:
        "A list was too long for one event: this is one of several with the same facts and their shares of the lists, as in `2 of 3`.";
    /// What the directory adds where one person did what the regulation gives to two.
    SINGLE_PERSON = Sometimes "single_person" Boolean:
        "True: one person did what the regulation gives to two, as the settings permit it while there is no second (`allow_single_person`).";
    PROTOCOL = Always "protocol" Text:
        "What the session spoke: `imap` or `pop3`.";
    PERSON = Sometimes "person" Text:
        "Short name of the person whose app password it was; absent where the session began with the account's password.";
    MESSAGES = Always "messages" Number:
        "How many messages it was.";
    UIDS = Always "uids" Text:
        "Their UIDs in the mailbox, as a set of IMAP (RFC 9051, section 9); one longer than 4000 characters ends in `…`.";

    SENDER = Always "sender" Text:
        "The envelope's sender; `<>` is the null sender.";
    RECIPIENT = Always "recipient" Text:
        "The envelope's recipient.";
    RECIPIENTS = Always "recipients" List:
        "The recipients' addresses.";
    HELLO = Sometimes "hello" Text:
        "The name that the client gave in EHLO or HELO, once it had.";

    CAUSE = Always "cause" Text:
        "What had decided that it was set apart, as `verdict` of the message's event names it.";

    CRITERION = Sometimes "criterion" Text:
        "Which of the site's criteria of that cause had decided, if it has several: the DNS list, the rule, the tag, the milter.";

    SELECTOR = Always "selector" Text:
        "The key's selector (RFC 6376, section 3.1).";
    SIGNING_ALGORITHM = Always "algorithm" Text:
        "How it signs: `rsa` (RFC 8301) or `ed25519` (RFC 8463).";

    ATTEMPT = Always "attempt" Number:
        "Which attempt it was for this recipient, from 1.";
    LAST_REPLY = Always "reply" Text:
        "What the other server said at last, or what went wrong instead, in at most 500 characters.";
    HOST = Sometimes "host" Text:
        "Name of the other server, as DNS or the settings gave it, if one was reached.";
    TLS_TO_HOST = Sometimes "tls" Text:
        "Version and cipher suite, if it went over TLS.";
    TLS_POLICY = Sometimes "tls_policy" Text:
        "What was demanded of the connection: `none`, `opportunistic` (TLS if it can be had), `verified` (by the settings), `dane` (RFC 7672), `dane-unusable` (TLS with whomever, since no record can be used) or `mta-sts` (RFC 8461); there if `host` is.";
    TLS_VERIFIED = Sometimes "tls_verified" Boolean:
        "Whether the other server's certificate was verified; there if `tls` is.";

    TAKEN_SIZE = Always "size" Number:
        "Octets of the message as it is kept, with the trace fields that were added.";
    MESSAGE_ID = Always "message_id" Text:
        "The message's Message-ID; empty if it has none.";
    TAKEN_REPLY = Always "reply" Text:
        "What the client was told: code and enhanced status.";
    TAKEN_TLS = Sometimes "tls" Text:
        "Version and cipher suite, if it came over TLS.";

    STAGE = Always "command" Text:
        "The command that was refused, or that the message had come to; `session` in the event that tells at a session's end what was only counted.";
    WAS_TLS = Always "tls" Boolean:
        "Whether the session was encrypted.";
    OPEN_SENDER = Sometimes "sender" Text:
        "The envelope's sender, if a transaction was open; `<>` is the null sender.";
    REFUSAL = Sometimes "reply" Text:
        "The reply that the client got; absent where refusals were only counted.";
    REFUSED_RECIPIENT = Sometimes "recipient" Text:
        "The recipient that was refused, if it was one.";
    REFUSED_RECIPIENTS = Sometimes "recipients" List:
        "Recipients of the message that was refused; or the first thousand of refusals that were only counted, each once.";
    REFUSED_REASON = Sometimes "reason" Text:
        "What there is to say beyond the reply, such as the command line that could not be understood; may be empty.";
    REFUSED_SIZE = Sometimes "size" Number:
        "Octets of the message that had come, if a message was refused.";
    FURTHER_REFUSALS = Sometimes "further_refusals" Number:
        "How many refusals of the session were only counted, since it had too many for an event each.";

    SCREENING = Sometimes "screening" Object:
        "What was found about a message (`evidence`: of mail from outside iprev, SPF, DKIM, ARC and DMARC, in the words of RFC 8601; `malware`, what the scanners said of it; `blocked`, the rule against an outbreak that means it; `rspamd` and `milters`, what those said, and what milters changed) and what was decided (`verdict`: `handling`, `because`, `domain` or `what` it is about, the `criterion` that decided where there are several of its cause, and the `policy`); absent where mail is not screened. `screening explain` shows it.";

    SERVICE = Always "service" Text:
        "What it was for: `msa` (submission), `mra` (retrieval) or `web` (the pages).";
    SPOKEN = Always "protocol" Text:
        "What the client spoke: `smtp`, `imap`, `pop3` or `https`.";
    MECHANISM = Always "mechanism" Text:
        "How it was proved: the name of the SASL mechanism, `LOGIN` (IMAP's command), `USER` (POP3's) or `FORM` (the pages).";
    CLIENT = Sometimes "client" Text:
        "The program as it names itself, if it does: by ID (RFC 2971), the name in EHLO, or the pages' User-Agent.";

    APP_PASSWORD = Always "app_password" Number:
        "Number of the app password.";
    APP_PASSWORD_NAME = Always "app_password_name" Text:
        "The name that its maker gave it.";
}
