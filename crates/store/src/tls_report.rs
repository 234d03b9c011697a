//! What reports about TLS are made of (RFC 8460): sessions with other domains' servers, counted by day until a report told of them; which
//! queued messages are such reports; and which reports of others came already.

use std::net::IpAddr;

use jiff::Timestamp;
use message::{
    address::Domain,
    tls_report::{Failure, Policy, PolicyKind},
};

use crate::{
    BodyId, Error, Tx, params, sql,
    sql::{Row, Sql},
};

/// Rows of one domain and day. What differs from all of them is counted without its particulars, so that no server makes the table
/// grow by changing what it says.
pub const MOST_ROWS: i64 = 200;
/// Octets of a policy's text that are kept; of a longer one only the kind.
const MOST_POLICY: usize = 8192;
/// Characters of a reason.
const MOST_REASON: usize = 300;

/// How one session with a domain's server came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The policy that it was held to; [`Policy::domain`] is whose mail it was for.
    pub policy: Policy,
    /// How it failed; `None`: it met the policy.
    pub failure: Option<Failure>,
    /// The host, if it came to one.
    pub mx: String,
    /// The host's address, if it came to one.
    pub peer: Option<IpAddr>,
    /// The own address, if it is known.
    pub source: Option<IpAddr>,
    /// More about the failure, in words.
    pub reason: String,
}

/// Sessions that were alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What they are alike in.
    pub session: Session,
    /// How many.
    pub sessions: u64,
    digest: String,
}

/// The day of a time, in UTC, counted from 1970.
#[must_use]
pub fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

impl Session {
    fn bounded(&self) -> Self {
        let mut bounded = self.clone();
        let line = |text: &str| text.replace(['\n', '\r'], " ");
        let policy = &mut bounded.policy;
        for text in policy.strings.iter_mut().chain(&mut policy.mx) {
            *text = line(text);
        }
        let octets = policy.strings.iter().chain(&policy.mx).map(String::len);
        if octets.fold(0_usize, usize::saturating_add) > MOST_POLICY {
            policy.strings.clear();
            policy.mx.clear();
        }
        bounded.reason = line(&self.reason).chars().take(MOST_REASON).collect();
        bounded
    }

    /// What is left of it where there is no room for more.
    fn without_particulars(&self) -> Self {
        Self {
            policy: Policy {
                kind: self.policy.kind,
                domain: self.policy.domain.clone(),
                ..Policy::default()
            },
            failure: self.failure,
            ..Self::default()
        }
    }

    fn columns(&self) -> [String; 8] {
        let ip = |ip: Option<IpAddr>| ip.map(|ip| ip.to_string()).unwrap_or_default();
        [
            self.policy.kind.as_str().to_owned(),
            self.policy.strings.join("\n"),
            self.policy.mx.join("\n"),
            self.failure.map_or("", Failure::as_str).to_owned(),
            self.mx.clone(),
            ip(self.peer),
            ip(self.source),
            self.reason.clone(),
        ]
    }
}

/// Counts `sessions` as of `at`.
///
/// # Errors
/// When the database fails.
pub fn count(tx: &mut Tx<'_>, at: Timestamp, sessions: &[Session]) -> Result<(), Error> {
    for session in sessions {
        let session = session.bounded();
        if add(tx, day(at), &session, true)? {
            continue;
        }
        add(tx, day(at), &session.without_particulars(), false)?;
    }
    Ok(())
}

/// Whether it was counted: not where it would be one row too many.
fn add(tx: &mut Tx<'_>, day: i64, session: &Session, within: bool) -> Result<bool, Error> {
    let domain = session.policy.domain.as_str();
    let [kind, strings, hosts, failure, mx, peer, source, reason] = &session.columns();
    let digest = digest(&[kind, strings, hosts, failure, mx, peer, source, reason]);
    let more = "UPDATE tls_session SET sessions = sessions + 1 WHERE day = ?1 AND domain = ?2 AND digest = ?3";
    if tx.execute(more, params![day, domain, &digest])? > 0 {
        return Ok(true);
    }
    let rows = "SELECT COUNT(*) FROM tls_session WHERE day = ?1 AND domain = ?2";
    let rows = sql::first(tx, rows, params![day, domain], |row| row.int(0))?;
    if within && rows.unwrap_or_default() >= MOST_ROWS {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO tls_session (day, domain, digest, kind, strings, hosts, failure, mx, peer, source, reason, sessions) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)",
        params![day, domain, &digest, kind, strings, hosts, failure, mx, peer, source, reason],
    )?;
    Ok(true)
}

fn digest(texts: &[&String]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(text.as_bytes());
        hasher.update(&[0]);
    }
    hasher.finalize().to_hex().chars().take(32).collect()
}

/// The days before `before` of which sessions are kept, the oldest first.
///
/// # Errors
/// When the database fails.
pub fn days(sql: &mut dyn Sql, before: i64) -> Result<Vec<i64>, Error> {
    let statement = "SELECT DISTINCT day FROM tls_session WHERE day < ?1 ORDER BY day";
    sql::rows(sql, statement, params![before], |row| row.int(0))
}

