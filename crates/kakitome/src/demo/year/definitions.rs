//! A scanner with definitions, as far as clamd's clients can tell: it knows the file that scanners are tested with, and each day it has
//! definitions of that day, by the year's clock (clause 5.2(3)). On loopback, and for this demo alone.

use std::{io, net::SocketAddr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::{Timestamp, civil::date};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use world::{Clock as _, ManualClock};

use crate::settings;

/// The longest message that is taken.
const LONGEST: usize = 64 << 20;
/// The longest command.
const LONGEST_COMMAND: usize = 64;
/// What it says of itself before the number of its definitions.
const ENGINE: &str = "ClamAV 1.4.3";

/// Answers whoever connects, until it is dropped.
pub(super) async fn accept(listener: TcpListener, clock: ManualClock) {
    let mut clients = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let clock = clock.clone();
                clients.spawn(async move {
                    if let Err(error) = serve(stream, &clock).await {
                        tracing::debug!(%error, "a client of the demo's scanner went away");
                    }
                });
            }
            Err(error) => tracing::debug!(%error, "the demo's scanner"),
        }
        while clients.try_join_next().is_some() {}
    }
}

/// Where it listens.
///
/// # Errors
/// When the port is taken.
pub(super) async fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(at).await.map_err(|error| {
        io::Error::new(error.kind(), format!("the demo's scanner at {at}: {error}"))
    })
}

async fn serve(mut stream: TcpStream, clock: &ManualClock) -> io::Result<()> {
    let reply = match command(&mut stream).await?.as_slice() {
        b"zVERSION" => version(clock.now()),
        b"zPING" => "PONG".to_owned(),
        b"zINSTREAM" => match is_found(&message(&mut stream).await?) {
            true => "stream: Eicar-Test-Signature FOUND".to_owned(),
            false => "stream: OK".to_owned(),
        },
        _ => "UNKNOWN COMMAND".to_owned(),
    };
    stream.write_all(reply.as_bytes()).await?;
    stream.write_all(&[0]).await?;
    stream.shutdown().await
}

/// A command, without the zero at its end.
async fn command(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    loop {
        match stream.read_u8().await? {
            0 => return Ok(said),
            _ if said.len() >= LONGEST_COMMAND => return Err(too_long()),
            octet => said.push(octet),
        }
    }
}

/// A message: chunks, each after its length, the last of length zero.
async fn message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
        if length == 0 {
            return Ok(message);
        }
        let before = message.len();
        let whole = before.saturating_add(length);
        if whole > LONGEST {
            return Err(too_long());
        }
        message.resize(whole, 0);
        stream
            .read_exact(message.get_mut(before..).unwrap_or_default())
            .await?;
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is too long")
}

/// Whether the test file is in it, as it is or in base64.
fn is_found(message: &[u8]) -> bool {
    let virus = malware::test_virus();
    // Of base64, what does not depend on how the file ends.
    let whole = virus.len().saturating_sub(virus.len() % 3);
    let encoded = BASE64_STANDARD.encode(virus.get(..whole).unwrap_or_default());
    let unfolded: Vec<u8> = message
        .iter()
        .copied()
        .filter(|octet| !b"\r\n".contains(octet))
        .collect();
    [virus.as_slice(), encoded.as_bytes()]
        .iter()
        .any(|wanted| unfolded.windows(wanted.len()).any(|part| part == *wanted))
}

/// What it says of itself: definitions of the day, numbered by days, as `ctime` writes their time: in the machine's zone, whatever the
/// organisation's is, as a program that knows nothing of the site does.
fn version(now: Timestamp) -> String {
    let day = now.to_zoned(settings::machine_zone()).date();
    let number = date(1970, 1, 1)
        .until(day)
        .map_or(0, |span| span.get_days());
    format!(
        "{ENGINE}/{number}/{}",
        day.at(0, 0, 0, 0).strftime("%a %b %e %H:%M:%S %Y")
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use malware::{Address, Answer, Clamd, ClamdLimits};

    use super::*;

    #[tokio::test]
    async fn clamd_s_client_is_told_of_definitions_of_the_day_and_of_the_test_file() {
        let clock = ManualClock::at("2026-03-05T12:00:00Z".parse().unwrap());
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let at = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, clock.clone()));
        let address = Address::Tcp(at.ip().to_string(), at.port());
        let clamd = Clamd::new(address, ClamdLimits::default());
        let definitions = clamd.definitions().await.unwrap();
        assert!(definitions.age(clock.now()).unwrap() < 2 * 86_400);
        assert!(definitions.version.is_some());
        let mail = |body: &str| format!("Subject: x\r\n\r\n{body}\r\n").into_bytes();
        let encoded = BASE64_STANDARD.encode(malware::test_virus());
        let folded = format!("{}\r\n{}", &encoded[..40], &encoded[40..]);
        for (body, found) in [("会議", false), (folded.as_str(), true)] {
            let (_, answer) = clamd.scan(&mail(body)).await;
            assert_eq!(matches!(answer.unwrap(), Answer::Found(_)), found, "{body}");
        }
        task.abort();
    }
}
