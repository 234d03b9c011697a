//! Mail that is set apart for whoever has logged in (clause 5.3(2)).

use axum::{Form, http::StatusCode, response::Response};
use store::quarantine::Selection;
use transfer::command::{
    CommandError,
    quarantine::{self, Apart, Done, Reach},
};

use crate::{
    causes::why,
    form::ApartForm,
    view::{ApartRow, Hours, QuarantinePage},
    visit::{Member, Visit, shown, to},
    words::Words,
};

/// `GET /quarantine`
pub(crate) async fn page(visit: Visit) -> Response {
    match visit.member().await {
        Ok(member) => list(&member, StatusCode::OK, "").await,
        Err(answer) => answer,
    }
}

/// What a button does.
#[derive(Clone, Copy)]
enum Deed {
    Release,
    Delete,
}

/// `POST /quarantine/release`
pub(crate) async fn release(visit: Visit, Form(form): Form<ApartForm>) -> Response {
    carry_out(visit, &form, Deed::Release).await
}

/// `POST /quarantine/delete`
pub(crate) async fn delete(visit: Visit, Form(form): Form<ApartForm>) -> Response {
    carry_out(visit, &form, Deed::Delete).await
}

async fn carry_out(visit: Visit, form: &ApartForm, deed: Deed) -> Response {
    let member = match visit.sender(&form.key, None).await {
        Ok(member) => member,
        Err(answer) => return answer,
    };
    let done = async {
        let reach = reach(&member).await?;
        let transfer = &member.visit.console.inner.transfer;
        match deed {
            Deed::Release => quarantine::release(transfer, &reach, named(form)).await,
            Deed::Delete => quarantine::delete(transfer, &reach, named(form)).await,
        }
    };
    let done = done.await;
    after(&member, done).await
}

/// The message that a form names. What is no id names none.
fn named(form: &ApartForm) -> Selection {
    let id = form.id.parse().unwrap_or(store::QueueId(0));
    Selection {
        ids: vec![id],
        ..Selection::default()
    }
}

async fn reach(member: &Member) -> Result<Reach, CommandError> {
    let directory = &member.visit.console.inner.directory;
    let accounts = directory.accounts_of_login(&member.session.login).await?;
    Ok(Reach::own(&member.standing.person, accounts))
}

async fn after(member: &Member, done: Result<Done, CommandError>) -> Response {
    let w = member.visit.words;
    match done {
        Ok(done) if done.recipients > 0 => to("/quarantine"),
        Ok(done) if done.damaged > 0 => {
            list(member, StatusCode::SERVICE_UNAVAILABLE, w.try_later).await
        }
        Ok(done) => {
            let note = match done.kept {
                0 => w.apart_gone,
                _ => w.apart_strict,
            };
            list(member, StatusCode::UNPROCESSABLE_ENTITY, note).await
        }
        Err(error) => {
            tracing::error!(%error, "mail that is set apart cannot be released or deleted");
            let note = w.try_later;
            list(member, StatusCode::SERVICE_UNAVAILABLE, note).await
        }
    }
}

async fn list(member: &Member, status: StatusCode, note: &str) -> Response {
    if let Some(duty) = member.duty() {
        return duty.redirect();
    }
    let transfer = &member.visit.console.inner.transfer;
    let pages = async {
        let reach = reach(member).await?;
        let mut pages = quarantine::list(transfer, &reach, Selection::default());
        let first = pages.next().await?.unwrap_or_default();
        Ok::<_, CommandError>((first, pages.has_more()))
    };
    let (found, more) = match pages.await {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(%error, "mail that is set apart cannot be listed for a page");
            return member.visit.unavailable();
        }
    };
    let (w, hours) = (member.visit.words, member.visit.hours());
    let page = QuarantinePage {
        page: member.page(note),
        rows: found.iter().map(|apart| row(w, &hours, apart)).collect(),
        more,
    };
    shown(status, &page)
}

fn row(w: &Words, hours: &Hours, apart: &Apart) -> ApartRow {
    ApartRow {
        id: apart.id.clone(),
        since: hours.moment(apart.since),
        until: hours.moment(apart.until),
        from: apart.from.clone(),
        subject: apart.subject.clone(),
        cause: why(w, apart),
        strict: apart.strict,
    }
}
