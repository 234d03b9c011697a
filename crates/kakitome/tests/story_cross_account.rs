//! No identifier reaches another's mail (clause 7.1(4)): not by the name of a mailbox, not by a number or an id, not by a claim to
//! be somebody else, and by no command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use support::{Letter, Nobody, Person, Program, Site, imap, line::Lines, site, smtp};

const SOON: Duration = Duration::from_secs(30);
/// Stands in tanaka's mail and nowhere else.
const SECRET: &str = "akatsuki-no-himitsu";

/// Names that lead to other people's mail on other servers, or might on a careless one.
const ELSEWHERE: &str = "Private|Private/|Private.|private| Private|/Private|INBOX/Private|..|\
    INBOX/../Private|../Private|../tanaka/Private|../../tanaka|~tanaka|~tanaka/Private|~/../tanaka|\
    tanaka|tanaka/INBOX|user/tanaka|user.tanaka.Private|Other Users/tanaka|#user.tanaka|\
    Other Users/tanaka/Private|#user/tanaka/Private|#shared/tanaka|#news.Private|/tanaka/INBOX|\
    /var/lib/kakitome/tanaka/INBOX|tanaka@city.example|tanaka@city.example/Private|\
    city.example/tanaka|tanaka%2FPrivate|tanaka:Private";

/// What takes the name of a mailbox, here a question mark.
const BY_NAME: &str = "COPY 1 ?|UID MOVE 1:2 ?|STATUS ? (MESSAGES)|GETQUOTAROOT ?|DELETE ?|\
    RENAME ? Taken|EXAMINE ?|SELECT ?";

/// Commands that show something to whoever may give them.
const SHOWING: &str = "status|traffic list|traffic normal|traffic deviations|person list|person show tanaka|order list|order show 1|account list|\
    account show tanaka@city.example|account logins tanaka@city.example|register list|queue list|\
    account app-password list tanaka@city.example|audit search --limit 100000|verify";

/// Commands that need an officer's role, each verb of them, for suzuki to give in vain.
const BY_ROLE: &str = "\
    person language tanaka en|expert list|expert add x --contact x --from 2026-04-01 --until 2027-03-31|\
    expert renew 1 --until 2028-03-31|expert end 1 --reason x|expert drill 1 --result x|audit bundle --to /nonexistent/x|\
    runbook list|runbook show dos|runbook export dos --to /nonexistent/x|incident act 1 suspend tanaka@city.example|\
    person add x|person list|person show tanaka|person role grant suzuki administrator|\
    person role revoke tanaka staff|person map tanaka --os-user nobody|person unmap tanaka --os-user nobody|person roster /etc/hostname|\
    person depart --on 2030-01-01 tanaka|person announce tanaka|person leave tanaka|order issue --for suzuki --address x@city.example|\
    order delete --for tanaka|order forward --address suzuki@city.example --to x@nowhere.example|\
    order read --address tanaka@city.example --for suzuki --purpose x --until 2030-01-01|\
    order shared --address tanaka@city.example --for suzuki --review 2030-01-01|order import ACCOUNTS.csv|\
    order password --for tanaka|order second-factor --for tanaka 1|order user --for tanaka --os-user nobody|\
    order approve 1|order list|order show 1|account issue --order 1|account delete --order 1|\
    account letter tanaka@city.example --to /nonexistent/x|account hold --reason x tanaka@city.example|\
    account suspend tanaka@city.example --reason x|account resume tanaka@city.example|account list|account idle|\
    account share --order 1|account unshare tanaka@city.example|account shared|account reading open --order 1|\
    account reading end tanaka@city.example suzuki|account reading list|account writers info@city.example inside|\
    account services tanaka@city.example --mra off|account alias tanaka@city.example other@city.example|\
    account role suzuki@city.example postmaster@city.example|account import --order 1 ACCOUNTS.csv|register list|\
    register erase --reason x tanaka@city.example|register approve tanaka@city.example|\
    incident open --kind credential tanaka@city.example|incident list|incident show 1|incident report 1|\
    incident step 1 handed-over|incident close 1|outbreak begin --subject x --reason x|outbreak notice approve 1 --digest x|outbreak notice compose 1|\
    outbreak end --reason x 1|\
    outbreak search 1|outbreak found 1|outbreak pull --reason x 1|outbreak list|outbreak show 1|vuln inventory|\
    vuln sbom|vuln import --file /etc/hostname --format osv|vuln feeds|vuln list|vuln show 1|vuln report 1|\
    vuln plan 1|vuln approve 1|vuln order 1|vuln accept 1|vuln test --result passed --note x 1|\
    vuln execute --source x --sha256 0000000000000000000000000000000000000000000000000000000000000000 --file /etc/hostname 1|vuln verify 1|vuln close 1|\
    vuln except --until 2030-01-01 --reason x 1|vuln share --to x@nowhere.example 1|vuln export 1|abuse list|\
    abuse show 1M8H4PDP10000|abuse send --reason x 1M8H4PDP10000|abuse drop --reason x 1M8H4PDP10000|clause list|clause show 8.2-2|clause check 8.2-2|\
    clause evidence 8.2-2|task list|task show 1|task done 1|task approve 1|task reject --reason x 1|report list|\
    report show 1|report acknowledge 1|traffic list|traffic normal|traffic deviations|block list|\
    block add 192.0.2.1 --reason x|block remove 192.0.2.1 --reason x|queue list|queue show 1M8H4PDP10000|queue retry --all|\
    queue hold --all|queue release --all|queue discard --reason x --all|queue bounce --all|quarantine figures|\
    quarantine digest|bounces|sts list|dkim list|dkim look|dkim make --domain city.example|dkim start 1|dkim stop 1|\
    dmarc records|dmarc reports list|dmarc reports show 1|dmarc reports figures|dmarc reports send|tls records|\
    tls reports list|tls reports show 1|tls reports figures|tls reports send|audit search|audit analyse|\
    audit report --file /tmp/x.html|audit verify|audit checkpoint|audit prove 1|audit prove-growth /etc/hostname|\
    audit volumes|audit seal|audit export --to /nonexistent/x 1|audit decide --erase --reason x 1|audit erase-due|\
    audit custody list|audit custody add 1 --medium x --place x --key-holder x|screening explain 1|screening canary|\
    screening try --policy x|screening policies|screening learn --junk /etc/hostname|screening memory|\
    regulation show|regulation render --to /nonexistent/x|regulation export|backup /nonexistent/it|backups list|\
    backups purge|backups gone --missing --reason x|verify|probe --own";

