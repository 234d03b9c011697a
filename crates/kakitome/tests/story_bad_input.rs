//! Bad input: it gets the protocol's own error and costs bounded memory, and the server goes on for others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use support::{Letter, Person, Site, imap, line::Lines, site, smtp};

const SOON: Duration = Duration::from_secs(30);
/// What bad input may cost: far less than what is sent, with room for the allocator.
const BOUND: u64 = 64 << 20;

fn office() -> (Site, Person) {
    let site = Site::served("city.example");
    let tanaka = site.person("tanaka");
    (site, tanaka)
}

/// The site still takes and shows mail.
#[track_caller]
fn lives(site: &mut Site, tanaka: &Person) {
    assert!(site.server().is_running());
    let before = site.imap(tanaka).select("INBOX");
    let letter = Letter::new("still here", "friend@elsewhere.example", &tanaka.address);
    assert_eq!(
        site.smtp()
            .send(&letter.from, &[&letter.to], &letter.content())
            .unwrap()
            .code,
        250
    );
    site.imap(tanaka).holds("INBOX", before + 1, SOON);
}

/// Runs `deed` and checks that the server's memory did not grow beyond the bound.
#[track_caller]
fn bounded(site: &mut Site, deed: impl FnOnce(&Site)) {
    let before = site.server().memory();
    deed(site);
    let after = site.server().memory();
    let grown = after.saturating_sub(before);
    assert!(grown < BOUND, "the server grew by {} MiB", grown >> 20);
}

#[test]
fn an_end_of_data_that_is_not_crlf_dot_crlf_ends_nothing() {
    let (mut site, tanaka) = office();
    let ends: [&[u8]; 9] = [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r\n.\r",
        b"\n.\r",
        b"\r\n\0.\r\n",
        b"\r\r\n.\r\r\n",
    ];
    for end in ends {
        let mut session = site.smtp();
        session.expect("MAIL FROM:<friend@elsewhere.example>", 250);
        session.expect(&format!("RCPT TO:<{}>", tanaka.address), 250);
        session.expect("DATA", 354);
        let mut smuggled = b"Subject: outer\r\n\r\nouter".to_vec();
        smuggled.extend_from_slice(end);
        smuggled.extend_from_slice(
            b"MAIL FROM:<ceo@city.example>\r\nRCPT TO:<tanaka@city.example>\r\nDATA\r\nSubject: smuggled\r\n\r\ninner\r\n.\r\n",
        );
        session.lines.write(&smuggled).unwrap();
        // One reply for one message: with a bare CR or LF it is a refusal.
        let reply = session.reply().unwrap();
        let bare = end != b"\r\n\0.\r\n";
        assert!(
            !bare || (500..600).contains(&reply.code),
            "{end:?}: {reply:?}"
        );
        session.lines.write(b"NOOP\r\n").unwrap();
        match session.reply() {
            Ok(next) => assert_eq!(
                next.code, 250,
                "{end:?}: the commands within were not obeyed: {next:?}"
            ),
            Err(_) => assert_ne!(reply.code, 250, "{end:?}"),
        }
    }
    let mut imap = site.imap(&tanaka);
    let count = imap.select("INBOX");
    for number in 1..=count {
        let content = String::from_utf8_lossy(&imap.fetch(number)).into_owned();
        assert!(content.contains("Subject: outer"), "{content}");
    }
    lives(&mut site, &tanaka);
}

