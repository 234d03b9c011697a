//! A plot: for each load, how many times better the first subject is than the second, on a logarithmic scale.

use std::fmt::Write;

use super::table::short;
use crate::figure::Sheet;

const ROW: f64 = 18.0;
const LEFT: f64 = 330.0;
const WIDTH: f64 = 460.0;
const TOP: f64 = 46.0;
/// The scale goes from a thirtieth to a thousand.
const LEAST: f64 = 1.0 / 30.0;
const MOST: f64 = 1000.0;

/// The picture as SVG.
pub(super) fn render(sheet: &Sheet, subjects: &[String]) -> String {
    let [ours, theirs, ..] = subjects else {
        return String::from("<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n");
    };
    let mut rows = Vec::new();
    for series in sheet.series.iter().filter(|s| s.subject == *ours) {
        let pair = (
            sheet.median(ours, &series.name),
            sheet.median(theirs, &series.name),
        );
        if let (Some(a), Some(b)) = pair {
            rows.push((series.name.as_str(), series.unit.ratio(a, b)));
        }
    }
    let mut text = String::new();
    // Writing to a String cannot fail.
    let drawn = draw(&mut text, &rows, ours, theirs);
    debug_assert!(drawn.is_ok());
    text
}

fn draw(text: &mut String, rows: &[(&str, f64)], ours: &str, theirs: &str) -> std::fmt::Result {
    let height = TOP + ROW * rows.len() as f64 + 12.0;
    writeln!(
        text,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"16\" font-size=\"13\">{}: times better than {} (medians)</text>",
        escaped(ours),
        escaped(theirs)
    )?;
    for mark in [0.1, 1.0, 3.0, 10.0, 100.0, 1000.0] {
        let x = place(mark);
        let colour = if (mark - 1.0).abs() < 0.01 {
            "#444"
        } else {
            "#ddd"
        };
        writeln!(
            text,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{height}\" stroke=\"{colour}\"/>\
             <text x=\"{x:.1}\" y=\"38\" text-anchor=\"middle\" fill=\"#666\">{mark}</text>"
        )?;
    }
    for (number, (name, ratio)) in rows.iter().enumerate() {
        let y = TOP + ROW * number as f64;
        let (from, to) = (place(1.0).min(place(*ratio)), place(1.0).max(place(*ratio)));
        let colour = if *ratio >= 1.0 { "#2a7f62" } else { "#b5482f" };
        writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            y + 13.0,
            escaped(name),
            y + 3.0,
            to - from,
            to + 4.0,
            y + 13.0,
            short(*ratio)
        )?;
    }
    writeln!(text, "</svg>")
}

fn place(ratio: f64) -> f64 {
    let share = (ratio.clamp(LEAST, MOST) / LEAST).ln() / (MOST / LEAST).ln();
    LEFT + WIDTH * share
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Cost, Figure, Unit};

    #[test]
    fn a_bar_for_each_pair() {
        let mut sheet = Sheet::default();
        for (subject, value) in [("a", 40.0), ("b", 4.0)] {
            for name in ["x < y", "z"] {
                let figure = Figure::new(name, Unit::PerSecond, value, Cost::default());
                sheet.add(subject, "c", figure);
            }
        }
        sheet.add(
            "a",
            "c",
            Figure::new("alone", Unit::Mebibytes, 1.0, Cost::default()),
        );
        let text = render(&sheet, &["a".to_owned(), "b".to_owned()]);
        assert_eq!(text.matches("height=\"12\"").count(), 2, "{text}");
        assert!(
            text.contains("x &lt; y") && text.contains(">10.0<"),
            "{text}"
        );
    }

    #[test]
    fn the_scale_is_logarithmic() {
        let step = place(10.0) - place(1.0);
        assert!((place(100.0) - place(10.0) - step).abs() < 1e-6);
        assert!((place(1e9) - place(MOST)).abs() < 1e-6);
    }
}
