//! The site's own regulation: what is told of the site in its documents.

use std::{collections::BTreeMap, sync::Arc};

use directory::command::person::PersonView;
use governance::{Rules, State, clause::ClauseView, expert::ExpertView, fault};
use regulation::{
    Contact, Correction, Holder, Mark, Regulation, SiteFacts, Standing, Text, WayKind,
};

use crate::{
    settings::{Role, Settings},
    site::Site,
};

/// The regulation in force, and the facts for its documents. `people` is everybody; `clauses` says how clauses stand, by id,
/// `corrections` what reviews found, `experts` the contracts with outside experts.
pub(crate) fn of(
    site: &Site,
    people: &[PersonView],
    clauses: &BTreeMap<String, ClauseView>,
    corrections: Vec<fault::Correction>,
    experts: &[ExpertView],
) -> (Arc<Regulation>, SiteFacts) {
    let (settings, rules) = (site.settings(), site.rules());
    let facts = SiteFacts {
        organisation: settings.organisation(),
        hostname: settings.server.hostname.get_ref().clone(),
        domains: settings
            .domains
            .iter()
            .map(|domain| domain.name.get_ref().clone())
            .collect(),
        exchange: settings.has(Role::Exchange),
        mailbox: settings.has(Role::Mailbox),
        edition: *settings.regulation.edition.get_ref(),
        at: site.world.now(),
        time_zone: rules.calendar.zone.clone(),
        choices: rules.choices.as_ref().clone(),
        holders: holders(people),
        contacts: contacts(&settings, experts),
        corrections: open(corrections),
        standings: standings(&rules, clauses),
    };
    (rules.regulation, facts)
}

/// Whom to turn to: those that the settings name, and the experts whose contract is in force.
fn contacts(settings: &Settings, experts: &[ExpertView]) -> Vec<Contact> {
    let mut contacts = settings.contacts();
    let in_force = experts.iter().filter(|one| one.is_in_force());
    contacts.extend(in_force.map(|one| Contact {
        subject: Text::new(
            format!(
                "外部の専門家(契約期間 {} から {} まで)",
                one.from, one.until
            ),
            format!(
                "Outside experts (contract from {} to {})",
                one.from, one.until
            ),
        ),
        value: format!("{}  {}", one.name, one.contact),
    }));
    contacts
}

/// What reviews found and is not put right yet.
fn open(corrections: Vec<fault::Correction>) -> Vec<Correction> {
    let open = corrections
        .into_iter()
        .filter(|one| one.closed_at.is_none());
    let told = open.map(|one| Correction {
        task: one.task,
        fault: one.fault,
        owed_by: one.role,
        since: one.opened_at,
        due: one.due_at,
        clauses: one.clauses,
    });
    told.collect()
}

/// How clauses stand, in the words of documents. What the site has not adopted is told by its options.
fn standings(rules: &Rules, clauses: &BTreeMap<String, ClauseView>) -> BTreeMap<String, Standing> {
    let mut standings = BTreeMap::new();
    for (id, view) in clauses {
        let mark = match view.state {
            State::NotAdopted => continue,
            State::Met => met_by(rules, id),
            // What is not due yet was not shown to be met.
            State::Pending | State::Unknown => Mark::Unknown,
            State::NotMet => Mark::NotMet,
        };
        let standing = Standing {
            mark,
            since: view.since,
            seen: view.last_evidence,
            note: Some(Text::new(view.why_ja.as_str(), view.why.as_str())),
        };
        standings.insert(id.clone(), standing);
    }
    standings
}

/// In which way a clause is met: where people act, by that; else where it is measured, by that.
fn met_by(rules: &Rules, id: &str) -> Mark {
    let own = rules.regulation.clause(id).into_iter();
    let ways = own
        .chain(rules.regulation.items(id))
        .flat_map(|clause| &clause.ways);
    let kinds: Vec<WayKind> = ways.map(|way| way.way).collect();
    if kinds.contains(&WayKind::Workflow) {
        Mark::Workflow
    } else if kinds.contains(&WayKind::Measure) {
        Mark::Measured
    } else {
        Mark::ByDesign
    }
}

fn holders(people: &[PersonView]) -> BTreeMap<String, Vec<Holder>> {
    let mut held: BTreeMap<String, Vec<Holder>> = BTreeMap::new();
    for person in people.iter().filter(|person| !person.left) {
        for role in &person.roles {
            held.entry(role.as_str().to_owned())
                .or_default()
                .push(Holder {
                    name: person.name.clone(),
                    full_name: person.full_name.clone(),
                });
        }
    }
    held
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use regulation::Decided;

    use super::*;

    fn built_in() -> Regulation {
        Regulation::built_in().unwrap()
    }

    #[test]
    fn every_role_is_one_that_people_can_hold() {
        for role in built_in().roles() {
            assert!(role.key.parse::<directory::Role>().is_ok(), "{}", role.key);
        }
    }

    /// Every setting that the catalogue names is one: a value of a wrong type is told as that, and not as an unknown key.
    #[test]
    fn every_setting_that_is_named_is_one() {
        let regulation = built_in();
        let of_clauses = regulation.clauses().flat_map(|clause| &clause.settings);
        let of_options = regulation.options().filter_map(|one| one.setting.as_ref());
        let of_parameters = regulation.parameters();
        let of_parameters = of_parameters.filter_map(|one| one.setting.as_ref());
        for key in of_clauses.chain(of_options).chain(of_parameters) {
            let (table, name) = key.rsplit_once('.').unwrap();
            // A date is what no setting is.
            let text = match table {
                "domain" => format!("[[domain]]\n{name} = 2006-03-31\n"),
                table => format!("[{table}]\n{name} = 2006-03-31\n"),
            };
            let error = Settings::parse("x", &text).unwrap_err().told();
            for part in key.split('.') {
                let unknown = format!("unknown field `{part}`");
                assert!(!error.contains(&unknown), "{key}: {error}");
            }
        }
    }

    /// What other settings decide is set from them, and nothing else is.
    #[test]
    fn what_settings_decide_follows_them() {
        let regulation = built_in();
        let text = "[server]\nhostname = \"mail.example.org\"\nroles = [\"exchange\"]\n[[domain]]\nname = \"example.org\"\n\
                    [audit]\nrotate_months = 2\nretain_years = 7\n[directory]\nshortest_password = 12\nidle_after = \"30d\"\n\
                    initial_only_to_change = true\n[retrieval]\nplaintext_networks = [\"192.0.2.0/24\"]\n\
                    [submission]\nunauthenticated_networks = [\"192.0.2.0/24\"]\n[screening]\nenabled = false\n\
                    [screening.malware]\ndefinitions_max_age = \"36h\"\n[exchange]\nmailbox_server = { host = \"m.example.org\", port = 25 }\n";
        let settings = Settings::parse("x", text).map_err(|error| error.told());
        let settings = settings.unwrap();
        let choices = settings.choices(&regulation).unwrap();
        for parameter in regulation.parameters() {
            let (value, _) = choices.parameter(&parameter.key).unwrap();
            let moved = *value != parameter.default;
            assert_eq!(
                moved,
                parameter.decided == Decided::Settings,
                "{}",
                parameter.key
            );
        }
        for option in regulation.options() {
            let moved = choices.is_on(&option.key) != option.default;
            assert_eq!(moved, option.decided == Decided::Settings, "{}", option.key);
        }
    }
}
