//! The normal state of traffic, and deviation from it (clause 4.4).

use super::Schema;

pub(super) const TRAFFIC: &[Schema] = schemas! {
    TrafficHour {
        subject: "the beginning of the hour (RFC 3339, UTC)";
        outcome: Success;
        facts:
            Always "state" Text: "How it was judged: the worst of `normal`, `unknown` (what is usual is not yet known, or the server could not look), `unusual` and `alarm` that it was in.";
            Always "minutes" Number: "Minutes in which the server ran and looked; of the others nothing is known.";
            Always "counts" Object: "What was counted, by series (`traffic list` has their names); what is not there was not seen.";
            Always "service" Object: "The largest sample of each figure of the service (`queue`, `oldest` and `overdue` in seconds, `commit` in microseconds, `disk-free`, the smallest, in thousandths); what was not sampled is not there.";
            Always "apart" Boolean: "True: it belongs to an incident of denial of service, so nothing is learned from it.";
            Sometimes "quiet" List: "Series of which far less was seen than usual, each an object as `deviations` of `traffic.state` has.";
    }
    TrafficState {
        subject: "the state that it is in: `normal`, `unknown`, `unusual` or `alarm`";
        outcome: Success;
        facts:
            Always "before" Text: "The state before.";
            Always "since" Text: "Since when it is so (RFC 3339): a state is told of when it has lasted.";
            Always "deviations" List: "What differs much from what is usual, an object each: `series`, `seen` in sixty minutes, `expected`, `tenfold` (ten times their quotient), and from how many `hours` that is known (`basis`: `weekday`, `day-kind` or `weekends`).";
            Always "harms" List: "By what service suffers, an object each: `what`, its `value`, and the `bound` from which on it counts.";
    }
    TrafficFolded {
        subject: "";
        outcome: Success;
        facts:
            Always "hours" Number: "Hours that were folded.";
            Always "days" Number: "Days that came of them.";
            Always "until" Text: "Before when hours were folded (RFC 3339, UTC).";
            Always "forgotten" Number: "Days that were forgotten, as their time was over.";
    }
};
