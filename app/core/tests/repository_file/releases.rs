//! Releases and environments as they are written, and what they come to.

use std::collections::BTreeMap;

use gatewright_core::command::Who;
use gatewright_core::config::{
    Approvals, AuthorCounts, Budget, Busy, CanaryStep, DockerConfig, Drift, EnvValue, Environment, ExecConfig, HealthCheck,
    Hooks, Notes, Percent, Pin, Preview, RepoConfig, Signed, StartsBy, StepHold, Strategy, TargetConfig, Window, parse,
};
use gatewright_core::forge::Permission;
use gatewright_core::rollout::analysis::{AnalysisConfig, ErrorLimit, FixedLimits, Times};

/// What goes before a file's `environments`.
const GATES: &str = "image: rust:1.95\ngates:\n  tests: { run: x, outputs: 'dist/*' }\n  coverage: { run: x }\n";
const RELEASES: &str = "releases:\n  on: { tag: \"v*\" }\n";

fn read(rest: &str) -> RepoConfig {
    parse(&format!("{GATES}{rest}")).unwrap_or_else(|problems| panic!("{problems:?}\n{rest}"))
}

/// The environment of this name in a file that has these.
fn environment(name: &str, environments: &str) -> Environment {
    let config = read(&format!("{RELEASES}environments:\n{environments}"));
    config.environments.into_iter().find(|environment| environment.name.as_str() == name).unwrap()
}

const TARGET: &str = "target: { docker: { service: shop, image: 'shop:{{ version }}' } }";

fn strategy(written: &str) -> Strategy {
    environment("e", &format!("  e:\n    {TARGET}\n    strategy: {written}\n")).strategy
}

/// The file that Gatewright is introduced with.
const INTRODUCTION: &str = r#"image: rust:1.95                 # the sandbox image of every gate that names no other
gates:
  tests:
    run: cargo nextest run --profile ci
    junit: target/nextest/ci/junit.xml
  coverage:
    needs: [tests]
    run: cargo llvm-cov --lcov --output-path lcov.info
    coverage: lcov.info
    require: { lines: 80, changed-lines: 90, drop-at-most: 0.5 }     # percent
  security:
    run: semgrep scan --sarif --output out.sarif
    sarif: out.sarif
    require: { new: { error: 0 } }
  speed:
    run: cargo bench
    benchmark: target/criterion
    require: { slower-at-most: 10 }                                  # percent, against the base branch
  docs:
    when: { changed: ["app/**"] }
    require: { touched: ["docs/**", "CHANGELOG.md"] }
agents:
  fix:
    on: { command: fix, failed: [tests] }
    steps: [diagnose, repair, { verify: [tests] }, quality]
    budget: { usd: 2.00, turns: 40, minutes: 20 }
releases:
  on: { tag: "v*" }
  require: [tests, coverage, security]
  notes: conventional
environments:
  staging:
    target: { docker: { service: shop, image: "ghcr.io/acme/shop:{{ version }}" } }
    strategy: blue-green
  production:
    after: [staging]
    approvals: 2
    strategy: { canary: { steps: [5, 10, 25, 50, 100], every: 5m } }
    analysis: { errors: { worse-at-most: 1.5 }, latency-p95: { worse-at-most: 1.2 } }
commands:
  deploy: { who: maintain }
"#;

#[test]
fn the_file_that_gatewright_is_introduced_with_is_right() {
    let config = parse(INTRODUCTION).unwrap();
    let [fix] = config.agents.as_slice() else { panic!("{:?}", config.agents) };
    assert_eq!((fix.steps.len(), fix.budget), (4, Budget::default()));
    assert_eq!(config.releases.unwrap().require.len(), 3);
    let production = &config.environments[1];
    assert_eq!(production.target, config.environments[0].target, "without one of its own it has that of the environment before");
    assert_eq!(production.approvals, Approvals { count: 2, ..Approvals::default() });
    let Strategy::Canary { steps, keep_secs: 600, pin: None } = &production.strategy else { panic!("{:?}", production.strategy) };
    assert_eq!(steps.iter().map(|step| step.percent).collect::<Vec<_>>(), [5, 10, 25, 50, 100]);
    assert!(steps.iter().all(|step| step.hold == StepHold::Secs(300)));
}

