//! Feeds in the forms that their publishers use, held against software that is touched and software that is not.
#![allow(clippy::unwrap_used)]

use std::io::{Cursor, Write};

use advisory::{
    Advisory, Limits,
    feed::{self, Entry, FeedError, Format, Reading},
    inventory::{Item, dpkg},
    matching::{Certainty, touches},
};

const RUSTSEC: &str = include_str!("feeds/rustsec.json");
const DEBIAN: &str = include_str!("feeds/debian.json");
const CVE: &str = include_str!("feeds/cve.json");
const JVN: &str = include_str!("feeds/jvn.rdf");
const VULDEF: &str = include_str!("feeds/vuldef.xml");
const KEV: &str = include_str!("feeds/kev.json");
const EPSS: &str = include_str!("feeds/epss.csv");

fn read_in(
    format: Format,
    octets: &[u8],
    limits: &Limits,
) -> Result<(Reading, Vec<Entry>), FeedError> {
    let mut entries = Vec::new();
    let reading = feed::read(format, &mut Cursor::new(octets), limits, &mut |entry| {
        entries.push(entry);
    })?;
    Ok((reading, entries))
}

fn read(format: Format, octets: impl AsRef<[u8]>) -> Result<(Reading, Vec<Entry>), FeedError> {
    read_in(format, octets.as_ref(), &Limits::default())
}

fn first(format: Format, text: &str) -> Advisory {
    match read(format, text).unwrap().1.remove(0) {
        Entry::Advisory(found) => *found,
        other => panic!("{other:?}"),
    }
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, octets) in files {
        out.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        out.write_all(octets).unwrap();
    }
    out.finish().unwrap().into_inner()
}

#[test]
fn rustsec_means_the_versions_of_a_crate_within_its_stretches() {
    let found = first(Format::Osv, RUSTSEC);
    assert_eq!(found.canonical(), "CVE-2024-32650");
    for (version, is_touched) in [
        ("0.20.8", true),
        ("0.20.9", false),
        ("0.21.10", true),
        ("0.22.4", false),
        ("0.23.4", true),
        ("0.23.5", false),
        ("0.23.46", false),
        ("0.1.0-alpha", true),
    ] {
        let touch = touches(&found, &Item::of_crate("rustls", version));
        assert_eq!(touch.is_some(), is_touched, "{version}");
    }
    let touch = touches(&found, &Item::of_crate("rustls", "0.22.0")).unwrap();
    assert_eq!(
        (touch.certainty, touch.fixed),
        (
            Certainty::Affected,
            vec!["0.22.4".to_owned(), "0.23.5".to_owned()]
        )
    );
    assert_eq!(
        touches(&found, &Item::of_crate("rustls-pki-types", "0.22.0")),
        None
    );
    // A version that cannot be compared is looked at by somebody.
    let odd = touches(&found, &Item::of_crate("rustls", "main")).unwrap();
    assert_eq!(odd.certainty, Certainty::Possible);
    // So is software of which the source tells by commits alone.
    let commits = RUSTSEC.replace("SEMVER", "GIT");
    let touch = touches(
        &first(Format::Osv, &commits),
        &Item::of_crate("rustls", "0.23.46"),
    );
    assert_eq!(touch.unwrap().certainty, Certainty::Possible);
    // What was withdrawn touches nothing.
    let withdrawn = RUSTSEC.replacen(
        "\"published\"",
        "\"withdrawn\":\"2024-05-01T00:00:00Z\",\"published\"",
        1,
    );
    assert_eq!(
        touches(
            &first(Format::Osv, &withdrawn),
            &Item::of_crate("rustls", "0.22.0")
        ),
        None
    );
}

#[test]
fn debian_means_the_source_of_a_package_in_its_release() {
    let found = first(Format::Osv, DEBIAN);
    assert_eq!(found.canonical(), "CVE-2024-6387");
    let status = |version: &str| {
        format!(
            "Package: openssh-server\nStatus: install ok installed\nSource: openssh\nVersion: {version}\n"
        )
    };
    let held = |version: &str, release: &str| {
        let items = dpkg(
            &status(version),
            release,
            &["openssh-server".to_owned()].into(),
        )
        .unwrap();
        touches(&found, &items[0]).is_some()
    };
    assert!(held("1:9.2p1-2+deb12u2", "12"));
    assert!(held("1:9.2p1-1", "12"));
    assert!(!held("1:9.2p1-2+deb12u3", "12"));
    assert!(!held("1:9.2p1-2+deb12u10", "12"));
    assert!(
        !held("1:8.4p1-5+deb11u3", "11"),
        "a release that never had it"
    );
    assert!(!held("1:9.2p1-2+deb12u2", "13"));
}