/// The domains of a day behind `after` (at first the empty text), by name, `limit` at most.
///
/// # Errors
/// When the database fails.
pub fn domains(
    sql: &mut dyn Sql,
    day: i64,
    after: &str,
    limit: usize,
) -> Result<Vec<String>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let statement = "SELECT DISTINCT domain FROM tls_session WHERE day = ?1 AND domain > ?2 ORDER BY domain LIMIT ?3";
    sql::rows(sql, statement, params![day, after, limit], |row| {
        row.text(0)
    })
}

/// What is kept of a domain and day.
///
/// # Errors
/// When the database fails, or a row is damaged.
pub fn of(sql: &mut dyn Sql, day: i64, domain: &Domain) -> Result<Vec<Counted>, Error> {
    let statement =
        format!("SELECT {COLUMNS} FROM tls_session WHERE day = ?1 AND domain = ?2 ORDER BY digest");
    sql::rows(sql, &statement, params![day, domain.as_str()], counted)
}

/// Takes out what a report told of: no more than that, since sessions may have been counted meanwhile.
///
/// # Errors
/// When the database fails.
pub fn told(tx: &mut Tx<'_>, day: i64, counted: &[Counted]) -> Result<(), Error> {
    for one in counted {
        let domain = one.session.policy.domain.as_str();
        let sessions = i64::try_from(one.sessions).unwrap_or(i64::MAX);
        let gone = "DELETE FROM tls_session WHERE day = ?1 AND domain = ?2 AND digest = ?3 AND sessions <= ?4";
        let less = "UPDATE tls_session SET sessions = sessions - ?4 WHERE day = ?1 AND domain = ?2 AND digest = ?3";
        let key = params![day, domain, &one.digest, sessions];
        if tx.execute(gone, key)? == 0 {
            tx.execute(less, key)?;
        }
    }
    Ok(())
}

/// Takes out all of a day and the days before it. How many sessions it were.
///
/// # Errors
/// When the database fails.
pub fn forget(tx: &mut Tx<'_>, until: i64) -> Result<u64, Error> {
    let sum = "SELECT COALESCE(SUM(sessions), 0) FROM tls_session WHERE day <= ?1";
    let sum = sql::first(tx, sum, params![until], |row| row.count(0))?;
    tx.execute("DELETE FROM tls_session WHERE day <= ?1", params![until])?;
    Ok(sum.unwrap_or_default())
}

pub(crate) const COLUMNS: &str =
    "domain, digest, kind, strings, hosts, failure, mx, peer, source, reason, sessions";

pub(crate) fn counted(row: &dyn Row) -> Result<Counted, Error> {
    let wrong = |what: &str| Error::Corrupt(format!("sessions that a report tells of ({what})"));
    let lines = |column| -> Result<Vec<String>, Error> {
        Ok(row.text(column)?.lines().map(str::to_owned).collect())
    };
    let ip = |column| -> Result<Option<IpAddr>, Error> {
        match row.text(column)?.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| wrong("an address")),
        }
    };
    let domain = row.text(0)?;
    Domain::parse(&domain).map_err(|_| wrong("the domain"))?;
    let kind = PolicyKind::of(&row.text(2)?).ok_or_else(|| wrong("the kind of policy"))?;
    let failure = match row.text(5)?.as_str() {
        "" => None,
        word => Some(Failure::of(word).ok_or_else(|| wrong("the failure"))?),
    };
    Ok(Counted {
        digest: row.text(1)?,
        session: Session {
            policy: Policy {
                kind,
                strings: lines(3)?,
                domain,
                mx: lines(4)?,
            },
            failure,
            mx: row.text(6)?,
            peer: ip(7)?,
            source: ip(8)?,
            reason: row.text(9)?,
        },
        sessions: row.count(10)?,
    })
}

/// Notes that the queued messages with `body` are a report: no failure of TLS holds them up.
///
/// # Errors
/// When the database fails.
pub fn note_mail(tx: &mut Tx<'_>, body: BodyId) -> Result<(), Error> {
    tx.execute(
        "INSERT INTO tls_report_mail (body) VALUES (?1)",
        params![body],
    )?;
    Ok(())
}

/// Whether queued messages with `body` are a report.
///
/// # Errors
/// When the database fails.
pub fn is_mail(sql: &mut dyn Sql, body: BodyId) -> Result<bool, Error> {
    let statement = "SELECT body FROM tls_report_mail WHERE body = ?1";
    Ok(sql::first(sql, statement, params![body], |row| row.int(0))?.is_some())
}

/// Notes that a report came; `false` when it came before. `named` is what it is known by.
///
/// # Errors
/// When the database fails.
pub fn note_seen(tx: &mut Tx<'_>, named: &[&str]) -> Result<bool, Error> {
    let named: Vec<String> = named.iter().map(|text| (*text).to_owned()).collect();
    let digest = digest(&named.iter().collect::<Vec<_>>());
    let seen = "SELECT at FROM tls_report_seen WHERE digest = ?1";
    if sql::first(tx, seen, params![&digest], |row| row.int(0))?.is_some() {
        return Ok(false);
    }
    let now = tx.now();
    tx.execute(
        "INSERT INTO tls_report_seen (digest, at) VALUES (?1, ?2)",
        params![&digest, now],
    )?;
    Ok(true)
}

/// Forgets reports that came before `before`.
///
/// # Errors
/// When the database fails.
pub fn forget_seen(tx: &mut Tx<'_>, before: Timestamp) -> Result<u64, Error> {
    tx.execute("DELETE FROM tls_report_seen WHERE at < ?1", params![before])
}
