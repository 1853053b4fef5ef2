//! Tables of what came of a simulation.

use std::fmt::Write;

use serde::Serialize;

use crate::{Cell, CellResult, Confounder, Fault, Job, Method, Rate};

/// With less traffic no promise is made.
const REQUESTS_PER_SEC_MIN: u32 = 20;

/// What is promised at least of balanced accuracy, and at most of false rollbacks with each confounder, in percent.
const ACCURACY_PERCENT: f64 = 99.0;
const FALSE_PERCENT: f64 = 1.0;

/// A bound is wrong with this probability.
const BETA: f64 = 0.05;

/// What came of a simulation.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Trials of each cell.
    pub trials: u32,
    /// The seed.
    pub seed: u64,
    /// The tables, the most important first.
    pub tables: Vec<Table>,
    /// What is promised of Gatewright's own analysis, and whether it held. Empty where it was not tried, or not with both healthy and
    /// faulty versions.
    pub promises: Vec<Promise>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The names of its columns.
    pub header: Vec<String>,
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
}

/// Something that is promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// What.
    pub what: String,
    /// What it came to.
    pub figure: String,
    /// Whether it held.
    pub held: bool,
}

impl Report {
    /// Makes the tables.
    pub fn of(job: &Job, results: &[CellResult]) -> Report {
        let methods = || job.methods.iter().copied();
        let mut tables = vec![summary(methods(), results), by_confounder(methods(), results)];
        for method in methods().filter(|method| matches!(method, Method::Gatewright)) {
            tables.extend([by_effect(method, results), healthy(method, results), failing(method, results)]);
        }
        tables.retain(|table| !table.rows.is_empty() || table.title.starts_with(FAILING));
        Report { trials: job.trials, seed: job.seed, tables, promises: promises(results) }
    }

    /// One table, with a row for each cell and a column for each method: the share that was rolled back, and the median of when.
    pub fn by_cell(job: &Job, results: &[CellResult]) -> Report {
        let of = |cell: &Cell, method: Method| {
            let of = pooled(results, method, |other| other == cell);
            if is_healthy(cell) { percent(of.rolled_back) } else { format!("{} ({})", percent(of.rolled_back), of.quantile(0.5)) }
        };
        let row =
            |cell: &Cell| std::iter::once(cell.to_string()).chain(job.methods.iter().map(|method| of(cell, *method))).collect();
        let mut header = strings(&["cell"]);
        header.extend(job.methods.iter().map(ToString::to_string));
        let title = "Rolled back, % (median seconds)".to_owned();
        let table = Table { title, header, rows: job.cells.iter().map(row).collect() };
        Report { trials: job.trials, seed: job.seed, tables: vec![table], promises: Vec::new() }
    }

    /// Whether everything held that is promised.
    pub fn is_held(&self) -> bool {
        self.promises.iter().all(|promise| promise.held)
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = format!("{} trials a cell, seed {}.\n", self.trials, self.seed);
        for table in &self.tables {
            // Writing to a String cannot fail.
            let _ = write!(out, "\n**{}**\n\n", table.title);
            if table.rows.is_empty() {
                out.push_str("None.\n");
                continue;
            }
            let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
            out.push_str(&line(&table.header));
            let rules: Vec<String> =
                table.header.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "--:" }.to_owned()).collect();
            out.push_str(&line(&rules));
            out.extend(table.rows.iter().map(|row| line(row)));
        }
        for promise in &self.promises {
            let held = if promise.held { "held" } else { "**not held**" };
            let _ = write!(out, "\n- {}: {held} ({})", promise.what, promise.figure);
        }
        if !self.promises.is_empty() {
            out.push('\n');
        }
        out
    }
}

/// The part of the grid that promises are made of: faults from four times the errors (one and a half times the latency) on, from 20
/// requests a second on.
fn is_declared(cell: &Cell) -> bool {
    cell.requests_per_sec >= REQUESTS_PER_SEC_MIN && cell.fault.is_declared()
}

fn is_healthy(cell: &Cell) -> bool {
    cell.fault.is_bad() == Some(false)
}

/// Results of a method in some of the cells, put together.
struct Pooled {
    rolled_back: Rate,
    too_early: Rate,
    promoted: Rate,
    inconclusive: Rate,
    times: Vec<u32>,
}

