//! What a right file means, and that no file at all can break the reading.

use std::collections::BTreeMap;
use std::fmt::Write;

use gatewright_core::command::Who;
use gatewright_core::config::{
    BYTES_MAX, Benchmark, Cache, Checkout, CommitRule, Compare, Dependencies, FindingLimits, Forbidden, GATES_MAX, GateConfig,
    GateEvent, Percent, Policy, RepoConfig, Require, Review, Reviewers, Size, When, parse,
};
use proptest::prelude::*;

use crate::{generated, generated_agents};

fn gate<'c>(config: &'c RepoConfig, name: &str) -> &'c GateConfig {
    config.gates.iter().find(|gate| gate.name.as_str() == name).unwrap()
}

#[test]
fn a_whole_file_is_read_as_it_is_written() {
    let file = r#"# What is checked here.
image: rust:1.95
env:
  VERSION: 1.10
  ANSWER: yes
  FLAG: true
  EMPTY: ""
gates:
  tests:
    run: cargo nextest run --profile ci
    junit: target/nextest/ci/junit.xml
    timeout: 1h30m
    env: { ANSWER: 'no' }
  lint:
    run: |
      cargo fmt --check
      cargo clippy
    image: rust:1.95-slim
    needs: [tests]
    when:
      changed: ["app/**", "!**/*.md"]
      branches: main
      events: [pull_request, push]
    timeout: 90
    network: true
    required: false
    checkout: { submodules: true }
"#;
    let config = parse(file).unwrap();
    let names: Vec<&str> = config.gates.iter().map(|gate| gate.name.as_str()).collect();
    assert_eq!(names, ["tests", "lint"]);

    let tests = gate(&config, "tests");
    assert_eq!(tests.image, "rust:1.95");
    assert_eq!(tests.timeout_secs, Some(5400));
    assert_eq!(tests.junit, ["target/nextest/ci/junit.xml"]);
    assert!(tests.required && !tests.network);
    assert_eq!(tests.line, 9);
    let env = [("ANSWER", "no"), ("EMPTY", ""), ("FLAG", "true"), ("VERSION", "1.10")];
    assert_eq!(tests.env, env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());

    let lint = gate(&config, "lint");
    assert_eq!(lint.run.as_deref().unwrap(), "cargo fmt --check\ncargo clippy\n");
    assert_eq!(lint.image, "rust:1.95-slim");
    assert_eq!(lint.env["ANSWER"], "yes");
    assert_eq!(lint.needs, std::slice::from_ref(&tests.name));
    assert_eq!(lint.when.changed, ["app/**", "!**/*.md"]);
    assert_eq!(lint.when.branches, ["main"]);
    assert_eq!(lint.when.events, [GateEvent::PullRequest, GateEvent::Push]);
    assert_eq!(lint.timeout_secs, Some(90));
    assert!(lint.network && !lint.required);
    assert_eq!(lint.checkout, Checkout { submodules: true, lfs: false });
}

#[test]
fn the_first_file_that_most_people_write_is_read() {
    let file = "image: rust:1.95                 # the sandbox image of every gate that names no other\n\
                gates:\n  tests:\n    run: cargo nextest run --profile ci\n    junit: target/nextest/ci/junit.xml\n  docs:\n    \
                needs: [tests]\n    run: mdbook test\n    when: { changed: [\"app/**\"] }\n";
    let config = parse(file).unwrap();
    assert_eq!(gate(&config, "tests").image, "rust:1.95");
    assert_eq!(gate(&config, "docs").when.changed, ["app/**"]);
}

#[test]
fn true_and_false_are_commands() {
    let config = parse("image: a\ngates:\n  good: { run: true }\n  bad: { run: false }\n").unwrap();
    assert_eq!((gate(&config, "good").run.as_deref().unwrap(), gate(&config, "bad").run.as_deref().unwrap()), ("true", "false"));
}

