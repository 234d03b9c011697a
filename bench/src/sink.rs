//! The server at the other end of a relay: takes everything, keeps nothing, counts.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::Outcome;

/// A sink that runs in the load program.
pub(crate) struct Sink {
    pub(crate) port: u16,
    octets: Arc<AtomicU64>,
    taken: watch::Receiver<u64>,
}

impl Sink {
    /// Listens on `port` of loopback.
    pub(crate) async fn start(port: u16) -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let octets = Arc::new(AtomicU64::new(0));
        let (count, taken) = watch::channel(0);
        let counted = Arc::clone(&octets);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (count, octets) = (count.clone(), Arc::clone(&counted));
                // A connection that breaks shows as messages that do not come.
                tokio::spawn(async move { drop(serve(stream, &count, &octets).await) });
            }
        });
        Ok(Self {
            port,
            octets,
            taken,
        })
    }

    /// Messages taken so far.
    pub(crate) fn count(&self) -> u64 {
        *self.taken.borrow()
    }

    /// Octets of messages taken so far.
    pub(crate) fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// Waits until `count` messages were taken in all.
    pub(crate) async fn wait(&self, count: u64) -> Outcome<()> {
        let mut taken = self.taken.clone();
        let wait = taken.wait_for(|have| *have >= count);
        let limit = std::time::Duration::from_secs(300);
        match tokio::time::timeout(limit, wait).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(format!("the sink took {} of {count} messages", self.count()).into()),
        }
    }
}

async fn serve(
    mut stream: TcpStream,
    count: &watch::Sender<u64>,
    octets: &AtomicU64,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 sink.remote.test ESMTP\r\n").await?;
    let mut machine = Machine::default();
    let mut input = vec![0; 1 << 16];
    let mut answer = Vec::new();
    while !machine.over {
        let length = stream.read(&mut input).await?;
        if length == 0 {
            break;
        }
        let before = machine.octets;
        let taken = machine.feed(input.get(..length).unwrap_or_default(), &mut answer);
        octets.fetch_add(machine.octets - before, Ordering::Relaxed);
        if taken > 0 {
            count.send_modify(|sum| *sum += taken);
        }
        stream.write_all(&answer).await?;
        answer.clear();
    }
    Ok(())
}

/// Just enough of a server's side of SMTP.
#[derive(Default)]
struct Machine {
    line: Vec<u8>,
    in_data: bool,
    over: bool,
    octets: u64,
}

impl Machine {
    /// Takes bytes; puts replies into `answer`; how many messages ended.
    fn feed(&mut self, input: &[u8], answer: &mut Vec<u8>) -> u64 {
        let mut ended = 0;
        for part in input.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if !part.ends_with(b"\n") {
                break;
            }
            let line = std::mem::take(&mut self.line);
            if !self.in_data {
                answer.extend_from_slice(self.command(&line));
            } else if line == b".\r\n" {
                self.in_data = false;
                ended += 1;
                answer.extend_from_slice(b"250 2.0.0 taken\r\n");
            } else {
                self.octets += u64::try_from(line.len()).unwrap_or(0);
            }
            self.line = line;
            self.line.clear();
        }
        ended
    }

    fn command(&mut self, line: &[u8]) -> &'static [u8] {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_slice() {
            b"EHLO" => {
                b"250-sink.remote.test\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250 8BITMIME\r\n"
            }
            b"HELO" => b"250 sink.remote.test\r\n",
            b"DATA" => {
                self.in_data = true;
                b"354 go on\r\n"
            }
            b"QUIT" => {
                self.over = true;
                b"221 2.0.0 goodbye\r\n"
            }
            b"MAIL" | b"RCPT" | b"RSET" | b"NOOP" => b"250 2.0.0 ok\r\n",
            _ => b"500 5.5.1 what?\r\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelined_messages_are_counted_however_they_are_cut() {
        let text = b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@c>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n";
        for size in 1..text.len() {
            let (mut machine, mut answer) = (Machine::default(), Vec::new());
            let taken: u64 = text
                .chunks(size)
                .map(|part| machine.feed(part, &mut answer))
                .sum();
            assert_eq!((taken, machine.octets, machine.over), (1, 7, true));
            let text = String::from_utf8_lossy(&answer);
            assert_eq!(text.matches("250 ").count(), 4, "{text}");
        }
    }
}
