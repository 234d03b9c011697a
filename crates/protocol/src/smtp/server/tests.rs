//! Conversations: `C:` lines are sent (a run of them at once), `S:` lines must come back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};

mod properties;
mod refusals;

use super::*;
use crate::{
    sasl::{ChannelBindings, Nonce, ScramCredentials},
    smtp::{Detail, Refusal, Transaction},
};

/// A driver with a small policy, and all that it saw.
struct Driver {
    session: Session,
    messages: Vec<(Transaction, Vec<u8>)>,
    current: Option<Transaction>,
    content: Vec<u8>,
    seen: Vec<String>,
    failed: Vec<AuthFailed>,
    output: Vec<u8>,
}

impl Driver {
    fn new(config: Config) -> Self {
        let mut session = Session::new(Arc::new(config));
        session.greet("ESMTP");
        Self {
            session,
            messages: Vec::new(),
            current: None,
            content: Vec::new(),
            seen: Vec::new(),
            failed: Vec::new(),
            output: Vec::new(),
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.session.feed(bytes);
        while self.step() {}
        self.output.extend(self.session.take_output());
    }

    fn step(&mut self) -> bool {
        let session = &mut self.session;
        match session.next_event() {
            Event::NeedInput | Event::Closed(_) => return false,
            Event::Handshake => session.tls_started(ChannelBindings {
                server_end_point: Some(vec![1; 32]),
                exporter: None,
            }),
            Event::StartTls(answer) => answer.accept(session),
            Event::Auth(_, answer) => {
                answer.proceed(session, Nonce::from_text("servernonce").unwrap());
            }
            Event::Password(claim, answer) => {
                if claim.password == "pw".into() {
                    answer.accept(session);
                } else {
                    answer.refuse(session, Refusal::bad_credentials());
                }
            }
            Event::Credentials(_, answer) => {
                answer.give(
                    session,
                    ScramCredentials::derive(&"pw".into(), b"salt", 4096),
                );
            }
            Event::Proved(_, _, answer) => answer.accept(session),
            Event::Mail(mail, answer) => match mail.reverse_path.to_string().as_str() {
                "bad@x.jp" => {
                    answer.refuse(session, Refusal::new::<550>(Detail::NOT_AUTHORIZED, "No"));
                }
                "forgotten@x.jp" => drop(answer),
                _ => answer.accept(session),
            },
            Event::Rcpt(rcpt, answer) => match rcpt.forward_path.to_string().as_str() {
                "unknown@x.jp" => {
                    answer.refuse(session, Refusal::new::<550>(Detail::BAD_MAILBOX, "No"));
                }
                _ => answer.accept(session),
            },
            Event::Data(transaction, answer) => {
                self.content.clear();
                if transaction.mail.reverse_path.to_string() == "nodata@x.jp" {
                    answer.refuse(session, Refusal::temporary());
                } else {
                    self.current = Some(transaction);
                    answer.accept(session);
                }
            }
            Event::Body(piece) => self.content.extend(piece),
            Event::EndOfData(end, answer) => {
                assert_eq!(end.octets, self.content.len() as u64);
                let transaction = self.current.take().unwrap();
                self.messages
                    .push((transaction, std::mem::take(&mut self.content)));
                answer.accept(session, "queued");
            }
            Event::Aborted(why) => {
                self.current = None;
                self.seen.push(format!("{why:?}"));
            }
            Event::Refused(refused) => self.seen.push(refused.command),
            Event::AuthFailed(failed) => self.failed.push(failed),
            Event::Hello(_) | Event::Handled(_) | Event::Authenticated(_) => {}
        }
        true
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.session.next_event(), Event::Closed(_))
    }
}

fn exchange() -> Config {
    let mut config = Config::exchange("mx.jp");
    config.limits.message_size = 1000;
    config.limits.drained_content = 2000;
    config.limits.recipients = 2;
    config.limits.transactions = 3;
    config.limits.errors = 6;
    config
}

