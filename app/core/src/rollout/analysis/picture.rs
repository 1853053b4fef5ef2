//! A rollout as a picture: the shares of errors of both versions, and below it the odds that the new one is worse.
//!
//! SVG without scripts, links, styles and text from outside. It is shown in comments too, as an image that knows nothing of the page
//! around it, so its colours are ones that can be told from a white and from a dark ground. It draws what it is given and judges
//! nothing by itself.

use std::fmt::Write;

use jiff::Timestamp;

use super::evidence::time;
use super::{Analysis, AnalysisConfig, Baseline, Bucket, Counts, Evidence};

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// How it is judged.
    pub config: &'a AnalysisConfig,
    /// What was before.
    pub baseline: &'a Baseline,
    /// What was measured, in the order of time.
    pub buckets: &'a [Bucket],
    /// Since when the new version was to get so many percent of the requests.
    pub steps: &'a [(Timestamp, u32)],
    /// What a verdict rests on, where there is one.
    pub evidence: Option<&'a Evidence>,
}

/// The picture, in pixels: two panels above each other.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 748.0;
const SHARES: Panel = Panel { top: 64.0, bottom: 212.0 };
const ODDS: Panel = Panel { top: 256.0, bottom: 386.0 };

/// Buckets are put together until there are so many points at most. More would only be noise.
const POINTS_MAX: usize = 32;

/// So many steps are drawn. Of more, the first.
const STEPS_MAX: usize = 24;

/// A step's label needs so much room.
const LABEL_WIDTH: f64 = 30.0;

/// Greater odds are drawn at the upper edge, and lesser ones at the lower.
const LOG10_MAX: f64 = 6.0;
const LOG10_MIN: f64 = -1.6;

const TEXT: &str = "#7d8590";
const CANARY: &str = "#e0632f";
const STABLE: &str = "#3f8ae0";
const ALARM: &str = "#d1373f";

/// An area in which something is drawn.
#[derive(Clone, Copy)]
struct Panel {
    top: f64,
    bottom: f64,
}

impl Panel {
    /// The height at which a share of the whole is drawn.
    fn y(self, share: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * share.clamp(0.0, 1.0)
    }
}

/// From when to when.
#[derive(Clone, Copy)]
struct Span {
    from: i64,
    to: i64,
}

impl Span {
    fn x(self, at: Timestamp) -> f64 {
        let share = (at.as_second() - self.from) as f64 / (self.to - self.from).max(1) as f64;
        LEFT + (RIGHT - LEFT) * share.clamp(0.0, 1.0)
    }
}

/// Several buckets together, one right after the other.
struct Point {
    from: Timestamp,
    to: Timestamp,
    canary: Counts,
    stable: Counts,
}

