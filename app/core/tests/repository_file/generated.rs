//! Any releases and environments, and what they look like in the file.

use std::collections::BTreeMap;
use std::fmt::Write;

use gatewright_core::command::Who;
use gatewright_core::config::{
    Approvals, AuthorCounts, Busy, CanaryStep, DockerConfig, Drift, EnvValue, Environment, ExecConfig, HealthCheck, Hook, Hooks,
    Notes, Percent, Pin, Preview, Releases, Signed, StartsBy, StepHold, Strategy as Way, TargetConfig, Window,
};
use gatewright_core::rollout::analysis::{AnalysisConfig, ErrorLimit, FixedLimits, Times};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What goes behind the gates of a file. JSON is YAML.
pub(super) fn printed(releases: Option<&Releases>, environments: &[Environment]) -> String {
    let mut file = String::new();
    if let Some(releases) = releases {
        writeln!(file, "releases: {}", of_releases(releases)).unwrap();
    }
    if !environments.is_empty() {
        file.push_str("environments:\n");
    }
    for environment in environments {
        writeln!(file, "  {}: {}", environment.name, of_environment(environment)).unwrap();
    }
    file
}

/// A mapping without what is nothing.
fn mapping<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let is_something = |(_, value): &(&str, Value)| !value.is_null() && *value != json!([]);
    entries.into_iter().filter(is_something).map(|(key, value)| (key.to_owned(), value)).collect::<serde_json::Map<_, _>>().into()
}

fn decimal(hundredths: u32) -> Value {
    json!(f64::from(hundredths) / 100.0)
}

fn of_releases(releases: &Releases) -> Value {
    let Releases { tags, require, notes, signed, artefacts, changelog, line: _ } = releases;
    let signed = match signed {
        Signed::Nothing => Value::Null,
        Signed::Tag => json!("tag"),
        Signed::Commit => json!("commit"),
        Signed::Either => json!("either"),
    };
    let notes = if *notes == Notes::None { "none" } else { "conventional" };
    mapping([
        ("on", json!({ "tag": tags })),
        ("require", json!(require)),
        ("notes", json!(notes)),
        ("signed", signed),
        ("artefacts", json!(artefacts)),
        ("changelog", json!(changelog)),
    ])
}

fn of_environment(environment: &Environment) -> Value {
    let Environment { name: _, line: _, url, after, soak_secs, approvals, windows, busy, prereleases, .. } = environment;
    let Environment { start, deadline_secs, target, strategy, analysis, hooks, drift, .. } = environment;
    let who: Vec<String> = approvals.who.iter().map(named).collect();
    let author = approvals.author == AuthorCounts::Yes;
    let approvals = mapping([("count", json!(approvals.count)), ("who", json!(who)), ("author", json!(author))]);
    mapping([
        ("url", json!(url)),
        ("after", json!(after)),
        ("soak", if *soak_secs == 0 { Value::Null } else { json!(soak_secs) }),
        ("approvals", if approvals["count"] == 0 { Value::Null } else { approvals }),
        ("windows", windows.iter().map(of_window).collect()),
        ("busy", json!(busy)),
        ("prereleases", json!(prereleases)),
        ("start", json!(start)),
        ("deadline", json!(format!("{deadline_secs}s"))),
        ("target", of_target(target)),
        ("strategy", of_strategy(strategy)),
        ("analysis", of_analysis(analysis)),
        ("hooks", of_hooks(hooks)),
        ("drift", json!(drift)),
    ])
}

fn named(who: &Who) -> String {
    match who {
        Who::Role(role) => format!("{role:?}").to_lowercase(),
        Who::User(name) | Who::Team(name) => format!("@{name}"),
    }
}

fn of_window(window: &Window) -> Value {
    let Window { days, from_minute, to_minute, zone } = window;
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let days: Vec<&str> = days.iter().map(|day| names[usize::from(*day) - 1]).collect();
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    json!({ "days": days, "from": time(*from_minute), "to": time(*to_minute), "zone": zone })
}

fn of_target(target: &TargetConfig) -> Value {
    match target {
        TargetConfig::Docker(docker) => json!({ "docker": of_docker(docker) }),
        TargetConfig::Exec(ExecConfig { service, replicas, with, ready_within_secs }) => {
            json!({ "exec": { "service": service, "replicas": replicas, "with": with, "ready-within": ready_within_secs } })
        }
    }
}

