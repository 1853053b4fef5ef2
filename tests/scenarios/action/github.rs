//! A step of GitHub Actions.

use serde_json::{Value, json};

use crate::runner::{Runner, Step};

const FILE: &str = ".gatewright.yml";

fn gates(text: &str) -> String {
    format!("image: gatewright-sandbox:local\ngates:\n{text}")
}

/// A pull request that changes one file, in a repository with these gates.
fn pull_request(text: &str) -> Runner {
    Runner::pull_request(&[(FILE, &gates(text)), ("src/a.c", "one();\n")], &[("src/a.c", "one();\ntwo();\n")])
}

/// A command that writes a JUnit file with so many failures at lines of a file.
fn failing(count: usize) -> String {
    format!(
        "      i=0; echo '<testsuite>' > junit.xml\n      while [ $i -lt {count} ]; do i=$((i+1)); echo \"<testcase name='t$i' file='src/a.c' line='$i'><failure message='wrong $i'>text</failure></testcase>\" >> junit.xml; done\n      echo '</testsuite>' >> junit.xml\n"
    )
}

fn counts(step: &Step) -> Value {
    serde_json::from_str(step.output("counts")).expect("counts are JSON")
}

#[test]
fn a_pull_request_that_is_well_passes_and_says_so_to_the_runner() {
    let runner = pull_request("  tests: { run: echo fine }\n  docs: { run: 'true', when: { changed: ['docs/**'] } }\n");
    let step = runner.step(&[]);
    assert_eq!((step.code, step.output("verdict")), (0, "passed"), "{step:#?}");
    assert_eq!(counts(&step)["passed"], json!(1));
    assert_eq!(counts(&step)["skipped"], json!(1));
    assert_eq!(step.annotations(), Vec::<String>::new());
    assert!(step.stdout.contains("\nfine\n") && step.stdout.ends_with("Gatewright: 1 gate passed\n"), "{}", step.stdout);
    assert!(step.summary.starts_with("### Gatewright: 1 gate passed\n"), "{}", step.summary);
    assert!(
        step.summary.contains(&format!("Commit {}, compared with {}", &runner.head[..7], &runner.base[..7])),
        "{}",
        step.summary
    );
    assert_eq!(runner.left(step.output("summary")), step.summary);
    let result: Value = serde_json::from_str(&runner.left(step.output("report"))).expect("the result is JSON");
    assert_eq!((&result["verdict"], &result["head"]), (&json!("passed"), &json!(runner.head)));
    assert!(runner.left("gatewright-reports/logs/tests.log").contains("fine"));
}

#[test]
fn a_checkout_of_one_commit_is_compared_with_its_base_all_the_same() {
    let lcov = "SF:src/a.c\\nDA:1,1\\nDA:2,0\\nend_of_record\\n";
    let text = format!(
        "  cover:\n    run: printf '{lcov}' > lcov.info\n    coverage: lcov.info\n    require: {{ changed-lines: 100 }}\n"
    );
    let step = pull_request(&text).step(&[]);
    assert_eq!((step.code, step.output("verdict")), (1, "failed"), "{step:#?}");
    let annotations = step.annotations();
    assert_eq!(annotations.len(), 1, "{annotations:?}");
    assert!(annotations[0].starts_with("::error file=src/a.c,line=2,"), "only the added line is named: {annotations:?}");
}

#[test]
fn of_a_hundred_annotations_ten_are_shown_and_the_others_counted() {
    let runner =
        pull_request(&format!("  tests:\n    run: |\n{}    junit: junit.xml\n  fine: {{ run: 'true' }}\n", failing(100)));
    let step = runner.step(&[]);
    assert_eq!((step.code, step.output("verdict")), (1, "failed"), "{step:#?}");
    assert_eq!(step.annotations().len(), 10);
    assert!(step.annotations().iter().all(|line| line.starts_with("::error file=src/a.c,line=")), "{:?}", step.annotations());
    assert_eq!(counts(&step)["annotations"], json!(100));
    assert!(step.stdout.contains("90 more annotations are not shown"), "{}", step.stdout);
    assert!(step.summary.contains("90 more annotations are not shown"));
}

