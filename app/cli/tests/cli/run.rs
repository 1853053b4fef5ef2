//! `gatewright run` on repositories made for it, with the real container engine and without one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Bench, Done};

/// Built by `tests/setup/image.sh`.
pub(crate) const IMAGE: &str = "gatewright-sandbox:local";

/// Where runs keep what they keep: gone with the repository, and nothing that git would take up.
const CACHE: &str = ".git/cache-of-the-test";

/// A repository in which one commit has this file.
pub(crate) fn tree(file: &str) -> Bench {
    let path = std::env::var("PATH").expect("there is a PATH");
    let bench = Bench::new();
    let cache = bench.path(CACHE).display().to_string();
    let bench = bench.env("PATH", &path).env("XDG_CACHE_HOME", &cache).env("GIT_CONFIG_GLOBAL", "/dev/null");
    git(bench.folder.path(), &["init", "--quiet", "--initial-branch=main"]);
    bench.write(".gatewright.yml", file);
    bench.write(".gitignore", "ignored.txt\n");
    bench.write("a.txt", "1\n");
    commit(&bench);
    bench
}

pub(crate) fn commit(bench: &Bench) -> String {
    git(bench.folder.path(), &["add", "--all"]);
    git(bench.folder.path(), &["commit", "--quiet", "-m", "a commit"]);
    git(bench.folder.path(), &["rev-parse", "HEAD"])
}

pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(args);
    let done = git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("there is git");
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

pub(crate) fn json(done: &Done) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|e| panic!("{e}: {} {}", done.stdout, done.stderr))
}

