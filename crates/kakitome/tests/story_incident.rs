//! A password that another may have used (clause 4.1), from the report to the last step; letters, holds, notices (clauses 7, 9).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use serde_json::Value;
use support::{Letter, Person, Program, Site, browser::Browser, imap, site, site::me, smtp, until};

const SOON: Duration = Duration::from_secs(30);
/// Within this time of the suspension, by the server's own clock, the sessions have ended (clause 4.1(1)a: at once).
const AT_ONCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn login(site: &Site, person: &Person) -> bool {
    let mut session = imap::Session::open_tls(site, site::IMAPS);
    let words = format!("LOGIN \"{}\" \"{}\"", person.address, person.password);
    session.give(&words).tagged.starts_with("OK ")
}

/// An account for the officer who runs these tests.
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
        password: text(&issued[0], "password").to_owned(),
    }
}

/// Whoever has the password makes a forward and an app password on the pages.
fn on_the_pages(site: &Site, person: &Person) -> Person {
    let browser = Browser::new(site, "thief");
    let shown = browser.log_in(&person.address, &person.password, "");
    assert_eq!((shown.status, shown.path.as_str()), (200, "/password"));
    let chosen = "Nagai-Michi-9";
    let fields = [
        ("key", &*shown.key()),
        ("present", &person.password),
        ("chosen", chosen),
        ("again", chosen),
    ];
    assert_eq!(browser.send("/password", &fields).status, 200);
    let home = browser.log_in(&person.address, chosen, "");
    let key = home.key();
    let fields = [("key", &*key), ("target", "copies@nowhere.example")];
    let shown = browser.send("/forward", &fields);
    assert_eq!(shown.status, 200, "{}", shown.text);
    let fields = [
        ("key", &*key),
        ("identifier", &person.address),
        ("name", "thief"),
        ("scope", "both"),
        ("expires", ""),
    ];
    let shown = browser.send("/app-password", &fields);
    assert_eq!(shown.status, 200, "{}", shown.text);
    Person {
        password: chosen.to_owned(),
        ..person.clone()
    }
}

/// A POP3 session in which the only message was fetched.
fn pop3_session(site: &Site, person: &Person) -> support::line::Lines {
    let lines = support::line::Lines::connect(site.address, site::POP3S).unwrap();
    let mut lines = lines.into_tls(&site.certificate()).unwrap();
    let mut greeted = lines.line().unwrap();
    for words in [
        format!("USER {}", person.address),
        format!("PASS {}", person.password),
        "STAT".to_owned(),
    ] {
        assert!(greeted.starts_with(b"+OK"), "{words}: {greeted:?}");
        lines.write(format!("{words}\r\n").as_bytes()).unwrap();
        greeted = lines.line().unwrap();
    }
    assert!(greeted.starts_with(b"+OK 1 "), "{greeted:?}");
    lines
}

/// The trail has the end of both sessions that were open, within a second of the suspension.
fn at_once(site: &Site) {
    let at = |event: &Value| text(event, "at").parse::<jiff::Timestamp>().unwrap();
    let suspended = site.events(&["--kind", "account.suspended"]);
    let began = at(&suspended[0]);
    let ended = until("the events of both sessions", SOON, || {
        let all = site.events(&["--kind", "retrieval.session"]);
        let ended = all
            .into_iter()
            .filter(|event| event["detail"]["end"] == "account-changed");
        let ended: Vec<Value> = ended.collect();
        (ended.len() == 2).then_some(ended)
    });
    for event in ended {
        let took = at(&event).duration_since(began);
        assert!(took <= AT_ONCE, "{took:?} until {event}");
    }
}

/// The words that pdftotext finds in a letter.
fn words_of(letter: &std::path::Path) -> String {
    Program::new("pdftotext")
        .word("-layout")
        .word(letter)
        .word("-")
        .succeeds()
}

