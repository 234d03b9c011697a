//! What the browser says of the page that asked (WebAuthn Level 3, section 5.8.1): the device signs a digest of it, so a page
//! of another site cannot say that it is ours.

use serde::Deserialize;

use super::{Challenge, Fault, Place};

/// What was asked of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

impl Ceremony {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// Browsers may add fields, and do so now and then to see who minds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    /// The page around ours, if there was one.
    top_origin: Option<String>,
}

/// Checks client data (section 7.1, steps 5 to 11; section 7.2, steps 9 to 14).
pub(super) fn check(
    octets: &[u8],
    ceremony: Ceremony,
    challenge: &Challenge,
    place: &Place,
) -> Result<(), Fault> {
    let data: ClientData =
        serde_json::from_slice(octets).map_err(|_| Fault::Malformed("the client data"))?;
    if data.r#type != ceremony.as_str() {
        return Err(Fault::Ceremony);
    }
    if !challenge.is(&data.challenge) {
        return Err(Fault::Challenge);
    }
    if data.origin != place.origin || data.cross_origin || data.top_origin.is_some() {
        return Err(Fault::Origin);
    }
    Ok(())
}
