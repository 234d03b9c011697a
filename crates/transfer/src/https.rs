//! Requests over HTTPS (RFC 9110), in bounds of octets and time, to hosts that roots vouch for. Redirects are not followed.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Request, StatusCode,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use message::address::{Domain, Host};
use rustls::pki_types::ServerName;
use wire::Stream;

use crate::{Settings, Transfer, route, tls_reports::Trouble};

/// The port of HTTPS; no other is spoken to.
const PORT: u16 = 443;
/// Octets of an answer's head.
const MOST_HEAD: usize = 32 * 1024;

/// What is asked for.
pub(crate) enum Ask<'a> {
    /// What is there, as one media type.
    Get(&'a str),
    /// That this is taken, of a media type.
    Post(&'a str, Bytes),
}

/// A request.
pub(crate) struct Https<'a> {
    /// Who is asked.
    pub(crate) host: &'a Domain,
    /// Path and query.
    pub(crate) path: &'a str,
    /// What for.
    pub(crate) ask: Ask<'a>,
    /// Octets of the answer that are read; a longer one is an error.
    pub(crate) most: usize,
    /// Time for all of it.
    pub(crate) time: Duration,
}

/// A body that is there as a whole.
pub(crate) struct Full(pub(crate) Option<Bytes>);

impl Body for Full {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|content| Ok(Frame::data(content))))
    }

    fn size_hint(&self) -> SizeHint {
        let octets = self.0.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(octets).unwrap_or(u64::MAX))
    }
}

/// An answer.
pub(crate) struct Answered {
    /// Its status.
    pub(crate) status: StatusCode,
    /// The media type, or empty.
    pub(crate) kind: String,
    /// Its content.
    pub(crate) octets: Vec<u8>,
}

/// Why there is no answer, in words; and what was wrong with TLS, if that is why.
#[derive(Debug)]
pub(crate) struct HttpsError {
    pub(crate) why: String,
    pub(crate) tls: Option<Trouble>,
}

impl From<String> for HttpsError {
    fn from(why: String) -> Self {
        Self { why, tls: None }
    }
}

impl Https<'_> {
    /// Asks the host's addresses in turn, until one answers.
    ///
    /// # Errors
    /// Why none did.
    pub(crate) async fn answer(
        &self,
        transfer: &Transfer,
        settings: &Settings,
    ) -> Result<Answered, HttpsError> {
        let host = self.host;
        let asking = async {
            let at = Host::Domain(host.clone());
            let addresses = route::addresses(&at, PORT, transfer.resolver(), settings).await?;
            let mut trouble = HttpsError::from(format!("{host} has no address"));
            for address in addresses.list {
                match self.at(transfer, settings, address).await {
                    Ok(answered) => return Ok(answered),
                    Err(error) => trouble = error,
                }
            }
            Err(trouble)
        };
        tokio::time::timeout(self.time, asking)
            .await
            .unwrap_or_else(|_| Err(format!("{host} did not answer in time").into()))
    }

    async fn at(
        &self,
        transfer: &Transfer,
        settings: &Settings,
        address: SocketAddr,
    ) -> Result<Answered, HttpsError> {
        let host = self.host;
        let stream = connect(transfer, settings, host, address)
            .await
            .map_err(|error| HttpsError {
                why: format!("{host} ({address}): {}", error.why),
                ..error
            })?;
        let said = |e: hyper::Error| format!("{host}: {e}");
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MOST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(said)?;
        let request = self.request()?;
        let work = async {
            let answer = sender.send_request(request).await.map_err(said)?;
            let status = answer.status();
            let kind = answer.headers().get(header::CONTENT_TYPE);
            let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            let kind = kind.to_owned();
            let octets = content(answer.into_body(), self.most)
                .await
                .map_err(|why| format!("{host}: {why}"))?;
            Ok(Answered {
                status,
                kind,
                octets,
            })
        };
        let (_, answered) = tokio::join!(connection, work);
        answered
    }

    fn request(&self) -> Result<Request<Full>, String> {
        let (request, content) = match &self.ask {
            Ask::Get(kind) => {
                let request = Request::get(self.path).header(header::ACCEPT, *kind);
                (request, Bytes::new())
            }
            Ask::Post(kind, content) => {
                let request = Request::post(self.path).header(header::CONTENT_TYPE, *kind);
                (request, Bytes::clone(content))
            }
        };
        request
            .header(header::HOST, self.host.as_str())
            .header(header::USER_AGENT, "Kakitome")
            .header(header::CONNECTION, "close")
            .body(Full(Some(content)))
            .map_err(|e| e.to_string())
    }
}

async fn connect(
    transfer: &Transfer,
    settings: &Settings,
    host: &Domain,
    address: SocketAddr,
) -> Result<Stream, HttpsError> {
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
        .map_err(|e| HttpsError {
            why: format!("TLS: {e}"),
            tls: Some(Trouble::of(&e)),
        })
}

/// The whole of a body that is short enough.
async fn content(mut body: Incoming, most: usize) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|e| e.to_string())?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if octets.len().saturating_add(data.len()) > most {
            return Err(format!("the answer is longer than {most} octets"));
        }
        octets.extend_from_slice(data);
    }
    Ok(octets)
}
