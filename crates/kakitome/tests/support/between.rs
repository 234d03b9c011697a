//! Somebody between the server and a real peer: what passes is late, cut off, forged or noise, as a story wants.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::Mutex;

/// Octets of a datagram.
const DATAGRAM: usize = 4096;
/// How long a real peer may take.
const PEER: Duration = Duration::from_secs(10);
/// After which nothing more is expected of a peer that has begun to answer.
const PAUSE: Duration = Duration::from_millis(300);
/// Longer than the server waits for anything in these stories.
const LATE: Duration = Duration::from_secs(8);

/// What is done with what the real peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It passes.
    Honest,
    /// It comes too late.
    Late,
    /// Half of it comes, and then the connection breaks. Over UDP it is said to be cut off, so that the asker comes by TCP.
    Half,
    /// It is said to be cut off, and nobody is there by TCP.
    CutOff,
    /// It is said to be the answer to another question of the asker's: with another id.
    OtherId,
    /// It is the answer to a question that was not asked.
    OtherQuestion,
    /// It is noise, with the right id where there is one.
    Noise,
    /// It never ends.
    Endless,
}

/// Stands between until the story ends.
pub(crate) struct Between {
    way: Arc<Mutex<Way>>,
    at: SocketAddr,
}

impl Between {
    /// Before the name server at `real`.
    pub(crate) fn names(real: &str) -> Self {
        let real: SocketAddr = real.parse().unwrap();
        // The same port by both protocols.
        let (udp, tcp) = loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let at = udp.local_addr().unwrap();
        let way = Arc::new(Mutex::new(Way::Honest));
        let by_datagram = Arc::clone(&way);
        thread::spawn(move || {
            let udp = Arc::new(udp);
            loop {
                let mut question = [0; DATAGRAM];
                let (count, peer) = udp.recv_from(&mut question).unwrap();
                let (udp, way) = (Arc::clone(&udp), *by_datagram.lock());
                thread::spawn(move || {
                    if let Some(answer) = asked(real, &question[..count])
                        && let Some(told) = turned(answer, way)
                    {
                        udp.send_to(&told, peer).unwrap();
                    }
                });
            }
        });
        let by_stream = Arc::clone(&way);
        thread::spawn(move || {
            for stream in tcp.incoming() {
                let way = *by_stream.lock();
                // What an asker that has gone makes of it is no matter.
                thread::spawn(move || drop(name_stream(stream.unwrap(), real, way)));
            }
        });
        Self { way, at }
    }

    /// Before the server that is spoken to by HTTP at `real`.
    pub(crate) fn http(real: &str) -> Self {
        let real: SocketAddr = real.parse().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let way = Arc::new(Mutex::new(Way::Honest));
        let now = Arc::clone(&way);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let way = *now.lock();
                thread::spawn(move || drop(http_stream(stream.unwrap(), real, way)));
            }
        });
        Self { way, at }
    }

    /// From now on so.
    pub(crate) fn turn(&self, way: Way) {
        *self.way.lock() = way;
    }

    pub(crate) fn at(&self) -> String {
        self.at.to_string()
    }
}

/// What the real name server says.
fn asked(real: SocketAddr, question: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(PEER)).unwrap();
    socket.send_to(question, real).ok()?;
    let mut answer = [0; DATAGRAM];
    let count = socket.recv(&mut answer).ok()?;
    Some(answer[..count].to_vec())
}

/// The datagram as it is told.
fn turned(mut answer: Vec<u8>, way: Way) -> Option<Vec<u8>> {
    match way {
        Way::Honest => {}
        Way::Late => thread::sleep(LATE),
        Way::OtherId => answer[1] ^= 0x55,
        Way::OtherQuestion => {
            // The first letter of the name that was asked for.
            answer[13] = if answer[13] == b'q' { b'x' } else { b'q' };
        }
        Way::Half | Way::CutOff => {
            answer[2] |= 0x02;
            answer[6..12].fill(0);
            answer.truncate(end_of_question(&answer));
        }
        Way::Noise => answer[2..].fill(0xff),
        Way::Endless => return None,
    }
    Some(answer)
}

fn end_of_question(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] != 0 {
        at += usize::from(message[at]) + 1;
    }
    at + 5
}

fn name_stream(mut stream: TcpStream, real: SocketAddr, way: Way) -> std::io::Result<()> {
    if way == Way::CutOff {
        return stream.shutdown(Shutdown::Both);
    }
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question)?;
    let answer = asked(real, &question).unwrap_or_default();
    stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes())?;
    let told = match way {
        Way::Half => &answer[..answer.len() / 2],
        _ => &answer[..],
    };
    stream.write_all(told)
}

/// One exchange: the request goes on as it comes, and the reply comes back as the way wants it.
fn http_stream(mut client: TcpStream, real: SocketAddr, way: Way) -> std::io::Result<()> {
    let mut server = TcpStream::connect(real)?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || drop(std::io::copy(&mut from, &mut to)));
    server.set_read_timeout(Some(PEER))?;
    let mut reply = Vec::new();
    let mut piece = [0; 16 << 10];
    while let Ok(count) = server.read(&mut piece) {
        if count == 0 {
            break;
        }
        reply.extend_from_slice(&piece[..count]);
        server.set_read_timeout(Some(PAUSE))?;
    }
    match way {
        Way::Late => thread::sleep(LATE),
        Way::Half => reply.truncate(reply.len() / 2),
        Way::Noise => reply.fill(0xff),
        Way::Endless => {
            client.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"score\": \"",
            )?;
            loop {
                client.write_all(&piece)?;
            }
        }
        _ => {}
    }
    client.write_all(&reply)?;
    client.shutdown(Shutdown::Both)
}
