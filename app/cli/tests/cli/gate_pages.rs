//! What gates leave on their run's page: the files that they keep, and how long their benchmarks have taken.

use std::collections::BTreeMap;
use std::path::Path;

use gatewright_core::config;
use gatewright_core::facts::{BenchmarkFact, BenchmarkFacts, Facts};
use gatewright_core::plan::{Applies, Plan, PlannedGate};
use gatewright_core::report::Conclusion;
use gatewright_core::run::{Cause, GatesSpec, NewRun, Preparation, Prepared, RunEvent, RunSpec, Work};
use gatewright_core::store::{Acceptance, Blobs, LeaseRequest, Release, Store};
use gatewright_core::verdict::{Exit, Output, StepOutcome, Verdict, VerdictStatus};
use gatewright_core::{ForgeKind, RepoRef, RunId, Subject, Timestamp};
use gatewright_store::EmbeddedStore;
use serde_json::{Value, json};

use crate::support::{Bench, forge};

const FILE: &str = "image: x\ngates:\n  speed: { run: make bench, benchmark: out.json, outputs: ['report/*'] }\n";

/// A file whose name and text would do something, were it shown as a page.
const PATH: &str = "report/a b\"><script>.html";
const TEXT: &str = "<script>alert(document.cookie)</script>\n";

/// Puts a run of the gate into the store, in which it has measured so many milliseconds and kept a file.
async fn ran(store: &EmbeddedStore, subject: Subject, commit: char, median: f64) -> RunId {
    let (id, now) = (RunId::new(), Timestamp::now());
    let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: "acme/shop".to_owned(), installation: Some(9) };
    let head = commit.to_string().repeat(40).parse().expect("a commit");
    let spec = GatesSpec::of(head, "main".to_owned(), Cause::Pushed);
    let run = Some(NewRun { id, spec: RunSpec { repo, subject, work: Work::Gates(spec) } });
    store.accept(Acceptance { run, ..Acceptance::internal(&format!("seed/{id}"), now) }).await.expect("it is taken");
    let request = LeaseRequest { worker: "seed".to_owned(), now, lease_secs: 60, per_repo_max: 9, attempts_max: 1 };
    let lease = store.lease(&request).await.expect("it answers").expect("it is ready").lease;
    let fact = BenchmarkFact {
        name: "parse".to_owned(),
        unit: "ms".to_owned(),
        median,
        low: median,
        high: median,
        ..Default::default()
    };
    let facts = Facts { benchmarks: Some(BenchmarkFacts { list: vec![fact] }), ..Facts::default() };
    let facts = store.put(serde_json::to_vec(&facts).expect("it is JSON").into()).await.expect("there is room");
    let kept = store.put(TEXT.into()).await.expect("there is room");
    let outputs = vec![Output { path: PATH.to_owned(), blob: kept, bytes: TEXT.len() as u64 }];
    let verdict = Verdict::plain(VerdictStatus::Passed, "1 benchmark", "");
    let outcome = StepOutcome { facts: Some(facts), outputs, ..StepOutcome::of(Exit::Code { code: 0 }, verdict) };
    let gate = config::parse(FILE).expect("it is valid").gates.remove(0);
    let name = gate.name.clone();
    let outcome_of = Preparation::Planned {
        plan: Plan { gates: vec![PlannedGate { config: gate, applies: Applies::Yes }] },
        carried: BTreeMap::new(),
        head_problems: Vec::new(),
        base_problems: Vec::new(),
        commands: BTreeMap::new(),
        agents_on: Vec::new(),
    };
    let prepared =
        Prepared { pull: None, base: None, compared_with: None, shown: BTreeMap::new(), orders: Vec::new(), outcome: outcome_of };
    let events = [
        RunEvent::Prepared { prepared: Box::new(prepared) },
        RunEvent::StepStarted { gate: name.clone(), attempt: 1 },
        RunEvent::StepFinished { gate: name, outcome: Box::new(outcome) },
        RunEvent::Finished { conclusion: Conclusion::Success },
    ];
    store.append(&lease, 1, &events, now).await.expect("they can be appended");
    store.release(&lease, Release::Finished(Conclusion::Success), now).await.expect("it ends");
    id
}

