//! After `account delete` nobody can read the person's mail any more (clause 7.1(3)): not by a protocol, not in the server's files,
//! not from a backup, of before or since; and nobody gets the identifier again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use support::{Letter, Person, Program, Site, imap, line::Lines, site, smtp, until};

const SOON: Duration = Duration::from_secs(30);
/// Both stand in mail of the INBOX and in mail of the mailbox Private.
const MARKER: &str = "kaidan-no-shirushi-7141";
const WORD: &str = "桜吹雪";
/// Stands in mail that the person sent and that waits for another server.
const QUEUED: &str = "machibito-no-shirushi-7142";
/// In mail that the account forwards to where nobody answers.
const FORWARDED: &str = "tabibito-no-shirushi-2093";

/// tanaka has five messages, one of them in Private, the alias info@ and one message in the queue.
fn town() -> (Site, Person) {
    let mut site = Site::new("city.example");
    // A next hop that nobody listens at.
    site.route("nowhere.example", "host = \"[127.0.0.1]\", port = 9");
    // Many are refused here, and nobody is to wait for it.
    site.set("directory", "free_failures = 100");
    site.serve();
    let tanaka = site.person("tanaka");
    let main = tanaka.address.as_str();
    site.give(&["account", "alias", main, "info@city.example"]);
    let body = BASE64_STANDARD.encode(format!("{MARKER} {WORD}\r\n"));
    let marked = mail("base64", &body);
    let ordinary = mail("7bit", "nothing in particular");
    let mut exchange = site.smtp();
    for content in [&ordinary, &marked, &ordinary, &ordinary] {
        let reply = exchange.send("friend@elsewhere.example", &[main], content.as_bytes());
        assert_eq!(reply.unwrap().code, 250);
    }
    let mut session = site.imap(&tanaka);
    session.holds("INBOX", 4, SOON);
    session.ok("CREATE Private");
    let kept = mail("8bit", &format!("{MARKER} {WORD}"));
    let octets = kept.len();
    session.ok(&format!("APPEND Private {{{octets}+}}\r\n{kept}"));
    for mailbox in ["INBOX", "Private"] {
        assert_eq!(found(&mut session, mailbox, MARKER), 1, "{mailbox}");
        assert_eq!(found(&mut session, mailbox, WORD), 1, "{mailbox}");
    }
    let mut letter = Letter::new("queued", main, "friend@nowhere.example");
    letter.body = format!("{QUEUED}\r\n").into_bytes();
    let mut session = smtp::Session::submission(&site, &tanaka);
    let reply = session.send(main, &[&letter.to], &letter.content());
    assert_eq!(reply.unwrap().code, 250);
    (site, tanaka)
}

/// Mail to tanaka that went on to elsewhere, and waits.
fn forward(site: &Site, main: &str) {
    let to = "tanaka@nowhere.example";
    let order = site.give(&["order", "forward", "--address", main, "--to", to]);
    let number = order[0]["number"].to_string();
    site.give(&["order", "approve", &number]);
    site.give(&["account", "forward", "add", main, to, "--order", &number]);
    let forwarded = mail("7bit", FORWARDED);
    let mut exchange = site.smtp();
    let reply = exchange.send("friend@elsewhere.example", &[main], forwarded.as_bytes());
    assert_eq!(reply.unwrap().code, 250);
    site.give(&["account", "forward", "remove", main, to]);
}

fn mail(encoding: &str, body: &str) -> String {
    format!(
        "From: <friend@elsewhere.example>\r\nTo: <tanaka@city.example>\r\nSubject: hello\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n"
    )
}

/// How many messages of `mailbox` hold `text`.
#[track_caller]
fn found(session: &mut imap::Session, mailbox: &str, text: &str) -> usize {
    session.select(mailbox);
    let octets = text.len();
    let search = format!("SEARCH CHARSET UTF-8 BODY {{{octets}+}}\r\n{text}");
    session.ok(&search).numbers().len()
}

/// Deletes tanaka's account as the regulation wants it; what the command said.
#[track_caller]
fn delete(site: &Site) -> Value {
    let ordered = site.give(&["order", "delete", "--for", "tanaka"]);
    let number = ordered[0]["number"].to_string();
    site.give(&["order", "approve", &number]);
    let deleted = site.give(&["account", "delete", "--order", &number]);
    deleted.into_iter().next().unwrap()
}

