//! What every network session shares, whatever protocol it speaks.
//!
//! A [`Stream`] is a connection that may become TLS while it lives (STARTTLS) and counts its bytes; an
//! [`Identity`] is the certificate a server shows; an [`Admission`] bounds connections in all and per
//! address; an [`ExplicitNetwork`] is one that settings may trust; a [`Shutdown`] tells sessions to end politely. `transfer` and `retrieval` drive their protocol
//! machines over these; sockets are opened and accepted elsewhere, so a simulation can hand in its own.
//!
//! This room knows no protocol, no store and no policy.

mod admission;
mod challenge;
mod identity;
mod network;
mod shutdown;
mod stream;

pub use admission::{Admission, Permit, TooMany, network_of};
pub use challenge::Challenges;
pub use identity::{Identity, IdentityError, IdentityHandle};
pub use network::{ExplicitNetwork, NetworkError, SHORTEST_V4, SHORTEST_V6};
pub use shutdown::{Shutdown, ShutdownHandle};
pub use stream::{Io, Stream, TlsFacts};
