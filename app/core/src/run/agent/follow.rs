//! What follows from what has happened: which stage begins, what gates' words do to the stages before them, and what trees come of it.

use jiff::Timestamp;

use super::stage::{Doing, Feedback, Place, StageState, index};
use super::{AgentRun, Lane};
use crate::config::OnRed;
use crate::ids::GateName;
use crate::tree::Tree;

/// A row of stages: `None` is the pipeline itself.
type Row = Option<(u16, u16)>;

impl AgentRun {
    /// Goes on as far as what is known allows.
    pub(super) fn follow(&mut self, at: Timestamp) {
        while self.lanes.keys().copied().collect::<Vec<Row>>().into_iter().any(|row| self.step_on(row, at)) {}
    }

    fn places_of(&self, row: Row) -> Vec<Place> {
        match row {
            None => self.places.clone(),
            Some((fork, row)) => match self.places.get(usize::from(fork)) {
                Some(Place::Fork(rows)) => {
                    rows.get(usize::from(row)).into_iter().flatten().map(|stage| Place::One(*stage)).collect()
                }
                Some(Place::One(_)) | None => Vec::new(),
            },
        }
    }

    /// True if something has changed.
    fn step_on(&mut self, row: Row, at: Timestamp) -> bool {
        let Some(lane) = self.lanes.get(&row).cloned() else { return false };
        match self.places_of(row).get(lane.at) {
            None => false,
            Some(Place::Fork(rows)) => self.step_fork(&lane, rows.len()),
            Some(Place::One(stage)) => self.step_stage(row, lane, *stage, at),
        }
    }

    fn step_fork(&mut self, lane: &Lane, rows: usize) -> bool {
        let of = |row: usize| Some((index(lane.at), index(row)));
        if !(0..rows).all(|row| self.lanes.contains_key(&of(row))) {
            for row in 0..rows {
                self.lanes.insert(of(row), Lane { at: 0, ..lane.clone() });
            }
            return true;
        }
        let over = |row: usize| self.lanes.get(&of(row)).is_some_and(|lane| lane.at >= self.places_of(of(row)).len());
        if !(0..rows).all(over) {
            return false;
        }
        let trees: Vec<Tree> = (0..rows).filter_map(|row| self.lanes.remove(&of(row))).map(|lane| lane.tree).collect();
        match Tree::merged(&lane.tree, &trees) {
            Ok(tree) => self.go_on(None, tree),
            Err(conflicts) => {
                let names: Vec<String> = conflicts.iter().take(5).map(|path| format!("`{path}`")).collect();
                let because = format!("stages that ran at once changed the same files differently: {}", names.join(", "));
                self.red(None, lane.tree.clone(), because);
            }
        }
        true
    }

    fn step_stage(&mut self, row: Row, lane: Lane, n: u16, at: Timestamp) -> bool {
        let Some(stage) = self.stages.get(usize::from(n)) else { return false };
        match (&stage.state, &stage.what) {
            (StageState::Waiting, _) => self.begin(row, &lane, n, at),
            (StageState::Working, _) => match stage.holds() {
                Some(holds) => self.conclude(row, &lane, n, holds, at),
                None => return false,
            },
            (StageState::Done { .. }, Doing::Agent(_) | Doing::Program(_)) => {
                let tree = stage.tree.clone();
                self.go_on(row, tree);
            }
            (StageState::Failed { because, .. }, Doing::Agent(_) | Doing::Program(_)) => {
                let because = format!("{}: {because}", stage.name);
                let before = stage.tree_before.clone();
                self.red(row, before, because);
            }
            (StageState::Done { .. } | StageState::Failed { .. }, Doing::Verify(_) | Doing::Finally(_))
            | (StageState::NotRun, _) => self.go_on(row, lane.tree),
        }
        true
    }

    fn begin(&mut self, row: Row, lane: &Lane, n: u16, at: Timestamp) {
        let Some(stage) = self.stages.get_mut(usize::from(n)) else { return };
        if stage.is_final() && lane.tree.is_empty() {
            stage.state = StageState::NotRun;
            return self.go_on(row, lane.tree.clone());
        }
        stage.state = StageState::Working;
        (stage.tries, stage.try_since) = (stage.tries + 1, at);
        (stage.tree_before, stage.tree) = (lane.tree.clone(), lane.tree.clone());
        stage.talk_from = stage.turns.len();
        if matches!(stage.what, Doing::Verify(_) | Doing::Finally(_)) {
            stage.rounds.push(Vec::new());
        }
        if stage.is_final() {
            self.carry(n);
        }
    }

