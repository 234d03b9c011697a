//! Accounts come to be by order, end logins when they are suspended, and everything is in the trail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha512};
use support::{Letter, Nobody, Person, Program, Site, imap, site, site::me, smtp, until};

const SOON: Duration = Duration::from_secs(30);

fn somebody(address: &str, password: &str) -> Person {
    Person {
        name: address.to_owned(),
        address: address.to_owned(),
        password: password.to_owned(),
    }
}

/// The answer to LOGIN.
fn login(site: &Site, person: &Person) -> String {
    let mut session = imap::Session::open_tls(site, site::IMAPS);
    session
        .give(&format!(
            "LOGIN \"{}\" \"{}\"",
            person.address, person.password
        ))
        .tagged
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap_or_default()
}

#[test]
fn no_account_without_an_approved_order() {
    let site = Site::served("city.example");
    site.give(&["person", "add", "tanaka", "--full-name", "田中 花子"]);
    site.give(&["person", "acknowledge", "tanaka", "--on-paper"]);
    let tanaka = somebody("tanaka@city.example", "whatever it is");
    assert!(login(&site, &tanaka).starts_with("NO "));
    site.refused(&["account", "issue", "--order", "1"]);
    site.give(&[
        "order",
        "issue",
        "--for",
        "tanaka",
        "--address",
        "tanaka@city.example",
    ]);
    site.refused(&["account", "issue", "--order", "1"]);
    site.give(&["order", "approve", "1"]);
    let issued = site.give(&["account", "issue", "--order", "1"]);
    let tanaka = somebody("tanaka@city.example", text(&issued[0], "password"));
    assert!(login(&site, &tanaka).starts_with("OK "));
    let again = site.refused(&["account", "issue", "--order", "1"]);
    assert!(again.contains("order"), "an order serves once: {again}");
    let wrong = somebody("tanaka@city.example", "wrong");
    assert!(login(&site, &wrong).contains("AUTHENTICATIONFAILED"));
    let issued = site.events(&["--kind", "account.issued"]);
    assert_eq!(issued.len(), 1);
    assert_eq!(issued[0]["order"], 1);
}

#[test]
fn one_person_may_act_for_two_until_there_is_a_second() {
    let site = Site::served("city.example");
    site.person("tanaka");
    assert_eq!(site.give(&["status"])[0]["allow_single_person"], true);
    let order = [
        "order",
        "issue",
        "--for",
        "tanaka",
        "--address",
        "office@city.example",
    ];
    site.give(&order);
    site.give(&["person", "role", "grant", "tanaka", "administrator"]);
    let status = &site.give(&["status"])[0];
    assert_eq!(status["allow_single_person"], false);
    assert!(!status["attention"].to_string().contains("allow_single"));
    let why = site.refused(&["order", "approve", "2"]);
    assert!(why.contains("order 2"), "{why}");
    // The first is not alone again as soon as the second holds no role any more.
    site.give(&["person", "role", "revoke", "tanaka", "administrator"]);
    let why = site.refused(&["order", "approve", "2"]);
    assert!(why.contains("order 2"), "{why}");
    let status = &site.give(&["status"])[0];
    assert_eq!(status["allow_single_person"], false);
    let attention = status["attention"].to_string();
    assert!(attention.contains("one officer is left"), "{attention}");
}

#[test]
fn a_suspended_account_is_out_at_once_and_keeps_its_mail() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let mut live = site.imap(&tanaka);
    live.select("INBOX");
    let tag = live.begin("IDLE").unwrap();
    assert!(live.response().unwrap().starts_with(b"+"));
    site.give(&[
        "account",
        "suspend",
        &tanaka.address,
        "--reason",
        "password seen elsewhere",
    ]);
    live.lines.set_silence(SOON);
    let rest = live.lines.rest();
    assert!(
        rest.contains("* BYE"),
        "the live session ends politely ({tag}): {rest:?}"
    );
    assert!(
        login(&site, &tanaka).starts_with("NO "),
        "no login while suspended"
    );
    let lines = support::line::Lines::connect(site.address, site::SUBMISSION).unwrap();
    let mut session = smtp::Session {
        lines,
        extensions: Vec::new(),
    };
    session.reply().unwrap();
    session.hello().unwrap();
    let reply = session.starttls(&site).auth_plain(&tanaka);
    assert_eq!(reply.code, 535, "{reply:?}");
    // Mail keeps arriving.
    let letter = Letter::new("meanwhile", "friend@elsewhere.example", &tanaka.address);
    assert_eq!(
        site.smtp()
            .send(&letter.from, &[&letter.to], &letter.content())
            .unwrap()
            .code,
        250
    );
    site.refused(&["account", "resume", &tanaka.address]);
    let made = site.give(&["account", "password", &tanaka.address]);
    site.give(&["account", "resume", &tanaka.address]);
    assert!(
        login(&site, &tanaka).starts_with("NO "),
        "the old password is gone"
    );
    let tanaka = somebody(&tanaka.address, text(&made[0], "password"));
    let mut imap = site.imap(&tanaka);
    imap.holds("INBOX", 1, SOON);
    let suspended = site.events(&["--kind", "account.suspended"]);
    assert!(suspended[0].to_string().contains("password seen elsewhere"));
}

