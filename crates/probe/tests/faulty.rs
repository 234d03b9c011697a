//! Servers with one fault each: the check that looks for it must find it, and the same server without it must pass.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use probe::{Family, Plan, Protocol, Report, Tls, Verdict};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use world::World;

const KNOWN: &str = "sato@town.example";

/// What a server does wrong.
#[derive(Clone, Copy, Default)]
struct Faults {
    /// Octets from before the handshake are read after it.
    keeps_octets: bool,
    /// The sender from before the handshake counts after it.
    keeps_sender: bool,
    /// Commands are obeyed where the handshake should begin.
    goes_on: bool,
    /// A failed login of somebody who exists is slow.
    is_slow_for_known: bool,
    /// And answered otherwise.
    tells_known: bool,
    /// Logins are taken without TLS.
    takes_plaintext: bool,
    /// STARTTLS is listed within TLS.
    offers_twice: bool,
}

/// A server of one protocol, as little of it as the checks ask for.
#[derive(Clone)]
struct Server {
    protocol: Protocol,
    faults: Faults,
    acceptor: TlsAcceptor,
}

#[derive(Default)]
struct Session {
    buffer: Vec<u8>,
    encrypted: bool,
    sender: bool,
}

/// What a line leads to.
enum Next {
    Say(String),
    StartTls(String),
    End(String),
}

