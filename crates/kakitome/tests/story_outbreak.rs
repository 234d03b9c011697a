//! What no scanner knows yet: one command blocks it and tells staff (clause 5.2(2)); and a surge of forged bounces reaches the officer
//! (clause 5.5(2)).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::{
    Nobody, Person, Program, Site, browser::Browser, imap, site::me, smtp, smtp::Reply, until,
};

const SOON: Duration = Duration::from_secs(40);
const CHOSEN: &str = "Nagai-Michi-9";
const HARM: &[u8] = b"what no scanner knows";

fn mail(from: &str, to: &str, subject: &str, file: &str, data: &[u8]) -> Vec<u8> {
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{file}@story.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\r\nSee it.\r\n--b\r\n\
         Content-Type: application/octet-stream; name=\"{file}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        BASE64_STANDARD.encode(data)
    )
    .into_bytes()
}

fn officer(site: &Site) -> Person {
    let address = "officer@city.example";
    site.give(&["person", "acknowledge", &me()]);
    site.give(&["order", "issue", "--for", &me(), "--address", address]);
    let number = site.give(&["order", "list"]).last().unwrap()["number"].to_string();
    site.give(&["order", "approve", &number]);
    let issued = site.give(&["account", "issue", "--order", &number]);
    Person {
        name: me(),
        address: address.to_owned(),
        password: issued[0]["password"].as_str().unwrap().to_owned(),
    }
}

/// A browser that is logged in, with the password that the person has.
fn at_home(site: &Site, person: &Person) -> Browser {
    let browser = Browser::new(site, &person.name);
    let shown = browser.log_in(&person.address, &person.password, "");
    if shown.path == "/" {
        return browser;
    }
    let fields = [
        ("key", &*shown.key()),
        ("present", &person.password),
        ("chosen", CHOSEN),
        ("again", CHOSEN),
    ];
    assert_eq!(browser.send("/password", &fields).status, 200);
    let shown = browser.log_in(&person.address, CHOSEN, "");
    assert_eq!((shown.status, shown.path.as_str()), (200, "/"));
    browser
}

fn decoded(inbox: &mut imap::Session, number: u32) -> String {
    let mail = String::from_utf8(inbox.fetch(number)).unwrap();
    Program::python("text_of.py").input(mail).succeeds()
}

/// From outside.
#[track_caller]
fn hand(site: &Site, to: &Person, subject: &str, file: &str, data: &[u8]) -> Reply {
    let content = mail("x@else.example", &to.address, subject, file, data);
    site.smtp()
        .send("x@else.example", &[&to.address], &content)
        .unwrap()
}

#[track_caller]
fn assert_blocked(reply: &Reply, rule: &str) {
    let text = reply.text.join(" ");
    assert!(reply.code == 554 && text.contains(rule), "{reply:?}");
}

