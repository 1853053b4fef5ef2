//! HAProxy as router and as source of metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use gatewright_core::config::Pin;
use gatewright_core::target::{
    Cut, Detached, Instance, MetricSource, Place, PoolId, Routes, Shares, Target, TargetError, Totals, TrafficRouter,
};
use gatewright_target::haproxy::{Address, Config, Haproxy};

use crate::local::{Local, Manner, ids, instances};
use crate::site::load::{Connection, Load, People, WebSocket};
use crate::site::{Router, Shape, until};
use crate::world::{World, config, haproxy, place, pool};

mod addresses;

/// A router with Gatewright's side of it.
struct Bench {
    place: Place,
    router: Router,
    haproxy: Haproxy,
}

impl Bench {
    async fn start(shape: Shape) -> Bench {
        let router = Router::start(shape).await;
        let haproxy = haproxy(&router);
        Bench { place: place(), router, haproxy }
    }

    async fn attach(&self, locals: &[Local]) {
        self.haproxy.attach(&self.place, &instances(locals)).await.unwrap();
    }

    async fn read(&self) -> Routes {
        TrafficRouter::read(&self.haproxy, &self.place).await.unwrap()
    }

    /// Splits, once everything that is to get something is up.
    async fn split(&self, shares: &Shares) -> Routes {
        until("the pools are up", || async { self.haproxy.split(&self.place, shares).await.is_ok() }).await;
        self.read().await
    }

    async fn all_to(&self, version: &str) -> Routes {
        self.split(&Shares::all_to(id(version))).await
    }

    async fn detach(&self, locals: &[Local]) {
        let ids = ids(&instances(locals));
        until("nothing is in flight", || async {
            self.haproxy.detach(&self.place, &ids, Cut::Nothing).await.unwrap() == Detached::Done
        })
        .await;
    }

    async fn get(&self, headers: &str) -> (u16, String, Option<String>) {
        let mut connection = Connection::open(&self.router.address()).await.unwrap();
        let answer = connection.get("/", headers).await.unwrap().unwrap();
        (answer.status, answer.version(), answer.cookie)
    }

    async fn totals(&self, version: &str) -> Totals {
        let reading = MetricSource::read(&self.haproxy, &self.place, &[id(version)]).await.unwrap();
        reading.pools.get(&id(version)).cloned().unwrap_or_default()
    }
}

fn id(version: &str) -> PoolId {
    version.parse().unwrap()
}

fn canary(percent: u32) -> Shares {
    Shares::split(id("canary"), percent, id("stable"))
}

fn weights(routes: &Routes) -> BTreeMap<&str, u32> {
    routes.servers.iter().map(|server| (server.instance.as_str(), server.weight)).collect()
}

#[tokio::test]
async fn releases_go_through_and_come_back_a_hundred_times_without_a_failed_request() {
    let (world, bench) = (World::new(), Bench::start(Shape::default()).await);
    let (stable, canary) = (pool("1.0.0"), pool("1.1.0"));
    let old = world.ready(&stable, 3).await;
    bench.haproxy.attach(&bench.place, &old).await.unwrap();
    bench.split(&Shares::all_to(stable.id.clone())).await;
    let load = Load::start(&bench.router.address(), People { eager: 6, slow: 3, talking: 3 });
    load.more(100).await;
    let new = world.ready(&canary, 2).await;
    bench.haproxy.attach(&bench.place, &new).await.unwrap();
    for nth in 0..100 {
        let percent = [1, 10, 25, 50, 100, 0][nth % 6];
        let routes = bench.split(&Shares::split(canary.id.clone(), percent, stable.id.clone())).await;
        assert_eq!(routes.share_millipercent(&canary.id), u64::from(percent) * 1000);
        load.more(10).await;
    }
    bench.split(&Shares::all_to(stable.id.clone())).await;
    // Users with a WebSocket on the canary keep it until they close it: the rest is what a drain waits for.
    let seen = load.stop().await;
    assert_eq!(seen.bad, BTreeMap::new());
    assert!(seen.of("1.0.0") > 0 && seen.of("1.1.0") > 0 && seen.of("WebSocket") > 0, "{seen:?}");
    let ids = ids(&new);
    until("nothing is in flight", || async {
        bench.haproxy.detach(&bench.place, &ids, Cut::Nothing).await.unwrap() == Detached::Done
    })
    .await;
    world.target.remove(&world.place, &ids).await.unwrap();
    assert_eq!(bench.read().await.servers.len(), 3);
}