fn pooled(results: &[CellResult], method: Method, is_meant: impl Fn(&Cell) -> bool) -> Pooled {
    let none = Rate::default();
    let mut pooled = Pooled { rolled_back: none, too_early: none, promoted: none, inconclusive: none, times: Vec::new() };
    for result in results.iter().filter(|result| result.method == method && is_meant(&result.cell)) {
        let rate = |count| Rate { count, of: result.trials };
        pooled.rolled_back = pooled.rolled_back.and(rate(result.rolled_back));
        pooled.too_early = pooled.too_early.and(rate(result.too_early));
        pooled.promoted = pooled.promoted.and(rate(result.promoted));
        pooled.inconclusive = pooled.inconclusive.and(rate(result.inconclusive));
        pooled.times.extend(&result.times);
    }
    pooled.times.sort_unstable();
    pooled
}

impl Pooled {
    /// So many seconds, or fewer, for this part of those that were found.
    fn quantile(&self, part: f64) -> String {
        let at = ((self.times.len() as f64 * part).ceil() as usize).saturating_sub(1);
        self.times.get(at).map_or_else(|| "-".to_owned(), u32::to_string)
    }
}

/// Balanced accuracy, in percent, and its one-sided bound: each half may be wrong with half of the probability.
struct Accuracy {
    percent: f64,
    at_least: f64,
}

fn accuracy(found: Rate, wrong: Rate) -> Option<Accuracy> {
    let right = Rate { count: wrong.of - wrong.count, of: wrong.of };
    let percent = (found.percent()? + right.percent()?) / 2.0;
    Some(Accuracy { percent, at_least: (found.at_least(BETA / 2.0) + right.at_least(BETA / 2.0)) / 2.0 })
}

/// A share as tables show it.
fn percent(rate: Rate) -> String {
    match rate.percent() {
        None => "-".to_owned(),
        Some(percent) if rate.count == rate.of || rate.count == 0 => format!("{percent:.0}"),
        // Not all is never shown as all, nor something as nothing.
        Some(percent) => format!("{:.2}", percent.clamp(0.01, 99.99)),
    }
}

fn strings(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn summary(methods: impl Iterator<Item = Method>, results: &[CellResult]) -> Table {
    let row = |method: Method| {
        let bad = pooled(results, method, is_declared);
        let good = pooled(results, method, |cell| is_healthy(cell) && cell.requests_per_sec >= REQUESTS_PER_SEC_MIN);
        let accuracy = accuracy(bad.rolled_back, good.rolled_back);
        let figure = |of: fn(&Accuracy) -> f64| accuracy.as_ref().map_or_else(|| "-".to_owned(), |it| format!("{:.2}", of(it)));
        vec![
            method.to_string(),
            percent(bad.rolled_back),
            percent(Rate { count: good.rolled_back.of - good.rolled_back.count, of: good.rolled_back.of }),
            figure(|it| it.percent),
            figure(|it| it.at_least),
            bad.quantile(0.5),
            bad.quantile(0.9),
            percent(bad.promoted),
            percent(bad.inconclusive),
            percent(good.inconclusive),
        ]
    };
    Table {
        title:
            "From 20 requests/s, faults of 4 times the errors (1.5 times the latency) and more, over all confounders and onsets"
                .to_owned(),
        header: strings(&[
            "method",
            "sensitivity %",
            "specificity %",
            "balanced accuracy %",
            "at least (95 %)",
            "median s",
            "p90 s",
            "bad promoted %",
            "bad inconclusive %",
            "healthy inconclusive %",
        ]),
        rows: methods.map(row).collect(),
    }
}

fn by_confounder(methods: impl Iterator<Item = Method>, results: &[CellResult]) -> Table {
    let mut header = strings(&["false rollbacks, %"]);
    header.extend(Confounder::ALL.iter().map(|confounder| confounder.as_str().to_owned()));
    let row = |method: Method| {
        let of = |confounder| pooled(results, method, |cell| is_healthy(cell) && cell.confounder == confounder).rolled_back;
        std::iter::once(method.to_string()).chain(Confounder::ALL.map(|confounder| percent(of(confounder)))).collect()
    };
    let title = "Healthy versions that were rolled back, over all rates of traffic and errors".to_owned();
    Table { title, header, rows: methods.map(row).collect() }
}

/// The different values of something, in the order in which they come.
fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut list, value| {
        if !list.contains(&value) {
            list.push(value);
        }
        list
    })
}

