//! Mail as data: addresses, headers, MIME, charsets, delivery status notifications.

pub mod address;
pub mod charset;
pub mod envelope;
pub mod header;
mod limits;
pub mod mime;
mod status;
pub mod transfer;

pub use address::{Address, AddressError, Domain, Host};
pub use envelope::Envelope;
pub use limits::Limits;
pub use status::{StatusClass, StatusCode};
