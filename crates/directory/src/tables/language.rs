//! In which language people are written to.

use message::address::Address;
use store::{
    Error, PersonId, Tx, params,
    sql::{Sql, first},
};

use crate::Language;

fn read(text: &str) -> Result<Language, Error> {
    let known = text.parse();
    known.map_err(|_| super::strange("person_language.language", text))
}

/// The language of a person, if one was set.
pub(crate) fn of(sql: &mut dyn Sql, person: PersonId) -> Result<Option<Language>, Error> {
    let find = "SELECT language FROM person_language WHERE person = ?1";
    let found = first(sql, find, params![person], |row| row.text(0))?;
    found.map(|text| read(&text)).transpose()
}

/// The language of the person whose account has this main address, if one was set.
pub(crate) fn of_address(sql: &mut dyn Sql, address: &Address) -> Result<Option<Language>, Error> {
    let find = "SELECT l.language FROM account a JOIN person_language l ON l.person = a.person
                WHERE a.main_address = ?1 AND a.state <> 'deleted'";
    let address = address.to_string();
    let found = first(sql, find, params![&address], |row| row.text(0))?;
    found.map(|text| read(&text)).transpose()
}

/// Sets it; `None`: as the site says.
pub(crate) fn set(
    tx: &mut Tx<'_>,
    person: PersonId,
    language: Option<Language>,
) -> Result<(), Error> {
    let delete = "DELETE FROM person_language WHERE person = ?1";
    tx.execute(delete, params![person])?;
    if let Some(language) = language {
        let insert = "INSERT INTO person_language (person, language) VALUES (?1, ?2)";
        tx.execute(insert, params![person, language.as_str()])?;
    }
    Ok(())
}
