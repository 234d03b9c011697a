//! What own domains demand of those who send them mail (MTA-STS, RFC 8461), at `https://mta-sts.<domain>/.well-known/mta-sts.txt`.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{guard::plain, visit::Site};

/// The policy of the domain that the request's host names; other hosts have none.
pub(crate) async fn policy(State(site): State<Site>, headers: HeaderMap) -> Response {
    let settings = site.console.inner.settings.load();
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let found = domain_of(host).and_then(|domain| settings.sts_policies.get(&domain));
    let Some(text) = found else {
        return plain(StatusCode::NOT_FOUND, "There is no policy here.\n");
    };
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], Body::from(text.clone())).into_response()
}

/// The domain whose policy the host serves, in lower case.
fn domain_of(host: &str) -> Option<String> {
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.strip_prefix("mta-sts.").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_names_the_domain() {
        let domain = Some("city.example".to_owned());
        assert_eq!(domain_of("mta-sts.city.example"), domain);
        assert_eq!(domain_of("MTA-STS.City.example.:443"), domain);
        assert_eq!(domain_of("mail.city.example"), None);
        assert_eq!(domain_of("mta-sts"), None);
        assert_eq!(domain_of(""), None);
    }
}
