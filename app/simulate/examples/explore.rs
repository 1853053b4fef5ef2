#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]
use gatewright_simulate::*;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let grid = match args[1].as_str() { "full" => Grid::Full, "latency" => Grid::Latency, "reference" => Grid::Reference, _ => Grid::Quick };
    let trials: u32 = args[2].parse().unwrap();
    let seed: u64 = args[3].parse().unwrap();
    let methods: Vec<Method> = Method::ALL.into_iter().filter(|m| args.len() < 5 || args[4..].iter().any(|a| a == m.as_str())).collect();
    let t = std::time::Instant::now();
    let job = Job { cells: grid.cells(), methods, trials, seed, threads: 2 };
    let results = run(&job, &|| {});
    for r in &results {
        let pct = |c: u64| 100.0 * c as f64 / r.trials as f64;
        let q = |p: f64| r.times.get(((r.times.len() as f64 - 1.0) * p).round() as usize).copied().unwrap_or(0);
        let by = 100.0 * r.times.iter().filter(|t| **t + r.cell.onset.secs() <= 1200).count() as f64 / r.trials as f64;
        println!("{:60} {:18} by1200 {by:5.1} back {:5.1} early {:4.1} prom {:5.1} inc {:5.1}  med {} p90 {}", r.cell.to_string(), r.method.to_string(), pct(r.rolled_back), pct(r.too_early), pct(r.promoted), pct(r.inconclusive), q(0.5), q(0.9));
    }
    println!("{:?}", t.elapsed());
}
