//! A simulated season with attacks, within bounds (`cargo run --release -p traffic --example months` has the figures of years).
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../examples/months/office.rs"]
mod office;

use traffic::Rules;

#[test]
fn attacks_are_found_soon_and_nothing_else_is_an_alarm() {
    let months = office::play(7, office::first(), 28, 34, &Rules::default());
    let harmful = months.told.iter().filter(|told| told.what.is_harmful());
    let harmful: Vec<_> = harmful.collect();
    assert!(harmful.len() >= 5, "{harmful:?}");
    for told in harmful {
        assert!(told.alarm.is_some_and(|delay| delay <= 45), "{told:?}");
    }
    assert_eq!(months.false_alarms, 0, "{:?}", months.told);
    assert!(months.false_unusual <= 6, "{}", months.false_unusual);
}