/// Those that a holder may give about what is the holder's own, here about tanaka's.
const OF_THE_HOLDER: &str = "\
    account show tanaka@city.example|account password tanaka@city.example|account logins tanaka@city.example|\
    account app-password add tanaka@city.example --name x|account app-password list tanaka@city.example|\
    account app-password revoke tanaka@city.example 1|account second-factor list tanaka@city.example|\
    account second-factor remove tanaka@city.example 1|account forward add tanaka@city.example suzuki@city.example|\
    account forward remove tanaka@city.example x@nowhere.example|account forward list tanaka@city.example";

/// Those that anybody may give, and why that shows nothing of anybody.
const FREE: &[(&str, &str)] = &[
    ("demo", "makes a site of its own"),
    ("init", "makes a site of its own"),
    (
        "serve",
        "needs the site's files, which are the server's user's alone",
    ),
    (
        "check",
        "needs the site's files, which are the server's user's alone",
    ),
    (
        "restore",
        "needs a backup's files, which are the server's user's alone",
    ),
    (
        "status",
        "figures of the service; what needs attention is for officers",
    ),
    ("person notice", "a text that all people get"),
    (
        "person acknowledge",
        "for oneself; on paper it needs a role",
    ),
    ("quarantine list", "mail that is set apart for the caller"),
    ("quarantine show", "mail that is set apart for the caller"),
    (
        "quarantine release",
        "mail that is set apart for the caller",
    ),
    ("quarantine delete", "mail that is set apart for the caller"),
];

/// tanaka's INBOX has the UIDs 1 to 5, suzuki's 1 and 2; each has a mailbox of a name that the other has not.
fn office() -> (Site, Person, Person) {
    let mut site = Site::new("city.example");
    // A next hop that nobody listens at.
    site.route("nowhere.example", "host = \"[127.0.0.1]\", port = 9");
    site.serve();
    let (tanaka, suzuki) = (site.person("tanaka"), site.person("suzuki"));
    fill(&site, &tanaka, 5, ("Private", 2), SECRET);
    fill(&site, &suzuki, 2, ("Own", 1), "nothing in particular");
    (site, tanaka, suzuki)
}

