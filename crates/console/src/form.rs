//! The forms of the pages, as browsers send them.

use data_encoding::BASE64URL_NOPAD;
use protocol::sasl::Secret;
use serde::{Deserialize, Deserializer, de::Error as _};

/// A field that holds a secret: wiped when dropped.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::from)
}

/// A field that holds octets, as the script writes them: base64url.
fn octets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(D::Error::custom)
}

/// `POST /login`
#[derive(Deserialize)]
pub(crate) struct LoginForm {
    pub(crate) identifier: String,
    #[serde(deserialize_with = "secret")]
    pub(crate) password: Secret,
    #[serde(deserialize_with = "secret")]
    pub(crate) code: Secret,
}

/// `POST /login/passkey`: the script of the page fills in what the browser said (WebAuthn Level 3, section 5.2.2).
#[derive(Deserialize)]
pub(crate) struct PasskeyLoginForm {
    pub(crate) identifier: String,
    #[serde(deserialize_with = "secret")]
    pub(crate) password: Secret,
    pub(crate) ticket: String,
    #[serde(deserialize_with = "octets")]
    pub(crate) credential: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    pub(crate) user: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    pub(crate) client_data: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    pub(crate) authenticator_data: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    pub(crate) signature: Vec<u8>,
}

/// A button.
#[derive(Deserialize)]
pub(crate) struct ButtonForm {
    pub(crate) key: String,
}

/// `POST /password`
#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    pub(crate) key: String,
    #[serde(deserialize_with = "secret")]
    pub(crate) present: Secret,
    #[serde(deserialize_with = "secret")]
    pub(crate) chosen: Secret,
    #[serde(deserialize_with = "secret")]
    pub(crate) again: Secret,
}

/// `POST /app-password`
#[derive(Deserialize)]
pub(crate) struct AppPasswordForm {
    pub(crate) key: String,
    pub(crate) identifier: String,
    pub(crate) name: String,
    /// `both`, `send`, `fetch`.
    pub(crate) scope: String,
    /// A day, or nothing.
    pub(crate) expires: String,
}

/// `POST /app-password/revoke`
#[derive(Deserialize)]
pub(crate) struct RevokeForm {
    pub(crate) key: String,
    pub(crate) identifier: String,
    pub(crate) number: i64,
}

/// `POST /second-factor/remove`
#[derive(Deserialize)]
pub(crate) struct NumberForm {
    pub(crate) key: String,
    pub(crate) number: i64,
}

/// `POST /quarantine/release`, `POST /quarantine/delete`
#[derive(Deserialize)]
pub(crate) struct ApartForm {
    pub(crate) key: String,
    pub(crate) id: String,
}

/// `POST /forward`, `POST /forward/remove`
#[derive(Deserialize)]
pub(crate) struct ForwardForm {
    pub(crate) key: String,
    pub(crate) target: String,
}

/// `POST /second-factor`
#[derive(Deserialize)]
pub(crate) struct SecondFactorForm {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) code: String,
}

/// `POST /passkey`: the script of the page fills in what the browser said (WebAuthn Level 3, section 5.2.1).
#[derive(Deserialize)]
pub(crate) struct PasskeyForm {
    pub(crate) key: String,
    pub(crate) name: String,
    #[serde(deserialize_with = "octets")]
    pub(crate) client_data: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    pub(crate) object: Vec<u8>,
}

/// `GET /language`
#[derive(Deserialize)]
pub(crate) struct LanguageQuery {
    pub(crate) to: String,
}
