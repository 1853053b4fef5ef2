//! Containers.

use std::time::Duration;

use gatewright_core::config::EnvValue;
use gatewright_core::target::{Health, Instance, Target, TargetError};
use gatewright_target::docker::{Config, DockerTarget, PullPolicy};

use crate::site::until;
use crate::world::{SECRET, World, changed, docker, pool, pool_with};

fn names(instances: &[Instance]) -> Vec<&str> {
    instances.iter().map(|instance| instance.id.as_str()).collect()
}

/// The container behind an instance, which is another one when it was made anew.
fn container(name: &str) -> String {
    docker(&["inspect", "--format", "{{.Id}}", name])
}

#[tokio::test]
async fn a_pool_has_exactly_as_many_instances_as_it_should_however_often_that_is_said() {
    let world = World::new();
    let pool = pool("1.0.0");
    let first = world.ready(&pool, 3).await;
    assert_eq!(first.len(), 3);
    let containers: Vec<String> = names(&first).into_iter().map(container).collect();
    let again = world.deploy(&pool, 3).await;
    assert_eq!(names(&again).into_iter().map(container).collect::<Vec<_>>(), containers);
    let fewer = world.deploy(&pool, 1).await;
    assert_eq!(names(&fewer), names(&first[..1]));
    assert_eq!(fewer[0].health, Health::Ready);
    let planned = world.target.plan(&world.place, &pool).await.unwrap();
    assert_eq!(planned.config_hash, fewer[0].config_hash);
    assert_eq!(planned.digest, fewer[0].digest);
    world.target.remove(&world.place, &[fewer[0].id.clone(), "gw-none-1".to_owned()]).await.unwrap();
    assert_eq!(world.observe().await, []);
}

#[tokio::test]
async fn a_deployment_that_is_cut_off_anywhere_is_finished_by_the_next() {
    let world = World::new();
    let pool = pool("1.0.0");
    for after_ms in [1, 20, 60, 120, 200, 300] {
        // Another process each time, as after a crash.
        let target = World::target_with(SECRET);
        let _cut = tokio::time::timeout(Duration::from_millis(after_ms), target.deploy(&world.place, &pool, 3)).await;
    }
    // What the engine was still at may fail a call; asking again is what is done then.
    let deployed = || async { world.target.deploy(&world.place, &pool, 3).await.is_ok() };
    until("it is deployed", deployed).await;
    let all = world.ready(&pool, 3).await;
    assert_eq!(all.len(), 3);
    let _cut = tokio::time::timeout(Duration::from_millis(30), world.target.remove(&world.place, &[all[0].id.clone()])).await;
    until("it is deployed", deployed).await;
    assert_eq!(world.ready(&pool, 3).await.len(), 3);
    let ids: Vec<String> = all.iter().map(|instance| instance.id.clone()).collect();
    world.target.remove(&world.place, &ids).await.unwrap();
    world.target.remove(&world.place, &ids).await.unwrap();
    assert_eq!(world.observe().await, []);
}

#[tokio::test]
async fn pools_do_not_touch_each_other() {
    let world = World::new();
    let (old, new) = (pool("1.0.0"), pool("1.1.0"));
    let before = world.ready(&old, 2).await;
    world.ready(&new, 1).await;
    world.deploy(&new, 0).await;
    assert_eq!(world.observe().await, before);
}

#[tokio::test]
async fn containers_that_are_not_the_places_are_left_alone() {
    let world = World::new();
    let pool = pool("1.0.0");
    let name = format!("gw-{}-production-{}-001", world.place.service, pool.id);
    let foreign = docker(&["create", "--name", &name, "gatewright-instance:local"]);
    let refused = world.target.deploy(&world.place, &pool, 1).await.unwrap_err();
    let kept = world.target.remove(&world.place, std::slice::from_ref(&name)).await.unwrap_err();
    assert_eq!(container(&name), foreign);
    docker(&["rm", "-f", &name]);
    let cause = "its name is taken by a container that is not Gatewright's, or of another place; remove or rename that one";
    assert_eq!(refused, TargetError::Refused { what: format!("container `{name}`"), cause: cause.to_owned() });
    assert!(matches!(&kept, TargetError::Refused { cause, .. } if cause.contains("it is not removed")), "{kept}");
}