#[test]
fn one_command_blocks_mail_both_ways_and_tells_staff() {
    let mut site = Site::new("city.example");
    // Nobody looks at attachments: the rule alone decides.
    site.set("screening.malware", "inspect = false");
    site.serve();
    let (tanaka, suzuki) = (site.person("tanaka"), site.person("suzuki"));
    assert_eq!(hand(&site, &tanaka, "before", "a.bin", HARM).code, 250);

    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(HARM));
    let begin = [
        "outbreak",
        "begin",
        "--reason",
        "見本を受領",
        "--sha256",
        &digest,
    ];
    let begun = site.give(&[&begin[..], &["--notice", "内線 1234 へ"]].concat());
    assert_eq!(
        (&begun[0]["number"], &begun[0]["told"]),
        (&json!(1), &json!(0))
    );
    // At once, whatever the file is called, and both ways.
    let refused = hand(&site, &tanaka, "after", "b.dat", HARM);
    assert_blocked(&refused, "rule 1, b.dat");
    let content = mail(&tanaka.address, &suzuki.address, "own", "c.bin", HARM);
    let mut session = smtp::Session::submission(&site, &tanaka);
    let own = session.send(&tanaka.address, &[&suzuki.address], &content);
    assert_blocked(&own.unwrap(), "rule 1");
    assert_eq!(
        hand(&site, &tanaka, "after", "b.dat", b"harmless").code,
        250
    );
    let text = refused.text.join(" ");
    let id = text
        .split_whitespace()
        .last()
        .unwrap()
        .trim_matches(['(', ')']);
    let told = site.give(&["screening", "explain", id]).remove(0);
    assert_eq!(told["verdict"]["because"], "outbreak-rule", "{told}");
    assert_eq!(told["evidence"]["blocked"]["rule"], 1, "{told}");
    assert_eq!(told["same_today"], true, "{told}");

    // Staff are told once somebody approves it; there is one officer here, and the event says so.
    let mut inbox = site.imap(&suzuki);
    assert_eq!(inbox.select("INBOX"), 0);
    let waits = site.give(&["outbreak", "show", "1"]).remove(0);
    let text = waits["waiting"]["text"].as_str().unwrap();
    assert!(
        text.contains("内線 1234 へ") && text.contains(&digest),
        "{waits}"
    );
    let read = waits["waiting"]["digest"].as_str().unwrap();
    let approved = site.give(&["outbreak", "notice", "approve", "1", "--digest", read]);
    assert_eq!(approved[0]["told"], 2, "{approved:?}");
    let event = site
        .events(&["--kind", "outbreak.notice-approved"])
        .remove(0);
    assert_eq!(event["detail"]["single_person"], true, "{event}");
    assert_eq!(event["detail"]["told"], 2, "{event}");
    let approve = &["outbreak", "notice", "approve", "1", "--digest", read];
    for again in [&approve[..], &["outbreak", "notice", "compose", "1"]] {
        let why = site.refused(again);
        assert!(why.contains("told of rule 1 already"), "{why}");
    }

    // Who has read it is counted.
    inbox.holds("INBOX", 1, SOON);
    let show = || site.give(&["outbreak", "show", "1"]).remove(0);
    assert_eq!((&show()["kept"], &show()["read"]), (&json!(2), &json!(0)));
    let notice = decoded(&mut inbox, 1);
    for words in ["規程 5.2(2)", "clause 5.2(2)", &digest, "内線 1234 へ"] {
        assert!(notice.contains(words), "{words} in {notice}");
    }
    inbox.ok("STORE 1 +FLAGS (\\Seen)");
    assert_eq!((&show()["kept"], &show()["read"]), (&json!(2), &json!(1)));

    // Set apart, by subject and sender; only an administrator may release it. It holds over a crash.
    let begin = [
        "outbreak",
        "begin",
        "--reason",
        "x",
        "--subject",
        "請求書*",
        "--sender",
        "else.example",
    ];
    let how = ["--handling", "quarantine", "--no-notice", "--for", "1d"];
    let begun = site.give(&[&begin[..], &how[..]].concat());
    assert_eq!(begun[0]["told"], 0);
    site.kill_hard();
    site.serve();
    let subject = "=?utf-8?B?6KuL5rGC5pu4IDIwMjY=?=";
    assert_eq!(hand(&site, &suzuki, subject, "d.txt", b"x").code, 250);
    let apart = site.give(&["quarantine", "list"]);
    assert_eq!(apart.len(), 1, "{apart:?}");
    assert_eq!(
        (&apart[0]["cause"], &apart[0]["strict"]),
        (&json!("outbreak-rule"), &json!(true))
    );
    assert_eq!(hand(&site, &suzuki, "another", "d.txt", b"x").code, 250);

    // What came before is found in the mailboxes, by its digest and by its whole, and pulled out of them on approval.
    let looked = site.give(&["outbreak", "search", "1"]).remove(0);
    assert_eq!(
        (&looked["found"], &looked["accounts"]),
        (&json!(1), &json!(1)),
        "{looked}"
    );
    site.refused(&["outbreak", "pull", "2", "--reason", "x"]);
    let found = site.give(&["outbreak", "found", "1"]);
    assert_eq!(
        (&found[0]["account"], &found[0]["what"], &found[0]["state"]),
        (&json!(tanaka.address), &json!("a.bin"), &json!("found"))
    );
    let mut reader = site.imap(&tanaka);
    let before = reader.select("INBOX");
    reader.ok("COPY 1 Archive");
    let pulled = site
        .give(&["outbreak", "pull", "1", "--reason", "承認"])
        .remove(0);
    assert_eq!(
        (&pulled["pulled"], &pulled["gone"]),
        (&json!(1), &json!(0)),
        "{pulled}"
    );
    let told = reader.ok("NOOP").text().join(" ");
    assert!(
        told.contains("EXPUNGE") || told.contains("VANISHED"),
        "{told}"
    );
    assert_eq!(site.imap(&tanaka).select("Archive"), 0);
    assert_eq!(site.imap(&tanaka).select("INBOX"), before - 1);
    let found = site.give(&["outbreak", "found", "1"]).remove(0);
    let held = found["held"].as_str().unwrap();
    let apart = site.give(&["quarantine", "list"]);
    let ours = apart.iter().find(|one| one["id"] == held).unwrap();
    assert_eq!(
        (&ours["cause"], &ours["strict"]),
        (&json!("outbreak-rule"), &json!(true))
    );
    let event = site.events(&["--kind", "outbreak.pulled"]).remove(0);
    assert_eq!(event["detail"]["held"], held, "{event}");
    assert_eq!(site.events(&["--kind", "outbreak.searched"]).len(), 1);
    // Nothing is left to pull, and it comes back on release.
    let again = site
        .give(&["outbreak", "pull", "1", "--reason", "x"])
        .remove(0);
    assert_eq!(
        (&again["pulled"], &again["failed"]),
        (&json!(0), &json!(0)),
        "{again}"
    );
    site.give(&["quarantine", "release", held]);
    assert_eq!(site.imap(&tanaka).select("INBOX"), before);

    // Ended, it holds no more.
    site.give(&["outbreak", "end", "1", "--reason", "定義ファイルが対応した"]);
    assert_eq!(hand(&site, &tanaka, "after", "b.dat", HARM).code, 250);
    site.refused(&["outbreak", "end", "1", "--reason", "x"]);
    let listed = site.give(&["outbreak", "list"]);
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed[1]["ended_at"].is_string() && listed[0]["ended_at"].is_null());
    for wrong in [
        &["--name", "*"][..],
        &["--sha256", "12"],
        &["--sender", "a b"],
        &[],
    ] {
        let begin = ["outbreak", "begin", "--reason", "x"];
        site.refused(&[&begin[..], wrong].concat());
    }
    assert_eq!(site.events(&["--kind", "outbreak.begun"]).len(), 2);
    assert_eq!(site.events(&["--kind", "outbreak.ended"]).len(), 1);
}

