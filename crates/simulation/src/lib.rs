//! A whole server in one deterministic history: one seed, one history.
//!
//! # What it is for
//!
//! To prove that nothing acknowledged is lost. [`run`] lets a server (SMTP in, queue, delivery, IMAP, search index) live
//! on a [`disk`] that keeps what is durable beside what is seen, fails now and then, and loses power at any operation;
//! then it starts the server again on what is left, and holds it to every promise that clients heard. The code is the
//! real one: only the clock, chance, threads, the network's pipes and the disk are others. SQLite runs on that disk too,
//! through an interface of its own (`store::disk::EngineFiles`).
//!
//! # Why not by recording the real process
//!
//! Recording system calls and replaying crash images would also test SQLite's own file access. But it tests only the
//! operations that the recorded run did, and a restart on the image is a second process each time; here a seed costs
//! some hundredths of a second, so that thousands of cuts fit into a test run, errors can be put into any operation, and
//! what fails comes again under a debugger. What is left out is covered by loops of `kill -9` against the real binary.
//!
//! # How to look at a failure
//!
//! Each failure prints its seed. `cargo run -p simulation -- --seed N --verbose` shows the same history with the log of
//! the server; `cargo run --release -p simulation -- --seeds 100000` looks for more.

pub mod chance;
mod check;
pub mod disk;
mod history;
mod ledger;
mod letter;
mod network;
mod operator;
mod people;
mod reader;
mod sender;
mod server;
mod sink;
mod system_chance;
mod talk;

pub use history::{Failure, Summary, run, run_on};
