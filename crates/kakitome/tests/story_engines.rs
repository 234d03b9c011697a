//! Programs of others judge mail (clause 5.3): Debian's opendkim and clamav-milter as milters, and rspamd; dead, asleep and lying too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;
use support::{
    Person, Program, Site,
    clamd::Clamd,
    engines::Engine,
    smtp::{self, Reply},
    until,
};

const SOON: Duration = Duration::from_secs(90);
/// As long as any message of these stories may take.
const BOUNDED: Duration = Duration::from_secs(60);
const METRICS: u16 = support::site::PORT_BASE + 90;
/// What rspamd refuses, wherever it stands (GTUBE).
const UNWANTED: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

struct Story {
    site: Site,
    tanaka: Person,
    suzuki: Person,
}

impl Story {
    /// A site whose `[section]` has this line.
    fn new(lines: &[(&str, String)]) -> Self {
        let mut site = Site::new("city.example");
        for (section, line) in lines {
            site.set(section, line);
        }
        site.serve();
        let (tanaka, suzuki) = (site.person("tanaka"), site.person("suzuki"));
        Self {
            site,
            tanaka,
            suzuki,
        }
    }

    fn with_milter(name: &str, at: &str, more: &str) -> Self {
        let milter = format!("milter = [{{ name = \"{name}\", address = \"{at}\"{more} }}]");
        Self::new(&[("screening", milter)])
    }

    #[track_caller]
    fn hand(&self, text: &str) -> Reply {
        let to = &self.tanaka.address;
        let content = letter("x@else.example", to, text);
        let begun = Instant::now();
        let mut session = self.site.smtp();
        let reply = session.send("x@else.example", &[to], &content).unwrap();
        assert!(begun.elapsed() < BOUNDED, "{:?}", begun.elapsed());
        reply
    }

    #[track_caller]
    fn submit(&self, text: &str) -> Reply {
        let (from, to) = (&self.suzuki.address, &self.tanaka.address);
        let content = letter(from, to, text);
        let mut session = smtp::Session::submission(&self.site, &self.suzuki);
        session.send(from, &[to], &content).unwrap()
    }

    #[track_caller]
    fn explain(&self, reply: &Reply) -> Value {
        let text = reply.text.join(" ");
        let id = text.split_whitespace().last().unwrap();
        let id = id.trim_matches(['(', ')']);
        self.site.give(&["screening", "explain", id]).remove(0)
    }

    fn count(&self, mailbox: &str) -> u32 {
        self.site.imap(&self.tanaka).select(mailbox)
    }

    fn message(&self, number: u32) -> String {
        let mut session = self.site.imap(&self.tanaka);
        session.select("INBOX");
        String::from_utf8(session.fetch(number)).unwrap()
    }

    fn metrics(&self) -> String {
        let place = format!("http://{}:{METRICS}/metrics", self.site.address);
        Program::new("curl").words(["-sS", &place]).succeeds()
    }
}

