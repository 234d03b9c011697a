//! Clauses at work: when each is due, what checked it and what was found, who owes which task, and the evidence for all of it.
//!
//! It meets the other rooms in `store` and `directory` alone. What only a running server can tell (listeners, scanners, settings) is
//! handed in as facts.

pub mod traffic;