#[track_caller]
fn backup(site: &Site, name: &str) -> PathBuf {
    let to = site.beside(name);
    site.give(&["backup", to.to_str().unwrap()]);
    to
}

#[track_caller]
fn state(site: &Site, person: &Person) -> String {
    let shown = site.give(&["account", "show", &person.address]);
    shown[0]["state"].as_str().unwrap().to_owned()
}

/// An identifier's key as the database of a backup has it: wrapped by the installation key.
#[track_caller]
fn wrapped_key(backup: &Path, identifier: &str) -> Option<Vec<u8>> {
    let script = "import sqlite3, sys\n\
                  handle = sqlite3.connect('file:' + sys.argv[1] + '?immutable=1', uri=True)\n\
                  find = 'SELECT hex(k.wrapped) FROM account_key k JOIN account a ON a.id = k.account '\n\
                  rows = handle.execute(find + 'WHERE a.identifier = ?', sys.argv[2:3]).fetchall()\n\
                  print(*[row[0] for row in rows])\n";
    let printed = Program::new("python3")
        .words(["-c", script])
        .word(backup.join("store.db"))
        .word(identifier)
        .succeeds();
    let digits = printed.trim();
    let octet = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let key: Vec<u8> = (0..digits.len()).step_by(2).map(octet).collect();
    (!key.is_empty()).then_some(key)
}

/// The files below `directory` that hold `needle`.
fn holding(directory: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut holding = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                directories.push(path);
            } else if kind.is_file() {
                let octets = fs::read(&path).unwrap();
                if octets.windows(needle.len()).any(|part| part == needle) {
                    holding.push(path);
                }
            }
        }
    }
    holding
}

/// The text in UTF-8, and what of it stands in base64, wherever in it the text begins.
fn traces(text: &str) -> Vec<Vec<u8>> {
    let mut traces = vec![text.as_bytes().to_vec()];
    for before in 0..3 {
        let octets = [vec![0; before], text.as_bytes().to_vec()].concat();
        let encoded = BASE64_STANDARD.encode(&octets);
        let (from, to) = ((before * 8).div_ceil(6), octets.len() * 8 / 6);
        traces.push(encoded.as_bytes()[from..to].to_vec());
    }
    traces
}

#[track_caller]
fn shows_nothing(directory: &Path) {
    for text in [MARKER, WORD, QUEUED, FORWARDED] {
        for trace in traces(text) {
            let holding = holding(directory, &trace);
            assert!(holding.is_empty(), "{text} is in {holding:?}");
        }
    }
}

/// Neither the mail nor what opens it.
#[track_caller]
fn holds_nothing(directory: &Path, key: &[u8]) {
    shows_nothing(directory);
    let holding = holding(directory, key);
    assert!(holding.is_empty(), "the key is in {holding:?}");
}

#[test]
fn deleted_mail_is_in_no_file_and_in_no_backup_made_since() {
    let (mut site, tanaka) = town();
    forward(&site, &tanaka.address);
    let filter = ["--kind", "account.issued", "--subject", &tanaka.address];
    let issued = site.events(&filter);
    let account = issued[0]["detail"]["account"].as_str().unwrap();
    let indexes = site.path().join("index");
    let index = indexes.join(format!("{account}.db"));
    until("the search index of the mail", SOON, || {
        index.exists().then_some(())
    });
    let before = backup(&site, "before");
    let key = wrapped_key(&before, &tanaka.address).expect("the account's key");
    // What is looked for in this way is found where it is.
    assert!(!holding(&before, &key).is_empty());
    let mut reading = site.imap(&tanaka).tap_inbox();
    let deleted = delete(&site);

    reading.lines.set_silence(SOON);
    let rest = reading.lines.rest();
    assert!(rest.contains("* BYE"), "{rest}");
    // With what SQLite keeps beside it.
    let names = fs::read_dir(&indexes).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.any(|name| name.starts_with(account)));
    until("the room of the mail to be given back", SOON, || {
        site.events(&["--kind", "store.collected"]).pop()
    });
    // What the person had sent, or had go on, is still on its way: the command says so, and who may discards it.
    let references = deleted["references"].to_string();
    assert!(references.contains("queue: 2 messages"), "{references}");
    assert_eq!(site.give(&["queue", "list"]).len(), 2);
    let sender = ["--identifier", tanaka.address.as_str()];
    let reason = ["--reason", "its sender is gone"];
    site.give(&[&["queue", "discard"][..], &sender, &reason].concat());
    assert!(site.give(&["queue", "list"]).is_empty());
    site.give(&["verify"]);
    let after = backup(&site, "after");
    site.stop();

    // What is looked for in this way is found where it is.
    let identifier = tanaka.address.as_bytes();
    assert!(!holding(site.path(), identifier).is_empty());
    for directory in [site.path(), &after, &before] {
        holds_nothing(directory, &key);
    }
    assert!(!site.log().contains(MARKER) && !site.log().contains(WORD));
    assert_eq!(wrapped_key(&after, &tanaka.address), None);
    let mut restored = site.restored(&after, &[]);
    restored.serve();
    restored.give(&["verify"]);
    assert_eq!(state(&restored, &tanaka), "deleted");
    assert!(answers(&restored, &tanaka)[0].starts_with("NO "));
    restored.stop();
    holds_nothing(restored.path(), &key);
}