fn of_docker(docker: &DockerConfig) -> Value {
    let DockerConfig { service, image, command, replicas, port, health, env, memory_mib, cpus_milli, stop_secs } = docker;
    let HealthCheck { path, every_secs, timeout_secs, ready_within_secs } = health;
    let health = [("path", json!(path)), ("every", json!(every_secs)), ("timeout", json!(timeout_secs))];
    let [path, every, timeout] = health;
    let value = |value: &EnvValue| match value {
        EnvValue::Plain(text) => json!(text),
        EnvValue::Secret(name) => json!({ "secret": name }),
    };
    let env: BTreeMap<&String, Value> = env.iter().map(|(name, one)| (name, value(one))).collect();
    mapping([
        ("service", json!(service)),
        ("image", json!(image)),
        ("command", json!(command)),
        ("replicas", json!(replicas)),
        ("port", json!(port)),
        ("health", mapping([path, every, timeout, ("ready-within", json!(ready_within_secs))])),
        ("env", json!(env)),
        ("memory-mib", json!(memory_mib)),
        ("cpus", cpus_milli.map_or(Value::Null, |milli| json!(f64::from(u32::try_from(milli).unwrap()) / 1000.0))),
        ("stop", json!(stop_secs)),
    ])
}

fn of_strategy(strategy: &Way) -> Value {
    match strategy {
        Way::Recreate => json!("recreate"),
        Way::Rolling { batch, every_secs } => json!({ "rolling": { "batch": batch.hundredths / 100, "every": every_secs } }),
        Way::BlueGreen { preview, watch_secs, keep_secs } => {
            json!({ "blue-green": { "preview": preview, "watch": watch_secs, "keep": keep_secs } })
        }
        Way::Canary { steps, keep_secs, pin } => {
            let step = |step: &CanaryStep| match step.hold {
                StepHold::Secs(secs) => json!({ "percent": step.percent, "hold": secs }),
                StepHold::Manual => json!({ "percent": step.percent, "hold": "manual" }),
            };
            let steps: Vec<Value> = steps.iter().map(step).collect();
            json!({ "canary": mapping([("steps", json!(steps)), ("keep", json!(keep_secs)), ("pin", json!(pin))]) })
        }
    }
}

fn of_analysis(analysis: &AnalysisConfig) -> Value {
    let AnalysisConfig { errors, latency_p95, alpha, warm_up_secs, extend_at_most_secs, fixed } = analysis;
    let of_errors = |limit: ErrorLimit| {
        let ErrorLimit { worse_at_most, more_at_most } = limit;
        json!({ "worse-at-most": decimal(worse_at_most.hundredths), "more-at-most": decimal(more_at_most.hundredths) })
    };
    let FixedLimits { max_error_rate, max_p95_ms, requests_at_least, windows, of } = fixed;
    let exceeded = json!({ "windows": windows, "of": of, "requests-at-least": requests_at_least });
    mapping([
        ("errors", errors.map_or(json!("none"), of_errors)),
        ("latency-p95", latency_p95.map_or(Value::Null, |times| json!({ "worse-at-most": decimal(times.hundredths) }))),
        ("alpha", decimal(alpha.hundredths)),
        ("warm-up", json!(warm_up_secs)),
        ("extend-at-most", json!(extend_at_most_secs)),
        ("max-error-rate", max_error_rate.map_or(Value::Null, |percent| decimal(percent.hundredths))),
        ("max-p95-ms", json!(max_p95_ms)),
        ("exceeded-in", if fixed.is_empty() { Value::Null } else { exceeded }),
    ])
}

fn of_hooks(hooks: &Hooks) -> Value {
    let Hooks { before, preview, after } = hooks;
    if before.is_empty() && preview.is_empty() && after.is_empty() {
        return Value::Null;
    }
    let hook = |hook: &Hook| {
        let Hook { name, run, image, env, timeout_secs, network } = hook;
        let [name, run, image, env] = [("name", json!(name)), ("run", json!(run)), ("image", json!(image)), ("env", json!(env))];
        mapping([name, run, image, env, ("timeout", json!(timeout_secs)), ("network", json!(network))])
    };
    let all = |hooks: &[Hook]| hooks.iter().map(hook).collect::<Value>();
    mapping([("before", all(before)), ("preview", all(preview)), ("after", all(after))])
}

/// Releases without `require`, with up to four environments.
pub(super) fn some_releases() -> impl Strategy<Value = (Releases, Vec<Environment>)> {
    let environments = (0usize..=4).prop_flat_map(|count| (0..count).map(an_environment).collect::<Vec<_>>());
    (releases(), environments)
}

