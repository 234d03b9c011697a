//! Thousands of histories with power failures, each from its own seed.
//!
//! `SEEDS` sets how many and `FROM` the first; a longer run is `cargo run --release -p simulation`.
#![allow(clippy::unwrap_used)]

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

/// Histories of a test run.
const SEEDS: u64 = 2000;

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |value| value.parse().unwrap())
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_fails() {
    let (seeds, from) = (
        from_environment("SEEDS", SEEDS),
        from_environment("FROM", 1),
    );
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let next = AtomicU64::new(from);
    let failures = Mutex::new(Vec::new());
    let [cuts, letters, moves, taken_out, failed_reads] = [const { AtomicU64::new(0) }; 5];
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds || failures.lock().unwrap().len() >= 5 {
                        return;
                    }
                    match simulation::run(seed) {
                        Ok(summary) => {
                            cuts.fetch_add(summary.cuts, Ordering::Relaxed);
                            letters.fetch_add(summary.acknowledged, Ordering::Relaxed);
                            moves.fetch_add(summary.moves, Ordering::Relaxed);
                            taken_out.fetch_add(summary.taken_out, Ordering::Relaxed);
                            failed_reads.fetch_add(summary.failed_reads, Ordering::Relaxed);
                        }
                        Err(failure) => failures.lock().unwrap().push(failure.to_string()),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // A history in which nothing happens proves nothing.
    assert!(cuts.into_inner() > seeds * 2, "most lives end by a cut");
    assert!(letters.into_inner() > seeds * 5, "letters are acknowledged");
    let moves = moves.into_inner();
    assert!(
        moves > seeds / 50,
        "wasteful segments are emptied before power failures: {moves}"
    );
    let taken_out = taken_out.into_inner();
    assert!(
        taken_out > seeds / 8,
        "mail is taken out of the queue: {taken_out}"
    );
    let failed_reads = failed_reads.into_inner();
    assert!(failed_reads > seeds / 8, "reads fail: {failed_reads}");
}

#[test]
fn one_seed_gives_one_history() {
    for seed in [3, 4, 5, 90, 91] {
        assert_eq!(simulation::run(seed), simulation::run(seed), "seed {seed}");
    }
    assert_ne!(simulation::run(3).unwrap(), simulation::run(4).unwrap());
}

/// Not only within a process: what is made once for all histories of a process is made the same in each.
#[test]
fn one_seed_gives_one_history_in_every_process() {
    let told = || {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_simulation"))
            .args(["--seed", "3"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let here = format!("{:?}\n", simulation::run(3).unwrap());
    assert_eq!([told(), told()], [here.clone(), here]);
}

/// The histories can fail: a disk that says it synced and did not is found out.
#[test]
fn a_disk_that_lies_is_found_out() {
    let found = (1..=20).filter(|seed| simulation::run_on(*seed, true).is_err());
    assert!(found.count() >= 15);
}
