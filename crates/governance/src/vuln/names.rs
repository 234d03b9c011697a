//! The names of cases: a case goes by its own, and by each CVE number that a source has for it.

use std::collections::{BTreeMap, BTreeSet};

use advisory::Advisory;
use store::{Error, sql::Sql};

use super::table;

/// Which cases go by which name.
pub(super) struct Names(BTreeMap<String, BTreeSet<i64>>);

impl Names {
    /// Of all cases.
    pub(super) fn read(sql: &mut dyn Sql) -> Result<Self, Error> {
        let mut names = Self(BTreeMap::new());
        for case in table::cases(sql)? {
            names.add(&case.id, case.number);
        }
        for (number, advisory) in table::all_advisories(sql)? {
            names.learn(number, &advisory);
        }
        Ok(names)
    }

    /// A source tells of the case `number` from now on.
    pub(super) fn learn(&mut self, number: i64, advisory: &Advisory) {
        for name in std::iter::once(advisory.id.as_str()).chain(advisory.cves()) {
            self.add(name, number);
        }
    }

    fn add(&mut self, name: &str, number: i64) {
        self.0.entry(name.to_owned()).or_default().insert(number);
    }

    /// The cases that go by `name`; several, where sources put together what others tell apart.
    pub(super) fn cases(&self, name: &str) -> impl Iterator<Item = i64> + '_ {
        self.0.get(name).into_iter().flatten().copied()
    }

    /// All names.
    pub(super) fn into_names(self) -> BTreeSet<String> {
        self.0.into_keys().collect()
    }
}

/// Since when a case is in the catalogue of what is known to be exploited, under any of its names, the first of them; and whether
/// extortionists use it.
pub(super) fn exploited(
    sql: &mut dyn Sql,
    id: &str,
    advisories: &[Advisory],
) -> Result<Option<(String, bool)>, Error> {
    let cves = advisories.iter().flat_map(Advisory::cves);
    let names: BTreeSet<&str> = std::iter::once(id).chain(cves).collect();
    let mut found: Option<(String, bool)> = None;
    for name in names {
        let Some((added, ransomware)) = table::exploited(sql, name)? else {
            continue;
        };
        found = Some(match found {
            Some((first, before)) => (first.min(added), before || ransomware),
            None => (added, ransomware),
        });
    }
    Ok(found)
}
