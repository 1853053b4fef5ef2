//! Any gates, what goes beside them, and what they look like in the file.

use std::collections::BTreeMap;
use std::fmt::Write;

use gatewright_core::GateName;
use gatewright_core::command::Who;
use gatewright_core::config::{
    Benchmark, Cache, Checkout, CommitRule, Compare, Dependencies, FindingLimits, Forbidden, GateConfig, GateEvent, Percent,
    Policy, RepoConfig, Require, Review, Reviewers, Size, When,
};
use proptest::prelude::*;

use crate::{generated, generated_agents};

/// A file as a program would write it: JSON's texts are YAML's too.
pub(super) fn printed(config: &RepoConfig) -> String {
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
            coverage_of,
            coverage_counted: _,
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
            ("findings", json(findings)),
            ("outputs", json(outputs)),
            ("benchmark", json(&benchmark.reports)),
        ];
        for (key, list) in lists.iter().filter(|(_, list)| list != "[]") {
            writeln!(file, "    {key}: {list}").unwrap();
        }
        match (coverage.is_empty(), coverage_of.is_empty()) {
            (true, true) => {}
            (false, true) => writeln!(file, "    coverage: {}", json(coverage)).unwrap(),
            (true, false) => writeln!(file, "    coverage: {{ of: {} }}", json(coverage_of)).unwrap(),
            (false, false) => {
                writeln!(file, "    coverage: {{ of: {}, reports: {} }}", json(coverage_of), json(coverage)).unwrap();
            }
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
        writeln!(file, "    checkout: {{ submodules: {}, lfs: {} }}", checkout.submodules, checkout.lfs).unwrap();
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
        flags in any::<[bool; 4]>(),
        policy in a_policy(),
    ) -> GateConfig {
        let (junit, tests) = if other_format { (Vec::new(), junit) } else { (junit, Vec::new()) };
        // What is measured in turn is not measured again.
        let retries = if benchmark.is_interleaved() { 0 } else { retries };
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
            coverage_of: Vec::new(),
            coverage_counted: false,
            policy,
            env: env.into_iter().collect::<BTreeMap<_, _>>(),
            when: When { changed, branches, events },
            network: flags[0],
            required: flags[1],
            line: 0,
            checkout: Checkout { submodules: flags[2], lfs: flags[3] },
        }
    }
}

/// Has each gate count what those have covered that it needs.
fn counting(gates: &mut [GateConfig]) {
    for at in 0..gates.len() {
        let covers = |need: &&GateName| gates.iter().any(|gate| gate.name == **need && gate.looks_at_coverage());
        let of: Vec<GateName> = gates[at].needs.iter().filter(covers).cloned().collect();
        for gate in gates.iter_mut().filter(|gate| of.contains(&gate.name)) {
            gate.coverage_counted = true;
        }
        gates[at].coverage_of = of;
    }
}

pub(super) fn a_config() -> impl Strategy<Value = RepoConfig> {
    let gates = (1usize..6).prop_flat_map(|gates| (0..gates).map(a_gate).collect::<Vec<_>>());
    let with_agents = gates.prop_flat_map(|gates: Vec<GateConfig>| {
        let names = gates.iter().map(|gate| gate.name.clone()).collect();
        (Just(gates), generated_agents::some_agents(names))
    });
    let all = (with_agents, proptest::option::of(generated::some_releases()), any::<bool>());
    all.prop_map(|((mut gates, agents), releases, counts)| {
        // Agents' gates stand alone.
        if counts && agents.is_empty() {
            counting(&mut gates);
        }
        let (mut releases, environments) = releases.map_or((None, Vec::new()), |(releases, all)| (Some(releases), all));
        if let Some(releases) = &mut releases {
            releases.require = gates.iter().step_by(2).map(|gate| gate.name.clone()).collect();
        }
        RepoConfig { gates, releases, environments, agents, commands: BTreeMap::new() }
    })
}
