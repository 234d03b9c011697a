//! A notification's text: `message` writes it, from what this room knows.

use message::{
    Address,
    dsn::{self, OriginalRecipient, Returned},
};
use world::World;

use crate::{
    Settings,
    notify::{Origin, Report},
};

/// The notification of `reports` to `sender`, with as much of the message as was asked for: all of it for a
/// failure unless the sender wanted less, its header otherwise (RFC 3461, section 4.3).
pub(crate) fn compose(
    world: &World,
    settings: &Settings,
    origin: &Origin,
    sender: &Address,
    reports: &[Report],
    raw: &[u8],
) -> Vec<u8> {
    let now = world.now();
    let recipients: Vec<dsn::Recipient<'_>> = reports
        .iter()
        .map(|report| dsn::Recipient {
            address: report.address.clone(),
            original: report.original.as_deref().and_then(original),
            action: report.action,
            status: report.status,
            remote_mta: report.remote.as_deref(),
            diagnostic: report.diagnostic.as_deref(),
            last_attempt: Some(now),
            will_retry_until: report.retry_until,
        })
        .collect();
    let failed = reports
        .iter()
        .any(|report| report.action == dsn::Action::Failed);
    let raw = crate::trace::without_return_path(raw);
    // RFC 8689, section 5: as if RET=HDRS had been given, whatever was.
    let full = origin.return_full.unwrap_or(true) && !origin.require_tls;
    let returned = if failed && full {
        Returned::Full(raw)
    } else {
        Returned::Header(raw)
    };
    let unique = format!("{:032x}", u128::from_le_bytes(world.bytes()));
    dsn::Report {
        reporting_mta: &settings.hostname,
        to: sender,
        envid: origin.envelope_id.as_deref(),
        arrived: Some(origin.arrived),
        at: now,
        offset_minutes: 0,
        unique: &unique,
        recipients: &recipients,
        returned,
    }
    .build()
    .message
}

/// ORCPT as the queue keeps it: `type;address`, decoded.
fn original(text: &str) -> Option<OriginalRecipient> {
    let (kind, address) = text.split_once(';')?;
    Some(OriginalRecipient {
        kind: kind.to_owned(),
        address: address.to_owned(),
    })
}
