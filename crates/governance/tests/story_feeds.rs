//! Feeds are read, cases come of them, and what is known to be exploited is marked by any of its numbers (clauses 4.3(2), 4.3(3), 8.3(6)).
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../directory/tests/site/mod.rs"]
mod site;

use std::io::Cursor;

use advisory::{
    Limits,
    feed::{self, Format},
    inventory::{Item, ItemKind},
};
use governance::{
    facts::Feeds,
    vuln::{
        self, Standing,
        case::{self, View},
        import::{self, Gatherer, Imported, Origin},
        inventory,
    },
};
use jiff::SignedDuration;
use site::Site;
use trail::{Actor, Event, Kind, Outcome};

/// A site that has a Postfix, clamd and a crate.
async fn open() -> Site {
    let site = Site::open().await;
    let cpe = "cpe:2.3:a:postfix:postfix:3.7.6:*:*:*:*:*:*:*";
    let postfix = Item::declared("Postfix", "3.7.6", "", cpe).unwrap();
    let looks = vec![
        (ItemKind::Declared, Ok(vec![postfix])),
        (
            ItemKind::Component,
            Ok(vec![Item::of_crate("rustls", "0.20.0")]),
        ),
    ];
    inventory::list(&site.store, looks).await.unwrap();
    site
}

fn origin(name: &str, format: Format) -> Origin {
    Origin {
        name: name.to_owned(),
        format,
        from: "here".to_owned(),
        digest: "d".to_owned(),
    }
}

async fn try_take(site: &Site, format: Format, text: &str) -> Result<Imported, String> {
    take_as(site, format.as_str(), format, text).await
}

async fn take_as(site: &Site, name: &str, format: Format, text: &str) -> Result<Imported, String> {
    let mut heard = Gatherer::new(&site.store).await.unwrap();
    let mut from = Cursor::new(text.as_bytes());
    let reading = feed::read(format, &mut from, &Limits::default(), &mut |entry| {
        heard.hear(entry);
    });
    let origin = origin(name, format);
    let taken = import::take(&site.store, origin, reading.unwrap(), heard);
    taken.await.unwrap()
}

async fn take(site: &Site, format: Format, text: &str) -> Imported {
    try_take(site, format, text).await.unwrap()
}

async fn standing(site: &Site) -> Standing {
    let feeds = Feeds {
        names: vec!["kev".to_owned()],
        every: SignedDuration::from_hours(24),
        most_age: SignedDuration::from_hours(36),
        most_published: None,
    };
    let now = site.store.now();
    let read = site
        .store
        .read(move |snapshot| vuln::standing(snapshot, &feeds, now));
    read.await.unwrap()
}

async fn untold(site: &Site) -> Vec<View> {
    let now = site.store.now();
    case::untold(&site.store, now).await.unwrap()
}

/// Everybody was told of what there is.
async fn tell(site: &Site) {
    let numbers: Vec<i64> = untold(site).await.iter().map(|case| case.number).collect();
    let work = move |tx: &mut store::Tx<'_>| {
        case::note_told(tx, &numbers)?;
        let event = Event::new(Kind::ServerStopped, Actor::System);
        tx.record(&event, ())
    };
    site.store.commit(Vec::new(), work).await.unwrap();
}

/// An item of JVN on the site's Postfix and whatever else is named.
fn jvn(cves: &[&str], modified: &str, products: &[&str]) -> String {
    let references = cves.iter().map(|cve| {
        format!("<sec:references source=\"CVE\" id=\"{cve}\">https://www.cve.org/CVERecord?id={cve}</sec:references>")
    });
    let products = products
        .iter()
        .map(|product| format!("<sec:cpe version=\"2.2\">cpe:/a:{product}</sec:cpe>"));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" \
         xmlns=\"http://purl.org/rss/1.0/\" xmlns:dcterms=\"http://purl.org/dc/terms/\" xmlns:sec=\"http://jvn.jp/rss/mod_sec/3.0/\">\
         <channel><dcterms:modified>2026-09-01T10:00:00+09:00</dcterms:modified></channel><item><title>Postfix の脆弱性</title>\
         <sec:identifier>JVNDB-2026-000001</sec:identifier>{}{}<dcterms:modified>{modified}</dcterms:modified></item></rdf:RDF>",
        references.collect::<String>(),
        products.collect::<String>()
    )
}

