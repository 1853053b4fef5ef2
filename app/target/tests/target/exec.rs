//! Programs of the operator's.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use gatewright_core::config::{ExecConfig, Pin, TargetConfig};
use gatewright_core::secret::SecretString;
use gatewright_core::target::{
    Cut, Detached, Health, Latency, MetricSource, Place, Pool, Shares, Target, TargetError, TrafficRouter,
};
use gatewright_target::exec::{Config, Program};
use gatewright_target::probe::{self, HttpProbe};

use crate::local::{Local, instances};
use crate::site::{instance_program, until};
use crate::world::place;

/// The example of docs/targets.md.
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates/deploy/exec-target.py");

fn program(command: &[&str], env: &[(&str, &str)], timeout_secs: u64) -> Program {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value))).collect();
    Program::new(Config { command: command.iter().map(|word| (*word).to_owned()).collect(), env, timeout_secs })
}

fn script(dir: &Path, text: &str) -> String {
    let path = dir.join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

fn pool(version: &str, with: &[(&str, &str)]) -> Pool {
    let with: BTreeMap<String, String> = with.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let config = ExecConfig { service: "web".to_owned(), replicas: 2, with, ready_within_secs: 10 };
    Pool {
        id: format!("{version}-0a1b2c3d").parse().unwrap(),
        version: version.to_owned(),
        config: TargetConfig::Exec(config),
        digest: None,
    }
}

#[tokio::test]
async fn the_example_deploys_observes_and_removes() {
    let (state, place) = (tempfile::tempdir().unwrap(), place());
    let target = program(&[EXAMPLE], &[("STATE", &state.path().display().to_string())], 30);
    let pool = pool("1.0.0", &[("program", &instance_program())]);
    let planned = target.plan(&place, &pool).await.unwrap();
    assert_eq!(planned.changes.len(), 1);
    target.deploy(&place, &pool, 2).await.unwrap();
    let ready = |wanted: usize| {
        let (target, place) = (&target, &place);
        async move {
            let all = target.observe(place).await.unwrap().instances;
            all.len() == wanted && all.iter().all(|instance| instance.health == Health::Ready)
        }
    };
    until("both are ready", || ready(2)).await;
    let all = target.observe(&place).await.unwrap().instances;
    assert!(all.iter().all(|instance| instance.config_hash == planned.config_hash));
    // Again, it is the same; and fewer are fewer.
    assert_eq!(target.deploy(&place, &pool, 2).await.unwrap(), all);
    assert_eq!(target.deploy(&place, &pool, 1).await.unwrap(), all[..1]);
    target.remove(&place, &[all[0].id.clone()]).await.unwrap();
    assert_eq!(target.observe(&place).await.unwrap().instances, []);
}

#[tokio::test]
async fn a_program_may_route_and_measure_too() {
    let (dir, place) = (tempfile::tempdir().unwrap(), place());
    let servers = r#"{"servers":[{"instance":"a","pool":"1.0","address":"127.0.0.1:1","weight":3,"up":true,"in_flight":2}]}"#;
    let measured = r#"{"pools":{"1.0":{"requests":10,"errors":1,"latency":{"bounds_ms":[5.0],"counts":[7,3]}}}}"#;
    // What it was asked is kept, so that it can be looked at.
    let text = format!(
        r#"cat >"{0}/asked"
case "$(cat "{0}/asked")" in
*'"operation":"routes"'*) echo '{servers}' ;;
*'"operation":"measure"'*) echo '{measured}' ;;
*'"operation":"detach"'*) echo '{{"done":false,"in_flight":4}}' ;;
*) echo '{{}}' ;;
esac"#,
        dir.path().display()
    );
    let program = program(&[&script(dir.path(), &text)], &[], 10);
    let asked =
        || serde_json::from_str::<serde_json::Value>(&std::fs::read_to_string(dir.path().join("asked")).unwrap()).unwrap();
    let local = Local::start("1.0", 0).await;
    program.attach(&place, &instances(std::slice::from_ref(&local))).await.unwrap();
    let address = local.instance.address.clone().unwrap();
    assert_eq!(asked()["instances"], serde_json::json!([{ "id": "local-1.0-0", "pool": "1.0", "address": address }]));
    assert_eq!(asked()["place"]["repository"], "octo/app");
    assert_eq!(asked()["protocol"], 1);
    program.pin(&place, &Pin::Header("X-Canary".to_owned()), Some(&"1.0".parse().unwrap())).await.unwrap();
    assert_eq!(asked()["pin"], serde_json::json!({ "header": "X-Canary" }));
    let routes = program.split(&place, &Shares::all_to("1.0".parse().unwrap())).await.unwrap();
    assert_eq!((routes.servers[0].weight, routes.servers[0].in_flight), (3, 2));
    let detached = program.detach(&place, &["a".to_owned()], Cut::Nothing).await.unwrap();
    assert_eq!(detached, Detached::Draining { in_flight: 4 });
    assert_eq!(asked()["cut"], "nothing");
    let pools = ["1.0".parse().unwrap()];
    let reading = MetricSource::read(&program, &place, &pools).await.unwrap();
    let totals = &reading.pools[&pools[0]];
    assert_eq!((totals.requests, totals.errors), (10, 1));
    assert_eq!(totals.latency, Some(Latency { bounds_ms: vec![5.0], counts: vec![7, 3] }));
}