#[test]
fn cve_means_products_by_stretches_changes_and_a_default() {
    let found = first(Format::Cve, CVE);
    assert_eq!(found.severity[0].tenths, Some(75));
    for (version, is_touched) in [
        ("1.0.4", true),
        ("1.0.5", false),
        ("1.2.0", true),
        ("1.2.1", true),
        ("1.2.2", false),
        ("1.1.0", false),
        ("0.105.9", true),
        ("0.105.8", false),
    ] {
        let touch = touches(&found, &Item::of_scanner("clamd", version));
        assert_eq!(touch.is_some(), is_touched, "{version}");
    }
    let touch = touches(&found, &Item::of_scanner("clamd", "1.0.3")).unwrap();
    assert_eq!(touch.fixed.first().map(String::as_str), Some("1.0.5"));
    // Where nothing is said of others, nobody knows.
    let unknown = CVE.replace("\"defaultStatus\":\"unaffected\",", "");
    let touch = touches(
        &first(Format::Cve, &unknown),
        &Item::of_scanner("clamd", "1.1.0"),
    )
    .unwrap();
    assert_eq!(touch.certainty, Certainty::Possible);
    let rejected = CVE.replace("PUBLISHED", "REJECTED");
    assert_eq!(
        touches(
            &first(Format::Cve, &rejected),
            &Item::of_scanner("clamd", "1.0.4")
        ),
        None
    );
}

#[test]
fn jvn_names_products_in_japanese_and_one_bad_item_is_passed_over() {
    let (reading, entries) = read(Format::Jvn, JVN).unwrap();
    assert_eq!((reading.records, reading.skipped), (2, 1));
    assert_eq!(reading.told[0].place, "item 2");
    assert_eq!(reading.published, "2024-03-01T10:00:00+09:00");
    let Entry::Advisory(found) = &entries[0] else {
        panic!()
    };
    assert_eq!(found.canonical(), "CVE-2023-51764");
    assert!(found.title.contains("スマグリング"));
    let postfix = Item::declared(
        "Postfix",
        "3.7.6",
        "",
        "cpe:2.3:a:postfix:postfix:3.7.6:*:*:*:*:*:*:*",
    )
    .unwrap();
    assert_eq!(
        touches(found, &postfix).unwrap().certainty,
        Certainty::Possible
    );
    let detail = first(Format::Jvn, VULDEF);
    let touch = touches(&detail, &postfix).unwrap();
    assert_eq!(touch.words, ["3.8.4 未満"]);
    assert!(detail.workaround.contains("smtpd_forbid_bare_newline"));
    let Entry::Advisory(other) = &entries[1] else {
        panic!()
    };
    assert_eq!(touches(other, &postfix), None);
}

#[test]
fn the_catalogue_and_the_scores() {
    let (reading, entries) = read(Format::Kev, KEV).unwrap();
    assert_eq!(reading.records, 2);
    let Entry::Exploited(second) = &entries[1] else {
        panic!()
    };
    assert!(second.ransomware);
    let (reading, entries) = read(Format::Epss, EPSS).unwrap();
    assert_eq!(
        (reading.records, reading.published.as_str()),
        (3, "2024-07-02T00:00:00+0000")
    );
    let Entry::Score(score) = &entries[2] else {
        panic!()
    };
    assert_eq!((score.probability, score.percentile), (50, 430));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(EPSS.as_bytes()).unwrap();
    assert_eq!(
        read(Format::Epss, packed.finish().unwrap())
            .unwrap()
            .0
            .records,
        3
    );
}

#[test]
fn archives_arrays_and_lines_are_the_same_records() {
    let one = read(Format::Osv, RUSTSEC).unwrap().1;
    let archive = zip(&[
        ("a/RUSTSEC-2024-0336.json", RUSTSEC.as_bytes()),
        ("README.md", b"x"),
    ]);
    assert_eq!(read(Format::Osv, archive).unwrap().1, one);
    assert_eq!(read(Format::Osv, format!("[{RUSTSEC}]")).unwrap().1, one);
    let lines = format!("{}\n{}\n", RUSTSEC.trim(), DEBIAN.trim());
    assert_eq!(read(Format::Osv, &lines).unwrap().0.records, 2);
    // One that is bad is passed over and told of, wherever it stands.
    for (bad, why) in [("{\"id\":\"x\"}", "missing field"), ("{\"id\"", "no JSON")] {
        for (feed, place) in [
            (format!("{bad}\n{lines}"), "line 1"),
            (format!("\n{lines}{bad}"), "line 4"),
        ] {
            let (reading, _) = read(Format::Osv, feed).unwrap();
            assert_eq!((reading.records, reading.skipped), (2, 1));
            assert_eq!(reading.told[0].place, place);
            assert!(reading.told[0].why.contains(why), "{:?}", reading.told);
        }
    }
}