impl Server {
    async fn start(protocol: Protocol, faults: Faults) -> SocketAddr {
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(vec!["mx.town.example".to_owned()]).unwrap();
        let made = made.self_signed(&key).unwrap();
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(made.der().to_vec())], der)
            .unwrap();
        let server = Self {
            protocol,
            faults,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        address
    }

    async fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let greeting = match self.protocol {
            Protocol::Imap => "* OK hi\r\n",
            Protocol::Pop3 => "+OK hi\r\n",
            _ => "220 mx.town.example ESMTP\r\n",
        };
        stream.write_all(greeting.as_bytes()).await.ok()?;
        let mut session = Session::default();
        let says = self.converse(&mut stream, &mut session).await?;
        stream.write_all(says.as_bytes()).await.ok()?;
        if self.faults.goes_on {
            // It would shake hands later.
            self.converse(&mut stream, &mut session).await;
            return None;
        }
        let mut kept = Session {
            encrypted: true,
            ..Session::default()
        };
        if self.faults.keeps_octets {
            kept.buffer = session.buffer;
        }
        kept.sender = session.sender && self.faults.keeps_sender;
        let mut stream = self.acceptor.accept(stream).await.ok()?;
        self.converse(&mut stream, &mut kept).await;
        None
    }

    /// Talks until STARTTLS, which it returns the answer to, or to the end.
    async fn converse<S>(&self, stream: &mut S, session: &mut Session) -> Option<String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            while let Some(end) = session.buffer.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = session.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                match self.obey(&line, session).await {
                    Next::Say(says) => stream.write_all(says.as_bytes()).await.ok()?,
                    Next::StartTls(says) => return Some(says),
                    Next::End(says) => {
                        stream.write_all(says.as_bytes()).await.ok()?;
                        stream.shutdown().await.ok()?;
                        return None;
                    }
                }
            }
            let count = stream.read_buf(&mut session.buffer).await.ok()?;
            if count == 0 {
                return None;
            }
        }
    }

    async fn obey(&self, line: &str, session: &mut Session) -> Next {
        match self.protocol {
            Protocol::Imap => self.imap(line, session).await,
            Protocol::Pop3 => self.pop3(line, session).await,
            _ => self.smtp(line, session).await,
        }
    }

    async fn smtp(&self, line: &str, session: &mut Session) -> Next {
        let say = |text: &str| Next::Say(format!("{text}\r\n"));
        let word = line.split([' ', ':']).next().unwrap_or_default();
        match word {
            "EHLO" => {
                let tls = !session.encrypted || self.faults.offers_twice;
                let auth = session.encrypted || self.faults.takes_plaintext;
                let tls = if tls { "250-STARTTLS\r\n" } else { "" };
                let auth = if auth { "250-AUTH PLAIN\r\n" } else { "" };
                Next::Say(format!(
                    "250-mx.town.example\r\n{tls}{auth}250 8BITMIME\r\n"
                ))
            }
            "STARTTLS" => Next::StartTls("220 go\r\n".to_owned()),
            "MAIL" => {
                session.sender = true;
                say("250 ok")
            }
            "RCPT" if !session.sender => say("503 5.5.1 MAIL first"),
            "RCPT" if line.contains(KNOWN) => say("250 ok"),
            "RCPT" => say("550 5.1.1 no"),
            "RSET" | "NOOP" => say("250 ok"),
            "AUTH" if !session.encrypted && !self.faults.takes_plaintext => say("538 5.7.11 no"),
            "AUTH" => {
                let known = base64_has(line, KNOWN);
                self.wait(known).await;
                say(self.fails(known, "535 5.7.8 no", "535 5.7.8 wrong password"))
            }
            "QUIT" => Next::End("221 bye\r\n".to_owned()),
            _ => say("500 what"),
        }
    }

    async fn imap(&self, line: &str, session: &mut Session) -> Next {
        let (tag, command) = line.split_once(' ').unwrap_or((line, ""));
        let say = |text: &str| Next::Say(format!("{tag} {text}\r\n"));
        match command.split(' ').next().unwrap_or_default() {
            "CAPABILITY" => {
                let plain = !session.encrypted && !self.faults.takes_plaintext;
                let disabled = if plain { " LOGINDISABLED" } else { "" };
                let tls = if session.encrypted { "" } else { " STARTTLS" };
                say("OK").before(format!("* CAPABILITY IMAP4rev1{tls}{disabled}\r\n"))
            }
            "STARTTLS" => Next::StartTls(format!("{tag} OK go\r\n")),
            "NOOP" => say("OK"),
            "LOGIN" if !session.encrypted && !self.faults.takes_plaintext => {
                say("NO [PRIVACYREQUIRED] no")
            }
            "LOGIN" => {
                let known = line.contains(KNOWN);
                self.wait(known).await;
                say(self.fails(known, "NO [AUTHENTICATIONFAILED] no", "NO wrong password"))
            }
            "LOGOUT" => Next::End(format!("* BYE\r\n{tag} OK\r\n")),
            _ => say("BAD what"),
        }
    }

    async fn pop3(&self, line: &str, session: &mut Session) -> Next {
        let say = |text: &str| Next::Say(format!("{text}\r\n"));
        match line.split(' ').next().unwrap_or_default() {
            "CAPA" => {
                let user = session.encrypted || self.faults.takes_plaintext;
                let user = if user { "USER\r\n" } else { "" };
                Next::Say(format!("+OK\r\n{user}STLS\r\n.\r\n"))
            }
            "STLS" => Next::StartTls("+OK go\r\n".to_owned()),
            "USER" if !session.encrypted && !self.faults.takes_plaintext => say("-ERR no"),
            "USER" => {
                session.sender = line.contains(KNOWN);
                say("+OK")
            }
            "PASS" => {
                self.wait(session.sender).await;
                say(self.fails(session.sender, "-ERR no", "-ERR wrong password"))
            }
            "QUIT" => Next::End("+OK bye\r\n".to_owned()),
            _ => say("-ERR what"),
        }
    }

    async fn wait(&self, known: bool) {
        if known && self.faults.is_slow_for_known {
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    }

    fn fails(&self, known: bool, usual: &'static str, telling: &'static str) -> &'static str {
        match known && self.faults.tells_known {
            true => telling,
            false => usual,
        }
    }
}

impl Next {
    fn before(self, text: String) -> Self {
        match self {
            Self::Say(says) => Self::Say(text + &says),
            other => other,
        }
    }
}

fn base64_has(line: &str, name: &str) -> bool {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let word = line.rsplit(' ').next().unwrap_or_default();
    let octets = BASE64_STANDARD.decode(word).unwrap_or_default();
    String::from_utf8_lossy(&octets).contains(name)
}

async fn report(protocol: Protocol, faults: Faults, only: &[Family]) -> Report {
    let address = Server::start(protocol, faults).await;
    let mut plan = Plan::new("127.0.0.1", address.port(), protocol, Tls::AsUsual);
    plan.step_time = Duration::from_secs(10);
    plan.recipient = Some(KNOWN.to_owned());
    plan.logins = true;
    plan.samples = 4;
    plan.only = only.to_vec();
    probe::run(&plan, &World::system(), |_| {}).await.unwrap()
}