#[test]
fn no_line_that_a_gate_writes_is_a_command() {
    let hostile = "printf '::add-path::/tmp/evil\\n::error::mine\\n##[add-mask]a\\n::stop-commands::x\\n::x::\\n  ::save-state name=a::b\\n\\r::error::cr\\n::endgroup::\\n::error::no end'";
    let step = pull_request(&format!("  tests:\n    run: |\n      {hostile}\n")).step(&[]);
    assert_eq!(step.code, 0, "{step:#?}");
    assert!(step.stdout.contains("::add-path::/tmp/evil"), "it is shown all the same");
    assert_eq!(step.obeyed(), ["::group::tests", "::endgroup::"]);
}

#[test]
fn a_gate_sees_neither_token_nor_the_runners_files_in_its_environment() {
    let mut runner = pull_request("  look:\n    run: env\n");
    runner.set("INPUT_TOKEN", "CANARY-INPUT").set("GITHUB_TOKEN", "CANARY-GITHUB").set("SECRET", "CANARY-SECRET");
    let step = runner.step(&[]);
    assert_eq!(step.code, 0, "{step:#?}");
    assert!(step.stdout.contains("PATH="), "{}", step.stdout);
    for none in ["CANARY", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY", "ACTIONS_RUNTIME"] {
        assert!(!step.stdout.contains(none), "{none} in {}", step.stdout);
    }
}

#[test]
fn a_huge_summary_fits_and_keeps_the_table() {
    let mut text = String::new();
    for n in 0..60 {
        let command = "      i=0; echo '<testsuite>' > $GATE.xml\n      while [ $i -lt 40 ]; do i=$((i+1)); echo \"<testcase name='t$i'><failure>\" >> $GATE.xml; head -c 6000 /dev/zero | tr '\\\\0' 'x' >> $GATE.xml; echo '</failure></testcase>' >> $GATE.xml; done\n      echo '</testsuite>' >> $GATE.xml\n";
        text.push_str(&format!("  gate-{n}:\n    env: {{ GATE: gate-{n} }}\n    run: |\n{command}    junit: gate-{n}.xml\n"));
    }
    let step = pull_request(&text).step(&[]);
    assert_eq!(step.code, 1, "{}", step.stderr);
    assert!(step.summary.len() <= 1024 * 1024, "{}", step.summary.len());
    for n in 0..60 {
        assert!(step.summary.contains(&format!("| gate-{n} |")), "{n}");
    }
    assert_eq!(step.summary.matches("<details").count(), step.summary.matches("</details>").count());
}

#[test]
fn what_fails_the_step_is_the_workflows_to_say() {
    let code = |text: &str, fail_on: &str| pull_request(text).set("INPUT_FAIL_ON", fail_on).step(&[]).code;
    let (required, advisory) = ("  tests: { run: 'false' }\n", "  tests: { run: 'false', required: false }\n");
    assert_eq!((code(required, "failed"), code(required, "never")), (1, 0));
    assert_eq!((code(advisory, "failed"), code(advisory, "advisory")), (0, 1));
}

#[test]
fn gates_can_be_chosen_and_a_schedule_is_for_all_of_them() {
    let text = "  one: { run: echo one ran }\n  two: { run: echo two ran, when: { changed: ['docs/**'] } }\n";
    let step = pull_request(text).set("INPUT_GATES", "two").step(&[]);
    assert!(step.stdout.contains("two ran") && !step.stdout.contains("one ran"), "{}", step.stdout);
    let mut runner = pull_request(text);
    let merged = runner.merged.clone();
    runner.github("schedule", "refs/heads/main", &merged, &json!({"schedule": "0 4 * * *"}));
    let step = runner.step(&[]);
    assert!(step.stdout.contains("one ran") && step.stdout.contains("two ran"), "{}", step.stdout);
}

