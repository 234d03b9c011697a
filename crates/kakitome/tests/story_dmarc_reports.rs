//! Domains are told what came in their names, and what others tell of own domains is read (RFC 9990): with a real name server
//! (unbound), a real signer (dkimpy), and another's reader of such reports (parsedmarc).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{
    Letter, Person, Program, Site, parsedmarc,
    smtp::Reply,
    unbound::{Unbound, Zones},
    until,
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(40);

/// A site that reports and reads reports; the world outside.
struct Story {
    site: Site,
    tanaka: Person,
    _names: Unbound,
    keys: TempDir,
}

fn signer() -> Program {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/sign.py");
    Program::new("/usr/bin/python3").word("-I").word(path)
}

fn reports() -> Program {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/programs/dmarc_report.py"
    );
    Program::new("python3").word(path)
}

impl Story {
    fn new() -> Self {
        let keys = support::place();
        let told = signer().word("keys").word(keys.path()).succeeds();
        let published: Value = serde_json::from_str(&told).unwrap();
        let reports_to = "rua=mailto:tanaka@city.example";
        let zones = Zones::default()
            .txt("good.example", "v=spf1 ip4:127.0.0.1 -all")
            .txt(
                "_dmarc.good.example",
                &format!("v=DMARC1; p=reject; sp=quarantine; adkim=s; {reports_to}"),
            )
            .txt("good.example._report._dmarc.city.example", "v=DMARC1")
            .txt("forged.example", "v=spf1 -all")
            .txt(
                "_dmarc.forged.example",
                &format!("v=DMARC1; p=reject; {reports_to}, mailto:victim@elsewhere.example"),
            )
            .txt("forged.example._report._dmarc.city.example", "v=DMARC1")
            .txt(
                "_dmarc.silent.example",
                "v=DMARC1; p=none; rua=mailto:victim@elsewhere.example",
            )
            .txt(
                "_dmarc.small.example",
                &format!("v=DMARC1; p=none; {reports_to}!99"),
            )
            .txt("small.example._report._dmarc.city.example", "v=DMARC1;")
            .txt("_dmarc.mute.example", "v=DMARC1; p=none")
            .txt("_dmarc.signed.example", "v=DMARC1; p=none")
            .txt(
                "rsa._domainkey.signed.example",
                published["rsa"].as_str().unwrap(),
            );
        let names = Unbound::start(&zones);
        let mut site = Site::new("city.example");
        site.screened(&names.at());
        site.set("dmarc_reports", "send = true");
        site.set("dmarc_reports", "organisation = \"City & Office\"");
        site.set("dmarc_reports", "contact = \"tanaka@city.example\"");
        site.set("dmarc_reports", "address = \"reports@city.example\"");
        site.serve();
        let tanaka = site.person("tanaka");
        Self {
            site,
            tanaka,
            _names: names,
            keys,
        }
    }

    #[track_caller]
    fn hand(&self, sender: &str, author: &str, name: &str) -> Reply {
        let letter = Letter::new(name, author, &self.tanaka.address);
        let mut session = self.site.smtp();
        session
            .send(sender, &[&self.tanaka.address], &letter.content())
            .unwrap()
    }

    /// Every message in the INBOX.
    fn inbox(&self) -> Vec<Vec<u8>> {
        let mut imap = self.site.imap(&self.tanaka);
        let count = imap.select("INBOX");
        (1..=count).map(|number| imap.fetch(number)).collect()
    }

    /// Hands a report over that another made; `signed` by whom it says it is from.
    #[track_caller]
    fn report(&self, packing: &str, domain: &str, name: &str, signed: bool) -> Reply {
        let (from, to) = ("noreply@signed.example", "reports@city.example");
        let made = reports().word("make");
        let mut message = made.words([packing, domain, name, from, to]).succeeds();
        if signed {
            let program = signer().word("dkim").word(self.keys.path());
            let words = ["rsa", "signed.example", "rsa-sha256"];
            message = program.words(words).input(message).succeeds();
        }
        let message = message.replace("\r\n", "\n").replace('\n', "\r\n");
        let mut session = self.site.smtp();
        session.send("", &[to], message.as_bytes()).unwrap()
    }
}

