//! A name server that knows one domain: enough to bring the DNS back, and for `check` to find all it looks for.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

const MX: u16 = 15;
const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;

/// Answers until it is dropped.
pub(crate) struct NameServer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// At `at`: `domain` has the MX `mail.<domain>`, whose address is `host` and back, and policies for SPF and DMARC.
    pub(crate) fn start(at: SocketAddr, domain: &str, host: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind(at).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (stopping, domain) = (Arc::clone(&stop), domain.to_owned());
        let thread = std::thread::spawn(move || {
            let mut question = [0; 1500];
            while !stopping.load(Ordering::SeqCst) {
                let Ok((octets, peer)) = socket.recv_from(&mut question) else {
                    continue;
                };
                if let Some(answer) = answer(&question[..octets], &domain, host) {
                    socket.send_to(&answer, peer).unwrap();
                }
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn answer(question: &[u8], domain: &str, host: Ipv4Addr) -> Option<Vec<u8>> {
    let (name, end) = name_at(question, 12)?;
    let kind = u16::from_be_bytes([*question.get(end)?, *question.get(end + 1)?]);
    let mail = format!("mail.{domain}");
    let dmarc = format!("_dmarc.{domain}");
    let [a, b, c, d] = host.octets();
    let back = format!("{d}.{c}.{b}.{a}.in-addr.arpa");
    let name = name.to_ascii_lowercase();
    let data = match kind {
        MX if name == domain => Some([&[0, 10][..], &encoded(&mail)].concat()),
        A if name == mail => Some(host.octets().to_vec()),
        PTR if name == back => Some(encoded(&mail)),
        TXT if name == domain => Some(text("v=spf1 mx -all")),
        TXT if name == dmarc => Some(text("v=DMARC1; p=none")),
        _ => None,
    };
    let known = [domain, &mail, &back, &dmarc].contains(&name.as_str());
    let mut answer = question.get(..2)?.to_vec();
    // A response with authority and recursion; NXDOMAIN for strangers.
    answer.extend([0x85, if known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
    answer.extend(question.get(12..end + 4)?);
    if let Some(data) = data {
        answer.extend([0xC0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 5]);
        answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        answer.extend(data);
    }
    Some(answer)
}

/// The name at `at`, and where it ends.
fn name_at(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        let octets = usize::from(*message.get(at)?);
        at += 1;
        if octets == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + octets)?).into_owned());
        at += octets;
    }
}

/// One character string.
fn text(text: &str) -> Vec<u8> {
    let mut data = vec![u8::try_from(text.len()).unwrap()];
    data.extend(text.as_bytes());
    data
}

fn encoded(name: &str) -> Vec<u8> {
    let mut encoded = Vec::new();
    for label in name.split('.') {
        encoded.push(u8::try_from(label.len()).unwrap());
        encoded.extend(label.as_bytes());
    }
    encoded.push(0);
    encoded
}
