//! The register of custody: where the media with volumes are, and who has the keys (clause 8.2(1)b). Entries are only added.

use jiff::Timestamp;
use trail::{By, Kind};

use super::volume;
use crate::{
    Error, Store, params,
    sql::{self, Row, Sql},
};

/// An entry of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custody {
    /// Its number.
    pub id: i64,
    /// The volume that is on the medium.
    pub volume: u64,
    /// When it was noted.
    pub at: Timestamp,
    /// Who noted it.
    pub person: String,
    /// What was noted.
    pub entry: NewCustody,
}

/// What is noted of a medium.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewCustody {
    /// What it is written on, by its label.
    pub medium: String,
    /// Where that lies.
    pub place: String,
    /// Who has the key to the place.
    pub key_holder: String,
    /// What else is to be known of it: moved from where, why.
    pub remark: String,
}

/// The entries about a volume, or about all, in order.
///
/// # Errors
/// When the database fails.
pub fn custody(sql: &mut dyn Sql, volume: Option<u64>) -> Result<Vec<Custody>, Error> {
    let list = "SELECT id, volume, at, medium, place, key_holder, person, remark FROM custody
                WHERE ?1 IS NULL OR volume = ?1 ORDER BY id";
    let volume = volume.map(|volume| i64::try_from(volume).unwrap_or(i64::MAX));
    sql::rows(sql, list, params![volume], entry)
}

fn entry(row: &dyn Row) -> Result<Custody, Error> {
    Ok(Custody {
        id: row.int(0)?,
        volume: row.count(1)?,
        at: row.time(2)?,
        person: row.text(6)?,
        entry: NewCustody {
            medium: row.text(3)?,
            place: row.text(4)?,
            key_holder: row.text(5)?,
            remark: row.text(7)?,
        },
    })
}

impl Store {
    /// Notes where a medium with a volume is. `by` is who notes it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such volume; when the disk is full or fails.
    pub async fn note_custody(
        &self,
        volume: u64,
        entry: NewCustody,
        by: impl Into<By>,
    ) -> Result<Custody, Error> {
        let by = by.into();
        let noted = self.commit(Vec::new(), move |tx| {
            volume::find(tx, volume)?;
            let custody = Custody {
                id: tx.next_id(),
                volume,
                at: tx.now(),
                person: by.name(),
                entry,
            };
            let statement =
                "INSERT INTO custody (id, volume, at, medium, place, key_holder, person, remark)
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let NewCustody {
                medium,
                place,
                key_holder,
                remark,
            } = &custody.entry;
            let number = i64::try_from(volume).unwrap_or(i64::MAX);
            tx.execute(
                statement,
                params![
                    custody.id,
                    number,
                    custody.at,
                    medium,
                    place,
                    key_holder,
                    &custody.person,
                    remark
                ],
            )?;
            let event = by
                .event(Kind::CustodyNoted)
                .subject(format!("volume {volume}"))
                .detail("medium", medium.as_str())
                .detail("place", place.as_str())
                .detail("key-holder", key_holder.as_str())
                .detail("remark", remark.as_str());
            tx.record(&event, custody)
        });
        let noted: Result<_, Error> = noted.await;
        Ok(noted?.value)
    }
}
