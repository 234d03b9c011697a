//! Vulnerabilities as data (clauses 4.3 and 8.3): feeds in the formats that their publishers use, inventories of software, and
//! which of the one touches the other.
//!
//! A leaf: it does no I/O. Whatever a feed says is hostile until it is read within bounds.
