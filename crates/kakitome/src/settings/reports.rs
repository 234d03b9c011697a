//! `[dmarc_reports]` and `[tls_reports]`: what others are told of mail in their names (RFC 9990) and of TLS with their servers (RFC
//! 8460), and where they tell of ours.

use message::address::{Address, Domain};
use serde::Deserialize;
use toml::Spanned;
use transfer::dmarc_reports::Reporter;

use super::{SettingsError, Size, policy::At};

const LARGEST: u64 = 100 << 20;
/// Characters of the organisation's name.
const LONGEST_NAME: usize = 200;

/// `[dmarc_reports]` or `[tls_reports]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReportKeys {
    /// Whether domains that ask for it are told each day. Unless it is said: of DMARC where mail from outside is screened, of TLS
    /// where mail leaves; never where the site is on the loopback address alone and names no name servers.
    pub(crate) send: Option<bool>,
    /// Who reports. Unless it is said: the first own domain.
    pub(crate) organisation: Option<Spanned<String>>,
    /// Whom reports are from. Unless it is said: postmaster at the server's name.
    pub(crate) contact: Option<Spanned<String>>,
    /// Octets of a report as it is sent.
    pub(crate) size: Spanned<Size>,
    /// Days of which reports that were not sent are made up for.
    pub(crate) days: Spanned<u8>,
    /// Where reports about own domains come to: an address of this site, which the own records name.
    pub(crate) address: Option<Spanned<String>>,
}

impl Default for ReportKeys {
    fn default() -> Self {
        Self {
            send: None,
            organisation: None,
            contact: None,
            size: Spanned::new(0..0, Size::mebibytes(10)),
            days: Spanned::new(0..0, 3),
            address: None,
        }
    }
}

impl ReportKeys {
    pub(super) fn check(&self, own: &[Domain], at: At<'_>) -> Result<(), SettingsError> {
        if let Some(name) = &self.organisation {
            let length = name.get_ref().chars().count();
            if length == 0 || length > LONGEST_NAME {
                let reason = format!("organisation has between 1 and {LONGEST_NAME} characters");
                return Err(at(name.span(), reason));
            }
        }
        if !(1..=LARGEST).contains(&self.size.get_ref().0) {
            let reason = "size lies between 1B and 100MiB";
            return Err(at(self.size.span(), reason.into()));
        }
        if !(1..=14).contains(self.days.get_ref()) {
            return Err(at(self.days.span(), "days lies between 1 and 14".into()));
        }
        for written in [&self.contact, &self.address].into_iter().flatten() {
            let address = Address::parse(written.get_ref())
                .map_err(|error| at(written.span(), format!("this is not an address: {error}")))?;
            if !own.contains(address.domain()) {
                let reason = format!("{} is no domain of this site", address.domain());
                return Err(at(written.span(), reason));
            }
        }
        Ok(())
    }

    /// Where reports about own domains come to.
    pub(crate) fn address(&self) -> Option<Address> {
        parsed(self.address.as_ref())
    }

    /// Who reports, if anybody does. `usual` is whether reports are sent unless it is said.
    pub(super) fn reporter(
        &self,
        hostname: &Domain,
        own: &[Domain],
        usual: bool,
    ) -> Option<Reporter> {
        let usually = Address::parse(&format!("postmaster@{hostname}")).ok();
        let organisation = self
            .organisation
            .as_ref()
            .map(|name| name.get_ref().clone());
        let organisation = organisation
            .or_else(|| own.first().map(ToString::to_string))
            .unwrap_or_else(|| hostname.to_string());
        let contact = parsed(self.contact.as_ref()).or(usually);
        let wanted = self.send.unwrap_or(usual);
        contact.filter(|_| wanted).map(|contact| Reporter {
            organisation,
            contact,
            most: self.size.get_ref().0,
        })
    }
}

fn parsed(written: Option<&Spanned<String>>) -> Option<Address> {
    Address::parse(written?.get_ref()).ok()
}
