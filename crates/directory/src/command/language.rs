//! `person language`: in which language a person is written to.

use trail::Kind;

use super::{
    Caller, CommandError,
    person::{MAY_ADD, PersonView, find, view},
};
use crate::{Language, tables::language};

/// Sets in which language mail of the server's own to a person is written; `None`: as the site says. Everybody sets their own; those who
/// enter people set anybody's.
///
/// # Errors
/// [`CommandError`].
pub async fn set(
    caller: &Caller,
    name: &str,
    to: Option<Language>,
) -> Result<PersonView, CommandError> {
    let words = format!(
        "person language {name} {}",
        to.map_or("site", Language::as_str)
    );
    let name = name.to_owned();
    let work = caller.change(&words, &[], move |tx, me| {
        let person = find(tx, &name)?;
        if person.id != me.id && !MAY_ADD.iter().any(|role| me.has(*role)) {
            return Err(CommandError::NotPermitted(MAY_ADD));
        }
        let before = language::of(tx, person.id)?;
        language::set(tx, person.id, to)?;
        let event = me
            .event(Kind::PersonLanguage, &name)
            .detail("before", before.map(Language::as_str))
            .detail("language", to.map(Language::as_str));
        Ok((view(tx, &name)?, vec![event]))
    });
    caller.run(&words, work).await
}
