//! What was measured: figures with their costs, gathered by load and by subject.

use std::time::{Duration, Instant};

use crate::{process, server::Server};

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Things done a second: more is better.
    PerSecond,
    /// A time: less is better.
    Milliseconds,
    /// Memory of each connection: less is better.
    KibibytesEach,
    /// Disk: less is better.
    Mebibytes,
    /// How many there are: neither.
    Count,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Milliseconds => "ms",
            Self::KibibytesEach => "KiB each",
            Self::Mebibytes => "MiB",
            Self::Count => "",
        }
    }

    /// How many times better `ours` is than `theirs`.
    pub(crate) fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::PerSecond => ours / theirs,
            _ => theirs / ours,
        }
    }
}

/// What measuring cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// From the first byte to the last condition met.
    pub(crate) seconds: f64,
    /// CPU seconds of the server's processes meanwhile.
    pub(crate) server: f64,
    /// CPU seconds of the load program meanwhile.
    pub(crate) load: f64,
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    pub(crate) value: f64,
    pub(crate) cost: Cost,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, unit: Unit, value: f64, cost: Cost) -> Self {
        Self {
            name: name.into(),
            unit,
            value,
            cost,
        }
    }

    /// `count` things in the time of `cost`, as a rate.
    pub(crate) fn rate(name: impl Into<String>, count: usize, cost: Cost) -> Self {
        Self::new(name, Unit::PerSecond, count as f64 / cost.seconds, cost)
    }

    /// The time of `cost`.
    pub(crate) fn time(name: impl Into<String>, cost: Cost) -> Self {
        Self::new(name, Unit::Milliseconds, cost.seconds * 1000.0, cost)
    }
}

/// A stop-watch for time and CPU.
pub(crate) struct Meter {
    roots: Vec<u32>,
    server: f64,
    load: f64,
    began: Instant,
}

impl Meter {
    pub(crate) fn start(server: &Server) -> Self {
        let roots = server.roots();
        Self {
            server: process::cpu_seconds(&roots),
            load: process::own_cpu_seconds(),
            roots,
            began: Instant::now(),
        }
    }

    pub(crate) fn stop(&self) -> Cost {
        let seconds = self.began.elapsed().as_secs_f64();
        Cost {
            seconds,
            server: process::cpu_seconds(&self.roots) - self.server,
            load: process::own_cpu_seconds() - self.load,
        }
    }
}

/// Waits until a server has nothing more to do, so that what it put off is not charged to the next; how much CPU that
/// took, since work put off is work too.
pub(crate) async fn settle(server: &Server) -> f64 {
    const LOOK: Duration = Duration::from_millis(200);
    /// Looks in a row without work. Longer than any server waits before it takes up what it put off (Kakitome's search
    /// index: a second).
    const QUIET: u32 = 7;
    const LIMIT: Duration = Duration::from_secs(180);
    let roots = server.roots();
    let first = process::cpu_seconds(&roots);
    let (mut last, mut quiet, began) = (first, 0, Instant::now());
    while quiet < QUIET && began.elapsed() < LIMIT {
        tokio::time::sleep(LOOK).await;
        let now = process::cpu_seconds(&roots);
        quiet = if now - last < 0.015 { quiet + 1 } else { 0 };
        last = now;
    }
    last - first
}

/// All figures of one load and one subject.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) unit: Unit,
    /// Who was measured: a server, the store, the disk.
    pub(crate) subject: String,
    pub(crate) figures: Vec<Figure>,
    /// The case that measured it.
    case: String,
}

impl Series {
    /// Median, least and greatest of the values.
    pub(crate) fn spread(&self) -> Option<Spread> {
        Spread::of(self.figures.iter().map(|figure| figure.value))
    }

    /// Median of one part of the cost.
    pub(crate) fn cost(&self, part: impl Fn(&Cost) -> f64) -> f64 {
        let parts = self.figures.iter().map(|figure| part(&figure.cost));
        Spread::of(parts).map_or(0.0, |spread| spread.median)
    }
}

/// Median and extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (least, greatest) = (*values.first()?, *values.last()?);
        let upper = *values.get(values.len() / 2)?;
        let lower = *values.get((values.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            least,
            greatest,
        })
    }
}

/// All that a run measured, in the order of measuring.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    pub(crate) series: Vec<Series>,
    pub(crate) failures: Vec<Failure>,
}

/// A round whose result does not count.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) subject: String,
    pub(crate) case: String,
    pub(crate) why: String,
}

impl Sheet {
    /// A figure that `case` gave.
    pub(crate) fn add(&mut self, subject: &str, case: &str, figure: Figure) {
        let same = |series: &Series| series.subject == subject && series.name == figure.name;
        if let Some(at) = self.series.iter().position(same) {
            self.series[at].figures.push(figure);
            return;
        }
        self.series.push(Series {
            name: figure.name.clone(),
            unit: figure.unit,
            subject: subject.to_owned(),
            case: case.to_owned(),
            figures: vec![figure],
        });
    }

    /// A round that failed: it must show, or failing would be a way to win.
    pub(crate) fn fail(&mut self, subject: &str, case: &str, why: &str) {
        self.failures.push(Failure {
            subject: subject.to_owned(),
            case: case.to_owned(),
            why: why.to_owned(),
        });
    }

    pub(crate) fn find(&self, subject: &str, name: &str) -> Option<&Series> {
        let mut all = self.series.iter();
        all.find(|series| series.subject == subject && series.name == name)
    }

    /// How many rounds of a series' case failed.
    pub(crate) fn failed(&self, series: &Series) -> usize {
        let same = |f: &&Failure| f.subject == series.subject && f.case == series.case;
        self.failures.iter().filter(same).count()
    }

    /// The median, unless a round of its case failed.
    pub(crate) fn median(&self, subject: &str, name: &str) -> Option<f64> {
        let series = self.find(subject, name)?;
        if self.failed(series) > 0 {
            return None;
        }
        series.spread().map(|spread| spread.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[f64]) -> Option<(f64, f64, f64)> {
        Spread::of(values.iter().copied()).map(|s| (s.median, s.least, s.greatest))
    }

    #[test]
    fn medians() {
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(spread(&[9.0, 1.0, 2.0]), Some((2.0, 1.0, 9.0)));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Some((2.5, 1.0, 4.0)));
    }

    #[test]
    fn a_failed_round_takes_the_median_away() {
        let mut sheet = Sheet::default();
        sheet.add(
            "a",
            "c",
            Figure::new("x", Unit::Mebibytes, 2.0, Cost::default()),
        );
        assert_eq!(sheet.median("a", "x"), Some(2.0));
        sheet.fail("b", "c", "an error reply");
        assert_eq!(sheet.median("a", "x"), Some(2.0));
        sheet.fail("a", "c", "an error reply");
        assert_eq!(sheet.median("a", "x"), None);
    }
}
