//! `account letter`: the initial password on paper (clause 7.1(1)c), printed once, and its handing-over.

use jiff::Timestamp;
use message::address::Address;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use store::{Topic, Tx, sql::Sql};
use trail::Kind;

use super::{
    Caller, CommandError, Commit, Executor,
    account::{MOST_REASON, must_be_one_persons, on_order, present},
    incident,
    on_behalf::{Act, Ground, is_as_issued},
    plain_text,
};
use crate::{
    Directory, Options, Role, password as rule,
    tables::{account, app_password, credential, life, person},
};

const MAY: &[Role] = &[Role::AccountManager];

/// What stands on a letter, beside the password.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The letter's number.
    pub number: i64,
    /// The holder's full name.
    pub full_name: String,
    /// The identifier (識別コード).
    pub identifier: String,
    /// The main address.
    pub address: Address,
    /// When it is made.
    pub made_at: Timestamp,
}

/// A letter that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// Its number.
    pub number: i64,
    /// The identifier that it is for.
    pub identifier: String,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
}

/// Gives an account a new initial password and has `print` put it on paper: the bytes of the letter, which `keep` then has to
/// put where they are to be, before the password takes effect: into `file`, as the event tells. It is committed together with the mail
/// that tells of it.
///
/// # Errors
/// [`CommandError`]; refused while there is a letter whose password is still the account's, unless `again` tells why.
pub async fn make<P, K>(
    caller: &Caller,
    (name, file): (&str, &str),
    (again, order): (Option<&str>, Option<i64>),
    (print, keep): (P, K),
    by: impl Commit,
) -> Result<Made, CommandError>
where
    P: FnOnce(&Facts, &str) -> Vec<u8> + Send,
    K: FnOnce(&[u8]) -> Result<(), CommandError> + Send,
{
    let words = on_order(format!("account letter {name}"), order);
    let directory = &caller.directory;
    let options = directory.options();
    let work = async {
        let again = again
            .map(|reason| plain_text("the reason", reason, MOST_REASON))
            .transpose()?;
        let password = rule::generate(&directory.inner.world);
        let made_at = directory.inner.store.now();
        let (asked, settings) = (name.to_owned(), options.clone());
        let (repeat, look) = (again.clone(), options.clone());
        let (facts, account, base) = caller
            .peek(MAY, move |snapshot, me| {
                let account = may_be_made(snapshot, &look, &asked, repeat.is_some())?;
                let on = (&account, Act::Letter);
                Ground::of(snapshot, (&look, made_at), me, on, order)?;
                let number = life::next_letter(snapshot)?;
                let holder = person::by_name(snapshot, &account.person.1)?;
                let facts = Facts {
                    number,
                    full_name: holder.map_or_else(String::new, |person| person.full_name),
                    identifier: account.identifier.clone(),
                    address: account.address.clone(),
                    made_at,
                };
                let base = app_password::base(snapshot, account.id)?;
                Ok((facts, account, base))
            })
            .await?;
        let secrets = directory
            .inner
            .hasher
            .derive(password.clone(), options.cost(), base)
            .await
            .map_err(|problem| CommandError::Hash(problem.to_string()))?;
        let text = password
            .expose_str()
            .ok_or_else(|| CommandError::Hash("the password made is not text".to_owned()))?;
        let letter = zeroize::Zeroizing::new(print(&facts, text));
        let sha256: String = Sha256::digest(&*letter)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        keep(&letter)?;
        let file = file.to_owned();
        let (number, generation, digest) = (facts.number, account.generation, sha256.clone());
        caller
            .change_by(by, &words, MAY, move |tx: &mut Tx<'_>, me: &Executor| {
                let (repeat, now) = (again.is_some(), tx.now());
                let account = may_be_made(tx, &settings, &facts.identifier, repeat)?;
                let on = (&account, Act::Letter);
                let ground = Ground::of(tx, (&settings, now), me, on, order)?;
                let fits = credential::fits(tx, account.id, &secrets)?;
                if account.generation != generation || !fits || life::next_letter(tx)? != number {
                    return Err(CommandError::Changed);
                }
                credential::set(tx, account.id, &secrets)?;
                account::renew(tx, account.id, true)?;
                life::insert_letter(tx, account.id, &digest, me.id)?;
                ground.spend(tx, me, &account.identifier)?;
                tx.touch(Topic::Account(account.id));
                let renewed = me
                    .event(Kind::PasswordChanged, &account.identifier)
                    .detail("by", "account-manager")
                    .detail("made", true)
                    .detail("letter", number);
                let renewed = ground.told(renewed);
                let event = me
                    .event(Kind::LetterMade, &account.identifier)
                    .detail("letter", number)
                    .detail("sha256", digest)
                    .detail("file", file)
                    .detail("again", again);
                let event = ground.told(event);
                Ok((account.identifier, vec![renewed, event]))
            })
            .await
            .map(|identifier| Made {
                number,
                identifier,
                sha256,
            })
    };
    caller.run(&words, work).await
}

