//! Fetching a policy over HTTPS (RFC 8461, section 3.3), in bounds of octets and time.

use std::{future::poll_fn, net::SocketAddr, pin::Pin, time::Duration};

use hyper::{
    Request, StatusCode,
    body::{Body, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use message::{
    address::{Domain, Host},
    sts::{MOST_OCTETS, Policy},
};
use rustls::pki_types::ServerName;
use wire::Stream;

use crate::{Settings, Transfer, route};

/// The port of HTTPS; a policy is served at no other.
const PORT: u16 = 443;
/// Time for all of it (RFC 8461, section 3.3, suggests a minute).
const TIME: Duration = Duration::from_secs(60);
/// Octets of an answer's head.
const MOST_HEAD: usize = 32 * 1024;

/// The policy that `domain` serves.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn fetch(
    transfer: &Transfer,
    settings: &Settings,
    domain: &Domain,
) -> Result<Policy, String> {
    let name = format!("mta-sts.{domain}");
    let host = Domain::parse(&name).map_err(|e| format!("{name} cannot be a host: {e}"))?;
    let fetching = async {
        let at = Host::Domain(host.clone());
        let addresses = route::addresses(&at, PORT, transfer.resolver(), settings).await?;
        let mut trouble = format!("{host} has no address");
        for address in addresses.list {
            match ask(transfer, settings, &host, address).await {
                Ok(text) => return Policy::parse(&text),
                Err(why) => trouble = why,
            }
        }
        Err(trouble)
    };
    tokio::time::timeout(TIME, fetching)
        .await
        .unwrap_or_else(|_| Err(format!("{name} did not answer in time")))
}

/// The text that one address serves.
async fn ask(
    transfer: &Transfer,
    settings: &Settings,
    host: &Domain,
    address: SocketAddr,
) -> Result<String, String> {
    let stream = connect(transfer, settings, host, address)
        .await
        .map_err(|why| format!("{host} ({address}): {why}"))?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MOST_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| format!("{host}: {e}"))?;
    let request = Request::get("/.well-known/mta-sts.txt")
        .header(header::HOST, host.as_str())
        .header(header::ACCEPT, "text/plain")
        .header(header::USER_AGENT, "Kakitome")
        .header(header::CONNECTION, "close")
        .body(String::new())
        .map_err(|e| e.to_string())?;
    let work = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(|e| format!("{host}: {e}"))?;
        // RFC 8461, section 3.3: redirects are not followed.
        if answer.status() != StatusCode::OK {
            return Err(format!("{host} answered {}", answer.status()));
        }
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !is_plain_text(kind) {
            return Err(format!("{host} served {kind:?} and not text/plain"));
        }
        text(answer.into_body())
            .await
            .map_err(|why| format!("{host}: {why}"))
    };
    let (_, text) = tokio::join!(connection, work);
    text
}

async fn connect(
    transfer: &Transfer,
    settings: &Settings,
    host: &Domain,
    address: SocketAddr,
) -> Result<Stream, String> {
    let limit = settings.outbound.waits.connect;
    let dial = transfer.dialer().dial(address, settings.outbound.bind);
    let plain = tokio::time::timeout(limit, dial)
        .await
        .map_err(|_| "connecting took too long".to_owned())?
        .map_err(|e| e.to_string())?;
    let name = ServerName::try_from(host.as_str().to_owned()).map_err(|e| e.to_string())?;
    let config = transfer
        .client_tls()
        .verified(None)
        .map_err(|e| e.to_string())?;
    plain
        .connect_tls(config, name)
        .await
        .map_err(|e| format!("TLS: {e}"))
}

fn is_plain_text(kind: &str) -> bool {
    let media = kind.split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case("text/plain")
}

/// The whole of a body that is short enough.
async fn text(mut body: Incoming) -> Result<String, String> {
    let mut octets = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|e| e.to_string())?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if octets.len().saturating_add(data.len()) > MOST_OCTETS {
            return Err(format!("the policy is longer than {MOST_OCTETS} octets"));
        }
        octets.extend_from_slice(data);
    }
    String::from_utf8(octets).map_err(|_| "the policy is no UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_compared_without_its_parameters() {
        assert!(is_plain_text("text/plain"));
        assert!(is_plain_text("Text/Plain; charset=utf-8"));
        assert!(!is_plain_text("text/html"));
        assert!(!is_plain_text(""));
    }
}
