//! The way in and out: an identifier, its password, and a second factor where there is one, in one form. Who has none of the
//! three right learns no more than who has one wrong.

use axum::{
    Form,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use directory::{Login, PasskeyRefusal, Refusal, passkey::Assertion};

use crate::{
    form::{ButtonForm, LoginForm, PasskeyLoginForm},
    visit::{COOKIE, Visit, set_cookie, to},
};

/// `POST /login`
pub(crate) async fn log_in(visit: Visit, Form(form): Form<LoginForm>) -> Response {
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
    ended(&visit, &form.identifier, proof)
}

/// `POST /login/passkey`
pub(crate) async fn with_passkey(visit: Visit, Form(form): Form<PasskeyLoginForm>) -> Response {
    let directory = visit.console.inner.directory.clone();
    let (attempt, identifier) = (visit.attempt(), form.identifier.clone());
    let whose = visit.guest.clone().unwrap_or_default();
    let assertion = Assertion {
        place: visit.place(),
        credential: form.credential,
        user: form.user,
        client_data: form.client_data,
        authenticator_data: form.authenticator_data,
        signature: form.signature,
    };
    // To its end, as above.
    let proof = tokio::spawn(async move {
        let asked = (form.ticket.as_str(), whose.as_str());
        let password = form.password.expose();
        directory
            .authenticate_with_passkey(&attempt, &identifier, password, asked, assertion)
            .await
    });
    let proof = proof.await.unwrap_or(Err(Refusal::Temporary));
    ended(&visit, &form.identifier, proof)
}

/// The session that a proof begins, or the login page again.
fn ended(visit: &Visit, identifier: &str, proof: Result<Login, Refusal>) -> Response {
    let w = visit.words;
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
        Err(Refusal::Temporary) => (StatusCode::SERVICE_UNAVAILABLE, w.try_later),
        Err(Refusal::Credentials | Refusal::InitialPassword | Refusal::SecondFactorMissing) => {
            (StatusCode::UNAUTHORIZED, w.refused)
        }
        Err(Refusal::Passkey(PasskeyRefusal::Stale)) => (StatusCode::UNAUTHORIZED, w.passkey_stale),
        Err(Refusal::Passkey(PasskeyRefusal::Copied)) => {
            (StatusCode::UNAUTHORIZED, w.passkey_copied)
        }
    };
    visit.login_page(status, identifier, note)
}

/// `POST /logout`
pub(crate) async fn log_out(visit: Visit, Form(form): Form<ButtonForm>) -> Response {
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
        Err(answer) => answer.into_response(),
    }
}