#[tokio::test]
async fn what_was_changed_or_replaced_by_hand_is_seen_and_made_anew() {
    let world = World::new();
    let pool = pool("1.0.0");
    let planned = world.target.plan(&world.place, &pool).await.unwrap();
    let all = world.ready(&pool, 2).await;
    assert!(all.iter().all(|instance| instance.config_hash == planned.config_hash));
    docker(&["update", "--memory", "32m", "--memory-swap", "32m", &all[0].id]);
    let label =
        |name: &str| docker(&["inspect", "--format", &format!("{{{{index .Config.Labels \"gatewright.{name}\"}}}}"), &all[1].id]);
    let labels: Vec<String> =
        ["place", "pool", "port", "config-hash"].map(|name| format!("gatewright.{name}={}", label(name))).to_vec();
    docker(&["rm", "-f", &all[1].id]);
    let mut run = vec!["run", "-d", "--init", "--name", &all[1].id, "-e", "VERSION=evil"];
    run.extend(labels.iter().flat_map(|label| ["--label", label]));
    run.push("gatewright-instance:local");
    docker(&run);
    let drifted = world.observe().await;
    assert_eq!(names(&drifted), names(&all));
    assert!(drifted.iter().all(|instance| instance.config_hash != planned.config_hash), "{drifted:?}");
    let restored = world.ready(&pool, 2).await;
    assert!(restored.iter().all(|instance| instance.config_hash == planned.config_hash), "{restored:?}");
}

#[tokio::test]
async fn another_configuration_of_the_same_pool_makes_its_containers_anew() {
    let world = World::new();
    let pool = pool("1.0.0");
    let before = world.ready(&pool, 1).await;
    let more = changed(&pool, |config| config.memory_mib = Some(96));
    let after = world.ready(&more, 1).await;
    assert_eq!(names(&after), names(&before));
    assert_ne!(after[0].config_hash, before[0].config_hash);
    assert_eq!(
        docker(&["inspect", "--format", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}", &after[0].id]),
        "100663296 100663296"
    );
    assert_eq!(docker(&["inspect", "--format", "{{index .HostConfig.LogConfig.Config \"max-size\"}}", &after[0].id]), "10m");
}

#[tokio::test]
async fn an_instance_says_how_it_is() {
    let world = World::new();
    let health = |version: &'static str| {
        let world = &world;
        async move {
            let all = world.observe().await;
            all.into_iter().find(|instance| instance.pool.as_str().starts_with(version)).map(|instance| instance.health)
        }
    };
    let made = world.deploy(&pool_with("1.0.0", &[("READY_AFTER_MS", "2000")]), 1).await;
    assert_eq!(made[0].health, Health::Starting);
    world.deploy(&pool_with("1.1.0", &[("CRASH", "start")]), 1).await;
    let never = changed(&pool_with("1.2.0", &[("HEALTH_STATUS", "503")]), |config| config.health.ready_within_secs = 1);
    world.deploy(&never, 1).await;
    until("it is ready", || async { health("1.0.0").await == Some(Health::Ready) }).await;
    until("it is dead", || async {
        matches!(health("1.1.0").await, Some(Health::Dead { because }) if because.starts_with("exit code 3"))
    })
    .await;
    until("it is not well", || async {
        health("1.2.0").await == Some(Health::Unhealthy { because: "/healthz is answered 503".to_owned() })
    })
    .await;
    let address =
        world.observe().await.into_iter().find(|i| i.pool.as_str().starts_with("1.0.0")).and_then(|i| i.address).unwrap();
    let mut connection = crate::site::load::Connection::open(&address).await.unwrap();
    connection.get("/control?health=500", "").await.unwrap().unwrap();
    assert_eq!(health("1.0.0").await, Some(Health::Unhealthy { because: "/healthz is answered 500".to_owned() }));
}

#[tokio::test]
async fn an_instance_that_the_engine_had_to_restart_is_not_well() {
    let world = World::new();
    let all = world.ready(&pool_with("1.0.0", &[("CRASH_AFTER_REQUESTS", "3")]), 1).await;
    let mut connection = crate::site::load::Connection::open(&all[0].address.clone().unwrap()).await.unwrap();
    for _ in 0..3 {
        let _ = connection.get("/", "").await;
    }
    until("it runs again and is not well", || async {
        let all = world.observe().await;
        matches!(&all[0].health, Health::Unhealthy { because } if because.starts_with("it ended and was restarted 1 times"))
    })
    .await;
}

