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
//! | what DNS lists say of the client and of names | RFC 5782 |
//! | how the client behaved, and what became of what it and its domain sent before | RFC 5321, 6647 |
//! | what the words say, and patterns that the site looks for | |
//! | what the scanners say, of submissions too (room `malware`) | clauses 5.2(3), 5.2(4) |
//! | what rspamd and milters say, of submissions too (room `engines`) | clause 5.3 |
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
mod conduct;
mod dmarc_record;
mod engines;
mod evidence;
mod gather;
mod history;
mod links;
mod lists;
mod malware;
mod milter;
pub mod outbreak;
mod pattern;
mod policy;
mod results;
mod rspamd;
mod rule;
mod screened;
pub mod sign;
mod verdict;
mod vote;
mod words;

pub use self::{
    engines::EnginePolicy,
    malware::{MalwarePolicy, Treatment},
    milter::MilterPolicy,
    rspamd::RspamdPolicy,
};
pub use conduct::{Conduct, ConductPolicy, HelloForm};
pub use dmarc_record::{DmarcRecord, ReportPlace};
pub use evidence::{ArcChain, Author, Dmarc, Evidence, Finding, Iprev, Published, Signature, Spf};
pub use gather::{
    Arrival, DnsTrouble, Limits, ReportRequest, Screener, ScreenerError, author_address,
};
pub use history::{Greylisting, History, HistoryPolicy, Standing};
pub use links::linked_domains;
pub use lists::{Answers, DnsList, ListWord, ListedBy, Listing, ListsSaid};
pub use pattern::{Pattern, Place, found as patterns_found};
pub use policy::{Choice, Policy, Trouble};
pub use results::responsible_in;
pub use rule::{AddressForm, Condition, NameForm, Rule};
pub use screened::Screened;
pub use verdict::{Cause, Handling, Refused, Verdict};
pub use words::{Guess, Seen, Token, Words, WordsPolicy, tokens};
