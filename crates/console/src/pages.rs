//! What each address does.

use std::net::SocketAddr;

use askama::Template;
use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use directory::{
    Attempt, Refusal, Service,
    command::{
        Caller, CommandError, app_password,
        app_password::Wish,
        arrival,
        own::{self, Standing},
        second_factor,
    },
};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

use crate::{
    Console,
    form::{
        AppPasswordForm, ButtonForm, LanguageQuery, LoginForm, NumberForm, PasswordForm,
        SecondFactorForm,
    },
    guard::{MOST_FORM, guard, plain},
    sessions::{Lifetime, Session},
    view::{
        HomePage, LoginPage, MadePage, Page, PasswordPage, Picture, SecondFactorPage,
        app_password_row, login_row, moment, second_factor_row,
    },
    words::{self, Words},
};

/// How commands given here are called in the trail.
const VIA: &str = "web";
/// The cookie of a session: only over TLS, for this host alone (RFC 6265bis, section 4.1.3.2).
const COOKIE: &str = "__Host-session";
const LANGUAGE: &str = "language";
/// Logins that are shown.
const MOST_LOGINS: usize = 30;
const LOGIN_DAYS: i64 = 90;
/// Longest name of a browser that is told.
const MOST_AGENT: usize = 200;

#[derive(Clone)]
struct Site {
    console: Console,
    peer: SocketAddr,
}

/// All pages, for the connection of `peer`.
pub(crate) fn router(console: Console, peer: SocketAddr) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", post(log_in).get(to_home))
        .route("/logout", post(log_out))
        .route("/language", get(language))
        .route("/password", get(password_page).post(set_password))
        .route("/acknowledge", post(acknowledge))
        .route("/app-password", post(make_app_password).get(to_home))
        .route("/app-password/revoke", post(revoke_app_password))
        .route(
            "/second-factor",
            get(second_factor_page).post(add_second_factor),
        )
        .route("/second-factor/remove", post(remove_second_factor))
        .route("/style.css", get(style))
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(MOST_FORM))
        .layer(middleware::from_fn_with_state(console.clone(), guard))
        .with_state(Site { console, peer })
}

/// Who asks, as far as the request's head tells.
struct Visit {
    console: Console,
    peer: SocketAddr,
    words: &'static Words,
    cookie: Option<String>,
    agent: Option<String>,
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
            agent: text(header::USER_AGENT).map(|agent| agent.chars().take(MOST_AGENT).collect()),
            console: site.console.clone(),
            peer: site.peer,
        })
    }
}

/// Somebody with a session.
struct Member {
    visit: Visit,
    session: Session,
    standing: Standing,
}

impl Visit {
    fn lifetime(&self) -> Lifetime {
        let settings = self.console.inner.settings.load();
        Lifetime {
            silence: settings.silence,
            whole: settings.session_time,
        }
    }

    fn page(&self, key: &str, note: &str) -> Page {
        let settings = self.console.inner.settings.load();
        Page {
            w: self.words,
            host: settings.hostname.clone(),
            key: key.to_owned(),
            note: note.to_owned(),
        }
    }

    fn attempt(&self) -> Attempt {
        Attempt {
            service: Service::Web,
            protocol: "https",
            mechanism: "FORM",
            peer: self.peer.ip(),
            tls: true,
            client: self.agent.clone(),
        }
    }

    /// The login page, with a cookie that ends what the browser had.
    fn login_page(&self, status: StatusCode, identifier: &str, note: &str) -> Response {
        let page = LoginPage {
            page: self.page("", note),
            identifier: identifier.to_owned(),
        };
        let mut answer = shown(status, &page);
        if self.cookie.is_some() {
            set_cookie(&mut answer, &format!("{COOKIE}=; Max-Age=0"));
        }
        answer
    }

    fn unavailable(&self) -> Response {
        self.login_page(StatusCode::SERVICE_UNAVAILABLE, "", self.words.try_later)
    }