#[track_caller]
fn ended(report: &Report, check: &str, verdict: Verdict) {
    let found = report
        .findings
        .iter()
        .find(|finding| finding.check == check);
    let found = found.unwrap_or_else(|| panic!("{check} was not tried"));
    assert_eq!(found.verdict, verdict, "{found:#?}");
}

/// The fault is found in each protocol, and is not found where it is not.
async fn found(
    protocols: &[Protocol],
    family: Family,
    check: &str,
    faults: Faults,
    verdict: Verdict,
) {
    for protocol in protocols {
        let check = check.replace("{protocol}", protocol.as_str());
        let faulty = report(*protocol, faults, &[family]).await;
        ended(&faulty, &check, verdict);
        let sound = report(*protocol, Faults::default(), &[family]).await;
        ended(&sound, &check, Verdict::Pass);
    }
}

const ANY: &[Protocol] = &[
    Protocol::Smtp,
    Protocol::Submission,
    Protocol::Imap,
    Protocol::Pop3,
];
const LOGINS: &[Protocol] = &[Protocol::Submission, Protocol::Imap, Protocol::Pop3];
const SMTP: &[Protocol] = &[Protocol::Smtp, Protocol::Submission];

#[tokio::test]
async fn commands_from_before_the_handshake() {
    let faults = Faults {
        keeps_octets: true,
        ..Faults::default()
    };
    found(
        ANY,
        Family::StartTls,
        "starttls.injection",
        faults,
        Verdict::Fail,
    )
    .await;
}

#[tokio::test]
async fn a_sender_from_before_the_handshake() {
    let faults = Faults {
        keeps_sender: true,
        ..Faults::default()
    };
    found(
        SMTP,
        Family::StartTls,
        "starttls.kept-state",
        faults,
        Verdict::Fail,
    )
    .await;
}

#[tokio::test]
async fn plain_text_in_the_place_of_a_handshake() {
    let faults = Faults {
        goes_on: true,
        ..Faults::default()
    };
    found(
        ANY,
        Family::StartTls,
        "starttls.goes-on-in-plain",
        faults,
        Verdict::Fail,
    )
    .await;
}

#[tokio::test]
async fn tls_within_tls() {
    let faults = Faults {
        offers_twice: true,
        ..Faults::default()
    };
    found(
        SMTP,
        Family::StartTls,
        "starttls.twice",
        faults,
        Verdict::Warn,
    )
    .await;
}

#[tokio::test]
async fn a_login_that_tells_by_its_time() {
    let faults = Faults {
        is_slow_for_known: true,
        ..Faults::default()
    };
    found(
        LOGINS,
        Family::Enumeration,
        "enumeration.login-time",
        faults,
        Verdict::Fail,
    )
    .await;
}

#[tokio::test]
async fn a_login_that_tells_by_its_words() {
    let faults = Faults {
        tells_known: true,
        ..Faults::default()
    };
    found(
        LOGINS,
        Family::Enumeration,
        "enumeration.login-reply",
        faults,
        Verdict::Fail,
    )
    .await;
}

#[tokio::test]
async fn passwords_in_plain_text() {
    let faults = Faults {
        takes_plaintext: true,
        ..Faults::default()
    };
    for check in ["login.plaintext-offered", "login.plaintext-taken"] {
        found(SMTP, Family::Login, check, faults, Verdict::Fail).await;
    }
    for (protocol, family) in [
        (Protocol::Imap, Family::Imap),
        (Protocol::Pop3, Family::Pop3),
    ] {
        for check in ["{protocol}.plaintext-offered", "{protocol}.plaintext-login"] {
            found(&[protocol], family, check, faults, Verdict::Fail).await;
        }
    }
}

/// Without consent nobody's login fails, whatever else is asked.
#[tokio::test]
async fn without_consent_no_login_is_tried() {
    let address = Server::start(Protocol::Imap, Faults::default()).await;
    let mut plan = Plan::new("127.0.0.1", address.port(), Protocol::Imap, Tls::AsUsual);
    plan.recipient = Some(KNOWN.to_owned());
    let report = probe::run(&plan, &World::system(), |_| {}).await.unwrap();
    ended(&report, "enumeration.login-reply", Verdict::CouldNotTell);
    ended(&report, "enumeration.login-time", Verdict::CouldNotTell);
    let said = report.findings.iter().flat_map(|finding| &finding.dialogue);
    assert!(
        said.filter(|said| said.text.contains("LOGIN"))
            .all(|said| !said.text.contains(KNOWN))
    );
}
