//! App passwords and forwards whose time is over are given up; deletions reach the backups; identifiers that nobody uses any more are reported, their holders warned, and then suspended (clause 7.1(3)).

use std::{sync::Arc, time::Duration};

use directory::{
    Role,
    command::{
        app_password, forward,
        idle::{self, ToWarn},
        leaving, reading, shared,
    },
};
use jiff::{Timestamp, tz::TimeZone};
use tokio::time::Instant;
use transfer::{
    notice::{self, Notice},
    quarantine,
};
use wire::Shutdown;

use crate::{
    backups::{self, State},
    site::Site,
};

/// How often it is looked for what is over: sessions that it began, and mail that goes on, end so soon after.
const ENDS: Duration = Duration::from_secs(60);
/// How often everything else is looked for.
const LOOK: Duration = Duration::from_secs(3600);
/// How long after the start it is looked first: whoever has been away shall have the time to log in.
const FIRST: Duration = Duration::from_secs(60);

/// Looks again and again, until the server stops.
pub(crate) async fn run(site: Arc<Site>, mut shutdown: Shutdown) {
    let mut due = Instant::now() + FIRST;
    loop {
        tokio::select! {
            () = shutdown.begun() => return,
            () = tokio::time::sleep(ENDS) => {}
        }
        let looked = if Instant::now() < due {
            expire(&site).await
        } else {
            due = Instant::now() + LOOK;
            look(&site).await
        };
        match looked {
            Ok(()) => {}
            Err(store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "what is idle or expired could not be looked for; it is tried again");
            }
        }
    }
}

/// Gives up, warns and suspends what is due for it.
///
/// # Errors
/// The store's.
pub(crate) async fn look(site: &Site) -> Result<(), store::Error> {
    expire(site).await?;
    if site.settings().directory.delete_in_backups {
        for (known, ended) in backups::purge_all(site).await? {
            if let (State::Due, Err(error)) = (known.state, ended) {
                let backup = known.backup.display();
                tracing::warn!(%backup, %error, "a backup still holds what was deleted; it is tried again");
            }
        }
    }
    for near in shared::sweep(&site.directory).await? {
        match review(site, near).await {
            // Warned meanwhile.
            Ok(()) | Err(store::Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    for warned in idle::sweep(&site.directory).await? {
        match warn(site, warned).await {
            // Used meanwhile.
            Ok(()) | Err(store::Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends what its time is over for.
async fn expire(site: &Site) -> Result<(), store::Error> {
    leaving::departed(&site.directory).await?;
    app_password::expire(&site.directory).await?;
    forward::expire(&site.directory).await?;
    reading::expire(&site.directory).await?;
    quarantine::expire(&site.transfer).await?;
    Ok(())
}

/// Tells those who share an identifier, and the system officers, that the decision is to be reviewed (clause 8.1).
async fn review(site: &Site, near: shared::ToWarn) -> Result<(), store::Error> {
    let mut to = near.users.clone();
    to.extend(site.directory.addresses_of(Role::SystemOfficer).await?);
    to.sort_unstable();
    to.dedup();
    let day = site.local(near.review_at, "%Y-%m-%d");
    let identifier = &near.identifier;
    let message = Notice {
        to,
        subject: format!("[Kakitome] {identifier} の共有の見直し / sharing is to be reviewed"),
        text: format!(
            "共有識別コード {identifier} の決定は {day} に見直しの期限を迎えます。\n\
             それまでに新しい命令がなければ利用を停止します。届いたメールは失われません。\n\n\
             The decision to share the identifier {identifier} is to be reviewed by {day}.\n\
             Without a new order it is suspended then. Mail that arrives is kept.\n"
        ),
    };
    let work = move |tx: &mut store::Tx<'_>, told: &[message::address::Address]| {
        shared::note_warning(tx, &near, !told.is_empty())
    };
    notice::send(&site.transfer, message, work).await.map(drop)
}

async fn warn(site: &Site, warned: ToWarn) -> Result<(), store::Error> {
    let message = match warned.person_left {
        true => Notice {
            to: site.directory.addresses_of(Role::AccountManager).await?,
            subject: format!(
                "[Kakitome] {} の利用者は退職しています / its holder has left",
                warned.identifier
            ),
            text: text_on_orphan(&warned, &site.settings().zone()),
        },
        false => Notice {
            to: warned.address().into_iter().collect(),
            subject: format!(
                "[Kakitome] {} は長い間使われていません / not used for long",
                warned.identifier
            ),
            text: text(&warned, &site.settings().zone()),
        },
    };
    tracing::info!(
        identifier = warned.identifier,
        "an identifier lies idle, or its holder has left: who it concerns is warned"
    );
    let work = move |tx: &mut store::Tx<'_>, told: &[message::address::Address]| {
        idle::note_warning(tx, &warned, !told.is_empty())
    };
    notice::send(&site.transfer, message, work).await.map(drop)
}

fn day(at: Timestamp, zone: &TimeZone) -> String {
    let zoned = at.to_zoned(zone.clone());
    zoned.strftime("%Y-%m-%d").to_string()
}

fn text_on_orphan(warned: &ToWarn, zone: &TimeZone) -> String {
    let identifier = &warned.identifier;
    let (until_ja, until) = match warned.suspends_at.map(|at| day(at, zone)) {
        Some(day) => (
            format!("{day} までに削除されなければ利用を停止します。届いたメールは失われません。\n"),
            format!(
                "Unless it is deleted before {day}, it is suspended. Mail that arrives is kept.\n"
            ),
        ),
        None => (String::new(), String::new()),
    };
    format!(
        "識別コード {identifier} の利用者は退職していますが、識別コードが残っています。\n\
         削除の命令（order delete）が必要です（9.2(1)）。\n{until_ja}\n\
         The holder of the identifier {identifier} has left, and the identifier is still there.\n\
         It needs an order to delete it, `order delete` (clause 9.2(1)).\n{until}"
    )
}

fn text(warned: &ToWarn, zone: &TimeZone) -> String {
    let (since, identifier) = (day(warned.idle_since, zone), &warned.identifier);
    match warned.suspends_at.map(|at| day(at, zone)) {
        Some(until) => format!(
            "識別コード {identifier} は {since} から使われていません。\n\
             {until} までに一度もログインがなければ利用を停止します。届いたメールは失われません。\n\
             不要になった場合は、アカウント管理者にお知らせください。\n\n\
             The identifier {identifier} has not been used since {since}.\n\
             Unless somebody logs in before {until}, it is suspended. Mail that arrives is kept.\n\
             If it is not needed any more, please tell the account manager.\n"
        ),
        None => format!(
            "識別コード {identifier} は {since} から使われていません。\n\
             不要になった場合は、アカウント管理者にお知らせください。\n\n\
             The identifier {identifier} has not been used since {since}.\n\
             If it is not needed any more, please tell the account manager.\n"
        ),
    }
}
