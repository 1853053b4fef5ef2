//! What a file says of agents: what is filled in, and what it is told where it is wrong.

use gatewright_core::agent::{PIPELINES, Tool};
use gatewright_core::command::CommandName;
use gatewright_core::config::{
    AgentStage, Budget, Expect, Offering, OnRed, PIPELINES_MAX, Pipeline, PipelineInput, ProgramStage, STAGES_MAX, Stage,
    Triggers, VerifyStage, parse, parse_with, schema,
};
use insta::assert_snapshot;
use serde_json::Value;

const GATES: &str = "image: a\ngates:\n  tests: { run: x }\n  lint: { run: x }\n  fast: { run: x, benchmark: b.json, required: false }\n  \
                     docs: { require: { touched: docs/** } }\n";

fn read(of_agents: &str) -> Vec<Pipeline> {
    parse(&format!("{GATES}{of_agents}")).unwrap_or_else(|problems| panic!("{problems:?}")).agents
}

fn one(of_agents: &str) -> Pipeline {
    let mut agents = read(of_agents);
    assert_eq!(agents.len(), 1);
    agents.remove(0)
}

/// The problems of a file, from its seventh line on.
fn told(of_agents: &str) -> String {
    match parse(&format!("{GATES}{of_agents}")) {
        Ok(config) => format!("no problem in {:?}", config.agents),
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

#[test]
fn a_built_in_pipeline_that_somebody_asks_for_need_not_be_in_the_file() {
    let asked = |name: &str, of_agents: &str| {
        let config = parse_with(&format!("{GATES}{of_agents}"), &name.parse().expect("a name"));
        config.unwrap_or_else(|problems| panic!("{problems:?}")).agents
    };
    let build = asked("build", "");
    assert_eq!(build.len(), 1);
    assert_eq!(shown(&build[0].steps), "architect, coder, tester, verify tests+lint, quality");
    let both = asked("fix", "agents: { mend: { on: { command: fix }, steps: [repair] } }\n");
    assert_eq!(both.iter().map(|pipeline| pipeline.name.as_str()).collect::<Vec<_>>(), ["mend", "fix"]);
    assert_eq!(both[1].on, Triggers::default(), "nothing else starts it, so that there are no two of one command");
    assert_eq!(
        asked("build", "agents: { build: { tries: 1 } }\n"),
        read("agents: { build: { tries: 1 } }\n"),
        "the file's own counts"
    );
    assert_eq!(asked("nightly", ""), [], "what is not built in is not made up");
    let lacks = parse_with("gates:\n  tests: { run: x, image: a }\n", &"build".parse().expect("a name"));
    let problems: Vec<String> = lacks.expect_err("it has no image").iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["1:1: the pipeline `build` has no `image`, and neither has the file; one of them needs it"]);
}

#[test]
fn inputs_are_declared_with_what_they_may_be_and_what_they_are_where_nobody_says_it() {
    let pipeline = one(
        "agents: { fix: { inputs: { focus: { description: what to look at, options: [speed, safety], default: speed }, area: {} } } }\n",
    );
    let shown = |input: &PipelineInput| format!("{} {:?} {:?} {:?}", input.name, input.description, input.default, input.options);
    assert_eq!(
        pipeline.inputs.iter().map(shown).collect::<Vec<_>>(),
        [r#"focus Some("what to look at") Some("speed") ["speed", "safety"]"#, "area None None []"]
    );
    assert_snapshot!(told("agents:\n  fix:\n    on: { label: mend }\n    inputs:\n      Area: {}\n      area: {}\n      focus: { options: [a, a], default: b }\n      x: { defalt: y, default: \"a\\u200bb\" }\n"), @"
    11:7: `Area` cannot be an input's name: 1 to 40 lower-case letters, digits or '-', not starting with '-'
    12:7: the input `area` has no `default`, and a label gives none; write one
    13:29: `a` is there twice
    13:42: the default `b` is none of the `options`: `a` and `a`
    14:12: unknown key `defalt`; did you mean `default`?
    14:32: `a\u{200b}b` cannot stand here: it holds line breaks or characters that nobody sees
    ");
}

/// Stages as people would write them.
fn shown(stages: &[Stage]) -> String {
    stages.iter().map(show).collect::<Vec<_>>().join(", ")
}

fn show(stage: &Stage) -> String {
    match stage {
        Stage::Agent(AgentStage { role, .. }) => role.name.to_string(),
        Stage::Verify(VerifyStage { gates, expect }) => {
            let names: Vec<&str> = gates.iter().map(|gate| gate.as_str()).collect();
            let expect = if *expect == Expect::Fails { " fails" } else { "" };
            format!("verify {}{expect}", names.join("+"))
        }
        Stage::Parallel { branches } => {
            let rows: Vec<String> = branches.iter().map(|branch| format!("[{}]", shown(branch))).collect();
            format!("parallel {}", rows.join(" "))
        }
        Stage::Program(program) => format!("program {}", program.name),
    }
}

#[test]
fn built_in_pipelines_need_nothing_but_their_names() {
    let agents = read("agents: { fix: {}, review: {}, build: {}, tdd: {}, optimise: {} }\n");
    let all: Vec<String> = agents.iter().map(|pipeline| format!("{}: {}", pipeline.name, shown(&pipeline.steps))).collect();
    assert_snapshot!(all.join("\n"), @"
    fix: diagnose, repair, verify tests+lint, quality, documentation
    review: parallel [review] [security-review]
    build: architect, coder, tester, verify tests+lint, quality
    tdd: tester, verify tests+lint fails, coder, verify tests+lint, quality, verify tests+lint
    optimise: verify fast, performance, verify tests+lint, verify fast
    ");
    assert!(agents.iter().map(|pipeline| pipeline.name.as_str()).eq(PIPELINES.iter().map(|pipeline| pipeline.name)));
    let commands: Vec<_> = agents.iter().map(|pipeline| pipeline.on.command).collect();
    assert_eq!(commands, [Some(CommandName::Fix), Some(CommandName::Review), None, None, None]);
}

#[test]
fn what_is_not_written_is_filled_in() {
    let fix = one("agents:\n  fix: {}\n");
    assert_eq!(fix.budget, Budget { micro_usd: Some(2_000_000), tokens: 2_000_000, turns: 40, secs: 1200 });
    assert_eq!((fix.tries, fix.on_red, fix.network, fix.image.as_str(), fix.line), (3, OnRed::Stop, false, "a", 8));
    assert_eq!(fix.may, [Offering::Comment, Offering::Suggestion, Offering::Finding, Offering::PullRequest]);
    assert!(fix.models.is_empty());
    assert_eq!(fix.protect, PIPELINES[0].protect, "what mends code until tests pass changes no tests");
    let Stage::Agent(diagnose) = &fix.steps[0] else { panic!("{:?}", fix.steps) };
    assert_eq!((diagnose.turns_max, diagnose.secs_max), (20, 600));
    assert_eq!(diagnose.role.tools, [Tool::Read, Tool::List, Tool::Search, Tool::Shell]);
    let review = one("agents: { review: {} }\n");
    assert_eq!(review.may, [Offering::Comment, Offering::Suggestion, Offering::Finding], "who reviews changes nothing");
}

#[test]
fn everything_that_is_said_of_a_pipeline_is_read() {
    let pipeline = one("agents:
  care:
    on: { command: do, failed: [tests, docs], label: [help wanted, agent], issue: opened, schedule: ' 0 3  * * MON' }
    steps:
      - diagnose
      - verify
      - { verify: lint, expect: fail }
      - { role: coder, model: [a/b, local/c/d:e], turns: 7, timeout: 90s }
      - { parallel: [review, [tester, { verify: [tests, lint] }], { agent: { run: other } }] }
      - agent: { run: claude -p, name: claude, image: b, egress: api.anthropic.com, keys: anthropic, timeout: 5m }
    budget: { usd: 0.5, tokens: 1000, turns: 9, minutes: 30 }
    tries: 5
    on-red: go-on
    may: [issue, commit]
    protect: ['db/**', Cargo.lock]
    model: anthropic/claude
    image: c
    network: true
");
    let Triggers { command, failed, labels, issue_opened, schedule } = &pipeline.on;
    assert_eq!((*command, *issue_opened, schedule.as_ref().unwrap().as_str()), (Some(CommandName::Do), true, "0 3 * * MON"));
    assert_eq!((failed.len(), labels.as_slice()), (2, ["help wanted".to_owned(), "agent".to_owned()].as_slice()));
    assert_snapshot!(shown(&pipeline.steps), @"diagnose, verify tests, verify lint fails, coder, parallel [review] [tester, verify tests+lint] [program agent], program claude");
    let Stage::Agent(diagnose) = &pipeline.steps[0] else { panic!() };
    assert_eq!((diagnose.turns_max, diagnose.secs_max), (9, 600), "no stage may take more than the whole");
    let Stage::Agent(coder) = &pipeline.steps[3] else { panic!() };
    assert_eq!((coder.turns_max, coder.secs_max, coder.models[1].name()), (7, 90, "c/d:e"));
    let Some(Stage::Program(program)) = pipeline.steps.last() else { panic!() };
    let named = |name: &str| vec![name.to_owned()];
    let expected = ProgramStage {
        name: "claude".to_owned(),
        run: "claude -p".to_owned(),
        image: Some("b".to_owned()),
        egress: named("api.anthropic.com"),
        keys: named("anthropic"),
        secs_max: 300,
    };
    assert_eq!(*program, expected);
    assert_eq!(pipeline.budget, Budget { micro_usd: Some(500_000), tokens: 1000, turns: 9, secs: 1800 });
    assert_eq!((pipeline.tries, pipeline.on_red, pipeline.network, pipeline.image.as_str()), (5, OnRed::GoOn, true, "c"));
    assert_eq!(pipeline.may, [Offering::Commit, Offering::Issue]);
    assert_eq!(pipeline.protect, ["db/**", "Cargo.lock"]);
    let at = "2026-11-21T20:00:00Z".parse().unwrap();
    assert_eq!(pipeline.next_time(at).unwrap().to_string(), "2026-11-23T03:00:00Z");
    assert_eq!(pipeline.stages().count(), 9);
    let journaled = serde_json::to_string(&pipeline).unwrap();
    assert_eq!(serde_json::from_str::<Pipeline>(&journaled).unwrap(), pipeline);
}

#[test]
fn a_budget_without_a_limit_of_money_says_so() {
    assert_eq!(one("agents: { fix: { budget: { usd: none } } }\n").budget.micro_usd, None);
    assert_eq!(one("agents: { fix: { budget: { usd: 12.345678 } } }\n").budget.micro_usd, Some(12_345_678));
}

#[test]
fn roles_of_the_file_go_over_those_that_are_built_in_and_beside_them() {
    let pipeline = one("roles:
  review: { tools: [read, shell, list] }
  coder: { prompt: .gatewright/coder.md }
  translator: { prompt: a/b.md }
agents: { i18n: { steps: [review, coder, translator] } }
");
    let roles: Vec<_> = pipeline
        .stages()
        .map(|stage| match stage {
            Stage::Agent(AgentStage { role, .. }) => (role.name.as_str(), role.prompt.as_deref(), role.tools.as_slice()),
            Stage::Verify(_) | Stage::Parallel { .. } | Stage::Program(_) => panic!("{stage:?}"),
        })
        .collect();
    assert_eq!(roles[0], ("review", None, [Tool::Read, Tool::List, Tool::Shell].as_slice()));
    assert_eq!(roles[1], ("coder", Some(".gatewright/coder.md"), Tool::ALL.as_slice()));
    assert_eq!(roles[2], ("translator", Some("a/b.md"), Tool::READING.as_slice()));
}

#[test]
fn gates_that_are_verified_by_default_are_those_that_a_pull_request_has_to_pass_by_a_command() {
    let fix = one("agents: { fix: { on: { failed: [docs, fast] } } }\n");
    assert_snapshot!(shown(&fix.steps), @"diagnose, repair, verify fast, quality, documentation");
    let fix = one("agents: { fix: { on: { failed: docs } } }\n");
    assert_snapshot!(shown(&fix.steps), @"diagnose, repair, verify tests+lint, quality, documentation");
    let push = "image: a\ngates: { a: { run: x }, b: { run: x, when: { events: push } } }\nagents: { fix: {} }\n";
    let [fix] = parse(push).unwrap().agents.try_into().unwrap();
    assert_snapshot!(shown(&fix.steps), @"diagnose, repair, verify a, quality, documentation");
}

#[test]
fn names_that_do_not_exist_get_the_nearest() {
    assert_snapshot!(told("agents:
  fxi: {}
  i18n: {}
  a b: {}
  fix:
    on: { command: fx, failed: [test, xyzzy], isue: opened }
    steps: [diagnos, xyzzy, verfy, { verify: [lnt] }, { rolle: coder }, { turns: 5 }, { verify: tests, turns: 5 }]
    may: [coment, xyzzy]
    on-red: goon
roles:
  revue: { tools: read }
  qa: { prompt: x.md, tools: [red, xyzzy] }
"), @"
    8:3: the pipeline `fxi` has no `steps`; did you mean `fix`?
    9:3: the pipeline `i18n` has no `steps`; only `fix`, `review`, `build`, `tdd` and `optimise` have them built in
    10:3: `a b` cannot be a pipeline's name: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    12:20: expected one of `fix`, `review` and `do`, found the text `fx`; did you mean `fix`?
    12:33: `failed` names the gate `test`, which does not exist; did you mean `tests`?
    12:39: `failed` names the gate `xyzzy`, which does not exist; there are `tests`, `lint`, `fast` and `docs`
    12:47: unknown key `isue`; did you mean `issue`?
    13:13: unknown role `diagnos`; did you mean `diagnose`?
    13:22: unknown role `xyzzy`; there are `architect`, `coder`, `tester`, `deployer`, `monitor`, `diagnose`, `repair`, `performance`, `concurrency`, `quality`, `documentation`, `review`, `security-review`, `qa`, `revue` and `verify`; `roles` can add one
    13:29: unknown role `verfy`; did you mean `verify`?
    13:47: `verify` names the gate `lnt`, which does not exist; did you mean `lint`?
    13:57: unknown key `rolle`; did you mean `role`?
    13:73: a step is the name of a role, or a mapping with exactly one of `verify`, `parallel`, `role` and `agent`
    13:104: unknown key `turns`; a step with `verify` takes `verify` and `expect`
    14:11: unknown result `coment`; did you mean `comment`?
    14:19: unknown result `xyzzy`; there are `comment`, `suggestion`, `finding`, `commit`, `pull-request` and `issue`
    15:13: expected one of `stop` and `go-on`, found the text `goon`; did you mean `go-on`?
    17:3: the role `revue` is not built in, so it needs a `prompt`; or did you mean `review`?
    18:31: unknown tool `red`; did you mean `read`?
    18:36: unknown tool `xyzzy`; there are `read`, `list`, `search`, `write`, `patch` and `shell`
    ");
}

#[test]
fn what_cannot_be_is_told_why() {
    assert_snapshot!(told("agents:
  fix:
    budget: { usd: 0, tokens: 10, turns: 0, minutes: 0 }
    tries: 6
    may: [commit, pull-request, comment]
    protect: '!src/**'
    model: gpt-5
    steps:
      - { verify: docs }
      - { parallel: [review, { parallel: [review, tester] }] }
      - { parallel: [review] }
      - [review]
      - { role: coder, turns: 41, timeout: 21m }
      - { role: coder, verify: tests }
      - { agent: { keys: anthropic, timeout: 21m } }
      - { agent: { run: x, egress: ['https://a.b', '*.c', 'A.b', 'a..b'], keys: ['a b'], name: a b } }
  two: { on: { command: fix }, steps: [review] }
  three: { on: { schedule: 0 0 30 2 * }, steps: [review] }
  four: { on: { schedule: '@daily' }, steps: [] }
  five: { on: { schedule: 61 * * * *, label: 'a,b', issue: closed }, steps: [5] }
  six:
roles:
  verify: { prompt: a.md }
  QA: { prompt: a.md }
  coder: {}
  tester: { prompt: '../a.md', tools: [] }
  monitor: { prompt: prompts/, tools: [read, read] }
"), @"
    9:20: expected US dollars from 0.01 to 1000, such as `2.00`, or `none` for no limit; found the number `0`
    9:31: expected a whole number from 1000 to 1000000000, found the number `10`
    9:42: expected a whole number from 1 to 500, found the number `0`
    9:54: expected a whole number from 1 to 1440, found the number `0`
    10:12: expected a whole number from 1 to 5, found the number `6`
    11:10: a change goes to the pull request's own branch (`commit`) or into a pull request of its own (`pull-request`); write one of them
    12:14: `!src/**` cannot be a glob of files: `!` is not possible here; name the files that are protected
    13:12: `gpt-5` is no model: PROVIDER/NAME, such as anthropic/claude-sonnet-4-5, of at most 200 printable characters without spaces
    15:19: the gate `docs` runs no command: it looks at a pull request, and what an agent has done is none yet
    16:30: a `parallel` within another one is not possible; its branches can stand in the outer one
    17:21: one branch has nothing to go on beside; write its steps without `parallel`
    18:9: a list of steps stands in `parallel` only; write the steps one after the other
    19:31: 41 turns for a stage of a pipeline that may take 40
    19:44: more time for a stage than the 20 minutes that the whole pipeline may take
    20:9: a step is the name of a role, or a mapping with exactly one of `verify`, `parallel`, `role` and `agent`
    21:18: `agent` has no `run`; it needs a command
    21:46: more time for a stage than the 20 minutes that the whole pipeline may take
    22:37: `https://a.b` cannot be reached: this takes a host's name in small letters, such as `api.anthropic.com`, without scheme, port, path or wildcard
    22:52: `*.c` cannot be reached: this takes a host's name in small letters, such as `api.anthropic.com`, without scheme, port, path or wildcard
    22:59: `A.b` cannot be reached: this takes a host's name in small letters, such as `api.anthropic.com`, without scheme, port, path or wildcard
    22:66: `a..b` cannot be reached: this takes a host's name in small letters, such as `api.anthropic.com`, without scheme, port, path or wildcard
    22:82: `a b` cannot be a provider's name: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    22:96: `a b` cannot be a program's name: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    23:14: a command starts one pipeline, and `/gw fix` starts `fix` already; give `two` another `on`
    24:28: `0 0 30 2 *` is no schedule: that never comes; it takes five fields in quotes (minute, hour, day of month, month, day of week; in UTC), such as `0 3 * * 1`
    25:27: `@daily` is no schedule: the number of its fields is 1, not 5; it takes five fields in quotes (minute, hour, day of month, month, day of week; in UTC), such as `0 3 * * 1`
    25:46: expected a list of steps, such as `[diagnose, repair, verify]`, found an empty list
    26:27: `61 * * * *` is no schedule: value must be in range 0..=59; found 61; it takes five fields in quotes (minute, hour, day of month, month, day of week; in UTC), such as `0 3 * * 1`
    26:46: `a,b` cannot be a label: at most 255 bytes without `,` and control characters
    26:60: expected one of `opened`, found the text `closed`
    26:78: expected a step: the name of a role, `verify`, or a mapping, found the number `5`; put it in quotes if it is meant so
    27:3: the pipeline `six` is empty; write `six: {}` if nothing is to be said of it
    29:3: `verify` is the step in which gates look; give the role another name
    30:3: `QA` cannot be a role's name: 1 to 40 lower-case letters, digits or '-', not starting with '-'
    31:10: this changes nothing of the role `coder`; it needs `prompt` or `tools`
    32:21: `../a.md` cannot be the path of a prompt: `..` leads out of the source
    32:39: expected a tool, or a list of them, found an empty list
    33:22: `prompts/` cannot be the path of a prompt: its name ends with `.md`
    33:46: the tool `read` is there twice
    ");
}

#[test]
fn a_command_starts_one_pipeline() {
    assert_snapshot!(told("agents:\n  fix: {}\n  care: { on: { command: fix }, steps: [repair] }\n"), @"9:15: a command starts one pipeline, and `/gw fix` starts `fix` already; give `care` another `on`");
}

#[test]
fn there_are_only_so_many_stages_and_pipelines() {
    let many = ["[review, tester]"; 8].join(", ");
    assert_eq!(STAGES_MAX, 30);
    assert_snapshot!(told(&format!("agents: {{ a: {{ steps: [{{ parallel: [{many}] }}, {{ parallel: [{many}] }}] }} }}\n")), @"7:23: 32 stages, those of all branches together; a pipeline may have 30");
    let pipelines: Vec<String> = (0..=PIPELINES_MAX).map(|n| format!("p{n}: {{ steps: [review] }}")).collect();
    assert_snapshot!(told(&format!("agents: {{ {} }}\n", pipelines.join(", "))), @"7:521: 21 pipelines; a file may have 20");
}

#[test]
fn a_file_without_what_agents_need_is_told_so() {
    let told = |file: &str| parse(file).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert_snapshot!(told("gates: { t: { run: x, image: a } }\nagents: { fix: {} }\n"), @"2:11: the pipeline `fix` has no `image`, and neither has the file; one of them needs it");
    assert_snapshot!(told("image: a\ngates: { t: { require: { touched: a } } }\nagents: { fix: {}, optimise: {} }\n"), @"
    3:11: the pipeline `fix` verifies its work, and no gate that pull requests have to pass runs a command; name one that does
    3:20: the pipeline `optimise` measures before and after, and no gate has a `benchmark`; add one, or write `steps`
    3:20: the pipeline `optimise` verifies its work, and no gate that pull requests have to pass runs a command; name one that does
    ");
    assert_snapshot!(told("image: a\ngates: { t: { rum: x } }\nagents: { fix: {} }\n"), @"2:15: unknown key `rum`; did you mean `run`?");
    assert_snapshot!(told("image: a\ngates: { t: { run: x } }\nagents: {}\n"), @"3:9: `agents` has no pipeline in it; it takes `fix`, `review`, `build`, `tdd` and `optimise`, and others with `steps`");
}

#[test]
fn the_schema_knows_the_built_in_pipelines_and_roles() {
    let schema = schema();
    let named = |key: &str| schema["properties"][key]["properties"].as_object().map(|all| all.len());
    assert_eq!((named("agents"), named("roles")), (Some(5), Some(13)));
    assert!(matches!(schema["properties"]["agents"]["additionalProperties"]["required"], Value::Array(_)));
}

#[test]
fn the_examples_of_the_page_about_agents_are_right() {
    let page = include_str!("../../../../docs/agents.md");
    let examples: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 5);
    for example in examples {
        assert!(!read(example).is_empty(), "{example}");
    }
}

#[test]
fn agents_are_verified_by_gates_that_stand_alone() {
    let file = |steps: &str| {
        format!(
            "image: a\ngates:\n  unit: {{ run: x, coverage: u.info }}\n  all: {{ needs: unit, coverage: {{ of: unit }} }}\n  \
             both: {{ run: y, needs: unit, coverage: {{ of: unit, reports: b.info }} }}\nagents: {{ fix: {{ steps: [coder, {steps}] }} }}\n"
        )
    };
    let [fix] = parse(&file("verify")).unwrap().agents.try_into().unwrap();
    assert_snapshot!(shown(&fix.steps), @"coder, verify unit");
    let problems = parse(&file("{ verify: [unit, all, both] }")).unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_snapshot!(told.join("\n"), @"
    6:50: the gate `all` counts what other gates have covered; name those instead
    6:55: the gate `both` counts what other gates have covered; name those instead
    ");
}