#[test]
fn a_byte_order_mark_windows_lines_and_a_document_start_are_taken() {
    let config = parse("\u{feff}---\r\nimage: a\r\ngates:\r\n  t:\r\n    run: x\r\n").unwrap();
    assert_eq!(gate(&config, "t").run.as_deref(), Some("x"));
}

#[test]
fn an_alias_stands_for_a_whole_value() {
    let file = "image: a\ngates:\n  a: { run: x, when: &code { changed: [\"app/**\"] } }\n  b: { run: y, when: *code }\n";
    let config = parse(file).unwrap();
    assert_eq!(gate(&config, "a").when, gate(&config, "b").when);
}

#[test]
fn aliases_of_aliases_cannot_grow_without_bound() {
    let mut file = "image: a\nx0: &x0 [a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*x{}", level - 1); 9].join(", ");
        writeln!(file, "x{level}: &x{level} [{aliases}]").unwrap();
    }
    let problems = parse(&file).unwrap_err();
    assert!(problems.iter().any(|p| p.message.contains("aliases of this file stand for far more")), "{problems:?}");
}

#[test]
fn a_long_text_behind_many_aliases_is_not_copied_without_bound() {
    let text = "x".repeat(100_000);
    let aliases = vec!["*t"; 2000].join(", ");
    let file = format!("image: a\ngates:\n  a: {{ run: &t {text}, needs: [{aliases}] }}\n");
    assert!(parse(&file).is_err());
}

#[test]
fn an_alias_of_what_it_is_a_part_of_is_refused() {
    assert!(parse("image: a\ngates: &g { t: *g }\n").is_err());
}

#[test]
fn deep_nesting_is_refused_with_its_place() {
    for file in [format!("image: {}", "[".repeat(100_000)), format!("image: {}", "{a: ".repeat(50_000))] {
        let problems = parse(&file).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.starts_with("more than 16 mappings and lists"), "{problems:?}");
    }
    let block: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(parse(&block).unwrap_err()[0].message.starts_with("more than 16"));
}

#[test]
fn a_file_that_is_too_large_is_not_even_looked_at() {
    let problems = parse(&"#".repeat(BYTES_MAX + 1)).unwrap_err();
    assert_eq!(problems[0].to_string(), "1:1: the file has 262145 bytes; it may have 262144");
}

#[test]
fn more_gates_than_the_limit_are_refused_at_the_first_beyond_it() {
    let file =
        |gates: usize| (0..gates).fold("image: a\ngates:\n".to_owned(), |file, n| file + &format!("  g{n}: {{ run: x }}\n"));
    assert_eq!(parse(&file(GATES_MAX)).unwrap().gates.len(), GATES_MAX);
    let problems = parse(&file(GATES_MAX + 1)).unwrap_err();
    assert_eq!(problems[0].to_string(), "103:3: 101 gates; a file may have 100");
}

#[test]
fn at_most_fifty_problems_are_named() {
    let file = (0..200).fold(String::new(), |file, n| file + &format!("unknown{n}: x\n"));
    assert_eq!(parse(&file).unwrap_err().len(), 50);
}

#[test]
fn thousands_of_needs_that_do_not_exist_are_no_labour() {
    let needs = |gate: usize| (0..90).map(|n| format!("missing-{gate}-{n}")).collect::<Vec<_>>().join(", ");
    let gate = |n: usize| format!("  {n:060}: {{ run: x, needs: [{}] }}\n", needs(n));
    let file = (0..GATES_MAX).fold("image: a\ngates:\n".to_owned(), |file, n| file + &gate(n));
    assert_eq!(parse(&file).unwrap_err().len(), 50);
}

#[test]
fn columns_count_characters() {
    let problems = parse("image: a\ngates:\n  t: { run: \"äöü\", junitt: x }\n").unwrap_err();
    assert_eq!((problems[0].line, problems[0].column), (3, 20));
}