    /// Whose session it is, and how the account stands.
    async fn member(self) -> Result<Member, Response> {
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
    async fn sender(self, key: &str, does: Option<Duty>) -> Result<Member, Response> {
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

    fn end_session(&self) {
        if let Some(cookie) = &self.cookie {
            self.console.inner.sessions.end(cookie);
        }
    }
}

/// What an account has to do before anything else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Duty {
    Password,
    SecondFactor,
}

impl Duty {
    fn redirect(self) -> Response {
        to(match self {
            Self::Password => "/password",
            Self::SecondFactor => "/second-factor",
        })
    }
}

impl Member {
    fn duty(&self) -> Option<Duty> {
        if self.standing.must_change_password {
            return Some(Duty::Password);
        }
        let missing = self.standing.second_factors.is_empty();
        (missing && self.standing.second_factor_needed).then_some(Duty::SecondFactor)
    }

    fn page(&self, note: &str) -> Page {
        self.visit.page(&self.session.form_key, note)
    }

    fn identifier(&self) -> &str {
        &self.standing.identifier
    }

    async fn caller(&self) -> Result<Caller, CommandError> {
        let directory = &self.visit.console.inner.directory;
        Caller::of_login(directory, &self.session.login, VIA).await
    }

    /// The account's own page.
    async fn home(&self, status: StatusCode, note: &str) -> Response {
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
        let (w, standing) = (self.visit.words, self.standing.clone());
        let acknowledged = standing.acknowledged_at.map(moment).unwrap_or_default();
        let (apps, factors) = (
            standing.app_passwords.clone(),
            standing.second_factors.clone(),
        );
        let page = HomePage {
            page: self.page(note),
            acknowledged,
            app_passwords: apps.into_iter().map(|v| app_password_row(w, v)).collect(),
            second_factors: factors
                .into_iter()
                .map(|v| second_factor_row(w, v))
                .collect(),
            logins: logins.into_iter().map(login_row).collect(),
            standing,
        };
        shown(status, &page)
    }

    async fn logins(&self) -> Result<Vec<own::LoginView>, CommandError> {
        let caller = self.caller().await?;
        let now = self.visit.console.inner.world.now();
        let from = now.checked_sub((LOGIN_DAYS * 24).hours());
        let from = from.unwrap_or(Timestamp::MIN);
        own::logins(&caller, self.identifier(), from, MOST_LOGINS).await
    }

    /// Goes home after a command, or tells there why it was refused.
    async fn after(&self, done: Result<(), CommandError>) -> Response {
        match done {
            Ok(()) => to("/"),
            Err(error) => {
                let note = words::refusal(self.visit.words, &error);
                self.home(status_of(&error), &note).await
            }
        }
    }
}

fn status_of(error: &CommandError) -> StatusCode {
    if error.is_failure() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

fn to(address: &'static str) -> Response {
    Redirect::to(address).into_response()
}

fn shown(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "The page failed.\n")
        }
    }
}

fn set_cookie(answer: &mut Response, cookie: &str) {
    let whole = format!("{cookie}; Path=/; Secure; HttpOnly; SameSite=Strict");
    if let Ok(value) = HeaderValue::from_str(&whole) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
}

async fn home(visit: Visit) -> Response {
    match visit.member().await {
        Ok(member) => member.home(StatusCode::OK, "").await,
        Err(answer) => answer,
    }
}

async fn to_home() -> Response {
    to("/")
}

async fn nothing(visit: Visit) -> Response {
    let note = visit.words.no_such_page;
    match visit.member().await {
        Ok(member) => member.home(StatusCode::NOT_FOUND, note).await,
        Err(answer) => (StatusCode::NOT_FOUND, answer).into_response(),
    }
}

async fn style() -> Response {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    (
        [(header::CONTENT_TYPE, kind)],
        include_str!("../templates/style.css"),
    )
        .into_response()
}

