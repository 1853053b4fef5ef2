//! Providers of models.

use insta::assert_snapshot;

use crate::support::{Bench, nobody, server_file};

#[test]
fn what_is_wrong_with_providers_of_models_and_with_agents_is_named() {
    let bench = Bench::new();
    let file = r#"[[model]]
kind = "anthropic"
url = "http://models.example.com"
key = "env:ANTHROPIC_KEY"
file = "script.yaml"

[[model.price]]
model = "claude-sonnet-4-5"
input = 3
output = 15.0

[[model.price]]
model = "claude-haiku-4-5"
input = -1

[[model]]
kind = "openai"

[[model]]
kind = "openai"
name = "Local One"
url = "http://10.0.0.7:8000/v1"
concurency = 2

[[model]]
kind = "ollama"
context_tokens = 12

[[model]]
kind = "ollama"

[[model]]
kind = "scripted"

[[model]]
kind = "claude"

[agents]
models = ["antropic/claude-sonnet-4-5", "claude", "anthropic/claude-opus-4-1", "anthropic/claude-sonnet-4-5"]
max_concurrent_agents = 0
per_repository_per_day_usd = 25
"#;
    let forge = server_file(nobody(), "memory:");
    bench.write("server.toml", &format!("{file}\n{forge}"));
    let done = bench.run(&["check", "server.toml"]);
    assert_eq!(done.code, Some(2));
    assert_snapshot!(done.stdout, @r"
    server.toml:3:7: `url` must begin with https:// (http:// is for this machine's own addresses only)
    server.toml:5:1: `file` is a key of `kind` = `scripted`; this one is `anthropic`
    server.toml:12:1: `output` is missing; a price needs it
    server.toml:16:1: `key` is missing; OpenAI needs it, though a server at a `url` of your own may not
    server.toml:21:8: a provider's `name` is 1 to 40 lower-case letters, digits, '-', '_' or '.', not starting with '-' or '.'
    server.toml:23:1: unknown key `concurency`; did you mean `concurrency`?
    server.toml:27:18: `context_tokens` is a whole number, at least 512 and at most 10000000
    server.toml:29:1: a second provider of models named `ollama`; give one another `name`
    server.toml:32:1: `file` is missing; a provider of models needs it
    server.toml:36:8: `kind` takes `anthropic`, `openai`, `gemini`, `perplexity`, `ollama` and `scripted`, not `claude`
    server.toml:39:11: there is no provider of models `antropic`; did you mean `anthropic`?
    server.toml:39:41: `claude` is no model's name: PROVIDER/NAME, such as anthropic/claude-sonnet-4-5, of at most 200 printable characters without spaces
    server.toml:39:51: the price of `anthropic/claude-opus-4-1` is not known, so `per_repository_per_day_usd` could not be kept; give it a `[[model.price]]`
    server.toml:40:25: `max_concurrent_agents` is a whole number, at least 1 and at most 1000
    ");
}

#[test]
fn the_example_on_the_page_about_models_is_valid() {
    let bench = Bench::new();
    let page = include_str!("../../../../../docs/models.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has an example");
    bench.write("server.toml", &format!("{example}\n{}", server_file(nobody(), "memory:")));
    assert_eq!(bench.run(&["check", "server.toml"]).stdout, "server.toml: no problems\n");
}

#[test]
fn a_file_with_models_alone_is_valid_and_what_it_is_not_enough_for_is_said() {
    let bench = Bench::new();
    let models = "[[model]]\nkind = \"ollama\"\n\n[agents]\nmodels = [\"ollama/qwen3\"]\n";
    bench.write("models.toml", models);
    let done = bench.run(&["check", "models.toml"]);
    assert_eq!(done.code, Some(0));
    assert_snapshot!(done.stdout.trim(), @"models.toml: no problems; it has models and no `[[forge]]`, which is enough for `gatewright agent run`; `gatewright serve` needs one");
    let done = bench.run(&["check", "models.toml", "--json"]);
    assert!(done.stdout.contains("\"note\": \"it has models and no"), "{}", done.stdout);
    // What is wrong with it is named, and nothing else.
    bench.write("models.toml", &models.replace("ollama/qwen3", "olama/qwen3"));
    let done = bench.run(&["check", "models.toml"]);
    assert_eq!((done.code, done.stdout.lines().count()), (Some(2), 1), "{}", done.stdout);
    let done = bench.run(&["serve", "--config", "models.toml"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("no forge is configured"), "{}", done.stderr);
}

#[test]
fn models_of_all_kinds_are_valid_and_an_environment_can_name_them() {
    let bench = Bench::with_server_file(nobody(), "memory:")
        .env("GATEWRIGHT__MODEL__0__KIND", "ollama")
        .env("GATEWRIGHT__MODEL__0__PRICE__0__MODEL", "*")
        .env("GATEWRIGHT__MODEL__0__PRICE__0__INPUT", "0")
        .env("GATEWRIGHT__MODEL__0__PRICE__0__OUTPUT", "0")
        .env("GATEWRIGHT__AGENTS__MODELS__0", "ollama/qwen3:8b")
        .env("GATEWRIGHT__AGENTS__PER_REPOSITORY_PER_DAY_USD", "0");
    let done = bench.run(&["check", "gatewright.toml"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "gatewright.toml: no problems\n"));
}
