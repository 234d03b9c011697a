//! `[dmarc_reports]`: what others are told of mail in their names, and where they tell of ours (RFC 9990).

use message::address::{Address, Domain};
use serde::Deserialize;
use toml::Spanned;
use transfer::dmarc_reports::{Keys, Reporter};

use super::{SettingsError, Size, policy::At};

const LARGEST: u64 = 100 << 20;
/// Characters of the organisation's name.
const LONGEST_NAME: usize = 200;

/// `[dmarc_reports]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DmarcReportKeys {
    /// Whether domains that ask for it are told each day what came in their names. Unless it is said: where mail from outside is
    /// screened, unless the site is on the loopback address alone and names no name servers.
    pub(crate) send: Option<bool>,
    /// Who reports. Unless it is said: the first own domain.
    pub(crate) organisation: Option<Spanned<String>>,
    /// Whom reports are from. Unless it is said: postmaster at the server's name.
    pub(crate) contact: Option<Spanned<String>>,
    /// Octets of a report as it is sent.
    pub(crate) size: Spanned<Size>,
    /// Days of which reports that were not sent are made up for.
    pub(crate) days: Spanned<u8>,
    /// Where reports about own domains come to: an address of this site, which the own DMARC records name.
    pub(crate) address: Option<Spanned<String>>,
}

impl Default for DmarcReportKeys {
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

impl DmarcReportKeys {
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

    /// For the transfer room. `usual` is whether reports are sent unless it is said.
    pub(super) fn made(&self, hostname: &Domain, own: &[Domain], usual: bool) -> Keys {
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
        Keys {
            reporter: contact.filter(|_| wanted).map(|contact| Reporter {
                organisation,
                contact,
                most: self.size.get_ref().0,
            }),
            address: self.address(),
        }
    }
}

fn parsed(written: Option<&Spanned<String>>) -> Option<Address> {
    Address::parse(written?.get_ref()).ok()
}
