//! Simulated months of an office, with attacks: how soon they are found, and how often there is a false alarm.
//!
//! `cargo run --release -p traffic --example months [-- SEEDS [DAYS]]`; one seed gives one history.
#![allow(clippy::print_stdout, reason = "it prints figures")]

mod office;

use office::Happening;
use traffic::Rules;

fn main() {
    let mut words = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse::<i64>().ok());
    let seeds = words.next().unwrap_or(5);
    let days = words.next().unwrap_or(270);
    let learning = 84;
    let mut all = Vec::new();
    let (mut false_alarms, mut false_unusual, mut looked_at) = (0, 0, 0);
    for seed in 1..=seeds {
        let months = office::play(
            seed.unsigned_abs(),
            office::first(),
            learning,
            days,
            &Rules::default(),
        );
        println!(
            "seed {seed}: {} days, {} happenings, {} false alarms, {} times unusual without a cause",
            days,
            months.told.len(),
            months.false_alarms,
            months.false_unusual
        );
        false_alarms += months.false_alarms;
        false_unusual += months.false_unusual;
        looked_at += days;
        all.extend(months.told);
    }
    println!(
        "{:14} {:>5} {:>8} {:>8} {:>14} {:>14}",
        "what", "times", "unusual", "alarms", "delay, median", "delay, longest"
    );
    for what in Happening::ALL {
        let told: Vec<_> = all.iter().filter(|told| told.what == what).collect();
        let unusual = told.iter().filter(|told| told.unusual.is_some()).count();
        let mut delays: Vec<i64> = told.iter().filter_map(|told| told.alarm).collect();
        delays.sort_unstable();
        let minutes = |delay: Option<&i64>| {
            delay.map_or_else(|| "-".to_owned(), |delay| format!("{delay} min"))
        };
        println!(
            "{:14} {:>5} {:>8} {:>8} {:>14} {:>14}",
            format!("{what:?}"),
            told.len(),
            unusual,
            delays.len(),
            minutes(delays.get(delays.len() / 2)),
            minutes(delays.last())
        );
    }
    #[allow(clippy::cast_precision_loss, reason = "small counts")]
    let a_month = |count: u64| count as f64 * 30.0 / looked_at as f64;
    println!(
        "false alarms a month: {:.2}; unusual without a cause, a month: {:.2}",
        a_month(false_alarms),
        a_month(false_unusual)
    );
}