fn fill(site: &Site, person: &Person, arrive: u32, (mailbox, kept): (&str, u32), text: &str) {
    let mut exchange = site.smtp();
    for number in 0..arrive {
        let name = format!("{}-{number}", person.name);
        let mut letter = Letter::new(&name, "friend@elsewhere.example", &person.address);
        letter.body = format!("{text}\r\n").into_bytes();
        let reply = exchange.send(&letter.from, &[&letter.to], &letter.content());
        assert_eq!(reply.unwrap().code, 250);
    }
    let mut session = site.imap(person);
    session.ok(&format!("CREATE {mailbox}"));
    for _ in 0..kept {
        assert!(append(&mut session, mailbox, text).is_ok());
    }
    session.holds("INBOX", arrive, SOON);
    session.ok("STORE 1 +FLAGS.SILENT (\\Seen \\Flagged $Work)");
    session.ok("LOGOUT");
}

fn append(session: &mut imap::Session, mailbox: &str, text: &str) -> imap::Answer {
    let mail = format!("Subject: kept\r\n\r\n{text}\r\n");
    let octets = mail.len();
    session.give(&format!("APPEND \"{mailbox}\" {{{octets}+}}\r\n{mail}"))
}

/// All that tanaka's account holds: mailboxes with their counters, and every message with its flags.
#[track_caller]
fn standing(site: &Site, tanaka: &Person) -> Vec<String> {
    let mut session = site.imap(tanaka);
    let items = "MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ SIZE MAILBOXID";
    let list = format!("LIST \"\" \"*\" RETURN (SUBSCRIBED STATUS ({items}))");
    let mut told = session.ok(&list).text();
    for mailbox in ["INBOX", "Private"] {
        session.ok(&format!("EXAMINE {mailbox}"));
        let items = "(UID FLAGS MODSEQ INTERNALDATE EMAILID THREADID BODY.PEEK[])";
        told.extend(session.ok(&format!("FETCH 1:* {items}")).text());
    }
    let secret = told.iter().filter(|line| line.contains(SECRET));
    assert_eq!(secret.count(), 7, "{told:?}");
    told
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let Some((_, rest)) = text.split_once(before) else {
        panic!("{before:?} is not in {text}");
    };
    rest.split_once(after).map_or(rest, |(found, _)| found)
}

/// `name` means nothing to the session, whatever is asked of it.
#[track_caller]
fn leads_nowhere(session: &mut imap::Session, name: &str) {
    let quoted = format!("\"{name}\"");
    session.select("INBOX");
    for command in BY_NAME.split('|') {
        let answer = session.give(&command.replace('?', &quoted));
        assert!(
            answer.tagged.starts_with("NO "),
            "{command} {name}: {answer:?}"
        );
    }
    let answer = append(session, name, "planted");
    assert!(
        answer.tagged.starts_with("NO "),
        "APPEND {name}: {answer:?}"
    );
    for command in ["LIST \"\" ?", "LIST ? \"*\"", "LSUB ? \"*\""] {
        let answer = session.ok(&command.replace('?', &quoted));
        assert!(answer.untagged.is_empty(), "{command} {name}: {answer:?}");
    }
}

#[test]
fn no_name_of_a_mailbox_leads_to_anothers_mail() {
    let (site, tanaka, suzuki) = office();
    let before = standing(&site, &tanaka);
    let mut session = site.imap(&suzuki);
    for name in ELSEWHERE.split('|') {
        leads_nowhere(&mut session, name);
    }
    let told = before.concat();
    leads_nowhere(&mut session, between(&told, "MAILBOXID (", ")"));
    let namespace = session.ok("NAMESPACE").text();
    assert_eq!(namespace, ["* NAMESPACE ((\"\" \"/\")) NIL NIL"]);
    for command in [
        "LIST \"\" (\"*\" \"%\" \"../*\" \"*tanaka*\") RETURN (STATUS (MESSAGES))",
        "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" \"*\"",
        "LSUB \"\" \"*\"",
    ] {
        let told = session.ok(command).text().concat();
        assert!(told.contains("INBOX"), "{command}: {told}");
        let theirs = told.contains("Private") || told.contains("tanaka");
        assert!(!theirs, "{command}: {told}");
    }
    // A mailbox of such a name is the own one of whoever makes it.
    let names = "Private|user/tanaka|Other Users/tanaka|~tanaka|#user.tanaka|../tanaka";
    for name in names.split('|') {
        session.ok(&format!("CREATE \"{name}\""));
        session.ok(&format!("SUBSCRIBE \"{name}\""));
        assert_eq!(session.select(&format!("\"{name}\"")), 0, "{name}");
        assert!(append(&mut session, name, "planted").is_ok(), "{name}");
        session.ok(&format!("RENAME \"{name}\" \"{name}-2\""));
        session.ok(&format!("DELETE \"{name}-2\""));
    }
    assert_eq!(standing(&site, &tanaka), before);
}

