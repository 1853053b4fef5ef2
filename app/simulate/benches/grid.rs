//! The figures of `docs/rollout-analysis.md`: every method, on every cell, as Markdown.
//!
//! `cargo bench -p gatewright-simulate --bench grid`, with `TRIALS` and `SEED` in the environment for other than 200 and 2026. The same
//! as `gatewright rollout simulate --report markdown`, without building the rest of Gatewright.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::time::Instant;

use gatewright_simulate::{Grid, Job, Method, Report, run};

fn main() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let (trials, seed): (u64, u64) = (number("TRIALS").unwrap_or(200), number("SEED").unwrap_or(2026));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let own = vec![Method::Gatewright];
    let without_errors_only = Method::ALL.into_iter().filter(|method| *method != Method::GatewrightErrors).collect();
    // The published scenario is small, and its figures are compared with others' figures: many more trials.
    for (name, grid, trials, methods) in [
        ("The first simulation's scenario", Grid::Reference, trials.saturating_mul(15), Method::ALL.to_vec()),
        ("Errors", Grid::Full, trials, without_errors_only),
        ("Latency", Grid::Latency, trials, own),
    ] {
        let began = Instant::now();
        let job = Job {
            cells: grid.cells(),
            methods,
            trials: u32::try_from(trials).unwrap_or(u32::MAX),
            seed,
            warm_up_secs: grid.warm_up_secs(),
            threads,
        };
        let results = run(&job, &|| {});
        let report = match grid {
            Grid::Reference => Report::by_cell(&job, &results),
            Grid::Full | Grid::Latency | Grid::Quick => Report::of(&job, &results),
        };
        println!("## {name}\n\n{}\n{:.0} s\n", report.markdown(), began.elapsed().as_secs_f64());
    }
}
