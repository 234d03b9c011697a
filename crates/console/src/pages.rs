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
    command::{CommandError, account, app_password, app_password::Wish, arrival, forward},
};
use jiff::{Timestamp, civil::Date};
use message::address::Address;

use crate::{
    Console,
    form::{AppPasswordForm, ButtonForm, ForwardForm, LanguageQuery, PasswordForm, RevokeForm},
    guard::{MOST_FORM, guard},
    login, policy, quarantine, second_factors,
    view::{Hours, MadePage, PasswordPage},
    visit::{Duty, LANGUAGE, Member, Site, Visit, set_cookie, shown, status_of, to},
    words,
};

/// All pages, for the connection of `peer`.
pub(crate) fn router(console: Console, peer: SocketAddr) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", post(login::log_in).get(to_home))
        .route("/login/passkey", post(login::with_passkey).get(to_home))
        .route("/logout", post(login::log_out))
        .route("/language", get(language))
        .route("/password", get(password_page).post(set_password))
        .route("/acknowledge", post(acknowledge))
        .route("/app-password", post(make_app_password).get(to_home))
        .route("/app-password/revoke", post(revoke_app_password))
        .route("/forward", post(add_forward).get(to_home))
        .route("/forward/remove", post(remove_forward))
        .route(
            "/second-factor",
            get(second_factors::page).post(second_factors::add_device),
        )
        .route(
            "/second-factor/passkey",
            post(second_factors::add_passkey).get(to_second_factors),
        )
        .route("/second-factor/remove", post(second_factors::remove))
        .route("/quarantine", get(quarantine::page))
        .route(
            "/quarantine/release",
            post(quarantine::release).get(to_quarantine),
        )
        .route(
            "/quarantine/delete",
            post(quarantine::delete).get(to_quarantine),
        )
        .route("/passkey.js", get(script))
        .route("/style.css", get(style))
        .route("/.well-known/mta-sts.txt", get(policy::policy))
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

async fn to_second_factors() -> Response {
    to("/second-factor")
}

async fn to_quarantine() -> Response {
    to("/quarantine")
}

async fn nothing(visit: Visit) -> Response {
    let note = visit.words.no_such_page;
    match visit.member().await {
        Ok(member) => member.home(StatusCode::NOT_FOUND, note).await,
        Err(answer) => (StatusCode::NOT_FOUND, answer).into_response(),
    }
}

async fn style() -> Response {
    text(
        "text/css; charset=utf-8",
        include_str!("../templates/style.css"),
    )
}

async fn script() -> Response {
    let script = include_str!("../templates/passkey.js");
    text("text/javascript; charset=utf-8", script)
}

fn text(kind: &'static str, text: &'static str) -> Response {
    let kind = HeaderValue::from_static(kind);
    ([(header::CONTENT_TYPE, kind)], text).into_response()
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
            expires_at: end_of(&member.visit.hours(), &form.expires)?,
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

/// The end of the day that a form names.
fn end_of(hours: &Hours, day: &str) -> Result<Option<Timestamp>, CommandError> {
    if day.trim().is_empty() {
        return Ok(None);
    }
    let wrong = || CommandError::Argument(format!("{day:?} is no day"));
    let typed: Date = day.trim().parse().map_err(|_| wrong())?;
    hours.end_of(typed).map(Some).ok_or_else(wrong)
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