/// A file as a program would write it: JSON's texts are YAML's too.
fn printed(config: &RepoConfig) -> String {
    let json = |value: &dyn erased::Json| value.json();
    let mut file = "gates:\n".to_owned();
    for gate in &config.gates {
        let GateConfig {
            name,
            image,
            run,
            env,
            needs,
            when,
            timeout_secs,
            junit,
            tests,
            retries,
            coverage,
            outputs,
            cache,
            findings,
            code_scanning,
            benchmark,
            require,
            policy,
            network,
            required,
            checkout,
            line: _,
        } = gate;
        writeln!(file, "  {}:", json(&name.as_str().to_owned())).unwrap();
        writeln!(file, "    image: {}\n    run: {}\n    env: {}", json(image), json(run), json(env)).unwrap();
        let lists = [
            ("needs", json(needs)),
            ("junit", json(junit)),
            ("tests", json(tests)),
            ("coverage", json(coverage)),
            ("findings", json(findings)),
            ("outputs", json(outputs)),
            ("benchmark", json(&benchmark.reports)),
        ];
        for (key, list) in lists.iter().filter(|(_, list)| list != "[]") {
            writeln!(file, "    {key}: {list}").unwrap();
        }
        if let Some(Cache { paths, key }) = cache {
            writeln!(file, "    cache: {{ paths: {}, key: {} }}", json(paths), json(key)).unwrap();
        }
        let lists = [("changed", json(&when.changed)), ("branches", json(&when.branches)), ("events", json(&when.events))];
        let lists: Vec<String> = lists.iter().filter(|(_, l)| l != "[]").map(|(key, list)| format!("{key}: {list}")).collect();
        writeln!(file, "    when: {{ {} }}", lists.join(", ")).unwrap();
        if let Some(secs) = timeout_secs {
            writeln!(file, "    timeout: {secs}").unwrap();
        }
        if benchmark.is_interleaved() {
            writeln!(file, "    compare: interleaved\n    rounds: {}", benchmark.rounds).unwrap();
        }
        if let Some(prepare) = &benchmark.prepare {
            writeln!(file, "    prepare: {}", json(prepare)).unwrap();
        }
        let percent = |(key, percent): (&str, Option<Percent>)| {
            let hundredths = percent?.hundredths;
            Some(format!("{key}: {}.{:02}", hundredths / 100, hundredths % 100))
        };
        let demands = [
            ("lines", require.lines),
            ("branches", require.branches),
            ("changed-lines", require.changed_lines),
            ("drop-at-most", require.drop_at_most),
            ("tests-drop-at-most", require.tests_drop_at_most),
            ("slower-at-most", require.slower_at_most),
        ];
        let limits = |(key, limits): (&str, Option<FindingLimits>)| {
            let FindingLimits { error, warning, note, critical, high, medium, low } = limits?;
            let all = [
                ("error", error),
                ("warning", warning),
                ("note", note),
                ("critical", critical),
                ("high", high),
                ("medium", medium),
                ("low", low),
            ];
            let all: Vec<String> = all.into_iter().filter_map(|(key, most)| Some(format!("{key}: {}", most?))).collect();
            Some(format!("{key}: {{ {} }}", all.join(", ")))
        };
        let of_findings = [("new", require.new), ("total", require.total)].into_iter().filter_map(limits);
        let new_failures = require.new_failures_at_most.map(|count| format!("new-failures-at-most: {count}"));
        let demands = demands.into_iter().filter_map(percent).chain(new_failures).chain(of_findings);
        let demands: Vec<String> = demands.chain(asked_of_the_change(policy)).collect();
        writeln!(file, "    require: {{ {} }}", demands.join(", ")).unwrap();
        writeln!(file, "    code-scanning: {code_scanning}").unwrap();
        writeln!(file, "    network: {network}\n    required: {required}\n    retries: {retries}").unwrap();
        writeln!(file, "    checkout: {{ submodules: {} }}", checkout.submodules).unwrap();
    }
    file + &generated::printed(config.releases.as_ref(), &config.environments) + &generated_agents::printed(&config.agents)
}

