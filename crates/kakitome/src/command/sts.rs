//! `sts`: what other domains demand of those who send them mail (MTA-STS, RFC 8461).

use directory::{Person, Role};
use serde_json::json;
use store::sts;

use super::{Answer, Failure, need};
use crate::{cli::StsCommand, site::Site};

/// Who sees how mail leaves.
const READERS: &[Role] = &[Role::Administrator, Role::SecurityOfficer];
/// Policies that are read at a time.
const PAGE: usize = 500;

pub(super) async fn run(
    site: &Site,
    caller: &Person,
    command: StsCommand,
    answer: &mut Answer,
) -> Result<(), Failure> {
    need(caller, READERS)?;
    let StsCommand::List = command;
    let now = site.world.now();
    let mut after = String::new();
    loop {
        let from = after.clone();
        let page = site
            .store
            .read(move |sql| sts::list(sql, &from, PAGE))
            .await?;
        for (domain, kept) in &page {
            let row = match kept {
                Ok(kept) => json!({
                    "domain": domain,
                    "mode": kept.mode,
                    "mx": kept.mx,
                    "id": kept.id,
                    "fetched": kept.fetched_at,
                    "until": kept.expires_at,
                    "ended": kept.expires_at <= now,
                }),
                Err(error) => json!({ "domain": domain, "damaged": error.to_string() }),
            };
            answer.item(&row).await?;
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => last.clone_into(&mut after),
            _ => return Ok(()),
        }
    }
}