/// The catalogue with these, each with its day.
fn kev(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(cve, added)| {
            format!("{{\"cveID\":\"{cve}\",\"vulnerabilityName\":\"x\",\"dateAdded\":\"{added}\"}}")
        })
        .collect();
    format!(
        "{{\"dateReleased\":\"2026-09-20T00:00:00Z\",\"count\":{},\"vulnerabilities\":[{}]}}",
        entries.len(),
        entries.join(",")
    )
}

fn rustsec(aliases: &[&str], modified: &str, fixed: &str) -> String {
    serde_json::json!({
        "id": "RUSTSEC-2026-0001", "modified": modified, "aliases": aliases, "details": "x",
        "affected": [{ "package": { "ecosystem": "crates.io", "name": "rustls" },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0.0.0-0" }, { "fixed": fixed }] }] }]
    })
    .to_string()
}

const FIRST: &str = "CVE-2026-10001";
const SECOND: &str = "CVE-2026-10002";
const OLD: &str = "2026-09-01T09:00:00+09:00";
const NEW: &str = "2026-09-02T09:00:00+09:00";
const POSTFIX: &str = "postfix:postfix";

/// JVN puts two numbers into one item; the catalogue and the scores have the second.
#[tokio::test]
async fn a_case_is_marked_by_each_of_its_numbers() {
    let site = open().await;
    let jvn = jvn(&[FIRST, SECOND], OLD, &[POSTFIX]);
    let opened = take(&site, Format::Jvn, &jvn).await.opened;
    assert_eq!(opened.len(), 1);
    tell(&site).await;
    assert!(standing(&site).await.untold.is_empty());
    let done = take(&site, Format::Kev, &kev(&[(SECOND, "2026-09-02")])).await;
    assert_eq!((&done.updated, done.touched), (&opened, 1));
    let standing = standing(&site).await;
    assert_eq!(standing.exploited, opened);
    assert_eq!(standing.unshared.len(), 1);
    assert_eq!(standing.untold, opened);
    let scores = format!(
        "#model_version:v1,score_date:2026-09-02T00:00:00+0000\ncve,epss,percentile\n{FIRST},0.1,0.5\n{SECOND},0.9,0.99\nCVE-2026-10003,1,1\n"
    );
    assert_eq!(take(&site, Format::Epss, &scores).await.touched, 1);
    let case = untold(&site).await.remove(0);
    assert_eq!(case.id, FIRST);
    assert_eq!(case.exploited_since.as_deref(), Some("2026-09-02"));
    assert_eq!(case.score, Some((900_000, 990_000)));
}

/// A case opened under a name without a number gets one later: it is marked, people are told, and whoever else has the number tells of it.
#[tokio::test]
async fn a_number_that_comes_later_marks_the_case_and_leads_others_to_it() {
    let site = open().await;
    let of_rustsec = rustsec(&[], "2026-09-01T00:00:00Z", "0.23.0");
    let opened = take(&site, Format::Osv, &of_rustsec).await.opened;
    assert_eq!(opened.len(), 1);
    take(&site, Format::Kev, &kev(&[(FIRST, "2026-08-01")])).await;
    assert!(standing(&site).await.exploited.is_empty());
    tell(&site).await;
    let numbered = rustsec(&[FIRST], "2026-09-02T00:00:00Z", "0.23.0");
    assert_eq!(take(&site, Format::Osv, &numbered).await.updated, opened);
    let now = standing(&site).await;
    assert_eq!((&now.exploited, &now.untold), (&opened, &opened));
    let told = site.last_event(Kind::VulnUpdated).await;
    assert!(told.event.detail["what"].to_string().contains("exploited"));
    let other = jvn(&[FIRST], OLD, &[POSTFIX]);
    let joined = take(&site, Format::Jvn, &other).await;
    assert!(joined.opened.is_empty(), "{joined:?}");
    assert_eq!(joined.updated, opened);
}

/// Newer by its own word wins, also with fewer products; older is left.
#[tokio::test]
async fn what_is_older_than_what_is_known_is_left() {
    let site = open().await;
    let new = rustsec(&[], "2026-09-02T00:00:00Z", "0.23.0");
    let opened = take(&site, Format::Osv, &new).await.opened;
    let old = rustsec(&[], "2026-09-01T00:00:00Z", "0.19.0");
    let done = take(&site, Format::Osv, &old).await;
    assert_eq!((done.older, done.touched, done.updated.len()), (1, 1, 0));
    let case = untold(&site).await.remove(0);
    assert_eq!(case.number, opened[0]);
    assert_eq!(case.software[0].fixed, ["0.23.0"]);

    let all = jvn(&[FIRST], OLD, &[POSTFIX, "example:other"]);
    assert_eq!(take(&site, Format::Jvn, &all).await.opened.len(), 1);
    // One state of a record, in a form that says less of it.
    let less = jvn(&[FIRST], OLD, &[POSTFIX]);
    let done = take(&site, Format::Jvn, &less).await;
    assert_eq!((done.older, done.updated.len()), (0, 0));
    // It was put right: Postfix is not touched at all.
    let right = jvn(&[FIRST], NEW, &["example:other"]);
    assert_eq!(take(&site, Format::Jvn, &right).await.updated.len(), 1);
    assert!(untold(&site).await[1].software.is_empty());
    assert_eq!(take(&site, Format::Jvn, &all).await.older, 1);
    assert!(untold(&site).await[1].software.is_empty());
}

/// Whether officers elsewhere are told is asked from when it was known here, and for as long as nobody has decided.
#[tokio::test]
async fn what_is_exploited_later_is_asked_about_from_then_on() {
    let site = open().await;
    let item = jvn(&[FIRST], OLD, &[POSTFIX]);
    take(&site, Format::Jvn, &item).await;
    site.days(500);
    assert!(standing(&site).await.unshared.is_empty());
    let before = site.store.now();
    take(&site, Format::Kev, &kev(&[(FIRST, "2026-08-01")])).await;
    tell(&site).await;
    let unshared = standing(&site).await.unshared;
    assert!(
        unshared.len() == 1 && unshared[0].1 >= before,
        "{unshared:?}"
    );
    site.days(800);
    take(&site, Format::Kev, &kev(&[(FIRST, "2026-08-01")])).await;
    assert_eq!(standing(&site).await.unshared, unshared);
}

/// What a catalogue said of a vulnerability stays while the entry cannot be read, and goes when the catalogue is whole without it.
#[tokio::test]
async fn an_entry_that_cannot_be_read_does_not_make_it_harmless() {
    let site = open().await;
    take(&site, Format::Jvn, &jvn(&[FIRST], OLD, &[POSTFIX])).await;
    let whole = kev(&[(SECOND, "2026-09-02"), (FIRST, "2026-08-01")]);
    take(&site, Format::Kev, &whole).await;
    assert_eq!(standing(&site).await.exploited.len(), 1);
    let bad = whole.replace(FIRST, "CVE 2026 10001");
    let done = take(&site, Format::Kev, &bad).await;
    assert_eq!((done.records, done.skipped), (1, 1));
    assert!(done.told[0].contains("no CVE number"), "{:?}", done.told);
    assert_eq!(standing(&site).await.exploited.len(), 1);
    // Nor does a sample that is carried in beside the catalogue.
    take(&site, Format::Kev, &whole).await;
    let sample = kev(&[(SECOND, "2026-09-02")]);
    let done = take_as(&site, "by-hand", Format::Kev, &sample).await;
    assert_eq!(done.unwrap().records, 1);
    assert_eq!(standing(&site).await.exploited.len(), 1);
    take(&site, Format::Kev, &sample).await;
    assert!(standing(&site).await.exploited.is_empty());
}

/// A feed of which nothing could be taken was not read.
#[tokio::test]
async fn an_overfull_feed_is_refused_and_known_to_be() {
    let site = open().await;
    let all: Vec<serde_json::Value> = (0..=20_000)
        .map(|number| {
            serde_json::json!({
                "id": format!("RUSTSEC-2026-{number}"), "modified": "2026-09-01T00:00:00Z", "details": "x",
                "affected": [{ "package": { "ecosystem": "crates.io", "name": "rustls" },
                    "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0.0.0-0" }] }] }]
            })
        })
        .collect();
    let text = serde_json::to_string(&all).unwrap();
    let why = try_take(&site, Format::Osv, &text).await.unwrap_err();
    assert!(why.contains("more than 20000"), "{why}");
    let event = site.last_event(Kind::VulnFeedImported).await.event;
    assert_eq!(event.outcome, Outcome::Failure);
    assert!(untold(&site).await.is_empty());
}
