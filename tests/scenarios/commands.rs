//! Slash commands, as people give them and see what comes of it: the same table of scenarios on every forge.

use std::sync::Arc;

use gatewright_tests::stage::{GitHubStage, Scene};

#[path = "commands/agents.rs"]
mod agents;
#[path = "commands/answers.rs"]
mod answers;
#[path = "commands/buttons.rs"]
mod buttons;
#[path = "commands/crash.rs"]
mod crash;
#[path = "commands/forks.rs"]
mod forks;
#[path = "commands/issues.rs"]
mod issues;
#[path = "commands/orders.rs"]
mod orders;
#[path = "commands/pinned.rs"]
mod pinned;
#[path = "commands/races.rs"]
mod races;
#[path = "commands/running.rs"]
mod running;
#[path = "commands/who.rs"]
mod who;

/// One gate that passes, one that fails.
const TWO_GATES: &str = "\
image: gatewright-sandbox:local
gates:
  good: { run: 'true' }
  bad: { run: exit 3 }
";

/// A scene on GitHub, for what only GitHub has.
async fn on_github(file: &str) -> (Arc<GitHubStage>, Scene) {
    let stage = Arc::new(GitHubStage::start().await);
    let scene = Scene::with_file(stage.clone(), file).await;
    (stage, scene)
}
