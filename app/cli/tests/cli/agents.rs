//! `gatewright agent run`, `list`, `show` and `replay`: pipelines on repositories made for them, over the real container engine, with models
//! that follow a script.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use gatewright_core::run::{JournalEntry, NewRun, Run, RunEvent};
use gatewright_core::store::{Acceptance, Blobs, LeaseRequest, Release, Store};
use gatewright_core::{RunId, Timestamp};
use gatewright_store::EmbeddedStore;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::run::{IMAGE, commit, containers, git, json as json_of, tree};
use crate::support::{Bench, Done, forge};

/// What is broken: the sum of two numbers is their difference.
const BROKEN: &str = "#!/bin/sh\necho $(($1 - $2))\n";

/// What it is once it is mended.
pub(crate) const MENDED: &str = "#!/bin/sh\necho $(($1 + $2))\n";

/// The test that says so.
const TEST: &str = "test \"$(sh add.sh 2 3)\" = 5 || { echo \"2 + 3 is not $(sh add.sh 2 3)\"; exit 1; }\n";

/// Two agents and a gate between them: as short as a pipeline can be that shows all.
const SHORT: &str = "\
gates:
  tests: { run: sh test.sh }
agents:
  build: { steps: [coder, verify, quality], tries: 2 }
";

/// Whoever writes code mends the sum, and looks at it.
pub(crate) const MENDS: &str = r#"
conversations:
  - match: ["Write the code"]
    exchanges:
      - expect: { tools: [read, shell, patch, finish] }
        reply: { text: "I look.", calls: [{ tool: read, arguments: { path: add.sh } }, { tool: shell, arguments: { command: sh test.sh } }], usage: { input: 2000, output: 50 } }
      - expect: { last: ["$1 - $2", "It ended with 1."] }
        reply: { calls: [{ tool: patch, arguments: { path: add.sh, old: "$1 - $2", new: "$1 + $2" } }], usage: { input: 2500, output: 60 } }
      - reply: { calls: [{ tool: finish, arguments: { summary: "It adds now.\nSee add.sh.", title: "Add instead of subtract" } }], usage: { input: 2600, output: 40 } }
  - match: []
    exchanges:
      - reply: { calls: [{ tool: finish, arguments: { summary: "Nothing to do." } }], usage: { input: 1000, output: 20 } }
"#;

const MODELS: &str = "\
[[model]]
kind = \"scripted\"
file = \"script.yml\"

[[model.price]]
model = \"*\"
input = 3.0
output = 15.0