#[test]
fn what_is_no_feed_is_refused_whole() {
    let refused = |format, octets: &[u8]| read(format, octets).unwrap_err().to_string();
    for (format, octets, words) in [
        (Format::Osv, &b""[..], "no record"),
        (Format::Osv, b"<html>no</html>", "no JSON"),
        (Format::Osv, b"<html>\n<p>\nno\n{}\n", "no JSON"),
        (Format::Osv, b"{\n \"id\": \"x\",\n", "no JSON"),
        (Format::Osv, b"[]", "no record"),
        (Format::Osv, b"PK\x03\x04 and nothing", "archive is damaged"),
        (Format::Osv, b"{\"id\":\"x\"}", "1 of its 1 records"),
        (Format::Cve, RUSTSEC.as_bytes(), "records cannot be read"),
        (Format::Jvn, b"<html></html>", "neither RDF nor VULDEF"),
        (
            Format::Jvn,
            b"<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>",
            "document type at octet 0",
        ),
        (Format::Jvn, b"<RDF><channel/></RDF>", "no record"),
        (Format::Jvn, b"\xff\xfe", "no UTF-8"),
        (Format::Kev, b"{}", "no feed of the format kev"),
        (
            Format::Kev,
            b"{\"count\":1,\"vulnerabilities\":[]}",
            "has 1 entries, and has 0",
        ),
        (Format::Kev, b"{", "no JSON"),
        (Format::Epss, b"a,b\n", "not the header"),
        (Format::Epss, b"\x1f\x8b\x08 cut", "cannot be read"),
    ] {
        let said = refused(format, octets);
        assert!(said.contains(words), "{format}: {said}");
    }
    // XML that would be many times itself: by entities, by what they fetch, by depth, by mere number.
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\"><!ENTITY lol1 \"&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;\">\
        <!ENTITY lol2 \"&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;&lol1;\">]><rdf:RDF>&lol2;</rdf:RDF>";
    let fetched =
        "<!DOCTYPE x [<!ENTITY file SYSTEM \"file:///etc/passwd\">]><rdf:RDF>&file;</rdf:RDF>";
    let undeclared = "<rdf:RDF><channel><title>&lol9;</title></channel></rdf:RDF>";
    let deep = "<rdf:RDF>".repeat(100_000);
    let wide = format!("<rdf:RDF>{}</rdf:RDF>", "<x/>".repeat(1_100_000));
    for (document, words) in [
        (laughs, "document type"),
        (fetched, "document type"),
        (undeclared, "entity"),
        (deep.as_str(), "nested deeper"),
        (wide.as_str(), "more than 1000000 elements"),
    ] {
        let said = refused(Format::Jvn, document.as_bytes());
        assert!(said.contains(words), "{said}");
    }
    // Deeper than anybody nests.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(
        read(Format::Osv, deep).unwrap_err(),
        FeedError::Json(_)
    ));
    // An archive that was cut, and one whose content is not what it says.
    let whole = zip(&[
        ("a.json", RUSTSEC.as_bytes()),
        ("b.json", DEBIAN.as_bytes()),
    ]);
    assert!(read(Format::Osv, &whole[..whole.len() / 2]).is_err());
    let mut bent = whole.clone();
    bent[60] ^= 0x55;
    assert!(read(Format::Osv, bent).is_err());
}

#[test]
fn bounds_hold() {
    let bomb = zip(&[
        ("a.json", &vec![b' '; 3_000_000]),
        ("b.json", &vec![b' '; 3_000_000]),
        ("c.json", RUSTSEC.as_bytes()),
        ("d.json", DEBIAN.as_bytes()),
    ]);
    assert!(bomb.len() < 20_000);
    let limits = Limits {
        record: 1_000_000,
        ..Limits::default()
    };
    let (reading, _) = read_in(Format::Osv, &bomb, &limits).unwrap();
    assert_eq!((reading.records, reading.skipped), (2, 2));
    let tight = Limits {
        unpacked: 1_500_000,
        ..limits
    };
    assert!(matches!(
        read_in(Format::Osv, &bomb, &tight).unwrap_err(),
        FeedError::Limit {
            what: "octets, unpacked",
            ..
        }
    ));
    let few = Limits {
        records: 1,
        ..Limits::default()
    };
    assert!(matches!(
        read_in(Format::Epss, EPSS.as_bytes(), &few).unwrap_err(),
        FeedError::Limit {
            what: "records",
            most: 1
        }
    ));
    let short = Limits {
        document: 100,
        ..Limits::default()
    };
    assert!(matches!(
        read_in(Format::Kev, KEV.as_bytes(), &short).unwrap_err(),
        FeedError::Limit {
            what: "octets",
            most: 100
        }
    ));
    let long = RUSTSEC.replace("rustls::ConnectionCommon", &"x".repeat(100_000));
    assert!(first(Format::Osv, &long).title.chars().count() <= 301);
}

proptest::proptest! {
    /// Whatever octets come, they end in entries or an error.
    #[test]
    fn nothing_panics(octets: Vec<u8>, at: usize, with: u8) {
        for (format, sample) in [(Format::Osv, RUSTSEC), (Format::Cve, CVE), (Format::Jvn, JVN), (Format::Kev, KEV), (Format::Epss, EPSS)] {
            drop(read(format, &octets));
            let mut bent = sample.as_bytes().to_vec();
            let at = at % bent.len();
            bent[at] = with;
            if let Ok((_, entries)) = read(format, &bent) {
                for entry in entries {
                    if let Entry::Advisory(found) = entry {
                        drop(touches(&found, &Item::of_crate("rustls", "0.22.0")));
                    }
                }
            }
        }
    }
}
