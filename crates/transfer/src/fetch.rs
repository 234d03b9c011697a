//! Files of others, fetched over HTTPS (RFC 9110) in bounds of octets and time. Plain HTTP is spoken to this machine alone, where a
//! mirror may stand.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Request, StatusCode,
    body::{Body, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use message::address::{Domain, Host};
use rustls::{RootCertStore, pki_types::ServerName};
use wire::Stream;

use crate::{Settings, Transfer, https::Full, route};

/// Octets of an answer's head.
const MOST_HEAD: usize = 32 * 1024;
/// Times that an answer may point elsewhere.
const MOST_REDIRECTS: usize = 5;
/// Characters of an address.
const MOST_URL: usize = 2000;

/// What is fetched, and its bounds.
#[derive(Clone)]
pub struct Fetch {
    /// The address: `https://…`, or `http://` and a loopback address.
    pub url: String,
    /// Octets at most.
    pub most: u64,
    /// Time for all of it.
    pub time: Duration,
    /// Roots that vouch for the host; `None`: the system's.
    pub roots: Option<Arc<RootCertStore>>,
}

/// An address in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    secure: bool,
    host: String,
    port: u16,
    path: String,
}

/// Whether `url` can be fetched.
///
/// # Errors
/// Why not, in words.
pub fn check(url: &str) -> Result<(), String> {
    place(url).map(drop)
}

fn place(url: &str) -> Result<Place, String> {
    let is_plain = url.len() <= MOST_URL && url.bytes().all(|octet| octet.is_ascii_graphic());
    let (secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        _ if !is_plain => {
            return Err(format!(
                "an address has at most {MOST_URL} characters, all of them visible ASCII"
            ));
        }
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err(format!("{url} is no address that begins with https://")),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err(format!("{url} has a name or password in it"));
    }
    let usual = if secure { 443 } else { 80 };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (
            host,
            port.parse()
                .map_err(|_| format!("{url} has no port that is a number"))?,
        ),
        _ => (authority, usual),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip: Option<IpAddr> = host.parse().ok();
    if ip.is_none() {
        Domain::parse(host).map_err(|error| format!("the host of {url}: {error}"))?;
    }
    if !secure && !ip.is_some_and(|ip| ip.is_loopback()) {
        return Err(format!(
            "{url} is not secured: https:// is needed, but for a loopback address such as http://127.0.0.1:8080/"
        ));
    }
    let path = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("/{path}"),
    };
    Ok(Place {
        secure,
        host: host.to_owned(),
        port,
        path,
    })
}

impl Fetch {
    /// Fetches it and writes it to `to`; returns how many octets it has. What was written counts only if this succeeds.
    ///
    /// # Errors
    /// Why it could not be, in words.
    pub async fn write_to(
        &self,
        transfer: &Transfer,
        to: &mut (impl Write + Send),
    ) -> Result<u64, String> {
        let settings = transfer.settings();
        tokio::time::timeout(self.time, self.follow(transfer, &settings, to))
            .await
            .unwrap_or_else(|_| {
                Err(format!(
                    "{} did not come within {} seconds",
                    self.url,
                    self.time.as_secs()
                ))
            })
    }

