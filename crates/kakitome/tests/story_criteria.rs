//! A site's own rules and the criteria beside who mail is from: DNS lists in a real name server (unbound), how clients behave,
//! greylisting, what was sent before, patterns, and words that are learned from what people move into Junk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{fs, io::Write as _, net::TcpStream, time::Duration};

use serde_json::Value;
use support::{
    Letter, Person, Program, Site,
    site::SMTP,
    smtp::Reply,
    unbound::{Unbound, Zones},
    until,
};

const SOON: Duration = Duration::from_secs(60);

struct Story {
    site: Site,
    tanaka: Person,
    _names: Unbound,
}

impl Story {
    fn new(settings: &[(&str, &str)]) -> Self {
        let zones = Zones::default()
            .txt("shown.example", "v=spf1 ip4:127.0.0.0/8 -all")
            .a("2.0.0.127.list.example", "127.0.0.2")
            .a("5.0.0.127.list.example", "127.0.0.4")
            .a("bad.example.names.example", "127.0.0.2")
            .a("shown.example.names.example", "127.255.255.254")
            .a("bad.example.all.example", "127.0.0.2")
            .a("invalid.all.example", "127.0.0.2")
            .a("bad.example.uris.example", "127.0.1.2")
            .a("other.example.uris.example", "127.0.1.200")
            .zone("silent.example", "always_deny");
        let names = Unbound::start(&zones);
        let mut site = Site::new("city.example");
        site.screened(&names.at());
        for (section, line) in settings {
            site.set(section, line);
        }
        site.serve();
        let tanaka = site.person("tanaka");
        Self {
            site,
            tanaka,
            _names: names,
        }
    }

    fn letter(&self, subject: &str) -> Letter {
        Letter::new(subject, "writer@plain.example", &self.tanaka.address)
    }

    #[track_caller]
    fn hand(&self, sender: &str, letter: &Letter) -> Reply {
        let to = [self.tanaka.address.as_str()];
        self.site
            .smtp()
            .send(sender, &to, &letter.content())
            .unwrap()
    }

    #[track_caller]
    fn explain(&self, reply: &Reply) -> Value {
        let text = reply.text.join(" ");
        let id = text
            .split_whitespace()
            .last()
            .unwrap()
            .trim_matches(['(', ')']);
        self.site.give(&["screening", "explain", id]).remove(0)
    }

    fn count(&self, mailbox: &str) -> u32 {
        self.site.imap(&self.tanaka).select(mailbox)
    }
}

#[test]
fn lists_are_asked_for_the_domains_that_the_text_leads_to() {
    let story = Story::new(&[(
        "screening",
        "text_domains = 5\ndns_list = [{ zone = \"uris.example\", by = \"text\", answers = [\"127.0.1.2-99\"], then = \"mark\" }]\n\
         rule = [{ name = \"friends\", listed = [\"uris.example\"], sender = [\"friend.example\"], then = \"accept\" }]",
    )]);
    let hand = |sender: &str, kind: &str, text: &str| {
        let content = format!(
            "From: <{sender}>\r\nTo: <{}>\r\nSubject: links\r\nContent-Type: {kind}; charset=utf-8\r\n\r\n{text}\r\n",
            story.tanaka.address
        );
        let to = [story.tanaka.address.as_str()];
        let reply = story.site.smtp().send(sender, &to, content.as_bytes());
        let reply = reply.unwrap();
        (story.explain(&reply), reply.code)
    };
    let writer = "writer@plain.example";
    let html = "<p>お得な<a href=\"https://shop.click.BAD.example/x\">www.good.example</a></p>";
    for (kind, text) in [
        ("text/html", html),
        ("text/plain", "see www.bad.example."),
        ("text/plain", "https://www.good.example@bad.example:8443/"),
        (
            "text/plain",
            "http://other.example/ http://a.example/ http://bad.example/",
        ),
    ] {
        let (explained, code) = hand(writer, kind, text);
        assert_eq!(code, 250, "{explained}");
        assert_eq!(
            explained["verdict"]["because"], "listed",
            "{text}: {explained}"
        );
        let said = &explained["evidence"]["lists"][0];
        assert_eq!(
            (&said["by"], &said["name"]),
            (&"text".into(), &"bad.example".into())
        );
        assert_eq!(explained["same_today"], true, "{explained}");
    }
    // What is not listed, what is listed for another reason, and what is beyond the limit.
    let many: String = (0..5).map(|n| format!("http://a{n}.example/ ")).collect();
    for text in [
        "https://www.good.example/",
        "http://other.example/",
        "bad.example is no link",
        &format!("{many} http://bad.example/"),
    ] {
        let (explained, _) = hand(writer, "text/plain", text);
        assert_eq!(
            explained["verdict"]["handling"], "accept",
            "{text}: {explained}"
        );
    }
    // A site's own rule may think otherwise of it, in its order.
    let (explained, _) = hand("x@friend.example", "text/plain", "http://bad.example/");
    assert_eq!(explained["verdict"]["handling"], "accept", "{explained}");
    // A list that does not answer: as the site has it.
    let mut site = story.site;
    site.unset("dns_list");
    site.unset("rule");
    site.set(
        "screening",
        "dns_list = [{ zone = \"silent.example\", by = \"text\", trouble = \"defer\" }]",
    );
    site.reload();
    let mut session = site.smtp();
    let mut send = |text: &str| {
        let content = format!("From: <{writer}>\r\nSubject: s\r\n\r\n{text}\r\n");
        let to = [story.tanaka.address.as_str()];
        session.send(writer, &to, content.as_bytes()).unwrap().code
    };
    assert_eq!(send("http://bad.example/"), 451);
    assert_eq!(send("no link"), 250);
}