/// The gates of an answer, with what they say.
fn says(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    answer["gates"].as_array().into_iter().flatten().map(|gate| (text(&gate["name"]), text(&gate["status"]))).collect()
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn gates_that_pass_end_with_0_and_a_table() {
    let bench =
        tree(&format!("image: {IMAGE}\ngates:\n  one: {{ run: grep 1 a.txt }}\n  two: {{ run: 'true', needs: [one] }}\n"));
    let done = bench.run(&["run"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let lines: Vec<Vec<&str>> = done.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["VERDICT", "GATE", "CHANGE", "TIME", "WHAT"], "{}", done.stdout);
    assert_eq!(lines[1][..2], ["passed", "one"], "{}", done.stdout);
    assert_eq!(lines[2][..2], ["passed", "two"], "{}", done.stdout);
    assert!(done.stderr.contains("one: started\n") && done.stderr.contains("two: passed"), "{}", done.stderr);
    assert!(done.stdout.contains("compared with") && done.stdout.contains("logs: "), "{}", done.stdout);
    assert!(!done.stdout.contains('\u{1b}'), "nobody watches, so there is no colour");
}

#[test]
fn a_gate_that_fails_ends_with_1_and_shows_the_end_of_its_log_and_the_places() {
    let junit = "<testsuite name='s'><testcase name='t' classname='c' file='a.txt' line='1'><failure message='broken'/></testcase></testsuite>";
    let file = format!(
        "image: {IMAGE}\ngates:\n  bad:\n    run: |\n      echo said before it failed\n      echo \"{junit}\" > r.xml\n      exit 3\n    \
         junit: r.xml\n  after: {{ run: 'true', needs: [bad] }}\n  advice: {{ run: 'false', required: false }}\n"
    );
    let bench = tree(&file);
    let done = bench.run(&["run"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("   said before it failed\n"), "{}", done.stdout);
    assert!(done.stdout.contains("a.txt:1: error: "), "{}", done.stdout);
    assert!(done.stdout.contains("it needs `bad`, which did not pass"), "{}", done.stdout);
    assert!(done.stdout.contains("advice (advisory)"), "{}", done.stdout);
    let logs = done.stdout.lines().find_map(|line| line.strip_prefix("logs: ")).expect("the folder is named");
    assert!(fs::read_to_string(Path::new(logs).join("bad.log")).expect("the log is kept").contains("said before"));
}

#[test]
fn what_cannot_be_judged_and_which_rules_are_broken_is_said_where_the_gate_is() {
    let bench = tree(
        "image: unused\ngates:\n  report: { run: \"echo '<testsuite><testcase time=\\\"-5\\\"/></testsuite>' > r.xml\", junit: r.xml }\n  \
         policy: { require: { touched: docs/** } }\n",
    );
    git(bench.folder.path(), &["checkout", "--quiet", "-b", "change"]);
    bench.write("b.txt", "");
    let done = bench.run(&["run", "--sandbox", "host"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let said = "   The report `r.xml:1:12` cannot be read: `<testcase> has time=\"-5\", which cannot be`\n";
    assert!(done.stdout.contains(said), "{}", done.stdout);
    let said = "── policy failed: the one changed file matches none of `docs/**`\n   | rule | | |\n   | `touched` | ❌ | ";
    assert!(done.stdout.contains(said), "{}", done.stdout);
}

#[test]
fn what_is_on_the_disk_is_checked_and_what_is_ignored_is_not() {
    let bench = tree(&format!("image: {IMAGE}\ngates:\n  list: {{ run: 'ls; cat a.txt' }}\n"));
    bench.write("a.txt", "2\n");
    bench.write("untracked.txt", "x");
    bench.write("ignored.txt", "x");
    let before = everything(bench.folder.path());
    let done = bench.run(&["run", "--json"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let answer = json(&done);
    assert_eq!(answer["committed"], false);
    let log = fs::read_to_string(answer["gates"][0]["log"].as_str().expect("there is a log")).expect("it can be read");
    assert_eq!(log, "a.txt\nuntracked.txt\n2\n");
    let committed = json(&bench.run(&["run", "--json", "--committed"]));
    assert_eq!(committed["committed"], true);
    let log = fs::read_to_string(committed["gates"][0]["log"].as_str().expect("there is a log")).expect("it can be read");
    assert_eq!(log, "a.txt\n1\n");
    assert!(before == everything(bench.folder.path()), "nothing of the user's has changed");
}

fn everything(folder: &Path) -> BTreeSet<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("it is there").path());
    let all = entries.filter(|path| !path.ends_with(CACHE)).flat_map(|path| match path.is_dir() {
        true => everything(&path),
        false => BTreeSet::from([(path.display().to_string(), fs::read(&path).expect("the file can be read"))]),
    });
    all.collect()
}

#[test]
fn gates_apply_by_what_has_changed_against_the_base_and_named_ones_run_anyway() {
    let file = format!(
        "image: {IMAGE}\ngates:\n  docs: {{ run: 'true', when: {{ changed: [docs/**] }} }}\n  code: {{ run: 'true', when: {{ changed: [src/**] }} }}\n  \
         pushed: {{ run: 'true', when: {{ events: [push] }} }}\n"
    );
    let bench = tree(&file);
    git(bench.folder.path(), &["switch", "--quiet", "-c", "topic"]);
    fs::create_dir(bench.path("src")).expect("a folder can be made");
    bench.write("src/lib.rs", "");
    let head = commit(&bench);
    let answer = json(&bench.run(&["run", "--json"]));
    assert_eq!(says(&answer), pairs(&[("docs", "skipped"), ("code", "passed"), ("pushed", "skipped")]));
    assert_eq!((answer["commit"].as_str(), answer["base"]["name"].as_str()), (Some(head.as_str()), Some("main")));
    assert_eq!(answer["gates"][0]["title"], "no changed file matches `docs/**`");
    let against_itself = json(&bench.run(&["run", "--json", "--base", "topic"]));
    assert_eq!(says(&against_itself), pairs(&[("docs", "skipped"), ("code", "skipped"), ("pushed", "skipped")]));
    let named = json(&bench.run(&["run", "--json", "docs", "pushed"]));
    assert_eq!(says(&named), pairs(&[("docs", "passed"), ("pushed", "passed")]));
}

#[test]
fn what_is_called_wrong_ends_with_2_and_says_what_is() {
    let bench = tree("image: x\ngates:\n  tests: { rnu: 'true' }\n");
    let done = bench.run(&["run"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains(".gatewright.yml:3:12: unknown key `rnu`; did you mean `run`?"), "{}", done.stderr);
    bench.write(".gatewright.yml", "image: x\ngates:\n  tests: { run: 'true' }\n");
    let unknown = bench.run(&["run", "test"]);
    assert_eq!((unknown.code, unknown.stderr.contains("did you mean `tests`?")), (Some(2), true), "{}", unknown.stderr);
    let nowhere = bench.run(&["run", "--base", "nowhere"]);
    assert_eq!((nowhere.code, nowhere.stderr.contains("no commit `nowhere`")), (Some(2), true), "{}", nowhere.stderr);
    fs::remove_file(bench.path(".gatewright.yml")).expect("it is there");
    let none = bench.run(&["run"]);
    assert_eq!((none.code, none.stderr.contains("`gatewright init` writes a first one")), (Some(2), true), "{}", none.stderr);
    let outside = Bench::new().env("PATH", &std::env::var("PATH").expect("there is a PATH"));
    let no_tree = outside.run(&["run"]);
    assert_eq!((no_tree.code, no_tree.stderr.contains("is in no working tree of git")), (Some(2), true), "{}", no_tree.stderr);
}

#[test]
fn without_an_engine_or_an_image_it_ends_with_3() {
    let file = format!("image: {IMAGE}\ngates:\n  one: {{ run: 'true' }}\n");
    let bench = tree(&file).env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let done = bench.run(&["run"]);
    assert_eq!(done.code, Some(3), "{}{}", done.stdout, done.stderr);
    assert!(
        done.stderr.contains("the container engine is not reachable") && done.stderr.contains("--sandbox host"),
        "{}",
        done.stderr
    );
    let done = tree(&file).run(&["run", "--image", "gatewright-no-such-image:local", "--pull", "never"]);
    assert_eq!(done.code, Some(3), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("could not be judged"), "{}", done.stdout);
}

#[test]
fn the_machine_itself_runs_gates_where_it_is_asked_to() {
    let bench = tree("image: none\ngates:\n  one: { run: 'cat a.txt > made.txt; env', env: { OWN: the-files } }\n")
        .env("SECRET_TOKEN", "CANARY")
        .env("PASSED", "on");
    let done = bench.run(&["run", "--sandbox", "host", "--json", "--env", "PASSED", "--env", "OWN=x"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(!bench.path("made.txt").exists(), "it ran in a copy");
    let log = fs::read_to_string(json(&done)["gates"][0]["log"].as_str().expect("there is a log")).expect("it can be read");
    assert!(log.contains("PASSED=on\n") && log.contains("OWN=x\n") && !log.contains("CANARY"), "{log}");
    assert_eq!(bench.run(&["run", "--sandbox", "in-place"]).code, Some(0));
    assert_eq!(fs::read_to_string(bench.path("made.txt")).expect("it ran in the tree itself"), "1\n");
}

#[test]
fn a_call_that_makes_no_sense_is_refused_before_anything_runs() {
    let bench = tree("image: none\ngates:\n  one: { run: 'touch ran' }\n");
    for (call, cause) in [
        (&["--committed", "--sandbox", "in-place"][..], "--committed does not go with --sandbox in-place"),
        (&["--output", "x"][..], "--output does not say what is to be written"),
        (&["--json", "--output", "nowhere/x"][..], "--output: nowhere/x cannot be written"),
        (&["--json", "--output", "."][..], "--output: . cannot be written"),
        (&["--logs", "a.txt"][..], "--logs: a.txt cannot be written into"),
        (&["--image", ""][..], "the name of an image is not empty"),
    ] {
        let done = bench.run(&[&["run"], call].concat());
        assert_eq!(done.code, Some(2), "{call:?}: {}{}", done.stdout, done.stderr);
        assert!(done.stderr.contains(cause), "{call:?}: {}", done.stderr);
        assert!(!bench.path("ran").exists(), "{call:?}");
    }
}

#[test]
fn a_required_gate_that_an_advisory_one_keeps_from_running_does_not_pass() {
    let bench = tree("image: none\ngates:\n  a: { run: 'false', required: false }\n  b: { run: 'true', needs: [a] }\n");
    let done = bench.run(&["run", "--sandbox", "host"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("it needs `a`, which did not pass"), "{}", done.stdout);
}

/// An LCOV report of a file of ten lines, so many of which are run.
fn lcov(run: usize) -> String {
    let lines: String = (1..=10).map(|line| format!("DA:{line},{}\\n", usize::from(line <= run))).collect();
    format!("printf 'SF:a.txt\\n{lines}end_of_record\\n' > x.info")
}

#[test]
fn a_later_run_compares_with_what_was_said_of_the_base() {
    let file = |run| {
        let command = lcov(run);
        format!("image: none\ngates:\n  cover:\n    run: {command}\n    coverage: x.info\n    require: {{ drop-at-most: 1 }}\n")
    };
    let bench = tree(&file(9));
    let arguments = ["run", "--sandbox", "host", "--json"];
    assert_eq!(bench.run(&arguments).code, Some(0));
    // What is checked is the file that is there, so now less is run than at the commit before.
    bench.write(".gatewright.yml", &file(5));
    let done = bench.run(&arguments);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let gate = &json(&done)["gates"][0];
    assert!(gate["change"].as_str().is_some_and(|change| change.contains("40")), "{gate}");
}

/// What runs the first five lines, what runs the last five, and the two together.
fn halves(require: &str) -> String {
    let half = |command: &str| format!("{{ run: {command:?}, coverage: x.info }}");
    let (first, last) = (lcov(5), lcov(5).replace(",1", ",x").replace(",0", ",1").replace(",x", ",0"));
    let together = format!("needs: [first, last], coverage: {{ of: [first, last] }}, require: {{ {require} }}");
    format!("image: none\ngates:\n  first: {}\n  last: {}\n  both: {{ {together} }}\n", half(&first), half(&last))
}

#[test]
fn what_two_gates_cover_counts_together() {
    let bench = tree(&halves("lines: 100"));
    let arguments = ["run", "--sandbox", "host", "--json"];
    let done = bench.run(&arguments);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let titles = |done: &Done| -> Vec<String> {
        let gates = json(done)["gates"].as_array().cloned().unwrap_or_default();
        gates.iter().map(|gate| gate["title"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let half = "50 % (5 of 10) of lines";
    assert_eq!(titles(&done), [half, half, "100 % (10 of 10) of lines"]);
    // Named alone, it brings along what it counts.
    let alone = bench.run(&["run", "--sandbox", "host", "--json", "both"]);
    assert_eq!((alone.code, titles(&alone).len()), (Some(0), 3), "{}{}", alone.stdout, alone.stderr);
    // And so it does on the base.
    bench.write(".gatewright.yml", &halves("drop-at-most: 1"));
    commit(&bench);
    bench.write(".gatewright.yml", &halves("drop-at-most: 1").replacen("DA:1,1", "DA:1,0", 1));
    let measured = bench.run(&["run", "--sandbox", "host", "--json", "--measure-base"]);
    assert_eq!(titles(&measured).len(), 3, "{}{}", measured.stdout, measured.stderr);
}

#[test]
fn a_base_of_which_nothing_is_known_is_measured_when_that_is_asked_for() {
    let command = "n=$(cat a.txt); for i in 1 2 3 4; do [ $i -le $n ] && echo DA:$i,1 || echo DA:$i,0; done > lines; \
                   { echo SF:a.txt; cat lines; echo end_of_record; } > x.info";
    let file = format!(
        "image: none\ngates:\n  cover:\n    run: '{command}'\n    coverage: x.info\n    require: {{ drop-at-most: 1 }}\n"
    );
    let bench = tree(&file);
    bench.write("a.txt", "3\n");
    commit(&bench);
    bench.write("a.txt", "2\n");
    let unmeasured = bench.run(&["run", "--sandbox", "host"]);
    assert!(unmeasured.stdout.contains("--measure-base runs it there first"), "{}", unmeasured.stdout);
    let done = bench.run(&["run", "--sandbox", "host", "--json", "--measure-base"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(json(&done)["gates"][0]["change"].as_str().is_some_and(|change| change.contains("25")), "{}", done.stdout);
}

#[test]
fn reports_say_what_the_forge_would_show() {
    let bench = tree(
        "image: none\ngates:\n  good: { run: 'echo x > kept.txt', outputs: kept.txt }\n  bad: { run: 'echo \"<script>x</script>\"; false' }\n",
    );
    let markdown = bench.run(&["run", "--sandbox", "host", "--report", "markdown"]);
    assert_eq!(markdown.code, Some(1));
    assert!(markdown.stdout.contains("## bad") && markdown.stdout.contains("| "), "{}", markdown.stdout);
    let has_what = markdown.stdout.lines().any(|line| line.starts_with("<sub>") && line.ends_with(" (main)</sub>"));
    assert!(markdown.stdout.starts_with("# Gatewright: ") && has_what, "{}", markdown.stdout);
    assert!(markdown.stdout.contains("Kept: ") && !markdown.stdout.contains("run's page"), "{}", markdown.stdout);
    assert!(!markdown.stdout.contains("by the repository file at"), "it is of no commit: {}", markdown.stdout);
    let html = bench.run(&["run", "--sandbox", "host", "--report", "html", "--output", "report.html"]);
    assert_eq!(html.code, Some(1));
    assert!(html.stdout.starts_with("VERDICT"), "the table is shown beside it: {}", html.stdout);
    let page = fs::read_to_string(bench.path("report.html")).expect("it is written");
    assert!(page.starts_with("<!doctype html>") && page.contains("<h2>bad</h2>") && page.contains("<table>"), "{page}");
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
}

#[test]
fn a_hooks_variables_do_not_lead_to_another_repository() {
    let elsewhere = tree("image: none\ngates:\n  wrong: { run: 'true' }\n");
    let git_dir = elsewhere.path(".git").display().to_string();
    let index = elsewhere.path(".git/index").display().to_string();
    let bench =
        tree("image: none\ngates:\n  right: { run: 'cat a.txt' }\n").env("GIT_DIR", &git_dir).env("GIT_INDEX_FILE", &index);
    bench.write("a.txt", "mine\n");
    let done = bench.run(&["run", "--sandbox", "host", "--json"]);
    assert_eq!(says(&json(&done)), pairs(&[("right", "passed")]));
    let log = fs::read_to_string(json(&done)["gates"][0]["log"].as_str().expect("there is a log")).expect("it can be read");
    assert_eq!(log, "mine\n");
}

#[test]
fn being_told_to_stop_ends_the_gates_and_removes_their_containers() {
    let name = format!("long-{}", std::process::id());
    let bench = tree(&format!("image: {IMAGE}\ngates:\n  {name}: {{ run: 'echo begun; sleep 600' }}\n"));
    let mut command = bench.command(&["run"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("it runs");
    let mut errors = std::io::BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains(&format!("{name}: started")) {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut errors, &mut line).expect("it can be read"), 0, "it ended too early");
    }
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("there is kill");
    assert!(told.success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut errors, &mut rest).expect("it can be read");
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(1), "{rest}");
    assert!(rest.contains(&format!("{name}: stopped")), "{rest}");
    assert_eq!(containers("gate", &name), "");
}

#[test]
fn what_a_run_leaves_that_was_killed_is_removed_by_the_next_one() {
    let name = format!("killed-{}", std::process::id());
    let bench =
        tree(&format!("image: {IMAGE}\ngates:\n  {name}: {{ run: 'echo begun; sleep 600' }}\n  other: {{ run: 'true' }}\n"));
    let mut child = bench.command(&["run", &name]).spawn().expect("it runs");
    while containers("gate", &name).is_empty() {
        assert_eq!(child.try_wait().expect("it can be asked"), None, "it ended too early");
    }
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    assert_ne!(containers("gate", &name), "", "nobody was there to remove it");
    assert_eq!(bench.run(&["run", "other"]).code, Some(0));
    assert_eq!(containers("gate", &name), "");
    assert_eq!(fs::read_dir(running(&bench)).expect("it is there").count(), 0);
}

/// The containers of a gate, or of whatever else their labels name.
pub(crate) fn containers(label: &str, value: &str) -> String {
    let filter = format!("label=dev.gatewright.{label}={value}");
    let found = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &filter]).output();
    String::from_utf8_lossy(&found.expect("there is a docker client").stdout).into_owned()
}

/// Where runs say that they are under way.
fn running(bench: &Bench) -> std::path::PathBuf {
    let cache = bench.path(CACHE).join("gatewright");
    let of_repository = fs::read_dir(cache).expect("there is a cache").next().expect("of one repository");
    of_repository.expect("it can be read").path().join("running")
}
