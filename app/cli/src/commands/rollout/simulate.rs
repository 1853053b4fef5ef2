//! `gatewright rollout simulate`

use std::io::IsTerminal;
use std::process::ExitCode;

use gatewright_simulate::{CellResult, Grid, Job, Method, Report, Table, run as simulate};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::args::{Cells, SimulateArgs};
use crate::failure::Failure;
use crate::print::{self, Tone};

/// What `--json` writes.
#[derive(Serialize)]
struct Answer<'a> {
    report: &'a Report,
    cells: &'a [CellResult],
}

pub(super) fn run(args: &SimulateArgs) -> Result<ExitCode, Failure> {
    let grid = match args.cells {
        Cells::Full => Grid::Full,
        Cells::Latency => Grid::Latency,
        Cells::Reference => Grid::Reference,
        Cells::Quick => Grid::Quick,
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let job = Job {
        cells: grid.cells(),
        methods: methods(args, grid),
        trials: args.trials,
        seed: args.seed,
        warm_up_secs: grid.warm_up_secs(),
        threads: args.threads.map_or(processors, usize::from),
    };
    let bar = progress(job.cells.len());
    let cells = simulate(&job, &|| bar.inc(1));
    bar.finish_and_clear();
    let report = if grid == Grid::Reference { Report::by_cell(&job, &cells) } else { Report::of(&job, &cells) };
    if args.json {
        print::json(&Answer { report: &report, cells: &cells })?;
    } else if args.report.is_some() {
        print::line(report.markdown().trim_end())?;
    } else {
        show(&report)?;
    }
    Ok(if report.is_held() { ExitCode::SUCCESS } else { ExitCode::from(Failure::NOT_PASSED) })
}

/// Those that are asked for, each once; else all that look at what is tried.
fn methods(args: &SimulateArgs, grid: Grid) -> Vec<Method> {
    let asked = |method: &Method| args.method.contains(method);
    let looks = |method: &Method| grid != Grid::Latency || *method == Method::Gatewright;
    Method::ALL.into_iter().filter(|method| if args.method.is_empty() { looks(method) } else { asked(method) }).collect()
}

/// A bar on a terminal, and nothing elsewhere.
fn progress(cells: usize) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(cells as u64), target);
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} cells, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn show(report: &Report) -> Result<(), Failure> {
    print::line(&format!("{} trials a cell, seed {}", report.trials, report.seed))?;
    for Table { title, header, rows } in &report.tables {
        print::line(&format!("\n{title}"))?;
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        let rows: Vec<_> = rows.iter().map(|row| (Tone::Quiet, row.clone())).collect();
        print::table(&header, &rows, "none")?;
    }
    let promises = report.promises.iter().map(|promise| {
        let (tone, word) = if promise.held { (Tone::Good, "held") } else { (Tone::Bad, "not held") };
        (tone, vec![word.to_owned(), promise.what.clone(), promise.figure.clone()])
    });
    let promises: Vec<_> = promises.collect();
    if promises.is_empty() {
        return Ok(());
    }
    print::line("")?;
    print::table(&["promise", "what", "figure"], &promises, "none")
}
