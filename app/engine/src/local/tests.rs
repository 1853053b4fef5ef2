//! The run without a forge, over a sandbox that only pretends: what is run, in which order, and how it ends.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use gatewright_core::ForgeKind;
use gatewright_core::sandbox::{
    Command, ExecEnd, ExecResult, Folder, OutputSink, Restored, SandboxError, SandboxHandle, SandboxSpec,
};
use gatewright_core::survey::{Survey, SurveyWanted};
use gatewright_core::verdict::ReportFile;

use super::*;

/// Runs `pass`, `fail CODE`, `wait` (until it is stopped) and `no-image`.
#[derive(Default)]
struct Pretend {
    /// What was opened and closed, in that order.
    seen: Mutex<Vec<String>>,
    /// The most that were open at once.
    open: Mutex<(usize, usize)>,
    waits: tokio::sync::Notify,
}

impl Pretend {
    fn see(&self, what: &str, key: &SandboxKey) {
        self.seen.lock().expect("no test panics while it holds this").push(format!("{what} {}", key.gate));
    }
}

#[async_trait]
impl Sandbox for Pretend {
    async fn open(&self, spec: &SandboxSpec) -> Result<SandboxHandle, SandboxError> {
        if spec.image == "no-image" {
            return Err(SandboxError::ImageMissing { image: spec.image.clone(), cause: "gone".to_owned() });
        }
        self.see("open", &spec.key);
        let mut open = self.open.lock().expect("no test panics while it holds this");
        *open = (open.0 + 1, open.1.max(open.0 + 1));
        Ok(SandboxHandle { key: spec.key.clone(), name: String::new(), restored: Restored::Nothing, folder: Folder::Workspace })
    }

    async fn exec(&self, of: &SandboxHandle, command: &Command, output: &dyn OutputSink) -> Result<ExecResult, SandboxError> {
        output.write(format!("runs {}\n", command.script).as_bytes());
        if command.script == "wait" {
            self.waits.notify_one();
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        self.open.lock().expect("no test panics while it holds this").0 -= 1;
        self.see("done", &of.key);
        Ok(ExecResult { end: ExecEnd::Exited(i64::from(command.script == "fail")), disk_full: false })
    }

    async fn read(&self, _: &SandboxHandle, _: &str, _: usize, _: u64) -> Result<Vec<ReportFile>, SandboxError> {
        Ok(Vec::new())
    }

    async fn survey(&self, _: &Source, _: Option<&CommitId>, _: &SurveyWanted) -> Result<Survey, SandboxError> {
        Ok(Survey::default())
    }

    async fn write(&self, _: &SandboxHandle, _: &str, _: Bytes) -> Result<(), SandboxError> {
        Ok(())
    }

    async fn close(&self, key: &SandboxKey) -> Result<(), SandboxError> {
        self.see("close", key);
        Ok(())
    }

    async fn leftovers(&self) -> Result<Vec<SandboxKey>, SandboxError> {
        Ok(Vec::new())
    }

    async fn probe(&self) -> Result<String, SandboxError> {
        Ok("pretended".to_owned())
    }
}

/// What an observer was told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn push(&self, what: String) {
        self.0.lock().expect("no test panics while it holds this").push(what);
    }
}

impl Observer for Told {
    fn started(&self, gate: &GateName) {
        self.push(format!("{gate} started"));
    }

    fn output(&self, gate: &GateName, bytes: &[u8]) {
        self.push(format!("{gate}: {}", String::from_utf8_lossy(bytes).trim()));
    }

    fn over(&self, step: &Step) {
        self.push(format!("{} {:?}", step.gate.name, step.status()));
    }
}

fn local_run(file: &str, sandbox: &Arc<Pretend>) -> LocalRun {
    let commit: CommitId = "a".repeat(40).parse().expect("40 digits");
    let files = ChangedFiles { paths: vec!["src/lib.rs".to_owned()], incomplete: false };
    LocalRun {
        sandbox: Arc::clone(sandbox) as Arc<dyn Sandbox>,
        config: gatewright_core::config::parse(file).expect("the file is valid"),
        change: LocalChange {
            repo: RepoRef { forge: ForgeKind::Github, id: 0, path: "here".to_owned(), installation: None },
            commit,
            lasting: false,
            base: None,
            history: Vec::new(),
            branch: "main".to_owned(),
            event: GateEvent::PullRequest,
            pushed: Pushed::Elsewhere,
            files,
        },
        only: None,
        jobs: 2,
        limits: Limits::default(),
        secrets: Vec::new(),
        scratch: std::env::temp_dir().join(format!("gatewright-local-{}", RunId::new())),
        pasts: None,
    }
}

