//! What breaks each check.

use governance::{
    State,
    facts::{Facts, Scanning},
};

use super::{could_not_tell, fail};

/// How a check is broken.
pub enum Break {
    /// The running server tells otherwise.
    Facts(fn(&mut Facts)),
    /// Somebody went around the server: a statement that no command would make.
    Rows(&'static str),
    /// What the trail tells is seen, and for so many days nobody looks into it.
    Unattended(u64),
    /// Time passes, and nobody acts.
    Days(i64, &'static str),
}
use Break::{Days, Facts as Told, Rows, Unattended};

/// An incident of this kind that nobody does anything about.
macro_rules! lies {
    ($kind:literal) => {
        Days(
            15,
            concat!(
                "INSERT INTO incident (number, kind, reason, facts, since, opened_at) VALUES (1, '",
                $kind,
                "', '', '{}', 1, 1)"
            ),
        )
    };
}

/// What breaks each check, and how it stands then; a check that can be broken in several ways stands here once for each.
pub fn breaks() -> Vec<(&'static str, (Break, State))> {
    let red = State::NotMet;
    let relay: fn(&mut Facts) = |facts| fail(facts, "smtp relay.percent-hack");
    Vec::from([
        ("own-domains-only", (Told(relay), red)),
        (
            "probe-relay",
            (Told(|facts| fail(facts, "submission login.required")), red),
        ),
        (
            "probe-commands",
            (Told(|facts| fail(facts, "smtp commands.vrfy")), red),
        ),
        (
            "probe-relay",
            (
                Told(|facts| could_not_tell(facts, "smtp relay.plain")),
                State::Unknown,
            ),
        ),
        (
            "probe-login-retrieval",
            (
                Told(|facts| could_not_tell(facts, "imaps login.anonymous")),
                State::Unknown,
            ),
        ),
        // A listener that the probe was not at.
        (
            "probe-login-submission",
            (
                Told(|facts| {
                    let probe = facts.probe.as_mut().unwrap();
                    probe.listeners.retain(|name| name != "submissions");
                }),
                State::Unknown,
            ),
        ),
        (
            "own-domains-only",
            (
                Told(|facts| {
                    let probe = facts.probe.as_mut().unwrap();
                    probe.unreached.push("smtp: it is refused".to_owned());
                }),
                State::Unknown,
            ),
        ),
        (
            "probe-login-retrieval",
            (Told(|facts| fail(facts, "imap login.plaintext-taken")), red),
        ),
        (
            "probe-login-submission",
            (Told(|facts| facts.probe = None), State::Unknown),
        ),
        (
            "submission-authenticated",
            (Told(|facts| fail(facts, "submissions login.required")), red),
        ),
        (
            "own-password-page",
            (Told(|facts| facts.pages = false), red),
        ),
        (
            "disk-forecast",
            (
                Told(|facts| facts.disk.as_mut().unwrap().free = 1 << 30),
                red,
            ),
        ),
        (
            "trail-access",
            (
                Told(|facts| facts.readable_by_others.push("store.db".into())),
                red,
            ),
        ),
        (
            "events-with-effects",
            (Told(|facts| facts.clock_behind = 3600), red),
        ),
        (
            "trail-unbroken",
            (Days(1, "DELETE FROM checkpoint"), State::Unknown),
        ),
        ("trail-unbroken", (Rows(""), red)),
        (
            "trail-volumes-monthly",
            (Told(|facts| facts.rotate_months = 3), red),
        ),
        (
            "trail-retention",
            (Told(|facts| facts.retain_years = 5), red),
        ),
        (
            // Due by its row, and nothing in the trail ever said so.
            "trail-retention",
            (
                Rows(
                    "INSERT INTO trail_volume (number, first, last, from_at, to_at, sealed_at, retain_until, erased_at) VALUES (1, 0, 1, 1, 2, 3, 4, 5)",
                ),
                red,
            ),
        ),
        (
            "trail-custody",
            (
                Days(
                    40,
                    "INSERT INTO trail_volume (number, first, last, from_at, to_at, sealed_at, retain_until) VALUES (1, 0, 1, 1, 2, 3, 9000000000000000)",
                ),
                red,
            ),
        ),
        (
            "trail-erasure",
            (
                Days(
                    40,
                    "INSERT INTO trail_volume (number, first, last, from_at, to_at, sealed_at, retain_until) VALUES (1, 0, 1, 1, 2, 3, 4)",
                ),
                red,
            ),
        ),
        (
            "passwords-hashed",
            (Rows("UPDATE credential SET scheme = 'PLAIN'"), red),
        ),
        (
            "password-rule",
            (Told(|facts| facts.shortest_password = 6), red),
        ),
        (
            "initial-password-only-to-change",
            (Told(|facts| facts.initial_only_to_change = false), red),
        ),
        (
            "suspend-everywhere",
            (
                Rows(
                    "INSERT INTO incident (number, kind, account, reason, facts, since, opened_at) SELECT 1, 'credential', id, '', '{}', 1, 1 FROM account LIMIT 1",
                ),
                red,
            ),
        ),
        (
            "credential-analysis",
            (
                Rows(
                    "INSERT INTO incident (number, kind, account, reason, facts, since, opened_at) SELECT 1, 'credential', id, '', '{}', 1, (SELECT MAX(at) FROM event) FROM account LIMIT 1",
                ),
                State::Pending,
            ),
        ),
        (
            "credential-analysis",
            (
                Days(
                    2,
                    "INSERT INTO incident (number, kind, account, reason, facts, since, opened_at) SELECT 1, 'credential', id, '', '{}', 1, (SELECT MAX(at) FROM event) FROM account LIMIT 1",
                ),
                red,
            ),
        ),
        (
            "login-by-password",
            (Told(|facts| fail(facts, "imaps login.anonymous")), red),
        ),
        (
            "one-identifier",
            (
                Rows("UPDATE account SET must_change_password = 0; DELETE FROM credential"),
                red,
            ),
        ),
        (
            "bounce-by-default",
            (
                Rows(
                    "INSERT INTO queue_message (id, body, size, sender, smtputf8, require_tls, body_type, message_id, queued_at) VALUES (1, 1, 1, 'taro@example.jp', 0, 0, 0, '', 1); INSERT INTO queue_recipient (message, number, address, domain, notify, destination, state, attempts, next_attempt, delay_notified, last_reply) VALUES (1, 0, 'a@far.example', 'far.example', 0, 'far.example', 1, 0, 0, 0, '')",
                ),
                red,
            ),
        ),
        ("bounces-classified", (Rows(""), State::Pending)),
        ("bounces-classified", (Unattended(8), red)),
        ("analysis-relay-refusals", (Unattended(8), red)),
        ("analysis-cracking-retrieval", (Unattended(8), red)),
        ("analysis-cracking-submission", (Unattended(8), red)),
        ("sharing-told", (Rows(""), red)),
        (
            "bounce-budget",
            (Told(|facts| facts.null_sender_transactions = 1000), red),
        ),
        (
            "new-password-before-resume",
            (
                Rows("UPDATE account SET suspended_at = 1, renewed = 0"),
                red,
            ),
        ),
        (
            "order-before-issue",
            (
                Rows("UPDATE orders SET approved_by = NULL, state = 'issued'"),
                red,
            ),
        ),
        (
            "order-before-deletion",
            (
                Rows(
                    "UPDATE account SET state = 'deleted', delete_order = order_number WHERE id = (SELECT MIN(id) FROM account); UPDATE orders SET approved_by = NULL, state = 'issued'",
                ),
                red,
            ),
        ),
        (
            "deletion-complete",
            (
                Rows("UPDATE account SET state = 'deleted', delete_order = order_number"),
                red,
            ),
        ),
        (
            "own-mailbox-only",
            (
                Rows(
                    "INSERT INTO reading (account, person, order_number, purpose, until, opened_by, opened_at) SELECT id, person, order_number, '', 1, person, 1 FROM account LIMIT 1",
                ),
                red,
            ),
        ),
        (
            "identifiers-retired",
            (
                Rows(
                    "INSERT INTO retired_address (local, domain, account, retired_at) SELECT d.local, d.domain, (SELECT MAX(id) FROM account), 1 FROM address d WHERE d.account <> (SELECT MAX(id) FROM account) LIMIT 1; UPDATE account SET main_address = (SELECT local || '@' || domain FROM address WHERE account <> (SELECT MAX(id) FROM account) LIMIT 1) WHERE id = (SELECT MAX(id) FROM account)",
                ),
                red,
            ),
        ),
        (
            "shared-identifier-order",
            (
                Rows(
                    "INSERT INTO shared_identifier (account, order_number, review_at) SELECT id, order_number, 1 FROM account LIMIT 1; UPDATE orders SET approved_by = NULL, state = 'issued'",
                ),
                red,
            ),
        ),
        (
            "arrival",
            (
                Days(
                    15,
                    // That it has expired meanwhile ends nothing.
                    "INSERT INTO orders (number, kind, for_person, details, issued_by, issued_at, approved_by, approved_at, expires_at, state) SELECT 99, 'issue', id, '{}', id, 1, id, 1, 2, 'approved' FROM person WHERE name = 'deputy'",
                ),
                red,
            ),
        ),
        (
            "arrival",
            (
                Rows(
                    "INSERT INTO person (id, name, full_name, state, added_at) VALUES (99, 'hana', '', 'active', 1); INSERT INTO arrival (person, noted_by, noted_at) SELECT 99, MIN(id), (SELECT MAX(at) FROM event) FROM person",
                ),
                State::Pending,
            ),
        ),
        (
            "arrival",
            (
                Days(
                    15,
                    "INSERT INTO person (id, name, full_name, state, added_at) VALUES (99, 'hana', '', 'active', 1); INSERT INTO arrival (person, noted_by, noted_at) SELECT 99, MIN(id), (SELECT MAX(at) FROM event) FROM person",
                ),
                red,
            ),
        ),
        (
            "departure",
            (
                Rows("UPDATE person SET left_at = 1 WHERE name = 'taro'"),
                red,
            ),
        ),
        (
            "departed-identifiers",
            (
                Rows("UPDATE person SET state = 'left', left_at = 1 WHERE name = 'taro'"),
                red,
            ),
        ),
        (
            "idle-identifiers",
            (Days(120, "UPDATE account_use SET used_at = 1"), red),
        ),
        (
            "acknowledgement",
            (Rows("DELETE FROM acknowledgement"), red),
        ),
        (
            "sealed-letter",
            (
                Days(
                    15,
                    "INSERT INTO letter (number, account, digest, made_by, made_at) SELECT 9, id, '', person, 1 FROM account LIMIT 1",
                ),
                red,
            ),
        ),
        // An account that no letter was made for at all.
        ("sealed-letter", (Days(15, "DELETE FROM letter"), red)),
        (
            "register-erasure",
            (
                Rows(
                    "INSERT INTO register_erasure (account, reason, asked_by, asked_at, approved_by, approved_at) SELECT id, '', person, 1, person, 1 FROM account LIMIT 1",
                ),
                red,
            ),
        ),
        (
            "plaintext-warning",
            (Days(2, "DELETE FROM plaintext_login"), red),
        ),
        ("traffic-series", (Days(1, ""), red)),
        (
            "traffic-normal",
            (
                Rows(
                    "DELETE FROM traffic_span WHERE hour < (SELECT MAX(hour) FROM traffic_span) - 100",
                ),
                State::Unknown,
            ),
        ),
        (
            "traffic-deviation",
            (Rows("UPDATE traffic_mark SET state = 'alarm'"), red),
        ),
        (
            "software-inventory",
            (
                Rows("UPDATE software_look SET failed = 'it could not be read'"),
                State::Unknown,
            ),
        ),
        // A mailbox that stays nearly full since the month before.
        (
            "mailbox-capacity",
            (
                Rows(
                    "UPDATE account_usage SET bytes = 100, quota = 100; UPDATE capacity_mailbox SET octets = 100, quota = 100; \
                     INSERT INTO capacity_mailbox (period, account, octets, messages, quota) SELECT (SELECT MAX(period) FROM capacity), u.account, 100, 1, 100 FROM account_usage u \
                     WHERE NOT EXISTS (SELECT 1 FROM capacity_mailbox m WHERE m.account = u.account)",
                ),
                red,
            ),
        ),
        // It is known to be exploited, and nothing was done about it.
        (
            "open-vulnerabilities",
            (
                Rows(
                    "INSERT INTO vuln_case (number, id, opened_at) VALUES (1, 'CVE-2026-1', 1); INSERT INTO vuln_exploited (cve, added, name, ransomware) VALUES ('CVE-2026-1', '2026-09-01', '', 0)",
                ),
                red,
            ),
        ),
        // The exception was until a day that has passed, and nobody has decided anew.
        (
            "open-vulnerabilities",
            (
                Rows(
                    "INSERT INTO vuln_case (number, id, opened_at) SELECT 1, 'CVE-2026-1', MAX(at) FROM event; INSERT INTO vuln_step (number, case_number, step, at, facts) SELECT 1, 1, 'excepted', MAX(at), '{\"until\":\"2026-09-01T00:00:00Z\"}' FROM event",
                ),
                red,
            ),
        ),
        (
            "vulnerability-case",
            (
                Rows(
                    "INSERT INTO vuln_case (number, id, opened_at) VALUES (1, 'CVE-2026-1', 1); INSERT INTO vuln_step (number, case_number, step, at, facts) VALUES (1, 1, 'ordered', 1, '{}')",
                ),
                red,
            ),
        ),
        (
            "probe-login-submission",
            (Told(|facts| fail(facts, "submissions tls.tls-1.0")), red),
        ),
        (
            "queue-backlog",
            (
                Rows(
                    "INSERT INTO queue_message (id, body, size, smtputf8, require_tls, body_type, message_id, queued_at) VALUES (1, 1, 1, 0, 0, 0, '', 1)",
                ),
                red,
            ),
        ),
        ("discard-without-bounce", (Rows(""), red)),
        (
            "backscatter-recognised",
            (Told(|facts| facts.return_paths = false), State::Unknown),
        ),
        (
            "mailbox-capacity",
            (
                Rows("UPDATE account_usage SET bytes = 100, quota = 100"),
                State::Pending,
            ),
        ),
        (
            "mailbox-quota",
            (Told(|facts| facts.default_quota = None), red),
        ),
        (
            "every-path-scanned",
            (Told(|facts| facts.scanning.puts_off = false), red),
        ),
        (
            "malware-canary",
            (
                Told(|facts| facts.scanning.canary.as_mut().unwrap().caught = false),
                red,
            ),
        ),
        (
            "malware-canary",
            (
                Told(|facts| {
                    let canary = facts.scanning.canary.as_mut().unwrap();
                    (canary.caught, canary.told) = (false, false);
                }),
                State::Unknown,
            ),
        ),
        (
            "malware-canary",
            (
                Told(|facts| facts.scanning.canary_elsewhere = true),
                State::NotAdopted,
            ),
        ),
        (
            "malware-definitions",
            (
                Told(|facts| {
                    facts.scanning = Scanning {
                        definitions_old: true,
                        ..facts.scanning.clone()
                    }
                }),
                red,
            ),
        ),
        ("isolation", (Told(|facts| facts.isolation = false), red)),
        (
            "screening-policy",
            (Told(|facts| facts.screening = false), red),
        ),
        (
            "screening-policy-versioned",
            (Rows("DELETE FROM screening_policy"), State::Unknown),
        ),
        ("quarantine-false-positives", (Rows(""), red)),
        ("analysis-relay-refusals", (Rows(""), State::Pending)),
        ("analysis-cracking-retrieval", (Rows(""), State::Pending)),
        ("analysis-cracking-submission", (Rows(""), State::Pending)),
        (
            "outbreak-notice",
            (
                Days(
                    2,
                    "INSERT INTO outbreak_rule (number, marks, handling, reason, begun_by, begun_at, ends_at, told) SELECT 1, '{}', 'refuse', '', 'x', MAX(at), MAX(at) + 864000000000, 0 FROM event",
                ),
                red,
            ),
        ),
        (
            "vulnerability-sharing",
            (
                Days(
                    31,
                    "INSERT INTO vuln_case (number, id, opened_at, told_at) SELECT 1, 'CVE-2026-1', MAX(at), MAX(at) FROM event; INSERT INTO vuln_exploited (cve, added, name, ransomware) VALUES ('CVE-2026-1', '2026-09-01', '', 0)",
                ),
                red,
            ),
        ),
        // Years old, and nobody has decided: it is not forgotten.
        (
            "vulnerability-sharing",
            (
                Rows(
                    "INSERT INTO vuln_case (number, id, opened_at, told_at) VALUES (1, 'CVE-2020-1', 1, 1); INSERT INTO vuln_exploited (cve, added, name, ransomware) VALUES ('CVE-2020-1', '2020-01-01', '', 0)",
                ),
                red,
            ),
        ),
        // An old case of which people were told today that the catalogue has it: there is time to decide.
        (
            "vulnerability-sharing",
            (
                Rows(
                    "INSERT INTO vuln_case (number, id, opened_at, told_at) SELECT 1, 'CVE-2020-1', 1, MAX(at) FROM event; INSERT INTO vuln_exploited (cve, added, name, ransomware) VALUES ('CVE-2020-1', '2020-01-01', '', 0)",
                ),
                State::Pending,
            ),
        ),
        (
            "expert-at-hand",
            (
                Rows("UPDATE expert SET ended_at = 1, ended_by = added_by"),
                red,
            ),
        ),
        (
            "credential-incident",
            (
                Days(
                    15,
                    "INSERT INTO incident (number, kind, account, reason, facts, since, opened_at) SELECT 1, 'credential', id, '', '{}', 1, 1 FROM account LIMIT 1",
                ),
                red,
            ),
        ),
        ("malware-inside-incident", (lies!("malware-inside"), red)),
        ("backscatter-incident", (lies!("backscatter"), red)),
        ("malware-outside-incident", (lies!("malware-outside"), red)),
        (
            "submission-surge-incident",
            (lies!("submission-surge"), red),
        ),
        ("relay-incident", (lies!("relay"), red)),
        ("trail-gap-incident", (lies!("trail-gap"), red)),
        ("clock-jump-incident", (lies!("clock-jump"), red)),
        ("other-incident", (lies!("other"), red)),
        ("software-inventory", (Days(4, ""), State::Unknown)),
        ("software-inventory", (Days(15, ""), red)),
        (
            "vulnerability-feeds",
            (Rows("UPDATE vuln_feed SET good_at = 1"), red),
        ),
        (
            "open-vulnerabilities",
            (
                Rows("INSERT INTO vuln_case (number, id, opened_at) VALUES (1, 'CVE-2026-1', 1)"),
                State::Pending,
            ),
        ),
        (
            "vulnerability-case",
            (
                Rows("INSERT INTO vuln_case (number, id, opened_at) VALUES (1, 'CVE-2026-1', 1)"),
                red,
            ),
        ),
        (
            "vulnerability-plan",
            (
                Rows(
                    "INSERT INTO vuln_case (number, id, opened_at) VALUES (1, 'CVE-2026-1', 1); INSERT INTO vuln_step (number, case_number, step, at, facts) VALUES (1, 1, 'reported', 1, '{}')",
                ),
                red,
            ),
        ),
        (
            "verified-update",
            (
                Rows(
                    "INSERT INTO vuln_case (number, id, opened_at, closed_at) VALUES (1, 'CVE-2026-1', 1, 2); INSERT INTO vuln_step (number, case_number, step, at, facts) VALUES (1, 1, 'ordered', 1, '{}')",
                ),
                red,
            ),
        ),
        ("denial-of-service-incident", (lies!("dos"), red)),
        (
            "abuse-report",
            (
                Rows(
                    "INSERT INTO abuse_report (message, at, source, reverse_name, domain, sender, malware, header, state) VALUES (1, 1, '', '', '', '', '', '', 'open')",
                ),
                red,
            ),
        ),
    ])
}

/// What no facts and no rows can break: the server has no state in which it were otherwise, and says what it counted.
pub const BY_DESIGN: &[&str] = &[
    "tls-before-login",
    "submission-networks-explicit",
    "trail-volumes-sealed",
    "initial-password-rule",
    "register-kept",
    "letter-tells-sharing",
];