fn letter(from: &str, to: &str, text: &str) -> Vec<u8> {
    format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: a letter\r\nDate: Fri, 27 Nov 2026 10:00:00 +0900\r\n\
         Message-ID: <story@else.example>\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

#[track_caller]
fn assert_put_off(reply: &Reply) {
    assert_eq!(reply.code, 451, "{reply:?}");
    let text = reply.text.join(" ");
    assert!(text.contains("cannot be looked at now"), "{text}");
}

#[test]
fn opendkim_signs_submissions_and_tells_what_it_found_in_other_mail() {
    let opendkim = Engine::opendkim();
    let story = Story::with_milter("opendkim", opendkim.at(), "");
    let submitted = story.submit("signed by another");
    assert_eq!(submitted.code, 250, "{submitted:?}");
    let told = story.explain(&submitted);
    let said = &told["evidence"]["milters"][0];
    assert_eq!(said["milter"], "opendkim", "{told}");
    assert_eq!(said["result"], "accept", "{told}");
    assert!(
        said["changed"].to_string().contains("add DKIM-Signature"),
        "{told}"
    );
    assert_eq!(told["same_today"], true, "{told}");
    let signed = story.message(1);
    let signature = signed.find("DKIM-Signature:").expect("a signature");
    let header = &signed[..signed.find("\r\n\r\n").unwrap()];
    assert!(header.contains("d=city.example;"), "{signed}");
    assert!(header.contains("s=story;"), "{signed}");
    assert!(signed.find("Received:").unwrap() < signature, "{signed}");

    // It verifies what it signed, and its word stays although forged words of this server go.
    let begins = signed.find("DKIM-Signature:").unwrap();
    let forged =
        "Authentication-Results: mail.city.example; spf=pass smtp.mailfrom=forged.example\r\n";
    let content = format!("{forged}{}", &signed[begins..]);
    let mut session = story.site.smtp();
    let handed = session.send(
        "x@else.example",
        &[&story.tanaka.address],
        content.as_bytes(),
    );
    let handed = handed.unwrap();
    assert_eq!(handed.code, 250, "{handed:?}");
    let verified = story.message(2);
    let unfolded = verified.replace("\r\n\t", " ").replace("\r\n ", " ");
    assert!(
        unfolded.contains("Authentication-Results: mail.city.example;"),
        "{verified}"
    );
    assert!(unfolded.contains("dkim=pass"), "{verified}");
    assert!(!verified.contains("forged.example"), "{verified}");
    let metrics = story.metrics();
    let line = "kakitome_engines_total{engine=\"opendkim\",result=\"accept\"} 2";
    assert!(metrics.contains(line), "{metrics}");
    let checked = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .words(["check", "--json"])
        .word(story.site.path())
        .run();
    let found = String::from_utf8_lossy(&checked.output.stdout).into_owned();
    assert!(found.contains("milter opendkim answers"), "{found}");
}

#[test]
fn a_milter_that_is_dead_or_asleep_puts_mail_off_and_is_told_of() {
    let mut opendkim = Engine::opendkim();
    let times = ", command_time = \"1s\", end_time = \"2s\", time = \"4s\"";
    let story = Story::with_milter("opendkim", opendkim.at(), times);
    assert_eq!(story.hand("first").code, 250);

    opendkim.signal(Signal::STOP);
    let large = ("x".repeat(900) + "\r\n").repeat(2000);
    let reply = thread::scope(|scope| {
        let handing = scope.spawn(|| story.hand(&large));
        // The connection is taken by the kernel, whoever sleeps behind it.
        thread::sleep(Duration::from_millis(300));
        opendkim.kill_hard();
        handing.join().unwrap()
    });
    assert_put_off(&reply);
    let told = story.explain(&reply);
    assert_eq!(told["verdict"]["because"], "milter-down", "{told}");
    assert_eq!(told["evidence"]["milters"][0]["result"], "failed", "{told}");
    let down = until("the trail tells that it is down", SOON, || {
        let down = story.site.events(&["--kind", "scanner.down"]);
        down.into_iter().next()
    });
    assert_eq!(down["subject"], "milter opendkim", "{down}");
    assert_put_off(&story.submit("staff wait too"));
    assert_eq!(story.count("INBOX"), 1);

    opendkim.restart();
    assert_eq!(story.hand("again").code, 250);
    opendkim.signal(Signal::STOP);
    let begun = Instant::now();
    assert_put_off(&story.hand("asleep"));
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    opendkim.signal(Signal::CONT);
    until("it is used again", SOON, || {
        (story.hand("awake").code == 250).then_some(())
    });
}

#[test]
fn clamav_milter_refuses_in_its_own_words() {
    let clamd = Clamd::start();
    let milter = Engine::clamav_milter(&clamd.at());
    let story = Story::with_milter("clamav", milter.at(), ", listeners = \"exchange\"");
    let clean = story.hand("harmless");
    assert_eq!(clean.code, 250, "{clean:?}");
    assert!(
        story.message(1).contains("X-Virus-Scanned:"),
        "{}",
        story.message(1)
    );
    let eicar = [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-",
        "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ];
    // Bare, clamd finds its test file only where it is all of a file.
    let content = format!(
        "From: <x@else.example>\r\nTo: <{}>\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        story.tanaka.address,
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, eicar.concat())
    );
    let mut session = story.site.smtp();
    let infected = session.send(
        "x@else.example",
        &[&story.tanaka.address],
        content.as_bytes(),
    );
    let infected = infected.unwrap();
    assert!(infected.code >= 550, "{infected:?}");
    let told = story.explain(&infected);
    // The inspection knows the test file too, and is asked first: either way nobody gets it.
    let because = told["verdict"]["because"].as_str().unwrap();
    assert!(["milter", "malware-found"].contains(&because), "{told}");
    assert_eq!(story.count("INBOX"), 1);
}

#[test]
fn rspamd_judges_and_the_site_decides() {
    let mut rspamd = Engine::rspamd();
    let at = format!("address = \"{}\"", rspamd.at());
    let mut story = Story::new(&[
        ("screening.rspamd", at),
        ("screening.rspamd", "time = \"5s\"".to_owned()),
    ]);
    let wanted = story.hand("a harmless letter");
    assert_eq!(wanted.code, 250, "{wanted:?}");
    let told = story.explain(&wanted);
    assert!(told["evidence"]["rspamd"]["action"].is_string(), "{told}");
    let refused = story.hand(UNWANTED);
    assert_eq!(refused.code, 550, "{refused:?}");
    let told = story.explain(&refused);
    let said = &told["evidence"]["rspamd"];
    assert_eq!(said["action"], "reject", "{told}");
    assert_eq!(said["symbols"][0]["name"], "GTUBE", "{told}");
    assert_eq!(told["verdict"]["because"], "rspamd", "{told}");
    // Submissions are not shown to it, unless the site wants it.
    assert_eq!(story.submit(UNWANTED).code, 250);

    // Another decision takes effect without a restart.
    story
        .site
        .set("screening.rspamd", "reject = \"quarantine\"");
    story.site.server().signal(Signal::HUP);
    let apart = until("it is set apart", SOON, || {
        Some(story.hand(UNWANTED)).filter(|reply| reply.code == 250)
    });
    assert_eq!(story.explain(&apart)["verdict"]["handling"], "quarantine");

    rspamd.signal(Signal::STOP);
    assert_put_off(&story.hand("asleep"));
    rspamd.kill_hard();
    assert_put_off(&story.hand("dead"));
    story.site.set("screening.rspamd", "failure = \"accept\"");
    story.site.server().signal(Signal::HUP);
    let passed = until("it is taken all the same", SOON, || {
        Some(story.hand("dead")).filter(|reply| reply.code == 250)
    });
    let told = story.explain(&passed);
    assert_eq!(told["verdict"]["because"], "rspamd-down", "{told}");
    assert_eq!(told["verdict"]["handling"], "accept", "{told}");
}

#[test]
fn who_lies_to_the_server_is_not_believed() {
    for lie in [
        &b"\xff\xff\xff\xff"[..],
        b"\0\0\0\0",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"\0\0\0\x01c",
        // An agreement to a version that is none, and one to change the envelope.
        b"\0\0\0\x0dO\0\0\0\x63\0\0\0\0\0\0\0\0",
        b"\0\0\0\x0dO\0\0\0\x06\0\0\0\x04\0\0\0\0",
        b"",
    ] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = format!("inet:{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    if stream.write_all(lie).is_ok() {
                        // Until the client has given up.
                        let mut rest = [0; 4096];
                        while stream.read(&mut rest).is_ok_and(|count| count > 0) {}
                    }
                });
            }
        });
        let times = ", command_time = \"1s\", time = \"3s\"";
        let story = Story::with_milter("liar", &at, times);
        let reply = story.hand("harmless");
        assert_put_off(&reply);
        let told = story.explain(&reply);
        assert_eq!(told["evidence"]["milters"][0]["result"], "failed", "{told}");
        assert_eq!(story.count("INBOX"), 0);
    }
}