/// Copies a backup with all that is in it.
#[track_caller]
fn copy(backup: &Path, to: &Path) {
    Program::new("cp")
        .word("-a")
        .word(backup)
        .word(to)
        .succeeds();
}

/// What `backups list` says of a backup.
#[track_caller]
fn standing(site: &Site, backup: &Path) -> Option<(String, u64)> {
    let listed = site.give(&["backups", "list"]);
    let path = backup.to_str().unwrap();
    let found = listed.iter().find(|known| known["backup"] == path)?;
    let state = found["state"].as_str().unwrap().to_owned();
    Some((state, found["deletions"].as_u64().unwrap()))
}

#[test]
fn a_deletion_reaches_the_backups_from_before() {
    let (mut site, tanaka) = town();
    let before = backup(&site, "before");
    assert_eq!(standing(&site, &before), Some(("clean".to_owned(), 0)));
    let copied = site.beside("copied");
    copy(&before, &copied);
    shows_nothing(&before);
    assert!(!before.join("index").exists());
    let key = wrapped_key(&before, &tanaka.address).expect("the account's key");
    delete(&site);
    // The person's mail cannot be opened in it any more. What is in the queue on its way may be needed, until it has left.
    assert_eq!(wrapped_key(&before, &tanaka.address), None);
    holds_nothing(&before, &key);
    assert_eq!(standing(&site, &before), Some(("due".to_owned(), 1)));
    let told = site.give(&["status"])[0]["attention"].to_string();
    assert!(told.contains("backups may hold accounts"), "{told}");
    let sender = ["--identifier", tanaka.address.as_str()];
    let reason = ["--reason", "its sender is gone"];
    site.give(&[&["queue", "discard"][..], &sender, &reason].concat());
    let purged = site.give(&["backups", "purge"]);
    assert_eq!(purged[0]["accounts"], 0, "{purged:?}");
    assert_eq!(purged[0]["discarded"], 1, "{purged:?}");
    assert_eq!(standing(&site, &before), Some(("clean".to_owned(), 0)));
    // A second time there is nothing to do.
    site.give(&["backups", "purge", before.to_str().unwrap()]);
    let purged = site.events(&["--kind", "store.backup-purged"]);
    assert_eq!(purged.len(), 2, "{purged:?}");
    assert_eq!(purged[0]["result"], "deferred");
    assert_eq!(purged[0]["detail"]["accounts"], 1);
    assert_eq!(purged[1]["result"], "success");
    site.stop();

    let mut restored = site.restored(&before, &[]);
    restored.serve();
    restored.give(&["verify"]);
    assert_eq!(state(&restored, &tanaka), "deleted");
    assert!(answers(&restored, &tanaka)[0].starts_with("NO "));
    assert!(restored.give(&["queue", "list"]).is_empty());
    let gone = restored.events(&["--kind", "account.deleted"]);
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!(gone[0]["detail"]["repeated"], true);
    assert_eq!(gone[0]["detail"]["messages"], 5);
    // When it was, and on which order, is told as it was.
    let register = restored.give(&["register", "list", "--person", "tanaka"]);
    assert_eq!(register.len(), 2);
    for line in &register {
        assert_eq!(line["delete_order"], gone[0]["order"], "{line}");
    }
    for address in ["tanaka@city.example", "info@city.example"] {
        let order = ["order", "issue", "--for", "tanaka", "--address", address];
        let why = restored.refused(&order);
        assert!(why.contains("never given to another"), "{address}: {why}");
    }
    restored.stop();
    holds_nothing(restored.path(), &key);

    // Nobody knows of a copy: it brings the account back, until it is named.
    site.serve();
    assert_eq!(standing(&site, &copied), None);
    assert!(!holding(&copied, &key).is_empty());
    let path = copied.to_str().unwrap();
    let purged = site.give(&["backups", "purge", path]);
    assert_eq!(purged[0]["accounts"], 1, "{purged:?}");
    assert_eq!(standing(&site, &copied), Some(("clean".to_owned(), 0)));
    site.stop();
    holds_nothing(&copied, &key);
}