#[test]
fn what_is_pipelined_before_tls_is_discarded() {
    let (site, tanaka) = office();
    for port in [site::SMTP, site::SUBMISSION] {
        let mut session = smtp::Session::open(site.address, port);
        session
            .lines
            .write(b"STARTTLS\r\nRSET\r\nMAIL FROM:<injected@elsewhere.example>\r\n")
            .unwrap();
        assert_eq!(session.reply().unwrap().code, 220);
        let mut session = smtp::Session {
            lines: session.lines.into_tls(&site.certificate()).unwrap(),
            extensions: Vec::new(),
        };
        // Nothing of it is answered: the first reply is to this EHLO, and no transaction is open.
        session.hello().unwrap();
        assert!(
            session
                .extensions
                .iter()
                .any(|word| word.starts_with("SIZE"))
        );
        assert!(!session.extensions.iter().any(|word| word == "STARTTLS"));
        let reply = session.say("RCPT TO:<tanaka@city.example>");
        assert!((500..600).contains(&reply.code), "{reply:?}");
    }
    for (port, starttls) in [
        (site::IMAP, "a1 STARTTLS\r\na2 NOOP\r\n"),
        (site::POP3, "STLS\r\nCAPA\r\n"),
    ] {
        let mut lines = Lines::connect(site.address, port).unwrap();
        lines.line().unwrap();
        lines.write(starttls.as_bytes()).unwrap();
        let answer = String::from_utf8(lines.line().unwrap()).unwrap();
        assert!(answer.contains("OK"), "{answer}");
        let mut lines = lines.into_tls(&site.certificate()).unwrap();
        let (say, wanted) = if port == site::IMAP {
            ("b1 NOOP\r\n", "b1 OK")
        } else {
            ("NOOP\r\n", "-ERR")
        };
        lines.write(say.as_bytes()).unwrap();
        let answer = String::from_utf8(lines.line().unwrap()).unwrap();
        assert!(answer.starts_with(wanted), "{answer}");
    }
    drop(tanaka);
}

#[test]
fn endless_lines_and_commands_end_the_session_and_not_the_server() {
    let (mut site, tanaka) = office();
    bounded(&mut site, |site| {
        for port in [site::SMTP, site::SUBMISSION, site::IMAP, site::POP3] {
            let mut stream = TcpStream::connect((site.address, port)).unwrap();
            stream.set_write_timeout(Some(SOON)).unwrap();
            let block = vec![b'A'; 1 << 20];
            // Up to 200 MiB of one line: the server stops reading, or closes, long before.
            let mut taken = 0;
            while taken < 200 && stream.write_all(&block).is_ok() {
                taken += 1;
            }
        }
    });
    // Errors are counted, and the session is closed.
    let mut session = site.smtp();
    let closed = (0..200).any(|_| {
        session
            .try_say("XYZZY")
            .is_ok_and(|reply| reply.code == 421)
    });
    assert!(closed, "endless errors are answered with 421");
    lives(&mut site, &tanaka);
}

#[test]
fn more_recipients_than_the_limit_are_put_off_and_the_rest_is_taken() {
    let (mut site, tanaka) = office();
    bounded(&mut site, |site| {
        let mut session = site.smtp();
        session.expect("MAIL FROM:<friend@elsewhere.example>", 250);
        let mut block = String::new();
        for number in 0..10_001 {
            block.push_str(&format!("RCPT TO:<tanaka+{number}@city.example>\r\n"));
        }
        // A hundred at a time, as a pipelining client does.
        let (mut taken, mut put_off) = (0, 0);
        let commands: Vec<&str> = block.split_inclusive('\n').collect();
        'session: for batch in commands.chunks(100) {
            if session.lines.write(batch.concat().as_bytes()).is_err() {
                break;
            }
            for _ in batch {
                match session.reply() {
                    Ok(reply) if reply.code == 250 => taken += 1,
                    Ok(reply) => {
                        assert!(matches!(reply.code, 452 | 421), "{reply:?}");
                        put_off += 1;
                    }
                    Err(_) => break 'session,
                }
            }
        }
        assert_eq!(taken, 1000, "the limit that LIMITS tells of");
        assert!(put_off > 0);
    });
    lives(&mut site, &tanaka);
}