#[test]
fn a_password_that_another_may_have_used_is_followed_to_the_end() {
    let mut site = Site::new("city.example");
    // A next hop that nobody listens at.
    site.route("nowhere.example", "host = \"[127.0.0.1]\", port = 9");
    site.set("directory", "outside_forwards = true");
    site.serve();
    let officer = officer(&site);
    let tanaka = site.informed_person("tanaka");
    site.give(&["order", "list"]);
    // What the thief did: a forward and an app password on the pages, mail to elsewhere that waits, mail that was read, a session
    // that goes on.
    let tanaka = on_the_pages(&site, &tanaka);
    let mut submission = smtp::Session::submission(&site, &tanaka);
    let stolen = Letter::new("stolen", &tanaka.address, "fence@nowhere.example");
    let accepted = submission.send(&stolen.from, &[&stolen.to], &stolen.content());
    assert_eq!(accepted.unwrap().code, 250);
    let own = Letter::new("own", &tanaka.address, &tanaka.address);
    submission
        .send(&own.from, &[&own.to], &own.content())
        .unwrap();
    let mut reading = site.imap(&tanaka);
    reading.holds("INBOX", 1, SOON);
    reading.fetch(1);
    reading.ok("LOGOUT");
    until("the session's event", SOON, || {
        site.events(&["--kind", "retrieval.session", "--actor", &tanaka.address])
            .pop()
    });
    let mut idle = site.imap(&tanaka);
    idle.select("INBOX");
    idle.fetch(1);
    idle.begin("IDLE").unwrap();
    idle.response().unwrap();
    let mut pop3 = pop3_session(&site, &tanaka);
    let mut within_data = smtp::Session::submission(&site, &tanaka);
    within_data.expect(&format!("MAIL FROM:<{}>", own.from), 250);
    within_data.expect(&format!("RCPT TO:<{}>", own.to), 250);
    within_data.expect("DATA", 354);

    let open = ["incident", "open", "--kind", "credential", &tanaka.address];
    let reason = ["--reason", "本人から届出: 身に覚えのない送信がある"];
    let opened = site.give(&[&open[..], &reason[..]].concat());
    assert_eq!(opened[0]["number"], 1);
    let missing = serde_json::json!([
        "acknowledged",
        "queue-settled",
        "password-renewed",
        "handed-over",
        "resumed"
    ]);
    assert_eq!(opened[0]["missing"], missing, "{opened:?}");
    // What was added since the owner's last sure use is told, and gone.
    let left = &opened[0]["facts"]["left_behind"];
    assert_eq!(left["app_passwords"][0]["name"], "thief", "{opened:?}");
    let revoked = site.events(&["--kind", "account.app-password-revoked"]);
    assert_eq!(revoked[0]["detail"]["why"], "incident", "{revoked:?}");
    assert_eq!(revoked[0]["detail"]["app_password_name"], "thief");
    // At once and everywhere: the session that idles, the one that submits, and every new one.
    until("the end of the session that idled", SOON, || {
        idle.response().is_err().then_some(())
    });
    until("the end of the session that fetched by POP3", SOON, || {
        pop3.line().is_err().then_some(())
    });
    at_once(&site);
    let refused = submission.send(&own.from, &[&own.to], &own.content());
    assert!(!refused.is_ok_and(|reply| reply.is_positive()));
    // A message that was on its way is not taken.
    let rest = format!("From: <{}>\r\nSubject: half\r\n\r\nhalf\r\n.", own.from);
    let refused = within_data.try_say(&rest);
    assert_eq!(refused.unwrap().code, 535);
    assert!(!login(&site, &tanaka));
    // What waits is held; mail for the owner keeps arriving.
    let queued = site.give(&["queue", "list"]);
    assert_eq!(text(&queued[0], "state"), "held", "{queued:?}");
    let meanwhile = Letter::new("meanwhile", "friend@elsewhere.example", &tanaka.address);
    let arrived = site
        .smtp()
        .send(&meanwhile.from, &[&meanwhile.to], &meanwhile.content());
    assert_eq!(arrived.unwrap().code, 250);
    let again = site.refused(&open);
    assert!(again.contains("incident 1 is open"), "{again}");

    // The security officer was sent the analysis.
    let mut inbox = site.imap(&officer);
    inbox.holds("INBOX", 1, SOON);
    let mail = String::from_utf8(inbox.fetch(1)).unwrap();
    let decoded = Program::python("text_of.py").input(mail).succeeds();
    for told in [
        "インシデント 1",
        &tanaka.address,
        "fence@nowhere.example",
        "本人から届出",
        // Also by the session that was open when the incident was opened: the report waits for its end.
        "2 通受信",
        "account.forward  person:tanaka",
        "target=copies@nowhere.example",
        "account.app-password  person:tanaka",
        "app_password_name=thief",
    ] {
        assert!(decoded.contains(told), "{told} in {decoded}");
    }
    assert!(!decoded.contains("終了しておらず"), "{decoded}");
    let report = site.give(&["incident", "report", "1", "--lang", "en"]);
    let usage = &report[0]["usage"];
    assert_eq!(usage["sent_in_all"], 2, "{report:?}");
    assert_eq!(usage["sessions_open"], 0, "{report:?}");
    let changed = usage["changed"].as_array().unwrap();
    let forward = changed.iter().find(|one| one["kind"] == "account.forward");
    let forward = forward.unwrap_or_else(|| panic!("{changed:?}"));
    assert_eq!(forward["what"], "target=copies@nowhere.example");
    assert_eq!(forward["address"], "127.0.0.1", "{forward}");

    // Nothing can be left out.
    let early = site.refused(&["incident", "close", "1"]);
    assert!(
        early.contains("acknowledged, queue-settled, password-renewed, handed-over, resumed"),
        "{early}"
    );
    site.refused(&[
        "incident",
        "step",
        "1",
        "handed-over",
        "--note",
        "in person",
    ]);
    site.refused(&["account", "resume", &tanaka.address]);
    site.give(&[
        "incident",
        "step",
        "1",
        "acknowledged",
        "--note",
        "確認した",
    ]);
    let file = site.beside("letter.pdf");
    let path = file.display().to_string();
    site.give(&["account", "letter", &tanaka.address, "--to", &path]);
    let why = site.refused(&["account", "resume", &tanaka.address]);
    assert!(why.contains("handed-over"), "{why}");
    let receipt = [
        "account",
        "letter",
        &tanaka.address,
        "--handed-over",
        "本人に手渡し、受領書1",
    ];
    site.give(&receipt);
    site.give(&["account", "resume", &tanaka.address]);
    site.refused(&["order", "delete", "--for", "nobody"]);
    // Its mail is held still, and nobody has decided what becomes of it.
    let undecided = site.refused(&["incident", "close", "1"]);
    assert!(undecided.contains("queue-settled missing"), "{undecided}");
    let undecided = site.refused(&["incident", "step", "1", "queue-settled"]);
    // What was submitted, and what the thief's forward let go on.
    assert!(undecided.contains("2 messages"), "{undecided}");
    let held = ["--identifier", &tanaka.address, "--state", "held"];
    site.give(&[&["queue", "discard", "--reason", "第三者の送信"], &held[..]].concat());
    assert_eq!(site.events(&["--kind", "queue.discarded"]).len(), 2);
    site.give(&["incident", "step", "1", "queue-settled"]);
    let closed = site.give(&["incident", "close", "1"]);
    assert_eq!(closed[0]["missing"], serde_json::json!([]));
    site.refused(&["incident", "close", "1"]);
    site.refused(&["incident", "step", "1", "analysed"]);

    assert!(
        !login(&site, &tanaka),
        "the stolen password is worth nothing"
    );
    let printed = words_of(&file);
    let password = printed
        .split_whitespace()
        .find(|word| word.len() == 19 && word.matches('-').count() == 3)
        .unwrap_or_else(|| panic!("no password in {printed}"));
    let renewed = Person {
        password: password.to_owned(),
        ..tanaka.clone()
    };
    site.imap(&renewed).holds("INBOX", 2, SOON);

    // Every step is in the trail, and no password.
    let steps: Vec<Value> = site.events(&["--kind", "incident.step"]);
    let names: Vec<&str> = steps
        .iter()
        .map(|event| text(&event["detail"], "step"))
        .collect();
    let expected = [
        "reported",
        "analysed",
        "acknowledged",
        "password-renewed",
        "handed-over",
        "resumed",
        "queue-settled",
    ];
    assert_eq!(names, expected);
    let everything = site.events(&[]);
    assert!(
        !everything
            .iter()
            .any(|event| event.to_string().contains(password))
    );
    for kind in [
        "incident.opened",
        "incident.closed",
        "account.suspended",
        "queue.held",
    ] {
        assert_eq!(site.events(&["--kind", kind]).len(), 1, "{kind}");
    }
}

