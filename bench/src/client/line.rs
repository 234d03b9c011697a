//! Bytes of a connection, plain or TLS, with as little work a byte as the answers allow.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::Outcome;

/// How long a server may be silent before the load counts as failed.
const SILENCE: Duration = Duration::from_secs(120);
/// The name in the certificate that all servers of a run share.
pub(crate) const HOSTNAME: &str = "mail.bench.test";

enum Carrier {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection and what was read ahead of it.
pub(crate) struct Line {
    carrier: Carrier,
    ahead: BytesMut,
    /// Octets kept free for one read; small for connections that are many and idle.
    room: usize,
}

/// Trust in one certificate, made once a run.
#[derive(Clone)]
pub(crate) struct Trust(TlsConnector);

impl Trust {
    /// Trusts the certificate in `file` alone.
    pub(crate) fn load(file: &std::path::Path) -> Outcome<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(file)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

impl Line {
    /// Connects to `port` on loopback.
    pub(crate) async fn connect(port: u16) -> Outcome<Self> {
        Self::connect_from(Ipv4Addr::LOCALHOST, port).await
    }

    /// Connects from a given loopback address: one address has ports for 28,000 connections only.
    pub(crate) async fn connect_from(from: Ipv4Addr, port: u16) -> Outcome<Self> {
        let socket = TcpSocket::new_v4()?;
        if from != Ipv4Addr::LOCALHOST {
            socket.bind(SocketAddr::from((from, 0)))?;
        }
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = timeout(SILENCE, socket.connect(to)).await??;
        stream.set_nodelay(true)?;
        Ok(Self {
            carrier: Carrier::Plain(stream),
            ahead: BytesMut::new(),
            room: 1 << 16,
        })
    }

    /// A connection that keeps small buffers.
    pub(crate) fn small(mut self) -> Self {
        self.room = 1 << 10;
        self
    }

    /// TLS from the first byte.
    pub(crate) async fn secure(self, trust: &Trust) -> Outcome<Self> {
        let Carrier::Plain(stream) = self.carrier else {
            return Err("TLS within TLS".into());
        };
        let name = ServerName::try_from(HOSTNAME)?;
        let stream = timeout(SILENCE, trust.0.connect(name, stream)).await??;
        Ok(Self {
            carrier: Carrier::Tls(Box::new(stream)),
            ..self
        })
    }

    /// Sends all of `bytes`.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Outcome<()> {
        match &mut self.carrier {
            Carrier::Plain(stream) => timeout(SILENCE, stream.write_all(bytes)).await??,
            Carrier::Tls(stream) => {
                timeout(SILENCE, stream.write_all(bytes)).await??;
                stream.flush().await?;
            }
        }
        Ok(())
    }

    async fn fill(&mut self) -> Outcome<()> {
        self.ahead.reserve(self.room);
        let count = match &mut self.carrier {
            Carrier::Plain(stream) => timeout(SILENCE, stream.read_buf(&mut self.ahead)).await??,
            Carrier::Tls(stream) => timeout(SILENCE, stream.read_buf(&mut self.ahead)).await??,
        };
        match count {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }

    /// The next line, without its end.
    pub(crate) async fn line(&mut self) -> Outcome<Bytes> {
        let mut seen = 0;
        loop {
            let fresh = self.ahead.get(seen..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', fresh) {
                let mut line = self.ahead.split_to(seen + at + 1).freeze();
                line.truncate(line.trim_ascii_end().len());
                return Ok(line);
            }
            seen = self.ahead.len();
            self.fill().await?;
        }
    }

    /// The next `count` octets.
    pub(crate) async fn octets(&mut self, count: usize) -> Outcome<Bytes> {
        while self.ahead.len() < count {
            self.fill().await?;
        }
        Ok(self.ahead.split_to(count).freeze())
    }

    /// Passes over `count` octets without keeping them.
    pub(crate) async fn skip(&mut self, mut count: usize) -> Outcome<()> {
        loop {
            let here = count.min(self.ahead.len());
            drop(self.ahead.split_to(here));
            count -= here;
            if count == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }
}
