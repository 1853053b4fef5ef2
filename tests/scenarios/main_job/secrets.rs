//! No secret is anywhere but where it belongs.

use gatewright_core::run::{Run, StepState};
use gatewright_core::store::{Blobs, Store};
use gatewright_tests::on_every_forge;
use gatewright_tests::service::WEBHOOK_SECRET;
use gatewright_tests::stage::Scene;

/// The gate looks everywhere it can, and prints what it finds; it also prints a token of its own making.
const NOSY: &str = "image: gatewright-sandbox:local\ngates:\n  nosy:\n    run: env; cat /proc/self/environ; cat .git/config; grep -r . /workspace | head -50; echo gh''s_0123456789abcdefghijABCDEFGHIJ456789\n";

on_every_forge!(no_secret_reaches_a_sandbox_a_log_a_journal_or_the_disk(NOSY));

async fn no_secret_reaches_a_sandbox_a_log_a_journal_or_the_disk(scene: Scene) {
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
    for name in scene.forge.checks(&head).keys() {
        written.push_str(&scene.forge.text_of(number, &head, name));
    }
    written.push_str(&scene.only_comment(number));
    let mut secrets = scene.forge.secrets();
    secrets.extend([WEBHOOK_SECRET.to_owned(), "ghs_0123456789abcdefghij".to_owned()]);
    for secret in &secrets {
        assert!(!written.contains(secret), "{secret} was written");
    }
    assert_eq!(files_with(&scene.setting.dir, &secrets), Vec::<String>::new());
    scene.end().await;
}

/// The files below a folder that hold one of these texts.
fn files_with(dir: &std::path::Path, needles: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files_with(&path, needles));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap_or_default();
        let holds = |needle: &&String| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        found.extend(needles.iter().find(holds).map(|needle| format!("{}: {needle}", path.display())));
    }
    found
}
