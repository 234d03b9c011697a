//! The scanners before the mailboxes: what a client appends is looked at, where the site wants it (clause 5.2(4)).

use std::net::{IpAddr, Ipv4Addr};

use retrieval::{Barred, Gate, Looking};
use screening::{Evidence, Handling, Screened};
use world::World;

/// Scanners and policy as they are when a message comes.
pub(crate) struct ScannerGate {
    pub(crate) scanners: transfer::ScannersHandle,
    pub(crate) settings: transfer::SettingsHandle,
    pub(crate) world: World,
}

impl Gate for ScannerGate {
    fn look<'a>(&'a self, message: &'a [u8]) -> Looking<'a> {
        Box::pin(self.judged(message))
    }
}

impl ScannerGate {
    async fn judged(&self, message: &[u8]) -> Result<(), Barred> {
        let said = self.scanners.load_full();
        let said = said.look(message, self.world.now()).await;
        // Whose it is, the event tells.
        let mut evidence = Evidence::unasked(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        evidence.own = true;
        let policy = self.settings.load().policy();
        let malware = policy.malware.known(&said);
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
