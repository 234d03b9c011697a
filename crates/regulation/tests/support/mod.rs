//! A site for tests.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use regulation::{Choices, Holder, Mark, Regulation, SiteFacts, Standing, Text};

/// A site with the proposed choices, where everything that has a way is met but 4.3-2-a, which is not, and 5.2-3, which is unknown;
/// 9.1-1 has not been assessed.
pub(crate) fn site(regulation: &Regulation) -> SiteFacts {
    let at = "2026-11-28T03:00:00Z".parse().unwrap();
    let mut standings = BTreeMap::new();
    for clause in regulation.clauses().filter(|one| !one.ways.is_empty()) {
        let mark = match clause.id.as_str() {
            "4.3-2-a" => Mark::NotMet,
            "5.2-3" => Mark::Unknown,
            "9.1-1" => continue,
            _ => Mark::ByDesign,
        };
        let standing = Standing {
            mark,
            since: Some(at),
            seen: Some(at),
            note: (!mark.is_met()).then(|| Text::new("理由 <&>", "because <&> of | it")),
        };
        standings.insert(clause.id.clone(), standing);
    }
    let holder = Holder {
        name: "kanri".to_owned(),
        full_name: "管理 <太郎>".to_owned(),
    };
    SiteFacts {
        organisation: "例示市 & 町".to_owned(),
        hostname: "mail.example.org".to_owned(),
        domains: vec!["example.org".to_owned()],
        exchange: true,
        mailbox: true,
        edition: 3,
        at,
        time_zone: TimeZone::UTC,
        choices: Choices::proposed(regulation),
        holders: BTreeMap::from([("administrator".to_owned(), vec![holder])]),
        contacts: Vec::new(),
        corrections: Vec::new(),
        standings,
    }
}