async fn language(Form(query): Form<LanguageQuery>) -> Response {
    let mut answer = to("/");
    if let language @ ("ja" | "en") = query.to.as_str() {
        set_cookie(
            &mut answer,
            &format!("{LANGUAGE}={language}; Max-Age=31536000"),
        );
    }
    answer
}

async fn log_in(visit: Visit, Form(form): Form<LoginForm>) -> Response {
    let directory = &visit.console.inner.directory;
    let (attempt, password) = (visit.attempt(), form.password.expose());
    let proof = directory.authenticate_with_code(&attempt, &form.identifier, password, &form.code);
    let (status, note) = match proof.await {
        Ok(login) => {
            // A session that the browser had is not gone on with: whoever knew its cookie must not know this one's.
            visit.end_session();
            let sessions = &visit.console.inner.sessions;
            let cookie = sessions.begin(login, visit.lifetime());
            let mut answer = to("/");
            set_cookie(&mut answer, &format!("{COOKIE}={cookie}"));
            return answer;
        }
        Err(Refusal::Temporary) => (StatusCode::SERVICE_UNAVAILABLE, visit.words.try_later),
        Err(Refusal::Credentials | Refusal::InitialPassword) => {
            (StatusCode::UNAUTHORIZED, visit.words.refused)
        }
    };
    visit.login_page(status, &form.identifier, note)
}

async fn log_out(visit: Visit, Form(form): Form<ButtonForm>) -> Response {
    match visit.member().await {
        Ok(member) if member.session.wrote(&form.key) => {
            member.visit.end_session();
            member.visit.login_page(StatusCode::OK, "", "")
        }
        Ok(member) => {
            member
                .home(StatusCode::FORBIDDEN, member.visit.words.stale)
                .await
        }
        Err(answer) => answer,
    }
}

async fn acknowledge(visit: Visit, Form(form): Form<ButtonForm>) -> Response {
    let member = match visit.sender(&form.key, None).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let work = async {
        let caller = member.caller().await?;
        let person = &member.standing.person;
        arrival::acknowledge(&caller, person, false).await.map(drop)
    };
    let done = work.await;
    member.after(done).await
}

async fn password_page(visit: Visit) -> Response {
    match visit.member().await {
        Ok(member) => password_form(&member, StatusCode::OK, ""),
        Err(answer) => answer,
    }
}

fn password_form(member: &Member, status: StatusCode, note: &str) -> Response {
    let page = PasswordPage {
        page: member.page(note),
        must_change: member.standing.must_change_password,
    };
    shown(status, &page)
}

async fn set_password(visit: Visit, Form(form): Form<PasswordForm>) -> Response {
    let member = match visit.sender(&form.key, Some(Duty::Password)).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let w = member.visit.words;
    if form.chosen != form.again {
        return password_form(&member, StatusCode::UNPROCESSABLE_ENTITY, w.not_same);
    }
    let directory = &member.visit.console.inner.directory;
    let (attempt, login) = (member.visit.attempt(), &member.session.login);
    match directory.confirm(&attempt, login, &form.present).await {
        Ok(()) => {}
        Err(Refusal::Temporary) => {
            return password_form(&member, StatusCode::SERVICE_UNAVAILABLE, w.try_later);
        }
        Err(_) => return password_form(&member, StatusCode::UNAUTHORIZED, w.present_wrong),
    }
    let work = async {
        let caller = member.caller().await?;
        let chosen = Some(form.chosen.clone());
        directory::command::account::password(&caller, member.identifier(), chosen).await
    };
    match work.await {
        Ok(_) => {
            member.visit.end_session();
            let visit = &member.visit;
            visit.login_page(StatusCode::OK, member.identifier(), w.changed)
        }
        Err(error) => password_form(&member, status_of(&error), &words::refusal(w, &error)),
    }
}