#[test]
fn a_release_is_a_tag_and_little_else() {
    let releases = read(RELEASES).releases.unwrap();
    assert_eq!(releases.tags, ["v*"]);
    assert_eq!((releases.notes, releases.signed, releases.changelog.as_deref()), (Notes::Conventional, Signed::Nothing, None));
    assert!(releases.require.is_empty() && releases.artefacts.is_empty());
    assert_eq!(releases.line, 6);
}

#[test]
fn everything_that_is_said_of_releases_is_read() {
    let releases = read(
        "releases:\n  on: { tag: ['v*', 'shop/v*'] }\n  require: tests\n  notes: conventional\n  signed: either\n  artefacts: ['dist/*']\n  \
         changelog: docs/CHANGELOG.md\n",
    )
    .releases
    .unwrap();
    assert_eq!(releases.tags, ["v*", "shop/v*"]);
    assert_eq!(releases.require.iter().map(|gate| gate.as_str()).collect::<Vec<_>>(), ["tests"]);
    assert_eq!(releases.signed, Signed::Either);
    assert_eq!(releases.artefacts, ["dist/*"]);
    assert_eq!(releases.changelog.as_deref(), Some("docs/CHANGELOG.md"));
    assert_eq!(read("releases: { on: { tag: v* }, notes: none, signed: tag }\n").releases.unwrap().notes, Notes::None);
}

#[test]
fn an_environment_that_says_only_what_runs_there_is_whole() {
    let config = environment("e", &format!("  e:\n    {TARGET}\n"));
    let docker = DockerConfig {
        service: "shop".to_owned(),
        image: "shop:{{ version }}".to_owned(),
        command: None,
        replicas: 1,
        port: 8080,
        health: HealthCheck { path: None, every_secs: 2, timeout_secs: 2, ready_within_secs: 60 },
        env: BTreeMap::new(),
        memory_mib: None,
        cpus_milli: None,
        stop_secs: 10,
    };
    let expected = Environment {
        name: "e".parse().unwrap(),
        url: None,
        after: Vec::new(),
        soak_secs: 0,
        approvals: Approvals::default(),
        windows: Vec::new(),
        busy: Busy::Wait,
        prereleases: false,
        start: StartsBy::Release,
        deadline_secs: 7 * 24 * 3600,
        target: TargetConfig::Docker(docker),
        strategy: Strategy::Rolling { batch: Percent { hundredths: 2500 }, every_secs: 0 },
        analysis: AnalysisConfig::default(),
        hooks: Hooks::default(),
        drift: Drift::Report,
        line: 8,
    };
    assert_eq!(config, expected);
}

