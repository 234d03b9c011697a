//! Looks for histories in which a promise is broken.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command")]

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// Runs a whole server through power failures, one history for each seed.
#[derive(Parser)]
struct Arguments {
    /// The history of this seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// How many histories.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Histories at once.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Prints the server's log.
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.verbose {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .without_time()
            .init();
    }
    if let Some(seed) = arguments.seed {
        return match simulation::run(seed) {
            Ok(summary) => {
                println!("{summary:?}");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                println!("{failure}");
                ExitCode::FAILURE
            }
        };
    }
    many(&arguments)
}

fn many(arguments: &Arguments) -> ExitCode {
    let style = "{bar:40} {pos}/{len} {per_sec} {eta} {msg}";
    let style = ProgressStyle::with_template(style).unwrap_or(ProgressStyle::default_bar());
    let bar = ProgressBar::new(arguments.seeds).with_style(style);
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    let [cuts, acknowledged, taken_out, failed_reads] = [const { AtomicU64::new(0) }; 4];
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= arguments.seeds {
                        return;
                    }
                    match simulation::run(arguments.from + number) {
                        Ok(summary) => {
                            cuts.fetch_add(summary.cuts, Ordering::Relaxed);
                            acknowledged.fetch_add(summary.acknowledged, Ordering::Relaxed);
                            taken_out.fetch_add(summary.taken_out, Ordering::Relaxed);
                            failed_reads.fetch_add(summary.failed_reads, Ordering::Relaxed);
                        }
                        Err(failure) => {
                            bar.suspend(|| println!("{failure}"));
                            if let Ok(mut failures) = failures.lock() {
                                failures.push(failure.seed);
                            }
                        }
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let failures = failures.into_inner().unwrap_or_default();
    println!(
        "{} histories, {} power failures, {} reads that failed, {} acknowledged letters, {} recipients taken out of the queue, {} failures",
        arguments.seeds,
        cuts.into_inner(),
        failed_reads.into_inner(),
        acknowledged.into_inner(),
        taken_out.into_inner(),
        failures.len()
    );
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
