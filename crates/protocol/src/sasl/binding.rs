//! What ties an authentication to the TLS connection below it (RFC 5056).

use std::fmt;

/// The channel bindings that a TLS connection has. Empty for a connection without TLS.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChannelBindings {
    /// `tls-server-end-point` (RFC 5929): the hash of the server's certificate, by the hash of the
    /// certificate's signature algorithm (SHA-256 in place of MD5 and SHA-1).
    pub server_end_point: Option<Vec<u8>>,
    /// `tls-exporter` (RFC 9266): 32 bytes exported with the label `EXPORTER-Channel-Binding` and an
    /// empty context. For TLS 1.3, or TLS 1.2 with extended master secret, only.
    pub exporter: Option<Vec<u8>>,
}

impl ChannelBindings {
    /// No binding: no TLS, or a TLS stack that tells nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            server_end_point: None,
            exporter: None,
        }
    }

    /// Whether any binding is there, so that `-PLUS` mechanisms can work.
    #[must_use]
    pub fn any(&self) -> bool {
        self.server_end_point.is_some() || self.exporter.is_some()
    }

    /// The data of the binding with that registered name, if the connection has it.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-server-end-point" => self.server_end_point.as_deref(),
            "tls-exporter" => self.exporter.as_deref(),
            _ => None,
        }
    }

    /// The best binding that is there, with its name: what a client uses.
    #[must_use]
    pub fn best(&self) -> Option<(&'static str, &[u8])> {
        ["tls-exporter", "tls-server-end-point"]
            .into_iter()
            .find_map(|name| self.by_name(name).map(|data| (name, data)))
    }
}

impl fmt::Debug for ChannelBindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBindings")
            .field("server_end_point", &self.server_end_point.is_some())
            .field("exporter", &self.exporter.is_some())
            .finish()
    }
}