#[tokio::test]
async fn a_program_says_by_its_exit_code_whether_asking_again_helps() {
    let (dir, place) = (tempfile::tempdir().unwrap(), place());
    let said = |text: &'static str| {
        let (path, place): (String, &Place) = (script(dir.path(), text), &place);
        async move { program(&[&path], &[], 1).observe(place).await.unwrap_err() }
    };
    let error = said("echo first >&2; echo the disk is full >&2; exit 1").await;
    assert!(matches!(&error, TargetError::Refused { cause, .. } if cause == "exit code 1: the disk is full"), "{error}");
    let error = said("echo the cluster is busy >&2; exit 75").await;
    assert!(matches!(&error, TargetError::Unavailable { cause, .. } if cause == "the cluster is busy"), "{error}");
    for wrong in ["echo nonsense", "echo '{\"instances\":[{\"id\":\"a\"}]}'", "true"] {
        let error = said(wrong).await;
        assert!(
            matches!(&error, TargetError::Refused { cause, .. } if cause.starts_with("its answer is not as it should be")),
            "{error}"
        );
    }
    let error = said("sleep 60").await;
    assert!(matches!(&error, TargetError::Unavailable { cause, .. } if cause == "it did not end within 1 s"), "{error}");
    let error = said("head -c 2000000 /dev/zero").await;
    assert!(matches!(&error, TargetError::Unavailable { cause, .. } if cause == "it answers more than 1048576 bytes"), "{error}");
    let error = program(&["/nowhere/program"], &[], 1).observe(&place).await.unwrap_err();
    assert!(matches!(&error, TargetError::Refused { cause, .. } if cause.starts_with("it cannot be started")), "{error}");
}

#[tokio::test]
async fn a_program_has_a_minimal_environment_and_ends_with_all_that_it_started() {
    let (dir, place) = (tempfile::tempdir().unwrap(), place());
    let out = dir.path().display().to_string();
    let text = format!(
        "env | cut -d= -f1 | grep -v '^PWD$\\|^SHLVL$\\|^_$\\|^OLDPWD$' | sort >'{out}/env'\nsleep 600 &\necho $! >'{out}/child'\nsleep 600"
    );
    let program = program(&[&script(dir.path(), &text)], &[("TOKEN", "hunter2")], 1);
    let error = program.observe(&place).await.unwrap_err();
    assert!(!error.to_string().contains("hunter2"));
    assert_eq!(std::fs::read_to_string(dir.path().join("env")).unwrap(), "HOME\nLANG\nPATH\nTOKEN\n");
    let child = std::fs::read_to_string(dir.path().join("child")).unwrap();
    until("the child is gone too", || async {
        std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).map_or(true, |stat| stat.contains(") Z "))
    })
    .await;
}

#[tokio::test]
async fn probes_measure_instances_that_no_user_has_asked_yet() {
    let (state, place) = (tempfile::tempdir().unwrap(), place());
    let target = std::sync::Arc::new(program(&[EXAMPLE], &[("STATE", &state.path().display().to_string())], 30));
    let config = probe::Config { path: "/".to_owned(), requests: 10, timeout: Duration::from_secs(2) };
    let probe = HttpProbe::new(config, target.clone());
    let (good, bad) = (
        pool("1.0.0", &[("program", &instance_program())]),
        pool("1.1.0", &[("program", &instance_program()), ("FAIL_PERCENT", "50")]),
    );
    for pool in [&good, &bad] {
        target.deploy(&place, pool, 1).await.unwrap();
    }
    until("both are ready", || async {
        target.observe(&place).await.unwrap().instances.iter().all(|instance| instance.health == Health::Ready)
    })
    .await;
    let pools = [good.id.clone(), bad.id.clone()];
    let counts = |reading: &gatewright_core::target::Reading| {
        pools.iter().map(|pool| (reading.pools[pool].requests, reading.pools[pool].errors)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&probe.read(&place, &pools).await.unwrap()), [(10, 0), (10, 5)]);
    let reading = probe.read(&place, &pools).await.unwrap();
    assert_eq!(counts(&reading), [(20, 0), (20, 10)]);
    assert_eq!(reading.pools[&good.id].latency.clone().unwrap().counts.iter().sum::<u64>(), 20);
    let ids: Vec<String> = target.observe(&place).await.unwrap().instances.into_iter().map(|instance| instance.id).collect();
    target.remove(&place, &ids).await.unwrap();
}
