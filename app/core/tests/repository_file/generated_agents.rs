//! Any pipelines, and what they look like in the file.

use gatewright_core::GateName;
use gatewright_core::agent::{BUILT_IN, Tool};
use gatewright_core::config::{
    AgentStage, Budget, Expect, Offering, OnRed, Pipeline, PipelineInput, ProgramStage, Role, Stage, Triggers, VerifyStage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// What goes behind the gates of a file. JSON is YAML.
pub(super) fn printed(agents: &[Pipeline]) -> String {
    if agents.is_empty() {
        return String::new();
    }
    let roles: serde_json::Map<String, Value> = agents.iter().flat_map(Pipeline::stages).filter_map(of_role).collect();
    let pipelines: serde_json::Map<String, Value> =
        agents.iter().map(|pipeline| (pipeline.name.to_string(), of_pipeline(pipeline))).collect();
    let roles = if roles.is_empty() { String::new() } else { format!("roles: {}\n", Value::from(roles)) };
    format!("{roles}agents: {}\n", Value::from(pipelines))
}

/// What the file has to say of a role that is other than built in.
fn of_role(stage: &Stage) -> Option<(String, Value)> {
    let Stage::Agent(AgentStage { role, .. }) = stage else { return None };
    let prompt = role.prompt.as_ref()?;
    let tools: Vec<&str> = role.tools.iter().map(|tool| tool.as_str()).collect();
    Some((role.name.to_string(), json!({ "prompt": prompt, "tools": tools })))
}

fn of_pipeline(pipeline: &Pipeline) -> Value {
    let Pipeline { name: _, line: _, on, inputs, steps, models, budget, tries, on_red, may, protect, image, network } = pipeline;
    let Budget { micro_usd, tokens, turns, secs } = *budget;
    let usd = micro_usd.map_or(json!("none"), |micro| json!(f64::from(u32::try_from(micro).unwrap()) / 1e6));
    let mut file = json!({
        "on": of_triggers(on),
        "steps": steps.iter().map(of_stage).collect::<Vec<_>>(),
        "budget": { "usd": usd, "tokens": tokens, "turns": turns, "minutes": secs / 60 },
        "tries": tries,
        "on-red": if *on_red == OnRed::Stop { "stop" } else { "go-on" },
        "may": may.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "image": image,
        "network": network,
    });
    let inputs: serde_json::Map<String, Value> = inputs.iter().map(|input| (input.name.to_string(), of_input(input))).collect();
    for (key, list) in [("model", json!(models)), ("protect", json!(protect)), ("inputs", inputs.into())] {
        if list != json!([]) && list != json!({}) {
            file[key] = list;
        }
    }
    file
}

fn of_input(input: &PipelineInput) -> Value {
    let PipelineInput { name: _, description, default, options } = input;
    let all = [("description", json!(description)), ("default", json!(default)), ("options", json!(options))];
    let written = all.into_iter().filter(|(_, value)| !value.is_null() && *value != json!([]));
    written.map(|(key, value)| (key.to_owned(), value)).collect::<serde_json::Map<_, _>>().into()
}

fn of_triggers(on: &Triggers) -> Value {
    let Triggers { command, failed, labels, issue_opened, schedule } = on;
    let issue = issue_opened.then_some("opened");
    let all = [
        ("command", json!(command)),
        ("failed", json!(failed)),
        ("label", json!(labels)),
        ("issue", json!(issue)),
        ("schedule", json!(schedule)),
    ];
    let written = all.into_iter().filter(|(_, value)| !value.is_null() && *value != json!([]));
    written.map(|(key, value)| (key.to_owned(), value)).collect::<serde_json::Map<_, _>>().into()
}

fn of_stage(stage: &Stage) -> Value {
    match stage {
        Stage::Agent(AgentStage { role, models, turns_max, secs_max }) => {
            let mut step = json!({ "role": role.name, "turns": turns_max, "timeout": secs_max });
            if !models.is_empty() {
                step["model"] = json!(models);
            }
            step
        }
        Stage::Verify(VerifyStage { gates, expect }) => {
            json!({ "verify": gates, "expect": if *expect == Expect::Fails { "fail" } else { "pass" } })
        }
        Stage::Parallel { branches } => {
            let row = |branch: &Vec<Stage>| branch.iter().map(of_stage).collect::<Value>();
            json!({ "parallel": branches.iter().map(row).collect::<Vec<_>>() })
        }
        Stage::Program(ProgramStage { name, run, image, egress, keys, secs_max }) => {
            let mut program = json!({ "name": name, "run": run, "timeout": secs_max });
            for (key, value) in [("image", json!(image)), ("egress", json!(egress)), ("keys", json!(keys))] {
                if !value.is_null() && value != json!([]) {
                    program[key] = value;
                }
            }
            json!({ "agent": program })
        }
    }
}

/// Up to three pipelines that name these gates.
pub(super) fn some_agents(gates: Vec<GateName>) -> impl Strategy<Value = Vec<Pipeline>> {
    let roles = proptest::sample::subsequence((0..BUILT_IN.len()).collect::<Vec<_>>(), 0..=3);
    (roles, 0usize..=3).prop_flat_map(move |(changed, count)| {
        (0..count).map(|n| a_pipeline(n, gates.clone(), changed.clone())).collect::<Vec<_>>()
    })
}

prop_compose! {
    fn a_pipeline(n: usize, gates: Vec<GateName>, changed: Vec<usize>)(
        steps in proptest::collection::vec(a_stage(gates.clone(), changed), 1..5),
        failed in proptest::sample::subsequence(gates.clone(), 0..=gates.len()),
        labels in proptest::collection::vec("[a-z][a-z0-9: /-]{0,9}[a-z]", 0..3),
        schedule in proptest::option::of((0u8..60, 0u8..24, 1u8..=28)),
        models in proptest::sample::subsequence(vec!["a/b", "c/d/e", "local/q:7b"], 0..=3),
        budget in (proptest::option::of(10_000u32..=1_000_000_000), 1_000u64..=1_000_000_000, 10u32..=500, 10u64..=1440),
        tries in 1u32..=5,
        may in proptest::sample::subsequence(Offering::ALL.to_vec(), 1..=6),
        protect in proptest::collection::vec("[a-z]{1,5}/\\*\\*", 0..3),
        image in "[a-z]{1,5}:[0-9]",
        flags in any::<[bool; 4]>(),
        inputs in proptest::collection::btree_map("[a-z0-9][a-z0-9-]{0,9}", an_input(), 0..3),
    ) -> Pipeline {
        let (micro_usd, tokens, turns, minutes) = budget;
        let both = may.contains(&Offering::Commit);
        let commands = ["fix", "review", "do"];
        Pipeline {
            name: format!("p{n}").parse().unwrap(),
            on: Triggers {
                command: flags[0].then(|| commands[n].parse().unwrap()),
                failed,
                labels,
                issue_opened: flags[1],
                schedule: schedule.map(|(minute, hour, day)| format!("{minute} {hour} {day} * *").parse().unwrap()),
            },
            inputs: inputs.into_iter().map(|(name, input)| PipelineInput { name: name.parse().unwrap(), ..input }).collect(),
            steps,
            models: models.into_iter().map(|model| model.parse().unwrap()).collect(),
            budget: Budget { micro_usd: micro_usd.map(u64::from), tokens, turns, secs: minutes * 60 },
            tries,
            on_red: if flags[2] { OnRed::Stop } else { OnRed::GoOn },
            may: may.into_iter().filter(|one| !(both && *one == Offering::PullRequest)).collect(),
            protect,
            image,
            network: flags[3],
            line: 0,
        }
    }
}

prop_compose! {
    /// One that has a default, so that anything may start its pipeline.
    fn an_input()(
        description in proptest::option::of("[a-z]{1,5} [a-z]{1,5}"),
        default in "[a-z]{1,5}/[a-z]{1,5}",
        more in proptest::option::of(proptest::collection::btree_set("[a-z]{1,5}", 0..3)),
    ) -> PipelineInput {
        let options = more.map(|more| more.into_iter().chain([default.clone()]).collect());
        let name = "any".parse().unwrap();
        PipelineInput { name, description, default: Some(default), options: options.unwrap_or_default() }
    }
}

fn a_stage(gates: Vec<GateName>, changed: Vec<usize>) -> impl Strategy<Value = Stage> {
    let branch = proptest::collection::vec(a_plain_stage(gates.clone(), changed.clone()), 1..3);
    let parallel = proptest::collection::vec(branch, 2..4).prop_map(|branches| Stage::Parallel { branches });
    prop_oneof![4 => a_plain_stage(gates, changed), 1 => parallel]
}

fn a_plain_stage(gates: Vec<GateName>, changed: Vec<usize>) -> impl Strategy<Value = Stage> {
    let count = gates.len();
    let verify = (proptest::sample::subsequence(gates, 1..=count), any::<bool>()).prop_map(|(gates, fails)| {
        Stage::Verify(VerifyStage { gates, expect: if fails { Expect::Fails } else { Expect::Passes } })
    });
    prop_oneof![4 => an_agent(changed).prop_map(Stage::Agent), 2 => verify, 1 => a_program().prop_map(Stage::Program)]
}

prop_compose! {
    /// `changed`: the roles of the table that the file changes.
    fn an_agent(changed: Vec<usize>)(
        at in 0..BUILT_IN.len(),
        models in proptest::sample::subsequence(vec!["a/b", "c/d"], 0..=2),
        turns_max in 1u32..=10,
        secs_max in 1u64..=600,
    ) -> AgentStage {
        let built_in = &BUILT_IN[at];
        let (prompt, tools) = if changed.contains(&at) {
            (Some(format!(".gatewright/{}.md", built_in.name)), vec![Tool::Read, Tool::Shell])
        } else {
            (None, built_in.tools.to_vec())
        };
        AgentStage {
            role: Role { name: built_in.name.parse().unwrap(), prompt, tools },
            models: models.into_iter().map(|model| model.parse().unwrap()).collect(),
            turns_max,
            secs_max,
        }
    }
}

prop_compose! {
    fn a_program()(
        name in "[a-z][a-z0-9._-]{0,9}",
        run in "[a-z./]{1,9}( [a-z-]{1,5})?",
        image in proptest::option::of("[a-z]{1,5}:[0-9]"),
        egress in proptest::collection::vec("[a-z0-9]{1,5}\\.[a-z]{2}", 0..3),
        keys in proptest::collection::vec("[a-z]{1,9}", 0..2),
        secs_max in 1u64..=600,
    ) -> ProgramStage {
        ProgramStage { name, run, image, egress, keys, secs_max }
    }
}
