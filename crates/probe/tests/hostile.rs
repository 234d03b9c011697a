//! Servers that lie, stall or never end: a probe of them ends in time, keeps its memory, and says what was wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use probe::{Family, Plan, Protocol, Report, Tls, Unreachable, Verdict, checks};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use world::World;

/// How long one step may take in these tests.
const STEP: Duration = Duration::from_millis(300);
/// What buffers of the system may hold of a connection that nobody reads from.
const BUFFERS: usize = 16 << 20;

/// What a server says, and how.
#[derive(Clone, Copy)]
enum Manner {
    /// Hangs up.
    Closes,
    /// Says this again and again.
    Endless(&'static [u8]),
    /// Says this, octet by octet, slowly.
    Drips(&'static [u8]),
    /// Says this and then nothing.
    Says(&'static [u8]),
}

/// A server that greets in one manner, and answers everything in another; how many octets it could send.
async fn server(greets: Manner, answers: Manner) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sent = Arc::clone(&counter);
            tokio::spawn(async move {
                if !behave(&mut stream, greets, &sent).await {
                    return;
                }
                let mut octets = [0; 1024];
                while stream.read(&mut octets).await.is_ok_and(|count| count > 0) {
                    if !behave(&mut stream, answers, &sent).await {
                        return;
                    }
                }
            });
        }
    });
    (address, sent)
}

/// Whether the connection goes on.
async fn behave(stream: &mut TcpStream, manner: Manner, sent: &AtomicUsize) -> bool {
    let mut say = async |octets: &[u8]| {
        sent.fetch_add(octets.len(), Ordering::SeqCst);
        stream.write_all(octets).await.is_ok()
    };
    match manner {
        Manner::Closes => false,
        Manner::Says(octets) => say(octets).await,
        Manner::Endless(octets) => {
            while say(octets).await {}
            false
        }
        Manner::Drips(octets) => {
            for octet in octets.iter().cycle() {
                if !say(&[*octet]).await {
                    return false;
                }
                sleep(STEP / 10).await;
            }
            true
        }
    }
}

fn plan(address: SocketAddr, protocol: Protocol) -> Plan {
    let mut plan = Plan::new("127.0.0.1", address.port(), protocol, Tls::AsUsual);
    plan.step_time = STEP;
    plan.total_time = Duration::from_secs(60);
    plan
}

async fn run(plan: &Plan) -> Result<Report, Unreachable> {
    probe::run(plan, &World::system(), |_| {}).await
}

#[tokio::test]
async fn a_greeting_that_is_none_is_told() {
    let cases: [(Manner, &str); 7] = [
        (Manner::Closes, "the server closed the connection"),
        (Manner::Endless(b"220"), "a line of more than"),
        (Manner::Endless(b"220-more\r\n"), "lines came"),
        (
            Manner::Drips(b"220-more\r\n"),
            "no whole answer came within",
        ),
        (Manner::Says(b""), "no whole answer came within"),
        (
            Manner::Says(b"SSH-2.0-x\r\n"),
            "is no answer of this protocol",
        ),
        (Manner::Says(b"554 5.7.1 go away\r\n"), "go away"),
    ];
    for (greets, why) in cases {
        let (address, sent) = server(greets, Manner::Closes).await;
        let began = Instant::now();
        let error = run(&plan(address, Protocol::Smtp)).await.unwrap_err();
        let told = error.to_string();
        assert!(told.contains(why), "{told}");
        assert!(
            told.contains("127.0.0.1") && told.contains("smtp"),
            "{told}"
        );
        assert!(began.elapsed() < STEP * 4, "{why}: {:?}", began.elapsed());
        assert!(sent.load(Ordering::SeqCst) < BUFFERS, "{why}");
    }
}

#[tokio::test]
async fn nobody_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = run(&plan(address, Protocol::Imap)).await.unwrap_err();
    assert!(error.to_string().contains("cannot connect"), "{error}");
}

/// After a good greeting every check ends, in time, and none passes or fails by accident.
#[tokio::test]
async fn answers_without_end_are_given_up() {
    for (protocol, greeting) in [
        (Protocol::Smtp, &b"220 mx.example ESMTP\r\n"[..]),
        (Protocol::Imap, b"* OK hi\r\n"),
        (Protocol::Pop3, b"+OK hi\r\n"),
    ] {
        for answers in [
            Manner::Endless(b"250-\xff\x1b[31m more\r\n"),
            Manner::Endless(b"* OK \x00 more\r\n"),
            Manner::Endless(b"x"),
        ] {
            let (address, sent) = server(Manner::Says(greeting), answers).await;
            let report = run(&plan(address, protocol)).await.unwrap();
            let tried = report.findings.len();
            assert!(tried > 20, "{tried}");
            assert!(sent.load(Ordering::SeqCst) < BUFFERS.saturating_mul(tried));
            let failed = report.count(Verdict::Fail);
            assert_eq!(failed, 0, "{:#?}", report.page(SHOW));
            for said in report.findings.iter().flat_map(|finding| &finding.dialogue) {
                assert!(said.text.len() < 2000 && !said.text.contains('\x1b'));
            }
        }
    }
}

const SHOW: probe::Show = probe::Show {
    language: probe::Language::English,
    all_dialogues: true,
};

#[tokio::test]
async fn a_server_that_says_nothing_more_ends_with_the_total_time() {
    let (address, _) = server(Manner::Says(b"220 mx.example ESMTP\r\n"), Manner::Says(b"")).await;
    let mut plan = plan(address, Protocol::Smtp);
    plan.total_time = STEP * 5;
    let began = Instant::now();
    let report = run(&plan).await.unwrap();
    assert!(began.elapsed() < STEP * 8, "{:?}", began.elapsed());
    let smtp = checks()
        .filter(|check| check.protocols.contains(&Protocol::Smtp))
        .count();
    assert_eq!(report.findings.len(), smtp, "each check has its line");
    assert_eq!(report.count(Verdict::CouldNotTell), smtp);
    let last = report.findings.last().unwrap();
    assert!(last.reason.contains("was over"), "{}", last.reason);
}

/// What comes in the place of a handshake.
#[tokio::test]
async fn a_handshake_that_is_none_ends() {
    for answers in [
        Manner::Endless(&[22, 3, 3, 0x40, 0]),
        Manner::Endless(&[21, 3, 3, 0, 2, 1, 112]),
        Manner::Drips(&[22, 3, 3, 0, 200]),
        Manner::Says(b"* hello\r\n"),
        Manner::Closes,
    ] {
        let (address, sent) = server(Manner::Says(b"220 2.0.0 go\r\n"), answers).await;
        let mut plan = plan(address, Protocol::Submission);
        plan.only = vec![Family::Tls];
        let report = run(&plan).await.unwrap();
        assert_eq!(report.count(Verdict::Fail), 0, "{:#?}", report.page(SHOW));
        assert!(sent.load(Ordering::SeqCst) < BUFFERS.saturating_mul(report.findings.len()));
        // The same where TLS begins at once.
        let (address, _) = server(answers, answers).await;
        plan.port = address.port();
        plan.tls = Tls::Implicit;
        assert!(run(&plan).await.is_err());
    }
}
