//! Where mail goes, and who may send as what.

use std::sync::Arc;

use message::address::Address;
use store::{AccountId, Error, Snapshot, Store, mailbox, sql::Sql};

use crate::{
    Inner, LocalRecipient, Options, Resolution,
    tables::{account, address},
};

/// Accounts that one alias may mean.
pub(crate) const MOST_TARGETS: u32 = 200;

/// Local parts that every own domain has (RFC 2142, RFC 5321 section 4.5.1).
pub(crate) const ROLE_LOCALS: [&str; 2] = ["postmaster", "abuse"];

/// An address that mail can be for, and the mailboxes it means.
struct Way {
    targets: Vec<(AccountId, Address)>,
    tag: Option<String>,
    /// Role mail is taken whatever the quota says.
    always: bool,
}

/// What was found, and whether it holds until the directory changes: room under a quota does not.
struct Found {
    resolution: Resolution,
    lasts: bool,
}

pub(crate) async fn resolve(
    inner: &Inner,
    address: &Address,
    size: u64,
) -> Result<Resolution, Error> {
    // Before the settings and the store are asked: what changes meanwhile makes this no memory.
    let moment = inner.known.moment();
    let options = Arc::clone(&inner.options.read());
    if options.own(address.domain()).is_none() {
        return Ok(Resolution::Foreign);
    }
    if let Some(known) = inner.known.get(address) {
        return Ok(known);
    }
    let asked = address.clone();
    let found = inner
        .store
        .read(move |snapshot: &mut Snapshot<'_>| look(snapshot, &options, &asked, size))
        .await?;
    if found.lasts {
        let known = &inner.known;
        known.remember(moment, address.clone(), found.resolution.clone());
    }
    Ok(found.resolution)
}

/// Asks the same questions whatever the answers are, then takes the first way that leads somewhere: the exact
/// address, the address without its tag, the role, the catch-all.
fn look(
    sql: &mut dyn Sql,
    options: &Options,
    address: &Address,
    size: u64,
) -> Result<Found, Error> {
    let split = options.split_tag(address);
    let (base, tag) =
        split.map_or_else(|| (address.clone(), None), |(base, tag)| (base, Some(tag)));
    let exact = address::targets(sql, address, MOST_TARGETS)?;
    let below = address::targets(sql, &base, MOST_TARGETS)?;
    let role = role_mailbox(sql, &base)?;
    let catch_all = options
        .own(address.domain())
        .and_then(|own| own.catch_all.clone());
    let rest = address::targets(sql, catch_all.as_ref().unwrap_or(&base), MOST_TARGETS)?;
    let is_role = ROLE_LOCALS.contains(&base.canonical().local());
    let ways = [
        Way {
            targets: exact,
            tag: None,
            always: is_role,
        },
        Way {
            targets: below,
            tag: tag.clone(),
            always: is_role,
        },
        Way {
            targets: role.clone().filter(|_| is_role).into_iter().collect(),
            tag,
            always: true,
        },
        Way {
            targets: if catch_all.is_some() {
                rest
            } else {
                Vec::new()
            },
            tag: None,
            always: false,
        },
    ];
    match ways.into_iter().find(|way| !way.targets.is_empty()) {
        Some(way) => take(sql, way, size),
        None => {
            // One look at a quota more, as for an address that exists.
            if let Some((account, _)) = role {
                mailbox::usage(sql, account)?;
            }
            // RFC 5321, section 4.5.1: never refused for good. Until the site has an account, it waits with its
            // sender.
            let resolution = if is_role {
                Resolution::Unattended
            } else {
                Resolution::Unknown
            };
            Ok(Found {
                resolution,
                lasts: true,
            })
        }
    }
}

fn take(sql: &mut dyn Sql, way: Way, size: u64) -> Result<Found, Error> {
    let mut lasts = true;
    for (account, _) in &way.targets {
        let usage = mailbox::usage(sql, *account)?;
        let needed = usage.bytes.saturating_add(size.max(1));
        lasts &= usage.limit.is_none();
        if !way.always && usage.limit.is_some_and(|limit| needed > limit) {
            return Ok(Found {
                resolution: Resolution::OverQuota,
                lasts,
            });
        }
    }
    let recipient = |(account, address)| LocalRecipient {
        account,
        address,
        tag: way.tag.clone(),
    };
    Ok(Found {
        resolution: Resolution::Local(way.targets.into_iter().map(recipient).collect()),
        lasts,
    })
}

/// The mailbox of a role address: the one it was routed to by command, or the first account.
fn role_mailbox(
    sql: &mut dyn Sql,
    address: &Address,
) -> Result<Option<(AccountId, Address)>, Error> {
    let named = address::role_target(sql, address)?;
    let first = account::first_of_all(sql)?;
    Ok(named.or(first))
}

pub(crate) async fn may_send_as(
    store: &Store,
    options: Arc<Options>,
    account: AccountId,
    address: &Address,
) -> Result<bool, Error> {
    let address = address.clone();
    store
        .read(move |snapshot: &mut Snapshot<'_>| {
            let base = options
                .split_tag(&address)
                .map_or_else(|| address.clone(), |(base, _)| base);
            let exact = address::belongs(snapshot, &address, account)?;
            // `taro+x` may be somebody else's own address: the tag is one only if it is not.
            let taken = !address::targets(snapshot, &address, 1)?.is_empty();
            let below = address::belongs(snapshot, &base, account)?;
            let role = address::role_target(snapshot, &address)?;
            Ok(exact || (!taken && below) || role.is_some_and(|(id, _)| id == account))
        })
        .await
}
