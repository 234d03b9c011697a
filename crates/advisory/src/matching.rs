//! Whether an advisory touches a piece of software, as the advisory's source defines it.

use std::cmp::Ordering;

use serde::Serialize;

use crate::{
    Advisory, Affected, Mark, Point, Rule, Status, Stretch, What, inventory::Item, version::Scheme,
};

/// How sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// It names the software, and not for machines which versions: somebody has to look.
    Possible,
    /// It names this version.
    Affected,
}

/// That an advisory touches a piece of software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Touch {
    /// How sure it is.
    pub certainty: Certainty,
    /// Versions that are not affected any more; none: the source knows of none.
    pub fixed: Vec<String>,
    /// Versions in the source's words, where it has no others.
    pub words: Vec<String>,
}

/// A name in the form of CPE.
pub(crate) fn plain(name: &str) -> String {
    crate::limits::line(name, crate::limits::WORD)
        .to_lowercase()
        .replace(' ', "_")
}

/// Whether `advisory` touches `item`. What was withdrawn touches nothing.
#[must_use]
pub fn touches(advisory: &Advisory, item: &Item) -> Option<Touch> {
    if !advisory.withdrawn.is_empty() {
        return None;
    }
    let mut found: Option<Touch> = None;
    for affected in &advisory.affected {
        let Some((version, only)) = affected.what.iter().find_map(|what| named(what, item)) else {
            continue;
        };
        let Some(touch) = held(affected, version, only) else {
            continue;
        };
        match &mut found {
            None => found = Some(touch),
            Some(known) => {
                known.certainty = known.certainty.max(touch.certainty);
                known.fixed.extend(touch.fixed);
                known.words.extend(touch.words);
            }
        }
    }
    found
}

/// The item's version in the terms of `what`, if that means it, and the only version that is meant.
fn named<'a>(what: &'a What, item: &'a Item) -> Option<(&'a str, Option<&'a str>)> {
    match what {
        What::Package { ecosystem, name } => {
            let (own, own_name, version) = item.package.as_ref()?;
            let is_same = own_name == name && is_within(own, ecosystem);
            is_same.then_some((version.as_str(), None))
        }
        What::Product {
            vendor,
            product,
            version,
        } => {
            let mut names = item.products.iter();
            let is_named = names.any(|(own, name)| own == vendor && name == product);
            is_named.then_some((item.version.as_str(), version.as_deref()))
        }
    }
}

/// `Debian` means all its releases, on either side.
fn is_within(own: &str, other: &str) -> bool {
    let family = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    own == other || (family(own) == family(other) && (!own.contains(':') || !other.contains(':')))
}

fn held(affected: &Affected, version: &str, only: Option<&str>) -> Option<Touch> {
    let status = match &affected.rule {
        Rule::Osv {
            versions,
            stretches,
        } => {
            let is_said = !versions.is_empty() || stretches.iter().any(|one| one.scheme.is_some());
            if versions.iter().any(|one| one == version) {
                Status::Affected
            } else if !is_said {
                // By commits alone, or not at all: nobody can tell from a version.
                Status::Unknown
            } else {
                of_stretches(stretches, version)
            }
        }
        Rule::Cve { marks, others } => of_marks(marks, *others, version),
        Rule::Words { .. } => match only {
            // A name with a version means that one; one without does not say.
            Some(only) => match Scheme::Generic.compare(version, only) {
                Some(Ordering::Equal) => Status::Affected,
                Some(_) => Status::Unaffected,
                None => Status::Unknown,
            },
            None => Status::Unknown,
        },
    };
    let certainty = match status {
        Status::Affected => Certainty::Affected,
        Status::Unknown => Certainty::Possible,
        Status::Unaffected => return None,
    };
    let words = match &affected.rule {
        Rule::Words { versions } => versions.clone(),
        _ => Vec::new(),
    };
    Some(Touch {
        certainty,
        fixed: fixed(&affected.rule, version),
        words,
    })
}

/// OSV: within a stretch, before its limits, and after the last point that begins something.
fn of_stretches(stretches: &[Stretch], version: &str) -> Status {
    let mut status = Status::Unaffected;
    for stretch in stretches {
        let Some(scheme) = stretch.scheme else {
            continue;
        };
        match within(scheme, &stretch.points, version) {
            Some(true) => return Status::Affected,
            Some(false) => {}
            None => status = Status::Unknown,
        }
    }
    status
}

