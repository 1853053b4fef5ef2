//! What a strategy comes to: a list of moves, made one after the other. Each states what should be true, so that a move that was
//! half done is made again.

use serde::{Deserialize, Serialize};

use crate::config::{CanaryStep, Environment, Hook, Preview, StepHold, Strategy};

/// Before a switch it is measured for no longer what is usual, however long it is looked afterwards.
const USUAL_SECS_MAX: u64 = 600;

/// One of the two pools that a rollout is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// What is to come.
    New,
    /// What is there.
    Old,
}

/// One move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "move")]
pub enum Move {
    /// Run a command in a sandbox.
    Hook {
        /// The command.
        hook: Box<Hook>,
    },
    /// A pool has so many instances at least, and they are ready.
    Deploy {
        /// Which.
        pool: Which,
        /// So many.
        replicas: u32,
    },
    /// Measure the old version for so long, to know what is usual.
    Baseline {
        /// In seconds.
        secs: u64,
    },
    /// The new version gets so much of the requests, the old one the rest. Before that, what is there is written down.
    Share {
        /// In percent.
        percent: u32,
    },
    /// Look how it goes.
    Hold {
        /// The share of the new version meanwhile, in percent.
        percent: u32,
        /// For how long.
        hold: StepHold,
    },
    /// A pool has so many instances at most. Those that go have nothing in flight.
    Shrink {
        /// Which.
        pool: Which,
        /// So many.
        replicas: u32,
    },
    /// Write down what is live now, and let others begin.
    Settle,
    /// Keep the old version, so that going back is a switch.
    Keep {
        /// In seconds.
        secs: u64,
    },
    /// Remove what is not live, unless another rollout is under way, which will.
    Clean,
}

impl Move {
    /// What it is, for people.
    pub fn words(&self) -> String {
        let name = |which: &Which| match which {
            Which::New => "the new version",
            Which::Old => "the old version",
        };
        match self {
            Move::Hook { hook } => format!("run `{}`", hook.name),
            Move::Deploy { pool, replicas } => format!("{replicas} of {} ready", name(pool)),
            Move::Baseline { secs } => format!("measure what is usual for {}", span(*secs)),
            Move::Share { percent } => format!("{percent} % to the new version"),
            Move::Hold { percent, hold: StepHold::Secs(secs) } => format!("look at {percent} % for {}", span(*secs)),
            Move::Hold { percent, hold: StepHold::Manual } => format!("look at {percent} % until somebody says `promote`"),
            Move::Shrink { pool, replicas } => format!("{} down to {replicas}", name(pool)),
            Move::Settle => "write down what is live".to_owned(),
            Move::Keep { secs } => format!("keep the old version for {}", span(*secs)),
            Move::Clean => "remove what is not live".to_owned(),
        }
    }
}

/// `90 s`, `5 min`, `2 h`.
fn span(secs: u64) -> String {
    match secs {
        0..120 => format!("{secs} s"),
        120..7200 => format!("{} min", secs / 60),
        _ => format!("{} h", secs / 3600),
    }
}

/// What there is before a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// Nothing.
    Nothing,
    /// Another pool, of so many instances.
    Other(u32),
    /// The same that is to come.
    Same,
}