#[test]
fn everything_that_is_said_of_an_environment_is_read() {
    let file = r#"
  staging:
    target: { exec: { service: shop, with: { region: eu, build: 7, image: "{{ tag }}" }, replicas: 3, ready-within: 5m } }
    prereleases: true
  production:
    url: https://shop.example.com/{{ version }}
    after: staging
    soak: 1h
    approvals: { count: 2, who: ["@acme/sre", maintain, "@alice"], author: false }
    windows: [{ days: mon-fri, from: "09:00", to: "16:00", zone: Europe/Berlin }, { days: [sat, sun, sun] }]
    busy: supersede
    start: command
    deadline: 3d
    prereleases: true
    drift: restore
    hooks:
      before: { name: migrate, run: ./migrate.sh, image: "psql:17", network: true, timeout: 5m, env: { A: 1 } }
      after: [{ name: smoke, run: true }, { name: load, run: ./load.sh }]
"#;
    let staging = environment("staging", file);
    let with = [("build", "7"), ("image", "{{ tag }}"), ("region", "eu")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let exec = ExecConfig { service: "shop".to_owned(), replicas: 3, with: with.into(), ready_within_secs: 300 };
    assert_eq!(staging.target, TargetConfig::Exec(exec));
    let production = environment("production", file);
    assert_eq!(production.target, staging.target);
    assert_eq!(production.url.as_deref(), Some("https://shop.example.com/{{ version }}"));
    assert_eq!(production.after, [staging.name]);
    assert_eq!((production.soak_secs, production.deadline_secs), (3600, 3 * 24 * 3600));
    let who = vec![Who::Team("acme/sre".to_owned()), Who::Role(Permission::Maintain), Who::User("alice".to_owned())];
    assert_eq!(production.approvals, Approvals { count: 2, who, author: AuthorCounts::No });
    assert_eq!(
        production.windows,
        [
            Window { days: vec![1, 2, 3, 4, 5], from_minute: 540, to_minute: 960, zone: "Europe/Berlin".to_owned() },
            Window { days: vec![6, 7], from_minute: 0, to_minute: 1440, zone: "UTC".to_owned() },
        ]
    );
    assert_eq!((production.busy, production.start, production.drift), (Busy::Supersede, StartsBy::Command, Drift::Restore));
    assert!(production.prereleases);
    let [migrate] = production.hooks.before.as_slice() else { panic!("{:?}", production.hooks) };
    assert_eq!((migrate.name.as_str(), migrate.run.as_str(), migrate.image.as_str()), ("migrate", "./migrate.sh", "psql:17"));
    assert_eq!((migrate.network, migrate.timeout_secs, migrate.env["A"].as_str()), (true, Some(300), "1"));
    let after: Vec<(&str, &str)> = production.hooks.after.iter().map(|hook| (hook.run.as_str(), hook.image.as_str())).collect();
    assert_eq!(after, [("true", "rust:1.95"), ("./load.sh", "rust:1.95")]);
}

#[test]
fn everything_that_is_said_of_a_container_is_read() {
    let file = r#"
  e:
    target:
      docker:
        service: shop
        image: "ghcr.io/acme/shop:{{ version }}"
        command: [serve, --port, 80, "--tag={{ tag }}", true, ""]
        replicas: 2
        port: 80
        health: { path: /healthz, every: 1s, timeout: 5, ready-within: 2m }
        env: { A: b, N: 1.10, DATABASE_URL: { secret: shop-db }, WHERE: "{{ environment }}" }
        memory-mib: 512
        cpus: 0.5
        stop: 1m
"#;
    let TargetConfig::Docker(docker) = environment("e", file).target else { panic!("containers") };
    assert_eq!(docker.command.unwrap(), ["serve", "--port", "80", "--tag={{ tag }}", "true", ""]);
    assert_eq!(
        (docker.replicas, docker.port, docker.memory_mib, docker.cpus_milli, docker.stop_secs),
        (2, 80, Some(512), Some(500), 60)
    );
    let health = HealthCheck { path: Some("/healthz".to_owned()), every_secs: 1, timeout_secs: 5, ready_within_secs: 120 };
    assert_eq!(docker.health, health);
    let plain = |text: &str| EnvValue::Plain(text.to_owned());
    let env = [
        ("A", plain("b")),
        ("DATABASE_URL", EnvValue::Secret("shop-db".to_owned())),
        ("N", plain("1.10")),
        ("WHERE", plain("{{ environment }}")),
    ];
    assert_eq!(docker.env, env.map(|(name, value)| (name.to_owned(), value)).into());
}

#[test]
fn a_strategy_is_a_word_or_says_more() {
    let rolling = |percent: u32, every_secs| Strategy::Rolling { batch: Percent { hundredths: percent * 100 }, every_secs };
    assert_eq!(strategy("recreate"), Strategy::Recreate);
    assert_eq!(strategy("{ recreate: {} }"), Strategy::Recreate);
    assert_eq!(strategy("rolling"), rolling(25, 0));
    assert_eq!(strategy("{ rolling: { batch: 50, every: 30s } }"), rolling(50, 30));
    let blue_green = |preview, watch_secs, keep_secs| Strategy::BlueGreen { preview, watch_secs, keep_secs };
    assert_eq!(strategy("blue-green"), blue_green(Preview::None, 300, 3600));
    assert_eq!(strategy("{ blue-green: { preview: manual, watch: 0s, keep: 2d } }"), blue_green(Preview::Manual, 0, 2 * 86_400));
    let step = |percent, secs| CanaryStep { percent, hold: StepHold::Secs(secs) };
    let usual = [5, 25, 50, 100].map(|percent| step(percent, 300)).to_vec();
    assert_eq!(strategy("canary"), Strategy::Canary { steps: usual, keep_secs: 600, pin: None });
    let written = "{ canary: { steps: [0, 5, { percent: 25, hold: 30m }, { percent: 50, hold: manual }, { percent: 100 }], every: 1m, keep: 0, \
                   pin: { header: X-Canary } } }";
    let manual = CanaryStep { percent: 50, hold: StepHold::Manual };
    let steps = vec![step(0, 60), step(5, 60), step(25, 1800), manual, step(100, 60)];
    assert_eq!(strategy(written), Strategy::Canary { steps, keep_secs: 0, pin: Some(Pin::Header("X-Canary".to_owned())) });
    let Strategy::Canary { pin, .. } = strategy("{ canary: { pin: { cookie: canary } } }") else { panic!("a canary") };
    assert_eq!(pin, Some(Pin::Cookie("canary".to_owned())));
}

#[test]
fn what_is_not_said_of_the_analysis_is_as_usual() {
    let analysis = |written: &str| environment("e", &format!("  e:\n    {TARGET}\n    analysis: {written}\n")).analysis;
    let usual = AnalysisConfig::default();
    assert_eq!(analysis("{}"), usual);
    assert_eq!(analysis("{ errors: none }"), AnalysisConfig { errors: None, ..usual });
    let twice = ErrorLimit { worse_at_most: Times { hundredths: 200 }, ..ErrorLimit::default() };
    let slower = Some(Times { hundredths: 120 });
    assert_eq!(
        analysis("{ errors: { worse-at-most: 2 }, latency-p95: { worse-at-most: 1.2 } }"),
        AnalysisConfig { errors: Some(twice), latency_p95: slower, ..usual }
    );
    let fixed = FixedLimits {
        max_error_rate: Some(Percent { hundredths: 500 }),
        max_p95_ms: Some(800),
        requests_at_least: 50,
        windows: 2,
        of: 4,
    };
    assert_eq!(
        analysis(
            "{ errors: { more-at-most: 0.5 }, max-error-rate: 5, max-p95-ms: 800, exceeded-in: { windows: 2, of: 4, requests-at-least: 50 }, alpha: 0.5, warm-up: 0, extend-at-most: 1h }"
        ),
        AnalysisConfig {
            errors: Some(ErrorLimit { more_at_most: Percent { hundredths: 50 }, ..ErrorLimit::default() }),
            latency_p95: None,
            alpha: Percent { hundredths: 50 },
            warm_up_secs: 0,
            extend_at_most_secs: 3600,
            fixed,
        }
    );
}

#[test]
fn days_go_over_the_end_of_the_week_and_times_over_midnight() {
    let windows = |written: &str| environment("e", &format!("  e:\n    {TARGET}\n    windows: {written}\n")).windows;
    let [window] = windows("{ days: [fri-mon, wed], from: '22:30', to: '6:00' }").try_into().unwrap();
    assert_eq!(window.days, [1, 3, 5, 6, 7]);
    assert_eq!((window.from_minute, window.to_minute), (22 * 60 + 30, 6 * 60));
    assert_eq!(windows("{ days: tue }")[0].days, [2]);
    assert_eq!(windows("{ days: tue-tue }")[0].days, [2]);
    assert_eq!(windows("[{ days: tue-mon, to: '24:00' }]")[0].days, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_target_is_inherited_over_several_environments_where_all_before_have_the_same() {
    let file = format!(
        "  last: {{ after: [one, two] }}\n  one: {{ after: first }}\n  two:\n    after: first\n    {TARGET}\n  first:\n    {TARGET}\n"
    );
    let first = environment("first", &file).target;
    for name in ["one", "two", "last"] {
        assert_eq!(environment(name, &file).target, first, "{name}");
    }
}

#[test]
fn what_was_read_is_written_into_journals_and_read_back() {
    let config =
        read(&format!("{RELEASES}environments:\n  e:\n    {TARGET}\n    strategy: canary\n    windows: {{ days: mon }}\n"));
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<RepoConfig>(&written).unwrap(), config);
    let older = r#"{ "gates": [], "commands": {} }"#;
    let config: RepoConfig = serde_json::from_str(older).unwrap();
    assert!(config.releases.is_none() && config.environments.is_empty());
}

#[test]
fn the_examples_of_the_page_about_the_file_are_right() {
    let page = include_str!("../../../../docs/repository-file.md");
    let example = |key: &str| {
        page.split("```yaml\n").find(|block| block.starts_with(key)).and_then(|block| block.split("```").next()).unwrap()
    };
    let config = read(&format!("{}{}", example("releases:"), example("environments:")));
    assert_eq!(config.environments[0].target, config.environments[1].target);
    assert_eq!(config.releases.unwrap().signed, Signed::Tag);
}
