//! The forms of the pages, as browsers send them.

use protocol::sasl::Secret;
use serde::{Deserialize, Deserializer};

/// A field that holds a secret: wiped when dropped.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::from)
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

/// `GET /language`
#[derive(Deserialize)]
pub(crate) struct LanguageQuery {
    pub(crate) to: String,
}
