//! What the operator does from the command line, over real containers and a real HAProxy.

use gatewright_core::run::{Call, GatesState};
use gatewright_core::{RepoRef, RunId, Timestamp};
use gatewright_engine::operator::{Operation, OperationError};
use gatewright_engine::overview;

use crate::world::World;

const AT_ONCE: &str = "    strategy: recreate\n";

impl World {
    async fn repo(&self) -> RepoRef {
        self.service.runs().await.first().expect("something ran").repo.clone()
    }

    async fn operation(&self, id: RunId, command: &str, args: &[&str]) -> Operation {
        let args = std::iter::once("production").chain(args.iter().copied()).map(str::to_owned).collect();
        let call = Call { name: command.to_owned(), args };
        Operation { id, repo: self.repo().await, environment: "production".parse().expect("a name"), call }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_a_release_would_change_and_changes_nothing() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(AT_ONCE, ""));
    world.idle().await;
    let (repo, before) = (world.repo().await, world.service.runs().await.len());
    let plan = world.service.engine.plan_release(&repo, "v1.0.0", Timestamp::now()).await.expect("it can be planned");
    assert!(plan.is_possible(), "{plan:?}");
    assert_eq!(plan.valid.as_ref().map(|valid| valid.release.version.as_str()), Some("1.0.0"));
    assert!(matches!(plan.gates, Some(GatesState::Passed { run: Some(_) })), "{:?}", plan.gates);
    assert_eq!(plan.environments.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["production"]);
    let none = world.service.engine.plan_release(&repo, "v9.9.9", Timestamp::now()).await.expect("the forge answers");
    assert!(!none.is_possible());
    assert_eq!(none.refused.as_deref(), Some("there is no tag v9.9.9"));
    assert_eq!(world.service.runs().await.len(), before, "no run was started");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_goes_back_once_and_brings_a_release_again() {
    let world = World::start().await;
    world.tag("v1.0.0", &world.file(AT_ONCE, ""));
    world.idle().await;
    world.tag("v1.1.0", &world.file(AT_ONCE, ""));
    world.idle().await;
    let engine = &world.service.engine;
    let back = world.operation(RunId::new(), "rollback", &["checkout", "fails"]).await;
    let means = engine.operate(&back, Timestamp::now()).await.expect("it is done");
    assert_eq!(means, "production back to v1.0.0");
    engine.operate(&back, Timestamp::now()).await.expect("the same again");
    world.idle().await;
    let live = world.live().await;
    assert_eq!(live, "v1.0.0", "the second call changed nothing more, or it would be v1.1.0 again");
    let deploy = world.operation(RunId::new(), "deploy", &["1.1.0"]).await;
    assert_eq!(engine.operate(&deploy, Timestamp::now()).await.as_deref(), Ok("v1.1.0 to production"));
    world.idle().await;
    assert_eq!(world.live().await, "v1.1.0");
    world.tag("v1.2.0", &world.file(AT_ONCE, ""));
    world.idle().await;
    let further = world.operation(RunId::new(), "rollback", &["1.0.0", "that", "was", "fine"]).await;
    assert_eq!(engine.operate(&further, Timestamp::now()).await.as_deref(), Ok("production back to v1.0.0"));
    world.idle().await;
    assert_eq!(world.live().await, "v1.0.0");
    let again = engine.operate(&world.operation(RunId::new(), "rollback", &["v1.0.0"]).await, Timestamp::now()).await;
    assert_eq!(again, Err(OperationError::Refused("`v1.0.0` is what is live in `production`.".to_owned())));
    let unknown = world.operation(RunId::new(), "deploy", &["9.9.9"]).await;
    let refused = OperationError::Refused("there is no tag or version 9.9.9.".to_owned());
    assert_eq!(engine.operate(&unknown, Timestamp::now()).await, Err(refused));
    world.end().await;
}

impl World {
    /// The tag that production runs.
    async fn live(&self) -> String {
        let (repo, name) = (self.repo().await, "production".parse().expect("a name"));
        let found = overview::environment(self.service.store.as_ref(), &repo, &name, Timestamp::now()).await;
        found.expect("the store answers").live.expect("something is live").tag
    }
}
