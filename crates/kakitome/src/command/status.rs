//! `status`: what runs, and what needs attention.

use directory::Resolution;
use message::address::{Address, Domain};
use serde_json::json;

use super::{Answer, Failure};
use crate::site::Site;

/// Days before the certificate's end at which `status` asks for attention.
const CERTIFICATE_WARNING_DAYS: i64 = 21;

pub(super) async fn run(site: &Site, answer: &mut Answer) -> Result<(), Failure> {
    let settings = site.settings();
    let totals = transfer::command::totals(&site.store).await?;
    let listeners: Vec<String> = site
        .listeners()
        .iter()
        .map(|(service, address)| format!("{} {address}", service.name()))
        .collect();
    let disk = rustix::fs::statvfs(&site.path)
        .map_err(|error| Failure::Failed(format!("cannot measure the disk: {error}")))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let size = disk.f_blocks.saturating_mul(disk.f_frsize);
    let days = (site.identity.load().not_after - site.world.now().as_second()) / 86_400;
    let mut attention = Vec::new();
    let single_person = site.directory.permits_single_person().await?;
    if single_person {
        attention.push(
            "allow_single_person is on: one person may do what the regulation splits between two (clauses 7.1, 9), \
             until a second person holds an officer's role"
                .to_owned(),
        );
    }
    for keys in &settings.domains {
        let Ok(domain) = Domain::parse(keys.name.get_ref()) else {
            continue;
        };
        let Ok(postmaster) = Address::new("postmaster", domain) else {
            continue;
        };
        if site.directory.resolve(&postmaster, 0).await? == Resolution::Unattended {
            attention.push(format!(
                "mail to {postmaster} is put off, since no account takes it: issue one (RFC 5321, 4.5.1)"
            ));
        }
    }
    if days < CERTIFICATE_WARNING_DAYS {
        attention.push(format!("the certificate ends in {days} days"));
    }
    if free < settings.store.reserve.0.saturating_mul(4) {
        attention.push("the disk is nearly full: mail will be put off (clause 5.4(1))".to_owned());
    }
    let roles: Vec<&str> = settings
        .server
        .roles
        .get_ref()
        .iter()
        .map(|role| role.as_str())
        .collect();
    answer
        .row(&json!({
            "hostname": settings.server.hostname.get_ref(),
            "version": env!("CARGO_PKG_VERSION"),
            "roles": roles,
            "started": site.started,
            "listeners": listeners,
            "queue_messages": totals.messages,
            "queue_recipients": totals.recipients,
            "queue_held": totals.held,
            "queue_oldest": totals.oldest,
            "disk_free_bytes": free,
            "disk_size_bytes": size,
            "certificate_days": days,
            "allow_single_person": single_person,
            "attention": attention,
        }))
        .await
}
