//! How many connections there may be, in all and from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use parking_lot::Mutex;

/// Counts connections of one listener or service. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub struct Admission {
    shared: Arc<Mutex<Counts>>,
}

#[derive(Debug)]
struct Counts {
    total: usize,
    per_address: HashMap<IpAddr, usize>,
    total_limit: usize,
    address_limit: usize,
}

/// A connection that was let in; dropping it makes room for another.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Mutex<Counts>>,
    address: IpAddr,
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// The service has as many connections as it may have.
    #[error("too many connections")]
    InAll,
    /// The address has as many connections as it may have.
    #[error("too many connections from this address")]
    FromAddress,
}

impl Admission {
    /// Lets in `total_limit` connections, of these `address_limit` from one address (for IPv6: one /64).
    #[must_use]
    pub fn new(total_limit: usize, address_limit: usize) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Counts {
                total: 0,
                per_address: HashMap::new(),
                total_limit,
                address_limit,
            })),
        }
    }

    /// Takes new limits; connections that are in stay in.
    pub fn set_limits(&self, total_limit: usize, address_limit: usize) {
        let mut counts = self.shared.lock();
        counts.total_limit = total_limit;
        counts.address_limit = address_limit;
    }

    /// Connections in now.
    #[must_use]
    pub fn total(&self) -> usize {
        self.shared.lock().total
    }

    /// Lets a connection from `peer` in, or says why not.
    ///
    /// # Errors
    /// [`TooMany`] when a limit is reached.
    pub fn admit(&self, peer: IpAddr) -> Result<Permit, TooMany> {
        let address = network_of(peer);
        let mut counts = self.shared.lock();
        if counts.total >= counts.total_limit {
            return Err(TooMany::InAll);
        }
        let address_limit = counts.address_limit;
        let from_address = counts.per_address.entry(address).or_default();
        if *from_address >= address_limit {
            return Err(TooMany::FromAddress);
        }
        *from_address += 1;
        counts.total += 1;
        Ok(Permit {
            shared: Arc::clone(&self.shared),
            address,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.shared.lock();
        counts.total = counts.total.saturating_sub(1);
        if let Some(from_address) = counts.per_address.get_mut(&self.address) {
            *from_address = from_address.saturating_sub(1);
            if *from_address == 0 {
                counts.per_address.remove(&self.address);
            }
        }
    }
}

/// The address that a limit counts: IPv4 as it is (mapped ones too), IPv6 by /64, since one host has that many.
#[must_use]
pub fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn limits_hold_and_room_comes_back() {
        let admission = Admission::new(3, 2);
        let a: IpAddr = "192.0.2.1".parse().unwrap();
        let b: IpAddr = "192.0.2.2".parse().unwrap();
        let first = admission.admit(a).unwrap();
        let _second = admission.admit(a).unwrap();
        assert_eq!(admission.admit(a).unwrap_err(), TooMany::FromAddress);
        let _third = admission.admit(b).unwrap();
        assert_eq!(admission.admit(b).unwrap_err(), TooMany::InAll);
        drop(first);
        assert_eq!(admission.total(), 2);
        assert!(admission.admit(b).is_ok());
    }

    #[test]
    fn one_ipv6_host_is_one_address() {
        let admission = Admission::new(9, 1);
        let _held = admission.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(admission.admit("2001:db8::2".parse().unwrap()).is_err());
        assert!(admission.admit("2001:db8:0:1::2".parse().unwrap()).is_ok());
    }
}