/// What a policy that [`a_policy`] makes looks like in the file.
fn asked_of_the_change(policy: &Policy) -> Vec<String> {
    let json = |value: &dyn erased::Json| value.json();
    let Policy { touched, changelog, commits, links, size, reviewers, dependencies, forbidden, .. } = policy;
    let lists = [("touched", json(touched)), ("changelog", json(changelog)), ("links", json(links)), ("commits", json(commits))];
    let mut all: Vec<String> = lists.iter().filter(|(_, l)| l != "[]").map(|(key, list)| format!("{key}: {list}")).collect();
    if !forbidden.removed.is_empty() {
        all.push(format!("forbidden: {{ removed: {} }}", json(&forbidden.removed)));
    }
    if let Some(Size { lines: Some(lines), .. }) = size {
        all.push(format!("size-at-most: {{ lines: {lines} }}"));
    }
    if let Some(Reviewers::Rules { rules }) = reviewers {
        let rules: Vec<String> = rules.iter().map(|rule| format!("{{ count: {}, from: '@octo/core' }}", rule.count)).collect();
        all.push(format!("reviewers: [{}]", rules.join(", ")));
    }
    if let Some(Dependencies { licences_denied, .. }) = dependencies {
        let denied =
            if licences_denied.is_empty() { String::new() } else { format!("licences: {{ deny: {} }}", json(licences_denied)) };
        all.push(format!("dependencies: {{ {denied} }}"));
    }
    all
}

mod erased {
    /// What can be written as JSON.
    pub(super) trait Json {
        fn json(&self) -> String;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> String {
            serde_json::to_string(self).unwrap()
        }
    }
}

fn percent(there: bool, hundredths: u32) -> Option<Percent> {
    there.then_some(Percent { hundredths })
}

fn some_limits(there: bool, most: [Option<u32>; 7]) -> Option<FindingLimits> {
    let [error, warning, note, critical, high, medium, low] = most;
    let limits = FindingLimits { error, warning, note, critical, high, medium, low };
    (there && limits != FindingLimits::default()).then_some(limits)
}

prop_compose! {
    fn a_benchmark()(
        reports in proptest::collection::vec("[a-z]{1,5}(/[a-z]{1,5}\\.json)?", 0..3),
        interleaved in any::<bool>(),
        rounds in Benchmark::ROUNDS_MIN..=Benchmark::ROUNDS_MAX,
        prepare in proptest::option::of("[a-z]{1,8}"),
    ) -> Benchmark {
        if !interleaved || reports.is_empty() {
            return Benchmark { reports, ..Benchmark::default() };
        }
        Benchmark { reports, compare: Compare::Interleaved, rounds, prepare }
    }
}

prop_compose! {
    fn a_policy()(
        touched in proptest::collection::vec("!?[a-z]{1,5}/\\*\\*", 0..3),
        changelog in proptest::collection::vec("[a-z]{1,5}\\.md", 0..2),
        removed in proptest::collection::vec("[a-z]{1,5}\\.rs", 0..2),
        denied in proptest::collection::vec("[A-Z]{1,5}-\\*", 0..2),
        commits in proptest::sample::subsequence(vec![CommitRule::Conventional, CommitRule::SignedOff], 0..=2),
        lines in proptest::option::of(0_u64..1_000_000),
        counts in proptest::collection::vec(1_u64..=20, 0..3),
        dependencies in any::<bool>(),
    ) -> Policy {
        let review = |count| Review { paths: Vec::new(), from: vec![Who::Team("octo/core".to_owned())], count };
        let reviewers = Reviewers::Rules { rules: counts.iter().copied().map(review).collect() };
        Policy {
            touched,
            links: changelog.clone(),
            changelog,
            commits,
            size: lines.map(|lines| Size { lines: Some(lines), ..Size::default() }),
            forbidden: Forbidden { removed, ..Forbidden::default() },
            reviewers: (!counts.is_empty()).then_some(reviewers),
            dependencies: dependencies.then_some(Dependencies { licences_denied: denied, ..Dependencies::default() }),
            ..Policy::default()
        }
    }
}