fn by_effect(method: Method, results: &[CellResult]) -> Table {
    let faults = distinct(results.iter().map(|result| result.cell.fault).filter(|fault| *fault != Fault::None));
    let rates = distinct(results.iter().map(|result| result.cell.requests_per_sec));
    let mut rows = Vec::new();
    for fault in &faults {
        for rate in &rates {
            let of = pooled(results, method, |cell| cell.fault == *fault && cell.requests_per_sec == *rate);
            rows.push(vec![
                format!("{fault}, {rate} requests/s"),
                percent(of.rolled_back),
                of.quantile(0.5),
                of.quantile(0.9),
                percent(of.promoted),
                percent(of.inconclusive),
                percent(of.too_early),
            ]);
        }
    }
    Table {
        title: format!(
            "{method}: what is found, over all confounders, onsets and rates of errors; seconds are from the onset on"
        ),
        header: strings(&[
            "fault",
            "found %",
            "median s",
            "p90 s",
            "promoted %",
            "inconclusive %",
            "rolled back before the onset %",
        ]),
        rows,
    }
}

fn healthy(method: Method, results: &[CellResult]) -> Table {
    let rates = distinct(results.iter().map(|result| (result.cell.requests_per_sec, result.cell.base_percent)));
    let row = |(rate, base): &(u32, f64)| {
        let of = pooled(results, method, |cell| is_healthy(cell) && cell.requests_per_sec == *rate && cell.base_percent == *base);
        vec![
            format!("{rate} requests/s, {base} % errors"),
            percent(of.promoted),
            percent(of.inconclusive),
            percent(of.rolled_back),
        ]
    };
    Table {
        title: format!("{method}: what becomes of healthy versions, over all confounders"),
        header: strings(&["traffic", "promoted %", "inconclusive %", "rolled back %"]),
        rows: rates.iter().map(row).collect(),
    }
}

const FAILING: &str = "Cells that fail";

/// Cells of which it is shown (95 %) that less than 99 % is found, or more than 1 % is wrong.
fn failing(method: Method, results: &[CellResult]) -> Table {
    let fails = |result: &&CellResult| {
        let rate = result.rolled_back();
        let misses = is_declared(&result.cell) && rate.at_most(BETA) < ACCURACY_PERCENT;
        let is_wrong = is_healthy(&result.cell) && rate.at_least(BETA) > FALSE_PERCENT;
        result.method == method && (misses || is_wrong)
    };
    let row = |result: &CellResult| {
        let rate = |count| percent(Rate { count, of: result.trials });
        vec![result.cell.to_string(), rate(result.rolled_back), rate(result.promoted), rate(result.inconclusive)]
    };
    let meant =
        results.iter().filter(|result| result.method == method && (is_declared(&result.cell) || is_healthy(&result.cell)));
    Table {
        title: format!(
            "{FAILING}, of {}: shown (95 %) to find less than 99 % of declared faults from 20 requests/s on, or to undo more than 1 % of healthy versions",
            meant.count()
        ),
        header: strings(&["cell", "rolled back %", "promoted %", "inconclusive %"]),
        rows: results.iter().filter(fails).map(row).collect(),
    }
}

fn promises(results: &[CellResult]) -> Vec<Promise> {
    let method = Method::Gatewright;
    let found = pooled(results, method, is_declared).rolled_back;
    let wrong = pooled(results, method, |cell| is_healthy(cell) && cell.requests_per_sec >= REQUESTS_PER_SEC_MIN).rolled_back;
    let Some(accuracy) = accuracy(found, wrong) else { return Vec::new() };
    let mut promises = vec![Promise {
        what: format!("balanced accuracy of at least {ACCURACY_PERCENT} %"),
        figure: format!("{:.2} %, at least {:.2} % at 95 % confidence", accuracy.percent, accuracy.at_least),
        held: accuracy.percent >= ACCURACY_PERCENT,
    }];
    for confounder in Confounder::ALL {
        let wrong = pooled(results, method, |cell| is_healthy(cell) && cell.confounder == confounder).rolled_back;
        let Some(share) = wrong.percent() else { continue };
        promises.push(Promise {
            what: format!("at most {FALSE_PERCENT} % of healthy versions rolled back, {}", confounder.as_str()),
            figure: format!("{} %, at most {:.2} % at 95 % confidence", percent(wrong), wrong.at_most(BETA)),
            held: share <= FALSE_PERCENT,
        });
    }
    promises
}
