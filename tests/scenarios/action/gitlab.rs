//! A job of GitLab CI.

use serde_json::Value;

use crate::runner::Runner;

const GATES: &str = r#"image: none
gates:
  tests:
    run: |
      printf '<testsuite name="a"><testcase name="x"/></testsuite>' > one.xml
      printf '<testsuites><testsuite name="b"><testcase name="y"><failure message="no"/></testcase></testsuite></testsuites>' > two.xml
    junit: "*.xml"
  cover:
    run: printf 'SF:src/a.c\nDA:1,1\nDA:2,0\nend_of_record\n' > lcov.info
    coverage: lcov.info
  lint:
    run: |
      printf '%s' '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "lint"}}, "results": [{"ruleId": "R1", "level": "error", "message": {"text": "bad"}, "locations": [{"physicalLocation": {"artifactLocation": {"uri": "src/a.c"}, "region": {"startLine": 2}}}]}]}]}' > out.sarif
    sarif: out.sarif
"#;

fn merge_request() -> Runner {
    Runner::merge_request(&[(".gatewright.yml", GATES), ("src/a.c", "one();\n")], &[("src/a.c", "one();\ntwo();\n")])
}

#[test]
fn a_merge_request_gets_the_reports_that_gitlabs_widgets_show() {
    let runner = merge_request();
    let step = runner.step(&[]);
    assert_eq!(step.code, 1, "{step:#?}");
    let junit = runner.left("gatewright-reports/junit.xml");
    assert!(
        junit.contains(r#"<testsuite name="a"><testcase name="x"/></testsuite>"#) && junit.contains(r#"<failure message="no"/>"#),
        "{junit}"
    );
    let cobertura = runner.left("gatewright-reports/cobertura.xml");
    assert!(
        cobertura.contains(r#"filename="src/a.c""#) && cobertura.contains(r#"<line number="2" hits="0" branch="false"/>"#),
        "{cobertura}"
    );
    let quality: Value =
        serde_json::from_str(&runner.left("gatewright-reports/gl-code-quality-report.json")).expect("it is JSON");
    assert_eq!(quality.as_array().map(Vec::len), Some(1));
    for (key, is) in [("/description", "bad"), ("/check_name", "lint: R1"), ("/location/path", "src/a.c"), ("/severity", "major")]
    {
        assert_eq!(quality[0].pointer(key).and_then(Value::as_str), Some(is), "{quality}");
    }
    assert!(step.stdout.lines().any(|line| line == "Gatewright coverage: 50.00%"), "{}", step.stdout);
    assert!(
        step.stdout.contains("section_start:") && step.stdout.contains(":gatewright_tests[collapsed=true]"),
        "{}",
        step.stdout
    );
    assert!(!step.stdout.contains("::error") && !step.stdout.contains("::group"), "{}", step.stdout);
}

#[test]
fn a_job_token_is_in_no_gates_environment() {
    let gates = "image: none\ngates:\n  look: { run: env }\n";
    let step = Runner::merge_request(&[(".gatewright.yml", gates)], &[("a", "b")]).step(&[]);
    assert_eq!(step.code, 0, "{step:#?}");
    assert!(step.stdout.contains("PATH=") && !step.stdout.contains("CANARY"), "{}", step.stdout);
}

#[test]
fn a_change_on_gitlab_is_compared_with_the_merge_requests_base() {
    let gates = "image: none\ngates:\n  here: { run: echo it ran, when: { changed: ['src/**'] } }\n  elsewhere: { run: 'false', when: { changed: ['docs/**'] } }\n";
    let step = Runner::merge_request(&[(".gatewright.yml", gates), ("docs/a", "x")], &[("src/a", "b")]).step(&[]);
    assert_eq!(step.code, 0, "{step:#?}");
    assert!(
        step.stdout.contains("it ran") && step.stdout.contains("elsewhere skipped: no changed file matches"),
        "{}",
        step.stdout
    );
}

#[test]
fn what_only_a_job_on_github_can_do_says_so() {
    let step = merge_request().set("INPUT_TOKEN", "x").step(&["publish"]);
    assert_eq!(step.code, 2, "{step:#?}");
    assert!(step.stderr.contains("only a job on GitHub"), "{}", step.stderr);
}