/// `None`: a version cannot be compared.
fn within(scheme: Scheme, points: &[Point], version: &str) -> Option<bool> {
    // Whether the version is at or after a point's, and after it.
    let against = |at: &str| match at {
        "0" => Some(Ordering::Greater),
        at => scheme.compare(version, at),
    };
    let mut limits = points.iter().filter_map(|point| match point {
        Point::Limit(at) => Some(at.as_str()),
        _ => None,
    });
    let mut is_before = points.iter().all(|point| !matches!(point, Point::Limit(_)));
    for limit in &mut limits {
        is_before |= limit == "*" || scheme.compare(version, limit)? == Ordering::Less;
    }
    if !is_before {
        return Some(false);
    }
    // The point that decides is the last one at or before the version; at the same place an end goes before a beginning.
    let mut last: Option<(&str, bool)> = None;
    for point in points {
        let (at, begins, passed) = match point {
            Point::Introduced(at) => (at, true, against(at)? != Ordering::Less),
            Point::Fixed(at) => (at, false, against(at)? != Ordering::Less),
            Point::LastAffected(at) => (at, false, against(at)? == Ordering::Greater),
            Point::Limit(_) => continue,
        };
        if !passed {
            continue;
        }
        let is_later = match last {
            None => true,
            Some(("0", _)) => true,
            Some((known, _)) => at != "0" && scheme.compare(at, known)? != Ordering::Less,
        };
        if is_later {
            last = Some((at, begins));
        }
    }
    Some(last.is_some_and(|(_, begins)| begins))
}

/// CVE: the status of the version or stretch that has it, with the changes within; of all others the default.
fn of_marks(marks: &[Mark], others: Status, version: &str) -> Status {
    let mut unclear = false;
    for mark in marks {
        match of_mark(mark, version) {
            Some(Some(status)) => return status,
            Some(None) => {}
            None => unclear |= mark.status == Status::Affected,
        }
    }
    match unclear && others != Status::Affected {
        true => Status::Unknown,
        false => others,
    }
}

/// `None`: it cannot be compared; `Some(None)`: it is about others.
fn of_mark(mark: &Mark, version: &str) -> Option<Option<Status>> {
    let scheme = mark.scheme?;
    let Some((end, is_within_end)) = mark
        .less_than
        .as_deref()
        .map(|end| (end, false))
        .or_else(|| mark.up_to.as_deref().map(|end| (end, true)))
    else {
        let is_same =
            mark.version == version || scheme.compare(version, &mark.version)? == Ordering::Equal;
        return Some(is_same.then_some(mark.status));
    };
    let begins = matches!(mark.version.as_str(), "0" | "*")
        || scheme.compare(version, &mark.version)? != Ordering::Less;
    let ends = match end {
        "*" => false,
        end => match scheme.compare(version, end)? {
            Ordering::Less => false,
            Ordering::Equal => !is_within_end,
            Ordering::Greater => true,
        },
    };
    if !begins || ends {
        return Some(None);
    }
    let mut status = (mark.status, None);
    for change in &mark.changes {
        if scheme.compare(version, &change.at)? == Ordering::Less {
            continue;
        }
        let is_later = match status.1 {
            None => true,
            Some(known) => scheme.compare(&change.at, known)? != Ordering::Less,
        };
        if is_later {
            status = (change.status, Some(change.at.as_str()));
        }
    }
    Some(Some(status.0))
}

/// Versions later than `version` at which something affected ends.
fn fixed(rule: &Rule, version: &str) -> Vec<String> {
    let later = |scheme: Option<Scheme>, at: &str| {
        scheme.and_then(|scheme| scheme.compare(at, version)) == Some(Ordering::Greater)
    };
    let mut found = Vec::new();
    match rule {
        Rule::Osv { stretches, .. } => {
            for stretch in stretches {
                for point in &stretch.points {
                    if let Point::Fixed(at) = point
                        && later(stretch.scheme, at)
                    {
                        found.push(at.clone());
                    }
                }
            }
        }
        Rule::Cve { marks, .. } => {
            for mark in marks.iter().filter(|mark| mark.status == Status::Affected) {
                let changes = mark
                    .changes
                    .iter()
                    .filter(|change| change.status == Status::Unaffected);
                let ends = mark
                    .less_than
                    .iter()
                    .chain(changes.map(|change| &change.at));
                found.extend(
                    ends.filter(|end| !end.contains('*') && later(mark.scheme, end))
                        .cloned(),
                );
            }
        }
        Rule::Words { .. } => {}
    }
    found.dedup();
    found
}