#[tokio::test]
async fn memory_that_runs_out_is_named() {
    let world = World::new();
    let leaking = changed(&pool_with("1.0.0", &[("LEAK_KIB", "4096")]), |config| config.memory_mib = Some(16));
    let all = world.ready(&leaking, 1).await;
    let address = all[0].address.clone().unwrap();
    until("it has run out of memory", || async {
        if let Ok(mut connection) = crate::site::load::Connection::open(&address).await {
            let _ = connection.get("/", "").await;
        }
        match &world.observe().await[0].health {
            Health::Dead { because } | Health::Unhealthy { because } => {
                because.contains("out of memory") || because.contains("exit code 137")
            }
            Health::Starting | Health::Ready => false,
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_reaches_its_instance_and_nothing_else() {
    let world = World::new();
    let with =
        |pool| changed(&pool, |config| drop(config.env.insert("PASSWORD".to_owned(), EnvValue::Secret("database".to_owned()))));
    let secret = with(pool("1.0.0"));
    let planned = world.target.plan(&world.place, &secret).await.unwrap();
    assert!(!format!("{planned:?}").contains(SECRET));
    assert!(planned.changes.contains(&"variable PASSWORD from the secret database".to_owned()));
    let all = world.ready(&secret, 1).await;
    let mut connection = crate::site::load::Connection::open(&all[0].address.clone().unwrap()).await.unwrap();
    assert_eq!(connection.get("/env?PASSWORD", "").await.unwrap().unwrap().body, SECRET);
    assert!(!docker(&["inspect", "--format", "{{json .Config.Labels}}", &all[0].id]).contains(SECRET));
    assert!(!format!("{all:?}").contains(SECRET));
    assert_eq!(all[0].config_hash, planned.config_hash);
    // One that was changed at its source is another configuration, and takes nothing away that runs.
    let rotated = World::target_with("another value");
    assert_ne!(rotated.plan(&world.place, &secret).await.unwrap().config_hash, planned.config_hash);
    let before = container(&all[0].id);
    rotated.deploy(&world.place, &secret, 1).await.unwrap();
    assert_eq!(container(&all[0].id), before);
    let none = changed(&pool("1.1.0"), |config| drop(config.env.insert("X".to_owned(), EnvValue::Secret("none".to_owned()))));
    let refused = world.target.deploy(&world.place, &none, 1).await.unwrap_err();
    assert_eq!(refused.to_string(), "secret `none`: there is none");
}

#[tokio::test]
async fn what_happens_to_a_container_is_heard_also_between_two_questions() {
    let world = World::new();
    let heard = || async { tokio::time::timeout(Duration::from_secs(10), world.target.changed()).await };
    let listening = async { heard().await.unwrap().unwrap() };
    let making = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.deploy(&pool("1.0.0"), 1).await
    };
    let ((), made) = tokio::join!(listening, making);
    docker(&["kill", &made[0].id]);
    heard().await.unwrap().unwrap();
}

#[tokio::test]
async fn an_image_that_is_not_there_is_refused_and_a_moved_tag_changes_nothing() {
    let world = World::new();
    let missing = changed(&pool("1.0.0"), |config| config.image = "gatewright-none:1".to_owned());
    let refused = world.target.plan(&world.place, &missing).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "image `gatewright-none:1`: it is not on the engine, and this service is configured to pull none"
    );
    let tag = format!("gatewright-instance:{}", world.place.service);
    docker(&["tag", "gatewright-instance:local", &tag]);
    let mut pinned = changed(&pool("1.0.0"), |config| config.image = tag.clone());
    let planned = world.target.plan(&world.place, &pinned).await.unwrap();
    pinned.digest = planned.digest.clone();
    docker(&["tag", "gatewright-sandbox:local", &tag]);
    let all = world.ready(&pinned, 1).await;
    docker(&["rmi", &tag]);
    assert_eq!((all[0].digest.clone(), &all[0].config_hash), (planned.digest, &planned.config_hash));
    let gone = changed(&pinned, |config| config.image = "x".to_owned());
    let gone = gatewright_core::target::Pool { digest: Some(format!("sha256:{}", "0".repeat(64))), ..gone };
    assert!(matches!(world.target.deploy(&world.place, &gone, 1).await, Err(TargetError::Refused { .. })));
}

#[tokio::test]
async fn an_engine_that_does_not_answer_may_pass() {
    let world = World::new();
    let config = Config { engine: Some("unix:///nowhere/docker.sock".to_owned()), ..World::config(SECRET) };
    assert_eq!(config.pull, PullPolicy::Never);
    let error = DockerTarget::new(config).observe(&world.place).await.unwrap_err();
    assert!(matches!(error, TargetError::Unavailable { .. }), "{error}");
}
