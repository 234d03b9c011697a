//! Several sessions on one mailbox see each other's changes, at once and in order; a session that comes back
//! later catches up by QRESYNC.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::time::Duration;

use support::{Letter, Person, Site, imap, site};

const SOON: Duration = Duration::from_secs(20);

fn office(count: usize) -> (Site, Person) {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    deliver(&site, &tanaka, count);
    (site, tanaka)
}

fn deliver(site: &Site, to: &Person, count: usize) {
    let mut session = site.smtp();
    for number in 0..count {
        let letter = Letter::new(
            &format!("letter-{number}"),
            "friend@elsewhere.example",
            &to.address,
        );
        let reply = session.send(&letter.from, &[&letter.to], &letter.content());
        assert_eq!(reply.unwrap().code, 250);
    }
}

/// What an idle session is told next.
#[track_caller]
fn told(session: &mut imap::Session) -> String {
    String::from_utf8_lossy(&session.response().unwrap()).into_owned()
}

#[test]
fn an_idle_session_is_told_of_everything_in_order() {
    let (site, tanaka) = office(5);
    let mut watching = site.imap(&tanaka);
    assert_eq!(watching.select("INBOX"), 5);
    watching.lines.set_silence(SOON);
    let tag = watching.begin("IDLE").unwrap();
    assert!(told(&mut watching).starts_with('+'));

    let mut working = site.imap(&tanaka);
    working.select("INBOX");
    working.ok("STORE 2 +FLAGS (\\Flagged $Urgent)");
    let line = loop {
        let line = told(&mut watching);
        // A keyword that is new to the mailbox is announced first.
        if !line.starts_with("* FLAGS") && !line.contains("PERMANENTFLAGS") {
            break line;
        }
    };
    assert!(
        line.starts_with("* 2 FETCH") && line.contains("\\Flagged") && line.contains("$Urgent"),
        "{line}"
    );
    working.ok("STORE 1,3 +FLAGS.SILENT (\\Deleted)");
    working.ok("EXPUNGE");
    let mut lines = Vec::new();
    while lines
        .iter()
        .filter(|line: &&String| line.ends_with("EXPUNGE"))
        .count()
        < 2
    {
        lines.push(told(&mut watching));
    }
    // Whatever the order of the expunges, applied one by one they remove the first and the third.
    let mut known: Vec<u32> = (1..=5).collect();
    for line in lines.iter().filter(|line| line.ends_with("EXPUNGE")) {
        let number: usize = line.split(' ').nth(1).unwrap().parse().unwrap();
        known.remove(number - 1);
    }
    assert_eq!(known, [2, 4, 5]);
    deliver(&site, &tanaka, 1);
    loop {
        let line = told(&mut watching);
        if line.ends_with("EXISTS") {
            assert_eq!(line, "* 4 EXISTS");
            break;
        }
    }
    watching.lines.write(b"DONE\r\n").unwrap();
    assert!(watching.end(&tag).unwrap().is_ok());
    working.ok("NOOP");
    let answer = watching.ok("UID SEARCH ALL");
    assert_eq!(answer.numbers(), working.ok("UID SEARCH ALL").numbers());
}

#[test]
fn who_comes_back_catches_up_by_qresync() {
    let (site, tanaka) = office(10);
    let mut first = site.imap(&tanaka);
    let selected = first.ok("SELECT INBOX").text().join("\n");
    let code = |name: &str| -> u64 {
        let rest = &selected[selected.find(name).unwrap() + name.len() + 1..];
        rest[..rest.find(']').unwrap()].parse().unwrap()
    };
    let (validity, modseq) = (code("UIDVALIDITY"), code("HIGHESTMODSEQ"));
    first.ok("LOGOUT");

    let mut other = site.imap(&tanaka);
    other.select("INBOX");
    other.ok("UID STORE 4 +FLAGS (\\Seen)");
    other.ok("UID STORE 2,7 +FLAGS (\\Deleted)");
    other.ok("UID EXPUNGE 2,7");
    deliver(&site, &tanaka, 1);

    let mut back = site.imap(&tanaka);
    back.ok("ENABLE QRESYNC");
    let caught = back
        .ok(&format!("SELECT INBOX (QRESYNC ({validity} {modseq}))"))
        .text();
    let vanished = caught
        .iter()
        .find(|line| line.contains("VANISHED (EARLIER)"))
        .expect("VANISHED");
    assert!(vanished.ends_with(" 2,7"), "{vanished}");
    let changed: Vec<_> = caught
        .iter()
        .filter(|line| line.contains(" FETCH "))
        .collect();
    assert!(
        changed
            .iter()
            .any(|line| line.contains("UID 4 ") && line.contains("\\Seen")),
        "{changed:?}"
    );
    assert!(
        changed.iter().any(|line| line.contains("UID 11 ")),
        "{changed:?}"
    );
    assert_eq!(changed.len(), 2, "{changed:?}");
}

#[test]
fn imap_and_pop3_and_move_agree() {
    let (site, tanaka) = office(4);
    let mut imap = site.imap(&tanaka);
    imap.select("INBOX");
    let mut pop3 = support::line::Lines::connect(site.address, site::POP3S)
        .unwrap()
        .into_tls(&site.certificate())
        .unwrap();
    assert!(pop3.line().unwrap().starts_with(b"+OK"), "the greeting");
    let mut say = |line: &str| {
        pop3.write(format!("{line}\r\n").as_bytes()).unwrap();
        String::from_utf8(pop3.line().unwrap()).unwrap()
    };
    assert!(say(&format!("USER {}", tanaka.address)).starts_with("+OK"));
    assert!(say(&format!("PASS {}", tanaka.password)).starts_with("+OK"));
    assert!(say("STAT").starts_with("+OK 4 "));
    imap.ok("CREATE Elsewhere");
    imap.ok("UID MOVE 1:2 Elsewhere");
    assert!(
        imap.give("UID FETCH 1:* FLAGS")
            .text()
            .iter()
            .filter(|l| l.contains("FETCH"))
            .count()
            == 2
    );
    // The maildrop stays what it was at login, as RFC 1939 says; what is gone cannot be had.
    assert!(say("STAT").starts_with("+OK 4 "));
    assert!(say("DELE 3").starts_with("+OK"));
    assert!(say("QUIT").starts_with("+OK"));
    let mut other = site.imap(&tanaka);
    assert_eq!(other.select("Elsewhere"), 2);
    assert_eq!(other.select("INBOX"), 1);
}