#[test]
fn lists_are_asked_for_addresses_and_names_and_dead_ones_count_for_nothing() {
    let story = Story::new(&[(
        "screening",
        "dns_list = [{ zone = \"list.example\", answers = [\"127.0.0.4-11\"] }, \
         { zone = \"names.example\", by = \"sender\", then = \"mark\" }, \
         { zone = \"all.example\", by = \"sender\" }, \
         { zone = \"silent.example\", by = \"sender\" }]",
    )]);
    // From an address that is on the list: a real client, which is told.
    let swaks = |from: &str, sender: &str| {
        let at = format!("{}:{SMTP}", story.site.address);
        let ran = Program::new("swaks")
            .words(["--server", &at, "--local-interface", from])
            .words(["--helo", "client.example", "--from", sender])
            .words(["--to", &story.tanaka.address, "--body", "hello"])
            .run();
        String::from_utf8_lossy(&ran.output.stdout).into_owned()
    };
    let told = swaks("127.0.0.5", "x@plain.example");
    assert!(
        told.contains("127.0.0.5 is listed in list.example (127.0.0.4)"),
        "{told}"
    );
    // An answer that the site does not count.
    let told = swaks("127.0.0.2", "x@plain.example");
    assert!(told.contains("Accepted as"), "{told}");

    let reply = story.hand("x@bad.example", &story.letter("listed by name"));
    assert_eq!(reply.code, 250, "{reply:?}");
    let explained = story.explain(&reply);
    assert_eq!(explained["verdict"]["because"], "listed", "{explained}");
    assert_eq!(explained["verdict"]["handling"], "mark", "{explained}");
    assert_eq!(story.count("Junk"), 1);
    let lists = explained["evidence"]["lists"].as_array().unwrap();
    let reason = |zone: &str| {
        let said = lists.iter().find(|said| said["zone"] == zone).unwrap();
        said["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(reason("names.example"), "");
    assert!(
        reason("all.example").contains("lists everything"),
        "{explained}"
    );
    assert!(!reason("silent.example").is_empty(), "{explained}");
    // `check` sees before all mail whether they are lists.
    story.site.set(
        "screening",
        "rule = [{ name = \"by name\", author = [\"friend.example\"], then = \"accept\" }]",
    );
    let checked = Program::new(env!("CARGO_BIN_EXE_kakitome"))
        .word("check")
        .word(story.site.path())
        .run();
    let told = String::from_utf8_lossy(&checked.output.stdout).into_owned();
    assert!(
        told.contains("list.example answers as a list does"),
        "{told}"
    );
    assert!(
        told.contains("\"by name\" accepts mail for what anybody may write"),
        "{told}"
    );
    // A list that refuses to answer this resolver lists nobody.
    let reply = story.hand("x@shown.example", &story.letter("refused by the list"));
    let explained = story.explain(&reply);
    assert_eq!(explained["verdict"]["handling"], "accept", "{explained}");

    // Of a policy with another list it is told that nobody asked that one.
    let place = support::place();
    let file = place.path().join("new.toml");
    let lists = "[screening]\ndns_list = [{ zone = \"list.example\", answers = [\"127.0.0.4-11\"] }, \
        { zone = \"names.example\", by = \"sender\" }, { zone = \"new.example\" }]\n";
    fs::write(&file, lists).unwrap();
    story
        .site
        .give(&["screening", "try", file.to_str().unwrap()]);
    let tried = story.site.events(&["--kind", "screening.tried"]);
    let counts = |listed: u64, unanswered: u64, not_asked: u64| serde_json::json!({ "asked": 4 - not_asked, "listed": listed, "unanswered": unanswered, "not_asked": not_asked });
    assert_eq!(
        tried[0]["detail"]["lists"],
        serde_json::json!({
            "list.example (address)": counts(1, 0, 0),
            "names.example (sender)": counts(1, 1, 0),
            "new.example (address)": counts(0, 0, 4),
        }),
        "{tried:?}"
    );
}

#[test]
fn rules_decide_first_and_can_be_tried_before_they_do() {
    let mut story = Story::new(&[]);
    let reply = story.hand("x@bad.example", &story.letter("未払い請求 notice 1"));
    assert_eq!(reply.code, 250);
    let reply = story.hand("y@shown.example", &story.letter("minutes"));
    assert_eq!(reply.code, 250);

    // Tried on what came: it would have been refused.
    let rules = "[screening]\n\
        [[screening.pattern]]\nname = \"bill\"\nin = \"subject\"\ntexts = [\"未払い\"]\n\
        [[screening.rule]]\nname = \"friends\"\nsender = [\"shown.example\"]\nspf = [\"pass\"]\nthen = \"accept\"\n\
        [[screening.rule]]\nname = \"bills\"\npattern = [\"bill\"]\nthen = \"refuse\"\n\
        [[screening.rule]]\nname = \"no bad\"\nsender = [\"bad.example\"]\nthen = \"quarantine\"\n";
    let place = support::place();
    let file = place.path().join("new.toml");
    fs::write(&file, rules).unwrap();
    let file = file.to_str().unwrap();
    let changes = story.site.give(&["screening", "try", file]);
    assert_eq!(changes.len(), 2, "{changes:?}");
    let of = |sender: &str| {
        let found = changes.iter().find(|change| change["sender"] == sender);
        found.unwrap().clone()
    };
    assert_eq!(
        of("x@bad.example")["would_be"],
        "quarantine",
        "the pattern was not looked for then"
    );
    assert_eq!(of("y@shown.example")["then_because"], "rule");
    let figures = story.site.give(&["screening", "try", file, "--figures"]);
    let row = |was: &str, would_be: &str| {
        let found = figures
            .iter()
            .find(|row| row["was"] == was && row["would_be"] == would_be);
        found.map_or(0, |row| row["messages"].as_u64().unwrap())
    };
    assert_eq!(
        (row("accept", "quarantine"), row("accept", "accept")),
        (1, 1),
        "{figures:?}"
    );
    // The review of the policy is told of it.
    let tried = story.site.events(&["--kind", "screening.tried"]);
    assert_eq!(tried.len(), 2, "{tried:?}");
    let detail = &tried[1]["detail"];
    assert_eq!(
        (&detail["judged"], &detail["otherwise"]),
        (&2.into(), &2.into()),
        "{detail}"
    );
    assert_eq!(
        detail["changes"]["quarantine instead of accept"], 1,
        "{detail}"
    );
    // What is wrong in it is told with its place.
    fs::write(file, rules.replace("[\"bill\"]", "[\"bell\"]")).unwrap();
    let wrong = story.site.command(&["screening", "try", file]);
    let words = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        words.contains("line 13") && words.contains("bell"),
        "{words}"
    );

    // Now in force.
    let first = story.site.give(&["screening", "policies"]);
    assert_eq!(first.len(), 1, "{first:?}");
    let settings = story.site.settings();
    story.site.write_settings(&format!(
        "{settings}\n{}",
        rules.replace("[screening]\n", "")
    ));
    story.site.reload();
    let reply = story.hand("x@bad.example", &story.letter("未払い請求 notice 2"));
    assert_eq!(reply.code, 550, "{reply:?}");
    let explained = story.explain(&reply);
    assert_eq!(explained["verdict"]["what"], "bills", "{explained}");
    assert_eq!(
        explained["evidence"]["patterns"],
        serde_json::json!(["bill"])
    );
    let reply = story.hand("x@bad.example", &story.letter("other words"));
    assert_eq!(story.explain(&reply)["verdict"]["handling"], "quarantine");
    // What the rule set apart wrongly counts for the rule.
    let apart = story
        .site
        .give(&["quarantine", "list", "--cause", "rule:no bad"]);
    assert_eq!(apart.len(), 1, "{apart:?}");
    assert_eq!(apart[0]["criterion"], "no bad", "{apart:?}");
    story
        .site
        .give(&["quarantine", "release", "--cause", "rule"]);
    let figures = story.site.give(&["quarantine", "figures"]);
    assert_eq!(figures.len(), 1, "{figures:?}");
    assert_eq!(
        (&figures[0]["cause"], &figures[0]["criterion"]),
        (&"rule".into(), &"no bad".into())
    );
    assert_eq!(
        (&figures[0]["kept"], &figures[0]["released"]),
        (&1.into(), &1.into())
    );
    let reply = story.hand("y@shown.example", &story.letter("未払い, but from friends"));
    assert_eq!(reply.code, 250, "{reply:?}");

    // Each policy is kept, named in verdicts, and can be tried again.
    let all = story.site.give(&["screening", "policies"]);
    assert_eq!(all.len(), 2, "{all:?}");
    let newest = all[0]["policy"].as_str().unwrap();
    assert_eq!(explained["verdict"]["policy"], newest);
    let shown = story
        .site
        .give(&["screening", "policies", newest])
        .remove(0);
    assert!(
        shown["settings"].as_str().unwrap().contains("no bad"),
        "{shown}"
    );
    let oldest = all[1]["policy"].as_str().unwrap();
    let changes = story.site.give(&["screening", "try", "--policy", oldest]);
    assert_eq!(changes.len(), 3, "{changes:?}");
    let events = story.site.events(&["--kind", "screening.policy"]);
    assert_eq!(events.len(), 2, "{events:?}");
}

#[test]
fn the_unknown_come_again_unless_somebody_is_shown_to_send() {
    let story = Story::new(&[("screening.history", "greylisting = \"3s\"")]);
    let reply = story.hand("x@plain.example", &story.letter("first"));
    assert_eq!(reply.code, 451, "{reply:?}");
    assert_eq!(story.explain(&reply)["verdict"]["because"], "greylisted");
    // Whoever is shown to send is not put off.
    let reply = story.hand("x@shown.example", &story.letter("shown"));
    assert_eq!(reply.code, 250, "{reply:?}");
    until("it is taken when it comes again later", SOON, || {
        let reply = story.hand("x@plain.example", &story.letter("again"));
        (reply.code == 250).then_some(())
    });
    // Its network is known now, for other senders too.
    let reply = story.hand("other@plain.example", &story.letter("other"));
    assert_eq!(reply.code, 250, "{reply:?}");
    let memory = story.site.give(&["screening", "memory"]).remove(0);
    assert!(
        memory["senders_remembered"].as_u64().unwrap() >= 3,
        "{memory}"
    );
}

#[test]
fn who_talks_before_the_greeting_and_calls_itself_like_us_is_noticed() {
    let story = Story::new(&[
        ("screening", "greeting_wait = \"5s\""),
        ("screening.conduct", "early = \"refuse\""),
        ("screening.conduct", "hello_own = \"quarantine\""),
        ("screening.conduct", "guessing = \"refuse\""),
        ("screening.conduct", "many_refused = 2"),
    ]);
    // Whoever talks at once is found out at once.
    let mut early = TcpStream::connect((story.site.address, SMTP)).unwrap();
    let letter = story.letter("early");
    let all = format!(
        "EHLO c.example\r\nMAIL FROM:<x@plain.example>\r\nRCPT TO:<{}>\r\nDATA\r\n{}\r\n.\r\nQUIT\r\n",
        story.tanaka.address,
        String::from_utf8_lossy(&letter.content()).trim_end()
    );
    early.write_all(all.as_bytes()).unwrap();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut early, &mut said).unwrap();
    assert!(said.contains("talked before it was greeted"), "{said}");

    let mut polite = story.site.smtp();
    polite.expect("EHLO mail.city.example", 250);
    let to = [story.tanaka.address.as_str()];
    let reply = polite
        .send("x@plain.example", &to, &letter.content())
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(story.explain(&reply)["verdict"]["handling"], "quarantine");

    let mut guesser = story.site.smtp();
    for guess in ["a", "b"] {
        guesser.expect("MAIL FROM:<x@plain.example>", 250);
        guesser.expect(&format!("RCPT TO:<{guess}@city.example>"), 550);
        guesser.expect("RSET", 250);
    }
    let reply = guesser
        .send("x@plain.example", &to, &letter.content())
        .unwrap();
    assert_eq!(reply.code, 550, "{reply:?}");
}