#[test]
fn another_person_approves_what_staff_are_told() {
    let mut site = Site::new("city.example");
    site.set("directory", "second_factor = \"optional\"");
    site.serve();
    let (officer, suzuki) = (officer(&site), site.person("suzuki"));
    site.give(&["person", "add", "kimura", "--os-user", "nobody"]);
    for role in ["system-officer", "administrator"] {
        site.give(&["person", "role", "grant", "kimura", role]);
    }
    let kimura = Nobody::at(&site);
    let begin = ["outbreak", "begin", "--reason", "x", "--subject", "bad*"];
    kimura
        .gives(&[&begin[..], &["--notice", "内線 1234 へ"]].concat())
        .succeeds();
    // It holds, and whoever may approve the notice is asked.
    assert_blocked(&hand(&site, &suzuki, "bad news", "a.txt", b"x"), "rule 1");
    let mut inbox = site.imap(&officer);
    // After the two about the roles.
    inbox.holds("INBOX", 3, SOON);
    let asked = decoded(&mut inbox, 3);
    for words in ["kimura", "内線 1234 へ", "bad*", "outbreak notice approve"] {
        assert!(asked.contains(words), "{words} in {asked}");
    }
    let digest = || {
        let shown = site.give(&["outbreak", "show", "1"]).remove(0);
        shown["waiting"]["digest"].as_str().unwrap().to_owned()
    };
    let first = digest();
    assert!(asked.contains(&first), "{first} in {asked}");
    let approve = ["outbreak", "notice", "approve", "1", "--digest", &first];
    let why = kimura.gives(&approve).run();
    assert!(!why.output.status.success() && why.text().contains("another administrator"));
    // On the pages it waits for the officer, with what to do, and for nobody else.
    let pages = at_home(&site, &officer);
    let home = pages.open("/");
    for words in ["承認待ちの周知文", "内線 1234 へ", "bad*", "kimura", &first] {
        home.says(words);
    }
    let others = at_home(&site, &suzuki).open("/");
    assert!(!others.text.contains("承認待ち"), "{}", others.text);
    let suzuki = Person {
        password: CHOSEN.to_owned(),
        ..suzuki
    };
    // Who does not like the words composes others, and is not the one who approves them.
    let words = [
        "outbreak",
        "notice",
        "compose",
        "1",
        "--words",
        "内線 1235 へ",
    ];
    site.give(&words);
    let why = site.refused(&approve);
    assert!(why.contains("another administrator"), "{why}");
    let home = pages.open("/");
    home.says("ほかの方の承認");
    assert!(!home.text.contains("notice approve"), "{}", home.text);
    assert_eq!(site.imap(&suzuki).select("INBOX"), 0, "nobody was told yet");
    // Who has read the words before does not send the others by it.
    let why = kimura.gives(&approve).run();
    assert!(!why.output.status.success() && why.text().contains("not the words"));
    let second = digest();
    let approve = ["outbreak", "notice", "approve", "1", "--digest", &second];
    kimura.gives(&approve).succeeds();
    let mut inbox = site.imap(&suzuki);
    inbox.holds("INBOX", 1, SOON);
    let told = decoded(&mut inbox, 1);
    assert!(told.contains("1235") && !told.contains("1234"), "{told}");
    let event = site
        .events(&["--kind", "outbreak.notice-approved"])
        .remove(0);
    assert_eq!(event["actor"], "person:kimura", "{event}");
    assert_eq!(event["detail"]["composed_by"], me().as_str(), "{event}");
    assert!(event["detail"]["single_person"].is_null(), "{event}");
    let home = pages.open("/");
    assert!(!home.text.contains("承認待ち"), "{}", home.text);
    // A rule without a notice gets one later, and one that has ended none.
    let begin = ["outbreak", "begin", "--reason", "x", "--subject", "y*"];
    site.give(&[&begin[..], &["--no-notice"]].concat());
    let why = site.refused(&["outbreak", "notice", "approve", "2", "--digest", "x"]);
    assert!(why.contains("outbreak notice compose 2"), "{why}");
    site.give(&["outbreak", "notice", "compose", "2"]);
    site.give(&["outbreak", "end", "2", "--reason", "x"]);
    let ended = kimura
        .gives(&["outbreak", "notice", "approve", "2", "--digest", "x"])
        .run();
    assert!(ended.text().contains("has ended"), "{}", ended.text());
    site.give(&["verify"]);
}