#[test]
fn accounts_are_imported_with_their_hashes_under_an_order_for_exactly_that_file() {
    let site = Site::served("city.example");
    let openssl = Program::new("openssl")
        .words(["passwd", "-6", "-salt", "storysalt", "六本木 six"])
        .succeeds();
    let salt = b"pepper!!";
    let mut hashed = Sha512::new()
        .chain_update("ssha secret")
        .chain_update(salt)
        .finalize()
        .to_vec();
    hashed.extend_from_slice(salt);
    // A published test vector of bcrypt for the password `U*U`.
    let bcrypt = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
    let file = site.beside("staff.csv");
    let csv = format!(
        "address,name,password_hash,quota\n\
         six@city.example,六本木,{{SHA512-CRYPT}}{},\n\
         ssha@city.example,Ssha,{{SSHA512}}{},1GiB\n\
         blow@city.example,Blow,{{BLF-CRYPT}}{bcrypt},\n",
        openssl.trim(),
        BASE64_STANDARD.encode(hashed),
    );
    fs::write(&file, &csv).unwrap();
    let path = file.display().to_string();
    let order = site.give(&["order", "import", &path])[0]["number"].to_string();
    site.refused(&["account", "import", &path, "--order", &order]);
    site.give(&["order", "approve", &order]);
    fs::write(&file, csv.replace("1GiB", "9GiB")).unwrap();
    let why = site.refused(&["account", "import", &path, "--order", &order]);
    assert!(
        why.contains("order") || why.contains("digest"),
        "another file is not what was ordered: {why}"
    );
    fs::write(&file, &csv).unwrap();
    site.give(&["account", "import", &path, "--order", &order]);
    let people = [
        somebody("six@city.example", "六本木 six"),
        somebody("ssha@city.example", "ssha secret"),
        somebody("blow@city.example", "U*U"),
    ];
    for person in &people {
        let wrong = somebody(&person.address, "wrong");
        assert!(login(&site, &wrong).starts_with("NO "));
        // As UTF-8, which AUTHENTICATE carries and a quoted string of LOGIN does not.
        let mut session = imap::Session::open_tls(&site, site::IMAPS);
        let proof = BASE64_STANDARD.encode(format!("\0{}\0{}", person.address, person.password));
        session.ok(&format!("AUTHENTICATE PLAIN {proof}"));
    }
    let upgraded = site.events(&["--kind", "account.password-upgraded"]);
    assert_eq!(
        upgraded.len(),
        3,
        "today's scheme after the first login: {upgraded:?}"
    );
    // Upgraded secrets can be proved by SCRAM too.
    let settings = site.beside("msmtprc");
    fs::write(
        &settings,
        format!(
            "account default\nhost {}\nport {}\ntls on\ntls_starttls off\ntls_trust_file {}\n\
             tls_host_override {}\nauth scram-sha-256\nfrom ssha@city.example\nuser ssha@city.example\n\
             password \"ssha secret\"\n",
            site.address,
            site::SUBMISSIONS,
            site.certificate().display(),
            site.hostname()
        ),
    )
    .unwrap();
    fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).unwrap();
    Program::new("msmtp")
        .word("-C")
        .word(&settings)
        .words(["--", "six@city.example"])
        .input("From: ssha@city.example\nSubject: upgraded\n\ntext\n")
        .succeeds();
    assert!(
        login(&site, &people[1]).starts_with("OK "),
        "and by the old password still"
    );
}

