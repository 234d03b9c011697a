//! The server and its store.

use super::Schema;

pub(super) const SERVER: &[Schema] = schemas! {
    ServerStarted {
        subject: "the server's host name";
        outcome: Success;
        facts:
            Always "version" Text: "The program's version.";
            Always "listeners" List: "What it listens on: of each listener the service, the network address and the port.";
    }
    ServerStopped {
        subject: "";
        outcome: Success;
        facts:
    }
    SettingsLoaded {
        subject: "the name of the settings' file";
        outcome: Success;
        facts:
            Always "digest" Text: "BLAKE3 of the file, in hexadecimal digits.";
            Always "settings" Object: "The keys that the file holds, each with its value; a key in a table is written `table.key`.";
            OrNull "changes" Object: "The keys that differ from when settings last took effect, each with `before` and `after` (null: not written); null if what they were was too large for an event.";
            Always "choices" Text: "BLAKE3 of the keys among them that decide parameters and options of the regulation, in hexadecimal digits: the same where the same is chosen.";
            Sometimes "ordered_by" Text: "Who ordered the parameters and options of the regulation as they stand, and when, as the settings say (`[regulation] ordered_by`). Not there if they changed since it was written.";
            Sometimes "unordered" Boolean: "There, and true, if parameters or options of the regulation differ from those that somebody is last known to have ordered, and nobody else is named since.";
            Always "allow_single_person" Boolean: "Whether one person may do what the regulation gives to two while there is no second.";
    }
    ClockBehind {
        subject: "";
        outcome: Failure;
        facts:
            Always "seconds" Number: "How far the clock was behind the last event.";
            Always "clock" Text: "What the clock showed (RFC 3339).";
    }
    ClockJumped {
        subject: "";
        outcome: Failure;
        facts:
            Always "seconds" Number: "By how much it was set: less than zero if it was set back.";
            Always "clock" Text: "What it shows now (RFC 3339).";
            Always "expected" Text: "What it would show if it had not been set (RFC 3339).";
            Always "limit" Number: "From how many seconds on it is told (`[audit] clock_jump`).";
            Always "running" Boolean: "Whether the server ran meanwhile; false: it was found at a start.";
    }
    CertificateAccountMade {
        subject: "the URL of the authority's directory";
        outcome: Success;
        facts:
    }
    CertificateObtained {
        subject: "the names that the certificate is for, with spaces between them";
        outcome: Success;
        facts:
            Always "directory" Text: "The URL of the authority's directory.";
            Always "until" Text: "When the certificate ends.";
    }
    CertificateFailed {
        subject: "the names that the certificate was to be for, with spaces between them";
        outcome: Failure;
        facts:
            Always "directory" Text: "The URL of the authority's directory.";
            Always "reason" Text: "Why, in at most 500 characters.";
            Always "failures" Number: "How many attempts have failed since the last that did not.";
    }
    ProbeBegun {
        subject: "";
        outcome: Success;
        facts:
            Always "mark" Text: "A part of the recipient that the probe tries to relay to, made by chance: until `probe.done`, refused recipients with it are the probe's.";
    }
    ProbeDone {
        subject: "";
        outcome: Success, Failure;
        facts:
            Always "listeners" List: "The listeners that were probed: each by its service, and by its address where the service has several (`smtp@192.0.2.7:25`).";
            Always "passed" Number: "How many checks passed, at all listeners together.";
            Always "failed" List: "What failed: of each the listener and the check's id.";
            Always "warned" List: "What should be better, in the same form.";
            Always "could-not-tell" List: "Checks that came to no end that says anything, in the same form.";
            Always "unreached" List: "Listeners that could not be probed: of each its name and why.";
            Sometimes "only" List: "The families of checks that were asked for; absent if all were.";
    }
    CommandGiven {
        subject: "the command's name: its first two words; may be empty, if it was refused before it was read";
        outcome: Success, Refused, Failure;
        facts:
            Sometimes "words" Text or List: "The command without secrets: a list of all its words as they were typed, or a text of those that matter; absent if a command on the queue was refused.";
            Sometimes "via" Text: "How it came: `control` (the command line, over the control socket) or `web` (the pages); absent as `words` is.";
            Sometimes "user" Text: "The operating-system user who gave it; of one on the pages, the identifier that is logged in.";
            Sometimes "reason" Text: "Why it was refused or failed; absent if it succeeded.";
            Sometimes "told" List: "Addresses that were sent a notice of what the command did.";
            Sometimes "identifier" Text: "The identifier whose use was shown, of `incident report`.";
    }
    ScannerDefinitions {
        subject: "the scanner: `clamd`";
        outcome: Success;
        facts:
            Always "engine" Text: "The scanner's version.";
            OrNull "definitions" Number: "The version of its definitions; null if it does not say.";
            OrNull "made" Text: "When they were made (RFC 3339); null if it does not say.";
    }
    ScannerRules {
        subject: "the scanner: `yara`";
        outcome: Success, Failure;
        facts:
            Always "digest" Text: "The set of rules: the first sixteen digits of its SHA-256, as the evidence of each message names it; empty if the files could not be read.";
            Sometimes "rules" Number: "How many rules are in force now, the server's own for the canary included.";
            Sometimes "files" List: "The files that they come from.";
            Sometimes "faults" List: "Why the set was not put in force, each as `FILE:LINE:COLUMN: what`.";
            Sometimes "in_force" Text: "The digest of the set that is in force still; empty: none.";
    }
    ScannerDown {
        subject: "the scanner: `clamd`, `inspection` or `yara`; or the program of others: `rspamd`, or `milter` and its name";
        outcome: Failure;
        facts:
            Always "reason" Text: "What is wrong.";
    }
    ScannerUp {
        subject: "the scanner or program, as in `scanner.down`";
        outcome: Success;
        facts:
            Always "since" Text: "Since when it could not be used (RFC 3339).";
    }
    ScannerCanary {
        subject: "the queue id that it would have got; empty if it did not come as far as the scanners";
        outcome: Success, Failure;
        facts:
            Always "caught" List: "The scanners that caught it.";
            Always "missed" List: "The scanners that did not.";
            Sometimes "reply" Text: "What the server said to it, if it said anything.";
            Sometimes "reason" Text: "Why it did not come as far as the scanners, if it did not.";
            Sometimes "due" Text: "When it should have been sent, if the server was not there then: it is late.";
    }
};