/// Runs a script. An `S:` line ending in `*` matches by its beginning.
fn run(config: Config, script: &str) -> Driver {
    let mut driver = Driver::new(config);
    driver.feed(b"");
    let mut lines = script
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .peekable();
    while let Some(line) = lines.next() {
        if let Some(sent) = line.strip_prefix("C:") {
            let mut batch = sent.trim_start().to_owned() + "\r\n";
            while let Some(more) = lines.peek().and_then(|l| l.strip_prefix("C:")) {
                batch += &(more.trim_start().to_owned() + "\r\n");
                lines.next();
            }
            driver.feed(batch.as_bytes());
            continue;
        }
        let expected = line.strip_prefix("S: ").expect(line);
        let at = driver.output.iter().position(|b| *b == b'\n');
        let at = at.unwrap_or_else(|| panic!("nothing in place of {expected}"));
        let got: Vec<u8> = driver.output.drain(..=at).collect();
        let got = String::from_utf8(got).unwrap();
        match expected.strip_suffix('*') {
            Some(start) => assert!(got.starts_with(start), "{got:?} for {expected}"),
            None => assert_eq!(got.trim_end(), expected),
        }
    }
    assert_eq!(String::from_utf8_lossy(&driver.output), "", "more output");
    driver
}

#[test]
fn a_plain_message() {
    let driver = run(
        exchange(),
        "S: 220 mx.jp ESMTP
         C: EHLO c.jp
         S: 250-mx.jp
         S: 250-PIPELINING
         S: 250-SIZE 1000
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-STARTTLS
         S: 250-DSN
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250 LIMITS MAILMAX=3 RCPTMAX=2
         C: MAIL FROM:<a@x.jp> SIZE=10
         C: RCPT TO:<unknown@x.jp>
         C: RCPT TO:<b@x.jp>
         C: DATA
         S: 250 2.1.0 Sender OK
         S: 550 5.1.1 No
         S: 250 2.1.5 Recipient OK
         S: 354 *
         C: hi
         C: ..
         C: .
         C: QUIT
         S: 250 2.0.0 queued
         S: 221 2.0.0 Goodbye",
    );
    assert_eq!(driver.messages.len(), 1);
    let (transaction, content) = &driver.messages[0];
    assert_eq!(transaction.recipients.len(), 1);
    assert_eq!(content, b"hi\r\n.\r\n");
}

#[test]
fn order_and_limits() {
    let driver = run(
        exchange(),
        "S: 220 *
         C: MAIL FROM:<a@x.jp>
         S: 503 5.5.1 EHLO first
         C: HELO c.jp
         S: 250 mx.jp
         C: RCPT TO:<b@x.jp>
         S: 503 5.5.1 *
         C: MAIL FROM:<forgotten@x.jp>
         S: 451 4.3.0 *
         C: MAIL FROM:<bad@x.jp>
         S: 550 5.7.1 No
         C: MAIL FROM:<>
         S: 250 2.1.0 *
         C: MAIL FROM:<>
         S: 503 5.5.1 *
         C: DATA
         S: 503 5.5.1 RCPT first
         C: RCPT TO:<unknown@x.jp>
         C: DATA
         S: 550 5.1.1 No
         S: 554 5.5.1 No valid recipients
         C: RCPT TO:<b@x.jp>
         C: RCPT TO:<postmaster>
         C: RCPT TO:<c@x.jp>
         S: 250 2.1.5 *
         S: 250 2.1.5 *
         S: 452 4.5.3 *
         C: RSET
         S: 250 2.0.0 *
         C: VRFY b
         S: 252 2.0.0 *
         C: EXPN b
         S: 502 5.5.1 *
         C: FOO
         S: 421 4.7.0 Too many errors",
    );
    assert!(driver.seen.contains(&"Reset".to_owned()));
}

