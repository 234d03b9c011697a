//! Where mail goes, and who may send as what.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use message::address::Address;
use store::{AccountId, Error, Snapshot, Store, mailbox, sql::Sql};

use crate::{
    Inner, LocalRecipient, Options, Resolution, Restriction, Writers,
    tables::{account, address, forward},
};

/// Accounts that one alias may mean.
pub(crate) const MOST_TARGETS: u32 = 200;

/// Accounts that one address may lead to, with all that forward to one another.
const MOST_ONWARD: usize = 500;

/// Local parts that every own domain has (RFC 2142, RFC 5321 section 4.5.1).
pub(crate) const ROLE_LOCALS: [&str; 2] = ["postmaster", "abuse"];

/// An address that mail can be for, and the mailboxes it means.
struct Way {
    targets: Vec<(AccountId, Address)>,
    tag: Option<String>,
    /// Role mail is taken whatever the quota says.
    always: bool,
    writers: Writers,
    /// Of [`Writers::Named`]: who they are.
    named: Vec<AccountId>,
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
    let (asked, now) = (address.clone(), inner.store.now());
    let found = inner
        .store
        .read(move |snapshot: &mut Snapshot<'_>| look(snapshot, &options, (&asked, now), size))
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
    (address, now): (&Address, Timestamp),
    size: u64,
) -> Result<Found, Error> {
    let split = options.split_tag(address);
    let (base, tag) =
        split.map_or_else(|| (address.clone(), None), |(base, tag)| (base, Some(tag)));
    let exact = address::targets(sql, address, MOST_TARGETS)?;
    let below = address::targets(sql, &base, MOST_TARGETS)?;
    let is_role = ROLE_LOCALS.contains(&base.canonical().local());
    let writers = |sql: &mut dyn Sql, address| match is_role {
        true => Ok(Writers::Anyone),
        false => forward::writers(sql, address),
    };
    let (exactly, below_writers) = (writers(sql, address)?, writers(sql, &base)?);
    let role = role_mailbox(sql, &base)?;
    let catch_all = options
        .own(address.domain())
        .and_then(|own| own.catch_all.clone());
    let rest = address::targets(sql, catch_all.as_ref().unwrap_or(&base), MOST_TARGETS)?;
    let ways = [
        Way {
            targets: exact,
            tag: None,
            always: is_role,
            writers: exactly,
            named: forward::named_writers(sql, address)?,
        },
        Way {
            targets: below,
            tag: tag.clone(),
            always: is_role,
            writers: below_writers,
            named: forward::named_writers(sql, &base)?,
        },
        Way {
            targets: role.clone().filter(|_| is_role).into_iter().collect(),
            tag,
            always: true,
            writers: Writers::Anyone,
            named: Vec::new(),
        },
        Way {
            targets: if catch_all.is_some() {
                rest
            } else {
                Vec::new()
            },
            tag: None,
            always: false,
            writers: Writers::Anyone,
            named: Vec::new(),
        },
    ];
    match ways.into_iter().find(|way| !way.targets.is_empty()) {
        Some(way) => take(sql, options, (way, now), size),
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

fn take(
    sql: &mut dyn Sql,
    options: &Options,
    (way, now): (Way, Timestamp),
    size: u64,
) -> Result<Found, Error> {
    let Way {
        targets,
        tag,
        always,
        writers,
        named,
    } = way;
    let mut onward = Onward {
        options,
        now,
        lasts: true,
        seen: targets.iter().map(|(account, _)| *account).collect(),
        size,
    };
    let accounts = match writers {
        Writers::Named => named,
        _ => targets.iter().map(|(account, _)| *account).collect(),
    };
    let mut recipients = Vec::with_capacity(targets.len());
    for (account, address) in targets {
        let mut recipient = LocalRecipient {
            account,
            address,
            tag: tag.clone(),
            keeps: true,
            onward: Vec::new(),
            forwarder: String::new(),
        };
        let further = onward.follow(sql, &mut recipient)?;
        if recipient.keeps && !always && !onward.has_room(sql, account)? {
            return Ok(Found {
                resolution: Resolution::OverQuota,
                lasts: onward.lasts,
            });
        }
        recipients.push(recipient);
        recipients.extend(further);
    }
    Ok(Found {
        resolution: match writers {
            Writers::Anyone => Resolution::Local(recipients),
            writers => Resolution::Restricted(recipients, Restriction { writers, accounts }),
        },
        lasts: onward.lasts,
    })
}

/// Where mail of accounts goes on to.
struct Onward<'a> {
    options: &'a Options,
    now: Timestamp,
    /// Whether what was found holds until the directory changes.
    lasts: bool,
    /// Accounts that get the mail: forwards in a circle end here.
    seen: BTreeSet<AccountId>,
    size: u64,
}

impl Onward<'_> {
    fn has_room(&mut self, sql: &mut dyn Sql, account: AccountId) -> Result<bool, Error> {
        let usage = mailbox::usage(sql, account)?;
        let needed = usage.bytes.saturating_add(self.size.max(1));
        self.lasts &= usage.limit.is_none();
        Ok(usage.limit.is_none_or(|limit| needed <= limit))
    }

    /// Says in `recipient` where its mail goes on to outside, and returns who gets it here. What has nowhere to go, or goes to
    /// somebody without room, stays with it.
    fn follow(
        &mut self,
        sql: &mut dyn Sql,
        recipient: &mut LocalRecipient,
    ) -> Result<Vec<LocalRecipient>, Error> {
        let mut forwards = forward::of(sql, recipient.account)?;
        // What ends by itself is looked at each time.
        self.lasts &= forwards.iter().all(|entry| entry.until.is_none());
        forwards.retain(|entry| entry.until.is_none_or(|until| self.now < until));
        recipient.keeps = forwards.is_empty() || self.options.forwards_keep_copy;
        let mut further = Vec::new();
        for entry in forwards {
            if self.options.own(entry.target.domain()).is_none() {
                // What was permitted once, and is not any more, stays.
                if entry.order.is_some() || self.options.outside_forwards {
                    recipient.onward.push(entry.target);
                    recipient.forwarder = entry.identifier;
                } else {
                    recipient.keeps = true;
                }
                continue;
            }
            let inside = inside(sql, self.options, &entry.target)?;
            recipient.keeps |= inside.is_empty();
            for (account, address) in inside {
                if self.seen.len() >= MOST_ONWARD || !self.seen.insert(account) {
                    // In a circle, somebody has to keep it.
                    recipient.keeps = true;
                    continue;
                }
                if !self.has_room(sql, account)? {
                    recipient.keeps = true;
                    continue;
                }
                let mut next = LocalRecipient {
                    account,
                    address,
                    tag: None,
                    keeps: true,
                    onward: Vec::new(),
                    forwarder: String::new(),
                };
                let more = self.follow(sql, &mut next)?;
                further.push(next);
                further.extend(more);
            }
        }
        Ok(further)
    }
}

/// The accounts that an address here means to which anybody may write: nobody gets around a restriction by a forward.
pub(crate) fn inside(
    sql: &mut dyn Sql,
    options: &Options,
    target: &Address,
) -> Result<Vec<(AccountId, Address)>, Error> {
    let base = options.split_tag(target).map(|(base, _)| base);
    for address in [Some(target), base.as_ref()].into_iter().flatten() {
        let found = address::targets(sql, address, MOST_TARGETS)?;
        if !found.is_empty() {
            let open = forward::writers(sql, address)? == Writers::Anyone;
            return Ok(if open { found } else { Vec::new() });
        }
    }
    Ok(Vec::new())
}

/// The mailbox of a role address: the one it was routed to by command, or the first account.
pub(crate) fn role_mailbox(
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
