//! What each address does.

use std::net::SocketAddr;

use axum::{
    Form, Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use directory::{
    Refusal,
    command::{
        CommandError, account, app_password, app_password::Wish, arrival, forward, second_factor,
    },
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use message::address::Address;

use crate::{
    Console,
    form::{
        AppPasswordForm, ButtonForm, ForwardForm, LanguageQuery, LoginForm, NumberForm,
        PasswordForm, RevokeForm, SecondFactorForm,
    },
    guard::{MOST_FORM, guard},
    view::{MadePage, PasswordPage, Picture, SecondFactorPage},
    visit::{COOKIE, Duty, LANGUAGE, Member, Site, Visit, set_cookie, shown, status_of, to},
    words,
};

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
        .route("/forward", post(add_forward).get(to_home))
        .route("/forward/remove", post(remove_forward))
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
    let directory = visit.console.inner.directory.clone();
    let (attempt, identifier) = (visit.attempt(), form.identifier.clone());
    // To its end, whether the browser waits for it or not: an attempt leaves its event and counts.
    let proof = tokio::spawn(async move {
        let password = form.password.expose();
        directory
            .authenticate_with_code(&attempt, &identifier, password, &form.code)
            .await
    });
    let proof = proof.await.unwrap_or(Err(Refusal::Temporary));
    let (status, note) = match proof {
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
    let directory = member.visit.console.inner.directory.clone();
    let (attempt, login) = (member.visit.attempt(), member.session.login.clone());
    let present = form.present.clone();
    let asked = tokio::spawn(async move { directory.confirm(&attempt, &login, &present).await });
    match asked.await.unwrap_or(Err(Refusal::Temporary)) {
        Ok(()) => {}
        Err(Refusal::Temporary) => {
            return password_form(&member, StatusCode::SERVICE_UNAVAILABLE, w.try_later);
        }
        Err(_) => return password_form(&member, StatusCode::UNAUTHORIZED, w.present_wrong),
    }
    let work = async {
        let caller = member.caller().await?;
        let chosen = Some(form.chosen.clone());
        account::password(&caller, member.identifier(), chosen).await
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
        member.may_look_after(&form.identifier)?;
        app_password::add(&caller, &form.identifier, wish).await
    };
    match work.await {
        Ok(made) => {
            let page = MadePage {
                page: member.page(""),
                name: format!("{} ({})", form.name, form.identifier),
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

async fn revoke_app_password(visit: Visit, Form(form): Form<RevokeForm>) -> Response {
    let member = match visit.sender(&form.key, None).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let work = async {
        let caller = member.caller().await?;
        member.may_look_after(&form.identifier)?;
        app_password::revoke(&caller, &form.identifier, form.number).await
    };
    let done = work.await;
    member.after(done).await
}

/// An address as it was typed, or the page that says that it is none.
async fn typed(member: &Member, text: &str) -> Result<Address, Response> {
    match Address::parse(text.trim()) {
        Ok(address) => Ok(address),
        Err(_) => {
            let note = member.visit.words.no_address;
            Err(member.home(StatusCode::UNPROCESSABLE_ENTITY, note).await)
        }
    }
}

async fn add_forward(visit: Visit, Form(form): Form<ForwardForm>) -> Response {
    let member = match visit.sender(&form.key, None).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let target = match typed(&member, &form.target).await {
        Ok(target) => target,
        Err(answer) => return answer,
    };
    let work = async {
        let wish = forward::Wish {
            name: member.identifier().to_owned(),
            target,
            order: None,
            until: None,
        };
        forward::add(&member.caller().await?, wish).await
    };
    let done = work.await;
    member.after(done).await
}

async fn remove_forward(visit: Visit, Form(form): Form<ForwardForm>) -> Response {
    let member = match visit.sender(&form.key, None).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let target = match typed(&member, &form.target).await {
        Ok(target) => target,
        Err(answer) => return answer,
    };
    let work = async {
        let caller = member.caller().await?;
        forward::remove(&caller, member.identifier(), &target).await
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
        Ok(added) => {
            let sessions = &member.visit.console.inner.sessions;
            if let Some(cookie) = &member.visit.cookie {
                sessions.renew(cookie, added.generation);
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
