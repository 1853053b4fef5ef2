//! In which order the parts of a forge's release are shown.

use super::*;
use crate::config::{Notes, Releases, Signed};
use crate::ids::BlobId;
use crate::report::{Latest, ReportKey};
use crate::rollout::Release;

const ASSET: &str = "app.tar.gz";

/// A release that is planned: one artefact, no environment.
fn planned(forge: ForgeKind) -> Run {
    let repo = RepoRef { forge, id: 1, path: "octo/app".to_owned(), installation: Some(1) };
    let (tag, commit, by) = ("v1.0.0".to_owned(), None, None);
    let work = Work::Release(ReleaseSpec { tag: tag.clone(), commit, by, only: None, commanded: None });
    let spec = Box::new(RunSpec { repo, subject: Subject::Release { tag: tag.clone() }, work });
    let mut run =
        Run::replay(RunId::new(), &[JournalEntry { seq: 0, at: now(0), event: RunEvent::Created { spec } }]).expect("created");
    let config = Releases {
        tags: vec!["v*".to_owned()],
        require: Vec::new(),
        notes: Notes::Conventional,
        signed: Signed::Nothing,
        artefacts: Vec::new(),
        changelog: None,
        line: 1,
    };
    let release = Release { tag, version: "1.0.0".to_owned(), commit: head(), run: None, pull: None, authors: Vec::new() };
    let (branch, latest) = ("main".to_owned(), Latest::Yes);
    let valid = Valid { release, prerelease: false, branch, previous: None, config, environments: Vec::new(), latest };
    let blob = BlobId::of(b"x");
    let artefacts = vec![Artefact { name: ASSET.parse().expect("valid"), blob, bytes: 1 }];
    for event in [
        ReleaseEvent::Validated { valid: Box::new(valid) },
        ReleaseEvent::Gates { state: GatesState::Passed { run: None } },
        ReleaseEvent::Planned { environments: Vec::new(), notes: "notes".to_owned(), artefacts },
    ] {
        apply(&mut run, RunEvent::Release { event: Box::new(event) });
    }
    run
}

fn apply(run: &mut Run, event: RunEvent) {
    run.apply(now(1), &event).expect("it can follow");
}

/// What is published next, and what else is done.
fn next(run: &Run) -> (Vec<String>, bool) {
    let Next::Perform { actions, .. } = run.next(now(2)) else { return (Vec::new(), false) };
    let drafts = actions.iter().any(|action| matches!(action, Action::Release(ReleaseAction::Draft)));
    let keys = actions.into_iter().filter_map(|action| match action {
        Action::Publish { key, .. } => Some(String::from(key)),
        _ => None,
    });
    (keys.collect(), drafts)
}

fn begin(run: &mut Run, key: ReportKey) {
    apply(run, RunEvent::PublishBegun { key });
}

fn digest_of(run: &Run, key: &ReportKey) -> String {
    run.wanted().into_iter().find(|(wanted, _)| wanted == key).expect("it is wanted").1
}

fn show(run: &mut Run, key: ReportKey) {
    let digest = digest_of(run, &key);
    begin(run, key.clone());
    apply(run, RunEvent::Published { key, digest, id: 0 });
}

fn refuse(run: &mut Run, key: ReportKey) {
    let digest = digest_of(run, &key);
    begin(run, key.clone());
    apply(run, RunEvent::PublishRefused { key, digest, cause: "no".to_owned() });
}

fn asset() -> ReportKey {
    ReportKey::Asset(ASSET.parse().expect("valid"))
}

#[test]
fn artefacts_go_into_a_draft_that_is_there_and_the_draft_comes_out_full() {
    let mut run = planned(ForgeKind::Github);
    assert_eq!(next(&run), (vec!["release".to_owned()], false));
    begin(&mut run, ReportKey::Release);
    assert_eq!(next(&run), (vec!["release".to_owned()], false), "it is under way, and there is nothing to put into yet");
    show(&mut run, ReportKey::Release);
    assert_eq!(next(&run), (vec![format!("asset:{ASSET}")], false));
    show(&mut run, asset());
    assert_eq!(next(&run), (Vec::new(), true));
    apply(&mut run, RunEvent::Release { event: Box::new(ReleaseEvent::Drafted) });
    assert_eq!(next(&run).0, ["release"], "now for everybody");
    show(&mut run, ReportKey::Release);
    assert!(next(&run).0.is_empty());
}

#[test]
fn where_there_are_no_drafts_artefacts_follow_what_was_published() {
    let mut run = planned(ForgeKind::Gitlab);
    show(&mut run, ReportKey::Release);
    assert_eq!(next(&run), (Vec::new(), true), "nothing of it is there");
    apply(&mut run, RunEvent::Release { event: Box::new(ReleaseEvent::Drafted) });
    assert_eq!(next(&run).0, ["release"]);
    begin(&mut run, ReportKey::Release);
    assert_eq!(next(&run).0, ["release"]);
    show(&mut run, ReportKey::Release);
    assert_eq!(next(&run).0, [format!("asset:{ASSET}")]);
    show(&mut run, asset());
    assert!(next(&run).0.is_empty());
}

#[test]
fn a_release_that_the_forge_refuses_holds_up_nothing_and_takes_no_artefacts() {
    for forge in [ForgeKind::Github, ForgeKind::Gitlab] {
        let mut run = planned(forge);
        refuse(&mut run, ReportKey::Release);
        assert_eq!(next(&run), (Vec::new(), true), "{forge}");
    }
}
