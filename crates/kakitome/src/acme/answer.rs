//! Answers to the authority's questions (http-01, RFC 8555, section 8.3). Nothing listens but while an order is under way.

use std::{
    collections::HashMap,
    net::{IpAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Request, Response, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::RwLock;
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

/// Where questions are put.
const PATH: &str = "/.well-known/acme-challenge/";
/// Connections at once; more wait.
const AT_ONCE: usize = 32;
/// What one connection may take.
const TIME: Duration = Duration::from_secs(10);
/// Octets of a request's head.
const MOST_HEAD: usize = 16 * 1024;

/// What is answered, by token. It ends when it is dropped.
pub(super) struct Answers {
    known: Known,
    _listening: JoinSet<()>,
}

type Known = Arc<RwLock<HashMap<String, String>>>;

impl Answers {
    /// Listens at `port` of each address.
    ///
    /// # Errors
    /// When one of them cannot be had, in words.
    pub(super) fn listen(addresses: &[IpAddr], port: u16) -> Result<Self, String> {
        let known = Known::default();
        let mut listening = JoinSet::new();
        for address in addresses {
            let cannot = |e: std::io::Error| {
                format!("port {port} on {address} cannot be had for proofs: {e}")
            };
            let listener = TcpListener::bind((*address, port)).map_err(cannot)?;
            listener.set_nonblocking(true).map_err(cannot)?;
            let listener = tokio::net::TcpListener::from_std(listener).map_err(cannot)?;
            listening.spawn(answer(listener, Arc::clone(&known)));
        }
        Ok(Self {
            known,
            _listening: listening,
        })
    }

    /// From now on the question `token` has an answer.
    pub(super) fn put(&self, token: &str, answer: &str) {
        let mut known = self.known.write();
        known.insert(token.to_owned(), answer.to_owned());
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