#[track_caller]
fn finds_nothing(session: &mut imap::Session, key: &str) {
    let commands = "SEARCH|SEARCH RETURN (MIN ALL)|SORT (ARRIVAL) UTF-8|THREAD REFERENCES UTF-8";
    for command in commands.split('|') {
        let answer = session.ok(&format!("UID {command} {key}"));
        let told = answer.text().concat();
        // ESEARCH has the tag in parentheses first.
        let found = told.rsplit(')').next().unwrap();
        let nothing = told.starts_with("* ") && !found.contains(|c: char| c.is_ascii_digit());
        assert!(nothing, "{command} {key}: {answer:?}");
    }
}

#[test]
fn no_number_and_no_id_reaches_a_message_of_another() {
    let (site, tanaka, suzuki) = office();
    let before = standing(&site, &tanaka);
    let mut theirs = site.imap(&tanaka).tap_inbox();
    let ids = theirs.ok("FETCH 4 (EMAILID THREADID)").text().concat();
    let mut session = site.imap(&suzuki).tap_inbox();
    let by_uid = "FETCH 3:5 BODY[]|STORE 3:5 FLAGS (\\Deleted)|COPY 3:5 Own|MOVE 4 Own|EXPUNGE 3:5";
    for command in by_uid.split('|') {
        let answer = session.ok(&format!("UID {command}"));
        assert!(answer.untagged.is_empty(), "{command}: {answer:?}");
    }
    let by_number = "FETCH 3 BODY[]|STORE 3 FLAGS (\\Deleted)|COPY 3:5 Own|MOVE 5 Own";
    for command in by_number.split('|') {
        let answer = session.give(command);
        let nothing = answer.untagged.is_empty() && answer.tagged.starts_with("BAD ");
        assert!(nothing, "{command}: {answer:?}");
    }
    for key in [
        "UID 3:5".to_owned(),
        format!("TEXT {SECRET}"),
        format!("BODY {SECRET}"),
        "SUBJECT tanaka".to_owned(),
        format!("EMAILID {}", between(&ids, "EMAILID (", ")")),
        format!("THREADID {}", between(&ids, "THREADID (", ")")),
    ] {
        finds_nothing(&mut session, &key);
    }
    assert_eq!(session.select("Own"), 1);
    assert_eq!(session.select("INBOX"), 2);
    assert_eq!(standing(&site, &tanaka), before);
}

/// The message of SASL PLAIN: whom to act as, who proves it, and by what (RFC 4616).
fn plain(act_as: &str, identifier: &str, password: &str) -> String {
    BASE64_STANDARD.encode(format!("{act_as}\0{identifier}\0{password}"))
}

