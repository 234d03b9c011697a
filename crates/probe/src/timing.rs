//! Whether two things take the same time, by samples of each.

use std::time::Duration;

use crate::check::Judged;

/// What nobody notices from outside, whatever the samples say.
const NOTHING: Duration = Duration::from_millis(2);
/// How many times the spread a difference must be to be believed.
const CLEARLY: u32 = 4;

/// Compares medians, with the middle half of the samples as the measure of noise: both are deaf to a sample that took long by
/// chance.
pub(crate) fn compare(of_known: &[Duration], of_nobody: &[Duration]) -> Judged {
    let (known, nobody) = (Spread::of(of_known), Spread::of(of_nobody));
    let difference = known.median.abs_diff(nobody.median);
    let noise = known.width.max(nobody.width);
    let told = format!(
        "who exists takes {:.1?}, who does not {:.1?}; within each, times differ by {noise:.1?} ({} samples)",
        known.median,
        nobody.median,
        of_known.len()
    );
    if difference <= NOTHING {
        return Judged::pass(told);
    }
    let is_apart = known.upper < nobody.lower || nobody.upper < known.lower;
    if is_apart && difference > noise.saturating_mul(CLEARLY) {
        return Judged::fail(format!("the time tells who exists: {told}"));
    }
    match difference > noise {
        true => Judged::could_not_tell(format!("more samples are needed (--samples): {told}")),
        // What cannot be seen in so many samples may be seen in more.
        false if noise > NOTHING.saturating_mul(10) => {
            Judged::could_not_tell(format!("times differ too much by chance: {told}"))
        }
        false => Judged::pass(told),
    }
}

/// The middle of some samples, and how wide their middle half is.
struct Spread {
    median: Duration,
    lower: Duration,
    upper: Duration,
    width: Duration,
}

impl Spread {
    fn of(samples: &[Duration]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let at = |part: usize| {
            let index = sorted.len().saturating_mul(part) / 4;
            let index = index.min(sorted.len().saturating_sub(1));
            sorted.get(index).copied().unwrap_or_default()
        };
        Self {
            median: at(2),
            lower: at(1),
            upper: at(3),
            width: at(3).saturating_sub(at(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Verdict;

    fn times(milliseconds: &[u64]) -> Vec<Duration> {
        milliseconds
            .iter()
            .map(|ms| Duration::from_millis(*ms))
            .collect()
    }

    fn verdict(known: &[u64], nobody: &[u64]) -> Verdict {
        compare(&times(known), &times(nobody)).verdict
    }

    #[test]
    fn a_clear_difference_is_a_fault() {
        assert_eq!(
            verdict(&[100, 101, 102, 99, 100], &[1, 2, 1, 2, 1]),
            Verdict::Fail
        );
        assert_eq!(
            verdict(&[1, 2, 1, 2, 1], &[100, 101, 102, 99, 100]),
            Verdict::Fail
        );
    }

    #[test]
    fn no_difference_is_none() {
        assert_eq!(
            verdict(&[100, 101, 102, 99, 100], &[101, 100, 99, 101, 100]),
            Verdict::Pass
        );
    }

    #[test]
    fn one_slow_sample_does_not_matter() {
        assert_eq!(
            verdict(&[100, 100, 900, 100, 100], &[100, 100, 100, 100, 100]),
            Verdict::Pass
        );
    }

    #[test]
    fn noise_is_told_as_such() {
        assert_eq!(
            verdict(&[10, 100, 400, 50, 200], &[30, 300, 20, 90, 150]),
            Verdict::CouldNotTell
        );
        assert_eq!(
            verdict(&[100, 110, 105, 112, 108], &[80, 92, 85, 90, 88]),
            Verdict::CouldNotTell
        );
    }
}
