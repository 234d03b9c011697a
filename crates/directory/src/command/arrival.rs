//! `person announce | notice | acknowledge | depart`: what comes before an account and before its end (clauses 9.1, 9.2(1)).

use jiff::Timestamp;
use message::address::Address;
use trail::Kind;

use super::{
    Alone, Caller, CommandError, Commit,
    order::digest,
    person::{MAY_ADD, PersonView, any, find, view},
    role::keep_one_officer,
};
use crate::tables::{self, life};

/// Announces a person who is entered already (clause 9.1(1)): whoever enters a person announces them by that, and another may do so
/// after them. Orders for the person name who did.
///
/// # Errors
/// [`CommandError`].
pub async fn announce(caller: &Caller, name: &str) -> Result<PersonView, CommandError> {
    let words = format!("person announce {name}");
    let name = name.to_owned();
    let work = caller.change(&words, MAY_ADD, move |tx, me| {
        let person = find(tx, &name)?;
        let before = life::announced_by(tx, person.id)?;
        life::announce(tx, person.id, me.id)?;
        let event = me
            .event(Kind::ArrivalNoted, &name)
            .detail("before", before.map(|(_, name)| name))
            .detail("after", me.name.as_str());
        Ok((view(tx, &name)?, vec![event]))
    });
    caller.run(&words, work).await
}

/// Notes that the notice `text`, in `language`, was given to a person: that mail records are kept for so many years and analysed
/// (clause 9.1(2)). It is printed.
///
/// # Errors
/// [`CommandError`].
pub async fn notify(
    caller: &Caller,
    name: &str,
    given: (&'static str, u16, &str),
) -> Result<(), CommandError> {
    let words = format!("person notice {name}");
    let by = Alone(caller.store().clone());
    caller
        .run(&words, notified(caller, &words, (name, None), given, by))
        .await
}

/// The same; it is sent to the address `to` by `by`, in the same commit.
///
/// # Errors
/// [`CommandError`].
pub async fn notify_by_mail(
    caller: &Caller,
    (name, to): (&str, &Address),
    given: (&'static str, u16, &str),
    by: impl Commit,
) -> Result<(), CommandError> {
    let words = format!("person notice {name} --mail {to}");
    caller
        .run(
            &words,
            notified(caller, &words, (name, Some(to)), given, by),
        )
        .await
}

async fn notified(
    caller: &Caller,
    words: &str,
    (name, to): (&str, Option<&Address>),
    (language, retain_years, text): (&'static str, u16, &str),
    by: impl Commit,
) -> Result<(), CommandError> {
    let (name, sha256) = (name.to_owned(), digest(text.as_bytes()));
    let told = to.map(|to| vec![to.to_string()]);
    caller
        .change_by(by, words, MAY_ADD, move |tx, me| {
            find(tx, &name)?;
            let mut event = me
                .event(Kind::NoticeGiven, &name)
                .detail("language", language)
                .detail("retain_years", retain_years)
                .detail("sha256", sha256);
            if let Some(told) = told {
                event = event.detail("sent_to", told);
            }
            Ok(((), vec![event]))
        })
        .await
}

/// Notes that a person knows that mail records are kept and analysed (clause 9.1(2)): said by the person, or on paper that
/// the caller has seen.
///
/// # Errors
/// [`CommandError`]; nobody says it for another, but officers for what stands on paper.
pub async fn acknowledge(
    caller: &Caller,
    name: &str,
    on_paper: bool,
) -> Result<PersonView, CommandError> {
    let words = format!("person acknowledge {name}");
    let name = name.to_owned();
    let work = caller.change(&words, &[], move |tx, me| {
        let person = find(tx, &name)?;
        let way = match (on_paper, person.id == me.id) {
            (false, true) => "self",
            (false, false) => {
                return Err(CommandError::Argument(format!(
                    "only {name} can say that; what {name} has signed is noted with --on-paper"
                )));
            }
            (true, _) if MAY_ADD.iter().any(|role| me.has(*role)) => "paper",
            (true, _) => return Err(CommandError::NotPermitted(MAY_ADD)),
        };
        let before = life::acknowledged(tx, person.id)?;
        life::acknowledge(tx, person.id, way, me.id)?;
        let event = me
            .event(Kind::NoticeAcknowledged, &name)
            .detail("way", way)
            .detail("before", before.map(|at| at.to_string()));
        Ok((view(tx, &name)?, vec![event]))
    });
    caller.run(&words, work).await
}

/// Notes when a person is to leave, or puts it on another day: orders to delete their accounts may not be carried out before
/// (clause 9.2(1)).
///
/// # Errors
/// [`CommandError`]; the last system officer who stays cannot be put down to leave, but what was put down may be put off.
pub async fn depart(
    caller: &Caller,
    name: &str,
    leaves_at: Timestamp,
) -> Result<PersonView, CommandError> {
    let alone = Alone(caller.store().clone());
    depart_by(caller, (name, leaves_at), alone).await
}

/// The same, committed together with the mail that tells of it, where the person is an officer: from that day on they give no commands.
///
/// # Errors
/// As [`depart`].
pub async fn depart_by(
    caller: &Caller,
    (name, leaves_at): (&str, Timestamp),
    by: impl Commit,
) -> Result<PersonView, CommandError> {
    let words = format!("person depart {name}");
    let name = name.to_owned();
    let work = caller.change_by(by, &words, MAY_ADD, move |tx, me| {
        let person = any(tx, &name)?;
        let before = life::leaves_at(tx, person.id)?;
        if before.is_none_or(|before| leaves_at < before) {
            let roles = tables::person::roles(tx, person.id)?;
            keep_one_officer(tx, person.id, &roles)?;
        }
        life::depart(tx, person.id, leaves_at, me.id)?;
        let event = me
            .event(Kind::DepartureNoted, &name)
            .detail("before", before.map(|at| at.to_string()))
            .detail("after", leaves_at.to_string());
        Ok((view(tx, &name)?, vec![event]))
    });
    caller.run(&words, work).await
}