#[test]
fn the_trail_tells_what_happened() {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    let suzuki = site.person("suzuki");

    let letter = Letter::new("accepted", "friend@elsewhere.example", &tanaka.address);
    let mut smtp = site.smtp();
    smtp.send(&letter.from, &[&letter.to], &letter.content())
        .unwrap();
    smtp.send("spy@elsewhere.example", &["nobody@city.example"], b"x\r\n")
        .unwrap();
    smtp.send("spy@elsewhere.example", &["victim@other.example"], b"x\r\n")
        .unwrap();
    let mut session = smtp::Session::submission(&site, &tanaka);
    let mine = Letter::new("submitted", &tanaka.address, &suzuki.address);
    assert_eq!(
        session
            .send(&mine.from, &[&mine.to], &mine.content())
            .unwrap()
            .code,
        250
    );
    let forged = Letter::new("forged", &suzuki.address, &tanaka.address);
    assert!(
        !session
            .send(&forged.from, &[&forged.to], &forged.content())
            .unwrap()
            .is_positive()
    );
    login(&site, &somebody(&tanaka.address, "never-in-the-trail"));
    let mut imap = site.imap(&tanaka);
    imap.select("INBOX");
    imap.fetch(1);
    imap.ok("STORE 1 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    imap.ok("LOGOUT");

    let one = |filter: &[&str]| {
        let found = site.events(filter);
        assert_eq!(found.len(), 1, "{filter:?}: {found:?}");
        found.into_iter().next().unwrap()
    };
    let accepted = one(&["--kind", "smtp.accepted", "--address", &tanaka.address]);
    assert_eq!(text(&accepted, "address"), "127.0.0.1");
    assert_eq!(accepted["detail"]["sender"], "friend@elsewhere.example");
    assert!(accepted["detail"]["size"].as_u64().unwrap() > 100);
    let id = text(&accepted, "subject");
    let delivered = one(&["--kind", "delivery.local", "--subject", id]);
    assert_eq!(
        delivered["detail"]["recipients"][0],
        tanaka.address.as_str()
    );
    one(&["--kind", "smtp.refused", "--address", "nobody@city.example"]);
    let relay = one(&[
        "--kind",
        "smtp.refused",
        "--address",
        "victim@other.example",
        "--result",
        "refused",
    ]);
    assert!(
        relay.to_string().contains("55"),
        "the reply is told: {relay}"
    );
    let submitted = one(&["--kind", "submission.accepted"]);
    assert!(
        text(&submitted, "actor").contains(&tanaka.address),
        "{submitted}"
    );
    one(&["--kind", "submission.refused"]);
    let failed = one(&["--kind", "authentication.failed"]);
    assert!(failed.to_string().contains(&tanaka.address), "{failed}");
    assert!(
        !failed.to_string().contains("never-in-the-trail"),
        "no password is in the trail"
    );
    let succeeded = site.events(&[
        "--kind",
        "authentication.succeeded",
        "--address",
        "127.0.0.1",
    ]);
    assert_eq!(
        succeeded.len(),
        2,
        "once at the MSA, once at the MRA: {succeeded:?}"
    );
    let session = until("the session's event", SOON, || {
        site.events(&["--kind", "retrieval.session", "--actor", &tanaka.address])
            .pop()
    });
    assert_eq!(session["detail"]["fetched"], 1, "{session}");
    assert_eq!(session["detail"]["deleted"], 1, "{session}");
    assert!(
        session["detail"]["octets"].as_u64().unwrap() > 100,
        "{session}"
    );
    assert!(
        !site
            .events(&["--kind", "command.given", "--actor", &me()])
            .is_empty()
    );
    assert!(
        !site.events(&["--kind", "audit.read"]).is_empty(),
        "reading is an event too"
    );
    let all = site.events(&[]);
    let times: Vec<&str> = all.iter().map(|event| text(event, "at")).collect();
    assert!(times.is_sorted(), "in the order of time");
    let (first, last) = (times[0], times[times.len() - 1]);
    assert!(site.events(&["--to", first]).is_empty());
    assert!(!site.events(&["--from", last]).is_empty());
    assert!(
        !all.iter()
            .any(|event| event.to_string().contains(&tanaka.password))
    );
}

#[test]
fn whoever_has_no_role_is_refused_and_the_refusal_is_in_the_trail() {
    let site = Site::served("city.example");
    site.give(&["person", "add", "tanaka", "--full-name", "Tanaka"]);
    site.give(&["person", "acknowledge", "tanaka", "--on-paper"]);
    site.give(&[
        "order",
        "issue",
        "--for",
        "tanaka",
        "--address",
        "tanaka@city.example",
    ]);
    site.give(&["order", "approve", "1"]);
    site.give(&["person", "role", "revoke", &me(), "account-manager"]);
    let why = site.refused(&["account", "issue", "--order", "1"]);
    assert!(
        why.contains("account-manager"),
        "the role that is missing is named: {why}"
    );
    let refused = site.events(&["--kind", "command.given", "--result", "refused"]);
    assert!(
        refused
            .iter()
            .any(|event| event.to_string().contains("account issue")),
        "{refused:?}"
    );

    // Another user of the operating system, who reaches the socket, is nobody here.
    let nobody = Nobody::at(&site);
    for words in [["account", "list"], ["queue", "list"]] {
        let told = nobody.gives(&words).fails();
        assert!(told.contains("nobody"), "{told}");
    }
    // What somebody unknown says at length is not even read to its end.
    let long = "use IO::Socket::UNIX; $SIG{PIPE} = 'IGNORE'; alarm 10; \
                my $s = IO::Socket::UNIX->new(Peer => shift) or die; \
                syswrite $s, 'x' x (1 << 20); print scalar <$s>;";
    let told = Nobody::runs()
        .words(["perl", "-e", long])
        .word(site.path().join("run/control.sock"))
        .succeeds();
    assert!(told.contains("nobody"), "{told}");
    // Whatever room carries the command out, the trail names its giver in the same way, and the actor is no
    // person of that name.
    let refused = site.events(&["--actor", "user:nobody", "--result", "refused"]);
    assert_eq!(refused.len(), 3, "{refused:?}");
    for event in refused {
        assert_eq!(event["actor"], "person:user:nobody");
        assert_eq!(event["detail"]["via"], "control");
        assert_eq!(event["detail"]["user"], "nobody");
    }
}