    /// What a gate has said of the very same files need not be said again.
    fn carry(&mut self, n: u16) {
        let Some(of) = self.stages.get(usize::from(n)) else { return };
        let said = |gate: &GateName| {
            let (_, outcome) = self.passed.get(gate).filter(|(tree, _)| *tree == of.tree)?;
            Some((gate.clone(), outcome.clone()))
        };
        let carried: Vec<_> = of.gates().iter().filter_map(said).collect();
        if let Some(round) = self.stages.get_mut(usize::from(n)).and_then(|stage| stage.rounds.last_mut()) {
            round.extend(carried);
        }
    }

    /// The gates of a stage have all spoken.
    fn conclude(&mut self, row: Row, lane: &Lane, n: u16, holds: bool, at: Timestamp) {
        let Some(stage) = self.stages.get_mut(usize::from(n)) else { return };
        if holds {
            stage.state = StageState::Done { at };
            let proves = stage.proves();
            if let (true, Some(lane)) = (proves, self.lanes.get_mut(&row)) {
                lane.green = lane.tree.clone();
            }
            return self.go_on(row, lane.tree.clone());
        }
        let (because, last) = (stage.against(), stage.is_final());
        if self.give_back(row, lane, n, at) {
            return;
        }
        let Some(stage) = self.stages.get_mut(usize::from(n)) else { return };
        let proven = lane.green.clone();
        if last && !proven.is_empty() && proven != lane.tree {
            // What was proven before is looked at in full instead.
            stage.state = StageState::Waiting;
            if let Some(lane) = self.lanes.get_mut(&row) {
                lane.tree = proven;
            }
            return;
        }
        stage.state = StageState::Failed { at, because: because.clone() };
        if last {
            if let Some(lane) = self.lanes.get_mut(&row) {
                lane.green = Tree::default();
            }
            return self.go_on(row, Tree::default());
        }
        self.red(row, proven, because);
    }

    /// Has whoever worked last before the gates of stage `n` try again, if that stage has tries left.
    fn give_back(&mut self, row: Row, lane: &Lane, n: u16, at: Timestamp) -> bool {
        let most = self.prepared.as_ref().map_or(1, |prepared| prepared.pipeline.tries);
        let places = self.places_of(row);
        let before = places.get(..lane.at).unwrap_or_default().iter().enumerate().rev();
        // What came out of rows at once has nobody in particular to give it back to.
        let earlier = before.map_while(|(place, what)| match what {
            Place::One(stage) => Some((place, *stage)),
            Place::Fork(_) => None,
        });
        let worker = earlier.filter_map(|(place, w)| Some((place, w, self.stage(w)?)));
        let found = worker.into_iter().find(|(_, _, of)| of.may_change() && matches!(of.state, StageState::Done { .. }));
        let Some((place, w, _)) = found.filter(|(_, _, of)| self.stopped.is_none() && of.tries < most) else { return false };
        let round = self.stage(n).map_or(0, |stage| stage.rounds.len().saturating_sub(1));
        for again in places.get(place + 1..=lane.at).unwrap_or_default() {
            if let Place::One(stage) = again
                && let Some(stage) = self.stages.get_mut(usize::from(*stage))
            {
                stage.state = StageState::Waiting;
            }
        }
        let Some(worker) = self.stages.get_mut(usize::from(w)) else { return false };
        worker.feedback.push(Feedback { after: worker.turns.len(), verify: n, round });
        worker.state = StageState::Working;
        (worker.tries, worker.try_since) = (worker.tries + 1, at);
        // Stages after it may have changed more, which is not taken away from it.
        worker.tree = lane.tree.clone();
        if let Some(lane) = self.lanes.get_mut(&row) {
            lane.at = place;
        }
        true
    }

    fn go_on(&mut self, row: Row, tree: Tree) {
        if let Some(lane) = self.lanes.get_mut(&row) {
            lane.tree = tree;
            lane.at += 1;
        }
    }

    /// Something has failed for good: `tree` is what there was before.
    fn red(&mut self, row: Row, tree: Tree, because: String) {
        match self.on_red() {
            OnRed::GoOn => self.go_on(row, tree),
            OnRed::Stop => {
                if let (None, Some(lane)) = (row, self.lanes.get_mut(&row)) {
                    lane.tree = tree;
                }
                self.stop(because);
            }
        }
    }
}