#[test]
fn too_many_messages() {
    let one = "C: MAIL FROM:<>
               C: RSET
               S: 250 2.1.0 *
               S: 250 2.0.0 *\n";
    let script = format!(
        "S: 220 *
         C: HELO c
         S: 250 *
         {one}{one}{one}
         C: MAIL FROM:<>
         C: NOOP
         S: 421 4.7.0 *"
    );
    assert!(run(exchange(), &script).is_closed());
}

#[test]
fn sizes_are_kept() {
    let script = |lines: usize, end: &str| {
        let content = format!("C: {}\n", "x".repeat(98)).repeat(lines);
        format!(
            "S: 220 *
             C: HELO c
             S: 250 *
             C: MAIL FROM:<>
             C: RCPT TO:<b@x.jp>
             C: DATA
             S: 250 *
             S: 250 *
             S: 354 *
             {content}
             {end}"
        )
    };
    let refused = "C: .
                   S: 552 5.3.4 *
                   C: MAIL FROM:<>
                   S: 250 *";
    let driver = run(exchange(), &script(12, refused));
    assert!(driver.messages.is_empty());
    assert!(driver.seen[0].contains("TooBig"));
    assert!(run(exchange(), &script(40, "S: 552 5.3.4 *")).is_closed());

    let mut driver = Driver::new(exchange());
    driver.feed(b"EHLO c\r\nMAIL FROM:<> SIZE=1001\r\n");
    assert!(String::from_utf8_lossy(&driver.output).ends_with("552 5.3.4 Message too big\r\n"));
}

#[test]
fn chunks() {
    let mut driver = Driver::new(exchange());
    driver.feed(b"EHLO c\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<b@x.jp>\r\nDATA\r\n");
    driver.output.clear();
    driver.feed(b"BDAT 3\r\na\n.BDAT 2\r\n\r\nBDAT 0 LAST\r\nNOOP\r\n");
    assert_eq!(
        String::from_utf8_lossy(&driver.output),
        "250 2.0.0 3 octets so far\r\n250 2.0.0 5 octets so far\r\n\
         250 2.0.0 queued\r\n250 2.0.0 OK\r\n"
    );
    assert_eq!(driver.messages[0].1, b"a\n.\r\n");

    // Without BINARYMIME the same content is refused, and the octets are never commands.
    driver.output.clear();
    driver.feed(b"MAIL FROM:<>\r\nRCPT TO:<b@x.jp>\r\nBDAT 6\r\nNOOP\n\nBDAT 6 LAST\r\nQUIT\r\n");
    let output = String::from_utf8_lossy(&driver.output).into_owned();
    let codes: Vec<&str> = output.lines().map(|l| &l[..9]).collect();
    assert_eq!(codes, ["250 2.1.0", "250 2.1.5", "554 5.6.0", "503 5.5.1"]);
    assert!(!driver.is_closed());
    assert_eq!(driver.messages.len(), 1);
    assert!(!driver.session.in_transaction());

    driver.output.clear();
    driver.feed(
        b"BDAT 6\r\nQUIT\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.jp>\r\nBDAT 2\r\n\r\nDATA\r\nRSET\r\n",
    );
    let output = String::from_utf8_lossy(&driver.output).into_owned();
    let codes: Vec<&str> = output.lines().map(|l| &l[..9]).collect();
    assert_eq!(
        codes,
        [
            "503 5.5.1",
            "250 2.1.0",
            "250 2.1.5",
            "250 2.0.0",
            "503 5.5.1",
            "250 2.0.0"
        ]
    );
    driver.feed(b"BDAT 99999999999\r\n");
    assert!(driver.is_closed());
}

#[test]
fn refused_data() {
    let mut driver = Driver::new(exchange());
    let envelope = "EHLO c\r\nMAIL FROM:<nodata@x.jp>\r\nRCPT TO:<b@x.jp>\r\n";
    driver.feed(envelope.as_bytes());
    driver.feed(b"DATA\r\n");
    driver.feed(envelope.as_bytes());
    driver.output.clear();
    driver.feed(b"BDAT 4\r\nQUITBDAT 4 LAST\r\nQUITNOOP\r\n");
    let output = String::from_utf8_lossy(&driver.output).into_owned();
    let codes: Vec<&str> = output.lines().map(|l| &l[..9]).collect();
    assert_eq!(codes, ["451 4.3.0", "503 5.5.1", "250 2.0.0"]);
}