#[test]
fn a_slow_client_is_let_go() {
    let mut site = Site::new("city.example");
    for limit in [
        "greeting_time = \"1s\"",
        "command_time = \"1s\"",
        "data_silence = \"1s\"",
        "session_time = \"5s\"",
    ] {
        site.set("limits", limit);
    }
    site.set("retrieval", "login_time = \"2s\"");
    site.serve();
    let tanaka = site.person("tanaka");
    let began = Instant::now();
    let mut silent = smtp::Session::silent(site.address, site::SMTP);
    assert!(
        silent.lines.rest().starts_with("421"),
        "silence before EHLO"
    );
    let mut session = site.smtp();
    assert!(
        session.lines.rest().starts_with("421"),
        "silence between commands"
    );
    let mut session = site.smtp();
    session.expect("MAIL FROM:<friend@elsewhere.example>", 250);
    session.expect(&format!("RCPT TO:<{}>", tanaka.address), 250);
    session.expect("DATA", 354);
    session.lines.write(b"Subject: slow\r\n").unwrap();
    assert!(
        session.lines.rest().starts_with("421"),
        "silence within the data"
    );
    // A client that is never silent, and never done: one octet at a time.
    let mut stream = TcpStream::connect((site.address, site::SMTP)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let drip = Instant::now();
    while stream.write_all(b"N").is_ok() && drip.elapsed() < SOON {
        let mut answer = [0; 512];
        if matches!(std::io::Read::read(&mut stream, &mut answer), Ok(0)) {
            break;
        }
    }
    assert!(drip.elapsed() < SOON, "the dripping client was let go");
    let mut imap = Lines::connect(site.address, site::IMAP).unwrap();
    imap.line().unwrap();
    assert!(imap.rest().starts_with("* BYE"), "silence before LOGIN");
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(site.imap(&tanaka).select("INBOX"), 0);
}

#[test]
fn literals_that_are_too_big_are_refused_before_they_are_read() {
    let (mut site, tanaka) = office();
    bounded(&mut site, |site| {
        // Before login only little is taken.
        let mut guest = imap::Session::open_tls(site, site::IMAPS);
        let tag = guest.begin("LOGIN {2000000000}").unwrap();
        refused(&mut guest, &tag);
        let mut session = site.imap(&tanaka);
        for literal in [
            "{99999999999999999999}",
            "{4294967295}",
            "{2000000000}",
            "{2000000000+}",
        ] {
            let tag = session.begin(&format!("APPEND INBOX {literal}")).unwrap();
            refused(&mut session, &tag);
            session = site.imap(&tanaka);
        }
        let tag = session.begin("SEARCH TEXT {2000000000}").unwrap();
        refused(&mut session, &tag);
    });
    assert_eq!(site.imap(&tanaka).select("INBOX"), 0);
    lives(&mut site, &tanaka);
}

/// The command is answered with NO or BAD, or the session ends with BYE; never with a continuation.
#[track_caller]
fn refused(session: &mut imap::Session, tag: &str) {
    let line = String::from_utf8_lossy(&session.response().unwrap()).into_owned();
    let fits = [
        format!("{tag} NO"),
        format!("{tag} BAD"),
        "* BYE".to_owned(),
    ];
    assert!(fits.iter().any(|start| line.starts_with(start)), "{line}");
}

#[test]
fn nested_bombs_are_refused_or_answered_in_bounded_time() {
    let (mut site, tanaka) = office();
    let began = Instant::now();
    bounded(&mut site, |site| {
        let depth = 20_000;
        let bombs = [
            format!("SEARCH {}ALL{}", "(".repeat(depth), ")".repeat(depth)),
            format!("SEARCH {}ALL", "NOT ".repeat(depth)),
            format!("SEARCH {}ALL", "OR ALL ".repeat(depth)),
            format!("FETCH 1 {}", "(".repeat(depth)),
            format!("FETCH 1 BODY[{}TEXT]", "1.".repeat(depth)),
            format!("SEARCH UID {}1", "1:*,".repeat(depth)),
            format!("LIST \"\" \"{}\"", "*%".repeat(depth)),
        ];
        for bomb in bombs {
            let mut session = site.imap(&tanaka);
            session.select("INBOX");
            let answer = session.try_give(&bomb);
            let shown = &bomb[..30];
            if let Ok(answer) = answer {
                assert!(
                    ["OK", "NO", "BAD"]
                        .iter()
                        .any(|w| answer.tagged.starts_with(w)),
                    "{shown}: {answer:?}"
                );
            }
        }
        // MIME within MIME within MIME.
        let mut nested = String::from("From: <friend@elsewhere.example>\r\nMIME-Version: 1.0\r\n");
        for level in 0..5_000 {
            nested.push_str(&format!(
                "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
            ));
        }
        let reply = site
            .smtp()
            .send(
                "friend@elsewhere.example",
                &[&tanaka.address],
                nested.as_bytes(),
            )
            .unwrap();
        if reply.code == 250 {
            let mut session = site.imap(&tanaka);
            // It was not looked at to its end.
            assert_eq!(session.select("Junk"), 1);
            session.ok("FETCH 1 (ENVELOPE BODYSTRUCTURE)");
            session.ok("SEARCH TEXT nothing-like-it");
        } else {
            assert!((500..600).contains(&reply.code), "{reply:?}");
        }
    });
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    lives(&mut site, &tanaka);
}

#[test]
fn malformed_text_gets_the_protocols_own_error() {
    let (mut site, tanaka) = office();
    for line in [
        &b"MAIL FROM:<\xff\xfe@elsewhere.example> SMTPUTF8"[..],
        b"MAIL FROM:<\xc3\x28@elsewhere.example> SMTPUTF8",
        b"MAIL FROM:<a\0b@elsewhere.example>",
        b"MAIL FROM:<a@b@c@d>",
        b"MAIL FROM:<friend@elsewhere.example> SIZE=99999999999999999999999",
        b"MAIL FROM:<friend@elsewhere.example> BODY=9BIT",
        b"MAIL FROM:friend@elsewhere.example",
        b"RCPT TO:<tanaka@city.example>",
        b"EHLO \xff\xff\xff",
        b"BDAT -1 LAST",
        b"AUTH PLAIN ====",
    ] {
        let mut session = site.smtp();
        session.lines.write(&[line, b"\r\n"].concat()).unwrap();
        let reply = session.reply().unwrap();
        assert!(
            (500..600).contains(&reply.code),
            "{:?}: {reply:?}",
            String::from_utf8_lossy(line)
        );
        // After a BDAT whose size is unknown, what follows cannot be told from commands: the session ends.
        match session.try_say("NOOP") {
            Ok(reply) => assert_eq!(reply.code, 250, "{reply:?}"),
            Err(_) => assert!(line.starts_with(b"BDAT")),
        }
    }
    let mut session = site.imap(&tanaka);
    for line in [
        &b"a1 SELECT \xff\xfe"[..],
        b"a1 SELECT \"&not-utf7\"",
        b"a1 SEARCH CHARSET UTF-8 TEXT \"\xc3\x28\"",
        b"a1 FETCH 0 FLAGS",
        b"a1 STORE 1 FLAGS (\\Nonsense)",
        b"a1 APPEND INBOX \"32-Foo-2026 00:00:00 +0000\" {1+}",
        b"\xff\xff\xff",
        b"a1",
        b"a1 ",
    ] {
        session.select("INBOX");
        session.lines.write(&[line, b"\r\n"].concat()).unwrap();
        if line.ends_with(b"{1+}") {
            session.lines.write(b"x\r\n").unwrap();
        }
        let answer = String::from_utf8_lossy(&session.response().unwrap()).into_owned();
        assert!(
            answer.contains(" BAD") || answer.contains(" NO"),
            "{:?}: {answer}",
            String::from_utf8_lossy(line)
        );
        session.ok("NOOP");
    }
    // Malformed mail is kept as it is, and shown somehow.
    let mut content =
        b"From: \xff\xfe <<>>, =?utf-8?b?####?=\r\nSubject: =?iso-2022-jp?b?GyRC?=\r\n\
        Content-Type: multipart/mixed; boundary=\r\nDate: yesterday\r\n\r\n"
            .to_vec();
    // Without NUL, which an IMAP literal cannot carry.
    content.extend((1..=255_u8).filter(|byte| !matches!(byte, b'\r' | b'\n')));
    content.extend_from_slice(b"\r\n");
    let reply = site
        .smtp()
        .send("friend@elsewhere.example", &[&tanaka.address], &content)
        .unwrap();
    if reply.code == 250 {
        session.select("INBOX");
        session.ok("FETCH 1 (ENVELOPE BODYSTRUCTURE)");
        let fetched = session.fetch(1);
        assert!(
            fetched.ends_with(support::message::body(&content)),
            "kept as it came"
        );
    }
    lives(&mut site, &tanaka);
}