#[test]
fn a_letter_is_made_once_and_says_what_the_holder_needs() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let file = site.beside("letter.pdf");
    let path = file.display().to_string();
    let made = site.give(&["account", "letter", &tanaka.address, "--to", &path]);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let digest = Program::new("sha256sum").word(&file).succeeds();
    assert!(digest.starts_with(text(&made[0], "sha256")));
    let words = words_of(&file);
    for told in [
        "初期パスワード",
        "識別コード",
        "受領書",
        "tanaka@city.example",
        &site.hostname(),
        "直ちに変更",
        // Clause 7.1(2)a.
        "共用ではありません",
    ] {
        assert!(words.contains(told), "{told} in {words}");
    }
    assert!(!login(&site, &tanaka), "the password is a new one");
    assert_eq!(
        site.give(&["account", "show", &tanaka.address])[0]["must_change_password"],
        true
    );

    // A second one needs a reason, and voids the first.
    let second = site.beside("second.pdf");
    let other = second.display().to_string();
    let why = site.refused(&["account", "letter", &tanaka.address, "--to", &other]);
    assert!(why.contains("letter 1") && why.contains("--again"), "{why}");
    assert!(!second.exists());
    let again = ["--again", "the first was torn", "--lang", "en"];
    site.refused(
        &[
            &["account", "letter", &tanaka.address, "--to", &path][..],
            &again,
        ]
        .concat(),
    );
    assert!(
        words_of(&file).contains("tanaka"),
        "what stood there is left alone"
    );
    site.give(
        &[
            &["account", "letter", &tanaka.address, "--to", &other][..],
            &again,
        ]
        .concat(),
    );
    let words = words_of(&second);
    assert!(words.contains("Initial password") && words.contains("yours alone"));
    site.give(&[
        "account",
        "letter",
        &tanaka.address,
        "--handed-over",
        "in person, staff card seen",
    ]);
    let twice = site.refused(&[
        "account",
        "letter",
        &tanaka.address,
        "--handed-over",
        "again",
    ]);
    assert!(twice.contains("letter 2 was handed over"), "{twice}");
    assert_eq!(site.events(&["--kind", "account.letter"]).len(), 2);
    assert_eq!(site.events(&["--kind", "account.letter-handed"]).len(), 1);
}

