#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

fn report() -> Report {
    Report {
        organisation: "City <Office> & 株式会社".into(),
        contact: "postmaster@city.example".into(),
        id: "1-x.example".into(),
        begin: 1_700_000_000,
        end: 1_700_086_399,
        error: None,
        policy: Policy {
            domain: "x.example".into(),
            policy: Disposition::Reject,
            below: Some(Disposition::Quarantine),
            nonexistent: Some(Disposition::Reject),
            strict_dkim: true,
            strict_spf: false,
            testing: true,
        },
        rows: vec![
            Row {
                source: "192.0.2.1".parse().unwrap(),
                count: 3,
                seen: Seen {
                    disposition: Disposition::None,
                    dkim_aligned: true,
                    spf_aligned: false,
                    reason: Some(("local_policy".into(), "arc=pass".into())),
                    header_from: "x.example".into(),
                    envelope_from: Some("y.example".into()),
                    dkim: vec![
                        ("x.example".into(), "a".into(), "pass".into()),
                        ("y.example".into(), "b".into(), "fail".into()),
                    ],
                    spf: Some(("y.example".into(), "softfail".into())),
                },
            },
            Row {
                source: "2001:db8::1".parse().unwrap(),
                count: 1,
                seen: Seen {
                    disposition: Disposition::Reject,
                    header_from: "a.x.example".into(),
                    ..Seen::default()
                },
            },
        ],
        left_out: 0,
    }
}

#[test]
fn what_is_written_is_read_back() {
    let xml = report().to_xml("Kakitome 0.1");
    assert_eq!(Report::parse(xml.as_bytes()).unwrap(), report());
    assert!(xml.contains("<org_name>City &lt;Office&gt; &amp; 株式会社</org_name>"));
}

#[test]
fn the_older_form_is_read_too() {
    let old = "\u{feff}<?xml version='1.0'?><!-- by hand -->\n<feedback>\n<report_metadata><org_name><![CDATA[A & B]]></org_name>\
        <email>a@b.example</email><report_id>7</report_id><date_range><begin>1</begin><end> 2 </end></date_range></report_metadata>\
        <policy_published><domain>X.example</domain><adkim>r</adkim><p>none</p><pct>100</pct></policy_published>\
        <record><row><source_ip>192.0.2.7</source_ip><count>12</count><policy_evaluated><disposition>pass</disposition>\
        <dkim>pass</dkim><spf>fail</spf></policy_evaluated></row><identifiers><header_from a=\">\">x&#46;example</header_from>\
        <envelope_to/></identifiers><auth_results><spf><domain>x.example</domain><result>none</result></spf></auth_results></record>\
        <record><row><source_ip>nowhere</source_ip></row></record></feedback>";
    let report = Report::parse(old.as_bytes()).unwrap();
    assert_eq!(report.organisation, "A & B");
    assert_eq!(report.policy.domain, "x.example");
    assert_eq!(report.rows.len(), 1);
    let row = &report.rows[0];
    assert_eq!((row.count, row.seen.dkim_aligned), (12, true));
    assert_eq!(row.seen.header_from, "x.example");
}

#[test]
fn what_is_no_report_says_why() {
    for (text, why) in [
        ("", "it lacks a domain"),
        ("<feedback>", "its elements are not well nested"),
        (
            "<feedback><a></b></feedback>",
            "its elements are not well nested",
        ),
        ("<feedback", "it ends in the middle of something"),
        (
            "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><feedback/>",
            "it has a document type at octet 0",
        ),
        (
            "<feedback>&lol9;</feedback>",
            "an entity that XML does not know stands at octet 11",
        ),
    ] {
        assert_eq!(Report::parse(text.as_bytes()).unwrap_err().to_string(), why);
    }
    let deep = "<a>".repeat(100_000);
    assert_eq!(Report::parse(deep.as_bytes()), Err(ReportError::Nesting));
}

#[test]
fn endless_rows_and_texts_are_bounded() {
    let mut many = report();
    let row = many.rows[1].clone();
    many.rows = vec![row; MOST_ROWS];
    let xml = many.to_xml("x");
    let one = "<record><row><source_ip>192.0.2.1</source_ip></row></record></feedback>";
    let more = xml.replace("</feedback>", one);
    let read = Report::parse(more.as_bytes()).unwrap();
    assert_eq!((read.rows.len(), read.left_out), (MOST_ROWS, 1));
    let long = report().to_xml("x").replace("City", &"C".repeat(1 << 20));
    let read = Report::parse(long.as_bytes()).unwrap();
    assert!(read.organisation.chars().count() <= MOST_TEXT);
}

#[test]
fn names_of_messages_and_files_are_the_standard_s() {
    assert_eq!(
        file_name("mx.city.example", &report()),
        "mx.city.example!x.example!1700000000!1700086399!1xexample.xml.gz"
    );
    assert_eq!(
        subject("mx.city.example", &report()),
        "Report Domain: x.example Submitter: mx.city.example Report-ID: <1-x.example>"
    );
}

proptest! {
    #[test]
    fn nothing_that_comes_in_breaks_it(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(Report::parse(&octets));
    }

    #[test]
    fn nothing_that_looks_like_xml_breaks_it(text in "(<|>|/|a|feedback|&|;|#|!|--|\\[CDATA\\[|\\]\\]>|\"| ){0,60}") {
        drop(Report::parse(text.as_bytes()));
    }

    #[test]
    fn any_text_comes_back(organisation in "\\PC{1,80}") {
        let mut report = report();
        report.organisation = organisation;
        let read = Report::parse(report.to_xml("x").as_bytes());
        match report.organisation.trim() {
            "" => prop_assert!(read.is_err()),
            text => prop_assert_eq!(read.unwrap().organisation, text),
        }
    }
}
