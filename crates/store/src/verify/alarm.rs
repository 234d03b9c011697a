//! Incidents, runbooks, blocked networks and rules against outbreaks: what the server could not act on.

use std::net::IpAddr;

use trail::Kind;

use crate::{Error, event::recorded_at};

use super::{Check, Finding, Look};

/// All of them; there are few.
pub(super) struct Alarms;

impl Check for Alarms {
    fn name(&self) -> &'static str {
        "incidents, runbooks, blocks and rules"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        for (list, what, why, fits) in [
            (
                "SELECT network, network FROM blocked_address",
                "block",
                "its network cannot be read: connections from there are taken",
                is_network as fn(&str) -> bool,
            ),
            (
                "SELECT CAST(number AS TEXT), marks FROM outbreak_rule WHERE ended_at IS NULL",
                "rule against an outbreak",
                "what it means cannot be read: it does not hold",
                is_object,
            ),
            (
                "SELECT CAST(number AS TEXT), facts FROM incident",
                "incident",
                "its facts cannot be read",
                is_object,
            ),
        ] {
            let rows = look.rows(list, &[], |row| Ok((row.text(0)?, row.text(1)?)))?;
            for (name, text) in rows {
                if !fits(&text) {
                    look.tell(Finding::AlarmUnreadable {
                        name: format!("{what} {name}"),
                        why: why.to_owned(),
                    });
                }
            }
        }
        held_for_nothing(look)?;
        runbooks(look)?;
        restraints(look)?;
        Ok(false)
    }
}

/// Submissions are held while an incident about them is open, and no longer: nobody would be reminded of them.
fn held_for_nothing(look: &mut Look<'_, '_>) -> Result<(), Error> {
    let list = "SELECT CAST(h.account AS TEXT), CAST(h.incident AS TEXT) FROM submission_hold h
                LEFT JOIN incident i ON i.number = h.incident AND i.account = h.account AND i.kind = 'submission-surge'
                AND i.closed_at IS NULL WHERE h.incident IS NOT NULL AND i.number IS NULL";
    let rows = look.rows(list, &[], |row| Ok((row.text(0)?, row.text(1)?)))?;
    for (account, incident) in rows {
        look.tell(Finding::AlarmUnreadable {
            name: format!("submissions of account {account}"),
            why: format!("they are held for incident {incident}, which is not open about them"),
        });
    }
    Ok(())
}

/// A runbook's text is what came into force, and an incident goes by one of its own kind.
fn runbooks(look: &mut Look<'_, '_>) -> Result<(), Error> {
    let list = "SELECT CAST(number AS TEXT), digest, text FROM runbook";
    let rows = look.rows(list, &[], |row| {
        Ok((row.text(0)?, row.text(1)?, row.text(2)?))
    })?;
    for (number, digest, text) in rows {
        if blake3::hash(text.as_bytes()).to_hex().as_str() != digest {
            look.tell(Finding::AlarmUnreadable {
                name: format!("runbook {number}"),
                why: "its text is not the one that came into force".to_owned(),
            });
        }
    }
    let list = "SELECT CAST(i.number AS TEXT), r.kind FROM incident_runbook b JOIN incident i ON i.number = b.incident
                JOIN runbook r ON r.number = b.runbook WHERE r.kind <> i.kind";
    let rows = look.rows(list, &[], |row| Ok((row.text(0)?, row.text(1)?)))?;
    for (incident, kind) in rows {
        look.tell(Finding::AlarmUnreadable {
            name: format!("incident {incident}"),
            why: format!("it goes by a runbook of another kind: {kind}"),
        });
    }
    Ok(())
}

/// What an incident limits and drains is what the rows of its levers say: each can be read, and an event tells of it.
fn restraints(look: &mut Look<'_, '_>) -> Result<(), Error> {
    let list = "SELECT incident, number, lever, target, used_at FROM incident_lever
                WHERE lever IN ('limit', 'unlimit', 'drain', 'undrain') ORDER BY incident, number";
    let rows = look.rows(list, &[], |row| {
        let lever = (row.text(2)?, row.text(3)?);
        Ok((row.int(0)?, row.int(1)?, lever, row.time(4)?))
    })?;
    for (incident, number, (lever, target), at) in rows {
        let fits = match lever.as_str() {
            "limit" => is_limit(&target),
            "unlimit" => is_limited(&target),
            _ => target == "exchange" || target == "submission",
        };
        let name = format!("lever {number} of incident {incident} ({lever} {target})");
        if !fits {
            look.tell(Finding::AlarmUnreadable {
                name: name.clone(),
                why: "what it is used on cannot be read: it does not hold".to_owned(),
            });
        }
        let subject = incident.to_string();
        if recorded_at(look.sql, at, Kind::IncidentActed, &subject)?.is_none() {
            look.tell(Finding::WorkAltered {
                name,
                why: "no event tells that it was used".to_owned(),
            });
        }
    }
    Ok(())
}

/// Whose mail is limited, and to so many recipients in a minute or an hour.
fn is_limit(text: &str) -> bool {
    let Some((of, rate)) = text.rsplit_once(' ') else {
        return false;
    };
    let rate = rate
        .strip_suffix("/minute")
        .or_else(|| rate.strip_suffix("/hour"));
    let recipients = rate.and_then(|count| count.parse::<u32>().ok());
    is_limited(of) && recipients.is_some_and(|count| count > 0)
}

fn is_limited(of: &str) -> bool {
    match of.split_once(':') {
        Some(("network", network)) => is_network(network),
        Some(("identifier" | "domain", name)) => !name.is_empty(),
        _ => false,
    }
}

/// An address and the length of its prefix.
fn is_network(text: &str) -> bool {
    let Some((address, prefix)) = text.split_once('/') else {
        return false;
    };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.parse::<u8>().is_ok_and(|prefix| prefix <= longest)
}

fn is_object(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(serde_json::Value::Object(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_known_from_what_is_none() {
        for good in ["192.0.2.1/32", "10.0.0.0/8", "2001:db8::/32"] {
            assert!(is_network(good), "{good}");
        }
        for bad in ["192.0.2.1", "192.0.2.1/33", "x/8", "2001:db8::/129", "/8"] {
            assert!(!is_network(bad), "{bad}");
        }
        for good in [
            "identifier:a@b.example 5/hour",
            "network:2001:db8::/32 20/minute",
            "domain:far.example 1/hour",
        ] {
            assert!(is_limit(good), "{good}");
        }
        for bad in [
            "domain:far.example",
            "domain: 1/hour",
            "network:x 1/hour",
            "domain:a 0/hour",
            "domain:a 1/day",
        ] {
            assert!(!is_limit(bad), "{bad}");
        }
        assert!(is_object("{}") && !is_object("[]") && !is_object("{"));
    }
}