pub(super) const STORE: &[Schema] = schemas! {
    BodiesCollected {
        subject: "";
        outcome: Success;
        facts:
            Always "bodies" Number: "How many bodies' room was given back.";
            Always "bytes" Number: "Octets of that room.";
            Always "segments-removed" Number: "How many segments held nothing any more and were removed.";
    }
    BodiesMoved {
        subject: "";
        outcome: Success;
        facts:
            Always "segment" Number: "Number of the segment that they were moved out of.";
            Always "bodies" Number: "How many bodies were moved.";
            Always "bytes" Number: "Octets that they take in the segment.";
    }
    StoreRepaired {
        subject: "what was wrong: a table, body, message, mailbox, account, index or the like, with its number";
        outcome: Success;
        facts:
            Always "fault" Text: "Name of the kind of fault, as `verify` gives it.";
            Always "found" Text: "What was found, in words.";
            Always "before" Any: "What it was before, as far as that can be told; its form depends on the fault.";
            Always "after" Any: "What it is now, in the same form or in words; null: removed.";
    }
    StoreBackingUp {
        subject: "the directory of the copy";
        outcome: Success;
        facts:
            Always "deletions" Number: "How many deletions of accounts the site had carried out before.";
    }
    StoreBackedUp {
        subject: "the directory of the copy";
        outcome: Success;
        facts:
            Always "bytes" Number: "Octets that were copied.";
            Sometimes "deletions" Number: "How many deletions of accounts the site had carried out before; absent in events of older programs.";
    }
    BackupPurged {
        subject: "the directory of the backup";
        outcome: Success, Deferred;
        facts:
            Always "accounts" Number: "How many accounts were deleted in it, or entered as deleted, since they came and went after it.";
            Sometimes "addresses" Number: "How many addresses were retired in it; absent in events of older programs.";
            Sometimes "entries" Number: "How many entries of the register were erased in it; there if `addresses` is.";
            Always "discarded" Number: "How many queued messages of such accounts were discarded in it.";
            Always "waiting" Number: "How many were kept, since they still wait in the site's own queue: the rest is done once they have left.";
            Always "deletions" Number: "How much of what the site has given up for good (accounts, addresses by themselves, entries of the register) it is after now.";
    }
    BackupGone {
        subject: "the directory where the backup was";
        outcome: Success;
        facts:
            Always "reason" Text: "How that is known, as it was typed.";
    }
    StoreRestored {
        subject: "the directory of the backup";
        outcome: Success;
        facts:
            Always "user" Text: "The operating-system user who did it.";
            OrNull "last-event" Text: "When the backup's last event was written, other than those of the store's own work (RFC 3339); null if there is none.";
            Always "mailboxes-renewed" Number: "How many mailboxes got a new UIDVALIDITY.";
            Always "validity-kept" Boolean: "Whether all kept theirs, as `--keep-uid-validity` asks.";
    }
};
