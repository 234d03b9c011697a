//! The demo's mail: submitted by its people as a mail program does, then waited for.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use rustls::{
    ClientConfig, RootCertStore,
    time_provider::{DefaultTimeProvider, TimeProvider},
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use store::queue;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpSocket,
    time::{Instant, sleep, timeout},
};
use wire::Stream;

use super::people::Person;
use crate::{serve::Running, settings::Service};

/// How long the demo's mail may take to flow.
const FLOW_TIME: Duration = Duration::from_secs(30);
/// How long one reply may take.
const REPLY_TIME: Duration = Duration::from_secs(30);

/// One message: subject and text.
pub(super) type Letter = (&'static str, &'static str);

const INSIDE: &[Letter] = &[
    (
        "会議のお知らせ",
        "明日の会議は十時から、第二会議室です。\r\n資料は前日までに共有します。\r\n",
    ),
    ("Lunch", "Noodles at noon?\r\n"),
];
const OUT: Letter = (
    "見積もりのお願い",
    "添付の件、今週中にお見積もりをいただけますか。\r\n",
);
const IN: Letter = (
    "Re: 見積もりのお願い",
    "承知しました。金曜日までにお送りします。\r\n",
);

/// Sends mail between the people of the city, out to the partner and back in, and waits until it is there.
pub(super) async fn flow(
    city: &Running,
    staff: &[Person],
    partner: &Running,
    friends: &[Person],
) -> Result<()> {
    let [tanaka, suzuki, sato] = staff else {
        return Err(miette!("the city has three people"));
    };
    let [yamada] = friends else {
        return Err(miette!("the partner has one person"));
    };
    for letter in INSIDE {
        submit(city, tanaka, &[suzuki, sato], *letter).await?;
    }
    submit(city, suzuki, &[tanaka], INSIDE[1]).await?;
    submit(city, tanaka, &[yamada], OUT).await?;
    submit(partner, yamada, &[tanaka], IN).await?;
    drained(city).await?;
    drained(partner).await
}

/// Waits until nothing is queued any more.
pub(super) async fn drained(running: &Running) -> Result<()> {
    let deadline = Instant::now() + FLOW_TIME;
    loop {
        let totals = running
            .site
            .store
            .read(|sql| queue::totals(sql))
            .await
            .into_diagnostic()?;
        if totals.messages == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(miette!(
                "the demo's mail does not flow: {} messages wait",
                totals.messages
            ));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Submits one message over TLS, as a mail program does.
async fn submit(running: &Running, from: &Person, to: &[&Person], letter: Letter) -> Result<()> {
    submit_from(running, Ipv4Addr::LOCALHOST, from, to, letter).await
}

/// The same from another address of loopback.
pub(super) async fn submit_from(
    running: &Running,
    place: Ipv4Addr,
    from: &Person,
    to: &[&Person],
    letter: Letter,
) -> Result<()> {
    let mut session = Session::open(running, place).await?;
    session.expect("220").await?;
    session.say("EHLO demo.example", "250").await?;
    let proof = format!("\0{}\0{}", from.address, from.password);
    session
        .say(
            &format!("AUTH PLAIN {}", BASE64_STANDARD.encode(proof)),
            "235",
        )
        .await?;
    session
        .say(&format!("MAIL FROM:<{}>", from.address), "250")
        .await?;
    for person in to {
        session
            .say(&format!("RCPT TO:<{}>", person.address), "250")
            .await?;
    }
    session.say("DATA", "354").await?;
    session.say(&written(from, to, letter), "250").await?;
    session.say("QUIT", "221").await
}

/// The message with its final dot.
fn written(from: &Person, to: &[&Person], (subject, text): Letter) -> String {
    let word = |text: &str| format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(text));
    let recipients: Vec<String> = to
        .iter()
        .map(|person| format!("<{}>", person.address))
        .collect();
    format!(
        "From: {} <{}>\r\nTo: {}\r\nSubject: {}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}.",
        word(from.full_name),
        from.address,
        recipients.join(", "),
        word(subject),
    )
}

/// A submission session, one command at a time.
struct Session {
    stream: BufReader<Stream>,
}

impl Session {
    async fn open(running: &Running, place: Ipv4Addr) -> Result<Self> {
        let address = running
            .site
            .listeners()
            .into_iter()
            .find(|(service, _)| *service == Service::Submissions)
            .map(|(_, address)| address)
            .ok_or_else(|| miette!("the demo needs the submissions listener"))?;
        let tls = trusting(running)?;
        let stream = connect(place, address, tls).await.into_diagnostic()?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    async fn say(&mut self, line: &str, wanted: &str) -> Result<()> {
        let bytes = format!("{line}\r\n");
        self.stream
            .write_all(bytes.as_bytes())
            .await
            .into_diagnostic()?;
        self.stream.flush().await.into_diagnostic()?;
        self.expect(wanted).await
    }

    async fn expect(&mut self, wanted: &str) -> Result<()> {
        loop {
            let mut line = String::new();
            timeout(REPLY_TIME, self.stream.read_line(&mut line))
                .await
                .into_diagnostic()
                .wrap_err("the demo's server does not answer")?
                .into_diagnostic()?;
            if !line.starts_with(wanted) {
                return Err(miette!(
                    "the demo's server said {:?} instead of {wanted}",
                    line.trim_end()
                ));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

async fn connect(
    place: Ipv4Addr,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> std::io::Result<Stream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((place, 0).into())?;
    let socket = socket.connect(address).await?;
    let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
    Stream::plain(socket).connect_tls(tls, name).await
}

/// Trusts the demo's own certificate and no other.
fn trusting(running: &Running) -> Result<Arc<ClientConfig>> {
    trusting_at(running, Arc::new(DefaultTimeProvider))
}

/// The same at a time that is another's to tell.
pub(super) fn trusting_at(
    running: &Running,
    time: Arc<dyn TimeProvider>,
) -> Result<Arc<ClientConfig>> {
    let settings = running.site.settings();
    let path = running.site.path.join(&settings.tls.certificate);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(path).into_diagnostic()?)
        .into_diagnostic()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_details(provider, time)
        .with_safe_default_protocol_versions()
        .into_diagnostic()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