/// A bounce for mail that was never sent.
#[track_caller]
fn forged_bounce(site: &Site, to: &Person) {
    let mut session = site.smtp();
    session.expect("EHLO far.example", 250);
    session.expect("MAIL FROM:<>", 250);
    let reply = session.say(&format!("RCPT TO:<{}>", to.address));
    if reply.code != 250 {
        return;
    }
    session.expect("DATA", 354);
    let content = "From: MAILER-DAEMON@far.example\r\nSubject: failure notice\r\n\r\n<who@far.example>:\r\n550 5.1.1 no such user\r\n.";
    let reply = session.say(content);
    assert_eq!(reply.code, 550, "{reply:?}");
}

#[test]
fn a_surge_of_forged_bounces_reaches_the_officer_once() {
    let mut site = Site::new("city.example");
    site.set("return_path", "enabled = true\nsurge = 3");
    let key = "kakitome return path key 1\n\
        0707070707070707070707070707070707070707070707070707070707070707\n2026-01-01T00:00:00Z\n";
    fs::write(site.path().join("keys/return-path.key"), key).unwrap();
    site.serve();
    let (officer, tanaka) = (officer(&site), site.person("tanaka"));
    let incidents = || site.give(&["incident", "list"]);
    forged_bounce(&site, &tanaka);
    forged_bounce(&site, &tanaka);
    assert!(incidents().is_empty(), "two are no surge");
    for _ in 0..7 {
        forged_bounce(&site, &tanaka);
    }
    // Not again while it is open.
    let open = incidents();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!(open[0]["kind"], "backscatter", "{open:?}");
    let samples = open[0]["facts"]["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 3, "{open:?}");
    assert_eq!(samples[0]["recipient"], tanaka.address.as_str());
    let mut inbox = site.imap(&officer);
    inbox.holds("INBOX", 1, SOON);
    let told = decoded(&mut inbox, 1);
    for words in [
        "規程 5.5(2)",
        "clause 5.5(2)",
        "far.example",
        &tanaka.address,
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    site.refused(&["incident", "close", "1"]);
    site.refused(&["incident", "step", "1", "terminal-cleaned", "--note", "x"]);
    site.refused(&["incident", "report", "1"]);
    site.give(&["incident", "step", "1", "acknowledged"]);
    site.give(&["incident", "close", "1"]);
    until("the next surge opens another", SOON, || {
        forged_bounce(&site, &tanaka);
        (incidents().len() == 2).then_some(())
    });
}

/// A zip file with one file.
fn zipped(name: &str, data: &[u8]) -> Vec<u8> {
    let script = "import sys, zipfile, io, base64\n\
                  out = io.BytesIO()\n\
                  zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED).writestr(sys.argv[1], base64.b64decode(sys.stdin.read()))\n\
                  print(base64.b64encode(out.getvalue()).decode())";
    let made = Program::new("/usr/bin/python3")
        .words(["-I", "-c", script, name])
        .input(BASE64_STANDARD.encode(data))
        .succeeds();
    BASE64_STANDARD.decode(made.trim()).unwrap()
}

#[test]
fn a_rule_reaches_files_within_archives() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let inner = zipped("plan-7.dat", HARM);
    let outer = zipped("inner.zip", &inner);
    assert_eq!(hand(&site, &tanaka, "before", "all.zip", &outer).code, 250);
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(HARM));
    let begin = ["outbreak", "begin", "--reason", "x", "--no-notice"];
    site.give(&[&begin[..], &["--sha256", &digest]].concat());
    let refused = hand(&site, &tanaka, "after", "other.zip", &outer);
    assert_blocked(&refused, "rule 1, plan-7.dat");
    site.give(&[&begin[..], &["--name", "plan-?.dat"]].concat());
    let other = zipped("PLAN-9.dat", b"something else");
    assert_blocked(&hand(&site, &tanaka, "after", "x.zip", &other), "rule 2");
    assert_eq!(
        hand(&site, &tanaka, "after", "x.zip", &zipped("plan.dat", b"y")).code,
        250
    );
    // A name in Japanese is no shorter for being longer in octets.
    let name = format!("{}-9.docm", "見積依頼書".repeat(12));
    site.give(&[&begin[..], &["--name", "*-9.docm"]].concat());
    let long = zipped(&name, b"z");
    assert_blocked(&hand(&site, &tanaka, "after", "x.zip", &long), "rule 3");
    // What came before is found as deep.
    let looked = site.give(&["outbreak", "search", "1"]).remove(0);
    assert_eq!(
        (&looked["found"], &looked["unreadable"]),
        (&json!(1), &json!(0)),
        "{looked}"
    );
    let found = site.give(&["outbreak", "found", "1"]);
    assert_eq!(found[0]["what"], "plan-7.dat", "{found:?}");
}