/// RFC 3207: nothing said in the clear survives.
#[test]
fn starttls_forgets() {
    let mut driver = Driver::new(exchange());
    driver.feed(b"EHLO c\r\nMAIL FROM:<>\r\nSTARTTLS\r\nRCPT TO:<evil@x.jp>\r\n");
    let output = String::from_utf8_lossy(&driver.output).into_owned();
    assert!(
        output.ends_with("220 2.0.0 Ready to start TLS\r\n"),
        "{output}"
    );
    assert!(driver.session.signals().injection_at_starttls);
    assert!(driver.session.is_tls() && driver.session.hello().is_none());
    assert_eq!(driver.seen, ["Reset"]);
    driver.output.clear();
    driver.feed(b"MAIL FROM:<>\r\nEHLO c\r\nSTARTTLS\r\n");
    let output = String::from_utf8_lossy(&driver.output).into_owned();
    assert!(output.starts_with("503 5.5.1 EHLO first\r\n"));
    assert!(!output.contains("-STARTTLS") && output.contains("-REQUIRETLS"));
    assert!(output.ends_with("503 5.5.1 TLS is already there\r\n"));
}

fn submission() -> Driver {
    let mut driver = Driver::new(Config::submission("mx.jp"));
    driver.feed(b"EHLO c\r\n");
    assert!(!String::from_utf8_lossy(&driver.output).contains("AUTH"));
    driver.output.clear();
    driver.feed(b"AUTH PLAIN AGEAcHc=\r\nMAIL FROM:<>\r\nSTARTTLS\r\n");
    let output = String::from_utf8_lossy(&driver.output).into_owned();
    let codes: Vec<&str> = output.lines().map(|l| &l[..9.min(l.len())]).collect();
    assert_eq!(codes, ["538 5.7.1", "530 5.7.0", "220 2.0.0"]);
    driver.output.clear();
    driver.feed(b"EHLO c\r\nMAIL FROM:<>\r\n");
    let output = String::from_utf8_lossy(&driver.output).into_owned();
    assert!(output.contains("AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\r\n"));
    assert!(output.ends_with("530 5.7.0 Authentication required\r\n"));
    driver.output.clear();
    driver
}

#[test]
fn authentication() {
    for (sent, received) in [
        ("AUTH PLAIN AGEAcHc=\r\n", "235 2.7.0 Welcome\r\n"),
        (
            "auth plain\r\nAGEAcHc=\r\n",
            "334 \r\n235 2.7.0 Welcome\r\n",
        ),
        (
            "AUTH LOGIN\r\nYQ==\r\ncHc=\r\n",
            "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 2.7.0 Welcome\r\n",
        ),
        (
            "AUTH PLAIN AGEAeA==\r\n",
            "535 5.7.8 Authentication failed\r\n",
        ),
        (
            "AUTH PLAIN =\r\n",
            "501 5.5.2 Malformed authentication message\r\n",
        ),
        ("AUTH PLAIN ???\r\n", "501 5.5.2 Not base64\r\n"),
        (
            "AUTH PLAIN\r\n*\r\n",
            "334 \r\n501 5.7.0 Authentication cancelled\r\n",
        ),
        ("AUTH CRAM-MD5\r\n", "504 5.5.4 Mechanism not offered\r\n"),
    ] {
        let mut driver = submission();
        driver.feed(sent.as_bytes());
        assert_eq!(String::from_utf8_lossy(&driver.output), received, "{sent}");
        let logged_in = received.contains("235");
        assert_eq!(driver.session.identity(), logged_in.then_some("a"));
        driver.output.clear();
        driver.feed(b"MAIL FROM:<> AUTH=<>\r\n");
        let code = if logged_in { "250" } else { "530" };
        assert!(
            String::from_utf8_lossy(&driver.output).starts_with(code),
            "{sent}"
        );
    }
}

