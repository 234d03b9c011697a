//! What the audit events of a message cost.
//!
//! There is no store without events, and none is built for this: a switch that leaves them out would be one more way to
//! lose them. Instead the same commits are made with the two events that inbound mail has, with five times and with nine
//! times as many; the slope of time a message over events is what one event costs, and what two of them are of the time
//! of an inbound message is their share. Tables that grow faster make the slope rather too steep than too flat.

use std::{path::Path, time::Duration};

use super::{Commit, rate};
use crate::{
    Outcome,
    figure::{Cost, Figure, Unit},
};

/// Events of one inbound message.
pub(crate) const OF_A_MESSAGE: f64 = 2.0;
const COMMITTERS: usize = 50;
/// The name of the slope in tables.
pub(crate) const EACH: &str = "one audit event within a commit, 50 committers";

/// Rates with more and more events, and the cost of one event.
pub(crate) fn events(directory: &Path, time: Duration) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut points = Vec::new();
    for times in [1, 5, 9] {
        let count = OF_A_MESSAGE * f64::from(times);
        let name = format!("store, message with {count} events, 50 committers");
        let commit = Commit::Message {
            times: usize::try_from(times)?,
        };
        let figure = rate(directory, name, COMMITTERS, commit, time)?;
        points.push((count, 1000.0 / figure.value));
        figures.push(figure);
    }
    let each = slope(&points);
    figures.push(Figure::new(EACH, Unit::Milliseconds, each, Cost::default()));
    Ok(figures)
}

/// Least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|(a, b)| (a - x) * (b - y)).sum();
    let below: f64 = points.iter().map(|(a, _)| (a - x).powi(2)).sum();
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_a_line() {
        let found = slope(&[(2.0, 5.0), (10.0, 9.0), (18.0, 13.0)]);
        assert!((found - 0.5).abs() < 1e-9, "{found}");
    }
}
