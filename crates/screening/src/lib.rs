//! What is known of mail that comes in from outside, and what is done about it.
//!
//! Two halves that meet in values alone. The first gathers [`Evidence`]: it asks the DNS, verifies signatures, and
//! decides nothing ([`Screener::gather`]). The second decides: [`Policy::judge`] makes a [`Verdict`] of evidence and does no
//! I/O, so what was decided can be asked again of the same evidence, under the policy of then or of today.
//!
//! | what is looked at | standard |
//! |---|---|
//! | the name of the peer's address and back (iprev) | RFC 8601, section 3 |
//! | SPF of HELO and of MAIL FROM | RFC 7208 |
//! | each DKIM signature | RFC 6376, 8301, 8463 |
//! | the ARC chain | RFC 8617 |
//! | DMARC of the author's domain | RFC 9989 |
//! | what the scanners say, of submissions too (room `malware`) | clauses 5.2(3), 5.2(4) |
//! | rules against an outbreak, of submissions too ([`outbreak`]) | clause 5.2(2) |
//!
//! # What it never does
//!
//! It delivers nothing and stores nothing. What could not be looked up is `temperror`, never `pass`. Neither half trusts
//! anything that the message says of itself: an Authentication-Results field is nobody's word.
//!
//! ```
//! use screening::{Evidence, Handling, Policy};
//! let evidence = Evidence::of_peer("192.0.2.1".parse().unwrap(), "client.example");
//! let verdict = Policy::default().judge(&evidence);
//! assert_eq!(verdict.handling, Handling::Accept, "it passes for nobody's");
//! ```

mod canonical;
mod evidence;
mod gather;
mod malware;
pub mod outbreak;
mod policy;
mod results;
mod screened;
pub mod sign;
mod verdict;

pub use self::malware::{MalwarePolicy, Treatment};
pub use evidence::{ArcChain, Author, Dmarc, Evidence, Finding, Iprev, Published, Signature, Spf};
pub use gather::{Arrival, Limits, Screener, ScreenerError};
pub use policy::{Choice, Policy, Trouble};
pub use screened::Screened;
pub use verdict::{Cause, Handling, Refused, Verdict};
