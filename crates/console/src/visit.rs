//! Who asks for a page: the browser, its session, and what the account has to do first.

use std::net::SocketAddr;

use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Redirect, Response},
};
use directory::{
    Attempt, Person, Service,
    command::{
        Caller, CommandError,
        own::{self, Standing},
    },
    passkey::Place,
};
use jiff::{Timestamp, ToSpan};
use message::address::Domain;
use transfer::outbreak::{self, OutbreakError, Waiting};

use crate::{
    Console,
    guard::plain,
    sessions::{Lifetime, Session},
    view::{
        HomePage, Hours, LoginPage, Page, app_password_row, forward_row, login_row, notice_row,
        second_factor_row,
    },
    words::{self, Words},
};

/// How commands given here are called in the trail.
const VIA: &str = "web";
/// The cookie of a session: only over TLS, for this host alone (RFC 6265bis, section 4.1.3.2).
pub(crate) const COOKIE: &str = "__Host-session";
/// The cookie of a browser that has no session yet: the challenge of its login page is for it alone.
const GUEST: &str = "__Host-guest";
/// The cookie of the language.
pub(crate) const LANGUAGE: &str = "language";
/// The port that browsers do not write.
const HTTPS: u16 = 443;
/// Logins that are shown.
const MOST_LOGINS: usize = 30;
const LOGIN_DAYS: i64 = 90;
/// Longest name of a browser that is told.
const MOST_AGENT: usize = 200;

/// What every page's function is given beside the request: the pages, and who is at the other end.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) console: Console,
    pub(crate) peer: SocketAddr,
}

/// Who asks, as far as the request's head tells.
pub(crate) struct Visit {
    pub(crate) console: Console,
    pub(crate) peer: SocketAddr,
    pub(crate) words: &'static Words,
    pub(crate) cookie: Option<String>,
    pub(crate) agent: Option<String>,
    /// What the browser has as a guest.
    pub(crate) guest: Option<String>,
    /// The server's name and port, as the browser says.
    host: String,
}

impl FromRequestParts<Site> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Self::Rejection> {
        let text = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let cookies = text(header::COOKIE).unwrap_or_default();
        let cookie = |name: &str| {
            cookies.split(';').find_map(|pair| {
                let (key, value) = pair.trim().split_once('=')?;
                (key == name).then(|| value.to_owned())
            })
        };
        let accepted = text(header::ACCEPT_LANGUAGE).unwrap_or_default();
        Ok(Self {
            words: words::choose(cookie(LANGUAGE).as_deref(), accepted),
            cookie: cookie(COOKIE),
            guest: cookie(GUEST).filter(|guest| !guest.is_empty()),
            host: text(header::HOST).unwrap_or_default().to_owned(),
            agent: text(header::USER_AGENT).map(|agent| agent.chars().take(MOST_AGENT).collect()),
            console: site.console.clone(),
            peer: site.peer,
        })
    }
}

/// Somebody with a session.
pub(crate) struct Member {
    pub(crate) visit: Visit,
    pub(crate) session: Session,
    pub(crate) standing: Standing,
}

impl Visit {
    pub(crate) fn lifetime(&self) -> Lifetime {
        let settings = self.console.inner.settings.load();
        Lifetime {
            silence: settings.silence,
            whole: settings.session_time,
        }
    }

    pub(crate) fn page(&self, key: &str, note: &str) -> Page {
        let settings = self.console.inner.settings.load();
        Page {
            w: self.words,
            host: settings.hostname.clone(),
            site: self.place().name,
            key: key.to_owned(),
            note: note.to_owned(),
        }
    }

    pub(crate) fn attempt(&self) -> Attempt {
        Attempt {
            service: Service::Web,
            protocol: "https",
            mechanism: "FORM",
            peer: self.peer.ip(),
            tls: true,
            client: self.agent.clone(),
        }
    }

    /// By which times are told, and days that were typed are meant.
    pub(crate) fn hours(&self) -> Hours {
        Hours(self.console.inner.settings.load().zone.clone())
    }

    /// Where the pages are, for passkeys.
    pub(crate) fn place(&self) -> Place {
        place(&self.console.inner.settings.load().hostname, &self.host)
    }

