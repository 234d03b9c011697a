//! Measures Kakitome against what people run today: the same loads, on the same machine, in the same run, in turn.
//!
//! `bench/run` builds and starts this. `plan` says what is measured, `load` does it over the protocols in `client`,
//! `server` starts those who are measured, `figure` gathers, `report` tells. Nothing here is part of the server.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal: its output is what it is for"
)]

mod client;
mod figure;
mod load;
mod mail;
mod plan;
mod process;
mod report;
mod run;
mod server;
mod sink;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// The server's own: what the store does in this program is measured as it is there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What went wrong, in words: a benchmark has nobody who would tell faults apart.
type Fault = Box<dyn std::error::Error + Send + Sync>;
/// A result that fails with words.
type Outcome<T> = Result<T, Fault>;

/// Measures Kakitome and its peers on this machine.
#[derive(Debug, Parser)]
#[command(name = "bench/run")]
struct Arguments {
    /// The kakitome binary.
    #[arg(long)]
    kakitome: PathBuf,
    /// Rounds of each load; the servers take turns. Default: 5, or 2 with --quick.
    #[arg(long, global = true)]
    rounds: Option<usize>,
    /// Fewer rounds, smaller loads.
    #[arg(long, global = true)]
    quick: bool,
    /// Only these loads, by comma: disk, store, events, inbound, submission, relay, mixed, fetch, select, search, pop3,
    /// idle, start.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only loads whose name holds this text.
    #[arg(long, global = true)]
    matching: Option<String>,
    /// Leave Postfix and Dovecot out.
    #[arg(long)]
    alone: bool,
    /// Where results go. Default: a new temporary directory, which is named at the end.
    #[arg(long, global = true)]
    out: Option<PathBuf>,
    /// Where the servers keep their data while they run: a directory on the disk to be measured.
    #[arg(long, global = true)]
    place: Option<PathBuf>,
    /// Servers listen on 127.0.0.1 from this port on.
    #[arg(long, global = true, default_value_t = 21_000)]
    port_base: u16,
    #[command(subcommand)]
    command: Option<Command>,
}

impl Arguments {
    /// Those of the loads whose name holds the text, where one is given.
    fn matching(&self, mut cases: Vec<plan::Case>) -> Vec<plan::Case> {
        if let Some(text) = &self.matching {
            cases.retain(|case| case.name().contains(text.as_str()));
        }
        cases
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The same rates in a store with 1,000,000 messages and 10,000 accounts, and what deleting half gives back.
    Growth,
    /// Inbound mail with nothing looked at, with all that screening asks of the DNS and remembers, and with attachments looked into as
    /// well.
    Screened,
    /// Inbound mail alone, and while many clients flood the site with mail to nobody and mail without a sender.
    Flood,
    /// Searches in a trail of many events: by address, identifier, Message-ID, time and kind.
    Trail {
        /// So many events.
        #[arg(long, default_value_t = 50_000_000)]
        events: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Trail { events }) = arguments.command {
        let place = arguments.place.clone().unwrap_or_else(std::env::temp_dir);
        return ended(load::trail(&place, events));
    }
    // One thread: the load program shares the machine with who is measured.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    ended(
        runtime
            .map_err(Fault::from)
            .and_then(|runtime| runtime.block_on(run::until_interrupted(&arguments))),
    )
}

fn ended(outcome: Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