/// What stood against a deletion was settled before it; in a backup that goes with the deletion, and is on record there.
#[test]
fn what_was_settled_before_a_deletion_is_settled_in_a_backup_too() {
    let (mut site, tanaka) = town();
    let main = tanaka.address.as_str();
    site.give(&["account", "hold", main, "--reason", "court order 12"]);
    let kind = ["--kind", "submission-surge", main, "--reason", "too much"];
    site.give(&[&["incident", "open"][..], &kind].concat());
    let before = backup(&site, "before");
    until("the server takes its steps", SOON, || {
        let shown = site.give(&["incident", "show", "1"]);
        let missing = shown[0]["missing"].as_array().unwrap();
        let waits = ["analysed", "owner-told"];
        let is_taken = |step: &&str| missing.iter().all(|one| one != *step);
        waits.iter().all(is_taken).then_some(())
    });
    site.give(&["incident", "step", "1", "mail-released", "--note", "x"]);
    site.give(&["incident", "step", "1", "acknowledged"]);
    site.give(&["incident", "close", "1"]);
    let lift = ["account", "hold", main, "--lift", "--reason", "over"];
    site.give(&lift);
    delete(&site);
    site.stop();

    let mut restored = site.restored(&before, &[]);
    restored.serve();
    restored.give(&["verify"]);
    assert_eq!(state(&restored, &tanaka), "deleted");
    for kind in ["account.hold-lifted", "incident.closed"] {
        let told = restored.events(&["--kind", kind]);
        assert_eq!(told.len(), 1, "{kind}: {told:?}");
        assert_eq!(told[0]["detail"]["repeated"], true, "{told:?}");
        assert!(told[0]["actor"].to_string().contains("system"), "{told:?}");
    }
}

/// Clause 7.1(6): also on a site that is made of a backup from before an identifier or alias came and went.
#[test]
fn what_came_and_went_after_a_backup_is_given_to_nobody_of_a_site_made_of_it() {
    let mut site = Site::served("city.example");
    let suzuki = site.person("suzuki");
    let before = backup(&site, "before");
    let late = site.person("late");
    let alias = ["account", "alias", &suzuki.address, "info@city.example"];
    site.give(&alias);
    site.give(&[&alias[..], &["--remove"]].concat());
    let ordered = site.give(&["order", "delete", "--for", "late"]);
    let number = ordered[0]["number"].to_string();
    site.give(&["order", "approve", &number]);
    site.give(&["account", "delete", "--order", &number]);
    site.give(&["register", "erase", &late.address, "--reason", "asked for"]);
    site.give(&["register", "approve", &late.address]);
    assert_eq!(standing(&site, &before), Some(("clean".to_owned(), 0)));
    let purged = site.events(&["--kind", "store.backup-purged"]);
    let sum = |name: &str| -> u64 {
        let counts = purged
            .iter()
            .filter_map(|event| event["detail"][name].as_u64());
        counts.sum()
    };
    let sums = (sum("accounts"), sum("addresses"), sum("entries"));
    assert_eq!(sums, (1, 2, 1), "{purged:?}");
    site.stop();

    let mut restored = site.restored(&before, &[]);
    restored.serve();
    restored.give(&["verify"]);
    for address in ["late@city.example", "info@city.example"] {
        let order = ["order", "issue", "--for", "suzuki", "--address", address];
        let why = restored.refused(&order);
        assert!(why.contains("never given to another"), "{address}: {why}");
    }
    let tagged = [
        "order",
        "issue",
        "--for",
        "suzuki",
        "--address",
        "late+x@city.example",
    ];
    let why = restored.refused(&tagged);
    assert!(why.contains("late@city.example"), "{why}");
    let register = restored.give(&["register", "list", "--address", "late@city.example"]);
    assert_eq!(register.len(), 1, "{register:?}");
    assert_eq!(register[0]["person"], "~erased~");
    assert!(
        restored
            .give(&["person", "list"])
            .iter()
            .all(|one| one["accounts"] != serde_json::json!(["late@city.example"]))
    );
}

