//! What stands before every page: bounds on a request, and that it comes from our own pages.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::Console;

/// Octets of a request's head at most.
pub(crate) const MOST_HEAD: usize = 32 << 10;
/// Octets of a form at most.
pub(crate) const MOST_FORM: usize = 16 << 10;

/// What every answer says to the browser: nothing from elsewhere, nothing kept, no frame around it.
const SAFETY: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Bounds the time of a request, refuses forms that other sites sent, and says to the browser what is to be kept from it.
pub(crate) async fn guard(
    State(console): State<Console>,
    request: Request,
    next: Next,
) -> Response {
    let limit = console.inner.settings.load().request_time;
    let mut answer = if request.method() == Method::POST && !is_our_own(request.headers()) {
        plain(
            StatusCode::FORBIDDEN,
            "This form did not come from the pages of this server.\n",
        )
    } else {
        match tokio::time::timeout(limit, next.run(request)).await {
            Ok(answer) => answer,
            Err(_) => plain(StatusCode::REQUEST_TIMEOUT, "The request took too long.\n"),
        }
    };
    let headers = answer.headers_mut();
    for (name, value) in SAFETY {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Whether the browser says that a form comes from our own pages. One that says nothing of it is no browser of today: the
/// session's key in the form decides alone.
fn is_our_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match (text("origin"), text("host")) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin
            .strip_prefix("https://")
            .is_some_and(|from| from.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
    }
}

/// An answer without a page.
pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer.into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let ours = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_our_own(&headers)
        };
        assert!(ours(&[("sec-fetch-site", "same-origin")]));
        assert!(!ours(&[("sec-fetch-site", "cross-site")]));
        assert!(!ours(&[("sec-fetch-site", "same-site")]));
        assert!(ours(&[
            ("origin", "https://a.example:8443"),
            ("host", "A.example:8443")
        ]));
        assert!(!ours(&[
            ("origin", "https://b.example"),
            ("host", "a.example")
        ]));
        assert!(!ours(&[("origin", "null"), ("host", "a.example")]));
        assert!(ours(&[("host", "a.example")]));
    }
}