    async fn follow(
        &self,
        transfer: &Transfer,
        settings: &Settings,
        to: &mut (impl Write + Send),
    ) -> Result<u64, String> {
        let mut url = self.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let at = place(&url)?;
            match self
                .from(transfer, settings, &at, to)
                .await
                .map_err(|why| format!("{url}: {why}"))?
            {
                Answer::Read(octets) => return Ok(octets),
                Answer::Elsewhere(next) => {
                    let next = match next.starts_with('/') {
                        true => format!(
                            "{}://{}:{}{next}",
                            if at.secure { "https" } else { "http" },
                            bracketed(&at.host),
                            at.port
                        ),
                        false => next,
                    };
                    if at.secure && !next.starts_with("https://") {
                        return Err(format!("{url} points to {next}, which is not secured"));
                    }
                    url = next;
                }
            }
        }
        Err(format!(
            "{} points elsewhere more than {MOST_REDIRECTS} times",
            self.url
        ))
    }

    async fn from(
        &self,
        transfer: &Transfer,
        settings: &Settings,
        at: &Place,
        to: &mut (impl Write + Send),
    ) -> Result<Answer, String> {
        let stream = self.connect(transfer, settings, at).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MOST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let usual = if at.secure { 443 } else { 80 };
        let host = match at.port == usual {
            true => bracketed(&at.host),
            false => format!("{}:{}", bracketed(&at.host), at.port),
        };
        let request = Request::get(&at.path)
            .header(header::HOST, host)
            .header(header::USER_AGENT, "Kakitome")
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close")
            .body(Full(None))
            .map_err(|error| error.to_string())?;
        let work = async {
            let answer = sender
                .send_request(request)
                .await
                .map_err(|error| error.to_string())?;
            let status = answer.status();
            if status.is_redirection() {
                let location = answer.headers().get(header::LOCATION);
                let location = location.and_then(|value| value.to_str().ok());
                return location
                    .map(|next| Answer::Elsewhere(next.to_owned()))
                    .ok_or_else(|| format!("status {status} without a place"));
            }
            if status != StatusCode::OK {
                return Err(format!("status {status}"));
            }
            self.content(answer.into_body(), to).await.map(Answer::Read)
        };
        let (mut work, connection) = (pin!(work), pin!(connection));
        tokio::select! {
            answer = &mut work => answer,
            // What has come is still to be read; of one that broke, the work hears as well.
            _ = connection => work.await,
        }
    }

    async fn connect(
        &self,
        transfer: &Transfer,
        settings: &Settings,
        at: &Place,
    ) -> Result<Stream, String> {
        let host = match at.host.parse::<IpAddr>() {
            Ok(ip) => Host::Literal(ip),
            Err(_) => Host::Domain(Domain::parse(&at.host).map_err(|error| error.to_string())?),
        };
        let addresses = route::addresses(&host, at.port, transfer.resolver(), settings).await?;
        let mut trouble = "it has no address".to_owned();
        for address in addresses.list {
            match self.dial(transfer, settings, at, address).await {
                Ok(stream) => return Ok(stream),
                Err(why) => trouble = format!("{address}: {why}"),
            }
        }
        Err(trouble)
    }

    async fn dial(
        &self,
        transfer: &Transfer,
        settings: &Settings,
        at: &Place,
        address: SocketAddr,
    ) -> Result<Stream, String> {
        let dial = transfer.dialer().dial(address, settings.outbound.bind);
        let plain = tokio::time::timeout(settings.outbound.waits.connect, dial)
            .await
            .map_err(|_| "connecting took too long".to_owned())?
            .map_err(|error| error.to_string())?;
        if !at.secure {
            return Ok(plain);
        }
        let name = ServerName::try_from(at.host.clone()).map_err(|error| error.to_string())?;
        let config = transfer
            .client_tls()
            .verified(self.roots.as_ref())
            .map_err(|error| error.to_string())?;
        plain
            .connect_tls(config, name)
            .await
            .map_err(|error| format!("TLS: {error}"))
    }

    async fn content(
        &self,
        mut body: Incoming,
        to: &mut (impl Write + Send),
    ) -> Result<u64, String> {
        let mut octets = 0_u64;
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
        {
            let frame = frame.map_err(|error| error.to_string())?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            octets = octets.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            if octets > self.most {
                return Err(format!("it is longer than {} octets", self.most));
            }
            to.write_all(data)
                .map_err(|error| format!("it cannot be kept: {error}"))?;
        }
        Ok(octets)
    }
}

enum Answer {
    Read(u64),
    Elsewhere(String),
}

fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_in_their_parts() {
        let of = |url| place(url).map(|at| (at.secure, at.host, at.port, at.path));
        assert_eq!(
            of("https://example.org/a?b#c").unwrap(),
            (true, "example.org".into(), 443, "/a?b".into())
        );
        assert_eq!(
            of("http://127.0.0.1:8080").unwrap(),
            (false, "127.0.0.1".into(), 8080, "/".into())
        );
        assert_eq!(
            of("https://[::1]:444/x").unwrap(),
            (true, "::1".into(), 444, "/x".into())
        );
        for wrong in [
            "",
            "ftp://x/",
            "http://example.org/",
            "http://192.0.2.1/",
            "https://a b/",
            "https://u:p@x/",
            "https://x:port/",
            "https:///x",
        ] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
