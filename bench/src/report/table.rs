//! Tables in Markdown whose columns also line up on a terminal.

use super::Verdict;
use crate::figure::{Series, Sheet, Unit};

/// Medians with their spread and CPU seconds by load, one column a subject, and the ratio of the first two.
pub(super) fn figures(sheet: &Sheet, subjects: &[String]) -> String {
    let mut rows = vec![header(subjects)];
    let mut machine = vec![row(&[
        "on this machine alone",
        "median (min..max)",
        "CPU s",
    ])];
    let mut seen: Vec<&str> = Vec::new();
    for series in &sheet.series {
        if !subjects.contains(&series.subject) {
            machine.push(vec![series.name.clone(), value(sheet, series), cpu(series)]);
        } else if !seen.contains(&series.name.as_str()) {
            seen.push(&series.name);
            rows.push(compared(sheet, subjects, series));
        }
    }
    let mut text = String::new();
    for table in [machine, rows] {
        if table.len() > 1 {
            text.push_str(&lay(&table));
            text.push('\n');
        }
    }
    for failure in &sheet.failures {
        let (subject, case, why) = (&failure.subject, &failure.case, &failure.why);
        text.push_str(&format!("- FAILED: {subject}: {case}: {why}\n"));
    }
    text
}

fn header(subjects: &[String]) -> Vec<String> {
    let mut header = row(&["load", "unit"]);
    for subject in subjects {
        header.push(format!("{subject}: median (min..max)"));
        header.push("CPU s server + load".to_owned());
    }
    if subjects.len() > 1 {
        header.push("ratio".to_owned());
    }
    header
}

fn compared(sheet: &Sheet, subjects: &[String], first: &Series) -> Vec<String> {
    let unit = first.unit;
    let mut row = row(&[&first.name, unit.name()]);
    for subject in subjects {
        match sheet.find(subject, &first.name) {
            Some(series) => row.extend([value(sheet, series), cpu(series)]),
            None => row.extend(["–".to_owned(), String::new()]),
        }
    }
    if let [ours, theirs, ..] = subjects {
        let pair = (
            sheet.median(ours, &first.name),
            sheet.median(theirs, &first.name),
        );
        row.push(match pair {
            (Some(ours), Some(theirs)) => format!("{:.2}", unit.ratio(ours, theirs)),
            _ => "–".to_owned(),
        });
    }
    row
}

fn value(sheet: &Sheet, series: &Series) -> String {
    match sheet.failed(series) {
        0 => {}
        failed => return format!("FAILED {failed} of {}", failed + series.figures.len()),
    }
    match series.spread() {
        Some(spread) => format!(
            "{} ({}..{})",
            short(spread.median),
            short(spread.least),
            short(spread.greatest)
        ),
        None => "–".to_owned(),
    }
}

fn cpu(series: &Series) -> String {
    let (server, load) = (
        series.cost(|cost| cost.server),
        series.cost(|cost| cost.load),
    );
    let wall = series.cost(|cost| cost.seconds);
    match wall > 0.0 && !matches!(series.unit, Unit::Mebibytes | Unit::Count) {
        true => format!("{server:.2} + {load:.2} in {wall:.2} s"),
        false => String::new(),
    }
}

/// Three digits that mean something.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Target, measured, met.
pub(super) fn verdicts(verdicts: &[Verdict]) -> String {
    let mut rows = vec![row(&["target", "measured", "met"])];
    for verdict in verdicts {
        let met = match verdict.met {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not measured",
        };
        rows.push(row(&[&verdict.target, &verdict.measured, met]));
    }
    lay(&rows)
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}

fn lay(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("| {cell:width$} "));
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                text.push_str(&format!("|{}", "-".repeat(width + 2)));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Cost, Figure};

    #[test]
    fn medians_and_ratios_stand_side_by_side() {
        let mut sheet = Sheet::default();
        for value in [90.0, 100.0, 110.0] {
            sheet.add(
                "a",
                "c",
                Figure::new("x", Unit::PerSecond, value, Cost::default()),
            );
        }
        sheet.add(
            "b",
            "c",
            Figure::new("x", Unit::PerSecond, 25.0, Cost::default()),
        );
        let late = Figure::new("y", Unit::Milliseconds, 2.0, Cost::default());
        sheet.add("a", "d", late);
        sheet.fail("a", "d", "no reply");
        sheet.add(
            "b",
            "c",
            Figure::new("y", Unit::Milliseconds, 3.0, Cost::default()),
        );
        let text = figures(&sheet, &["a".to_owned(), "b".to_owned()]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[2].contains("100 (90.0..110)"), "{text}");
        assert!(lines[2].contains("| 4.00"), "{text}");
        assert!(
            lines[3].contains("ms") && lines[3].contains("FAILED 1 of 2"),
            "{text}"
        );
        assert!(lines[5].contains("a: d: no reply"), "{text}");
        let widths: Vec<usize> = lines[..4].iter().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }
}