#[test]
fn a_password_opens_its_own_identifier_whatever_the_client_claims() {
    let (site, tanaka, suzuki) = office();
    let before = standing(&site, &tanaka);
    let guest = || imap::Session::open_tls(&site, site::IMAPS);
    for (act_as, identifier) in [(&tanaka, &suzuki), (&suzuki, &tanaka)] {
        let claim = plain(&act_as.address, &identifier.address, &suzuki.password);
        let told = guest().give(&format!("AUTHENTICATE PLAIN {claim}")).tagged;
        assert!(told.starts_with("NO [AUTHENTICATIONFAILED]"), "{told}");
        let told = say(&mut pop3(&site), &format!("AUTH PLAIN {claim}"));
        assert!(told.starts_with("-ERR [AUTH]"), "{told}");
        let mut session = smtp::Session::open(site.address, site::SUBMISSION).starttls(&site);
        session.expect(&format!("AUTH PLAIN {claim}"), 535);
    }
    let failed = site.events(&["--kind", "authentication.failed"]);
    assert_eq!(failed.len(), 6, "{failed:?}");
    let reason = "another authorisation identity";
    assert!(failed.iter().all(|one| one["detail"]["reason"] == reason));
    // The second is how a master of all mailboxes logs in elsewhere.
    let master = "tanaka@city.example*suzuki@city.example";
    for name in [tanaka.address.as_str(), master] {
        let login = format!("LOGIN \"{name}\" \"{}\"", suzuki.password);
        let told = guest().give(&login).tagged;
        assert!(told.starts_with("NO [AUTHENTICATIONFAILED]"), "{told}");
    }
    let failed = site.events(&["--kind", "authentication.failed"]);
    assert_eq!(failed.len(), 8, "{failed:?}");
    // Who names itself is itself, and stays so.
    let own = plain(&suzuki.address, &suzuki.address, &suzuki.password);
    let mut session = guest();
    session.ok(&format!("AUTHENTICATE PLAIN {own}"));
    let again = plain("", &tanaka.address, &suzuki.password);
    let told = session.give(&format!("AUTHENTICATE PLAIN {again}"));
    assert!(!told.is_ok(), "{told:?}");
    assert_eq!(session.select("INBOX"), 2);
    assert_eq!(standing(&site, &tanaka), before);
}

/// A POP3 session over TLS after its greeting, which offers no APOP.
#[track_caller]
fn pop3(site: &Site) -> Lines {
    let lines = Lines::connect(site.address, site::POP3S).unwrap();
    let mut lines = lines.into_tls(&site.certificate()).unwrap();
    let greeting = String::from_utf8(lines.line().unwrap()).unwrap();
    let fine = greeting.starts_with("+OK") && !greeting.contains('<');
    assert!(fine, "{greeting}");
    lines
}

#[track_caller]
fn say(lines: &mut Lines, command: &str) -> String {
    lines.write(format!("{command}\r\n").as_bytes()).unwrap();
    String::from_utf8(lines.line().unwrap()).unwrap()
}

#[track_caller]
fn all_begin(lines: &mut Lines, commands: &str, with: &str) {
    for command in commands.split('|') {
        let told = say(lines, command);
        assert!(told.starts_with(with), "{command}: {told}");
    }
}

/// An answer of several lines.
#[track_caller]
fn listed(lines: &mut Lines, command: &str) -> Vec<String> {
    all_begin(lines, command, "+OK");
    std::iter::repeat_with(|| String::from_utf8(lines.line().unwrap()).unwrap())
        .take_while(|line| line != ".")
        .collect()
}

#[test]
fn pop3_gives_the_own_inbox_and_nothing_else() {
    let (site, tanaka, suzuki) = office();
    let before = standing(&site, &tanaka);
    let login = |who: &Person| format!("USER {}|PASS {}", who.address, who.password);
    let mut theirs = pop3(&site);
    all_begin(&mut theirs, &login(&tanaka), "+OK");
    let uids = listed(&mut theirs, "UIDL");
    assert_eq!(uids.len(), 5);
    all_begin(&mut theirs, "QUIT", "+OK");

    let mut session = pop3(&site);
    let capabilities = listed(&mut session, "CAPA").concat();
    assert!(!capabilities.contains("APOP"), "{capabilities}");
    let apop = "APOP tanaka@city.example c4c9334bac560ecc979e58001b3e22fb";
    all_begin(&mut session, &[apop, "UIDL", "RETR 1"].join("|"), "-ERR");
    all_begin(&mut session, "USER tanaka@city.example", "+OK");
    let wrong = format!("PASS {}", suzuki.password);
    all_begin(&mut session, &wrong, "-ERR [AUTH]");
    all_begin(&mut session, &login(&suzuki), "+OK");
    all_begin(&mut session, "STAT", "+OK 2 ");
    let own = listed(&mut session, "UIDL");
    assert!(own.iter().all(|uid| !uids.contains(uid)), "{own:?}");
    let beyond = "RETR 3|TOP 4 0|LIST 5|UIDL 3|DELE 3|RETR 0|RETR 4294967297|USER tanaka|PASS x";
    all_begin(&mut session, beyond, "-ERR");
    let mail = listed(&mut session, "RETR 1").concat();
    assert!(mail.contains("nothing in particular"), "{mail}");
    all_begin(&mut session, "DELE 1|DELE 2|QUIT", "+OK");
    assert_eq!(site.imap(&suzuki).select("INBOX"), 0);
    assert_eq!(standing(&site, &tanaka), before);
}

