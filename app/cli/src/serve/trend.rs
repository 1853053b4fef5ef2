//! A picture of how long benchmarks have taken: the runs of the base branch, and at the right end the run itself.
//!
//! Inline SVG without scripts, links or styles of its own, drawn in the colour of the text around it, so that it is right in light
//! and in dark. All text in it is escaped. It draws what it is given and judges nothing.

use std::fmt::Write;

use gatewright_core::facts::{BenchmarkFact, BenchmarkFacts};
use gatewright_engine::gates;

use super::html::Text;

/// So many benchmarks of a gate are drawn. Of more, those at the beginning of its report.
const DRAWN_MAX: usize = 20;

/// The picture's size, and its edge, in pixels.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 56.0;
const EDGE: f64 = 6.0;

/// The benchmarks of a gate, oldest run first, as a table with a picture each. Empty where there is nothing to draw.
pub(super) fn table(runs: &[BenchmarkFacts]) -> String {
    let Some((last, _)) = runs.split_last() else { return String::new() };
    let mut rows = String::new();
    for fact in last.list.iter().take(DRAWN_MAX) {
        let line: Vec<&BenchmarkFact> = runs.iter().filter_map(|run| run.find(&fact.name, &fact.unit)).collect();
        // Writing to a String cannot fail.
        let _ = write!(
            rows,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
            Text(&fact.name),
            picture(&line),
            Text(&gates::measured(fact.median, &fact.unit))
        );
    }
    if rows.is_empty() {
        return rows;
    }
    let left_out = last.list.len().saturating_sub(DRAWN_MAX);
    let more = if left_out > 0 { format!("<p class=\"quiet\">And {left_out} more.</p>") } else { String::new() };
    format!(
        "<table><thead><tr><th>Benchmark</th><th>Runs of the base branch, and this one</th><th>This one</th></tr></thead>\
         <tbody>{rows}</tbody></table>{more}"
    )
}

/// The middle of each run's samples as a line, the middle half of them as a band around it, this run as a dot.
fn picture(line: &[&BenchmarkFact]) -> String {
    let [first, .., last] = line else { return "<span class=\"quiet\">no run before this one</span>".to_owned() };
    let (least, most) = line.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), fact| {
        (least.min(fact.low).min(fact.median), most.max(fact.high).max(fact.median))
    });
    let at = |number: usize, value: f64| {
        let x = EDGE + (WIDTH - 2.0 * EDGE) * number as f64 / (line.len() - 1) as f64;
        let share = if most > least { (value - least) / (most - least) } else { 0.5 };
        format!("{x:.1},{:.1}", HEIGHT - EDGE - (HEIGHT - 2.0 * EDGE) * share)
    };
    let points = |value: fn(&BenchmarkFact) -> f64| -> Vec<String> {
        line.iter().enumerate().map(|(number, fact)| at(number, value(fact))).collect()
    };
    let band: Vec<String> = points(|fact| fact.high).into_iter().chain(points(|fact| fact.low).into_iter().rev()).collect();
    let dot = at(line.len() - 1, last.median);
    let (x, y) = dot.split_once(',').unwrap_or_default();
    let words = format!(
        "{} runs, from {} to {}; between {} and {}",
        line.len(),
        gates::measured(first.median, &first.unit),
        gates::measured(last.median, &last.unit),
        gates::measured(least, &last.unit),
        gates::measured(most, &last.unit)
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\"><title>{}</title><polygon points=\"{}\" fill=\"currentColor\" opacity=\"0.15\"/>\
         <polyline points=\"{}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\"/>\
         <circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"currentColor\"/></svg>",
        Text(&words),
        band.join(" "),
        points(|fact| fact.median).join(" ")
    )
}

#[cfg(test)]
mod tests {
    use gatewright_core::facts::Better;
    use insta::assert_snapshot;

    use super::*;

    fn run(name: &str, unit: &str, median: f64) -> BenchmarkFacts {
        let (low, high) = (median * 0.9, median * 1.1);
        let fact = BenchmarkFact {
            name: name.to_owned(),
            unit: unit.to_owned(),
            better: Better::Smaller,
            samples: 9,
            low,
            median,
            high,
        };
        BenchmarkFacts { list: vec![fact] }
    }

    #[test]
    fn a_line_a_band_and_a_dot_show_the_runs() {
        let runs: Vec<BenchmarkFacts> = [1.0, 2.0, 1.5].map(|value| run("parse", "ms", value)).to_vec();
        let line: Vec<&BenchmarkFact> = runs.iter().flat_map(|run| &run.list).collect();
        assert_snapshot!(picture(&line), @r#"<svg xmlns="http://www.w3.org/2000/svg" width="320" height="56" viewBox="0 0 320 56" role="img"><title>3 runs, from 1 ms to 1.5 ms; between 900 µs and 2.2 ms</title><polygon points="6.0,43.2 160.0,6.0 314.0,24.6 314.0,34.8 160.0,19.5 6.0,50.0" fill="currentColor" opacity="0.15"/><polyline points="6.0,46.6 160.0,12.8 314.0,29.7" fill="none" stroke="currentColor" stroke-width="1.5"/><circle cx="314.0" cy="29.7" r="3" fill="currentColor"/></svg>"#);
    }

    #[test]
    fn what_never_changes_is_a_straight_line_and_a_first_run_none() {
        let same: Vec<BenchmarkFacts> = vec![run("parse", "ms", 0.0); 2];
        assert!(table(&same).contains("polyline points=\"6.0,28.0 314.0,28.0\""), "{}", table(&same));
        assert!(table(&same[..1]).contains("no run before this one"));
        assert_eq!(table(&[]), "");
        assert_eq!(table(&[BenchmarkFacts::default()]), "");
    }

    #[test]
    fn names_and_units_are_no_markup() {
        let hostile = "</svg><script>alert(1)</script>\"";
        let html = table(&[run(hostile, hostile, 1.0), run(hostile, hostile, 2.0)]);
        assert!(!html.contains("<script") && html.contains("&lt;script"), "{html}");
    }

    #[test]
    fn more_benchmarks_than_are_drawn_are_counted() {
        let list = (0..25).flat_map(|n| run(&format!("b{n}"), "ns", 1.0).list).collect();
        let html = table(&[BenchmarkFacts { list }]);
        assert!(html.contains("b19") && !html.contains("b20") && html.contains("And 5 more."), "{html}");
    }
}
