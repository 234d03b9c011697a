//! Why a command was not carried out, in words for the person who gave it.

use message::address::Address;

use super::OrderKind;
use crate::{Role, passkey::Fault, password::Weakness};

/// Why a command was not carried out. Nothing was changed, unless the message says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The operating-system user is nobody of the directory.
    #[error(
        "the user {0:?} is no person of this directory; an officer adds one with `person add NAME --os-user {0}`"
    )]
    Nobody(String),
    /// The person was to leave before now (clause 9.2(1)).
    #[error(
        "{name} was to leave on {leaves_at}, and gives no commands from then on; another person puts it on another day with `person depart`"
    )]
    Departed {
        /// Short name.
        name: String,
        /// When that was.
        leaves_at: jiff::Timestamp,
    },
    /// The person holds none of the roles that the command needs.
    #[error("this needs the role {}", names(.0))]
    NotPermitted(&'static [Role]),
    /// The person holds none of the roles that a runbook names.
    #[error("this needs the role {0}")]
    NotOfRoles(String),
    /// Somebody else's account.
    #[error("this is only for the holder of {0} or an account manager")]
    NotHolder(String),
    /// The login that the caller came by does not hold any more.
    #[error("your session has ended; log in again")]
    SessionEnded,
    /// For nobody but the holder, whatever the role.
    #[error("this is only for the holder of {0}")]
    OnlyHolder(String),
    /// There is no such thing.
    #[error("{what} {name} does not exist")]
    NoSuch {
        /// Person, order, account, …
        what: &'static str,
        /// As named in the command.
        name: String,
    },
    /// There is one already.
    #[error("{what} {name} exists already")]
    Exists {
        /// Person, address, …
        what: &'static str,
        /// As named in the command.
        name: String,
    },
    /// The address or identifier was another's and is never given again (clause 7.1(6)).
    #[error("{0} belonged to an account before and is never given to another")]
    Retired(Address),
    /// The address is not of an own domain.
    #[error("{0} is not an address of an own domain")]
    NotOwn(Address),
    /// The order does not permit this.
    #[error("order {number} {problem}")]
    Order {
        /// Its number.
        number: i64,
        /// Why not.
        problem: OrderProblem,
    },
    /// It would let whoever does it read another's mail, and nothing permits it (clause 7.1(4)).
    #[error(
        "{what} needs an approved order ([directory] password_needs_order): `order {}`, then the same with --order N{}",
        .kind.as_str(),
        or_incident(.kind)
    )]
    NeedsOrder {
        /// What was asked for, and whose it is.
        what: String,
        /// The kind of order that permits it.
        kind: OrderKind,
    },
    /// The password breaks the rule (clause 7.1(1)a).
    #[error(transparent)]
    Password(#[from] Weakness),
    /// The new password is the old one.
    #[error("the new password is the present one; choose another")]
    SamePassword,
    /// Resumption before a new password (clause 4.1(1)b).
    #[error("{0} cannot be resumed before a new password has been set since the suspension")]
    NotRenewed(String),
    /// The account or person is not in the state that the command needs.
    #[error("{0}")]
    State(String),
    /// The argument cannot be used.
    #[error("{0}")]
    Argument(String),
    /// Rows of a file that cannot be used; nothing of the file was taken.
    #[error("{}", lines(.0))]
    Lines(Vec<LineProblem>),
    /// What a device showed is not what its secret gives now.
    #[error("the code is wrong; is the device's clock right?")]
    WrongCode,
    /// What the browser said of a passkey that was to be added is not so.
    #[error("the passkey was not taken: {0}")]
    Passkey(#[from] Fault),
    /// Something changed while the command ran.
    #[error("the account changed while the command ran; give it again")]
    Changed,
    /// A password hash could not be computed.
    #[error("{0}")]
    Hash(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl CommandError {
    /// Whether the machine failed, as opposed to a rule that refused.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Changed | Self::Hash(_) | Self::Store(_))
    }
}

/// Why an order does not permit what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderProblem {
    /// Not approved yet.
    #[error("is not approved yet")]
    NotApproved,
    /// Approved already.
    #[error("is approved already")]
    Approved,
    /// Too late.
    #[error("has expired; ask for a new one")]
    Expired,
    /// Each order is used once.
    #[error("has been used already")]
    Used,
    /// For something else.
    #[error("is an order to {}, not to {}", .found.as_str(), .wanted.as_str())]
    Kind {
        /// What it is for.
        found: OrderKind,
        /// What was asked.
        wanted: OrderKind,
    },
    /// For another address.
    #[error("is for {0}")]
    Address(String),
    /// For another second factor.
    #[error("is for the second factor {0}")]
    SecondFactor(i64),
    /// For another person.
    #[error("is for {0}")]
    Person(String),
    /// For another operating-system user.
    #[error("is for the operating-system user {0}")]
    User(String),
    /// Who would get the mailbox is an operating-system user that the order does not name.
    #[error(
        "does not say that the operating-system user {0} gets the mailbox, who became that person's since; issue it anew"
    )]
    UserSince(String),
    /// Not before the day it names.
    #[error("may not be carried out before {0}")]
    TooEarly(jiff::Timestamp),
    /// For another file.
    #[error("is for a file with another digest ({0})")]
    File(String),
    /// Who ordered may neither approve nor carry out.
    #[error("needs another person: whoever issued it can neither approve it nor carry it out")]
    SecondPerson,
    /// Who ordered may not approve, and who approved may not carry out.
    #[error(
        "needs another person: whoever issued it cannot approve it, and whoever approved it cannot carry it out"
    )]
    SecondApprover,
    /// The row is not what was approved.
    #[error(
        "is not on record as it stands: somebody has changed the database; tell the security officer, and issue it anew"
    )]
    Forged,
    /// Its approval does not say what was approved.
    #[error("was approved by an older program that did not note what it permits; issue it anew")]
    Unnoted,
    /// The person is still to leave, later than when it was ordered.
    #[error(
        "may not be carried out: the person's departure is on {0} now; `person depart` puts it on another day"
    )]
    NotLeftYet(jiff::Timestamp),
    /// Who issued or approved it is not there for it any more.
    #[error(
        "was issued or approved by {0}, who has left or does not hold the role for it any more; issue it anew"
    )]
    Unanswered(String),
    /// The person it is for has left.
    #[error("is for a person who has left")]
    PersonLeft,
}

/// What is wrong with a line of a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LineProblem {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: String,
}

/// What permits it besides an order.
fn or_incident(kind: &OrderKind) -> &'static str {
    match kind {
        OrderKind::Password | OrderKind::SecondFactor => {
            ", or an open incident that demands a new password"
        }
        _ => "",
    }
}

fn names(roles: &[Role]) -> String {
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    names.join(" or ")
}

/// Lines shown in the message; the rest is counted.
const SHOWN: usize = 20;

fn lines(problems: &[LineProblem]) -> String {
    let shown = problems
        .iter()
        .take(SHOWN)
        .map(|p| format!("line {}: {}", p.line, p.problem));
    let mut text = shown.collect::<Vec<_>>().join("\n");
    if problems.len() > SHOWN {
        text.push_str(&format!(
            "\nand {} more",
            problems.len().saturating_sub(SHOWN)
        ));
    }
    text
}
