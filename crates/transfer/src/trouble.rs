//! What clients are told when the store cannot do its work, and what operators are told.

use std::net::SocketAddr;

use protocol::smtp::{Detail, Refusal};
use store::Error;

/// The refusal for a failure of the store: always temporary, nothing is lost by it.
pub(crate) fn refusal(error: &Error, peer: SocketAddr) -> Refusal {
    match error {
        Error::Full => {
            tracing::error!(%peer, %error, "mail is put off: free some room on the disk");
            Refusal::new::<452>(
                Detail::SYSTEM_FULL,
                "Insufficient system storage, try again later",
            )
        }
        Error::Closed => {
            tracing::warn!(%peer, "mail is put off: the store is closing");
            Refusal::new::<451>(
                Detail::NOT_ACCEPTING,
                "Server is going down, try again later",
            )
        }
        _ => {
            tracing::error!(%peer, %error, "mail is put off: the store failed");
            Refusal::new::<451>(Detail::OTHER_SYSTEM, "Temporary failure, try again later")
        }
    }
}
