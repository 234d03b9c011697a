//! Where an engine is.

use std::{fmt, path::PathBuf, str::FromStr};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

/// Where an engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A host and its port. What goes there is not encrypted on the way: a machine of one's own.
    Tcp(String, u16),
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no address: \"unix:/run/opendkim/opendkim.sock\" or \"inet:127.0.0.1:8891\" is expected"
)]
pub struct AddressError;

/// A connection to an engine.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

impl Address {
    /// Connects. Callers bound its time.
    pub(crate) async fn connect(&self) -> std::io::Result<Box<dyn Connection>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp(host, port) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return path
                .is_absolute()
                .then_some(Self::Unix(path))
                .ok_or(AddressError);
        }
        let text = text.strip_prefix("inet:").unwrap_or(text);
        let (host, port) = text.rsplit_once(':').ok_or(AddressError)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().map_err(|_| AddressError)?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
        match port != 0 && !host.is_empty() && host.chars().all(is_host) {
            true => Ok(Self::Tcp(host.to_owned(), port)),
            false => Err(AddressError),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "inet:[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "inet:{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_written_as_postfix_writes_them() {
        for text in ["unix:/run/a.sock", "inet:127.0.0.1:8891", "inet:[::1]:1"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert!("localhost:11333".parse::<Address>().is_ok());
        for text in [
            "",
            "unix:a.sock",
            "inet:host",
            "host:0",
            "a b:1",
            "inet:8891@host",
            "h:70000",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
    }
}
