#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::rollout::Release;
use crate::target::{Pool, Server};

const LIVE: &str = "1.0.0-0a0b0c0d";

fn live() -> Live {
    let file = "image: i\ngates:\n  good: { run: x }\nreleases:\n  on: { tag: 'v*' }\nenvironments:\n  production:\n    \
                target: { docker: { service: s, image: i, replicas: 2 } }\n";
    let environment = crate::config::parse(file).unwrap().environments.remove(0);
    let (tag, version) = ("v1.0.0".to_owned(), "1.0.0".to_owned());
    let commit = "a".repeat(40).parse().unwrap();
    Live {
        release: Release { tag, version: version.clone(), commit, run: None, pull: None, authors: vec![] },
        pool: Pool {
            id: LIVE.parse().unwrap(),
            version,
            config: environment.target.clone(),
            digest: Some("sha256:one".to_owned()),
        },
        config_hash: "hash".to_owned(),
        environment: Box::new(environment),
        since: Timestamp::UNIX_EPOCH,
        rollout: RunId::new(),
        repo: None,
    }
}

fn instance(n: u8, pool: &str) -> Instance {
    Instance {
        id: format!("web-{n}"),
        pool: pool.parse().unwrap(),
        address: Some(format!("10.0.0.{n}:80")),
        health: Health::Ready,
        config_hash: "hash".to_owned(),
        digest: Some("sha256:one".to_owned()),
    }
}

fn server(n: u8, pool: &str, weight: u32) -> Server {
    Server {
        instance: format!("web-{n}"),
        pool: pool.parse().unwrap(),
        address: format!("10.0.0.{n}:80"),
        weight,
        up: true,
        in_flight: 0,
    }
}

fn as_released() -> Seen {
    let instances = vec![instance(1, LIVE), instance(2, LIVE)];
    Seen { instances, routes: Routes { servers: vec![server(1, LIVE, 10), server(2, LIVE, 10)] } }
}

/// What differs after this was done to what was released.
fn after(change: impl FnOnce(&mut Seen)) -> String {
    let mut seen = as_released();
    change(&mut seen);
    words(&differences(&live(), &seen, Others::None))
}

#[test]
fn what_was_released_and_how_it_is_are_no_drift() {
    assert_eq!(after(|_| {}), "");
    let unwell = Health::Unhealthy { because: "500".to_owned() };
    assert_eq!(after(|seen| seen.instances[0].health = unwell), "");
    assert_eq!(after(|seen| seen.instances[0].health = Health::Starting), "");
    // The router finds it down: that is its health too.
    assert_eq!(after(|seen| seen.routes.servers[0].up = false), "");
    assert_eq!(after(|seen| seen.routes.servers.iter_mut().for_each(|server| server.up = false)), "");
}

#[test]
fn whatever_was_changed_about_instances_is_told() {
    insta::assert_snapshot!(after(|seen| { seen.instances.pop(); }), @"1 instances and not 2");
    insta::assert_snapshot!(after(|seen| seen.instances[1].config_hash = "another".to_owned()), @"web-2 is configured otherwise than it was released");
    insta::assert_snapshot!(after(|seen| seen.instances[1].digest = Some("sha256:two".to_owned())), @"web-2 has another image");
    insta::assert_snapshot!(after(|seen| seen.instances[0].health = Health::Dead { because: "exit code 137".to_owned() }), @"web-1 does not run");
}

#[test]
fn what_is_not_live_may_be_there_only_while_the_version_before_is_kept() {
    let mut seen = as_released();
    seen.instances.push(instance(3, "0.9.0-0a0b0c0d"));
    insta::assert_snapshot!(words(&differences(&live(), &seen, Others::None)), @"1 instance of 0.9.0-0a0b0c0d, which is not live");
    assert_eq!(differences(&live(), &seen, Others::Kept), []);
    seen.routes.servers.push(server(3, "0.9.0-0a0b0c0d", 5));
    insta::assert_snapshot!(words(&differences(&live(), &seen, Others::Kept)), @"20 % of the requests go to what is not live");
}

#[test]
fn an_instance_that_the_router_has_nowhere_or_elsewhere_is_told() {
    let told = "the router does not send requests to web-2";
    assert_eq!(
        after(|seen| {
            seen.routes.servers.pop();
        }),
        told
    );
    assert_eq!(after(|seen| seen.routes.servers[1].weight = 0), told);
    assert_eq!(after(|seen| seen.routes.servers[1].address = "10.0.0.9:80".to_owned()), told);
}

#[test]
fn what_is_told_has_an_end_and_no_control_characters() {
    let many = after(|seen| {
        seen.instances = (0..50)
            .map(|n| Instance {
                id: format!("a{n}\u{1b}[31m{}", "x".repeat(500)),
                config_hash: "other".to_owned(),
                ..instance(n, LIVE)
            })
            .collect();
    });
    assert!(many.len() < DIFFERENCES_MAX * 200 && !many.contains('\u{1b}'), "{many}");
}