/// Whether a letter would be the first of an account that has the password it was issued with: it replaces nothing that its holder has.
///
/// # Errors
/// When the store cannot be read.
pub async fn is_first(directory: &Directory, name: &str) -> Result<bool, store::Error> {
    let identifier = directory.options().canonical_identifier(name);
    let read = move |snapshot: &mut store::Snapshot<'_>| {
        let account = account::by_identifier(snapshot, &identifier)?;
        account.map_or(Ok(false), |account| is_as_issued(snapshot, &account))
    };
    directory.inner.store.read(read).await
}

/// The account, unless its letter was made before and is still good.
fn may_be_made(
    sql: &mut dyn Sql,
    options: &Options,
    name: &str,
    again: bool,
) -> Result<account::Entry, CommandError> {
    let account = present(sql, options, name)?;
    must_be_one_persons(sql, &account)?;
    let before = life::letter(sql, account.id)?;
    let changed = credential::of(sql, account.id)?.map(|held| held.changed_at);
    match before {
        Some(before) if !again && changed.is_none_or(|at| at <= before.made_at) => {
            Err(CommandError::State(format!(
                "letter {} with the password of {} was made at {}; another one, with another password, needs --again and a reason",
                before.number, account.identifier, before.made_at
            )))
        }
        _ => Ok(account),
    }
}

/// Records that the newest letter of an account was handed over; `receipt` says to whom and how. A step of an open incident
/// is taken with it (clause 4.1(1)b). Returns the identifier.
///
/// # Errors
/// [`CommandError`].
pub async fn hand(caller: &Caller, name: &str, receipt: &str) -> Result<String, CommandError> {
    let words = format!("account letter {name} --handed-over");
    let options = caller.directory.options();
    let name = name.to_owned();
    let work = async {
        let receipt = plain_text("the receipt", receipt, MOST_REASON)?;
        caller
            .change(&words, MAY, move |tx, me| {
                let account = present(tx, &options, &name)?;
                let letter = life::letter(tx, account.id)?.ok_or_else(|| {
                    CommandError::State(format!("no letter was made for {}", account.identifier))
                })?;
                if let Some(at) = letter.handed_at {
                    return Err(CommandError::State(format!(
                        "letter {} was handed over at {at}",
                        letter.number
                    )));
                }
                // By its holder it may have been changed before the receipt was noted; by another, the letter opens nothing.
                let changed = credential::of(tx, account.id)?.map(|held| held.changed_at);
                if account.must_change_password && changed.is_some_and(|at| at > letter.made_at) {
                    return Err(CommandError::State(format!(
                        "the password of letter {} was replaced by another: `account letter {} --to FILE` makes a letter with one that holds",
                        letter.number, account.identifier
                    )));
                }
                life::hand_letter(tx, letter.number, me.id, &receipt)?;
                let event = me
                    .event(Kind::LetterHanded, &account.identifier)
                    .detail("letter", letter.number)
                    .detail("receipt", receipt.as_str());
                let mut events = vec![event];
                for open in incident::awaiting_password(tx, &account)? {
                    events.extend(incident::handed_over(tx, me, &open, &receipt)?);
                }
                Ok((account.identifier, events))
            })
            .await
    };
    caller.run(&words, work).await
}