#[test]
fn domains_are_told_once_what_came_in_their_names() {
    let story = Story::new();
    let place = parsedmarc();
    for name in ["one", "two"] {
        assert_eq!(
            story.hand("x@good.example", "x@good.example", name).code,
            250
        );
    }
    assert_eq!(
        story
            .hand("x@good.example", "x@sub.good.example", "below")
            .code,
        250
    );
    let refused = story.hand("x@forged.example", "boss@forged.example", "forged");
    assert_eq!(refused.code, 550, "{refused:?}");
    for domain in [
        "silent.example",
        "small.example",
        "mute.example",
        "nothing.example",
    ] {
        let author = format!("x@{domain}");
        assert_eq!(story.hand(&author, &author, domain).code, 250);
    }
    let before = story.inbox().len();
    let sent = story.site.give(&["dmarc", "reports", "send"]);
    // To good and forged; silent's is confirmed by nobody, small's takes no report of this size.
    assert_eq!(sent[0]["reports"], 2, "{sent:?}");
    assert_eq!(sent[0]["failed"], 2, "{sent:?}");
    let told = story.site.events(&["--kind", "dmarc.report-sent"]);
    let of = |domain: &str| {
        let event = told.iter().find(|event| event["subject"] == domain);
        event.unwrap_or_else(|| panic!("{domain}: {told:?}"))
    };
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(of("good.example")["detail"]["messages"], 3);
    assert_eq!(of("good.example")["detail"]["rows"], 2);
    assert_eq!(of("silent.example")["result"], "failure");
    let small = &of("small.example")["detail"];
    assert_eq!(small["too_small"][0], "tanaka@city.example", "{small}");
    let unconfirmed = &of("forged.example")["detail"]["unconfirmed"];
    assert_eq!(unconfirmed[0], "victim@elsewhere.example");
    assert!(story.site.give(&["queue", "list"]).is_empty());

    // What another program makes of the reports.
    let mails = story.inbox();
    assert_eq!(mails.len(), before + 2);
    let read = |mail: &[u8]| -> Value {
        let ran = reports().word("read").env("PYTHONPATH", &place).input(mail);
        serde_json::from_str(&ran.succeeds()).unwrap()
    };
    let read: Vec<Value> = mails[before..].iter().map(|mail| read(mail)).collect();
    let of = |domain: &str| {
        let mut all = read.iter().map(|read| &read["report"]);
        all.find(|report| report["policy_published"]["domain"] == domain)
            .unwrap_or_else(|| panic!("{domain}: {read:?}"))
    };
    let good = of("good.example");
    assert_eq!(
        good["report_metadata"]["org_name"], "City & Office",
        "{good}"
    );
    assert_eq!(good["report_metadata"]["org_email"], "tanaka@city.example");
    assert_eq!(good["policy_published"]["p"], "reject");
    assert_eq!(good["policy_published"]["sp"], "quarantine");
    assert_eq!(good["policy_published"]["adkim"], "s");
    let mut seen: Vec<(&str, u64, &str)> = good["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            assert_eq!(record["source"]["ip_address"], "127.0.0.1", "{record}");
            assert_eq!(record["policy_evaluated"]["spf"], "pass", "{record}");
            let from = record["identifiers"]["header_from"].as_str().unwrap();
            let done = record["policy_evaluated"]["disposition"].as_str().unwrap();
            (from, record["count"].as_u64().unwrap(), done)
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [("good.example", 2, "none"), ("sub.good.example", 1, "none")]
    );
    let forged = &of("forged.example")["records"][0];
    assert_eq!(
        forged["policy_evaluated"]["disposition"], "reject",
        "{forged}"
    );
    assert_eq!(
        forged["auth_results"]["spf"][0]["result"], "fail",
        "{forged}"
    );

    // Nobody is told twice, and what comes later is told next.
    let again = story.site.give(&["dmarc", "reports", "send"]);
    assert_eq!(again[0]["reports"], 0, "{again:?}");
    assert_eq!(
        story.hand("x@good.example", "x@good.example", "three").code,
        250
    );
    let again = story.site.give(&["dmarc", "reports", "send"]);
    assert_eq!(again[0]["reports"], 1, "{again:?}");
    let told = story.site.give(&[
        "dmarc",
        "reports",
        "list",
        "--sent",
        "--domain",
        "good.example",
    ]);
    let counts: Vec<&Value> = told.iter().map(|row| &row["messages"]).collect();
    assert_eq!(counts, [3, 1]);
}