#[test]
fn who_comes_is_told_of_the_records_and_who_goes_is_deleted_on_the_day() {
    let mut site = Site::new("city.example");
    site.set("directory", "acknowledgement_required = true");
    site.serve();
    site.give(&["person", "add", "suzuki", "--full-name", "鈴木 一郎"]);
    let ordering = [
        "order",
        "issue",
        "--for",
        "suzuki",
        "--address",
        "suzuki@city.example",
    ];
    let why = site.refused(&ordering);
    assert!(why.contains("9.1(2)"), "{why}");
    site.give(&["person", "notice", "suzuki", "--lang", "en"]);
    let given = site.events(&["--kind", "person.notified"]);
    assert_eq!(given.len(), 1, "{given:?}");
    assert_eq!(given[0]["subject"], "suzuki");
    assert_eq!(given[0]["detail"]["retain_years"], 10);
    let other = site.refused(&["person", "acknowledge", "suzuki"]);
    assert!(other.contains("only suzuki"), "{other}");
    let known = site.give(&["person", "acknowledge", "suzuki", "--on-paper"]);
    assert!(known[0]["acknowledged_at"].is_string(), "{known:?}");
    site.give(&ordering);
    site.give(&["order", "approve", "1"]);
    site.give(&["account", "issue", "--order", "1"]);

    site.give(&["person", "depart", "suzuki", "--on", "2099-04-01"]);
    site.give(&["order", "delete", "--for", "suzuki"]);
    site.give(&["order", "approve", "2"]);
    let early = site.refused(&["account", "delete", "--order", "2"]);
    assert!(early.contains("before 2099"), "{early}");

    // The day comes, but a court has asked for the mail.
    site.give(&["person", "depart", "suzuki", "--on", "2026-01-01"]);
    site.give(&["order", "delete", "--for", "suzuki"]);
    site.give(&["order", "approve", "3"]);
    site.give(&[
        "account",
        "hold",
        "suzuki@city.example",
        "--reason",
        "court order 12",
    ]);
    let held = site.refused(&["account", "delete", "--order", "3"]);
    assert!(held.contains("court order 12"), "{held}");
    site.give(&[
        "account",
        "hold",
        "suzuki@city.example",
        "--reason",
        "case closed",
        "--lift",
    ]);
    site.give(&["account", "delete", "--order", "3"]);
    let departs = site.events(&["--kind", "person.departs"]);
    assert!(
        departs[1]["detail"]["before"]
            .as_str()
            .unwrap()
            .starts_with("2099-"),
        "{departs:?}"
    );
    for kind in [
        "account.hold-placed",
        "account.hold-lifted",
        "person.acknowledged",
    ] {
        assert_eq!(site.events(&["--kind", kind]).len(), 1, "{kind}");
    }
}

