//! What is shared with officers elsewhere (8.3(6)).

use advisory::{
    csaf::{self, Justification, Product, Profile, Sharing, Standing},
    inventory::Item,
    matching::Certainty,
};
use directory::command::{Caller, CommandError};
use jiff::Timestamp;
use serde_json::Value;
use store::{Error, sql::Sql};

use super::{
    READERS,
    case::{Step, View, Whole},
    table,
};

/// Who shares.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// The organisation's name.
    pub name: String,
    /// Its address in the web.
    pub namespace: String,
}

/// A case as a document of CSAF 2.0.
///
/// # Errors
/// [`CommandError`]; when it touches nothing that could be told of.
pub async fn document(
    caller: &Caller,
    number: i64,
    profile: Profile,
    publisher: Publisher,
    now: Timestamp,
) -> Result<Value, CommandError> {
    let word = match profile {
        Profile::Advisory => "csaf",
        Profile::Vex => "vex",
    };
    let given = format!("vuln export {number} --format {word}");
    caller
        .look(&given, READERS, move |snapshot, _| {
            let whole = Whole::find(snapshot, number, now)?;
            sharing(&whole, publisher, now).map(|sharing| csaf::document(&sharing, profile))
        })
        .await
}

/// A case as an auditor is given it.
#[derive(Clone, Debug)]
pub struct Paper {
    /// The case.
    pub case: View,
    /// The same as an advisory of CSAF 2.0; `None`: it touches nothing here that could be told of.
    pub csaf: Option<Value>,
}

/// The cases that were open at any time of a period, ascending, at most `most` of the newest; and whether there were more.
///
/// # Errors
/// When the store fails.
pub fn papers(
    sql: &mut dyn Sql,
    publisher: &Publisher,
    (from, to): (Timestamp, Timestamp),
    most: usize,
    now: Timestamp,
) -> Result<(Vec<Paper>, bool), Error> {
    let mut cases = table::cases(sql)?;
    cases.retain(|case| case.opened_at < to && case.closed_at.is_none_or(|closed| closed >= from));
    let more = cases.len().saturating_sub(most);
    cases.drain(..more);
    let software = table::software(sql, true)?;
    let items: Vec<Item> = software.into_iter().map(|one| one.item).collect();
    let mut papers = Vec::with_capacity(cases.len());
    for case in cases {
        let Some(whole) = Whole::read(sql, case.number, &items, now)? else {
            continue;
        };
        let csaf = match sharing(&whole, publisher.clone(), now) {
            Ok(sharing) => Some(csaf::document(&sharing, Profile::Advisory)),
            Err(CommandError::Store(error)) => return Err(error),
            Err(_) => None,
        };
        papers.push(Paper {
            case: whole.view(),
            csaf,
        });
    }
    Ok((papers, more > 0))
}

fn sharing(whole: &Whole, publisher: Publisher, now: Timestamp) -> Result<Sharing, CommandError> {
    let closed = whole.last(Step::Closed);
    let fact = |name: &str| {
        closed
            .and_then(|taken| taken.facts.get(name)?.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let justified: Option<(Justification, String)> = fact("justification")
        .parse()
        .ok()
        .map(|one| (one, fact("reason")));
    let products = products(whole, justified.is_some())?;
    let report = whole.report();
    let plan = whole.plan().unwrap_or_default();
    let opened = (
        whole.case.opened_at.to_string(),
        "The case was opened.".to_owned(),
    );
    let steps = whole.steps.iter().map(|taken| {
        (
            taken.at.to_string(),
            format!("The case was {}.", taken.step.as_str()),
        )
    });
    let is_update = whole.touched.iter().any(|one| !one.fixed.is_empty());
    let remedy = match plan.method.as_str() {
        "" => report.remedy.clone(),
        method => method.to_owned(),
    };
    let others = whole
        .advisories
        .iter()
        .filter(|one| one.id != whole.case.id);
    Ok(Sharing {
        id: format!("{}-{}", publisher.name, whole.case.number),
        publisher: publisher.name,
        namespace: publisher.namespace,
        title: whole.title().to_owned(),
        cve: if whole.case.id.starts_with("CVE-") {
            whole.case.id.clone()
        } else {
            String::new()
        },
        ids: others
            .map(|one| (one.source.as_str().to_owned(), one.id.clone()))
            .collect(),
        revisions: std::iter::once(opened).chain(steps).collect(),
        now: now.to_string(),
        notes: vec![
            ("Cause".to_owned(), report.cause),
            ("Scope".to_owned(), report.scope),
            ("Exploitation".to_owned(), report.exploit.clone()),
            ("Workaround".to_owned(), plan.workaround),
        ],
        references: whole
            .advisories
            .iter()
            .flat_map(|one| &one.references)
            .map(|link| link.url.clone())
            .collect(),
        products,
        remedy,
        is_update,
        exploited: whole
            .exploited
            .as_ref()
            .map(|_| report.exploit)
            .unwrap_or_default(),
        justified,
    })
}

/// What is touched, and what was when the case began and is not any more.
fn products(whole: &Whole, is_justified: bool) -> Result<Vec<Product>, CommandError> {
    let mut products: Vec<Product> = whole
        .touched
        .iter()
        .map(|one| Product {
            name: one.item.name.clone(),
            version: one.item.version.clone(),
            purl: one.item.purl.clone(),
            standing: match (is_justified, one.certainty) {
                (true, _) => Standing::KnownNotAffected,
                (false, Certainty::Affected) => Standing::KnownAffected,
                (false, Certainty::Possible) => Standing::UnderInvestigation,
            },
        })
        .collect();
    for item in &whole.replacing {
        products.push(Product {
            name: item.name.clone(),
            version: item.version.clone(),
            purl: item.purl.clone(),
            standing: Standing::Fixed,
        });
    }
    match products.is_empty() {
        false => Ok(products),
        true => Err(CommandError::State(format!(
            "case {} touches no software that is here, or was replaced here, so that there is nothing to share",
            whole.case.number
        ))),
    }
}