#[test]
fn nobody_submits_in_anothers_name_and_mail_to_the_other_arrives() {
    let (site, tanaka, suzuki) = office();
    let (main, alias) = (tanaka.address.as_str(), "info@city.example");
    site.give(&["account", "alias", main, alias]);
    let before = standing(&site, &tanaka);
    let own = Letter::new("own", &suzuki.address, main);
    let mut session = smtp::Session::submission(&site, &suzuki);
    let others = "TANAKA@city.example|tanaka+x@city.example|postmaster@city.example";
    for from in others.split('|').chain([main, alias]) {
        let reply = session.send(from, &[&own.to], &own.content()).unwrap();
        assert_eq!(reply.code, 553, "{from}: {reply:?}");
    }
    for from in [main, alias] {
        let forged = Letter::new("forged", from, main).content();
        let sender = format!("Sender: <{from}>\r\n").into_bytes();
        for content in [forged, [sender, own.content()].concat()] {
            let reply = session.send(&own.from, &[&own.to], &content).unwrap();
            assert_eq!(reply.code, 550, "{from}: {reply:?}");
        }
    }
    let kind = ["--kind", "submission.refused"];
    let refused = site.events(&[&kind[..], &["--actor", &suzuki.address]].concat());
    assert_eq!(refused.len(), 9, "{refused:?}");
    assert!(refused.iter().all(|event| event["result"] == "refused"));
    assert_eq!(standing(&site, &tanaka), before);

    let reply = session.send(&own.from, &[&own.to], &own.content());
    assert_eq!(reply.unwrap().code, 250);
    site.imap(&tanaka).holds("INBOX", 6, SOON);
    // The alias is tanaka's own.
    let answer = Letter::new("answer", alias, &suzuki.address);
    let mut session = smtp::Session::submission(&site, &tanaka);
    let reply = session.send(&answer.from, &[&answer.to], &answer.content());
    assert_eq!(reply.unwrap().code, 250);
    site.imap(&suzuki).holds("INBOX", 3, SOON);
}

