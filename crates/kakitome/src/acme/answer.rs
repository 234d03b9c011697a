//! Answers to the authority's questions, over HTTP (http-01, RFC 8555, section 8.3) or within TLS (tls-alpn-01, RFC 8737). Nothing
//! listens but while an order is under way.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::RwLock;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::{io::AsyncWriteExt as _, sync::Semaphore, task::JoinSet, time::timeout};
use wire::{Challenges, IdentityHandle, Stream};

use crate::{
    settings::{AcmeRules, Challenge, Service},
    site::Site,
};

/// Where questions are put.
const PATH: &str = "/.well-known/acme-challenge/";
/// Connections at once; more wait.
const AT_ONCE: usize = 32;
/// What one connection may take.
const TIME: Duration = Duration::from_secs(10);
/// Octets of a request's head.
const MOST_HEAD: usize = 16 * 1024;

/// What is answered: by token over HTTP, by name within TLS. It ends when it is dropped.
pub(super) struct Answers {
    known: Known,
    shown: Challenges,
    _listening: JoinSet<()>,
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.shown.clear();
    }
}

type Known = Arc<RwLock<HashMap<String, String>>>;

impl Answers {
    /// Listens at the port of each of the site's addresses, but where its own pages are.
    ///
    /// # Errors
    /// When one of them cannot be had, in words.
    pub(super) fn listen(site: &Site, rules: &AcmeRules) -> Result<Self, String> {
        let known = Known::default();
        let mut listening = JoinSet::new();
        let (settings, port) = (site.settings(), rules.port);
        // The site's own pages answer too: all of its TLS shares the answers.
        let own = site.listeners().into_iter();
        let own: Vec<SocketAddr> = own
            .filter(|(service, _)| *service == Service::Https)
            .map(|(_, at)| at)
            .collect();
        for address in settings.listen.addresses.get_ref() {
            let at = SocketAddr::new(*address, port);
            if rules.challenge == Challenge::TlsAlpn && own.contains(&at) {
                continue;
            }
            let cannot = |e: std::io::Error| {
                format!("port {port} on {address} cannot be had for proofs: {e}")
            };
            let listener = TcpListener::bind((*address, port)).map_err(cannot)?;
            listener.set_nonblocking(true).map_err(cannot)?;
            let listener = tokio::net::TcpListener::from_std(listener).map_err(cannot)?;
            match rules.challenge {
                Challenge::Http => listening.spawn(answer(listener, Arc::clone(&known))),
                Challenge::TlsAlpn => {
                    listening.spawn(answer_within(listener, Arc::clone(&site.identity)))
                }
            };
        }
        Ok(Self {
            known,
            shown: site.identity.load().challenges.clone(),
            _listening: listening,
        })
    }

    /// From now on who asks for `name` within TLS is shown the digest of the answer (RFC 8737, section 3).
    pub(super) fn show(&self, name: &str, digest: &[u8]) -> Result<(), String> {
        let wrong = |error: &dyn std::fmt::Display| format!("the answer for {name}: {error}");
        let mut wanted =
            CertificateParams::new(vec![name.to_owned()]).map_err(|error| wrong(&error))?;
        wanted
            .custom_extensions
            .push(CustomExtension::new_acme_identifier(digest));
        let pair = KeyPair::generate().map_err(|error| wrong(&error))?;
        let made = wanted.self_signed(&pair).map_err(|error| wrong(&error))?;
        let key = PrivatePkcs8KeyDer::from(pair.serialize_der()).into();
        let put = self.shown.put(name, made.der().clone(), key);
        put.map_err(|error| wrong(&error))
    }

    /// From now on the question `token` has an answer.
    pub(super) fn put(&self, token: &str, answer: &str) {
        let mut known = self.known.write();
        known.insert(token.to_owned(), answer.to_owned());
    }
}

/// Shows the certificates, and nothing else: what follows a handshake is not read.
async fn answer_within(listener: tokio::net::TcpListener, identity: IdentityHandle) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a question could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let identity = identity.load_full();
        connections.spawn(async move {
            let shaking = Stream::plain(stream).accept_tls(&identity);
            match timeout(TIME, shaking).await {
                Ok(Ok(mut stream)) => {
                    // Section 3: the authority needs no more than the handshake.
                    if let Ok(Err(error)) = timeout(TIME, stream.shutdown()).await {
                        tracing::debug!(%error, "a question's connection ended");
                    }
                }
                Ok(Err(error)) => tracing::debug!(%error, "a question's handshake failed"),
                Err(_) => tracing::debug!("a question's handshake took too long"),
            }
            drop(turn);
        });
    }
}

async fn answer(listener: tokio::net::TcpListener, known: Known) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a question could not be taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let known = Arc::clone(&known);
        connections.spawn(async move {
            let asked = service_fn(move |request: Request<Incoming>| {
                let answer = respond(request.uri().path(), &known);
                async move { Ok::<_, std::convert::Infallible>(answer) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(TIME)
                .max_buf_size(MOST_HEAD)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), asked);
            if let Ok(Err(error)) = timeout(TIME, served).await {
                tracing::debug!(%error, "a question's connection ended");
            }
            drop(turn);
        });
    }
}

fn respond(path: &str, known: &Known) -> Response<String> {
    let found = path
        .strip_prefix(PATH)
        .and_then(|token| known.read().get(token).cloned());
    let mut response = Response::new(String::new());
    match found {
        Some(text) => {
            let kind = header::HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            *response.body_mut() = text;
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_answered() {
        let known = Known::default();
        known.write().insert("abc".to_owned(), "abc.def".to_owned());
        let at = |path: &str| respond(path, &known);
        let good = at("/.well-known/acme-challenge/abc");
        assert_eq!(
            (good.status(), good.body().as_str()),
            (StatusCode::OK, "abc.def")
        );
        for path in [
            "/",
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge/x",
            "/abc",
        ] {
            assert_eq!(at(path).status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