prop_compose! {
    fn a_gate(number: usize)(
        image in "[a-z][a-z0-9/.:@-]{0,20}",
        run in "[^\u{0}-\u{8}\u{b}-\u{1f}\u{7f}-\u{9f}\u{feff}\u{fffe}\u{ffff}]{0,40}x",
        env in proptest::collection::btree_map("[A-F][A-Z0-9_]{0,8}", "[ -~äß→]{0,12}", 0..4),
        need in proptest::option::of(0..number.max(1)),
        changed in proptest::collection::vec("!?[a-z]{1,5}/\\*\\*(/\\*\\.[a-z]{2})?", 0..3),
        branches in proptest::collection::vec("[a-z]{1,8}(/\\*)?", 0..3),
        events in proptest::sample::subsequence(GateEvent::ALL.to_vec(), 0..=3),
        timeout_secs in proptest::option::of(1u64..=24 * 3600),
        junit in proptest::collection::vec("[a-z]{1,5}(/\\*\\*)?/[a-z]{1,5}\\.xml", 0..3),
        cached in proptest::option::of("[a-z]{1,5}(/[a-z]{1,5})?"),
        outputs in proptest::collection::vec("[a-z]{1,5}(/\\*\\*)?/[a-z]{1,5}\\.html", 0..3),
        coverage in proptest::collection::vec("[a-z]{1,5}(/\\*\\*)?/[a-z]{1,5}\\.info", 0..3),
        other_format in any::<bool>(),
        retries in 0u32..=5,
        findings in proptest::collection::vec("[a-z]{1,5}(/\\*\\*)?/[a-z]{1,5}\\.sarif", 0..3),
        limits in any::<[bool; 2]>(),
        most in proptest::array::uniform7(proptest::option::of(0u32..=1_000_000)),
        benchmark in a_benchmark(),
        demands in any::<[bool; 7]>(),
        hundredths in 0u32..=10_000,
        flags in any::<[bool; 3]>(),
        policy in a_policy(),
    ) -> GateConfig {
        let (junit, tests) = if other_format { (Vec::new(), junit) } else { (junit, Vec::new()) };
        let has_tests = !junit.is_empty() || !tests.is_empty();
        let needs = need.filter(|_| number > 0).map(|need| format!("gate-{need}").parse().unwrap()).into_iter().collect();
        GateConfig {
            name: format!("gate-{number}").parse().unwrap(),
            image, run: Some(run), needs, timeout_secs, junit, tests, retries, outputs,
            require: Require {
                lines: percent(demands[0] && !coverage.is_empty(), hundredths),
                branches: percent(demands[1] && !coverage.is_empty(), hundredths),
                changed_lines: percent(demands[2] && !coverage.is_empty(), 10_000 - hundredths),
                drop_at_most: percent(demands[3] && !coverage.is_empty(), hundredths),
                tests_drop_at_most: percent(demands[4] && has_tests, hundredths),
                new_failures_at_most: (demands[5] && has_tests).then_some(hundredths),
                new: some_limits(limits[0] && !findings.is_empty(), most),
                total: some_limits(limits[1] && !findings.is_empty(), most),
                slower_at_most: percent(demands[6] && !benchmark.reports.is_empty(), hundredths),
            },
            cache: cached.map(|path| Cache { paths: vec![path], key: vec!["**/*.lock".to_owned()] }),
            code_scanning: limits[0] && !findings.is_empty(),
            findings,
            benchmark,
            coverage,
            policy,
            env: env.into_iter().collect::<BTreeMap<_, _>>(),
            when: When { changed, branches, events },
            network: flags[0],
            required: flags[1],
            line: 0,
            checkout: Checkout { submodules: flags[2], lfs: false },
        }
    }
}

