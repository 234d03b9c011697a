//! clamd: the real one, from Debian, with a database of a story's own; and one that behaves as a story wants.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{Process, place, until};

const READY: Duration = Duration::from_secs(60);
/// MD5 and length of EICAR's test file.
const DATABASE: &str = "44d88612fea8a8f36de82e1278abb02f:68:Story.Eicar\n";

/// The real one.
pub(crate) struct Clamd {
    // First, so that it ends before its directory goes.
    process: Option<Process>,
    place: TempDir,
}

impl Clamd {
    /// Starts it with the story's database, which has no date.
    #[track_caller]
    pub(crate) fn start() -> Self {
        let place = place();
        let database = place.path().join("db");
        fs::create_dir(&database).unwrap();
        fs::write(database.join("story.hdb"), DATABASE).unwrap();
        let settings = format!(
            "LocalSocket {0}/clamd.ctl\nDatabaseDirectory {0}/db\nTemporaryDirectory {0}\nForeground yes\n\
             StreamMaxLength 60M\nMaxThreads 4\nLogFile {0}/clamd.log\n",
            place.path().display()
        );
        fs::write(place.path().join("clamd.conf"), settings).unwrap();
        let mut clamd = Self {
            process: None,
            place,
        };
        clamd.restart();
        clamd
    }

    /// Starts it again.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        let mut command = Command::new("/usr/sbin/clamd");
        command.arg("-c").arg(self.place.path().join("clamd.conf"));
        let log = self.place.path().join("printed");
        let mut process = Process::start("clamd", &mut command, &log);
        let socket = self.socket();
        until("clamd answers", READY, || {
            assert!(process.is_running(), "clamd ended");
            let mut stream = UnixStream::connect(&socket).ok()?;
            stream.write_all(b"zPING\0").ok()?;
            let mut reply = Vec::new();
            stream.read_to_end(&mut reply).ok()?;
            (reply == b"PONG\0").then_some(())
        });
        self.process = Some(process);
    }

    fn socket(&self) -> PathBuf {
        self.place.path().join("clamd.ctl")
    }

    /// As `[screening.malware] clamd` names it.
    pub(crate) fn at(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// Its process.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().unwrap()
    }

    /// `kill -9`
    pub(crate) fn kill_hard(&mut self) {
        self.process.take().unwrap().kill_hard();
    }
}

/// What a made one does once it is asked to scan.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behaviour {
    /// Takes the whole message, and says this.
    Says(&'static str),
    /// Says this before it has the message.
    SaysEarly(&'static str),
    /// Takes the message and says nothing.
    Silent,
    /// Goes away in the middle of the message.
    Leaves,
}

/// A made one, on a loopback port. It answers VERSION with `version`.
pub(crate) struct Pretender {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Pretender {
    pub(crate) fn start(version: &str, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let version = format!("{version}\0");
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (version, counted) = (version.clone(), Arc::clone(&counted));
                // What a client that has gone makes of it is no matter.
                thread::spawn(move || drop(serve(stream.unwrap(), &version, behaviour, &counted)));
            }
        });
        Self { port, asked }
    }

    pub(crate) fn at(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Messages that it was asked about.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn serve(
    mut stream: TcpStream,
    version: &str,
    behaviour: Behaviour,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    let mut command = Vec::new();
    while !command.ends_with(&[0]) {
        let mut octet = [0];
        stream.read_exact(&mut octet)?;
        command.push(octet[0]);
    }
    if command != b"zINSTREAM\0" {
        return stream.write_all(version.as_bytes());
    }
    asked.fetch_add(1, Ordering::SeqCst);
    if let Behaviour::SaysEarly(text) = behaviour {
        stream.write_all(format!("{text}\0").as_bytes())?;
        return linger(&mut stream);
    }
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length == 0 {
            break;
        }
        let mut chunk = vec![0; length as usize];
        stream.read_exact(&mut chunk)?;
        if matches!(behaviour, Behaviour::Leaves) {
            return Ok(());
        }
    }
    match behaviour {
        Behaviour::Says(text) => stream.write_all(format!("{text}\0").as_bytes()),
        _ => linger(&mut stream),
    }
}

/// Reads on and says nothing, until the client goes.
fn linger(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 4096];
    while stream.read(&mut rest)? > 0 {}
    Ok(())
}