async fn make_app_password(visit: Visit, Form(form): Form<AppPasswordForm>) -> Response {
    let member = match visit.sender(&form.key, None).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let work = async {
        let wish = Wish {
            msa: form.scope != "fetch",
            mra: form.scope != "send",
            expires_at: end_of(&form.expires)?,
            name: form.name.clone(),
        };
        let caller = member.caller().await?;
        app_password::add(&caller, member.identifier(), wish).await
    };
    match work.await {
        Ok(made) => {
            let page = MadePage {
                page: member.page(""),
                name: form.name,
                password: made.password.expose_str().unwrap_or_default().to_owned(),
            };
            shown(StatusCode::OK, &page)
        }
        Err(error) => member.after(Err(error)).await,
    }
}

/// The end of the day that a form names, where the server stands.
fn end_of(day: &str) -> Result<Option<Timestamp>, CommandError> {
    if day.trim().is_empty() {
        return Ok(None);
    }
    let wrong = || CommandError::Argument(format!("{day:?} is no day"));
    let day: Date = day.trim().parse().map_err(|_| wrong())?;
    let next = day.tomorrow().map_err(|_| wrong())?;
    let zoned = next.to_zoned(TimeZone::system()).map_err(|_| wrong())?;
    Ok(Some(zoned.timestamp()))
}

async fn revoke_app_password(visit: Visit, Form(form): Form<NumberForm>) -> Response {
    let member = match visit.sender(&form.key, None).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let work = async {
        let caller = member.caller().await?;
        app_password::revoke(&caller, member.identifier(), form.number).await
    };
    let done = work.await;
    member.after(done).await
}

async fn second_factor_page(visit: Visit) -> Response {
    match visit.member().await {
        Ok(member) if member.duty() == Some(Duty::Password) => Duty::Password.redirect(),
        Ok(member) => second_factor_form(&member, StatusCode::OK, ""),
        Err(answer) => answer,
    }
}

/// Offers a new secret each time; the session keeps it until a code of it comes.
fn second_factor_form(member: &Member, status: StatusCode, note: &str) -> Response {
    let inner = &member.visit.console.inner;
    let host = inner.settings.load().hostname.clone();
    let offer = second_factor::offer(&inner.directory, member.identifier(), &host);
    let (Some(secret), Some(address)) = (offer.secret.expose_str(), offer.address.expose_str())
    else {
        return member.visit.unavailable();
    };
    let Some(picture) = Picture::of(address) else {
        return member.visit.unavailable();
    };
    let page = SecondFactorPage {
        page: member.page(note),
        needed: member.duty() == Some(Duty::SecondFactor),
        secret: secret.to_owned(),
        picture,
    };
    if let Some(cookie) = &member.visit.cookie {
        inner.sessions.offer(cookie, Some(offer.secret.clone()));
    }
    shown(status, &page)
}

async fn add_second_factor(visit: Visit, Form(form): Form<SecondFactorForm>) -> Response {
    let member = match visit.sender(&form.key, Some(Duty::SecondFactor)).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let Some(secret) = member.session.offered.clone() else {
        return to("/second-factor");
    };
    let work = async {
        let caller = member.caller().await?;
        let name = member.identifier();
        second_factor::add(&caller, name, &form.name, &secret, &form.code).await
    };
    match work.await {
        Ok(_) => {
            if let Some(cookie) = &member.visit.cookie {
                member.visit.console.inner.sessions.offer(cookie, None);
            }
            to("/")
        }
        Err(CommandError::WrongCode) => {
            let note = member.visit.words.second_wrong;
            second_factor_form(&member, StatusCode::UNPROCESSABLE_ENTITY, note)
        }
        Err(error) => {
            let note = words::refusal(member.visit.words, &error);
            second_factor_form(&member, status_of(&error), &note)
        }
    }
}

async fn remove_second_factor(visit: Visit, Form(form): Form<NumberForm>) -> Response {
    let member = match visit.sender(&form.key, None).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let work = async {
        let caller = member.caller().await?;
        second_factor::remove(&caller, member.identifier(), form.number).await
    };
    let done = work.await;
    member.after(done).await
}