impl Picture<'_> {
    /// Draws it. Where nothing was measured there is nothing to draw, and it is empty.
    pub fn svg(&self) -> String {
        let Some(span) = self.span() else { return String::new() };
        let mut svg = String::new();
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
             font-family=\"system-ui, sans-serif\" font-size=\"11\" fill=\"{TEXT}\"><title>{}</title>",
            self.title()
        );
        self.steps(&mut svg, span);
        self.shares(&mut svg, span);
        self.odds(&mut svg, span);
        self.gaps(&mut svg, span);
        self.decision(&mut svg, span);
        times(&mut svg, span);
        svg.push_str("</svg>");
        svg
    }

    fn span(&self) -> Option<Span> {
        let (first, last) = (self.buckets.first()?, self.buckets.last()?);
        let begun = self.steps.first().map_or(first.from, |(at, _)| (*at).min(first.from));
        let decided = self.evidence.map_or(last.to(), |evidence| evidence.at.max(last.to()));
        Some(Span { from: begun.as_second(), to: decided.as_second() })
    }

    fn title(&self) -> String {
        match self.evidence {
            // The sentence has numbers and words of this crate only.
            Some(evidence) => evidence.title(),
            None => "Errors of the new and the stable version".to_owned(),
        }
    }

    /// The weights, as lines with what they are.
    fn steps(&self, svg: &mut String, span: Span) {
        let mut free_from = LEFT;
        let free_to = self.evidence.map_or(WIDTH, |evidence| span.x(evidence.at));
        for (at, percent) in self.steps.iter().take(STEPS_MAX) {
            let x = span.x(*at);
            line(svg, (x, SHARES.top - 10.0), (x, ODDS.bottom), TEXT, "0.5\" stroke-dasharray=\"2 3\" opacity=\"0.7");
            if x >= free_from && x + LABEL_WIDTH <= free_to {
                text(svg, (x + 3.0, SHARES.top - 4.0), "start", &format!("{percent} %"));
                free_from = x + LABEL_WIDTH;
            }
        }
    }

    /// The shares of errors.
    fn shares(&self, svg: &mut String, span: Span) {
        let points = self.points();
        let percent = |counts: &Counts| counts.error_percent().unwrap_or(0.0);
        let most = points.iter().flat_map(|point| [percent(&point.canary), percent(&point.stable)]).fold(0.0, f64::max);
        let most = round_up(most);
        text(svg, (LEFT - 56.0, 16.0), "start", "Requests that failed");
        key(svg, 150.0, STABLE, "stable version");
        key(svg, 262.0, CANARY, "new version");
        for part in [0.0, 0.5, 1.0] {
            let y = SHARES.y(part);
            line(svg, (LEFT, y), (RIGHT, y), TEXT, "0.5\" opacity=\"0.5");
            text(svg, (LEFT - 6.0, y + 4.0), "end", &format!("{} %", short(most * part)));
        }
        for (colour, of) in [(STABLE, (|point| &point.stable) as fn(&Point) -> &Counts), (CANARY, |point| &point.canary)] {
            polyline(
                svg,
                colour,
                points.iter().map(|point| {
                    let middle = (span.x(point.from) + span.x(point.to)) / 2.0;
                    of(point).error_percent().map(|percent| (middle, SHARES.y(percent / most), point.from, point.to))
                }),
            );
        }
    }

    /// The odds, on a scale of powers of ten.
    fn odds(&self, svg: &mut String, span: Span) {
        let mut analysis = Analysis::new(*self.config, self.baseline);
        let trace: Vec<(Bucket, f64)> = self
            .buckets
            .iter()
            .map(|bucket| {
                analysis.take(bucket);
                (*bucket, analysis.log_odds() / std::f64::consts::LN_10)
            })
            .collect();
        let needed = analysis.log_needed() / std::f64::consts::LN_10;
        let most = trace.iter().map(|(_, log10)| *log10).fold(needed + 0.5, f64::max).min(LOG10_MAX.max(needed + 0.5));
        let y = |log10: f64| ODDS.y((log10 - LOG10_MIN) / (most - LOG10_MIN));
        text(svg, (LEFT - 56.0, ODDS.top - 20.0), "start", "Odds that the new version is worse");
        for (log10, words) in [(0.0, "1 to 1"), (1.0, "10 to 1")] {
            line(svg, (LEFT, y(log10)), (RIGHT, y(log10)), TEXT, "0.5\" opacity=\"0.5");
            text(svg, (LEFT - 6.0, y(log10) + 4.0), "end", words);
        }
        line(svg, (LEFT, y(needed)), (RIGHT, y(needed)), ALARM, "1\" stroke-dasharray=\"5 3");
        let words = format!("rolled back at {}", super::Odds::of_log(analysis.log_needed()));
        let _ =
            write!(svg, "<text x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{ALARM}\">{words}</text>", y(needed) - 5.0);
        let every = trace.len().div_ceil(POINTS_MAX * 6).max(1);
        let last = trace.len() - 1;
        let drawn = trace.iter().enumerate().filter(|(at, _)| at % every == 0 || *at == last).map(|(_, point)| point);
        polyline(svg, CANARY, drawn.map(|(bucket, log10)| Some((span.x(bucket.to()), y(*log10), bucket.from, bucket.to()))));
    }

    /// What was not measured, and what was not judged, as areas.
    fn gaps(&self, svg: &mut String, span: Span) {
        for pair in self.buckets.windows(2) {
            if is_gap(pair[0].to(), pair[1].from) {
                area(svg, span.x(pair[0].to()), span.x(pair[1].from), "not measured");
            }
        }
        let warm_from = self.buckets.iter().find(|bucket| bucket.canary.requests > 0).map(|bucket| bucket.from);
        if let (Some(from), 1..) = (warm_from, self.config.warm_up_secs) {
            let to = from.as_second() + i64::from(self.config.warm_up_secs);
            let to = Timestamp::from_second(to).unwrap_or(Timestamp::MAX);
            area(svg, span.x(from), span.x(to), "warm-up");
        }
    }

    /// When it was decided, and since when it seems to be worse.
    fn decision(&self, svg: &mut String, span: Span) {
        let Some(evidence) = self.evidence else { return };
        let x = span.x(evidence.at);
        let what = if evidence.rule.is_some() { "rolled back" } else { "judged" };
        line(svg, (x, SHARES.top - 24.0), (x, ODDS.bottom), ALARM, "1.5");
        let (anchor, at) = if x > WIDTH / 2.0 { ("end", x - 5.0) } else { ("start", x + 5.0) };
        let words = format!("{what} at {}", time(evidence.at));
        let _ = write!(
            svg,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{ALARM}\">{words}</text>",
            SHARES.top - 16.0
        );
        if let Some(since) = evidence.since {
            let (x, y) = (span.x(since), ODDS.bottom);
            let (anchor, at) = if x > WIDTH / 2.0 { ("end", x - 7.0) } else { ("start", x + 7.0) };
            let _ = write!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{ALARM}\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{ALARM}\">since {}</text>",
                y - 5.0,
                time(since)
            );
        }
    }

    /// Buckets put together, where nothing is missing between them.
    fn points(&self) -> Vec<Point> {
        let together = self.buckets.len().div_ceil(POINTS_MAX).max(1);
        let mut points: Vec<Point> = Vec::new();
        let mut filled = 0;
        for bucket in self.buckets {
            match points.last_mut().filter(|point| filled < together && !is_gap(point.to, bucket.from)) {
                Some(point) => {
                    point.to = bucket.to();
                    point.canary.add(&bucket.canary);
                    point.stable.add(&bucket.stable);
                    filled += 1;
                }
                None => {
                    points.push(Point { from: bucket.from, to: bucket.to(), canary: bucket.canary, stable: bucket.stable });
                    filled = 1;
                }
            }
        }
        points
    }
}