    /// The login page, with a cookie that ends what the browser had.
    pub(crate) fn login_page(&self, status: StatusCode, identifier: &str, note: &str) -> Response {
        let inner = &self.console.inner;
        let guest = self.guest.clone();
        let guest = guest.unwrap_or_else(|| inner.sessions.guest());
        let (challenge, ticket) = inner.directory.passkey_challenge(&guest);
        let page = LoginPage {
            page: self.page("", note),
            identifier: identifier.to_owned(),
            challenge: challenge.written(),
            ticket,
        };
        let mut answer = shown(status, &page);
        if self.guest.is_none() {
            set_cookie(&mut answer, &format!("{GUEST}={guest}"));
        }
        if self.cookie.is_some() {
            set_cookie(&mut answer, &format!("{COOKIE}=; Max-Age=0"));
        }
        answer
    }

    pub(crate) fn unavailable(&self) -> Response {
        self.login_page(StatusCode::SERVICE_UNAVAILABLE, "", self.words.try_later)
    }

    /// Whose session it is, and how the account stands.
    pub(crate) async fn member(self) -> Result<Member, Response> {
        let session = self
            .cookie
            .as_deref()
            .and_then(|cookie| self.console.inner.sessions.find(cookie, self.lifetime()));
        let Some(session) = session else {
            let note = self.cookie.as_ref().map_or("", |_| self.words.ended);
            return Err(self.login_page(StatusCode::OK, "", note));
        };
        match self.console.inner.directory.standing(&session.login).await {
            Ok(Some(standing)) => Ok(Member {
                visit: self,
                session,
                standing,
            }),
            Ok(None) => {
                self.end_session();
                Err(self.login_page(StatusCode::OK, "", self.words.ended))
            }
            Err(error) => {
                tracing::error!(%error, "an account cannot be read for its page");
                Err(self.unavailable())
            }
        }
    }

    /// The same, for a form: it must bring the session's key, and what the account has to do first comes before anything else.
    pub(crate) async fn sender(self, key: &str, does: Option<Duty>) -> Result<Member, Response> {
        let member = self.member().await?;
        if !member.session.wrote(key) {
            let note = member.visit.words.stale;
            return Err(member.home(StatusCode::FORBIDDEN, note).await);
        }
        match member.duty() {
            Some(duty) if does != Some(duty) => Err(duty.redirect()),
            _ => Ok(member),
        }
    }

    pub(crate) fn end_session(&self) {
        if let Some(cookie) = &self.cookie {
            self.console.inner.sessions.end(cookie);
        }
    }
}

/// Where the pages are: under the server's name, whatever the browser calls it, and at the port that the browser says, since the
/// one that the server listens at may be another.
fn place(hostname: &str, host: &str) -> Place {
    let name = Domain::parse(hostname).map_or_else(
        |_| hostname.to_ascii_lowercase(),
        |domain| domain.as_str().to_owned(),
    );
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let origin = match port.and_then(|port| port.parse::<u16>().ok()) {
        Some(port) if port != HTTPS => format!("https://{name}:{port}"),
        _ => format!("https://{name}"),
    };
    Place { name, origin }
}

/// What an account has to do before anything else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Duty {
    Password,
    SecondFactor,
}

impl Duty {
    pub(crate) fn redirect(self) -> Response {
        to(match self {
            Self::Password => "/password",
            Self::SecondFactor => "/second-factor",
        })
    }
}

impl Member {
    pub(crate) fn duty(&self) -> Option<Duty> {
        if self.standing.must_change_password {
            return Some(Duty::Password);
        }
        let missing = self.standing.second_factors.is_empty();
        (missing && self.standing.second_factor_needed).then_some(Duty::SecondFactor)
    }

    pub(crate) fn page(&self, note: &str) -> Page {
        self.visit.page(&self.session.form_key, note)
    }

    pub(crate) fn identifier(&self) -> &str {
        &self.standing.identifier
    }

    /// Refuses identifiers that are neither this session's nor shared: another account of the same person has proofs of its own.
    pub(crate) fn may_look_after(&self, identifier: &str) -> Result<(), CommandError> {
        let known = identifier == self.standing.identifier
            || self
                .standing
                .shared
                .iter()
                .any(|shared| shared == identifier);
        match known {
            true => Ok(()),
            false => Err(CommandError::OnlyHolder(identifier.to_owned())),
        }
    }

    pub(crate) async fn caller(&self) -> Result<Caller, CommandError> {
        let directory = &self.visit.console.inner.directory;
        let caller = Caller::of_login(directory, &self.session.login, VIA).await?;
        Ok(caller.from_address(self.visit.peer.ip()))
    }

