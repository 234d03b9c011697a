//! A connection that may become TLS while it lives, and counts its bytes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor, TlsConnector};

use crate::Identity;

/// What a connection is made of: a socket, or a simulation's pipe.
pub trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

/// A connection: plain, or TLS as server or client.
pub struct Stream {
    state: State,
    tls: Option<TlsFacts>,
    read: u64,
    written: u64,
}

enum State {
    Plain(Box<dyn Io>),
    Server(Box<tokio_rustls::server::TlsStream<Box<dyn Io>>>),
    Client(Box<tokio_rustls::client::TlsStream<Box<dyn Io>>>),
}

/// What is known of a TLS connection.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite, by its IANA name as rustls prints it.
    pub cipher: String,
    /// `tls-server-end-point` channel binding (RFC 5929); server side only.
    pub end_point: Arc<[u8]>,
    /// `tls-exporter` channel binding (RFC 9266); empty where TLS 1.2 does not give it safely.
    pub exporter: Arc<[u8]>,
}

impl Stream {
    /// A plain connection.
    pub fn plain(io: impl Io + 'static) -> Self {
        Self {
            state: State::Plain(Box::new(io)),
            tls: None,
            read: 0,
            written: 0,
        }
    }

    /// The TLS handshake as server. Callers bound its time.
    ///
    /// # Errors
    /// When the handshake fails, or the connection is TLS already.
    pub async fn accept_tls(self, identity: &Identity) -> io::Result<Self> {
        let (read, written) = (self.read, self.written);
        let io = self.into_plain()?;
        let stream = match identity.challenges.is_empty() {
            true => {
                let acceptor = TlsAcceptor::from(Arc::clone(&identity.config));
                acceptor.accept(io).await?
            }
            false => {
                let begun = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
                let answer = identity.challenges.answer(&begun.client_hello());
                let config = answer.unwrap_or_else(|| Arc::clone(&identity.config));
                begun.into_stream(config).await?
            }
        };
        let (_, connection) = stream.get_ref();
        let tls = facts(connection, Arc::clone(&identity.end_point), |label| {
            connection
                .export_keying_material([0_u8; 32], label, None)
                .ok()
        });
        Ok(Self {
            state: State::Server(Box::new(stream)),
            tls: Some(tls),
            read,
            written,
        })
    }

    /// The TLS handshake as client. Callers bound its time.
    ///
    /// # Errors
    /// When the handshake fails, the certificate is refused, or the connection is TLS already.
    pub async fn connect_tls(
        self,
        config: Arc<rustls::ClientConfig>,
        name: rustls::pki_types::ServerName<'static>,
    ) -> io::Result<Self> {
        let (read, written) = (self.read, self.written);
        let io = self.into_plain()?;
        let stream = TlsConnector::from(config).connect(name, io).await?;
        let (_, connection) = stream.get_ref();
        let tls = facts(connection, Arc::from([]), |label| {
            connection
                .export_keying_material([0_u8; 32], label, None)
                .ok()
        });
        Ok(Self {
            state: State::Client(Box::new(stream)),
            tls: Some(tls),
            read,
            written,
        })
    }

    /// Facts about TLS, when the connection is encrypted.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.tls.as_ref()
    }

    /// Octets of application data read so far.
    #[must_use]
    pub fn octets_read(&self) -> u64 {
        self.read
    }

    /// Octets of application data written so far.
    #[must_use]
    pub fn octets_written(&self) -> u64 {
        self.written
    }

    fn into_plain(self) -> io::Result<Box<dyn Io>> {
        match self.state {
            State::Plain(io) => Ok(io),
            State::Server(_) | State::Client(_) => {
                Err(io::Error::other("the connection is encrypted already"))
            }
        }
    }

    fn io(&mut self) -> Pin<&mut dyn Io> {
        match &mut self.state {
            State::Plain(io) => Pin::new(io),
            State::Server(stream) => Pin::new(stream.as_mut()),
            State::Client(stream) => Pin::new(stream.as_mut()),
        }
    }
}

fn facts(
    connection: &rustls::CommonState,
    end_point: Arc<[u8]>,
    export: impl FnOnce(&[u8]) -> Option<[u8; 32]>,
) -> TlsFacts {
    let is_13 = connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
    // RFC 9266, section 4.2: in TLS 1.2 the exporter binds only with the extended master secret.
    let exporter = if is_13 {
        export(b"EXPORTER-Channel-Binding")
    } else {
        None
    };
    TlsFacts {
        version: if is_13 { "TLSv1.3" } else { "TLSv1.2" },
        cipher: connection
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default(),
        end_point,
        exporter: exporter.map_or_else(|| Arc::from([]), |bytes| Arc::from(bytes.as_slice())),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = self.io().poll_read(cx, buf);
        self.read = self
            .read
            .saturating_add((buf.filled().len() - before) as u64);
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = self.io().poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = &polled {
            self.written = self.written.saturating_add(*count as u64);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_shutdown(cx)
    }
}