#[test]
fn backups_that_are_not_at_their_place_are_told_until_somebody_answers_for_them() {
    let (site, tanaka) = town();
    let (here, lost, other) = (
        backup(&site, "here"),
        backup(&site, "lost"),
        backup(&site, "other"),
    );
    fs::remove_dir_all(&lost).unwrap();
    // One that is cut short holds mail, and is known.
    let short = site.beside("short");
    let named = site.path().join("keys/tls.crt");
    let away = site.path().join("keys/tls.crt.away");
    fs::rename(&named, &away).unwrap();
    site.refused(&["backup", short.to_str().unwrap()]);
    fs::rename(&away, &named).unwrap();
    assert!(short.join("store.db").is_file());
    let listed = site.give(&["backups", "list"]);
    let told = listed
        .iter()
        .find(|one| one["backup"] == short.to_str().unwrap());
    assert_eq!(told.unwrap()["made_at"], Value::Null, "{listed:?}");
    // Another site's backup is in the place of this one.
    let mut stranger = Site::new("village.example");
    stranger.serve();
    fs::remove_dir_all(&other).unwrap();
    stranger.give(&["backup", other.to_str().unwrap()]);
    delete(&site);
    let due = |state: &str| Some((state.to_owned(), 1));
    assert_eq!(standing(&site, &lost), due("missing"));
    assert_eq!(standing(&site, &other), due("foreign"));
    assert_eq!(standing(&site, &short), due("foreign"));
    let why = site.refused(&["backups", "purge", other.to_str().unwrap()]);
    assert!(why.contains("left as they are"), "{why}");
    assert_eq!(stranger.give(&["backups", "list"])[0]["state"], "clean");

    let reason = ["--reason", "the disk was shredded"];
    let here = here.to_str().unwrap();
    let why = site.refused(&[&["backups", "gone", here][..], &reason].concat());
    assert!(why.contains("still there"), "{why}");
    let why = site.refused(&[&["backups", "gone", "/nowhere"][..], &reason].concat());
    assert!(why.contains("no backup that is known"), "{why}");
    site.give(&[&["backups", "gone", "--missing"][..], &reason].concat());
    assert_eq!(standing(&site, &lost), None);
    let gone = site.events(&["--kind", "store.backup-gone"]);
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!(gone[0]["subject"], lost.to_str().unwrap());
    site.give(&[&["backups", "gone", short.to_str().unwrap()][..], &reason].concat());
    assert_eq!(standing(&site, &short), None);
    // One that is made at the same place later is another one, from after the deletion.
    site.give(&["backup", lost.to_str().unwrap()]);
    assert_eq!(standing(&site, &lost), Some(("clean".to_owned(), 0)));
    assert_eq!(wrapped_key(&lost, &tanaka.address), None);
}

/// Where the site says so, a deletion leaves the backups alone until somebody gives the command.
#[test]
fn backups_may_be_left_to_a_command_of_their_own() {
    let (mut site, tanaka) = town();
    let before = backup(&site, "before");
    site.stop();
    site.set("directory", "delete_in_backups = false");
    site.serve();
    delete(&site);
    assert_eq!(standing(&site, &before), Some(("due".to_owned(), 1)));
    assert!(wrapped_key(&before, &tanaka.address).is_some());
    site.give(&["backups", "purge"]);
    assert_eq!(wrapped_key(&before, &tanaka.address), None);
}

/// How IMAP, POP3 and submission answer to a login.
#[track_caller]
fn answers(site: &Site, person: &Person) -> [String; 3] {
    let (name, password) = (&person.address, &person.password);
    let mut session = imap::Session::open_tls(site, site::IMAPS);
    let imap = session.give(&format!("LOGIN \"{name}\" \"{password}\""));
    let lines = Lines::connect(site.address, site::POP3S).unwrap();
    let mut lines = lines.into_tls(&site.certificate()).unwrap();
    lines.line().unwrap();
    lines.write(format!("USER {name}\r\n").as_bytes()).unwrap();
    lines.line().unwrap();
    let pass = format!("PASS {password}\r\n");
    lines.write(pass.as_bytes()).unwrap();
    let pop3 = String::from_utf8(lines.line().unwrap()).unwrap();
    let mut session = smtp::Session::open(site.address, site::SUBMISSION).starttls(site);
    let reply = session.auth_plain(person);
    [
        imap.tagged,
        pop3,
        format!("{} {:?}", reply.code, reply.text),
    ]
}

