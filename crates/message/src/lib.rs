//! Mail as data: addresses, headers, MIME, charsets, delivery status notifications.

pub mod address;

pub mod status;

pub use address::{Address, AddressError, Domain, Host};
pub use status::{StatusClass, StatusCode};