prop_compose! {
    fn releases()(
        tags in proptest::collection::vec("[a-z]{0,4}-?v\\*", 1..3),
        notes in any::<bool>(),
        signed in proptest::sample::select(vec![Signed::Nothing, Signed::Tag, Signed::Commit, Signed::Either]),
        changelog in proptest::option::of("[a-z]{1,5}(/[A-Z]{1,5}\\.md)?"),
    ) -> Releases {
        let notes = if notes || changelog.is_some() { Notes::Conventional } else { Notes::None };
        Releases { tags, require: Vec::new(), notes, signed, artefacts: Vec::new(), changelog, line: 0 }
    }
}

prop_compose! {
    fn an_environment(n: usize)(
        target in prop_oneof![docker().prop_map(TargetConfig::Docker), exec().prop_map(TargetConfig::Exec)],
        strategy in a_strategy(),
        analysis in an_analysis(),
        windows in proptest::collection::vec(a_window(), 0..3),
        hooks in proptest::collection::vec(a_hook(), 3),
        count in 0u32..4,
        who in proptest::sample::subsequence(vec![
            Who::Role(gatewright_core::forge::Permission::Write),
            Who::Team("acme/sre".to_owned()),
        ], 0..=2),
        waits in (60u64..2_592_000, 1u64..2_592_000),
        flags in proptest::array::uniform5(any::<bool>()),
        url in proptest::option::of("https://[a-z]{1,9}\\.[a-z]{2}/\\{\\{ ?version ?\\}\\}"),
    ) -> Environment {
        let after: Vec<_> = (0..n).filter(|_| flags[0]).map(|before| format!("e{before}").parse().unwrap()).collect();
        let (deadline_secs, soak) = waits;
        let author = if flags[4] { AuthorCounts::Yes } else { AuthorCounts::No };
        let approvals = if count == 0 { Approvals::default() } else { Approvals { count, who, author } };
        let of = |at: usize| hooks[at].clone().map(|hook| Hook { name: format!("h{at}").parse().unwrap(), ..hook }).into_iter().collect();
        Environment {
            name: format!("e{n}").parse().unwrap(),
            url,
            soak_secs: if after.is_empty() || soak >= deadline_secs { 0 } else { soak },
            after,
            approvals,
            windows,
            busy: if flags[1] { Busy::Wait } else { Busy::Supersede },
            prereleases: n == 0 && flags[2],
            start: if flags[2] { StartsBy::Release } else { StartsBy::Command },
            deadline_secs,
            target,
            strategy,
            analysis,
            hooks: Hooks { before: of(0), preview: of(1), after: of(2) },
            drift: if flags[3] { Drift::Report } else { Drift::Restore },
            line: 0,
        }
    }
}

/// Any text, with or without something to fill in.
fn text() -> impl Strategy<Value = String> {
    ("[ -z|~\n\tä€😀]{0,20}", any::<bool>()).prop_map(|(text, filled)| if filled { format!("{text}{{{{ tag }}}}") } else { text })
}

prop_compose! {
    fn docker()(
        service in "[a-z][a-z0-9._-]{0,9}",
        image in "[a-z]{1,5}(/[a-z]{1,5})?:\\{\\{ version \\}\\}",
        command in proptest::option::of(proptest::collection::vec(text(), 1..4)),
        replicas in 1u32..=100,
        port in 1u16..,
        path in proptest::option::of("/[a-z?=&%/]{0,9}"),
        spans in (1u64..=300, 1u64..=300, 1u64..=3600, 1u64..=3600),
        plain in proptest::collection::btree_map("[A-F][A-Z0-9_]{0,5}", text().prop_map(EnvValue::Plain), 0..3),
        secrets in proptest::collection::btree_map("S[A-Z0-9_]{0,5}", "[a-z0-9_]{1,9}".prop_map(EnvValue::Secret), 0..3),
        memory_mib in proptest::option::of(6u64..=1_048_576),
        cpus_milli in proptest::option::of(10u64..=1_024_000),
    ) -> DockerConfig {
        let (every_secs, timeout_secs, ready_within_secs, stop_secs) = spans;
        let health = HealthCheck { path, every_secs, timeout_secs, ready_within_secs };
        let env = plain.into_iter().chain(secrets).collect();
        DockerConfig { service, image, command, replicas, port, health, env, memory_mib, cpus_milli, stop_secs }
    }
}