#[test]
fn guessing_ends_the_session() {
    let mut driver = submission();
    driver.feed(&b"AUTH PLAIN AGEAeA==\r\n".repeat(5));
    // The first of three was before TLS.
    assert_eq!(driver.output.iter().filter(|b| **b == b'\n').count(), 2);
    assert!(driver.is_closed());
}

#[test]
fn scram_over_smtp() {
    use crate::sasl::{Mechanism, client};
    for mechanism in [Mechanism::ScramSha256, Mechanism::ScramSha256Plus] {
        let mut driver = submission();
        let mut client = client::Exchange::new(
            mechanism,
            client::Login {
                identity: "taro".into(),
                password: "pw".into(),
                nonce: Nonce::from_text("clientnonce").unwrap(),
                bindings: ChannelBindings {
                    server_end_point: Some(vec![1; 32]),
                    exporter: None,
                },
                plus_offered: true,
            },
        )
        .unwrap();
        let first = STANDARD.encode(client.initial().unwrap().expose());
        driver.feed(format!("AUTH {mechanism} {first}\r\n").as_bytes());
        while let Some(challenge) = driver.output.strip_prefix(b"334 ") {
            let challenge = STANDARD.decode(challenge.trim_ascii_end()).unwrap();
            let answer = STANDARD.encode(client.respond(&challenge).unwrap().expose());
            driver.output.clear();
            driver.feed(format!("{answer}\r\n").as_bytes());
        }
        assert_eq!(driver.output, b"235 2.7.0 Welcome\r\n");
        assert_eq!(driver.session.identity(), Some("taro"));
    }
}

#[test]
fn bare_newlines_end_the_session_or_the_message() {
    for line in [
        "NOOP\n",
        "NOOP\rNOOP\r\n",
        "MAIL FROM:<>\nRCPT TO:<a@x.jp>\r\n",
        "NOOP\r\r\n",
    ] {
        let mut driver = Driver::new(exchange());
        driver.feed(b"EHLO c\r\n");
        driver.output.clear();
        driver.feed(line.as_bytes());
        assert!(driver.output.starts_with(b"500 5.5.2"), "{line:?}");
        assert_eq!(
            driver.output.iter().filter(|b| **b == b'\n').count(),
            1,
            "{line:?}"
        );
        assert!(driver.is_closed());
    }
    for end in [
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\n",
        "\r\n.\r",
        "\r\n.\r\r\n",
    ] {
        let mut driver = Driver::new(exchange());
        driver.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.jp>\r\nDATA\r\n");
        driver.output.clear();
        let smuggled = format!("hi{end}MAIL FROM:<evil@x.jp>\r\nRCPT TO:<b@x.jp>\r\nDATA\r\n");
        driver.feed(smuggled.as_bytes());
        assert_eq!(driver.output, b"", "{end:?}");
        driver.feed(b"evil\r\n.\r\n");
        assert!(driver.output.starts_with(b"554 5.6.0"), "{end:?}");
        assert!(driver.messages.is_empty() && driver.session.signals().bare_newline);
    }
}

#[test]
fn early_talkers_and_closing() {
    let mut session = Session::new(Arc::new(exchange()));
    session.feed(b"EHLO c\r\n");
    assert!(matches!(session.next_event(), Event::NeedInput));
    assert!(session.signals().early_talker);
    session.close(&Refusal::new::<554>(Detail::NOT_AUTHORIZED, "Not welcome"));
    assert!(matches!(
        session.next_event(),
        Event::Closed(CloseReason::Driver)
    ));
    assert_eq!(session.take_output(), b"554 5.7.1 Not welcome\r\n");
}

