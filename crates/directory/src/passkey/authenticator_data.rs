//! What the device says (WebAuthn Level 3, section 6.1).

use aws_lc_rs::digest::{SHA256, digest};

use super::{Fault, MOST_CREDENTIAL, Place, cbor};

const WHAT: &str = "the authenticator data";
/// Octets of what names the device's maker, which is passed over.
const AAGUID_LEN: usize = 16;

/// Somebody was there.
const USER_PRESENT: u8 = 0x01;
/// The passkey may be copied to other devices, and has been.
const BACKUP_ELIGIBLE: u8 = 0x08;
const BACKED_UP: u8 = 0x10;
/// A credential was made; extensions follow.
const MADE: u8 = 0x40;
const EXTENDED: u8 = 0x80;

#[derive(Debug)]
pub(super) struct AuthenticatorData<'a> {
    site: &'a [u8; 32],
    flags: u8,
    pub(super) counter: u32,
    pub(super) made: Option<Made<'a>>,
}

/// A credential that was made (section 6.5.1).
#[derive(Debug)]
pub(super) struct Made<'a> {
    pub(super) credential: &'a [u8],
    /// COSE_Key
    pub(super) key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads all of `octets`; what is left over is a fault.
    pub(super) fn read(octets: &'a [u8]) -> Result<Self, Fault> {
        let (site, rest) = chunk::<32>(octets)?;
        let (&[flags], rest) = chunk::<1>(rest)?;
        let (counter, mut rest) = chunk::<4>(rest)?;
        let mut made = None;
        if flags & MADE != 0 {
            let (found, after) = Made::read(rest)?;
            (made, rest) = (Some(found), after);
        }
        if flags & EXTENDED != 0 {
            let extensions = cbor::first(&mut rest, WHAT)?;
            extensions.as_map().ok_or(Fault::Malformed(WHAT))?;
        }
        if !rest.is_empty() {
            return Err(Fault::Malformed(WHAT));
        }
        Ok(Self {
            site,
            flags,
            counter: u32::from_be_bytes(*counter),
            made,
        })
    }

    /// Checks that it is for our site, and that somebody was there (section 7.1, steps 14 to 17; section 7.2, steps 15 to 18).
    pub(super) fn is_for(&self, place: &Place) -> Result<(), Fault> {
        if digest(&SHA256, place.name.as_bytes()).as_ref() != self.site {
            return Err(Fault::Site);
        }
        if self.flags & USER_PRESENT == 0 {
            return Err(Fault::NobodyThere);
        }
        if self.flags & BACKED_UP != 0 && self.flags & BACKUP_ELIGIBLE == 0 {
            return Err(Fault::Malformed(WHAT));
        }
        Ok(())
    }
}

impl<'a> Made<'a> {
    /// Reads one, and returns what follows it.
    fn read(octets: &'a [u8]) -> Result<(Self, &'a [u8]), Fault> {
        let (_, rest) = chunk::<AAGUID_LEN>(octets)?;
        let (len, rest) = chunk::<2>(rest)?;
        let len = usize::from(u16::from_be_bytes(*len));
        if len == 0 || len > MOST_CREDENTIAL {
            return Err(Fault::Malformed(WHAT));
        }
        let (credential, rest) = rest.split_at_checked(len).ok_or(Fault::Malformed(WHAT))?;
        let mut after = rest;
        cbor::first(&mut after, WHAT)?;
        let len = rest.len().saturating_sub(after.len());
        let (key, after) = rest.split_at_checked(len).ok_or(Fault::Malformed(WHAT))?;
        Ok((Self { credential, key }, after))
    }
}

fn chunk<const LEN: usize>(octets: &[u8]) -> Result<(&[u8; LEN], &[u8]), Fault> {
    octets.split_first_chunk().ok_or(Fault::Malformed(WHAT))
}