prop_compose! {
    fn exec()(
        service in "[a-z][a-z0-9._-]{0,9}",
        replicas in 1u32..=100,
        with in proptest::collection::btree_map("[a-z][a-z0-9._-]{0,9}", text(), 0..3),
        ready_within_secs in 1u64..=3600,
    ) -> ExecConfig {
        ExecConfig { service, replicas, with, ready_within_secs }
    }
}

fn a_strategy() -> impl Strategy<Value = Way> {
    let span = || 0u64..=604_800;
    let hold = prop_oneof![Just(StepHold::Manual), (1u64..=604_800).prop_map(StepHold::Secs)];
    let steps = (proptest::sample::subsequence((0..100).collect::<Vec<u32>>(), 0..10), proptest::collection::vec(hold, 10));
    let steps = steps.prop_map(|(percents, holds)| {
        let percents = percents.into_iter().chain([100]);
        percents.zip(holds).map(|(percent, hold)| CanaryStep { percent, hold }).collect::<Vec<_>>()
    });
    let steps = steps.prop_filter("the last one is everything", |steps| steps.last().is_some_and(|step| step.percent == 100));
    let pin = prop_oneof!["[A-Z][A-Za-z0-9-]{0,9}".prop_map(Pin::Header), "[a-z][a-z0-9_]{0,9}".prop_map(Pin::Cookie)];
    let preview = any::<bool>().prop_map(|manual| if manual { Preview::Manual } else { Preview::None });
    prop_oneof![
        Just(Way::Recreate),
        (1u32..=100, span())
            .prop_map(|(batch, every_secs)| Way::Rolling { batch: Percent { hundredths: batch * 100 }, every_secs }),
        (preview, span(), span()).prop_map(|(preview, watch_secs, keep_secs)| Way::BlueGreen { preview, watch_secs, keep_secs }),
        (steps, span(), proptest::option::of(pin)).prop_map(|(steps, keep_secs, pin)| Way::Canary { steps, keep_secs, pin }),
    ]
}

prop_compose! {
    fn an_analysis()(
        errors in proptest::option::of((105u32..=10_000, 0u32..=10_000)),
        latency in proptest::option::of(105u32..=10_000),
        alpha in 1u32..=1000,
        warm_up_secs in 0u32..=3600,
        extend_at_most_secs in 0u64..=86_400,
        max_error_rate in proptest::option::of(0u32..=10_000),
        max_p95_ms in proptest::option::of(1u32..=3_600_000),
        windows in (1u32..=20, 1u32..=20, 1u32..=1_000_000),
    ) -> AnalysisConfig {
        let (one, other, requests_at_least) = windows;
        let max_error_rate = max_error_rate.map(|hundredths| Percent { hundredths });
        let fixed = FixedLimits { max_error_rate, max_p95_ms, requests_at_least, windows: one.min(other), of: one.max(other) };
        let limit = |(times, more)| ErrorLimit { worse_at_most: Times { hundredths: times }, more_at_most: Percent { hundredths: more } };
        AnalysisConfig {
            errors: errors.map(limit),
            latency_p95: latency.map(|hundredths| Times { hundredths }),
            alpha: Percent { hundredths: alpha },
            warm_up_secs,
            extend_at_most_secs,
            fixed: if fixed.is_empty() { FixedLimits::default() } else { fixed },
        }
    }
}

prop_compose! {
    fn a_window()(
        days in proptest::sample::subsequence(vec![1u8, 2, 3, 4, 5, 6, 7], 1..=7),
        from_minute in 0u16..1440,
        to_minute in 0u16..=1440,
        zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    ) -> Window {
        let to_minute = if from_minute == to_minute { 1440 } else { to_minute };
        Window { days, from_minute, to_minute, zone: zone.to_owned() }
    }
}

prop_compose! {
    fn one_hook()(
        run in "[a-z./]{1,9}",
        image in "[a-z]{1,5}:[0-9]",
        env in proptest::collection::btree_map("[A-F][A-Z0-9_]{0,5}", "[a-z ]{0,9}", 0..3),
        timeout_secs in proptest::option::of(1u64..=86_400),
        network in any::<bool>(),
    ) -> Hook {
        Hook { name: "h".parse().unwrap(), run, image, env, timeout_secs, network }
    }
}

fn a_hook() -> impl Strategy<Value = Option<Hook>> {
    proptest::option::of(one_hook())
}