/// A service in whose store two pushes were measured, and then a pull request; the latter's run.
fn measured() -> (Bench, RunId) {
    let bench = Bench::with_server_file(forge(), "sled:data");
    let fill = async |folder: &Path| {
        let store = EmbeddedStore::open(folder, &Default::default()).expect("the store opens");
        let main = || Subject::Branch { name: "main".to_owned() };
        ran(&store, main(), 'a', 40.0).await;
        ran(&store, main(), 'b', 50.0).await;
        ran(&store, Subject::Branch { name: "other".to_owned() }, 'c', 7000.0).await;
        ran(&store, Subject::Pull { number: 7 }, 'd', 60.0).await
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let id = runtime.block_on(fill(&bench.path("data")));
    (bench, id)
}

#[test]
fn a_runs_page_shows_how_long_a_benchmark_has_taken_on_the_base_branch_and_now() {
    let (bench, id) = measured();
    let service = bench.serve(&[]);
    let page = service.get(&format!("/runs/{id}"));
    service.stop();
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("<h2>Benchmarks of speed</h2>"), "{}", page.body);
    let title = page.body.split("<svg").nth(1).and_then(|svg| svg.split("<title>").nth(1)?.split("</title>").next());
    assert_eq!(title, Some("3 runs, from 40 ms to 60 ms; between 40 ms and 60 ms"), "oldest first, and no other branch's");
}

#[test]
fn a_file_that_a_gate_has_kept_is_saved_by_browsers_and_never_shown_as_a_page_of_the_service() {
    let (bench, id) = measured();
    let service = bench.serve(&[]);
    let page = service.get(&format!("/runs/{id}")).body;
    let link = page.split("<a href=\"").find_map(|rest| rest.split('"').next().filter(|link| link.contains("/outputs/")));
    let link = link.unwrap_or_else(|| panic!("{page}"));
    assert!(!page.contains("<script>"), "{page}");
    let file = service.get(link);
    assert_eq!((file.status, file.body.as_str()), (200, TEXT));
    for header in [
        "content-type: application/octet-stream",
        "content-disposition: attachment",
        "content-security-policy: sandbox; default-src 'none'",
        "x-content-type-options: nosniff",
    ] {
        assert!(file.head.lines().any(|line| line == header), "{header} in {}", file.head);
    }
    for none in [format!("/runs/{id}/outputs/speed/report/other"), format!("/runs/{id}/outputs/lint/report/a")] {
        assert_eq!(service.get(&none).status, 404, "{none}");
    }
    service.stop();
}

#[test]
fn files_that_gates_have_kept_are_listed_and_printed_with_and_without_a_running_service() {
    let (bench, id) = measured();
    let id = id.to_string();
    let asked = |bench: &Bench| {
        let list = bench.run(&["runs", "outputs", &id, "--json"]);
        let list: Value = serde_json::from_str(&list.stdout).unwrap_or_else(|_| panic!("{}{}", list.stdout, list.stderr));
        assert_eq!(list, json!([{ "gate": "speed", "path": PATH, "bytes": TEXT.len() }]));
        let file = bench.run(&["runs", "outputs", &id, "speed", PATH]);
        assert_eq!((file.code, file.stdout.as_str()), (Some(0), TEXT), "{}", file.stderr);
        let table = bench.run(&["runs", "outputs", &id]).stdout;
        assert!(table.contains("speed") && table.contains("report/a b"), "{table}");
        let none = bench.run(&["runs", "outputs", &id, "speed", "report/other"]);
        assert_eq!((none.code, none.stdout.as_str()), (Some(2), ""));
        assert!(none.stderr.contains("has kept no file report/other"), "{}", none.stderr);
    };
    let service = bench.serve(&[]);
    asked(&bench);
    service.stop();
    asked(&bench);
}
