//! rspamd, asked over HTTP (`/checkv2`): the whole message, with the envelope in fields of the request. Its answer is read in bounds,
//! and what is not understood is a failure.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    client::conn::http1,
    header::HeaderValue,
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use crate::{Address, Envelope, plain};

/// Octets of an answer: it names each rule that matched with its description.
const LONGEST_ANSWER: usize = 1 << 20;
/// Symbols that are told, those that weigh most first.
const MOST_SYMBOLS: usize = 16;
/// Characters of a symbol's name.
const LONGEST_SYMBOL: usize = 48;
/// Recipients that are named in a request, which a server reads in bounded memory.
const MOST_RECIPIENTS: usize = 100;

/// How rspamd is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RspamdLimits {
    /// Messages at once; further ones wait within their time. Default 10.
    pub concurrency: usize,
    /// For a connection. Default 5 s.
    pub connect_time: Duration,
    /// For all of one message. Default 30 s: rspamd's own limit for a task is 8 s unless it is told another.
    pub time: Duration,
}

impl Default for RspamdLimits {
    fn default() -> Self {
        Self {
            concurrency: 10,
            connect_time: Duration::from_secs(5),
            time: Duration::from_secs(30),
        }
    }
}

/// What rspamd recommends. Its names are kept in the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RspamdAction {
    /// Nothing speaks against it.
    NoAction,
    /// It may be greylisted.
    Greylist,
    /// It is to be refused for now.
    SoftReject,
    /// It is to be marked.
    AddHeader,
    /// It is to be marked in its subject.
    RewriteSubject,
    /// It is to be set apart.
    Quarantine,
    /// It is to be thrown away.
    Discard,
    /// It is to be refused.
    Reject,
}

impl RspamdAction {
    /// The word, as it is kept.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAction => "no-action",
            Self::Greylist => "greylist",
            Self::SoftReject => "soft-reject",
            Self::AddHeader => "add-header",
            Self::RewriteSubject => "rewrite-subject",
            Self::Quarantine => "quarantine",
            Self::Discard => "discard",
            Self::Reject => "reject",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "no action" => Self::NoAction,
            "greylist" => Self::Greylist,
            "soft reject" => Self::SoftReject,
            "add header" => Self::AddHeader,
            "rewrite subject" => Self::RewriteSubject,
            "quarantine" => Self::Quarantine,
            "discard" => Self::Discard,
            "reject" => Self::Reject,
            _ => return None,
        })
    }
}

/// A score, in hundredths; written as a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Score(i32);

impl From<f64> for Score {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a cast of a float keeps to the bounds of the integer"
    )]
    fn from(score: f64) -> Self {
        Self((score * 100.0).round() as i32)
    }
}

impl From<Score> for f64 {
    fn from(score: Score) -> Self {
        Self::from(score.0) / 100.0
    }
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// What it added.
    pub score: Score,
}

/// What rspamd said of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RspamdSaid {
    /// What it recommends; `None`: it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RspamdAction>,
    /// What all symbols come to.
    #[serde(default)]
    pub score: Score,
    /// From which score on it recommends refusing.
    #[serde(default)]
    pub required: Score,
    /// The rules that matched, those that weigh most first; at most sixteen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<Symbol>,
    /// Rules that matched and are not named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_symbols: usize,
    /// Why it failed; empty when it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl RspamdSaid {
    /// Leaves the last symbol out; `false` when there is none.
    pub fn shorten(&mut self) -> bool {
        let is_shorter = self.symbols.pop().is_some();
        self.more_symbols = self.more_symbols.saturating_add(usize::from(is_shorter));
        is_shorter
    }
}

/// Why rspamd said nothing that could be used.
#[derive(Debug, thiserror::Error)]
pub enum RspamdError {
    /// There is nobody.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    /// It did not answer in time.
    #[error("no answer in time")]
    Slow,
    /// It answered that it could not.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// It answered at great length.
    #[error("an answer of more than 1 MiB")]
    Long,
    /// It answered something else.
    #[error("an answer that is not understood: {0}")]
    Garbage(String),
}

/// rspamd's normal worker at one address.
#[derive(Debug)]
pub struct Rspamd {
    address: Address,
    limits: RspamdLimits,
    free: Semaphore,
}

impl Rspamd {
    /// rspamd at `address`. Nothing is connected yet.
    #[must_use]
    pub fn new(address: Address, limits: RspamdLimits) -> Self {
        Self {
            address,
            free: Semaphore::new(limits.concurrency),
            limits,
        }
    }

