//! The trail itself.

use super::Schema;

pub(super) const TRAIL: &[Schema] = schemas! {
    TrailRead {
        subject: "";
        outcome: Success;
        facts:
            Sometimes "filter" Object: "What was searched for, as it was typed: `from`, `to`, `actor`, `address`, `kinds`, `result`, `subject`, `message_id`, `id`, `limit`; null: not asked for.";
            Sometimes "analysis" Object: "The period that was looked through for attacks, if it was no search: `from` and `to` (RFC 3339).";
            Sometimes "bounces" Object: "The period of which bounces were looked through, if it was no search: `from` and `to` (RFC 3339).";
    }
    TrailForwarded {
        subject: "the destination's name in the settings";
        outcome: Success;
        facts:
            Always "host" Text: "Host and port that it is given to.";
            Always "after" Text: "Number of the event after which it goes on; `0`: from the beginning.";
    }
    TrailVerified {
        subject: "";
        outcome: Success, Failure;
        facts:
            Always "events" Number: "How many events the last checkpoint tells of.";
            Always "findings" Number: "How many faults were found.";
            Always "witness" Boolean: "Whether a checkpoint that was kept elsewhere was compared too.";
    }
    TrailWitnessed {
        subject: "";
        outcome: Success;
        facts:
            Always "events" Number: "How many events the checkpoint tells of.";
            Always "checkpoint" Text: "The signed note.";
            Sometimes "to" Text: "The file that it was written to, null if it was only shown; absent if the server mailed it.";
            Sometimes "recipients" List: "Addresses that it was mailed to, if the server mailed it.";
    }
    TrailProved {
        subject: "the event's number; empty if it was proved that the trail only grew";
        outcome: Success;
        facts:
            Sometimes "since" Number: "How many events there were at first, if it was proved that the trail only grew.";
            Sometimes "events" Number: "How many events there are now; there if `since` is.";
    }
    TrailReviewed {
        subject: "";
        outcome: Success;
        facts:
            Always "from" Text: "Where the period begins (RFC 3339).";
            Always "to" Text: "Where the period ends (RFC 3339).";
            Always "finds" Number: "How many signs of attacks there are in it.";
            Always "file" Text: "The file that the report was written to.";
            Always "sha256" Text: "SHA-256 of the report, in hexadecimal digits.";
    }
    VolumeSealed {
        subject: "`volume` and its number";
        outcome: Success;
        facts:
            Always "first" Number: "How many events of the trail there are before it.";
            Always "last" Number: "How many events of the trail there are with it.";
            Always "from" Text: "When its first event was written (RFC 3339).";
            Always "to" Text: "When its last event was written (RFC 3339).";
            Always "retain-until" Text: "Until when it is kept at least (RFC 3339).";
            Always "checkpoint" Text: "The signed note over the trail with it, which has the root.";
    }
    VolumeDecided {
        subject: "`volume` and its number";
        outcome: Success;
        facts:
            Always "decision" Text: "`erase` or `extend`.";
            Always "reason" Text: "Why, as it was typed.";
            Always "before" Text: "Until when it was to be kept (RFC 3339).";
            Sometimes "after" Text: "Until when it is to be kept from now on (RFC 3339), if that was put off.";
    }
    VolumeErasing {
        subject: "`volume` and its number";
        outcome: Success;
        shared: SINGLE_PERSON;
        facts:
            Always "first" Number: "How many events of the trail there are before it.";
            Always "last" Number: "How many events of the trail there are with it.";
    }
    VolumeErased {
        subject: "`volume` and its number";
        outcome: Success;
        shared: SINGLE_PERSON;
        facts:
            Always "certificate" Text: "The signed note that says what was erased, on whose decision, by whom.";
    }
    VolumeExporting {
        subject: "`volume` and its number";
        outcome: Success;
        facts:
            Always "to" Text: "The directory that it is written to.";
    }
    VolumeExported {
        subject: "`volume` and its number";
        outcome: Success;
        facts:
            Always "to" Text: "The directory that it was written to.";
            Always "events" Number: "How many events of it have their text.";
            Always "erased" Number: "How many were erased, so that only their leaves are there.";
            Always "checkpoints" Number: "How many checkpoints were verified as it was read back.";
    }
    TrailBundled {
        subject: "`all`, or `clause` and its id";
        outcome: Success;
        facts:
            Always "to" Text: "The directory that it was written to.";
            Always "from" Text: "Where the period begins (RFC 3339).";
            Always "until" Text: "Where the period ends (RFC 3339).";
            Always "checkpoint" Number: "How many events the checkpoint tells of, by which all are proved.";
            Always "events" Number: "How many events are in it; one that is evidence of two clauses counts twice.";
            Always "left-out" Number: "How many were not put in, because a clause had more than was permitted.";
            Always "files" Number: "How many files its manifest names.";
            Always "manifest" Text: "SHA-256 of its manifest, in hexadecimal digits.";
    }
    CustodyNoted {
        subject: "`volume` and its number";
        outcome: Success;
        facts:
            Always "medium" Text: "The medium, as it was typed.";
            Always "place" Text: "Where it is.";
            Always "key-holder" Text: "Who holds the key to it.";
            Always "remark" Text: "What else was said; may be empty.";
    }
};