#[test]
fn an_identifier_that_nobody_uses_is_reported_and_suspended() {
    let mut site = Site::new("city.example");
    site.set("directory", "idle_after = \"1s\"\nidle_grace = \"5s\"");
    site.serve();
    let tanaka = site.person("tanaka");
    let gone = site.person("gone");
    let sato = site.person("sato");
    site.give(&["person", "leave", "gone"]);
    let listed = until("all to lie idle", SOON, || {
        let listed = site.give(&["account", "idle"]);
        (listed.len() == 3).then_some(listed)
    });
    assert_eq!(listed[0]["person_left"], true, "{listed:?}");
    let attention = site.give(&["status"])[0]["attention"].to_string();
    assert!(attention.contains("2 identifiers lie idle"), "{attention}");
    assert!(
        attention.contains("1 accounts are of people who have left"),
        "{attention}"
    );

    // The personnel's list: one whom the directory does not know, one who is gone from the list.
    let list = site.beside("roster.csv");
    fs::write(&list, format!("name,room\n{},1\nyamada,2\ngone,3\n", me())).unwrap();
    let list = list.display().to_string();
    let differ: Vec<String> = site
        .give(&["person", "roster", &list])
        .iter()
        .map(|one| format!("{} {}", text(one, "person"), text(one, "difference")))
        .collect();
    assert_eq!(
        differ,
        [
            "tanaka not-on-list",
            "gone left-but-on-list",
            "sato not-on-list",
            "yamada unknown"
        ]
    );

    // Warned, once; whoever logs in then is left alone.
    until("all to be warned", SOON, || {
        site.give(&["account", "idle", "--act"]);
        let warned = site.events(&["--kind", "account.idle-warned"]);
        (warned.len() == 3).then_some(())
    });
    let mut inbox = site.imap(&tanaka);
    inbox.holds("INBOX", 1, SOON);
    let warning = Program::python("text_of.py")
        .input(inbox.fetch(1))
        .succeeds();
    assert!(
        warning.contains("使われていません") && warning.contains("tanaka@city.example"),
        "{warning}"
    );
    for unused in [&gone, &sato] {
        until("those that nobody uses to be suspended", SOON, || {
            site.give(&["account", "idle", "--act"]);
            let shown = site.give(&["account", "show", &unused.address]);
            (text(&shown[0], "state") == "suspended").then_some(())
        });
    }
    assert_eq!(
        text(
            &site.give(&["account", "show", &tanaka.address])[0],
            "state"
        ),
        "active"
    );
    let suspended = site.events(&["--kind", "account.suspended"]);
    for (identifier, why) in [
        (&gone.address, "its holder has left"),
        (&sato.address, "lies idle"),
    ] {
        let told = suspended
            .iter()
            .find(|one| one["subject"] == identifier.as_str());
        let reason = text(&told.unwrap()["detail"], "reason");
        assert!(reason.contains(why), "{suspended:?}");
    }
}