/// The moves that bring a release to an environment. `straight` leaves out everything that takes time: for going back to what was
/// there before.
pub fn moves(environment: &Environment, old: Old, straight: bool, baseline_secs: u64) -> Vec<Move> {
    let replicas = environment.target.replicas();
    let hooks = |hooks: &[Hook]| -> Vec<Move> { hooks.iter().map(|hook| Move::Hook { hook: Box::new(hook.clone()) }).collect() };
    let all_at_once = || vec![Move::Deploy { pool: Which::New, replicas }, Move::Share { percent: 100 }];
    let old_replicas = match old {
        Old::Same => return [all_at_once(), vec![Move::Clean, Move::Settle]].concat(),
        Old::Nothing => {
            let shift = match straight {
                true => all_at_once(),
                false => [
                    hooks(&environment.hooks.before),
                    vec![Move::Deploy { pool: Which::New, replicas }],
                    hooks(&environment.hooks.preview),
                    vec![Move::Share { percent: 100 }],
                    hooks(&environment.hooks.after),
                ]
                .concat(),
            };
            return [shift, vec![Move::Clean, Move::Settle]].concat();
        }
        Old::Other(old_replicas) => old_replicas,
    };
    if straight {
        return [all_at_once(), vec![Move::Clean, Move::Settle]].concat();
    }
    // What is there has to be there in full, and to have everything, whatever happened before.
    let restored = vec![Move::Deploy { pool: Which::Old, replicas: old_replicas }, Move::Share { percent: 0 }];
    let preview = hooks(&environment.hooks.preview);
    let (shift, keep_secs) = match &environment.strategy {
        Strategy::Recreate => {
            let stop = vec![Move::Shrink { pool: Which::Old, replicas: 0 }, Move::Deploy { pool: Which::New, replicas }];
            ([stop, preview, vec![Move::Share { percent: 100 }]].concat(), 0)
        }
        Strategy::Rolling { batch, every_secs } => (rolling(replicas, old_replicas, batch.hundredths, *every_secs, preview), 0),
        Strategy::BlueGreen { preview: look, watch_secs, keep_secs } => {
            let mut shift = vec![Move::Deploy { pool: Which::New, replicas }];
            shift.extend(preview);
            shift.extend((*look == Preview::Manual).then_some(Move::Hold { percent: 0, hold: StepHold::Manual }));
            // Nothing runs beside it after the switch, so what it is compared with is what was usual before, for as long.
            shift.extend(
                (baseline_secs > 0).then_some(Move::Baseline { secs: baseline_secs.max((*watch_secs).min(USUAL_SECS_MAX)) }),
            );
            shift.push(Move::Share { percent: 100 });
            shift.extend((*watch_secs > 0).then_some(Move::Hold { percent: 100, hold: StepHold::Secs(*watch_secs) }));
            (shift, *keep_secs)
        }
        Strategy::Canary { steps, keep_secs, .. } => (canary(replicas, steps, preview, baseline_secs), *keep_secs),
    };
    let end = match keep_secs {
        0 => vec![Move::Clean, Move::Settle],
        secs => vec![Move::Settle, Move::Keep { secs }, Move::Clean],
    };
    [hooks(&environment.hooks.before), restored, shift, hooks(&environment.hooks.after), end].concat()
}

fn canary(replicas: u32, steps: &[CanaryStep], preview: Vec<Move>, baseline_secs: u64) -> Vec<Move> {
    let mut moves = vec![Move::Deploy { pool: Which::New, replicas }];
    moves.extend(preview);
    moves.extend((baseline_secs > 0).then_some(Move::Baseline { secs: baseline_secs }));
    for CanaryStep { percent, hold } in steps {
        moves.push(Move::Share { percent: *percent });
        moves.push(Move::Hold { percent: *percent, hold: *hold });
    }
    moves
}

fn rolling(replicas: u32, old_replicas: u32, batch_hundredths: u32, every_secs: u64, preview: Vec<Move>) -> Vec<Move> {
    let batch = (u64::from(replicas) * u64::from(batch_hundredths)).div_ceil(10_000).max(1);
    let batch = u32::try_from(batch).unwrap_or(u32::MAX);
    let mut moves = Vec::new();
    let mut preview = Some(preview);
    let mut there = 0;
    while there < replicas {
        there = there.saturating_add(batch).min(replicas);
        let percent = u32::try_from(u64::from(there) * 100 / u64::from(replicas.max(1))).unwrap_or(100);
        moves.push(Move::Deploy { pool: Which::New, replicas: there });
        moves.extend(preview.take().unwrap_or_default());
        moves.push(Move::Share { percent });
        if every_secs > 0 {
            moves.push(Move::Hold { percent, hold: StepHold::Secs(every_secs) });
        }
        // As many old ones stay as the new ones do not yet stand for: one at least, as long as they get anything.
        let left = (u64::from(old_replicas) * u64::from(replicas - there)).div_ceil(u64::from(replicas.max(1)));
        moves.push(Move::Shrink { pool: Which::Old, replicas: u32::try_from(left).unwrap_or(old_replicas) });
    }
    moves
}

/// The moves that undo a rollout of which something may have been done. `shrunk`: whether the old version may have fewer instances
/// than it had, so that it has to be whole again before it can take everything.
pub fn way_back(old: Old, shrunk: bool) -> Vec<Move> {
    match old {
        // There is nothing to go back to. What is there that is no good is taken away.
        Old::Nothing => vec![Move::Shrink { pool: Which::New, replicas: 0 }, Move::Clean, Move::Settle],
        Old::Same => vec![Move::Settle],
        Old::Other(replicas) => {
            let whole = shrunk.then_some(Move::Deploy { pool: Which::Old, replicas });
            whole.into_iter().chain([Move::Share { percent: 0 }, Move::Clean, Move::Settle]).collect()
        }
    }
}
