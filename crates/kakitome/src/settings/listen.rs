//! Listeners: which services, on which addresses and ports.

use std::{net::IpAddr, ops::Range};

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::SettingsError;

/// The services that listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    Smtp,
    Submissions,
    Submission,
    Pop3,
    Pop3s,
    Imap,
    Imaps,
    Https,
    Metrics,
}

impl Service {
    pub(crate) const ALL: [Self; 9] = [
        Self::Smtp,
        Self::Submissions,
        Self::Submission,
        Self::Pop3,
        Self::Pop3s,
        Self::Imap,
        Self::Imaps,
        Self::Https,
        Self::Metrics,
    ];

    /// The key in `[listen]`, and the name in `status`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submissions => "submissions",
            Self::Submission => "submission",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Https => "https",
            Self::Metrics => "metrics",
        }
    }

    /// The standard port (for metrics: Prometheus' own).
    fn standard_port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Submissions => 465,
            Self::Submission => 587,
            Self::Pop3 => 110,
            Self::Pop3s => 995,
            Self::Imap => 143,
            Self::Imaps => 993,
            Self::Https => 443,
            Self::Metrics => 9090,
        }
    }
}

/// `[listen]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ListenKeys {
    /// Addresses to listen on. Default: all, IPv6 and IPv4.
    pub(crate) addresses: Spanned<Vec<IpAddr>>,
    /// Adds this to every standard port modulo 1000.
    pub(crate) port_base: Option<Spanned<u16>>,
    /// Where metrics are served. Default: loopback only, since they are not for everyone.
    pub(crate) metrics_address: IpAddr,
    smtp: Port,
    submissions: Port,
    submission: Port,
    pop3: Port,
    pop3s: Port,
    imap: Port,
    imaps: Port,
    https: Port,
    metrics: Port,
}

impl Default for ListenKeys {
    fn default() -> Self {
        Self {
            addresses: Spanned::new(
                0..0,
                vec![IpAddr::from([0_u16; 8]), IpAddr::from([0_u8; 4])],
            ),
            port_base: None,
            metrics_address: IpAddr::from([127, 0, 0, 1]),
            smtp: Port::Standard,
            submissions: Port::Standard,
            submission: Port::Standard,
            pop3: Port::Standard,
            pop3s: Port::Standard,
            imap: Port::Standard,
            imaps: Port::Standard,
            https: Port::Standard,
            metrics: Port::Standard,
        }
    }
}

/// A port: `true` for the standard one, `false` for none, or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Standard,
    Off,
    Number(u16),
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Port;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a port number, true (the standard port) or false (off)")
            }
            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Port, E> {
                Ok(if on { Port::Standard } else { Port::Off })
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Port, E> {
                u16::try_from(number)
                    .ok()
                    .filter(|port| *port > 0)
                    .map(Port::Number)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl ListenKeys {
    /// The addresses that `service` listens on.
    pub(crate) fn addresses_of(&self, service: Service) -> &[IpAddr] {
        match service {
            Service::Metrics => std::slice::from_ref(&self.metrics_address),
            _ => self.addresses.get_ref(),
        }
    }

    /// The port of `service`; `None` when it is off.
    pub(crate) fn port(&self, service: Service) -> Option<u16> {
        let port = match service {
            Service::Smtp => self.smtp,
            Service::Submissions => self.submissions,
            Service::Submission => self.submission,
            Service::Pop3 => self.pop3,
            Service::Pop3s => self.pop3s,
            Service::Imap => self.imap,
            Service::Imaps => self.imaps,
            Service::Https => self.https,
            Service::Metrics => self.metrics,
        };
        match port {
            Port::Off => None,
            Port::Number(number) => Some(number),
            Port::Standard => Some(match &self.port_base {
                Some(base) => base
                    .get_ref()
                    .saturating_add(service.standard_port() % 1000),
                None => service.standard_port(),
            }),
        }
    }

    pub(super) fn check(
        &self,
        at: &dyn Fn(Range<usize>, String) -> SettingsError,
    ) -> Result<(), SettingsError> {
        if self.addresses.get_ref().is_empty() {
            return Err(at(
                self.addresses.span(),
                "at least one address is needed".into(),
            ));
        }
        if let Some(base) = &self.port_base
            && (*base.get_ref() < 1024 || *base.get_ref() > 64_000)
        {
            return Err(at(
                base.span(),
                "a port base lies between 1024 and 64000".into(),
            ));
        }
        Ok(())
    }
}