    /// What it says of `message`. Never fails: that it said nothing is told of with the reason.
    pub async fn ask(&self, envelope: &Envelope, message: Arc<Vec<u8>>) -> RspamdSaid {
        let by = Instant::now() + self.limits.time;
        let asking = async {
            // Never closed.
            let Ok(_free) = self.free.acquire().await else {
                return Err(RspamdError::Slow);
            };
            let request = request(envelope, message);
            parse(&self.exchange(request).await?)
        };
        match timeout_at(by, asking)
            .await
            .unwrap_or(Err(RspamdError::Slow))
        {
            Ok(said) => said,
            Err(error) => {
                tracing::warn!(%error, "rspamd failed");
                RspamdSaid {
                    reason: plain(&error.to_string()),
                    ..RspamdSaid::default()
                }
            }
        }
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// When it does not, in time.
    pub async fn probe(&self) -> Result<(), RspamdError> {
        let by = Instant::now() + self.limits.time;
        let mut request = Request::new(Whole(None));
        *request.uri_mut() = hyper::Uri::from_static("/ping");
        host(&mut request);
        let asked = timeout_at(by, self.exchange(request)).await;
        asked.map_err(|_| RspamdError::Slow)?.map(drop)
    }

    /// One request over a connection of its own, and all of its answer.
    async fn exchange(&self, request: Request<Whole>) -> Result<Vec<u8>, RspamdError> {
        let by = Instant::now() + self.limits.connect_time;
        let connected = timeout_at(by, self.address.connect()).await;
        let stream = connected
            .map_err(|_| RspamdError::Slow)?
            .map_err(RspamdError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let asking = async {
            let response = sender.send_request(request).await?;
            read(response).await
        };
        tokio::pin!(connection);
        // The connection does the reading and writing; it ends before the answer only when the other side broke it off.
        tokio::pin!(asking);
        tokio::select! {
            biased;
            answer = &mut asking => answer,
            ended = &mut connection => {
                ended?;
                asking.await
            }
        }
    }
}

async fn read(response: Response<Incoming>) -> Result<Vec<u8>, RspamdError> {
    if response.status() != StatusCode::OK {
        return Err(RspamdError::Status(response.status()));
    }
    let mut body = response.into_body();
    let mut answer = Vec::new();
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let Some(frame) = frame else {
            return Ok(answer);
        };
        if let Ok(data) = frame?.into_data() {
            if answer.len().saturating_add(data.len()) > LONGEST_ANSWER {
                return Err(RspamdError::Long);
            }
            answer.extend_from_slice(&data);
        }
    }
}

fn host(request: &mut Request<Whole>) {
    let headers = request.headers_mut();
    headers.insert("host", HeaderValue::from_static("rspamd"));
    headers.insert("user-agent", HeaderValue::from_static("kakitome"));
}

/// The question, in the fields that rspamd knows (rspamd.com, "Rspamd protocol").
fn request(envelope: &Envelope, message: Arc<Vec<u8>>) -> Request<Whole> {
    let whole = Bytes::from_owner(Shared(message));
    let mut request = Request::new(Whole(Some(whole)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = hyper::Uri::from_static("/checkv2");
    host(&mut request);
    let headers = request.headers_mut();
    let ip = envelope.peer.ip().to_string();
    let name = envelope.peer_name.as_deref().unwrap_or("unknown");
    headers.insert("ip", value(&ip));
    headers.insert("hostname", value(name));
    headers.insert("helo", value(&envelope.hello));
    headers.insert("from", value(&envelope.sender));
    headers.insert("queue-id", value(&envelope.id));
    headers.insert("mta-name", value(&envelope.hostname));
    if let Some(login) = &envelope.login {
        headers.insert("user", value(login));
    }
    if let Some(tls) = &envelope.tls {
        headers.insert("tls-version", value(&tls.version));
        headers.insert("tls-cipher", value(&tls.cipher));
    }
    for recipient in envelope.recipients.iter().take(MOST_RECIPIENTS) {
        headers.append("rcpt", value(recipient));
    }
    request
}

/// What a field may hold of a text; what it may not is shown as a question mark.
fn value(text: &str) -> HeaderValue {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    HeaderValue::from_bytes(plain.as_bytes()).unwrap_or(HeaderValue::from_static("?"))
}

#[derive(Deserialize)]
struct Answer {
    action: String,
    score: f64,
    required_score: f64,
    #[serde(default)]
    symbols: serde_json::Map<String, serde_json::Value>,
}

fn parse(answer: &[u8]) -> Result<RspamdSaid, RspamdError> {
    let garbage = |why: &str| RspamdError::Garbage(plain(why));
    let answer: Answer =
        serde_json::from_slice(answer).map_err(|error| garbage(&error.to_string()))?;
    let action = RspamdAction::parse(&answer.action)
        .ok_or_else(|| garbage(&format!("the action {:?}", answer.action)))?;
    let mut symbols = Vec::with_capacity(answer.symbols.len());
    for (name, symbol) in &answer.symbols {
        let score = symbol.get("score").and_then(serde_json::Value::as_f64);
        let score = score.ok_or_else(|| garbage(&format!("the symbol {name:?} has no score")))?;
        symbols.push(Symbol {
            name: plain(name).chars().take(LONGEST_SYMBOL).collect(),
            score: score.into(),
        });
    }
    symbols.sort_by_key(|symbol| std::cmp::Reverse(symbol.score.0.unsigned_abs()));
    let more_symbols = symbols.len().saturating_sub(MOST_SYMBOLS);
    symbols.truncate(MOST_SYMBOLS);
    Ok(RspamdSaid {
        action: Some(action),
        score: answer.score.into(),
        required: answer.required_score.into(),
        symbols,
        more_symbols,
        reason: String::new(),
    })
}

/// A message that is shared with who else looks at it.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The body of a request: all of it, or none.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|all| Ok(Frame::data(all))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let octets = self.0.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(octets).unwrap_or(u64::MAX))
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
