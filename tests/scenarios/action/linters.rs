//! The action, the component and the workflow templates, before the ecosystem's own linters and schemas; and that these find
//! something where something is wrong.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use gatewright_action::inputs::NAMES;

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What the linters say of a text of this kind, and whether they let it pass.
fn lint(kind: &str, text: &str) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("linted.yml");
    fs::write(&file, text).expect("it can be written");
    let output = Command::new("bash").arg(root().join("tests/lint/ci.sh")).arg(kind).arg(&file).output().expect("bash runs");
    let words = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), words)
}

fn changed(name: &str, from: &str, to: &str) -> String {
    let text = read(name);
    assert!(text.contains(from), "{name} has no {from:?}");
    text.replacen(from, to, 1)
}

/// That each of these linters refuses it.
fn assert_refused(kind: &str, text: &str, linters: &[&str]) {
    let (passed, words) = lint(kind, text);
    assert!(!passed, "{kind} passed: {text}");
    for linter in linters {
        assert!(words.lines().any(|line| line.starts_with(&format!("{linter}: "))), "{linter} says nothing: {words}");
    }
}

#[test]
fn everything_that_runs_elsewhere_passes_its_linters() {
    let output = Command::new("bash").arg(root().join("tests/lint/ci.sh")).output().expect("bash runs");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn each_linter_of_actions_refuses_a_broken_one() {
    let both = ["check-jsonschema", "action-validator"];
    assert_refused("action", &changed("action.yml", "using: composite", "using: composite-steps"), &both);
    assert_refused("action", &changed("action.yml", "      shell: bash\n", ""), &["check-jsonschema"]);
}

#[test]
fn each_linter_of_workflows_refuses_a_broken_one() {
    let name = "templates/ci/github-gates.yml";
    let all = ["check-jsonschema", "actionlint", "action-validator"];
    assert_refused("workflow", &changed(name, "runs-on: ubuntu-latest", "runs_on: ubuntu-latest"), &all);
    let wrong_step = changed(name, "steps.gatewright.outputs.report != ''", "steps.gatewrite.outputs.report != ''");
    assert_refused("workflow", &wrong_step, &["actionlint"]);
}

#[test]
fn the_schema_of_gitlab_refuses_a_broken_pipeline_and_a_broken_component() {
    assert_refused("pipeline", &changed("templates/ci/gitlab-gates.yml", "component:", "compnent:"), &["check-jsonschema"]);
    let name = "templates/gates/template.yml";
    assert_refused("component", &changed(name, "coverage_format: cobertura", "coverage_format: lcov"), &["check-jsonschema"]);
    assert_refused("component", &changed(name, "$[[ inputs.stage ]]", "$[[ inputs.stge ]]"), &["component"]);
    assert_refused("component", &changed(name, "options: [failed", "options: [fails"), &["component"]);
    assert_refused("component", &changed(name, "options: [failed, advisory, never]", "options: 7"), &["component"]);
}

#[test]
fn a_broken_script_is_refused() {
    assert_refused("shell", "#!/bin/bash\nrm -r $1/*\n", &["shellcheck"]);
}

#[test]
fn every_input_reaches_the_program_under_its_own_name() {
    let action = read("action.yml");
    let (head, steps) = action.split_once("\nruns:\n").expect("it has steps");
    let inputs = head.split_once("\ninputs:\n").expect("it has inputs").1.split_once("\noutputs:\n").expect("it has outputs").0;
    let inputs: Vec<&str> = inputs
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
        .filter(|name| !name.starts_with(' '))
        .collect();
    assert!(inputs.len() > 10, "{inputs:?}");
    for input in inputs {
        let variable = format!("INPUT_{}: ${{{{ inputs.{input} }}}}", input.to_uppercase().replace('-', "_"));
        assert!(input == "working-directory" || steps.contains(&variable), "{variable}");
    }
    for name in NAMES {
        assert!(steps.contains(&format!("{name}: ")), "action.yml sets no {name}");
    }
    // Text of a pull request is never part of a script.
    for script in steps.lines().filter_map(|line| line.trim().strip_prefix("run: ")) {
        assert!(!script.contains("${{"), "{script}");
    }
}

#[test]
fn the_step_with_the_token_runs_on_what_the_step_before_it_has_written_and_else_not_at_all() {
    let action = read("action.yml");
    let publish = action.split_once("- name: Publish").expect("it is there").1;
    assert!(publish.contains("&& (inputs.publish-result != '' || steps.gates.outputs.seal != '') }}"), "{publish}");
    assert!(publish.contains("GATEWRIGHT_SEAL: ${{ steps.gates.outputs.seal }}"), "{publish}");
}

#[test]
fn the_step_that_runs_the_gates_does_not_get_the_token() {
    let action = read("action.yml");
    let run =
        action.split_once("- name: Run the gates").expect("it is there").1.split_once("- name: Publish").expect("it is there").0;
    assert!(!run.to_lowercase().contains("token }}") && !run.contains("INPUT_TOKEN"), "{run}");
}
