//! What is shared with officers elsewhere (8.3(6)).

use advisory::{
    csaf::{self, Justification, Product, Profile, Sharing, Standing},
    matching::Certainty,
};
use directory::command::{Caller, CommandError};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    READERS,
    case::{Step, Whole},
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