#[test]
fn no_command_opens_anothers_mail() {
    let (site, tanaka, _) = office();
    let before = standing(&site, &tanaka);
    let add = ["account", "app-password", "add", &tanaka.address];
    let told = site.refused(&[&add[..], &["--name", "x"]].concat());
    assert!(told.contains("only for the holder of"), "{told}");

    site.give(&["person", "map", "suzuki", "--os-user", "nobody"]);
    let suzuki = Nobody::at(&site);
    let as_suzuki = |words: &str| suzuki.gives(&words.split(' ').collect::<Vec<_>>());
    let own = as_suzuki("account show suzuki@city.example").succeeds();
    assert!(own.contains("suzuki@city.example"), "{own}");
    let accounts = site.beside("accounts.csv");
    let hash = "{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuuXKTEyGV6paEx72uaCdgQy9aOINbQwsm";
    let text = format!("address,name,password_hash,quota\nx@city.example,X,{hash},\n");
    fs::write(&accounts, text).unwrap();
    fs::set_permissions(&accounts, fs::Permissions::from_mode(0o644)).unwrap();
    let accounts = accounts.to_str().unwrap();
    let forbidden = || BY_ROLE.split('|').chain(OF_THE_HOLDER.split('|'));
    let mut wrong = Vec::new();
    for words in forbidden() {
        let ran = as_suzuki(&words.replace("ACCOUNTS.csv", accounts)).run();
        let told = ran.text();
        let ruled = told.contains("role") || told.contains("only for the holder");
        if ran.output.status.success() || !ruled {
            wrong.push(format!("{words}: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Figures of the service, and nothing of what waits for officers.
    site.give(&["incident", "open", "--kind", "other", "--reason", "x"]);
    let told = as_suzuki("status").succeeds();
    assert!(told.contains("queue_messages"), "{told}");
    let theirs =
        told.contains("attention\"") || told.contains("incident") || told.contains("tanaka");
    assert!(!theirs, "{told}");
    let told = site.give(&["status"])[0]["attention"].to_string();
    assert!(told.contains("incident 1"), "{told}");
    let kind = ["--kind", "command.given", "--result", "refused"];
    let refused = site.events(&[&kind[..], &["--actor", "suzuki"]].concat());
    let given = forbidden().count();
    assert!(refused.len() >= given, "{refused:?}");
    // Which orders there are cannot be found out without a trace, either.
    for words in [
        "account share --order 999",
        "account reading open --order 999",
    ] {
        let told = as_suzuki(words).run();
        assert!(told.text().contains("role"), "{}", told.text());
        let refused = site.events(&[&kind[..], &["--actor", "suzuki"]].concat());
        let last = refused.last().unwrap();
        assert_eq!(last["detail"]["words"], words, "{last}");
    }
    assert_eq!(standing(&site, &tanaka), before);
}

#[test]
fn no_command_prints_mail() {
    let (site, tanaka, _) = office();
    let mut letter = Letter::new("queued", &tanaka.address, "friend@nowhere.example");
    letter.body = format!("{SECRET}\r\n").into_bytes();
    let mut session = smtp::Session::submission(&site, &tanaka);
    let reply = session.send(&letter.from, &[&letter.to], &letter.content());
    assert_eq!(reply.unwrap().code, 250);
    let queued = site.give(&["queue", "list"]);
    let show = format!("queue show {}", queued[0]["id"].as_str().unwrap());
    for words in SHOWING.split('|').chain([show.as_str()]) {
        let told = site.give(&words.split(' ').collect::<Vec<_>>());
        assert!(!format!("{told:?}").contains(SECRET), "{words}");
    }
    // Whoever adds a verb looks at what it shows, and then puts it here.
    let all = "abuse account audit backup backups block bounces check clause demo dkim dmarc expert help incident init order outbreak person probe quarantine \
               queue register regulation report restore runbook screening serve status sts task tls traffic verify vuln";
    assert_eq!(verbs(&[]), all);
    let queue = "bounce discard help hold list release retry show";
    assert_eq!(verbs(&["queue"]), queue);
    // `show` has the author and the subject of mail that is set apart, one message at a time, each time on record.
    let apart = "delete digest figures help list release show";
    assert_eq!(verbs(&["quarantine"]), apart);
}

/// Every verb that there is stands in one of the tables: whoever adds one says who may give it, and it is tried.
#[test]
fn no_verb_is_forgotten() {
    let mut all = Vec::new();
    leaves(&mut Vec::new(), &mut all);
    assert!(all.len() > 150, "{all:?}");
    let tried = || BY_ROLE.split('|').chain(OF_THE_HOLDER.split('|'));
    let begins = |words: &str, verb: &str| {
        words
            .strip_prefix(verb)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    for verb in &all {
        let count = tried().filter(|words| begins(words, verb)).count()
            + FREE.iter().filter(|(free, _)| free == verb).count();
        assert_eq!(count, 1, "{verb} stands in {count} tables");
    }
    for words in tried().chain(FREE.iter().map(|(free, _)| *free)) {
        let known = all.iter().any(|verb| begins(words, verb));
        assert!(known, "there is no {words}");
    }
}

/// Verbs that lead no further.
fn leaves(before: &mut Vec<String>, all: &mut Vec<String>) {
    let words: Vec<&str> = before.iter().map(String::as_str).collect();
    let found = verbs(&words);
    if found.is_empty() {
        all.push(before.join(" "));
        return;
    }
    for verb in found.split(' ').filter(|verb| *verb != "help") {
        before.push(verb.to_owned());
        leaves(before, all);
        before.pop();
    }
}

/// The verbs that the help lists, by name.
fn verbs(words: &[&str]) -> String {
    let program = Program::new(env!("CARGO_BIN_EXE_kakitome"));
    let help = program.words(words).word("--help").succeeds();
    if !help.contains("Commands:") {
        return String::new();
    }
    let names = between(&help, "Commands:", "Options:").lines();
    let mut names: Vec<&str> = names
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.sort_unstable();
    names.join(" ")
}
