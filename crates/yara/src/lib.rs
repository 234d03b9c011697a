//! The process that holds a site's YARA rules against messages and all that is in them (clause 5.2).
//!
//! [`run`] is the body of the program `kakitome-yara`. It is given the rules as octets, and so never opens a file; it gives up every
//! right to files, the network and other programs before it reads the first of them, and the rights to make code and to start a
//! thread when they are compiled and the engine's clock runs ([`scanner::Start`], [`Clock`]). Then it reads messages from its standard input and writes [`malware::Matched`] to its standard output
//! (room `malware` has the frames). [`Rules`] and [`Matcher`] are the work itself, without any pipe.
//!
//! Rules are held against the message as it came, and against each file that room `scanner` finds in it: decoded parts, members of
//! archives, messages within messages.
//!
//! # What it never does
//!
//! It decides nothing. It includes no file into another (`include` is a fault). What the rules were not held against is told, never
//! passed over; a fault, or memory that is not to be had, ends the process, and the server takes that for "not looked at".

mod clock;
mod matcher;
mod rules;
mod worker;

pub use clock::{Clock, ClockError};
pub use matcher::Matcher;
pub use rules::Rules;
pub use worker::run;

// Named so that yara-x gets the feature of it that it needs and does not ask for.
use rsa as _;