/// Whether something between the two was not measured, but for the time that a look takes.
fn is_gap(to: Timestamp, from: Timestamp) -> bool {
    from.as_second() - to.as_second() > 5
}

/// A line through what there is. It is broken where something is missing.
fn polyline(svg: &mut String, colour: &str, points: impl Iterator<Item = Option<(f64, f64, Timestamp, Timestamp)>>) {
    let mut path = String::new();
    let mut last: Option<Timestamp> = None;
    for point in points {
        let Some((x, y, from, to)) = point else {
            last = None;
            continue;
        };
        // Traces that leave buckets out have wide steps: only a gap of more than a bucket's greatest length breaks them.
        let goes_on = last.is_some_and(|last| from.as_second() - last.as_second() <= i64::from(Bucket::SECS_MAX));
        let _ = write!(path, "{}{x:.1} {y:.1}", if goes_on { "L" } else { "M" });
        last = Some(to);
    }
    let _ = write!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"/>");
}

/// `style` is the stroke's width, and whatever attributes follow it.
fn line(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, style: &str) {
    let _ = write!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"{style}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, words: &str) {
    let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{words}</text>", at.0, at.1);
}

fn key(svg: &mut String, x: f64, colour: &str, words: &str) {
    line(svg, (x, 12.0), (x + 18.0, 12.0), colour, "2.5");
    text(svg, (x + 23.0, 16.0), "start", words);
}

fn area(svg: &mut String, from: f64, to: f64, words: &str) {
    let width = (to - from).max(0.5);
    let (top, height) = (SHARES.top, ODDS.bottom - SHARES.top);
    let _ = write!(
        svg,
        "<rect x=\"{from:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\" fill=\"{TEXT}\" opacity=\"0.14\"><title>{words}</title></rect>"
    );
    // Words that are wider than the area are left to its title.
    if width > 6.0 * words.len() as f64 {
        text(svg, (from + width / 2.0, SHARES.top + 14.0), "middle", words);
    }
}

/// The beginning, the end, and what lies between.
fn times(svg: &mut String, span: Span) {
    for (part, anchor) in [(0, "start"), (1, "middle"), (2, "middle"), (3, "middle"), (4, "end")] {
        let Ok(at) = Timestamp::from_second(span.from + (span.to - span.from) * part / 4) else { continue };
        text(svg, (span.x(at), HEIGHT - 16.0), anchor, &time(at));
    }
}

/// The next share, in percent, that is easily read.
fn round_up(percent: f64) -> f64 {
    let wanted = percent.max(0.01);
    let power = 10_f64.powf(wanted.log10().floor());
    [1.0, 2.0, 4.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= wanted).unwrap_or(100.0).min(100.0)
}

/// A number without needless digits.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
