//! Who looks at what clients append, before it is kept.

use std::pin::Pin;

use bytes::Bytes;

/// What a [`Gate`] comes to, in time.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<(), Barred>> + Send + 'a>>;

/// Looks at messages that are not mail on its way: nobody screened what a client appends.
pub trait Gate: Send + Sync {
    /// Whether `message` may be kept.
    fn look<'a>(&'a self, message: &'a Bytes) -> Looking<'a>;
}

/// Why a message is not kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Barred {
    /// Trying later may help.
    pub is_temporary: bool,
    /// Why, for the client: one line of ASCII.
    pub text: String,
    /// What a scanner knows as malware in it: then who appends it is shut out (clause 5.2(5)).
    pub malware: Option<String>,
    /// What was found and decided, for the trail.
    pub found: serde_json::Value,
}
