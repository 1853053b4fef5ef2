//! What a pipeline is given beside its task, on this machine.

use crate::agents::broken;

/// A program, which asks no model: no server file is needed, and no key.
const FILE: &str = "\
gates:
  tests: { run: grep -qx 'src/ little' said.txt }
agents:
  tidy:
    inputs:
      area: { description: the folder to work in }
      depth: { options: [little, much], default: little }
    steps:
      - { agent: { name: says, run: 'echo \"$GATEWRIGHT_INPUT_AREA $GATEWRIGHT_INPUT_DEPTH\" > said.txt' } }
      - verify
";

#[test]
fn inputs_reach_a_pipeline_of_programs_without_any_model_and_wrong_ones_are_named() {
    let bench = broken(FILE, "");
    let run = |inputs: &[&str]| {
        let given = inputs.iter().flat_map(|input| ["--input", *input]);
        let args: Vec<&str> =
            ["agent", "run", "--pipeline", "tidy", "--requirements", "tidy up"].into_iter().chain(given).collect();
        bench.run(&args)
    };
    let told = |inputs: &[&str]| {
        let done = run(inputs);
        assert_eq!(done.code, Some(2), "{}{}", done.stdout, done.stderr);
        done.stderr
    };
    assert!(told(&[]).contains("the input `area` (the folder to work in) has to be given, as `area=...`"));
    assert!(told(&["aera=src/"]).contains("the pipeline has no input `aera`; did you mean `area`?"));
    assert!(told(&["area=src/", "depth=deep"]).contains("the input `depth` is one of `little` and `much`"));
    assert!(told(&["area=a", "area=b"]).contains("the input `area` is given twice"));
    assert!(told(&["area"]).contains("it is written NAME=VALUE"));
    let done = run(&["area=src/"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
}
