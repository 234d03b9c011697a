//! Clauses at work: standings, tasks, reports.

use super::Schema;

pub(super) const CLAUSES: &[Schema] = schemas! {
    ClauseStanding {
        subject: "the name of the check or workflow";
        outcome: Success, Failure;
        facts:
            Always "state" Text: "How it stands: `met`, `pending`, `unknown`, `not-met` or `not-adopted`; of `unknown` and `not-met` the outcome is failure.";
            OrNull "before" Text: "How it stood before; null if it was never looked at.";
            Always "why" Text: "Why, in English.";
            Always "why_ja" Text: "Why, in Japanese.";
            Always "clauses" List: "The ids of the clauses that rest on it.";
            Sometimes "by_items" List: "The ids of the clauses that rest on it by their items alone, and stand no better than those; absent in events of older programs.";
            Always "facts" Object: "What led to it.";
    }
    ClausesReviewed {
        subject: "the day, at the site";
        outcome: Success;
        facts:
            Always "standings" Object: "How each check and workflow stands, by its name.";
            Always "catalogues" List: "The catalogues in force, each with its version.";
            Always "missed" Number: "How many days before this one nobody looked.";
    }
    TaskBegins {
        subject: "the workflow";
        outcome: Success;
        facts:
            Always "period" Text: "The period under way: its first day or month.";
            Always "first" Text: "When the first task is opened (RFC 3339).";
    }
    TaskOpened {
        subject: "the task's number";
        outcome: Success;
        facts:
            Always "workflow" Text: "The workflow that it is of.";
            Always "period" Text: "The period that it is about: its first day or month.";
            Always "role" Text: "The role that owes it.";
            Always "due" Text: "When it is due (RFC 3339).";
            Always "missed" Number: "In how many periods before that one nobody ran who could have opened it: it is about those, too.";
            Always "prepared" Text: "SHA-256 of the facts that were prepared for it, in hexadecimal digits.";
            Sometimes "of" Number: "The task whose review found the fault that this one corrects, if it corrects one.";
            Sometimes "fault" Text: "The fault, as it was named; there if `of` is.";
            Sometimes "review" Text: "The workflow of that review; there if `of` is.";
    }
    TaskReminded {
        subject: "the task's number";
        outcome: Success;
        facts:
            Always "workflow" Text: "The workflow that it is of.";
            Always "why" Text: "Why now: `opened`, `near`, `overdue` or `approval`.";
            Always "roles" List: "The roles whose holders were told.";
            Always "told" List: "Addresses that were told; none if nobody of these roles has a mailbox here.";
    }
    TaskDone {
        subject: "the task's number";
        outcome: Success;
        facts:
            Always "workflow" Text: "The workflow that it is of.";
            Always "period" Text: "The period that it is about.";
            Always "answers" Object: "What was said of each point; nothing if the server closed the task, since what it is about was done.";
            Sometimes "faults" List: "Faults that were found, each an object of `fault`, `due` (a day) and `role`; absent if none was.";
            Always "late" Boolean: "Whether that was after it was due.";
            Always "closed" Boolean: "Whether it is closed with that; otherwise another person approves it.";
    }
    TaskApproved {
        subject: "the task's number";
        outcome: Success;
        facts:
            Always "workflow" Text: "The workflow that it is of.";
            Always "done_by" Text: "Who did it.";
            Sometimes "single_person" Boolean: "That one person did what the regulation gives to two; absent otherwise.";
    }
    TaskRejected {
        subject: "the task's number";
        outcome: Success;
        facts:
            Always "workflow" Text: "The workflow that it is of.";
            Always "done_by" Text: "Who had done it.";
            Always "reason" Text: "Why it is to be done again.";
    }
    ReportMade {
        subject: "the report's number";
        outcome: Success;
        facts:
            OrNull "task" Number: "The task that it came of; null if it came of none.";
            Sometimes "incident" Number: "The incident that it is of, if it is of one.";
            Sometimes "case" Number: "The case of a vulnerability that it is of, if it is of one.";
            Always "role" Text: "The role that it is for.";
            Always "title" Text: "Its title.";
            Always "digest" Text: "SHA-256 of its text, in hexadecimal digits.";
    }
    ReportSent {
        subject: "the report's number";
        outcome: Success;
        facts:
            Always "role" Text: "The role that it is for.";
            Always "told" List: "Addresses that it was sent to; none if nobody of the role has a mailbox here: then it is tried again.";
            Sometimes "again" List: "Roles that were told again, since nobody has acknowledged it; absent of the first time.";
    }
    ReportAcknowledged {
        subject: "the report's number";
        outcome: Success;
        facts:
            Always "digest" Text: "SHA-256 of the text that was acknowledged.";
            Sometimes "single_person" Boolean: "That who did what it tells of acknowledged it; absent otherwise.";
    }
    CapacityMeasured {
        subject: "the period: its first day or month";
        outcome: Success;
        facts:
            Always "mailboxes" Number: "How many there are.";
            Always "octets" Number: "What they take together.";
            Always "messages" Number: "How many messages are in them.";
            OrNull "disk_free" Number: "Free octets of the disk; null if that could not be told.";
            OrNull "disk_size" Number: "All octets of the disk; null if that could not be told.";
            Always "near" Number: "How many mailboxes are near their quota.";
            Always "dropped" Number: "Rows of single mailboxes that were given up for their age.";
    }
    ExpertAdded {
        subject: "the contract's number";
        outcome: Success;
        facts:
            Always "name" Text: "Who they are.";
            Always "contact" Text: "How they are reached.";
            Always "from" Text: "The first day of the term.";
            Always "until" Text: "The last day of the term.";
            Always "renew_by" Text: "The day by which it is to be decided on the renewal.";
    }
    ExpertRenewed {
        subject: "the contract's number";
        outcome: Success;
        facts:
            Always "name" Text: "Who they are.";
            Always "contact" Text: "How they are reached now.";
            Always "until" Text: "The last day of the term now.";
            Always "renew_by" Text: "The day by which it is to be decided on the next renewal.";
            Always "before" Text: "The last day that the term had before.";
    }
    ExpertEnded {
        subject: "the contract's number";
        outcome: Success;
        facts:
            Always "name" Text: "Who they are.";
            Always "reason" Text: "Why it ended.";
    }
    ExpertDrilled {
        subject: "the contract's number";
        outcome: Success, Failure;
        facts:
            Always "name" Text: "Who they are.";
            Always "on" Text: "The day on which it was tried.";
            Always "result" Text: "How it went; the outcome is failure if they could not be reached.";
    }
};