#[tokio::test]
async fn versions_replace_each_other_and_their_containers_go_without_a_failed_request() {
    let (world, bench) = (World::new(), Bench::start(Shape::default()).await);
    let mut before: Option<Vec<Instance>> = None;
    let mut load = None;
    for version in ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"] {
        let next = pool(version);
        let instances = world.ready(&next, 2).await;
        bench.haproxy.attach(&bench.place, &instances).await.unwrap();
        bench.haproxy.split(&bench.place, &Shares::all_to(next.id.clone())).await.unwrap();
        let load = load.get_or_insert_with(|| Load::start(&bench.router.address(), People { eager: 6, slow: 4, talking: 0 }));
        load.more(50).await;
        if let Some(old) = before.replace(instances) {
            until("nothing is in flight", || async {
                bench.haproxy.detach(&bench.place, &ids(&old), Cut::Nothing).await.unwrap() == Detached::Done
            })
            .await;
            world.target.remove(&world.place, &ids(&old)).await.unwrap();
        }
    }
    let seen = load.expect("it was started").stop().await;
    assert_eq!(seen.bad, BTreeMap::new());
    assert!(seen.of("1.0.0") > 0 && seen.of("1.4.0") > 0, "{seen:?}");
    assert_eq!(world.observe().await.len(), 2);
}

#[tokio::test]
async fn every_share_is_exact_when_read_back_for_any_numbers_of_instances() {
    for (canaries, stables) in [(1, 1), (1, 7), (7, 1), (2, 3), (7, 7)] {
        let bench = Bench::start(Shape::default()).await;
        let (new, old) = (Local::several("canary", canaries).await, Local::several("stable", stables).await);
        bench.attach(&new).await;
        bench.attach(&old).await;
        for percent in [0, 1, 2, 5, 10, 25, 33, 50, 67, 90, 99, 100] {
            let routes = bench.split(&canary(percent)).await;
            assert_eq!(routes.share_millipercent(&id("canary")), u64::from(percent) * 1000, "{canaries} and {stables}");
            assert_eq!(routes.is_all(&id("stable")), percent == 0);
        }
    }
}

#[tokio::test]
async fn a_hundred_instances_with_long_names_are_no_more_than_a_few_lines_to_haproxy() {
    let bench = Bench::start(Shape::default()).await;
    let (long, other) = ("1.2.3-a-version-with-a-name-as-long-as-a-pool-can-h-0a1b2c3d", "stable");
    let (new, old) = (Local::several(long, 50).await, Local::several(other, 50).await);
    bench.attach(&new).await;
    bench.attach(&old).await;
    for percent in [7, 100, 0, 50] {
        let routes = bench.split(&Shares::split(id(long), percent, id(other))).await;
        assert_eq!(routes.share_millipercent(&id(long)), u64::from(percent) * 1000);
    }
    bench.detach(&new).await;
    assert_eq!(bench.read().await.servers.len(), 50);
}

#[tokio::test]
async fn requests_follow_the_weights_one_by_one() {
    let bench = Bench::start(Shape::default()).await;
    let (new, old) = (Local::several("canary", 2).await, Local::several("stable", 3).await);
    bench.attach(&new).await;
    bench.attach(&old).await;
    bench.split(&canary(20)).await;
    let mut connection = Connection::open(&bench.router.address()).await.unwrap();
    let mut to_canary = 0;
    for _ in 0..1000 {
        to_canary += u32::from(connection.get("/", "").await.unwrap().unwrap().version() == "canary");
    }
    // Exactly 200 of them but for where in its round HAProxy began.
    assert!((195..=205).contains(&to_canary), "{to_canary}");
}