/// Runs it, and says how it ended and what each gate says.
async fn ran(run: &LocalRun) -> (LocalEnd, BTreeMap<String, VerdictStatus>) {
    let report = run.run(&Told::default(), &CancellationToken::new()).await.expect("the machine takes it");
    std::fs::remove_dir_all(&run.scratch).expect("every gate has left a log");
    let says = |step: &Step| (step.gate.name.to_string(), step.status().expect("every gate is over"));
    (report.end(), report.gates().steps.iter().map(says).collect())
}

const FILE: &str = "\
image: x
gates:
  one: { run: pass }
  two: { run: pass, needs: [one] }
  three: { run: fail, needs: [one] }
  four: { run: pass, needs: [three] }
  five: { run: pass, when: { changed: [docs/**] } }
  six: { run: pass, when: { events: [push] } }
";

#[tokio::test]
async fn gates_run_as_their_needs_allow_and_skip_what_does_not_apply() {
    let sandbox = Arc::new(Pretend::default());
    let (end, says) = ran(&local_run(FILE, &sandbox)).await;
    assert_eq!(end, LocalEnd::NotPassed);
    use VerdictStatus::{Failed, Passed, Skipped};
    let wanted = [("one", Passed), ("two", Passed), ("three", Failed), ("four", Skipped), ("five", Skipped), ("six", Skipped)];
    assert_eq!(says, wanted.map(|(gate, status)| (gate.to_owned(), status)).into());
    let seen = sandbox.seen.lock().expect("nobody holds it").clone();
    let at = |what: &str| seen.iter().position(|seen| seen == what).unwrap_or_else(|| panic!("{what} is not in {seen:?}"));
    assert!(at("done one") < at("open two") && at("done one") < at("open three"), "{seen:?}");
    assert!(seen.contains(&"close two".to_owned()) && seen.contains(&"close three".to_owned()));
}

#[tokio::test]
async fn gates_that_are_named_run_alone_whatever_they_say_of_when() {
    let sandbox = Arc::new(Pretend::default());
    let names = |names: &[&str]| Some(names.iter().map(|name| name.parse().expect("a name")).collect());
    let run = LocalRun { only: names(&["four", "five", "six"]), ..local_run(FILE, &sandbox) };
    let (end, says) = ran(&run).await;
    assert_eq!(end, LocalEnd::Passed);
    assert!(says.values().all(|status| *status == VerdictStatus::Passed) && says.len() == 3, "{says:?}");
}

#[tokio::test]
async fn no_more_run_at_once_than_there_are_jobs() {
    let file = "image: x\ngates:\n  a: { run: pass }\n  b: { run: pass }\n  c: { run: pass }\n  d: { run: pass }\n";
    for jobs in [1, 2, 3] {
        let sandbox = Arc::new(Pretend::default());
        ran(&LocalRun { jobs, ..local_run(file, &sandbox) }).await;
        assert_eq!(sandbox.open.lock().expect("nobody holds it").1, jobs);
    }
}

#[tokio::test]
async fn stopping_ends_what_runs_and_removes_it_and_begins_nothing_more() {
    let file = "image: x\ngates:\n  a: { run: wait }\n  b: { run: pass, needs: [a] }\n";
    let sandbox = Arc::new(Pretend::default());
    let run = local_run(file, &sandbox);
    let stop = CancellationToken::new();
    let told = Told::default();
    let stopping = async {
        sandbox.waits.notified().await;
        stop.cancel();
    };
    let (report, ()) = tokio::join!(run.run(&told, &stop), stopping);
    let report = report.expect("the machine takes it");
    assert_eq!(report.end(), LocalEnd::NotPassed);
    assert!(report.gates().steps.iter().all(|step| step.status() == Some(VerdictStatus::Cancelled)));
    assert_eq!(*sandbox.seen.lock().expect("nobody holds it"), ["open a", "close a"]);
    let told = told.0.lock().expect("nobody holds it").clone();
    assert_eq!(told, ["a started", "a: runs wait", "b Some(Cancelled)", "a Some(Cancelled)"]);
}

#[tokio::test]
async fn what_could_not_be_run_at_all_is_told_from_what_failed() {
    let sandbox = Arc::new(Pretend::default());
    let file = "image: x\ngates:\n  a: { run: pass, image: no-image }\n  b: { run: pass }\n";
    assert_eq!(ran(&local_run(file, &sandbox)).await.0, LocalEnd::NotRun);
    let file = "image: x\ngates:\n  a: { run: pass, image: no-image }\n  b: { run: fail }\n";
    assert_eq!(ran(&local_run(file, &sandbox)).await.0, LocalEnd::NotPassed);
    let file = "image: x\ngates:\n  a: { run: fail, required: false }\n  b: { run: pass }\n";
    assert_eq!(ran(&local_run(file, &sandbox)).await.0, LocalEnd::Passed);
}

#[test]
fn what_was_said_of_commits_goes_from_one_machine_to_another_the_newest_of_it_first() {
    let at = |name: &str| std::env::temp_dir().join(format!("gatewright-{name}-{}", RunId::new()));
    let folders = [at("here"), at("there")];
    let [here, there] = folders.clone().map(Pasts::new);
    let gate: GateName = "tests".parse().expect("a name");
    let commits: Vec<CommitId> = ["a", "b", "c"].iter().map(|digit| digit.repeat(40).parse().expect("a commit")).collect();
    for commit in &commits {
        here.keep(commit, &gate, RunId::new(), b"{}");
    }
    let text = here.hand_over(usize::MAX);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].contains(commits[2].as_str()) && lines[2].contains(commits[0].as_str()), "{text}");
    assert_eq!(here.hand_over(text.len() - 1).lines().count(), 2, "what is too much goes from the oldest on");
    there.take_over(&format!("{}\nno JSON\n{{\"commit\": \"../x\", \"gate\": \"tests\"}}\n{}\n", lines[0], lines[1]));
    let has: Vec<bool> = commits.iter().map(|commit| there.has(commit, &gate)).collect();
    assert_eq!(has, [false, true, true]);
    for folder in folders {
        std::fs::remove_dir_all(folder).expect("it can be removed");
    }
}

#[test]
fn what_was_said_of_a_commit_is_found_again_and_nothing_else_is() {
    let folder = std::env::temp_dir().join(format!("gatewright-pasts-{}", RunId::new()));
    let pasts = Pasts::new(&folder);
    let sandbox = Arc::new(Pretend::default());
    let file = "image: x\ngates:\n  a: { run: x, coverage: x.info, require: { drop-at-most: 1 } }\n  b: { run: x }\n";
    let run = local_run(file, &sandbox);
    let (base, older): (CommitId, CommitId) =
        ("b".repeat(40).parse().expect("a commit"), "c".repeat(40).parse().expect("a commit"));
    let change = LocalChange { base: Some(base.clone()), history: vec![base.clone(), older.clone()], ..run.change.clone() };
    let gate = &run.config.gates[0];
    assert!(pasts.of(&change, gate).base.is_none());
    pasts.keep(&older, &gate.name, RunId::new(), b"{}");
    let known = pasts.of(&change, gate).base.expect("the older one stands in");
    assert_eq!((&known.commit, known.exact), (&older, false));
    pasts.keep(&base, &gate.name, RunId::new(), b"{}");
    let known = pasts.of(&change, gate).base.expect("it is kept");
    assert_eq!((&known.commit, known.exact), (&base, true));
    assert!(pasts.has(&base, &gate.name) && !pasts.has(&base, &run.config.gates[1].name));
    assert!(pasts.of(&change, &run.config.gates[1]).base.is_none(), "it does not compare");
    std::fs::write(folder.join(base.as_str()).join("a.json"), "damaged").expect("it can be written");
    assert_eq!(pasts.of(&change, gate).base.map(|past| past.commit), Some(older));
    std::fs::remove_dir_all(folder).expect("it can be removed");
}
