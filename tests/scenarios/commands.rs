//! Slash commands, as people give them and see what comes of it: the same table of scenarios on every forge.

use std::sync::Arc;

use gatewright_tests::stage::{GitHubStage, Scene};

/// Tries each scenario on each forge. A scenario gets a scene with the file that it names.
macro_rules! on_every_forge {
    ($($scenario:ident($file:expr)),* $(,)?) => {
        on_every_forge! { @on on_github GitHubStage $($scenario($file))* }
        on_every_forge! { @on on_gitlab GitLabStage $($scenario($file))* }
    };
    (@on $forge:ident $stage:ident $($scenario:ident($file:expr))*) => {
        mod $forge {
            #[allow(unused_imports, reason = "a file's name may be its own constant or one from here")]
            use super::*;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                let forge = std::sync::Arc::new(gatewright_tests::stage::$stage::start().await);
                super::$scenario(gatewright_tests::stage::Scene::with_file(forge, $file).await).await;
            })*
        }
    };
}

#[path = "commands/answers.rs"]
mod answers;
#[path = "commands/buttons.rs"]
mod buttons;
#[path = "commands/crash.rs"]
mod crash;
#[path = "commands/forks.rs"]
mod forks;
#[path = "commands/orders.rs"]
mod orders;
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