#[tokio::test]
async fn an_instance_gets_nothing_before_it_has_passed_a_check() {
    let bench = Bench::start(Shape::default()).await;
    let old = Local::several("stable", 1).await;
    bench.attach(&old).await;
    bench.all_to("stable").await;
    let mut dead = Local::start("canary", 0).await.instance.clone();
    dead.address = Some("127.0.0.1:1".to_owned());
    bench.haproxy.attach(&bench.place, &[dead]).await.unwrap();
    let before = bench.read().await;
    let refused = bench.haproxy.split(&bench.place, &canary(50)).await.unwrap_err();
    assert!(
        matches!(&refused, TargetError::Unavailable { cause, .. } if cause == "no server of pool `canary` has passed a check"),
        "{refused}"
    );
    let missing = bench.haproxy.split(&bench.place, &Shares::split(id("none"), 50, id("stable"))).await.unwrap_err();
    assert!(
        matches!(&missing, TargetError::Unavailable { cause, .. } if cause == "no server of pool `none` is attached"),
        "{missing}"
    );
    assert_eq!(weights(&bench.read().await), weights(&before));
    assert_eq!(bench.get("").await.1, "stable");
}

#[tokio::test]
async fn attaching_finishes_what_a_crash_has_left_half_done() {
    let bench = Bench::start(Shape::default()).await;
    let locals = Local::several("stable", 3).await;
    let add = |nth: usize| {
        let address = locals[nth].instance.address.clone().unwrap();
        format!("add server web/stable:local-stable-{nth} {address} check inter 100ms rise 1 weight 0")
    };
    bench.router.ask(&add(0)).await.unwrap();
    bench.router.ask(&format!("{}; enable health web/stable:local-stable-1", add(1))).await.unwrap();
    bench.router.ask(&format!("{}; set server web/stable:local-stable-2 state ready", add(2))).await.unwrap();
    for _ in 0..2 {
        bench.attach(&locals).await;
    }
    let routes = bench.all_to("stable").await;
    assert_eq!(weights(&routes).values().sum::<u32>(), 3 * 256);
    until("all of them are up", || async { bench.read().await.servers.iter().all(|server| server.up) }).await;
}

#[tokio::test]
async fn a_reload_changes_nothing_and_fails_no_request() {
    let bench = Bench::start(Shape::default()).await;
    let (new, old) = (Local::several("canary", 2).await, Local::several("stable", 3).await);
    bench.attach(&old).await;
    bench.attach(&new).await;
    bench.split(&canary(10)).await;
    let load = Load::start(&bench.router.address(), People { eager: 8, slow: 0, talking: 0 });
    load.more(200).await;
    for percent in [10, 40, 0] {
        let before = bench.split(&canary(percent)).await;
        bench.router.reload().await;
        until("checks have passed again", || async { bench.read().await.servers.iter().all(|server| server.up) }).await;
        assert_eq!(weights(&bench.read().await), weights(&before));
        load.more(200).await;
    }
    assert_eq!(load.stop().await.bad, BTreeMap::new());
    // They can be taken out though they are now of HAProxy's configuration.
    bench.detach(&new).await;
    bench.router.reload().await;
    assert_eq!(bench.read().await.servers.len(), 3);
}

#[tokio::test]
async fn a_rollback_right_after_a_reload_leaves_no_stable_instance_without_weight() {
    let bench = Bench::start(Shape::default()).await;
    let (new, old) = (Local::several("canary", 1).await, Local::several("stable", 5).await);
    bench.attach(&old).await;
    bench.attach(&new).await;
    bench.split(&canary(30)).await;
    for percent in [0, 30, 0] {
        bench.router.reload().await;
        let routes = bench.haproxy.split(&bench.place, &canary(percent)).await.unwrap();
        assert_eq!(routes.share_millipercent(&id("canary")), u64::from(percent) * 1000);
        assert!(routes.servers.iter().all(|server| server.pool == id("canary") || server.weight > 0), "{routes:?}");
    }
}

#[tokio::test]
async fn a_crash_of_haproxy_changes_nothing_either() {
    let mut bench = Bench::start(Shape::default()).await;
    let (new, old) = (Local::several("canary", 1).await, Local::several("stable", 2).await);
    bench.attach(&old).await;
    bench.attach(&new).await;
    let before = bench.split(&canary(25)).await;
    bench.router.stop();
    let lost = TrafficRouter::read(&bench.haproxy, &bench.place).await.unwrap_err();
    assert!(matches!(lost, TargetError::Unavailable { .. }), "{lost}");
    bench.router.restart().await;
    assert_eq!(weights(&bench.read().await), weights(&before));
    bench.split(&canary(50)).await;
}