#[test]
fn the_driver_can_stop_a_message() {
    let mut session = Session::new(Arc::new(exchange()));
    session.greet("");
    session.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.jp>\r\nDATA\r\nabc\r\n");
    loop {
        match session.next_event() {
            Event::Mail(_, answer) => answer.accept(&mut session),
            Event::Rcpt(_, answer) => answer.accept(&mut session),
            Event::Data(_, answer) => answer.accept(&mut session),
            Event::Body(_) => {
                session.stop_body(Refusal::new::<452>(Detail::SYSTEM_FULL, "Disk full"));
                session.feed(b"more\r\n.\r\n");
            }
            Event::NeedInput => break,
            Event::Aborted(Abort::Content(ContentDefect::Stopped, _)) | Event::Hello(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(session.take_output().ends_with(b"452 4.3.1 Disk full\r\n"));
}

#[test]
fn a_message_that_is_stopped_in_the_read_that_ends_it_is_not_accepted() {
    for content in ["DATA\r\nabc\r\n.\r\nNOOP\r\n", "BDAT 3 LAST\r\nabcNOOP\r\n"] {
        let mut session = Session::new(Arc::new(exchange()));
        session.greet("");
        session.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.jp>\r\n");
        session.feed(content.as_bytes());
        let mut aborted = 0;
        loop {
            match session.next_event() {
                Event::Mail(_, answer) => answer.accept(&mut session),
                Event::Rcpt(_, answer) => answer.accept(&mut session),
                Event::Data(_, answer) => answer.accept(&mut session),
                Event::Body(_) => {
                    session.stop_body(Refusal::new::<452>(Detail::SYSTEM_FULL, "Disk full"));
                }
                Event::NeedInput => break,
                Event::Aborted(Abort::Content(ContentDefect::Stopped, _)) => aborted += 1,
                Event::Hello(_) | Event::Handled(_) => {}
                other => panic!("{content:?}: {other:?}"),
            }
        }
        assert_eq!(aborted, 1, "{content:?}");
        assert!(!session.in_transaction());
        let output = String::from_utf8(session.take_output()).unwrap();
        assert!(
            output.contains("452 4.3.1 Disk full\r\n250 "),
            "{content:?}: {output}"
        );
    }
}

#[test]
fn a_late_answer_is_void() {
    let mut session = Session::new(Arc::new(exchange()));
    session.greet("");
    session.feed(b"HELO c\r\nMAIL FROM:<a@x.jp>\r\nMAIL FROM:<b@x.jp>\r\n");
    session.next_event();
    let Event::Mail(_, first) = session.next_event() else {
        panic!();
    };
    let Event::Mail(_, second) = session.next_event() else {
        panic!();
    };
    first.accept(&mut session);
    assert!(!session.in_transaction());
    second.accept(&mut session);
    assert!(session.in_transaction());
}

#[test]
fn a_password_out_of_step_is_not_told() {
    let mut driver = submission();
    driver.feed(b"AUTH CRAM-MD5\r\nAGhhbmFrbwBzZXNhbWU=\r\n");
    assert!(
        driver.seen.iter().any(|seen| seen == "AGhh"),
        "{:?}",
        driver.seen
    );
    assert!(!format!("{:?}", driver.seen).contains("hbmFr"));
}

#[test]
fn a_421_of_the_driver_closes() {
    for last in ["DATA\r\n", "BDAT 2 LAST\r\nhi"] {
        let mut session = Session::new(Arc::new(exchange()));
        session.greet("");
        session.feed(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@x.jp>\r\n");
        session.feed(last.as_bytes());
        loop {
            match session.next_event() {
                Event::Mail(_, answer) => answer.accept(&mut session),
                Event::Rcpt(_, answer) => answer.accept(&mut session),
                Event::Data(_, answer) => answer.refuse(
                    &mut session,
                    Refusal::new::<421>(Detail::NOT_ACCEPTING, "Going down"),
                ),
                Event::Closed(reason) => {
                    assert_eq!(reason, CloseReason::Driver);
                    break;
                }
                Event::NeedInput => panic!("still open after {last:?}"),
                _ => {}
            }
        }
        assert!(session.take_output().ends_with(b"421 4.3.2 Going down\r\n"));
    }
}