    /// The account's own page.
    pub(crate) async fn home(&self, status: StatusCode, note: &str) -> Response {
        if let Some(duty) = self.duty() {
            return duty.redirect();
        }
        let logins = match self.logins().await {
            Ok(logins) => logins,
            Err(error) => {
                tracing::error!(%error, "the logins cannot be read for a page");
                return self.visit.unavailable();
            }
        };
        let notices = match self.notices().await {
            Ok(notices) => notices,
            Err(error) => {
                tracing::error!(%error, "the notices that wait cannot be read for a page");
                return self.visit.unavailable();
            }
        };
        let (w, standing) = (self.visit.words, self.standing.clone());
        let hours = self.visit.hours();
        let acknowledged = standing.acknowledged_at.map(|at| hours.moment(at));
        let (apps, factors) = (
            standing.app_passwords.clone(),
            standing.second_factors.clone(),
        );
        let page = HomePage {
            page: self.page(note),
            acknowledged: acknowledged.unwrap_or_default(),
            notices: notices.into_iter().map(|v| notice_row(&hours, v)).collect(),
            app_passwords: apps
                .into_iter()
                .map(|v| app_password_row(w, &hours, v))
                .collect(),
            forwards: standing
                .forwards
                .iter()
                .map(|v| forward_row(&hours, v))
                .collect(),
            second_factors: factors
                .into_iter()
                .map(|v| second_factor_row(w, &hours, v))
                .collect(),
            logins: logins.into_iter().map(|v| login_row(&hours, v)).collect(),
            standing,
        };
        shown(status, &page)
    }

    /// The notices to staff that wait for somebody with a role of this person's; none for everybody else.
    async fn notices(&self) -> Result<Vec<Waiting>, OutbreakError> {
        let standing = &self.standing;
        let person = Person::new(standing.person.as_str(), standing.roles.clone());
        match outbreak::waiting(&self.visit.console.inner.transfer, &person).await {
            Err(OutbreakError::NotPermitted(_)) => Ok(Vec::new()),
            found => found,
        }
    }

    async fn logins(&self) -> Result<Vec<own::LoginView>, CommandError> {
        let caller = self.caller().await?;
        let now = self.visit.console.inner.world.now();
        let from = now.checked_sub((LOGIN_DAYS * 24).hours());
        let from = from.unwrap_or(Timestamp::MIN);
        own::logins(&caller, self.identifier(), from, MOST_LOGINS).await
    }

    /// Goes home after a command, or tells there why it was refused.
    pub(crate) async fn after(&self, done: Result<(), CommandError>) -> Response {
        match done {
            Ok(()) => to("/"),
            Err(error) => {
                let note = words::refusal(self.visit.words, &error);
                self.home(status_of(&error), &note).await
            }
        }
    }
}

pub(crate) fn status_of(error: &CommandError) -> StatusCode {
    if error.is_failure() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

pub(crate) fn to(address: &'static str) -> Response {
    Redirect::to(address).into_response()
}

pub(crate) fn shown(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "The page failed.\n")
        }
    }
}

pub(crate) fn set_cookie(answer: &mut Response, cookie: &str) {
    let whole = format!("{cookie}; Path=/; Secure; HttpOnly; SameSite=Strict");
    if let Ok(value) = HeaderValue::from_str(&whole) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_for_the_servers_name_at_the_port_that_is_reached() {
        for (hostname, host, origin) in [
            (
                "mail.example.org",
                "mail.example.org",
                "https://mail.example.org",
            ),
            (
                "Mail.Example.org",
                "MAIL.example.org:443",
                "https://mail.example.org",
            ),
            (
                "mail.example.org",
                "mail.example.org:8443",
                "https://mail.example.org:8443",
            ),
            (
                "mail.example.org",
                "elsewhere.example",
                "https://mail.example.org",
            ),
            (
                "mail.example.org",
                "[2001:db8::1]:8443",
                "https://mail.example.org:8443",
            ),
            ("mail.example.org", "", "https://mail.example.org"),
            ("メール.example", "", "https://xn--4dkua4c.example"),
        ] {
            let place = place(hostname, host);
            assert_eq!(place.origin, origin);
            assert!(place.origin.starts_with(&format!("https://{}", place.name)));
        }
    }
}
