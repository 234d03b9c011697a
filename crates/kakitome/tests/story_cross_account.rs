//! No identifier reaches another's mail (clause 7.1(4)): not by the name of a mailbox, not by a number or an id, not by a claim to
//! be somebody else, and by no command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use support::{Letter, Person, Program, Site, imap, line::Lines, site, smtp};

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

/// Commands about tanaka's account, the queue and the trail, none of which is for suzuki.
const FORBIDDEN: &str = "account show tanaka@city.example|account logins tanaka@city.example|\
    account list|clause list|clause evidence 8.2-2|expert list|person language tanaka en|task list|task show 1|report list|report show 1|sts list|traffic list|traffic normal|traffic deviations|regulation show|regulation render --to /nonexistent/x|abuse list|outbreak found 1|outbreak pull 1 --reason x|probe --own|block list|block add 192.0.2.1 --reason x|outbreak list|\
    account password tanaka@city.example|queue list|audit search|verify|screening explain 1|screening canary|\
    screening try --policy x|screening policies|screening learn --junk /etc/hostname|screening memory|\
    account app-password add tanaka@city.example --name x|person map tanaka --os-user nobody|\
    account app-password list tanaka@city.example|person role grant suzuki administrator|\
    account app-password revoke tanaka@city.example 1|backup /nonexistent/it|\
    account second-factor list tanaka@city.example|account delete --order 1|\
    account second-factor remove tanaka@city.example 1|order delete --for tanaka|\
    account forward add tanaka@city.example suzuki@city.example|\
    account alias tanaka@city.example other@city.example|\
    account services tanaka@city.example --mra off|account suspend tanaka@city.example --reason x";

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

/// The program where another user of the operating system can run it, and reach the site's socket.
fn for_everybody(site: &Site) -> PathBuf {
    assert!(
        rustix::process::getuid().is_root(),
        "this story needs to become another user"
    );
    fs::set_permissions(site.beside(""), fs::Permissions::from_mode(0o711)).unwrap();
    let binary = site.beside("kakitome");
    fs::copy(env!("CARGO_BIN_EXE_kakitome"), &binary).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    binary
}

#[test]
fn no_command_opens_anothers_mail() {
    let (site, tanaka, _) = office();
    let before = standing(&site, &tanaka);
    let add = ["account", "app-password", "add", &tanaka.address];
    let told = site.refused(&[&add[..], &["--name", "x"]].concat());
    assert!(told.contains("only for the holder of"), "{told}");

    site.give(&["person", "map", "suzuki", "--os-user", "nobody"]);
    let binary = for_everybody(&site);
    let as_suzuki = |words: &str| {
        Program::new("setpriv")
            .words(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
            .word(&binary)
            .word("-C")
            .word(site.path())
            .word("--json")
            .words(words.split(' '))
    };
    let own = as_suzuki("account show suzuki@city.example").succeeds();
    assert!(own.contains("suzuki@city.example"), "{own}");
    for words in FORBIDDEN.split('|') {
        let told = as_suzuki(words).fails();
        let ruled = told.contains("role") || told.contains("only for the holder");
        assert!(ruled, "{words}: {told}");
    }
    let kind = ["--kind", "command.given", "--result", "refused"];
    let refused = site.events(&[&kind[..], &["--actor", "suzuki"]].concat());
    let given = FORBIDDEN.split('|').count();
    assert!(refused.len() >= given, "{refused:?}");
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
               queue register regulation report restore screening serve status sts task tls traffic verify vuln";
    assert_eq!(verbs(&[]), all);
    let queue = "bounce discard help hold list release retry show";
    assert_eq!(verbs(&["queue"]), queue);
    // `show` has the author and the subject of mail that is set apart, one message at a time, each time on record.
    let apart = "delete digest figures help list release show";
    assert_eq!(verbs(&["quarantine"]), apart);
}

/// The verbs that the help lists, by name.
fn verbs(words: &[&str]) -> String {
    let program = Program::new(env!("CARGO_BIN_EXE_kakitome"));
    let help = program.words(words).word("--help").succeeds();
    let names = between(&help, "Commands:", "Options:").lines();
    let mut names: Vec<&str> = names
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.sort_unstable();
    names.join(" ")
}