fn a_config() -> impl Strategy<Value = RepoConfig> {
    let gates = (1usize..6).prop_flat_map(|gates| (0..gates).map(a_gate).collect::<Vec<_>>());
    let with_agents = gates.prop_flat_map(|gates: Vec<GateConfig>| {
        let names = gates.iter().map(|gate| gate.name.clone()).collect();
        (Just(gates), generated_agents::some_agents(names))
    });
    (with_agents, proptest::option::of(generated::some_releases())).prop_map(|((gates, agents), releases)| {
        let (mut releases, environments) = releases.map_or((None, Vec::new()), |(releases, all)| (Some(releases), all));
        if let Some(releases) = &mut releases {
            releases.require = gates.iter().step_by(2).map(|gate| gate.name.clone()).collect();
        }
        RepoConfig { gates, releases, environments, agents, commands: BTreeMap::new() }
    })
}

/// Pieces of which files are made, put together in any order.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("gates:"),
        Just("releases: { on: { tag: v* } }"),
        Just("environments:"),
        Just("target: { exec: { service: a } }"),
        Just("after: "),
        Just("strategy: "),
        Just("windows: "),
        Just("agents:"),
        Just("roles:"),
        Just("fix: {}"),
        Just("steps: "),
        Just("parallel: "),
        Just("verify: "),
        Just("agent: "),
        Just("schedule: '* * 29 2 *'"),
        Just("image:"),
        Just("run:"),
        Just("needs:"),
        Just("when:"),
        Just("env:"),
        Just(" "),
        Just("\n"),
        Just("\n  "),
        Just("\n    "),
        Just("- "),
        Just("["),
        Just("]"),
        Just("{"),
        Just("}"),
        Just(", "),
        Just(": "),
        Just("a"),
        Just("&a "),
        Just("*a"),
        Just("!x "),
        Just("\""),
        Just("'"),
        Just("|\n"),
        Just("?"),
        Just("\t"),
        Just("#"),
        Just("---\n"),
        Just("ä"),
        Just("\u{feff}"),
        Just("\0"),
        Just("~"),
        Just("<<: "),
        Just("%"),
        Just("90s"),
        Just("junit: "),
        Just("\r\n"),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn check_any(text: &str) -> Result<(), TestCaseError> {
    if let Err(problems) = parse(text) {
        prop_assert!(!problems.is_empty() && problems.len() <= 50);
        prop_assert!(problems.iter().all(|p| p.line >= 1 && p.column >= 1 && !p.message.contains('\n')), "{problems:?}");
        prop_assert!(problems.is_sorted_by_key(|p| (p.line, p.column)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(config in a_config()) {
        let file = printed(&config);
        let mut read = parse(&file).map_err(|problems| TestCaseError::fail(format!("{problems:?}\n{file}")))?;
        for gate in &mut read.gates {
            prop_assert!(gate.line > 0);
            gate.line = 0;
        }
        let lines = read.releases.iter_mut().map(|releases| &mut releases.line);
        let lines = lines.chain(read.agents.iter_mut().map(|pipeline| &mut pipeline.line));
        for line in lines.chain(read.environments.iter_mut().map(|environment| &mut environment.line)) {
            prop_assert!(*line > 0);
            *line = 0;
        }
        let journaled = serde_json::to_string(&read).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(&serde_json::from_str::<RepoConfig>(&journaled).unwrap(), &read);
        prop_assert_eq!(read, config);
    }

    #[test]
    fn any_text_is_read_or_told_why_not(text in any::<String>()) {
        check_any(&text)?;
    }

    #[test]
    fn anything_like_yaml_is_read_or_told_why_not(text in yaml_like()) {
        check_any(&text)?;
    }
}
