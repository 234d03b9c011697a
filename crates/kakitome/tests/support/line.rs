//! Lines over a connection, plain or TLS, with a time limit on every read.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use socket2::{Domain, Protocol, Socket, Type};

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);

enum Carrier {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Carrier {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Carrier {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A connection.
pub(crate) struct Lines {
    stream: BufReader<Carrier>,
}

impl Lines {
    pub(crate) fn connect(address: Ipv4Addr, port: u16) -> io::Result<Self> {
        Self::over(TcpStream::connect((address, port))?)
    }

    /// From an address of the client's own.
    pub(crate) fn connect_from(from: Ipv4Addr, address: Ipv4Addr, port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&SocketAddr::from((address, port)).into())?;
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::with_capacity(1 << 16, Carrier::Plain(stream)),
        })
    }

    /// TLS from here on, trusting `certificate` alone.
    pub(crate) fn into_tls(self, certificate: &Path) -> io::Result<Self> {
        assert!(
            self.stream.buffer().is_empty(),
            "bytes before the TLS handshake"
        );
        let Carrier::Plain(stream) = self.stream.into_inner() else {
            panic!("TLS within TLS");
        };
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(certificate).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        Ok(Self {
            stream: BufReader::new(Carrier::Tls(Box::new(StreamOwned::new(connection, stream)))),
        })
    }

    pub(crate) fn set_silence(&self, limit: Duration) {
        let stream = match self.stream.get_ref() {
            Carrier::Plain(stream) => stream,
            Carrier::Tls(stream) => &stream.sock,
        };
        stream.set_read_timeout(Some(limit)).unwrap();
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// The next line without its CRLF; an error at the end of the stream.
    pub(crate) fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\r\n") {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("no whole line: {:?}", String::from_utf8_lossy(&line)),
            ));
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    pub(crate) fn exactly(&mut self, octets: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; octets];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Whatever comes until the peer closes.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset instead of an orderly end is an end, too.
        drop(self.stream.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