[agents]
models = [\"scripted/any\"]
";

/// A repository whose test fails, with these pipelines and this script. Server file and script lie where git does not look.
pub(crate) fn broken(file: &str, script: &str) -> Bench {
    let bench = tree(&format!("image: {IMAGE}\n{file}"));
    bench.write("add.sh", BROKEN);
    bench.write("test.sh", TEST);
    bench.write(".git/models.toml", MODELS);
    bench.write(".git/script.yml", script);
    commit(&bench);
    bench
}

/// Runs a pipeline that is told to add.
pub(crate) fn agents(bench: &Bench, more: &[&str]) -> Done {
    let fixed = ["agent", "run", "--config", ".git/models.toml", "--requirements", "add.sh adds", "--logs", ".git/kept"];
    bench.run(&[&fixed[..], more].concat())
}

pub(crate) fn text(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What was told on the way, without how long models took.
fn steady(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" USD, ") {
        Some((before, time)) if time.ends_with(" ms)") => format!("{before} USD, TIME)"),
        Some(_) | None => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_broken_repository_is_mended_here_and_the_patch_is_applied_when_that_is_asked_for() {
    let bench = broken(SHORT, MENDS);
    let done = agents(&bench, &[]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_snapshot!(done.stdout, @r"
    ── coder
       It adds now.
       See add.sh.

    ── quality
       Nothing to do.

    STAGE  NAME         STATE  TRIES  TURNS  COST        SAYS
    0      coder        done   1      3      0.0235 USD  It adds now.
    1      verify       done   1      0      0.0000 USD
    2      quality      done   1      1      0.0033 USD  Nothing to do.
    3      final check  done   1      0      0.0000 USD

    build: 1 file changed. Passed in a fresh sandbox: tests.
      changed  add.sh
    4 turns, 8270 tokens, 0.0268 USD
    all that was said: .git/kept
    to have it in the working tree: git apply .git/kept/changes.patch
    ");
    assert_snapshot!(steady(&done.stderr), @r"
    build: coder, verify, quality, final check; budget 2.0000 USD, 40 turns, 2000000 tokens, 20 min
    coder: started
    coder: turn 1: read, shell (scripted/any, 0.0067 USD, TIME)
    coder:   read add.sh
    coder:   shell sh test.sh, failed
    coder: turn 2: patch (scripted/any, 0.0084 USD, TIME)
    coder:   patch add.sh
    coder: turn 3: finish (scripted/any, 0.0084 USD, TIME)
    coder: done: It adds now.
    verify: started
    verify: gate tests passed: exit code 0
    verify: done
    quality: started
    quality: turn 1: finish (scripted/any, 0.0033 USD, TIME)
    quality: done: Nothing to do.
    final check: done
    ");
    assert_eq!(text(&bench, "add.sh"), BROKEN, "nothing here changes unless it is asked for");
    assert_eq!(git(bench.folder.path(), &["status", "--porcelain"]), "");
    let patch = text(&bench, ".git/kept/changes.patch");
    assert!(patch.contains("-echo $(($1 - $2))\n+echo $(($1 + $2))"), "{patch}");
    assert!(text(&bench, ".git/kept/1-verify-tests.log").is_empty(), "the gate that passed has said nothing");

    let done = agents(&bench, &["--apply", "--json", "--patch", "mended.patch"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(text(&bench, "add.sh"), MENDED);
    let answer = json_of(&done);
    let said = [
        "conclusion",
        "exit_code",
        "pipeline",
        "turns",
        "tokens",
        "micro_usd",
        "verified",
        "files",
        "message",
        "patch",
        "applied",
    ];
    let said: BTreeMap<&str, &Value> = said.into_iter().map(|key| (key, &answer[key])).collect();
    assert_snapshot!(serde_json::to_string_pretty(&said).expect("it is JSON"), @r#"
    {
      "applied": true,
      "conclusion": "success",
      "exit_code": 0,
      "files": [
        "add.sh"
      ],
      "message": "Add instead of subtract\n\nGatewright-Pipeline: build\n",
      "micro_usd": 26850,
      "patch": "mended.patch",
      "pipeline": "build",
      "tokens": 8270,
      "turns": 4,
      "verified": true
    }
    "#);
    assert_eq!(answer["commit"], git(bench.folder.path(), &["rev-parse", "HEAD"]));
}

#[test]
fn what_is_not_committed_is_worked_on_and_never_written_over() {
    let bench = broken(SHORT, MENDS);
    bench.write("add.sh", &BROKEN.replace("echo", "# mine\necho"));
    let done = agents(&bench, &["--apply"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let why = "not applied: `add.sh` has changes that are not committed, and the result changes the same";
    assert!(done.stdout.contains(why), "{}", done.stdout);
    assert!(text(&bench, "add.sh").contains("# mine\necho $(($1 - $2))"), "it is as it was");
    commit(&bench);
    git(bench.folder.path(), &["apply", ".git/kept/changes.patch"]);
    assert!(text(&bench, "add.sh").contains("# mine\necho $(($1 + $2))"), "the patch fits what was there");
}

#[test]
fn with_committed_agents_do_not_see_what_has_changed_since() {
    let bench = broken(SHORT, MENDS);
    bench.write("note.txt", "mine");
    let done = agents(&bench, &["--committed", "--apply", "--json"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(json_of(&done)["committed"], true);
    assert_eq!((text(&bench, "add.sh").as_str(), text(&bench, "note.txt").as_str()), (MENDED, "mine"));
}

#[test]
fn a_budget_that_ends_says_so_and_what_was_not_proven_is_not_handed_over() {
    let bench = broken(SHORT, MENDS);
    let done = agents(&bench, &["--budget", "turns=2"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("stopped: the budget of turns is used up"), "{}", done.stderr);
    assert!(done.stdout.contains("build: stopped early: the budget of turns is used up; nothing was changed"), "{}", done.stdout);
    let done = agents(&bench, &["--budget", "0.01", "--json"]);
    let answer = json_of(&done);
    assert_eq!(
        (done.code, answer["stopped"].as_str()),
        (Some(1), Some("what is left of the budget of money is less than the next question may cost")),
        "{answer}"
    );
    assert_eq!((&answer["files"], &answer["budget"]["micro_usd"]), (&json!([]), &json!(10_000)));
}

#[test]
fn work_that_gates_do_not_pass_is_not_handed_over() {
    let wrong = MENDS.replace("new: \"$1 + $2\"", "new: \"$1 * $2\"");
    let bench = broken("gates:\n  tests: { run: sh test.sh }\nagents:\n  build: { steps: [coder, verify], tries: 1 }\n", &wrong);
    let done = agents(&bench, &["--apply"]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("verify: gate tests failed"), "{}", done.stderr);
    assert!(done.stdout.contains("stopped early: tests did not pass; nothing was changed"), "{}", done.stdout);
    assert_eq!(text(&bench, "add.sh"), BROKEN);
    assert!(text(&bench, ".git/kept/1-verify-tests.log").contains("2 + 3 is not 6"));
}

#[test]
fn built_in_pipelines_need_not_be_in_the_file() {
    let finishes = "conversations: [{ exchanges: [{ reply: { calls: [{ tool: finish, arguments: { summary: Looked., \
                    findings: [{ path: add.sh, line: 2, severity: error, message: It subtracts. }] } }] } }] }]";
    let bench = broken("gates:\n  tests: { run: sh test.sh }\n", finishes);
    bench.write("add.sh", &BROKEN.replace("echo", "echo  "));
    // Nobody says what is to be done: reviewers know.
    let done = bench.run(&["agent", "run", "--pipeline", "review", "--config", ".git/models.toml"]);
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("add.sh:2: error: It subtracts."), "{}", done.stdout);
    assert!(done.stdout.contains("review: nothing was changed"), "{}", done.stdout);
    let kept = done.stdout.lines().find_map(|line| line.strip_prefix("all that was said: ")).expect("it says where");
    let said = fs::read_to_string(Path::new(kept).join("0-review.json")).expect("it is kept");
    assert!(said.contains("-echo $((") && said.contains("+echo   $(("), "they are shown what has changed: {said}");
}

#[test]
fn what_is_called_wrongly_is_named_before_anything_runs() {
    let bench = broken(SHORT, MENDS);
    let config = ["--config", ".git/models.toml"];
    let says = |more: &[&str]| {
        let done = bench.run(&[&["agent", "run"], more].concat());
        (done.code, done.stderr.lines().next().unwrap_or_default().to_owned())
    };
    let wrong = [
        says(&config),
        says(&[&config[..], &["--requirements", "  \n"]].concat()),
        says(&[&config[..], &["--requirements-file", "nowhere.md"]].concat()),
        says(&[&config[..], &["--requirements", &"x".repeat(16 * 1024 + 1)]].concat()),
        says(&[&config[..], &["--requirements", "x", "--pipeline", "buidl"]].concat()),
        says(&[&config[..], &["--requirements", "x", "--model", "other/model"]].concat()),
        says(&[&config[..], &["--requirements", "x", "--base", "nowhere"]].concat()),
        says(&["--requirements", "x"]),
        says(&["--requirements", "x", "--model", "anthropic/claude"]),
        says(&["--requirements", "x", "--model", "ollama/qwen"]),
        says(&["--requirements", "x", "--config", "nowhere.toml"]),
    ];
    let lines: Vec<String> = wrong.into_iter().map(|(code, line)| format!("{}: {line}", code.unwrap_or(-1))).collect();
    assert_snapshot!(lines.join("\n"), @r"
    2: gatewright: the pipeline `build` has to be told what to build; say it with --requirements TEXT, or in a file with --requirements-file FILE
    2: gatewright: --requirements says nothing: write what is to be done
    2: gatewright: nowhere.md cannot be read: No such file or directory (os error 2)
    2: gatewright: --requirements has 16385 bytes; what is to be done may have 16384
    2: gatewright: there is no pipeline `buidl`; did you mean `build`?
    2: gatewright: the model `other/model` cannot be asked: there is no provider `other` for `other/model`: the server file has only scripted
    2: gatewright: there is no commit `nowhere` here: git knows no such branch, tag or commit; where it is on a server, fetch it first
    2: gatewright: no model is to be asked: there is no gatewright.toml here; name a server file with --config, or a model with --model PROVIDER/NAME, whose key is taken from ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY, PERPLEXITY_API_KEY
    2: gatewright: the model `anthropic/claude` cannot be asked: ANTHROPIC_API_KEY is not set, and there is no gatewright.toml here
    2: gatewright: nobody has said what the model `ollama/qwen` costs, so no limit of money can be kept; give it a `[[model.price]]` in the server file, or leave the limit away with `--budget usd=none`
    2: gatewright: there is no nowhere.toml; name the server file with --config; `docs/configuration.md` shows what it holds
    ");
    let budget = bench.run(&["agent", "run", "--requirements", "x", "--budget", "turns=0"]);
    assert_eq!(
        (budget.code, budget.stderr.contains("`turns` is a whole number from 1 to 500")),
        (Some(2), true),
        "{}",
        budget.stderr
    );
}

#[test]
fn without_an_engine_or_an_answer_it_ends_with_3() {
    let fails = "conversations: [{ exchanges: [{ fails: [{ kind: not-allowed }] }] }]";
    let bench = broken(SHORT, fails);
    let done = agents(&bench, &[]);
    assert_eq!(done.code, Some(3), "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("stopped early: coder: ") && done.stdout.contains("does not let us ask"), "{}", done.stdout);
    let bench = bench.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let done = agents(&bench, &[]);
    assert_eq!(done.code, Some(3), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.contains("the container engine is not reachable"), "{}", done.stderr);
}

#[test]
fn being_told_to_stop_ends_the_agents_and_removes_their_sandboxes() {
    let waits = "conversations: [{ exchanges: [{ reply: { calls: [{ tool: shell, arguments: { command: 'echo begun; sleep 500' } }] } }] }]";
    let bench = broken(SHORT, waits);
    let mut command = bench.command(&[
        "agent",
        "run",
        "--config",
        ".git/models.toml",
        "--requirements",
        "add",
        "--logs",
        ".git/kept",
        "--json",
    ]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().expect("it runs");
    let mut errors = std::io::BufReader::new(child.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.contains("turn 1: shell") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut errors, &mut line).expect("it can be read"), 0, "it ended too early");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("there is kill").success());
    let (mut rest, mut out) = (String::new(), String::new());
    std::io::Read::read_to_string(&mut errors, &mut rest).expect("it can be read");
    std::io::Read::read_to_string(&mut child.stdout.take().expect("it is piped"), &mut out).expect("it can be read");
    assert_eq!(child.wait().expect("it ends").code(), Some(1), "{rest}");
    let answer: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(answer["headline"], "build: stopped by you; nothing is handed over");
    let journal: Vec<JournalEntry> = serde_json::from_str(&text(&bench, ".git/kept/journal.json")).expect("it is kept");
    assert!(matches!(journal.last().map(|entry| &entry.event), Some(RunEvent::Finished { .. })), "{journal:?}");
    assert_eq!(containers("run", answer["run"].as_str().expect("it has an id")), "");
    let replayed = bench.run(&["agent", "replay", &bench.path(".git/kept").display().to_string()]);
    assert_eq!(replayed.code, Some(0), "{}{}", replayed.stdout, replayed.stderr);
    assert!(replayed.stdout.starts_with("replayed 0 turns on "), "what came to nothing is not done again: {}", replayed.stdout);
    assert!(replayed.stdout.contains("the journal ends early (stopped by you)"), "{}", replayed.stdout);
}

/// A clone with a server file beside it whose store has this run, as if the service had driven it.
pub(crate) fn served(bench: &Bench, kept: &str) -> (Bench, RunId) {
    let served = Bench::with_server_file(forge(), "sled:data").env("PATH", &std::env::var("PATH").expect("there is a PATH"));
    let cache = served.path("cache").display().to_string();
    let served = served.env("XDG_CACHE_HOME", &cache);
    let file = text(&served, "gatewright.toml").replace("engine = \"unix:///nowhere/docker.sock\"", "pull = \"never\"");
    served.write("gatewright.toml", &file);
    let journal: Vec<JournalEntry> = serde_json::from_str(&text(bench, &format!("{kept}/journal.json"))).expect("it is kept");
    let said: BTreeMap<String, String> = serde_json::from_str(&text(bench, &format!("{kept}/said.json"))).expect("it is kept");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let id = runtime.block_on(fill(&served.path("data"), &journal, said));
    (served, id)
}

async fn fill(folder: &Path, journal: &[JournalEntry], said: BTreeMap<String, String>) -> RunId {
    let store = EmbeddedStore::open(folder, &Default::default()).expect("the store opens");
    for text in said.into_values() {
        store.put(text.into()).await.expect("there is room");
    }
    let (id, now) = (RunId::new(), Timestamp::now());
    let RunEvent::Created { spec } = &journal[0].event else { panic!("a journal begins so") };
    let run = Some(NewRun { id, spec: (**spec).clone() });
    store.accept(Acceptance { run, ..Acceptance::internal("seeded", now) }).await.expect("it is taken");
    let request = LeaseRequest { worker: "test".to_owned(), now, lease_secs: 60, per_repo_max: 1, attempts_max: 1 };
    let lease = store.lease(&request).await.expect("it answers").expect("it is ready").lease;
    let events: Vec<RunEvent> = journal[1..].iter().map(|entry| entry.event.clone()).collect();
    store.append(&lease, 1, &events, now).await.expect("they can be appended");
    let run = Run::replay(id, journal).expect("the journal is possible");
    if let Some((conclusion, _)) = run.finished {
        store.release(&lease, Release::Finished(conclusion), now).await.expect("it ends");
    }
    id
}

#[test]
fn a_replay_asks_no_model_and_says_that_everything_came_to_the_same() {
    let bench = broken(SHORT, MENDS);
    assert_eq!(agents(&bench, &[]).code, Some(0));
    let (served, id) = served(&bench, ".git/kept");
    let (id, clone) = (id.to_string(), bench.folder.path().display().to_string());
    // A service that has the store open is asked.
    let service = served.serve(&[]);
    let with = served.run(&["agent", "list", "--json"]).stdout;
    let done = served.run(&["agent", "replay", &id, "--checkout", &clone]);
    service.stop();
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let head = git(bench.folder.path(), &["rev-parse", "HEAD"]);
    assert_eq!(done.stdout.replace(&head[..7], "COMMIT"), "replayed 4 turns on COMMIT: everything came to the same\n");
    assert_eq!(text(&bench, "add.sh"), BROKEN, "nothing is written to the clone");

    let list = served.run(&["agent", "list", "--json"]);
    assert_eq!(list.stdout, with);
    let list: Value = serde_json::from_str(&list.stdout).expect("it is JSON");
    let views: Vec<(&Value, &Value, &Value)> =
        list.as_array().into_iter().flatten().map(|view| (&view["run"]["id"], &view["pipeline"], &view["turns"])).collect();
    assert_eq!(views, [(&json!(id), &json!("build"), &json!(4))]);
    for (more, found) in [(&["--state", "open"][..], 0), (&["--state", "finished"][..], 1), (&["--before", &id][..], 0)] {
        let list = served.run(&[&["agent", "list", "--json"], more].concat());
        let list: Value = serde_json::from_str(&list.stdout).expect("it is JSON");
        assert_eq!(list.as_array().map(Vec::len), Some(found), "{more:?}");
    }
    let nobody = served.run(&["agent", "list", "--repo", "acme/none"]);
    assert_eq!((nobody.code, nobody.stderr.contains("no run of a repository `acme/none` is known")), (Some(2), true));
}

#[test]
fn a_replay_names_what_is_other_than_in_the_journal() {
    let bench = broken(SHORT, MENDS);
    assert_eq!(agents(&bench, &[]).code, Some(0));
    // Somebody says that the model has said something else: the file is another one then, and its gate fails.
    let said = text(&bench, ".git/kept/said.json");
    let journal = text(&bench, ".git/kept/journal.json");
    let old: BTreeMap<String, String> = serde_json::from_str(&said).expect("it is JSON");
    let (digest, reply) = old.iter().find(|(_, text)| text.contains("$1 + $2")).expect("the model said so");
    let other = reply.replace("$1 + $2", "$1 * $2");
    let mut new = old.clone();
    let renamed = gatewright_core::BlobId::of(other.as_bytes()).to_string();
    new.insert(renamed.clone(), other);
    bench.write(".git/kept/said.json", &serde_json::to_string(&new).expect("it is JSON"));
    bench.write(".git/kept/journal.json", &journal.replace(digest.as_str(), &renamed));
    let kept = bench.path(".git/kept").display().to_string();
    let done = bench.run(&["agent", "replay", &kept]);
    assert_eq!(done.code, Some(1), "{}{}", done.stdout, done.stderr);
    let head = git(bench.folder.path(), &["rev-parse", "HEAD"]);
    assert_snapshot!(done.stdout.replace(&head[..7], "COMMIT"), @r"
    WHERE            WHAT         IN THE JOURNAL         NOW
    stage 0, turn 2  files                               add.sh
    stage 0, turn 3  files                               add.sh
    stage 0          coder        done                   failed: the journal has no turn 4 of stage 0
    stage 1, look 1  gate tests   passed                 failed: exit code 1
    stage 1          verify       done                   not run
    stage 2, turn 1               there                  not there
    stage 2          quality      done                   not run
    stage 3          final check  done                   not run
    the result       files                               add.sh
    the result       handed over  comment; pull-request  comment

    replayed 3 turns on COMMIT: 10 things are other than in the journal
    ");
}

#[test]
fn what_was_not_committed_and_what_asks_others_cannot_be_replayed_and_it_says_so() {
    let bench = broken(SHORT, MENDS);
    bench.write("note.txt", "not committed");
    assert_eq!(agents(&bench, &["--budget", "turns=1"]).code, Some(1));
    let replayed = bench.run(&["agent", "replay", ".git/kept"]);
    let why = "A run that began with changes that were not committed cannot be replayed";
    assert_eq!((replayed.code, replayed.stderr.contains(why)), (Some(2), true), "{}", replayed.stderr);
    let journal = text(&bench, ".git/kept/journal.json");
    let asks = SHORT.replace("coder,", "{ agent: { name: asks, run: 'true', egress: example.com } },");
    let bench = broken(&asks, MENDS);
    assert_eq!(agents(&bench, &[]).code, Some(1), "an agent that changes nothing");
    assert_ne!(journal, text(&bench, ".git/kept/journal.json"));
    let replayed = bench.run(&["agent", "replay", ".git/kept"]);
    let why = "its stage `asks` is a program with `egress` or `keys`";
    assert_eq!((replayed.code, replayed.stderr.contains(why)), (Some(2), true), "{}", replayed.stderr);
}

#[test]
fn what_cannot_be_replayed_is_named_with_the_reason() {
    let bench = broken(SHORT, MENDS);
    assert_eq!(agents(&bench, &["--budget", "turns=2"]).code, Some(1));
    let (served, id) = served(&bench, ".git/kept");
    let elsewhere = tree("image: none\ngates:\n  one: { run: 'true' }\n");
    let says = |args: &[&str]| {
        let done = served.run(&[&["agent", "replay"], args].concat());
        (done.code, done.stderr)
    };
    let (id, clone) = (id.to_string(), elsewhere.folder.path().display().to_string());
    let (code, words) = says(&[&id, "--checkout", &clone]);
    assert_eq!((code, words.contains("name a clone that has the commit with --checkout")), (Some(2), true), "{words}");
    let (code, words) = says(&["0199e2a4-7c1e-7000-8000-000000000000"]);
    assert_eq!((code, words.contains("there is no run 0199e2a4")), (Some(2), true), "{words}");
    let (code, words) = says(&["nonsense"]);
    assert_eq!((code, words.contains("is no run's id, and no folder")), (Some(2), true), "{words}");
    let seeded = Bench::with_server_file(forge(), "sled:data");
    let releases = crate::seeded::seed(&seeded);
    let done = seeded.run(&["agent", "replay", &releases.release.to_string()]);
    assert_eq!((done.code, done.stderr.contains("it is none of agents")), (Some(2), true), "{}", done.stderr);
    let none = seeded.run(&["agent", "list"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "no runs of agents\n"), "{}", none.stderr);
    // A budget that ended is acted out again like everything else.
    let done = served.run(&["agent", "replay", &id, "--checkout", &bench.folder.path().display().to_string(), "--json"]);
    let answer = json_of(&done);
    assert_eq!((done.code, &answer["same"], &answer["turns"]), (Some(0), &json!(true), &json!(2)), "{answer}");
}
