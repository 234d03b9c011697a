//! Warnings that passwords cross the network unencrypted (clause 4.1(2)): whom the server still has to warn, and what it says to them.
//!
//! Where the settings name networks that may log in without TLS, everybody who may use mailboxes is warned, and again once a
//! period; who has logged in without TLS is told of that, at most once a period. Networks of the machine itself are none: what
//! stays on it crosses no network.

use jiff::{SignedDuration, Timestamp};
use message::Address;
use regulation::Text;
use store::{
    AccountId, Error, Recorded, Tx, params,
    sql::{Row, Sql, rows},
};
use trail::{Actor, Event, Kind};

use crate::facts::Facts;

/// A holder who is to be warned.
#[derive(Clone, Debug)]
pub struct ToWarn {
    account: AccountId,
    /// The identifier.
    pub identifier: String,
    /// Since when there was something to warn of that was not told.
    pub since: Timestamp,
    warned_at: Option<Timestamp>,
    told_at: Option<Timestamp>,
    used: Option<Used>,
}

/// The last login without TLS.
#[derive(Clone, Debug)]
struct Used {
    at: Timestamp,
    from: String,
    with: String,
}

impl ToWarn {
    /// Where the warning is sent.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        Address::parse(&self.identifier).ok()
    }

    /// The warning's subject and text.
    #[must_use]
    pub fn words(&self, facts: &Facts) -> (Text, Text) {
        let subject = Text::new(
            "[Kakitome] パスワードが暗号化されずに送られるおそれがあります",
            "[Kakitome] your password may cross the network unencrypted",
        );
        let (identifier, networks) = (&self.identifier, facts.plaintext_networks.join(", "));
        let (used_ja, used_en) = self.used.as_ref().map_or_else(Default::default, |used| {
            let Used { at, from, with } = used;
            let day = at.to_string();
            let day = day.get(..10).unwrap_or(&day);
            (
                format!("あなたの識別コードは、{day} に {from} から、暗号化されない {with} の接続で実際に利用されました。\n\n"),
                format!("On {day} your identifier was in fact used over an unencrypted {with} connection from {from}.\n\n"),
            )
        });
        let text = Text::new(
            format!(
                "識別コード {identifier} の利用者の方へ\n\n\
                 次のネットワークでは、暗号化(TLS)されないログインが認められています: {networks}\n\n{used_ja}\
                 1. その接続では、パスワードが暗号化されずに通信回線を流れ、盗み見られて漏れるおそれがあります。\n\
                 2. 他の情報システムで使う重要なパスワードを、電子メールに使わないでください。\n\n\
                 メールソフトの設定で「SSL/TLS」又は「STARTTLS」を選べば、暗号化された接続になります。\n"
            ),
            format!(
                "To the holder of {identifier}\n\n\
                 From these networks logins without encryption (TLS) are permitted: {networks}\n\n{used_en}\
                 1. On such a connection your password crosses the network unencrypted, and whoever listens can learn it.\n\
                 2. Do not use for mail a password that protects something important elsewhere.\n\n\
                 Choose \"SSL/TLS\" or \"STARTTLS\" in the settings of your mail program, and the connection is encrypted.\n"
            ),
        );
        (subject, text)
    }
}

/// Holders who are to be warned now; nobody where no network may log in without TLS.
///
/// # Errors
/// The store's.
pub fn due(sql: &mut dyn Sql, facts: &Facts, now: Timestamp) -> Result<Vec<ToWarn>, Error> {
    if facts.plaintext_networks.is_empty() {
        return Ok(Vec::new());
    }
    let before = now
        .checked_sub(facts.plaintext_warned_every)
        .unwrap_or(Timestamp::MIN);
    let list = "SELECT a.id, a.identifier, a.issued_at, w.warned_at, w.told_at, w.used_at, w.used_from, w.used_with
        FROM account a JOIN person p ON p.id = a.person LEFT JOIN plaintext_login w ON w.account = a.id
        WHERE a.state = 'active' AND a.mra = 1 AND p.state = 'active' AND
        (w.warned_at IS NULL OR w.warned_at < ?1 OR
         (w.used_at IS NOT NULL AND (w.told_at IS NULL OR (w.told_at < ?1 AND w.told_at < w.used_at))))
        ORDER BY a.id";
    rows(sql, list, params![before], |row| {
        read(row, facts.plaintext_warned_every)
    })
}

fn read(row: &dyn Row, every: SignedDuration) -> Result<ToWarn, Error> {
    let time = |column: usize| match row.maybe_int(column)? {
        None => Ok::<_, Error>(None),
        Some(_) => row.time(column).map(Some),
    };
    let (issued, warned_at, told_at) = (row.time(2)?, time(3)?, time(4)?);
    let used = match time(5)? {
        None => None,
        Some(at) => Some(Used {
            at,
            from: row.text(6)?,
            with: row.text(7)?,
        }),
    };
    let again = |at: Timestamp| at.checked_add(every).unwrap_or(Timestamp::MAX);
    // What is older of: the warning that is to be repeated, and the login that nobody was told of.
    let general = warned_at.map_or(issued, again);
    let of_use = used.as_ref().map(|used| match told_at {
        Some(told) => again(told).max(used.at),
        None => used.at,
    });
    Ok(ToWarn {
        account: AccountId(row.int(0)?),
        identifier: row.text(1)?,
        since: of_use.map_or(general, |of_use| of_use.min(general)),
        warned_at,
        told_at,
        used,
    })
}

/// Notes that a holder was warned, by mail if `sent`, in the commit that sends it.
///
/// # Errors
/// [`Error::NotFound`] when somebody warned of it meanwhile: then nothing may be sent.
pub fn note(
    tx: &mut Tx<'_>,
    warned: &ToWarn,
    networks: &[String],
    sent: bool,
) -> Result<Recorded<()>, Error> {
    let now = tx.now();
    let told = warned.used.as_ref().map(|_| now);
    let put = "INSERT INTO plaintext_login (account, warned_at, told_at) VALUES (?1, ?2, ?3)
        ON CONFLICT (account) DO UPDATE SET warned_at = excluded.warned_at, told_at = COALESCE(excluded.told_at, plaintext_login.told_at)
        WHERE COALESCE(plaintext_login.warned_at, -1) = ?4 AND COALESCE(plaintext_login.told_at, -1) = ?5";
    let at = |time: Option<Timestamp>| time.map_or(-1, Timestamp::as_microsecond);
    let changed = tx.execute(
        put,
        params![
            warned.account,
            now,
            told,
            at(warned.warned_at),
            at(warned.told_at)
        ],
    )?;
    if changed == 0 {
        return Err(Error::NotFound(format!(
            "a warning of {}",
            warned.identifier
        )));
    }
    let used = warned.used.as_ref();
    let event = Event::new(Kind::PlaintextWarned, Actor::System)
        .subject(warned.identifier.as_str())
        .detail("networks", networks.to_vec())
        .detail("used_at", used.map(|used| used.at.to_string()))
        .detail("used_from", used.map(|used| used.from.as_str()))
        .detail("used_with", used.map(|used| used.with.as_str()))
        .detail("sent", sent);
    tx.record(&event, ())
}

/// How many holders there are of whom each is to be warned.
///
/// # Errors
/// The store's.
pub(crate) fn holders(sql: &mut dyn Sql) -> Result<u64, Error> {
    let count = "SELECT COUNT(*) FROM account a JOIN person p ON p.id = a.person
        WHERE a.state = 'active' AND a.mra = 1 AND p.state = 'active'";
    let found = store::sql::first(sql, count, &[], |row| row.count(0))?;
    Ok(found.unwrap_or_default())
}