#[tokio::test]
async fn without_a_file_servers_are_attached_again_after_a_reload() {
    let bench = Bench::start(Shape::default()).await;
    let haproxy = Haproxy::new(Config { servers_file: None, ..config(&bench.router) });
    let old = Local::several("stable", 2).await;
    let bench = Bench { haproxy, ..bench };
    bench.attach(&old).await;
    bench.all_to("stable").await;
    bench.router.reload().await;
    assert_eq!(bench.read().await, Routes::default());
    bench.attach(&old).await;
    assert!(bench.all_to("stable").await.is_all(&id("stable")));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_no_reason_to_stop() {
    let bench = Bench::start(Shape::default()).await;
    let haproxy = Haproxy::new(Config { servers_file: Some("/nowhere/web.cfg".into()), ..config(&bench.router) });
    let old = Local::several("stable", 1).await;
    let bench = Bench { haproxy, ..bench };
    bench.attach(&old).await;
    assert!(bench.all_to("stable").await.is_all(&id("stable")));
    bench.detach(&old).await;
}

#[tokio::test]
async fn users_whom_a_cookie_keeps_are_with_the_canary_only_while_it_has_a_share() {
    let bench = Bench::start(Shape { sticky: true, ..Shape::default() }).await;
    let (new, old) = (Local::several("canary", 1).await, Local::several("stable", 2).await);
    bench.attach(&old).await;
    bench.attach(&new).await;
    bench.split(&canary(50)).await;
    let mut cookie = None;
    while cookie.is_none() {
        let (_, version, set) = bench.get("").await;
        cookie = set.filter(|_| version == "canary");
    }
    let cookie = format!("Cookie: {}\r\n", cookie.unwrap());
    for _ in 0..5 {
        assert_eq!(bench.get(&cookie).await.1, "canary");
    }
    // Also of a process that has chosen nobody yet.
    bench.router.reload().await;
    bench.haproxy.split(&bench.place, &Shares::all_to(id("stable"))).await.unwrap();
    for _ in 0..5 {
        assert_eq!(bench.get(&cookie).await.1, "stable");
    }
    // And back at once.
    let routes = bench.haproxy.split(&bench.place, &Shares::all_to(id("canary"))).await.unwrap();
    assert!(routes.is_all(&id("canary")));
    assert_eq!(bench.get("").await.1, "canary");
}

#[tokio::test]
async fn a_drain_waits_for_a_web_socket_until_it_may_be_cut() {
    let (world, bench) = (World::new(), Bench::start(Shape::default()).await);
    let (one, other) = (pool("1.0.0"), pool("1.1.0"));
    let first = world.ready(&one, 1).await;
    bench.haproxy.attach(&bench.place, &first).await.unwrap();
    bench.split(&Shares::all_to(one.id.clone())).await;
    let mut socket = WebSocket::open(&bench.router.address()).await.unwrap();
    socket.echo("hello").await.unwrap();
    let second = world.ready(&other, 1).await;
    bench.haproxy.attach(&bench.place, &second).await.unwrap();
    bench.split(&Shares::all_to(other.id.clone())).await;
    let detached = bench.haproxy.detach(&bench.place, &ids(&first), Cut::Nothing).await.unwrap();
    assert_eq!(detached, Detached::Draining { in_flight: 1 });
    socket.echo("still here").await.unwrap();
    until("it is cut", || async {
        bench.haproxy.detach(&bench.place, &ids(&first), Cut::InFlight).await.unwrap() == Detached::Done
    })
    .await;
    assert!(socket.echo("anybody?").await.is_err());
    assert_eq!(bench.haproxy.detach(&bench.place, &ids(&first), Cut::Nothing).await.unwrap(), Detached::Done);
}

#[tokio::test]
async fn nothing_is_taken_out_while_the_process_of_before_a_reload_may_have_something() {
    let bench = Bench::start(Shape::default()).await;
    let haproxy = Haproxy::new(Config { reload_grace: Duration::from_secs(3600), ..config(&bench.router) });
    let locals = Local::several("stable", 1).await;
    bench.attach(&locals).await;
    let waits = haproxy.detach(&bench.place, &ids(&instances(&locals)), Cut::Nothing).await.unwrap();
    assert_eq!(waits, Detached::Draining { in_flight: 0 });
    let cut = haproxy.detach(&bench.place, &ids(&instances(&locals)), Cut::InFlight).await.unwrap();
    assert_eq!(cut, Detached::Done);
}

#[tokio::test]
async fn testers_get_the_new_version_before_anybody_else_does() {
    let bench = Bench::start(Shape { sticky: true, ..Shape::default() }).await;
    let (new, old) = (Local::several("canary", 2).await, Local::several("stable", 2).await);
    bench.attach(&old).await;
    bench.all_to("stable").await;
    bench.attach(&new).await;
    let (header, cookie) = (Pin::Header("x-canary".to_owned()), Pin::Cookie("canary".to_owned()));
    until("the canary is up", || async { bench.read().await.servers.iter().all(|server| server.up) }).await;
    bench.haproxy.pin(&bench.place, &header, Some(&id("canary"))).await.unwrap();
    let kept = bench.get("").await.2.unwrap();
    assert_eq!(bench.get("").await.1, "stable");
    assert_eq!(bench.get("X-Canary: canary\r\n").await.1, "canary");
    assert_eq!(bench.get("X-Canary: always\r\n").await.1, "stable");
    // Also one whom a cookie keeps with another server.
    assert_eq!(bench.get(&format!("X-Canary: canary\r\nCookie: {kept}\r\n")).await.1, "canary");
    bench.haproxy.pin(&bench.place, &cookie, Some(&id("canary"))).await.unwrap();
    assert_eq!(bench.get("Cookie: canary=canary\r\n").await.1, "canary");
    bench.router.reload().await;
    until("the canary is up", || async { bench.read().await.servers.iter().all(|server| server.up) }).await;
    assert_eq!(bench.get("Cookie: canary=canary\r\n").await.1, "canary");
    bench.haproxy.pin(&bench.place, &cookie, None).await.unwrap();
    assert_eq!(bench.get("Cookie: canary=canary\r\n").await.1, "stable");
    let refused = bench.haproxy.pin(&bench.place, &Pin::Header("X-Beta".to_owned()), Some(&id("canary"))).await.unwrap_err();
    assert!(refused.to_string().ends_with("testers are known by the header `X-Canary` here, not `X-Beta`"), "{refused}");
}

#[tokio::test]
async fn each_failed_request_is_counted_once_whatever_has_failed() {
    let bench = Bench::start(Shape { answer_ms: 300, ..Shape::default() }).await;
    let locals = Local::several("stable", 1).await;
    bench.attach(&locals).await;
    bench.all_to("stable").await;
    let ask = |count: u32| {
        let address = bench.router.address();
        async move {
            for _ in 0..count {
                let mut connection = Connection::open(&address).await.unwrap();
                // Half of an answer is an error for this client too.
                let _ = connection.get("/", "").await;
            }
        }
    };
    let mut expected = (0, 0);
    for (manner, count, fails) in [
        (Manner::Well, 20, 0),
        (Manner::Fails, 5, 1),
        (Manner::Resets, 4, 1),
        (Manner::Silent, 2, 1),
        (Manner::Cut, 3, 1),
        (Manner::Well, 7, 0),
    ] {
        locals[0].answers(manner);
        ask(count).await;
        expected = (expected.0 + u64::from(count), expected.1 + u64::from(count) * fails);
        until("HAProxy has counted them", || async {
            let totals = bench.totals("stable").await;
            (totals.requests, totals.errors) == expected
        })
        .await;
    }
    let latency = bench.totals("stable").await.latency.unwrap();
    // Those that were answered at all.
    assert_eq!(latency.counts.iter().sum::<u64>(), 20 + 5 + 3 + 7);
}

#[tokio::test]
async fn a_server_that_takes_no_connections_is_counted_for_it_though_users_are_served_by_another() {
    let bench = Bench::start(Shape::default()).await;
    let locals = Local::several("stable", 1).await;
    bench.attach(&locals).await;
    bench.all_to("stable").await;
    let dead = Instance { address: Some("127.0.0.1:1".to_owned()), ..Local::start("canary", 0).await.instance.clone() };
    bench.haproxy.attach(&bench.place, &[dead]).await.unwrap();
    // As it is between two checks.
    let server = "web/canary:local-canary-0";
    bench
        .router
        .ask(&format!("disable health {server}; set server {server} health up; set server {server} weight 256"))
        .await
        .unwrap();
    for _ in 0..10 {
        assert_eq!(bench.get("").await.0, 200);
    }
    let canary = bench.totals("canary").await;
    assert!(canary.requests > 0 && canary.errors == canary.requests, "{canary:?}");
    assert_eq!(bench.totals("stable").await.errors, 0);
}

#[tokio::test]
async fn counters_begin_anew_with_a_server_that_is_added_again() {
    let bench = Bench::start(Shape::default()).await;
    let locals = Local::several("stable", 1).await;
    for _ in 0..2 {
        bench.attach(&locals).await;
        bench.all_to("stable").await;
        bench.get("").await;
        let totals = bench.totals("stable").await;
        assert_eq!((totals.requests, totals.latency.unwrap().counts.iter().sum::<u64>()), (1, 1));
        bench.detach(&locals).await;
    }
    assert_eq!(bench.totals("stable").await, Totals::default());
}

#[tokio::test]
async fn a_slow_answer_is_counted_in_the_bucket_of_its_time() {
    let (world, bench) = (World::new(), Bench::start(Shape::default()).await);
    let one = pool("1.0.0");
    let instances = world.ready(&one, 1).await;
    bench.haproxy.attach(&bench.place, &instances).await.unwrap();
    bench.split(&Shares::all_to(one.id.clone())).await;
    let mut connection = Connection::open(&bench.router.address()).await.unwrap();
    connection.get("/slow?ms=250", "").await.unwrap().unwrap();
    let reading = MetricSource::read(&bench.haproxy, &bench.place, std::slice::from_ref(&one.id)).await.unwrap();
    let latency = reading.pools[&one.id].latency.clone().unwrap();
    let at = latency.counts.iter().position(|count| *count == 1).unwrap();
    // Later than 200 ms for sure; how much later is up to the machine.
    assert!(latency.bounds_ms[at - 1] >= 200.0, "{latency:?}");
}

#[tokio::test]
async fn what_cannot_be_exact_or_is_not_there_is_refused_with_the_next_move() {
    let bench = Bench::start(Shape::default()).await;
    let said = |error: TargetError| match error {
        TargetError::Refused { cause, .. } => cause,
        TargetError::Unavailable { .. } => panic!("it will not pass: {error}"),
    };
    let none = Haproxy::new(Config::new(Address::Unix(bench.router.socket()), "nothing"));
    let error = TrafficRouter::read(&none, &bench.place).await.unwrap_err();
    assert_eq!(said(error), "HAProxy's configuration has no such backend");
    bench.router.ask("add server web/by-hand 127.0.0.1:1 weight 1; enable server web/by-hand").await.unwrap();
    let error = TrafficRouter::read(&bench.haproxy, &bench.place).await.unwrap_err();
    assert_eq!(
        said(error),
        "server `by-hand` is not Gatewright's and takes part of the requests; remove it, or make it `backup`"
    );
    let mut instance = Local::start("stable", 0).await.instance.clone();
    bench.router.ask("set server web/by-hand state maint").await.unwrap();
    instance.id = "a;b".to_owned();
    let error = bench.haproxy.attach(&bench.place, &[instance]).await.unwrap_err();
    assert!(said(error).starts_with("HAProxy takes letters, digits"));
}

#[test]
fn the_template_counts_in_the_buckets_that_are_read() {
    let template = include_str!("../../../../templates/deploy/gatewright-web.cfg");
    let bounds = gatewright_target::LATENCY_BOUNDS_MS;
    let rule =
        |nth: usize, condition: String| format!("http-response sc-inc-gpc({nth},0) if {{ var(txn.gw_ms) -m int {condition} }}");
    let mut rules = vec![rule(0, format!("lt {}", bounds[0]))];
    rules.extend(bounds.windows(2).enumerate().map(|(nth, two)| rule(nth + 1, format!("{}:{}", two[0], two[1] - 1))));
    rules.push(rule(bounds.len(), format!("ge {}", bounds[bounds.len() - 1])));
    let there: Vec<&str> = template.lines().map(str::trim).filter(|line| line.starts_with("http-response sc-inc-gpc")).collect();
    assert_eq!(there, rules);
    assert!(template.contains(&format!("store gpc({})", bounds.len() + 1)));
}