#[test]
fn what_a_push_has_found_is_what_a_pull_request_is_compared_with() {
    let lcov = |hits: u8| format!("SF:src/a.c\\nDA:1,1\\nDA:2,{hits}\\nend_of_record\\n");
    let file = |hits: u8| {
        gates(&format!(
            "  cover:\n    run: printf '{}' > lcov.info\n    coverage: lcov.info\n    require: {{ drop-at-most: 1 }}\n",
            lcov(hits)
        ))
    };
    let before = [(FILE, gates("  none: { run: 'true' }\n")), ("src/a.c", "one();\ntwo();\n".to_owned())];
    let before: Vec<(&str, &str)> = before.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut push = Runner::push(&before, &[(FILE, &file(1))]);
    push.set("INPUT_HISTORY", "history");
    let step = push.step(&[]);
    assert_eq!(step.code, 0, "{step:#?}");
    // The same commits make the same base.
    let kept = push.checkout().join("history");
    let commit = std::fs::read_dir(&kept).expect("it is kept").next().expect("of one commit").expect("readable").path();
    assert_eq!(commit.file_name().and_then(|name| name.to_str()), Some(push.head.as_str()));
    let mut pull = Runner::pull_request(&before, &[(FILE, &file(0))]);
    let of_base = pull.checkout().join("history").join(&pull.base);
    std::fs::create_dir_all(&of_base).expect("a folder can be made");
    std::fs::copy(commit.join("cover.json"), of_base.join("cover.json")).expect("it can be copied");
    let step = pull.set("INPUT_HISTORY", "history").step(&[]);
    assert_eq!((step.code, step.output("verdict")), (1, "failed"), "{step:#?}");
    assert!(step.summary.contains("Against the base"), "{}", step.summary);
}

#[test]
fn what_is_wrong_with_the_job_has_exit_codes_of_its_own_and_is_an_annotation() {
    let fine = "  tests: { run: 'true' }\n";
    let step = pull_request(fine).set("INPUT_FAIL_ON", "sometimes").step(&[]);
    assert_eq!((step.code, step.annotations().len()), (2, 1), "{step:#?}");
    assert!(step.stderr.contains("the input `fail-on` is"), "{}", step.stderr);
    let step = pull_request("  tests: { rnu: 'true' }\n").step(&[]);
    assert_eq!(step.code, 2, "{step:#?}");
    assert!(step.annotations()[0].starts_with("::error file=.gatewright.yml,line=3,col="), "{:?}", step.annotations());
    let step = pull_request(fine).set("INPUT_CONFIG", "none.yml").step(&[]);
    assert_eq!((step.code, step.annotations().len()), (2, 1), "{step:#?}");
    let step = pull_request(fine).set("GITHUB_EVENT_PATH", "/nowhere/event.json").step(&[]);
    assert_eq!(step.code, 3, "{step:#?}");
    assert!(step.stderr.contains("there is no event file at /nowhere/event.json"), "{}", step.stderr);
    let step = pull_request(fine).unset("GITHUB_OUTPUT").step(&[]);
    assert_eq!(step.code, 3, "{step:#?}");
    let step = pull_request(fine).unset("GITHUB_ACTIONS").step(&[]);
    assert_eq!(step.code, 2);
    assert!(step.stderr.contains("gatewright run"), "it says what to do on one's own machine: {}", step.stderr);
    let step = pull_request(fine).set("INPUT_BASE", "no-such-branch").step(&[]);
    assert_eq!(step.code, 2, "{step:#?}");
}

#[test]
fn a_base_that_cannot_be_had_is_said_and_the_gates_run() {
    let mut runner = pull_request("  tests: { run: 'true' }\n");
    std::fs::rename(runner.path("origin"), runner.path("gone")).expect("it can be moved");
    let step = runner.set("INPUT_FAIL_ON", "failed").step(&[]);
    assert_eq!(step.code, 0, "{step:#?}");
    assert!(step.annotations()[0].contains("fetch-depth"), "{:?}", step.annotations());
}

