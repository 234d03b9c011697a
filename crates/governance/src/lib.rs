//! Clauses at work: when each is due, what checked it and what was found, who owes which task, and the evidence for all of it.
//!
//! The clauses are data ([`regulation`]). Each rests on checks and workflows, which it names. A [`check`] looks, and says `met`, `not-met`
//! or `unknown` with the facts that led to it; a [`workflow`] comes round on the clause's schedule and is done by people: a [`task`] with
//! a role, points to be answered, another person's approval, reminders, and a [`report`] at its end. [`look`] does the looking.
//!
//! It meets the other rooms in `store` and `directory` alone. What only a running server can tell (listeners, scanners, settings) is
//! handed in as [`facts`].
//!
//! *What is always true:* nothing closes itself; what is too old or cannot be told is `unknown`, never `met`; each change of standing, and
//! each step of a task, is an event in the commit that makes it; what comes round is met once, whoever looks, and what was missed is told.

mod attacks;
pub mod capacity;
pub mod check;
pub mod clause;
pub mod dossier;
pub mod expert;
pub mod facts;
pub mod fault;
pub mod incident;
pub mod look;
mod matter;
pub mod plaintext;
mod prepare;
pub mod remind;
pub mod report;
mod rules;
pub mod schedule;
mod state;
mod tables;
pub mod task;
pub mod traffic;
pub mod vuln;
pub mod workflow;

pub use rules::Rules;
pub use state::{Finding, State, UnknownState};