/// What a mail program puts into a mailbox went past nobody who screens mail.
#[test]
fn a_rule_holds_for_what_is_appended_where_that_is_looked_at() {
    let mut site = Site::new("city.example");
    // No scanner: the rule alone decides.
    site.set("screening.malware", "inspect = false\nappend = true");
    site.serve();
    let tanaka = site.person("tanaka");
    let content = mail("x@else.example", &tanaka.address, "kept", "a.bin", HARM);
    let content = String::from_utf8(content).unwrap();
    let append = || {
        let mut session = site.imap(&tanaka);
        session.give(&format!("APPEND INBOX {{{}+}}\r\n{content}", content.len()))
    };
    assert!(append().is_ok());
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(HARM));
    let begin = ["outbreak", "begin", "--reason", "x", "--no-notice"];
    site.give(&[&begin[..], &["--sha256", &digest]].concat());
    let answer = append();
    assert!(!answer.is_ok(), "{answer:?}");
    let refused = site.events(&["--kind", "message.append-refused"]).remove(0);
    let screening = &refused["detail"]["screening"];
    assert_eq!(screening["verdict"]["because"], "outbreak-rule");
    assert_eq!(screening["evidence"]["blocked"]["rule"], 1, "{refused}");
    assert_eq!(site.imap(&tanaka).select("INBOX"), 1);
}

#[test]
fn what_comes_in_several_parts_is_refused_and_what_lies_elsewhere_is_noted() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let letter = |kind: &str| {
        format!(
            "From: <x@else.example>\r\nTo: <{}>\r\nSubject: s\r\nMIME-Version: 1.0\r\n\
             Content-Type: {kind}\r\n\r\nSubject: inner\r\n\r\ntext\r\n",
            tanaka.address
        )
    };
    let send = |kind: &str| {
        let mut smtp = site.smtp();
        let to = [tanaka.address.as_str()];
        smtp.send("x@else.example", &to, letter(kind).as_bytes())
            .unwrap()
    };
    let explained = |reply: &Reply| {
        let text = reply.text.join(" ");
        let id = text.split_whitespace().last().unwrap();
        site.give(&["screening", "explain", id.trim_matches(['(', ')'])])
            .remove(0)
    };
    let reply = send("message/partial; id=\"a@b\"; number=2; total=3");
    assert_eq!(reply.code, 554, "{reply:?}");
    let told = explained(&reply);
    assert_eq!(told["verdict"]["because"], "partial", "{told}");
    let note = &told["evidence"]["malware"]["inspection"]["notes"];
    assert!(told.to_string().contains("2 of 3"), "{note} {told}");
    let reply = send("message/external-body; access-type=URL; URL=\"http://x.example/\"");
    assert_eq!(reply.code, 250, "{reply:?}");
    let told = explained(&reply);
    assert!(told.to_string().contains("\"external-body\""), "{told}");
}
