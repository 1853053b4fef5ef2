//! Workflows of the forge that wait for leave to deploy: they are told what the rollout of their commit is told.

use gatewright_tests::service::until;

use crate::world::{REPO, World};

const APPROVED: &str = "    strategy: recreate\n    approvals: 1\n";

impl World {
    /// Waits until a workflow has its answer, and returns that with the last comment.
    async fn decided(&self, workflow: u64) -> (String, String) {
        until("the workflow is answered", || async { self.github.told_workflow(workflow).0.is_some() }).await;
        let (decided, comments) = self.github.told_workflow(workflow);
        (decided.unwrap_or_default(), comments.last().cloned().unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_waits_as_its_rollout_does_and_may_deploy_once_that_has_begun() {
    let world = World::start().await;
    let pull = world.merge("v1.0.0", &world.file(APPROVED, ""));
    world.until_at("v1.0.0", "production", "1 approval").await;
    let workflow = world.github.ask_to_deploy(REPO, "production", "v1.0.0", "alice");
    until("it is told what it waits for", || async { !world.github.told_workflow(workflow).1.is_empty() }).await;
    let (decided, comments) = world.github.told_workflow(workflow);
    assert_eq!(decided, None);
    assert!(comments[0].contains("waits for 1 approval"), "{comments:?}");
    world.say(pull, "max", "/gw promote production").await;
    let (decided, because) = world.decided(workflow).await;
    assert_eq!(decided, "approved", "{because}");
    world.idle().await;
    // One that comes later is answered at once.
    let later = world.github.ask_to_deploy(REPO, "production", "v1.0.0", "alice");
    assert_eq!(world.decided(later).await, ("approved".to_owned(), "v1.0.0 is live in production".to_owned()));
    world.idle().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_whose_release_was_rolled_back_may_not_deploy_and_is_told_why() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file("    strategy: recreate\n", ""));
    world.idle().await;
    world.tag("v1.1.0", &world.file("    strategy: recreate\n", ", CRASH: start"));
    world.idle().await;
    let workflow = world.github.ask_to_deploy(REPO, "production", "v1.1.0", "alice");
    let (decided, because) = world.decided(workflow).await;
    assert_eq!(decided, "rejected");
    assert!(because.starts_with("v1.1.0 was rolled back in production"), "{because}");
    world.idle().await;
    world.end().await;
}
