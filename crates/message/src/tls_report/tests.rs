#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use proptest::prelude::*;

use super::*;

/// As RFC 8460, appendix B, has it.
const PUBLISHED: &str = r#"{
  "organization-name": "Company-X",
  "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
  "contact-info": "sts-reporting@company-x.example",
  "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
  "policies": [{
    "policy": {"policy-type": "sts", "policy-string": ["version: STSv1","mode: testing", "mx: *.mail.company-y.example","max_age: 86400"],
      "policy-domain": "company-y.example", "mx-host": ["*.mail.company-y.example"]},
    "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
    "failure-details": [
      {"result-type": "certificate-expired", "sending-mta-ip": "2001:db8:abcd:0012::1",
        "receiving-mx-hostname": "mx1.mail.company-y.example", "failed-session-count": 100},
      {"result-type": "starttls-not-supported", "sending-mta-ip": "2001:db8:abcd:0013::1", "receiving-mx-hostname": "mx2.mail.company-y.example",
        "receiving-ip": "203.0.113.56", "failed-session-count": 200, "additional-information": "https://reports.company-x.example/report_info?id=5065427c"},
      {"result-type": "validation-failure", "sending-mta-ip": "198.51.100.62", "receiving-ip": "203.0.113.58",
        "receiving-mx-hostname": "mx-backup.mail.company-y.example", "failed-session-count": 3, "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"}]
  }]
}"#;

#[test]
fn the_published_report_is_read() {
    let report = Report::parse(PUBLISHED.as_bytes()).unwrap();
    assert_eq!(report.organisation, "Company-X");
    assert_eq!(report.begin.to_string(), "2016-04-01T00:00:00Z");
    let applied = &report.policies[0];
    assert_eq!(applied.policy.kind, PolicyKind::Sts);
    assert_eq!((applied.successes, applied.failures), (5326, 303));
    assert_eq!(applied.details.len(), 3);
    let reason = applied.details[2].reason.as_deref();
    assert_eq!(reason, Some("X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"));
    // What it becomes when it is written is read as the same.
    let mut again = Report::parse(report.to_json().as_bytes()).unwrap();
    again.left_out = report.left_out;
    assert_eq!(again, report);
}

