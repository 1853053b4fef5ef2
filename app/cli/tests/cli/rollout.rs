//! `rollout simulate`.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::Bench;

#[test]
fn a_simulation_is_the_same_for_the_same_seed_and_says_whether_promises_held() {
    let args = ["rollout", "simulate", "--cells", "quick", "--trials", "5", "--seed", "7", "--method", "gatewright"];
    let (first, second) = (Bench::new().run(&args), Bench::new().run(&args));
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""), "{}", first.stdout);
    assert_eq!(first.stdout, second.stdout);
    assert!(first.stdout.contains("balanced accuracy of at least 99 %"), "{}", first.stdout);
}

#[test]
fn every_cell_is_in_the_json() {
    let args = ["rollout", "simulate", "--cells", "reference", "--trials", "2", "--json", "--method", "fixed-99"];
    let done = Bench::new().run(&args);
    let answer: Value = serde_json::from_str(&done.stdout).expect("this is JSON");
    assert_eq!(
        (done.code, answer["report"]["trials"].as_u64(), answer["cells"].as_array().map(Vec::len)),
        (Some(0), Some(2), Some(8))
    );
}

#[test]
fn a_method_that_does_not_exist_is_a_wrong_call_that_names_those_that_do() {
    let done = Bench::new().run(&["rollout", "simulate", "--method", "crystal-ball"]);
    assert_eq!(done.code, Some(2));
    let cause = done.stderr.lines().next().unwrap_or_default();
    assert_snapshot!(cause, @"error: invalid value 'crystal-ball' for '--method <METHOD>': it is one of `gatewright`, `gatewright-errors`, `likelihood-ratio`, `fixed-99`, `fixed-95`, `peeking-z`, `mann-whitney`");
}
