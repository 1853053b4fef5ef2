//! How often the benchmark gate is wrong on this machine: real measurements of a real program, judged by the gate itself.
//!
//! In each run of the gate a program that only computes is measured as base, as an equal head and as a head that does a tenth
//! more, in turn, by processes of their own, as a gate's command would. Their reports are judged with several limits and numbers
//! of rounds. It says how often equal code failed, and how often the slower one was found.
//!
//! `cargo bench -p gatewright-engine --bench interleaved`, with `RUNS=200` in the environment for other than 200 runs.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark may fail at once, and prints its figures")]

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use gatewright_core::config::{Benchmark, GateConfig, parse};
use gatewright_core::verdict::{Evidence, Exit, ReportFile, ReportKind, Reports, Round, Rounds, VerdictStatus};
use gatewright_engine::gates;

const RUNS: usize = 200;

/// So many rounds are measured in each run, as many as the gate has where none are asked for; it is asked with fewer too.
const ROUNDS: usize = Benchmark::ROUNDS_DEFAULT as usize;
const ASKED: [(usize, &str); 4] = [(ROUNDS, "0"), (ROUNDS, "5"), (12, "0"), (12, "5")];

/// One process takes so many samples, each so long where nothing disturbs it.
const SAMPLES: usize = 20;
const SAMPLE: Duration = Duration::from_millis(1);

/// After so many runs it says how far it is.
const TOLD_EVERY: usize = 20;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, word, steps] = args.as_slice()
        && word == "measure"
    {
        return println!("{}", report(steps.parse().expect("a number of steps")));
    }
    let runs = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    let steps = calibrated();
    println!("{runs} runs, {SAMPLES} samples of {SAMPLE:?} a round, base and head in turn");
    let began = Instant::now();
    let mut tallies = ASKED.map(|(rounds, limit)| Tally { rounds, config: gate(limit), alarms: 0, inconclusive: 0, found: 0 });
    for number in 1..=runs {
        let (equal, slower) = run(steps);
        for tally in &mut tallies {
            tally.take(&equal, &slower);
        }
        if number % TOLD_EVERY == 0 || number == runs {
            println!("\n{number} runs in {:.0} s", began.elapsed().as_secs_f64());
            for (tally, (rounds, limit)) in tallies.iter().zip(ASKED) {
                let share = |count: usize| 100.0 * count as f64 / number as f64;
                println!(
                    "{rounds} rounds, slower-at-most {limit}: equal code failed {:.1} %, inconclusive {:.1} %; 10 % slower failed {:.1} %",
                    share(tally.alarms),
                    share(tally.inconclusive),
                    share(tally.found)
                );
            }
        }
    }
}

/// How often the gate said what with so many rounds and such a limit.
struct Tally {
    rounds: usize,
    config: GateConfig,
    alarms: usize,
    inconclusive: usize,
    found: usize,
}

impl Tally {
    fn take(&mut self, equal: &[Round], slower: &[Round]) {
        let (status, inconclusive) = verdict(&self.config, &equal[..self.rounds]);
        self.alarms += usize::from(status == VerdictStatus::Failed);
        self.inconclusive += usize::from(inconclusive);
        self.found += usize::from(verdict(&self.config, &slower[..self.rounds]).0 == VerdictStatus::Failed);
    }
}

/// What the gate says, and whether it is inconclusive.
fn verdict(config: &GateConfig, rounds: &[Round]) -> (VerdictStatus, bool) {
    let head = rounds.last().expect("there are rounds").head.clone();
    let rounds = Rounds { list: rounds.to_vec(), wanted: rounds.len() as u32, cut_short: None };
    let reports = [(ReportKind::Benchmarks, head)].into();
    let evidence = Evidence { reports, rounds: Some(rounds), ..Evidence::of(Exit::Code { code: 0 }) };
    let verdict = gates::judge(config, &evidence).verdict;
    (verdict.status, verdict.title.contains("inconclusive"))
}

fn gate(limit: &str) -> GateConfig {
    let keys = format!("run: x, benchmark: out.json, compare: interleaved, require: {{ slower-at-most: {limit} }}");
    let file = parse(&format!("image: a\ngates:\n  speed: {{ {keys} }}\n")).expect("the file is right");
    file.gates.into_iter().next().expect("it has a gate")
}

/// A run of the gate on equal code, and one on slower code, against the same base.
fn run(steps: u64) -> (Vec<Round>, Vec<Round>) {
    let sources = [steps, steps, steps + steps / 10];
    let measured = (0..ROUNDS).map(|round| {
        let mut order = [0, 1, 2];
        if round % 2 == 1 {
            order.reverse();
        }
        let mut reports = [(); 3].map(|()| Reports::default());
        for source in order {
            reports[source] = measured(sources[source]);
        }
        let [base, same, more] = reports;
        (Round { base: base.clone(), head: same }, Round { base, head: more })
    });
    measured.unzip()
}

/// What a process that measures writes.
fn measured(steps: u64) -> Reports {
    let program = std::env::current_exe().expect("this program is a file");
    let output = Command::new(program).args(["measure", &steps.to_string()]).output().expect("it runs again");
    Reports { files: vec![ReportFile::new("out.json", output.stdout)], errors: Vec::new() }
}

fn report(steps: u64) -> String {
    let samples: Vec<String> = (0..SAMPLES).map(|_| work(steps).as_nanos().to_string()).collect();
    format!("[{{\"name\": \"work\", \"unit\": \"ns\", \"samples\": [{}]}}]", samples.join(", "))
}

/// Computes, and reads and writes 32 KiB of memory.
fn work(steps: u64) -> Duration {
    let began = Instant::now();
    let mut cells = vec![0_u64; 1 << 12];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for step in 0..steps {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let cell = (state & ((1 << 12) - 1)) as usize;
        cells[cell] = cells[cell].wrapping_add(state ^ step);
    }
    black_box(&cells);
    began.elapsed()
}

/// How many steps take about as long as a sample should.
fn calibrated() -> u64 {
    const STEPS: u64 = 200_000;
    let quickest = (0..200).map(|_| work(STEPS)).min().expect("there are some");
    (SAMPLE.as_secs_f64() / quickest.as_secs_f64() * STEPS as f64) as u64
}