#[test]
fn one_text_counts_as_a_list_and_null_as_none() {
    let text = PUBLISHED.replace(r#"["*.mail.company-y.example"]"#, r#""mx.one.example""#);
    let report = Report::parse(text.as_bytes()).unwrap();
    assert_eq!(report.policies[0].policy.mx, ["mx.one.example"]);
    let text = PUBLISHED.replace(r#"["*.mail.company-y.example"]"#, "null");
    let report = Report::parse(text.as_bytes()).unwrap();
    assert!(report.policies[0].policy.mx.is_empty());
}

#[test]
fn what_is_no_report_says_why() {
    let said = |text: &str| Report::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(said("<feedback/>").contains("expected value"));
    assert!(said("{}").contains("organization-name"));
    let wrong = PUBLISHED.replace("\"sts\"", "\"tea\"");
    assert!(said(&wrong).contains("policy-type"));
    let wrong = PUBLISHED.replace("04-01T23", "03-01T23");
    assert_eq!(said(&wrong), "its time ends before it begins");
    let wrong = PUBLISHED.replace(
        "\"failed-session-count\": 3,",
        "\"failed-session-count\": -3,",
    );
    assert!(said(&wrong).contains("-3"), "{}", said(&wrong));
    let wrong = PUBLISHED.replace("session-count\": 200", "session-count\": 20000");
    assert!(said(&wrong).contains("more than the sessions"));
    let long = format!("{PUBLISHED}{}", " ".repeat(MOST_OCTETS));
    assert!(said(&long).contains("octets"));
    for member in ["policies", "unknown"] {
        let deep = format!("{{\"{member}\":{}", "[".repeat(1_000_000));
        assert!(said(&deep).contains("at line 1"), "{}", said(&deep));
    }
}

#[test]
fn more_than_fits_is_counted() {
    let one = r#"{"result-type":"x","failed-session-count":0},"#;
    let many = one.repeat(MOST_DETAILS + 7);
    let text = PUBLISHED.replace(
        "\"failure-details\": [",
        &format!("\"failure-details\": [{many}"),
    );
    let report = Report::parse(text.as_bytes()).unwrap();
    assert_eq!(report.policies[0].details.len(), MOST_DETAILS);
    assert_eq!(report.left_out, 10);
}

fn request(text: &str) -> Option<Request> {
    Request::of(&[text.to_owned(), "another record".to_owned()])
}

#[test]
fn the_record_is_read_strictly() {
    let both = "v=TLSRPTv1; rua=mailto:a%2Bb@x.example , https://r.example/v1/tls?a=b;";
    let read = request(both).unwrap();
    assert_eq!(read.mail[0].to_string(), "a+b@x.example");
    assert_eq!(read.https[0].host.as_str(), "r.example");
    assert_eq!(read.https[0].path, "/v1/tls?a=b");
    let only = |places: &str| request(&format!("v=TLSRPTv1;rua={places}")).unwrap();
    assert_eq!(only("https://r.example:443").https[0].path, "/");
    for nothing in [
        "https://r.example:8443/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://a@r.example/",
        "http://r.example/",
        "ftp:x",
    ] {
        assert_eq!(only(nothing), Request::default(), "{nothing}");
    }
    for wrong in [
        "v=TLSRPTv1",
        "v=TLSRPTv1;",
        "v=TLSRPTv2; rua=mailto:a@x.example",
        "v=TLSRPTv1 rua=mailto:a@x.example",
        " v=TLSRPTv1; rua=mailto:a@x.example",
        "v=TLSRPTv1; rua=mailto:a@x.example; rua=mailto:b@x.example",
        "v=TLSRPTv1; rua=mailto:a@x.example; nothing",
        "v=TLSRPTv1; ; rua=mailto:a@x.example",
        "v=TLSRPTv1; rua=nowhere",
        "v=TLSRPTv1; rua=mailto:%4",
    ] {
        assert_eq!(request(wrong), None, "{wrong}");
    }
    let twice = vec![both.to_owned(), both.to_owned()];
    assert_eq!(Request::of(&twice), None);
}

#[test]
fn words_are_told_and_read_alike() {
    for failure in Failure::ALL {
        assert_eq!(Failure::of(failure.as_str()), Some(failure));
    }
    assert_eq!(Failure::of("other"), None);
}

proptest! {
    #[test]
    fn nothing_that_is_written_breaks_the_reader(text in ".{0,200}", at in 0_usize..1800) {
        let mut wild = PUBLISHED.as_bytes().to_vec();
        let at = at.min(wild.len());
        wild.splice(at..at, text.bytes());
        if let Ok(report) = Report::parse(&wild) {
            prop_assert!(report.policies.len() <= MOST_POLICIES);
        }
        if let Some(request) = Request::of(&[format!("v=TLSRPTv1;{text}")]) {
            prop_assert!(request.mail.len() + request.https.len() <= 10);
        }
    }

    #[test]
    fn what_is_written_is_read(name in "[^\u{0}]{0,40}", successes: u64, sessions in 0_u64..1 << 40, mx in ".{1,40}") {
        let report = Report {
            organisation: name.clone(),
            contact: String::new(),
            id: name,
            begin: Timestamp::UNIX_EPOCH,
            end: Timestamp::UNIX_EPOCH,
            policies: vec![Applied {
                policy: Policy { kind: PolicyKind::Tlsa, strings: vec![mx.clone()], domain: "x.example".into(), mx: vec![] },
                successes,
                failures: sessions,
                details: vec![Detail { result: "tlsa-invalid".into(), mx: Some(mx), sessions, ..Detail::default() }],
            }],
            left_out: 0,
        };
        prop_assert_eq!(Report::parse(report.to_json().as_bytes()).unwrap(), report);
    }
}
