//! The world outside of the year's site: a name server that knows a few domains, a mail server that takes what is for them, and a scanner
//! that is fed with definitions. All on loopback; nothing leaves the machine.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};
use world::ManualClock;

use super::definitions;

/// Domains that the site has to do with.
pub(super) const DOMAINS: &[&str] = &[
    "partner.example",
    "prefecture.example",
    "builders.example",
    "school.example",
];
/// Where their mail comes from.
pub(super) const NETWORK: [u8; 3] = [198, 51, 100];
/// Nobody there has this name: what is for it comes back.
pub(super) const GONE: &str = "gone";

/// The longest line that is read.
const LONGEST_LINE: usize = 100_000;
/// Octets of a question (RFC 1035, section 2.3.4).
const QUESTION: usize = 512;

/// What runs outside, until it is dropped.
pub(super) struct Outside {
    _tasks: JoinSet<()>,
}

impl Outside {
    /// Begins: the name server, the mail server, and a scanner that goes by `clock`.
    ///
    /// # Errors
    /// When one of the ports is taken.
    pub(super) async fn begin(
        (names, mail, scanner): (SocketAddr, SocketAddr, SocketAddr),
        clock: &ManualClock,
    ) -> io::Result<Self> {
        let named = |what: &str, at: SocketAddr, error: &io::Error| {
            io::Error::new(error.kind(), format!("{what} at {at}: {error}"))
        };
        let socket = UdpSocket::bind(names)
            .await
            .map_err(|error| named("the demo's name server", names, &error))?;
        let listener = TcpListener::bind(mail)
            .await
            .map_err(|error| named("the demo's outside mail server", mail, &error))?;
        let scanner = definitions::listen(scanner).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(definitions::accept(scanner, clock.clone()));
        tasks.spawn(answer(socket));
        tasks.spawn(accept(listener));
        Ok(Self { _tasks: tasks })
    }
}

async fn answer(socket: UdpSocket) {
    let mut question = [0; QUESTION];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut question).await else {
            continue;
        };
        let answer = question.get(..length).and_then(reply);
        if let Some(answer) = answer
            && let Err(error) = socket.send_to(&answer, from).await
        {
            tracing::debug!(%error, "an answer of the demo's name server did not get away");
        }
    }
}

/// The answer to a question of one name (RFC 1035, section 4.1). `None`: it is none.
fn reply(question: &[u8]) -> Option<Vec<u8>> {
    const TEXT: u16 = 16;
    let id = question.get(..2)?;
    let asked = u16::from_be_bytes(question.get(4..6)?.try_into().ok()?);
    let is_question = question.get(2)? & 0x80 == 0;
    if asked != 1 || !is_question {
        return None;
    }
    let (name, end) = name(question, 12)?;
    let kind = u16::from_be_bytes(question.get(end..end.checked_add(2)?)?.try_into().ok()?);
    let whole = question.get(12..end.checked_add(4)?)?;
    let known = DOMAINS.contains(&name.as_str());
    let [a, b, c] = NETWORK;
    let sender = format!("v=spf1 ip4:{a}.{b}.{c}.0/24 -all");
    let told = (known && kind == TEXT).then_some(sender);
    let code = if known { 0x80 } else { 0x83 };
    let mut reply = id.to_vec();
    // A response, with recursion: no error, or no such name.
    reply.extend([0x81, code, 0, 1, 0, u8::from(told.is_some()), 0, 0, 0, 0]);
    reply.extend(whole);
    if let Some(text) = told {
        let length = u8::try_from(text.len()).ok()?;
        reply.extend([0xc0, 12, 0, 16, 0, 1, 0, 1, 0x51, 0x80, 0]);
        reply.extend([length.checked_add(1)?, length]);
        reply.extend(text.as_bytes());
    }
    Some(reply)
}

/// A name that is not compressed, in small letters, and where it ends.
fn name(question: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels: Vec<String> = Vec::new();
    loop {
        let length = usize::from(*question.get(at)?);
        at = at.checked_add(1)?;
        match length {
            0 => return Some((labels.join("."), at)),
            1..64 => {
                let label = question.get(at..at.checked_add(length)?)?;
                labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
                at = at.checked_add(length)?;
            }
            _ => return None,
        }
    }
}

async fn accept(listener: TcpListener) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                sessions.spawn(async move {
                    if let Err(error) = converse(stream).await {
                        tracing::debug!(%error, "a session with the demo's outside mail server broke");
                    }
                });
            },
            Some(_) = sessions.join_next() => {}
        }
    }
}

/// Takes mail as the simplest of servers does (RFC 5321, section 4.5.1), and keeps none of it.
async fn converse(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 outside.example\r\n").await?;
    let mut line = Vec::new();
    while read_line(&mut stream, &mut line).await? {
        let text = String::from_utf8_lossy(&line).to_ascii_uppercase();
        let reply: &[u8] = match text.get(..4).unwrap_or_default() {
            "EHLO" => b"250-outside.example\r\n250 8BITMIME\r\n",
            "HELO" | "MAIL" | "RSET" | "NOOP" => b"250 2.0.0 Yes\r\n",
            "RCPT" if text.contains(&format!("<{}@", GONE.to_ascii_uppercase())) => {
                b"550 5.1.1 Nobody of that name\r\n"
            }
            "RCPT" => b"250 2.1.5 Yes\r\n",
            "DATA" => {
                stream.write_all(b"354 Go on\r\n").await?;
                while read_line(&mut stream, &mut line).await? && line != b".\r\n" {}
                b"250 2.0.0 Taken\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 2.0.0 Bye\r\n").await?;
                return stream.shutdown().await;
            }
            _ => b"502 5.5.1 What?\r\n",
        };
        stream.write_all(reply).await?;
    }
    Ok(())
}

/// `false`: the client is gone.
async fn read_line(stream: &mut BufReader<TcpStream>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let most = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    let mut bounded = tokio::io::AsyncReadExt::take(stream, most);
    Ok(bounded.read_until(b'\n', line).await? > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn question(labels: &[&str], kind: u8) -> Vec<u8> {
        let mut question = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in labels {
            question.push(u8::try_from(label.len()).unwrap());
            question.extend(label.as_bytes());
        }
        question.extend([0, 0, kind, 0, 1]);
        question
    }

    #[test]
    fn known_domains_say_who_sends_for_them_and_others_are_not() {
        let told = reply(&question(&["Partner", "example"], 16)).unwrap();
        assert_eq!(told.get(..8), Some(&[7, 9, 0x81, 0x80, 0, 1, 0, 1][..]));
        assert!(told.ends_with(b"-all"), "{told:?}");
        let none = reply(&question(&["partner", "example"], 15)).unwrap();
        assert_eq!(none.get(3..8), Some(&[0x80, 0, 1, 0, 0][..]));
        let other = reply(&question(&["spam", "example"], 16)).unwrap();
        assert_eq!(other.get(3), Some(&0x83));
    }

    #[test]
    fn what_is_no_question_has_no_answer() {
        let whole = question(&["partner", "example"], 16);
        for length in 0..whole.len() {
            assert_eq!(reply(whole.get(..length).unwrap()), None, "{length}");
        }
        assert_eq!(reply(&[0xff; QUESTION]), None);
    }
}
