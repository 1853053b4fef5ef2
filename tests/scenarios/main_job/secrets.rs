//! No secret is anywhere but where it belongs.

use super::{REPO, Scene};
use gatewright_core::run::{Run, StepState};
use gatewright_core::store::{Blobs, Store};
use gatewright_tests::service::WEBHOOK_SECRET;

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_reaches_a_sandbox_a_log_a_journal_or_the_disk() {
    // The gate looks everywhere it can, and prints what it finds; it also prints a token of its own making.
    let file = "image: gatewright-sandbox:local\ngates:\n  nosy:\n    run: env; cat /proc/self/environ; cat .git/config; grep -r . /workspace | head -50; echo gh''s_0123456789abcdefghijABCDEFGHIJ456789\n";
    let scene = Scene::with_file(file).await;
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let mut written = String::new();
    for record in scene.service.runs().await {
        let (_, journal) = scene.service.store.journal(record.id).await.expect("it is there");
        written.push_str(&serde_json::to_string(&journal).expect("plain data"));
        let run = Run::replay(record.id, &journal).expect("it is whole");
        for step in &run.gates().expect("it runs gates").steps {
            if let StepState::Done { outcome, .. } = &step.state {
                let log = outcome.log.as_ref().expect("a log was stored");
                let bytes = scene.service.store.get(&log.blob).await.expect("it can be read").expect("it is there");
                written.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
    }
    assert!(written.contains("CI=true"), "the gate's log is among what is searched");
    for check in scene.github.check_runs(REPO, &head).values() {
        written.push_str(&format!("{check:?}"));
    }
    for comment in scene.github.comments(REPO, number) {
        written.push_str(&comment.body);
    }
    let key_line = scene
        .setting
        .github
        .as_ref()
        .expect("it serves one")
        .private_key
        .lines()
        .nth(2)
        .expect("a key has several lines")
        .to_owned();
    assert!(!written.contains(WEBHOOK_SECRET), "the webhook's secret");
    assert!(!written.contains(&key_line), "the App's key");
    assert!(!written.contains("ghs_"), "a token");
    assert!(!written.contains("x-access-token"), "a login");
    assert_eq!(files_with(&scene.setting.dir, &["ghs_", WEBHOOK_SECRET, &key_line]), Vec::<String>::new());
    scene.end().await;
}

/// The files below a folder that hold one of these texts.
fn files_with(dir: &std::path::Path, needles: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files_with(&path, needles));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        let holds = |needle: &&&str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        found.extend(needles.iter().find(holds).map(|needle| format!("{}: {needle}", path.display())));
    }
    found
}