#[test]
fn reports_go_nowhere_through_a_link_of_the_checkout() {
    let runner = pull_request("  tests: { run: 'true' }\n");
    std::os::unix::fs::symlink(runner.path("home"), runner.checkout().join("gatewright-reports")).expect("a link can be made");
    let step = runner.step(&[]);
    assert_eq!(step.code, 2, "{step:#?}");
    let mut runner = pull_request("  tests: { run: 'true' }\n");
    for bad in ["../out", "/tmp/out", "."] {
        assert_eq!(runner.set("INPUT_OUTPUT", bad).step(&[]).code, 2, "{bad}");
    }
    assert_eq!(std::fs::read_dir(runner.path("home")).expect("it is there").count(), 0);
}

#[test]
fn the_folder_of_reports_has_nothing_in_it_that_this_job_has_not_written() {
    let runner = pull_request("  tests: { run: 'true' }\n");
    let folder = runner.checkout().join("gatewright-reports");
    assert_eq!(runner.step(&[]).code, 0);
    // As a machine that is not cleaned between jobs has it, and with a link that somebody has put there.
    std::fs::write(folder.join("logs/old.log"), "old").expect("it can be written");
    std::fs::remove_dir_all(folder.join("outputs")).unwrap_or_default();
    std::os::unix::fs::symlink(runner.path("home"), folder.join("outputs")).expect("a link can be made");
    std::fs::write(runner.path("home/kept"), "mine").expect("it can be written");
    assert_eq!(runner.step(&[]).code, 0, "what an earlier run made is made anew");
    assert!(!folder.join("logs/old.log").exists() && !folder.join("outputs").exists());
    assert!(runner.path("home/kept").exists(), "nothing is removed through a link");
    assert_eq!(super::runner::git(&runner.checkout(), &["status", "--porcelain"]), "", "it is no part of a later commit");
}

#[test]
fn a_folder_of_reports_with_files_of_others_is_refused_and_stays_as_it_is() {
    for named in ["gatewright-reports/result.json", "src/a.c"] {
        let mut runner = pull_request("  tests: { run: 'true' }\n");
        let file = runner.checkout().join(named);
        std::fs::create_dir_all(file.parent().expect("it has one")).expect("it can be made");
        std::fs::write(&file, "mine").expect("it can be written");
        let folder = named.split('/').next().expect("it has one");
        let step = runner.set("INPUT_OUTPUT", folder).step(&[]);
        assert_eq!((step.code, step.output("seal")), (2, ""), "{step:#?}");
        assert!(step.stderr.contains("name a folder that is for its reports alone"), "{}", step.stderr);
        assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), Some("mine"));
    }
}

#[test]
fn gates_run_in_containers_where_that_is_asked_for() {
    let mut runner = pull_request("  tests:\n    run: pwd && test ! -e /sys/class/net/eth0 && echo text > left.txt\n");
    let step = runner.set("INPUT_SANDBOX", "docker").step(&[]);
    assert_eq!((step.code, step.output("verdict")), (0, "passed"), "{step:#?}");
    assert!(step.stdout.contains("/workspace"), "{}", step.stdout);
    assert!(!runner.checkout().join("left.txt").exists(), "a container changes nothing in the checkout");
}

#[test]
fn what_a_gate_in_a_container_keeps_is_there_for_the_next_job_in_the_folder_that_the_workflow_names() {
    let text = "  tests:\n    run: cat kept/text || true; mkdir -p kept; echo brought along > kept/text\n    cache: { paths: [kept], key: ['src/a.c'] }\n";
    let mut runner = pull_request(text);
    let caches = runner.path("caches").display().to_string();
    runner.set("INPUT_SANDBOX", "docker").set("INPUT_CACHE", &caches);
    let first = runner.step(&[]);
    assert_eq!(first.code, 0, "{first:#?}");
    assert!(!first.stdout.contains("brought along"), "{}", first.stdout);
    let second = runner.step(&[]);
    assert_eq!(second.code, 0, "{second:#?}");
    assert!(second.stdout.contains("brought along"), "{}", second.stdout);
}
