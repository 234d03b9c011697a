//! What the settings are when nobody sets them.

use std::{thread, time::Duration};

use message::address::{Address, Domain};

use crate::{Options, OwnDomain, SecondFactor, hash::Cost, throttle::Pace};

impl Default for Options {
    /// The documented defaults, without own domains.
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            tag_separator: Some('+'),
            proof_lifetime: Duration::from_secs(10 * 60),
            free_failures: 3,
            longest_delay: Duration::from_secs(30),
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
            concurrent_checks: thread::available_parallelism().map_or(1, usize::from),
            scram_iterations: 10_000,
            default_quota: None,
            allow_single_person: false,
            acknowledgement_required: false,
            initial_only_to_change: false,
            password_needs_order: true,
            forwards_keep_copy: true,
            outside_forwards: false,
            password_rule: crate::password::Rule::default(),
            second_factor: SecondFactor::default(),
            second_factor_for_mail: false,
            idle_after: Duration::from_secs(90 * 24 * 60 * 60),
            idle_grace: Duration::from_secs(30 * 24 * 60 * 60),
            roster_grace: Duration::from_secs(30 * 24 * 60 * 60),
            isolation: Some(crate::isolation::Isolation::default()),
            outside: Some(crate::outside::Outside::default()),
            submission: crate::submission::Rule::default(),
            order_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}
impl Options {
    /// The settings of an own domain.
    pub(crate) fn own(&self, domain: &Domain) -> Option<&OwnDomain> {
        self.domains.iter().find(|own| own.name == *domain)
    }

    pub(crate) fn cost(&self) -> Cost {
        Cost {
            memory_kib: self.argon2_memory_kib,
            passes: self.argon2_passes,
            scram_iterations: self.scram_iterations,
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        Pace {
            free_failures: self.free_failures,
            longest_delay: self.longest_delay,
        }
    }

    /// The identifier that a client's text means: an address in its canonical form; a bare local part means
    /// the one own domain, if there is exactly one. Text that can be no identifier stays as it is, bounded.
    pub(crate) fn canonical_identifier(&self, claimed: &str) -> String {
        let address = match (claimed.contains('@'), self.domains.as_slice()) {
            (false, [only]) => Address::new(claimed, only.name.clone()).ok(),
            _ => Address::parse(claimed).ok(),
        };
        address.map_or_else(
            || claimed.chars().take(MOST_CLAIMED).collect(),
            |address| address.canonical().to_string(),
        )
    }

    /// The address without its sub-address, and the sub-address, if it has one.
    pub(crate) fn split_tag(&self, address: &Address) -> Option<(Address, String)> {
        let (base, tag) = address.local().split_once(self.tag_separator?)?;
        let base = Address::new(base, address.domain().clone()).ok()?;
        Some((base, tag.to_owned()))
    }
}

/// Characters of a claimed identifier that are looked at and recorded.
pub(crate) const MOST_CLAIMED: usize = 320;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn domain(name: &str) -> OwnDomain {
        OwnDomain {
            name: Domain::parse(name).unwrap(),
            catch_all: None,
        }
    }

    #[test]
    fn identifiers_have_one_form() {
        let one = Options {
            domains: vec![domain("example.jp")],
            ..Options::default()
        };
        let two = Options {
            domains: vec![domain("example.jp"), domain("b.jp")],
            ..Options::default()
        };
        assert_eq!(one.canonical_identifier("Taro"), "taro@example.jp");
        assert_eq!(two.canonical_identifier("Taro"), "Taro");
        assert_eq!(
            two.canonical_identifier("Taro@EXAMPLE.jp"),
            "taro@example.jp"
        );
        assert_eq!(
            one.canonical_identifier(&"x".repeat(9999)).len(),
            MOST_CLAIMED
        );
    }

    #[test]
    fn the_separator_is_a_setting() {
        let address = Address::parse("taro-x+y@example.jp").unwrap();
        let plus = Options::default();
        assert_eq!(plus.split_tag(&address).unwrap().1, "y");
        let dash = Options {
            tag_separator: Some('-'),
            ..Options::default()
        };
        assert_eq!(dash.split_tag(&address).unwrap().0.local(), "taro");
        let none = Options {
            tag_separator: None,
            ..Options::default()
        };
        assert!(none.split_tag(&address).is_none());
    }
}
