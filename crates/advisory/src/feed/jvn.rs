//! Japan Vulnerability Notes: JVNRSS (RSS 1.0 with `sec:` elements, which MyJVN's getVulnOverviewList answers too), and VULDEF
//! (getVulnDetailInfo). Neither gives ranges of versions for machines: VULDEF has them in words.

use super::{
    Entry, FeedError, Hearing,
    cve::tenths,
    text::{maybe, word},
};
use crate::{
    Advisory, Affected, Reference, Rule, Severity, Source, What,
    inventory::cpe_of,
    limits::{AFFECTED, DETAILS, LIST, TITLE, VERSIONS, line, lines},
    xml::{self, Element},
};

pub(super) fn read(text: &str, hearing: &mut Hearing<'_>) -> Result<(), FeedError> {
    let root = xml::read(text)?;
    match root.name {
        "RDF" => {
            let channel = root
                .first("channel")
                .ok_or_else(|| hearing.form("RSS without a channel"))?;
            hearing.reading.published = maybe(either(channel, "modified", "date"));
            for (number, item) in (1_u64..).zip(root.all("item")) {
                hearing.record(|| format!("item {number}"), overview(item))?;
            }
            Ok(())
        }
        "VULDEF-Document" => {
            for (number, info) in (1_u64..).zip(root.all("Vulinfo")) {
                hearing.record(|| format!("Vulinfo {number}"), detail(info))?;
            }
            Ok(())
        }
        other => Err(hearing.form(format!(
            "its element is {:?}, neither RDF nor VULDEF-Document",
            maybe(other)
        ))),
    }
}

fn either<'e>(element: &'e Element<'_>, one: &str, other: &str) -> &'e str {
    match element.text_at(&[one]) {
        "" => element.text_at(&[other]),
        text => text,
    }
}

fn overview(item: &Element<'_>) -> Result<Option<Entry>, String> {
    let references: Vec<&Element<'_>> = item.all("references").collect();
    let aliases = references
        .iter()
        .map(|one| one.attribute("id"))
        .filter(|id| crate::record_is_cve(id));
    let affected = item
        .all("cpe")
        .filter_map(|cpe| product(cpe.text.trim(), Vec::new()));
    let severity = item.all("cvss").take(LIST).map(|cvss| Severity {
        metric: format!("CVSS:{}", maybe(cvss.attribute("version"))),
        vector: maybe(cvss.attribute("vector")),
        tenths: cvss.attribute("score").parse().ok().and_then(tenths),
    });
    let links = std::iter::once(item.text_at(&["link"]))
        .chain(references.iter().map(|one| one.text.trim()));
    let links = links.filter(|url| !url.is_empty()).take(LIST);
    entry(Advisory {
        source: Source::Jvn,
        id: word("sec:identifier", item.text_at(&["identifier"]))?,
        aliases: aliases.take(LIST).map(str::to_owned).collect(),
        title: line(item.text_at(&["title"]), TITLE),
        details: lines(item.text_at(&["description"]), DETAILS),
        published: maybe(item.text_at(&["issued"])),
        modified: maybe(either(item, "modified", "date")),
        withdrawn: String::new(),
        severity: severity.collect(),
        references: links
            .map(|url| Reference {
                kind: String::new(),
                url: maybe(url),
            })
            .collect(),
        workaround: String::new(),
        affected: affected.collect(),
    })
}

fn detail(info: &Element<'_>) -> Result<Option<Entry>, String> {
    let id = word("VulinfoID", info.text_at(&["VulinfoID"]))?;
    let data = info.first("VulinfoData").ok_or("it has no VulinfoData")?;
    let affected = within(data, &["Affected", "AffectedItem"])
        .into_iter()
        .flat_map(|item| {
            let versions = item.all("VersionNumber").take(VERSIONS);
            let versions: Vec<String> = versions.map(|version| maybe(&version.text)).collect();
            let names: Vec<_> = item
                .all("Cpe")
                .filter_map(|cpe| product(cpe.text.trim(), versions.clone()))
                .collect();
            names
        });
    let related = within(data, &["Related", "RelatedItem"]);
    let aliases = related
        .iter()
        .map(|item| item.text_at(&["VulinfoID"]))
        .filter(|id| crate::record_is_cve(id));
    let severity = within(data, &["Impact", "Cvss"])
        .into_iter()
        .take(LIST)
        .map(|cvss| Severity {
            metric: format!("CVSS:{}", maybe(cvss.attribute("version"))),
            vector: maybe(cvss.text_at(&["Vector"])),
            tenths: cvss.text_at(&["Base"]).parse().ok().and_then(tenths),
        });
    let links = related
        .iter()
        .map(|item| item.text_at(&["URL"]))
        .filter(|url| !url.is_empty())
        .take(LIST);
    entry(Advisory {
        source: Source::Jvn,
        id,
        aliases: aliases.take(LIST).map(str::to_owned).collect(),
        title: line(data.text_at(&["Title"]), TITLE),
        details: lines(data.text_at(&["VulinfoDescription", "Overview"]), DETAILS),
        published: maybe(data.text_at(&["DatePublic"])),
        modified: maybe(data.text_at(&["DateLastUpdated"])),
        withdrawn: String::new(),
        severity: severity.collect(),
        references: links
            .map(|url| Reference {
                kind: String::new(),
                url: maybe(url),
            })
            .collect(),
        workaround: lines(
            data.text_at(&["Solution", "SolutionItem", "Description"]),
            DETAILS,
        ),
        affected: affected.collect(),
    })
}

/// All elements at the end of `path`.
fn within<'e>(element: &'e Element<'e>, path: &[&str]) -> Vec<&'e Element<'e>> {
    let mut at = vec![element];
    for name in path {
        let inner = at.into_iter().flat_map(|outer| &outer.children);
        at = inner.filter(|child| child.name == *name).collect();
    }
    at
}

fn entry(advisory: Advisory) -> Result<Option<Entry>, String> {
    match advisory.affected.len() > AFFECTED {
        true => Err(format!("it names more than {AFFECTED} products")),
        false => Ok(Some(Entry::Advisory(Box::new(advisory)))),
    }
}

fn product(cpe: &str, versions: Vec<String>) -> Option<Affected> {
    let (vendor, product, version) = cpe_of(cpe)?;
    Some(Affected {
        what: vec![What::Product {
            vendor,
            product,
            version,
        }],
        rule: Rule::Words { versions },
    })
}
