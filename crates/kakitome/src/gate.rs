//! The scanners and the rules against outbreaks before the mailboxes: what a client appends is looked at, where the site wants it (clauses
//! 5.2(2), 5.2(4)).

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use retrieval::{Barred, Gate, Looking};
use screening::{Evidence, Handling, Screened};
use world::World;

/// Scanners and policy as they are when a message comes.
pub(crate) struct ScannerGate {
    pub(crate) scanners: transfer::ScannersHandle,
    pub(crate) settings: transfer::SettingsHandle,
    pub(crate) transfer: transfer::Transfer,
    pub(crate) world: World,
}

impl Gate for ScannerGate {
    fn look<'a>(&'a self, message: &'a Bytes) -> Looking<'a> {
        Box::pin(self.judged(message))
    }
}

impl ScannerGate {
    async fn judged(&self, message: &Bytes) -> Result<(), Barred> {
        let said = self.scanners.load_full();
        let said = said.look(message, self.world.now()).await;
        // Whose it is, the event tells.
        let mut evidence = Evidence::unasked(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        evidence.own = true;
        let policy = self.settings.load().policy();
        let malware = policy.malware.known(&said);
        if let Some(blocked) = self.transfer.blocked(message, &said.files).await {
            evidence = evidence.with_blocked(blocked);
        }
        let evidence = evidence.with_malware(said);
        let verdict = policy.judge(&evidence);
        // Where it goes is the client's to say.
        if matches!(verdict.handling, Handling::Accept | Handling::Mark) {
            return Ok(());
        }
        let refused = verdict.refusal();
        let text = refused.map(|refused| refused.text).unwrap_or_default();
        Err(Barred {
            is_temporary: verdict.handling == Handling::Defer,
            text,
            malware,
            found: Screened { evidence, verdict }.to_json(),
        })
    }
}