#[test]
fn words_are_learned_from_what_people_move() {
    let story = Story::new(&[("screening.words", "lessons = 4")]);
    let junk = |n: usize| {
        let mut letter = story.letter(&format!("当選おめでとうございます {n}"));
        letter.body = format!(
            "今すぐ賞金を受け取ってください claim prize winner lottery urgent number{n}\r\n"
        )
        .into_bytes();
        letter
    };
    let wanted = |n: usize| {
        let mut letter = story.letter(&format!("定例会議の議事録 {n}"));
        letter.body =
            format!("議事録を送付します minutes of the committee budget schedule page{n}\r\n")
                .into_bytes();
        letter
    };
    for n in 0..6 {
        assert_eq!(story.hand("x@plain.example", &junk(n)).code, 250);
        assert_eq!(story.hand("x@plain.example", &wanted(n)).code, 250);
    }
    let mut imap = story.site.imap(&story.tanaka);
    assert_eq!(imap.select("INBOX"), 12);
    // Odd numbers are junk; some of the others went into Junk by mistake and come back.
    imap.ok("MOVE 1,3,5,7,9,11 Junk");
    imap.ok("MOVE 1:6 Junk");
    imap.select("Junk");
    imap.ok("MOVE 7:12 INBOX");
    let learned = || story.site.give(&["screening", "memory"]).remove(0);
    until("all is learned", SOON, || {
        let memory = learned();
        (memory["wanted"] == 6 && memory["junk"] == 6).then_some(())
    });
    assert_eq!(learned()["judges_by_words"], true);

    let reply = story.hand("new@plain.example", &junk(77));
    let explained = story.explain(&reply);
    assert_eq!(explained["verdict"]["because"], "words", "{explained}");
    assert_eq!(explained["verdict"]["handling"], "mark", "{explained}");
    assert_eq!(story.count("Junk"), 7);
    let reply = story.hand("new@plain.example", &wanted(78));
    assert_eq!(story.explain(&reply)["verdict"]["handling"], "accept");
    let words = explained["evidence"].to_string();
    assert!(
        !words.contains("lottery") && !words.contains("当選"),
        "{words}"
    );
    let events = story.site.events(&["--kind", "screening.learned"]);
    assert_eq!(events.len(), 18, "each move is a lesson");

    // Of a domain that is shown to send, and of its author, it is remembered, too, that its mail was moved into Junk.
    let written = |subject| Letter::new(subject, "x@shown.example", &story.tanaka.address);
    let reply = story.hand("x@shown.example", &written("shown"));
    assert_eq!(reply.code, 250, "{reply:?}");
    let place = imap.select("INBOX");
    imap.ok(&format!("MOVE {place} Junk"));
    until(
        "its domain and its author are remembered for it",
        SOON,
        || {
            let reply = story.hand("x@shown.example", &written("again"));
            let history = story.explain(&reply)["evidence"]["history"].clone();
            let bad = [&history["domain"]["bad"], &history["address"]["bad"]];
            bad.iter().all(|weight| **weight == 5).then_some(())
        },
    );
    let junk_before = learned()["junk"].as_u64().unwrap();

    // What was collected elsewhere.
    let place = support::place();
    let mbox = place.path().join("spam.mbox");
    let text = "From x Mon\nSubject: cheap pills\n\npharmacy discount\n\nFrom y Mon\nSubject: more pills\n\npharmacy\n";
    fs::write(&mbox, text).unwrap();
    let row = story
        .site
        .give(&["screening", "learn", "--junk", mbox.to_str().unwrap()]);
    assert_eq!(row[0]["learned"], 2, "{row:?}");
    assert_eq!(learned()["junk"], junk_before + 2);

    // What its words had put into Junk, and its holder takes out, counts against the words.
    imap.select("Junk");
    imap.ok("MOVE 7 INBOX");
    let of_words = || {
        let figures = story.site.give(&["quarantine", "figures"]);
        figures.into_iter().find(|row| row["cause"] == "words")
    };
    let figures = until("it is counted", SOON, || {
        of_words().filter(|row| row["returned"] == 1)
    });
    assert!(figures["marked"].as_u64() >= Some(1), "{figures}");
    assert_eq!(figures["kept"], 0, "{figures}");
}
