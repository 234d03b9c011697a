//! Software, feeds of vulnerabilities, and cases.

use super::Schema;

pub(super) const VULNERABILITIES: &[Schema] = schemas! {
    SoftwareListed {
        subject: "";
        outcome: Success, Failure;
        shared: PART;
        facts:
            Always "items" Number: "How many pieces of software there are, of all kinds.";
            Sometimes "failed" List: "Kinds of software that could not be looked at, each with why; what was known of them stays.";
            Sometimes "came" List: "Kind, name and version of what was not there before, if anything.";
            Sometimes "went" List: "Kind, name and version of what is not there any more, if anything; another version of the same software is in both lists.";
    }
    VulnFeedImported {
        subject: "the feed's name";
        outcome: Success, Failure;
        facts:
            Always "format" Text: "Its format: `osv`, `cve`, `jvn`, `kev` or `epss`.";
            Always "from" Text: "The address or file that it came from.";
            Sometimes "digest" Text: "SHA-256 of the octets that were read, in hexadecimal digits, if they could be had.";
            Sometimes "published" Text: "When the feed says that it was made; empty if it does not say.";
            Sometimes "records" Number: "How many records were read.";
            Sometimes "skipped" Number: "How many could not be read.";
            Sometimes "told" List: "The first of those: where each stands, and why.";
            Sometimes "touched" Number: "How many of the records are about cases or software here.";
            Sometimes "reason" Text: "Why the feed was refused as a whole; what was known before stays.";
    }
    VulnOpened {
        subject: "the case's number";
        outcome: Success;
        facts:
            Always "id" Text: "The vulnerability: its CVE number, or the identifier of the source that told of it first.";
            Always "title" Text: "What it is, in a line.";
            Always "advisories" List: "Source and identifier of what tells of it.";
            Always "software" List: "Kind, name and version of what it touches.";
            Always "exploited" Boolean: "Whether the catalogue of known exploited vulnerabilities has it.";
    }
    VulnUpdated {
        subject: "the case's number";
        outcome: Success;
        facts:
            Always "id" Text: "The vulnerability.";
            Always "what" List: "What has changed, in words.";
    }
    VulnTold {
        subject: "whom the mail is for";
        outcome: Success, Failure;
        facts:
            Always "cases" List: "Numbers of the cases that it tells of.";
            Sometimes "reason" Text: "Why nobody could be told, if nobody could.";
    }
    VulnStep {
        subject: "the case's number";
        outcome: Success;
        shared: SINGLE_PERSON;
        facts:
            Always "id" Text: "The vulnerability.";
            Always "step" Text: "The step: `reported`, `planned`, `approved`, `ordered`, `accepted`, `tested`, `executed`, `verified`, `closed`, `excepted`, `shared` or `reopened`.";
            Always "facts" Object: "What the step says: the report's `cause`, `scope`, `remedy` and `exploit`; the plan's `version` and eight points; the plan that was approved; the test's `passed` and `note`; of an execution `source`, `sha256`, `file`, `octets` and `note`; of a verification `software`; of an end `ending`, `justification` and `reason`; of an exception `until` and `reason`; of what was shared `to`, `format` and `sha256`; of a case that was opened again `software`.";
    }
};
