//! What is tried: one situation of a rollout.

use std::fmt;

use serde::Serialize;

/// One situation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cell {
    /// Requests a second, to both versions together.
    pub requests_per_sec: u32,
    /// The share of the stable version's requests that fail, in percent.
    pub base_percent: f64,
    /// What is wrong with the new version.
    pub fault: Fault,
    /// Since when.
    pub onset: Onset,
    /// What else goes on.
    pub confounder: Confounder,
}

/// What is wrong with the new version.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing.
    None,
    /// It has so many times the errors.
    Errors(f64),
    /// Its requests take so many times as long.
    Latency(f64),
}

impl Fault {
    /// Whether the new version should be rolled back: true from what is looked for on, false where nothing is wrong, None between.
    pub fn is_bad(self) -> Option<bool> {
        match self {
            Fault::None => Some(false),
            Fault::Errors(times) => (times > 1.5).then_some(true),
            Fault::Latency(times) => (times > 1.2).then_some(true),
        }
    }

    /// Whether it is one that has to be found: four times the errors, one and a half times the latency.
    pub fn is_declared(self) -> bool {
        match self {
            Fault::None => false,
            Fault::Errors(times) => times >= 4.0,
            Fault::Latency(times) => times >= 1.5,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::None => f.write_str("healthy"),
            Fault::Errors(times) => write!(f, "errors x{times}"),
            Fault::Latency(times) => write!(f, "latency x{times}"),
        }
    }
}

/// Since when something is wrong with the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Onset {
    /// From the beginning.
    Start,
    /// In the middle of the second step.
    Middle,
    /// In the middle of the last step.
    Late,
}

impl Onset {
    /// All of them.
    pub const ALL: [Onset; 3] = [Onset::Start, Onset::Middle, Onset::Late];

    /// So many seconds after the beginning.
    pub fn secs(self) -> u32 {
        match self {
            Onset::Start => 0,
            Onset::Middle => 450,
            Onset::Late => 1050,
        }
    }
}

impl fmt::Display for Onset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Onset::Start => "start",
            Onset::Middle => "middle",
            Onset::Late => "late",
        })
    }
}

/// What else goes on, that is no fault of the new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confounder {
    /// Nothing.
    None,
    /// For five minutes, a tenth of all requests fails whichever version they go to, and all take twice as long.
    Incident,
    /// For five minutes, nothing is measured.
    Outage,
    /// In its first 45 seconds the new version has ten times the errors, and two percent more, and takes three times as long.
    ColdStart,
    /// Errors come in clusters: their variance in a bucket is five times their mean, in each version by itself.
    Clustering,
    /// Traffic, errors and latency go up and down by a half, a half and a fifth, within an hour or two.
    Drift,
    /// The new version gets another share of the requests than was asked for: mostly between half and twice as much, and another one in
    /// each bucket.
    SkewedShare,
}

impl Confounder {
    /// All of them.
    pub const ALL: [Confounder; 7] = [
        Confounder::None,
        Confounder::Incident,
        Confounder::Outage,
        Confounder::ColdStart,
        Confounder::Clustering,
        Confounder::Drift,
        Confounder::SkewedShare,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Confounder::None => "none",
            Confounder::Incident => "shared incident",
            Confounder::Outage => "metrics outage",
            Confounder::ColdStart => "cold start",
            Confounder::Clustering => "clustered errors",
            Confounder::Drift => "diurnal drift",
            Confounder::SkewedShare => "skewed share",
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cell { requests_per_sec, base_percent, fault, onset, confounder } = self;
        write!(f, "{requests_per_sec} requests/s, {base_percent} % errors, {fault}")?;
        if *fault != Fault::None {
            write!(f, " from {onset}")?;
        }
        if *confounder == Confounder::None { Ok(()) } else { write!(f, ", {}", confounder.as_str()) }
    }
}

/// Cells to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grid {
    /// Every combination.
    Full,
    /// Faults of latency, instead of those of errors.
    Latency,
    /// The eight situations that the first simulation of the method was published with.
    Reference,
    /// One combination of each kind: to see that it works.
    Quick,
}

const REQUESTS_PER_SEC: [u32; 4] = [2, 20, 200, 2000];
const BASE_PERCENT: [f64; 3] = [0.1, 0.5, 1.5];
const ERRORS: [f64; 5] = [1.5, 2.0, 4.0, 10.0, 40.0];
const LATENCY: [f64; 4] = [1.2, 1.5, 2.0, 4.0];

impl Grid {
    /// What is measured in so many first seconds is not judged.
    pub fn warm_up_secs(self) -> u32 {
        match self {
            Grid::Full | Grid::Latency | Grid::Quick => 60,
            // There was none.
            Grid::Reference => 0,
        }
    }

    /// Its cells.
    pub fn cells(self) -> Vec<Cell> {
        match self {
            Grid::Full => combined(&REQUESTS_PER_SEC, &BASE_PERCENT, &ERRORS.map(Fault::Errors), &Onset::ALL),
            Grid::Latency => combined(&REQUESTS_PER_SEC, &[0.5], &LATENCY.map(Fault::Latency), &Onset::ALL),
            Grid::Quick => combined(&[20, 200], &[0.5], &[Fault::Errors(4.0)], &[Onset::Start]),
            Grid::Reference => reference(),
        }
    }
}

fn combined(requests_per_sec: &[u32], base_percent: &[f64], faults: &[Fault], onsets: &[Onset]) -> Vec<Cell> {
    let mut cells = Vec::new();
    for requests_per_sec in requests_per_sec.iter().copied() {
        for base_percent in base_percent.iter().copied() {
            for confounder in Confounder::ALL {
                let cell = |fault, onset| Cell { requests_per_sec, base_percent, fault, onset, confounder };
                cells.push(cell(Fault::None, Onset::Start));
                for fault in faults {
                    cells.extend(onsets.iter().map(|onset| cell(*fault, *onset)));
                }
            }
        }
    }
    cells
}

fn reference() -> Vec<Cell> {
    let cell =
        |base_percent, confounder, fault| Cell { requests_per_sec: 20, base_percent, fault, onset: Onset::Start, confounder };
    vec![
        cell(0.5, Confounder::None, Fault::None),
        cell(1.5, Confounder::None, Fault::None),
        cell(0.5, Confounder::Incident, Fault::None),
        cell(0.5, Confounder::Outage, Fault::None),
        cell(0.5, Confounder::Clustering, Fault::None),
        cell(0.5, Confounder::None, Fault::Errors(2.0)),
        cell(0.5, Confounder::None, Fault::Errors(4.0)),
        cell(0.5, Confounder::None, Fault::Errors(10.0)),
    ]
}