#[test]
fn days_that_are_over_are_told_by_themselves() {
    let mut story = Story::new();
    until("the days before are done", SOON * 6, || {
        let done = story.site.events(&["--kind", "dmarc.reports-done"]);
        (done.len() == 3).then_some(())
    });
    story.site.stop();
}

#[test]
fn what_others_report_is_read_and_added_up() {
    let story = Story::new();
    story.site.person("reports");
    for (packing, name) in [("gzip", "r1"), ("zip", "r2"), ("xml", "r3")] {
        let reply = story.report(packing, "city.example", name, true);
        assert_eq!(reply.code, 250, "{packing}: {reply:?}");
    }
    // The same once more, and one that anybody could have written.
    assert_eq!(story.report("zip", "city.example", "r2", true).code, 250);
    assert_eq!(story.report("xml", "city.example", "r9", false).code, 250);

    let listed = story.site.give(&["dmarc", "reports", "list"]);
    assert_eq!(listed.len(), 5, "{listed:?}");
    assert_eq!(listed[0]["reporter"], "signed.example");
    assert_eq!(listed[0]["messages"], 11);
    assert_eq!(listed[0]["failed"], 3);
    assert_eq!(listed[0]["shown"], true, "{listed:?}");
    assert_eq!(listed[4]["shown"], false, "{listed:?}");
    let id = listed[0]["id"].as_str().unwrap();
    let rows = story.site.give(&["dmarc", "reports", "show", id]);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["source"], "192.0.2.1");
    assert_eq!(rows[0]["messages"], 7);

    let figures = story.site.give(&["dmarc", "reports", "figures"]);
    assert_eq!(figures[0]["source"], "198.51.100.9", "{figures:?}");
    assert_eq!(figures[0]["failed"], 9);
    assert_eq!(figures[0]["refused"], 9);
    let all = story
        .site
        .give(&["dmarc", "reports", "figures", "--by", "domain", "--all"]);
    assert_eq!(all[0]["domain"], "city.example");
    assert_eq!(all[0]["messages"], 44, "{all:?}");
    let by_day = ["dmarc", "reports", "figures", "--by", "day", "--failed"];
    assert_eq!(story.site.give(&by_day)[0]["day"], "2026-09-21");
    story.site.refused(&["dmarc", "reports", "show", "nothing"]);

    // The messages are kept where their address leads.
    let none = story.site.events(&["--kind", "dmarc.report-unreadable"]);
    assert!(none.is_empty(), "{none:?}");
    for (packing, domain, why) in [
        ("bomb", "city.example", "octets come out of it"),
        ("doctype", "city.example", "document type"),
        ("xml", "other.example", "no domain of this site"),
    ] {
        assert_eq!(story.report(packing, domain, "bad", true).code, 250);
        let unread = story.site.events(&["--kind", "dmarc.report-unreadable"]);
        let reason = unread.last().unwrap()["detail"]["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{reason}");
    }
    assert_eq!(story.site.give(&["dmarc", "reports", "list"]).len(), 5);

    let records = story.site.give(&["dmarc", "records"]);
    let record = records[0]["record"].as_str().unwrap();
    assert_eq!(
        record,
        "_dmarc.city.example. TXT \"v=DMARC1; p=none; rua=mailto:reports@city.example\""
    );
}