#[test]
fn a_deleted_identifier_answers_like_one_that_never_was() {
    let (site, tanaka) = town();
    let suzuki = site.person("suzuki");
    delete(&site);
    let told = answers(&site, &tanaka);
    assert!(told[0].starts_with("NO [AUTHENTICATIONFAILED]"), "{told:?}");
    assert!(told[1].starts_with("-ERR [AUTH]"), "{told:?}");
    assert!(told[2].starts_with("535 "), "{told:?}");
    let unknown = Person {
        address: "never@city.example".to_owned(),
        ..tanaka.clone()
    };
    assert_eq!(told, answers(&site, &unknown));
    // SASLprep takes full-width letters for the narrow ones.
    let wide = format!("\0ｔａｎａｋａ@city.example\0{}", tanaka.password);
    let mut session = imap::Session::open_tls(&site, site::IMAPS);
    let proof = BASE64_STANDARD.encode(wide);
    let answer = session.give(&format!("AUTHENTICATE PLAIN {proof}"));
    assert_eq!(answer.tagged, told[0]);
    let failed = site.events(&["--kind", "authentication.failed"]);
    assert_eq!(failed.len(), 7, "{failed:?}");
    let unknown = |event: &Value| event["detail"]["reason"] == "unknown";
    assert!(failed.iter().all(unknown), "{failed:?}");

    let letter = Letter::new("late", &suzuki.address, &tanaka.address);
    let mut exchange = site.smtp();
    let mut submission = smtp::Session::submission(&site, &suzuki);
    let addresses =
        "tanaka@city.example|TANAKA@City.Example|tanaka+x@city.example|info@city.example";
    for to in addresses.split('|') {
        let reply = exchange.send("friend@elsewhere.example", &[to], &letter.content());
        assert_eq!(reply.unwrap().code, 550, "{to}");
        let reply = submission.send(&letter.from, &[to], &letter.content());
        assert_eq!(reply.unwrap().code, 550, "{to}");
    }
}

#[test]
fn a_deleted_identifier_is_never_given_again_and_its_end_is_on_record() {
    let (site, tanaka) = town();
    let suzuki = site.person("suzuki");
    delete(&site);
    // Full-width letters of a domain mean the narrow ones; those before the @ are other letters to this directory.
    let addresses = "tanaka@city.example|TANAKA@City.Example|tanaka@ｃｉｔｙ.example|info@city.example|\
                     INFO@city.example|info@CITY.ＥＸＡＭＰＬＥ";
    for address in addresses.split('|') {
        for person in ["suzuki", "tanaka"] {
            let order = ["order", "issue", "--for", person, "--address", address];
            let why = site.refused(&order);
            assert!(why.contains("never given to another"), "{address}: {why}");
        }
        let why = site.refused(&["account", "alias", &suzuki.address, address]);
        assert!(why.contains("never given to another"), "{address}: {why}");
    }

    let gone = site.events(&["--kind", "account.deleted"]);
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!(gone[0]["subject"], tanaka.address.as_str());
    let detail = &gone[0]["detail"];
    assert_eq!(detail["person"], "tanaka");
    assert_eq!(detail["messages"], 5);
    assert!(detail["bytes"].as_u64().unwrap() > 500, "{detail}");
    assert_eq!(detail["app_passwords"], 0);
    assert_eq!(detail["second_factors"], 0);
    let references = detail["references"].to_string();
    for told in ["alias info@city.example", "queue: 1 messages"] {
        assert!(references.contains(told), "{references}");
    }
    let register = site.give(&["register", "list", "--person", "tanaka"]);
    let told = |line: &Value| format!("{} {}", line["address"], line["kind"]);
    let told: Vec<String> = register.iter().map(told).collect();
    let expected = [
        "\"info@city.example\" \"alias\"",
        "\"tanaka@city.example\" \"main\"",
    ];
    assert_eq!(told, expected);
    for line in &register {
        assert_eq!(line["delete_order"], gone[0]["order"], "{line}");
        assert!(line["until"].is_string(), "{line}");
    }
    assert_eq!(state(&site, &tanaka), "deleted");
}
