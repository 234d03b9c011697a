//! Second factors: devices that show codes, and passkeys.

use axum::{Form, http::StatusCode, response::Response};
use directory::{
    command::{CommandError, passkey, second_factor},
    passkey::Registration,
};

use crate::{
    form::{NumberForm, PasskeyForm, SecondFactorForm},
    view::{PasskeyOffer, Picture, SecondFactorPage},
    visit::{Duty, Member, Visit, shown, status_of, to},
    words,
};

/// `GET /second-factor`
pub(crate) async fn page(visit: Visit) -> Response {
    match visit.member().await {
        Ok(member) if member.duty() == Some(Duty::Password) => Duty::Password.redirect(),
        Ok(member) => form(&member, StatusCode::OK, "").await,
        Err(answer) => answer,
    }
}

/// Offers a new secret and a new challenge each time; the session keeps both until one of them is answered.
async fn form(member: &Member, status: StatusCode, note: &str) -> Response {
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
    let passkey = match passkey_offer(member).await {
        Ok(passkey) => passkey,
        Err(error) => {
            tracing::error!(%error, "passkeys cannot be read for a page");
            return member.visit.unavailable();
        }
    };
    let page = SecondFactorPage {
        page: member.page(note),
        needed: member.duty() == Some(Duty::SecondFactor),
        secret: secret.to_owned(),
        picture,
        passkey: PasskeyOffer::new(member.identifier(), &passkey),
    };
    if let Some(cookie) = &member.visit.cookie {
        inner.sessions.offer(cookie, offer.secret.clone(), passkey);
    }
    shown(status, &page)
}

async fn passkey_offer(member: &Member) -> Result<passkey::Offer, CommandError> {
    let caller = member.caller().await?;
    passkey::offer(&caller, member.identifier()).await
}

/// `POST /second-factor`: a device that shows codes.
pub(crate) async fn add_device(visit: Visit, Form(sent): Form<SecondFactorForm>) -> Response {
    let member = match visit.sender(&sent.key, Some(Duty::SecondFactor)).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let Some(secret) = member.session.offered.clone() else {
        return to("/second-factor");
    };
    let work = async {
        let caller = member.caller().await?;
        let name = member.identifier();
        second_factor::add(&caller, name, &sent.name, &secret, &sent.code).await
    };
    let done = work.await;
    added(&member, done).await
}

/// `POST /second-factor/passkey`
pub(crate) async fn add_passkey(visit: Visit, Form(sent): Form<PasskeyForm>) -> Response {
    let member = match visit.sender(&sent.key, Some(Duty::SecondFactor)).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let sessions = &member.visit.console.inner.sessions;
    let cookie = member.visit.cookie.as_deref().unwrap_or_default();
    let Some(offer) = sessions.take_passkey(cookie) else {
        let note = member.visit.words.passkey_stale;
        return form(&member, StatusCode::UNPROCESSABLE_ENTITY, note).await;
    };
    let registration = Registration {
        place: member.visit.place(),
        client_data: sent.client_data,
        object: sent.object,
    };
    let work = async {
        let caller = member.caller().await?;
        let name = member.identifier();
        passkey::add(&caller, name, &sent.name, &offer, &registration).await
    };
    let done = work.await;
    added(&member, done).await
}

/// Goes home, with a session that counts as proved by the new second factor; or tells why there is none.
async fn added(member: &Member, done: Result<second_factor::Added, CommandError>) -> Response {
    match done {
        Ok(added) => {
            let sessions = &member.visit.console.inner.sessions;
            if let Some(cookie) = &member.visit.cookie {
                sessions.renew(cookie, added.generation);
            }
            to("/")
        }
        Err(CommandError::WrongCode) => {
            let note = member.visit.words.second_wrong;
            form(member, StatusCode::UNPROCESSABLE_ENTITY, note).await
        }
        Err(error) => {
            let note = words::refusal(member.visit.words, &error);
            form(member, status_of(&error), &note).await
        }
    }
}

/// `POST /second-factor/remove`
pub(crate) async fn remove(visit: Visit, Form(form): Form<NumberForm>) -> Response {
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