#[test]
fn the_register_knows_who_had_which_address_and_forgets_only_with_approval() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let before = site.events(&[]).last().unwrap()["at"]
        .as_str()
        .unwrap()
        .to_owned();
    site.give(&["account", "alias", &tanaka.address, "info@city.example"]);
    site.give(&[
        "account",
        "alias",
        &tanaka.address,
        "info@city.example",
        "--remove",
    ]);
    site.refused(&[
        "register",
        "erase",
        &tanaka.address,
        "--reason",
        "asked for by tanaka",
    ]);
    site.give(&["order", "delete", "--for", "tanaka"]);
    site.give(&["order", "approve", "2"]);
    site.give(&["account", "delete", "--order", "2"]);
    let lines = site.give(&["register", "list", "--person", "tanaka"]);
    let told: Vec<String> = lines
        .iter()
        .map(|line| format!("{} {}", text(line, "address"), text(line, "kind")))
        .collect();
    assert_eq!(
        told,
        ["info@city.example alias", "tanaka@city.example main"]
    );
    assert_eq!(lines[1]["delete_order"], 2);
    let then = site.give(&[
        "register",
        "list",
        "--address",
        "TANAKA@city.example",
        "--at",
        &before,
    ]);
    assert_eq!(text(&then[0], "person"), "tanaka");
    let now = site.give(&[
        "register",
        "list",
        "--address",
        &tanaka.address,
        "--at",
        "2099-01-01",
    ]);
    assert!(now.is_empty(), "{now:?}");

    site.refused(&["register", "approve", &tanaka.address]);
    site.give(&[
        "register",
        "erase",
        &tanaka.address,
        "--reason",
        "asked for by tanaka",
    ]);
    site.refused(&["register", "erase", &tanaka.address, "--reason", "again"]);
    site.give(&["register", "approve", &tanaka.address]);
    let erased = site.give(&["register", "list", "--address", &tanaka.address]);
    assert!(!format!("{erased:?}").contains("\"tanaka\""), "{erased:?}");
    assert!(
        site.give(&["register", "list", "--person", "tanaka"])
            .is_empty()
    );
    let order = site.give(&["order", "show", "1"])[0].to_string();
    assert!(!order.contains("\"tanaka\""), "{order}");
    // The identifier stays taken, and the trail tells who asked and who approved.
    site.give(&["person", "add", "suzuki"]);
    site.give(&["person", "acknowledge", "suzuki", "--on-paper"]);
    let taken = site.refused(&[
        "order",
        "issue",
        "--for",
        "suzuki",
        "--address",
        &tanaka.address,
    ]);
    assert!(taken.contains("never given to another"), "{taken}");
    let events = site.events(&["--kind", "register.erased"]);
    assert_eq!(events[0]["detail"]["asked_by"], me().as_str());
    assert_eq!(events[0]["detail"]["single_person"], true);
}
