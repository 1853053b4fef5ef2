//! `check`, `schema`, `replay`, `--help`: what needs no store.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::Bench;

const REPOSITORY_FILE: &str = "image: alpine:3\ngates:\n  tests:\n    run: make test\n    junit: out.xml\n";

#[test]
fn a_repository_file_without_problems_passes() {
    let bench = Bench::new();
    bench.write(".gatewright.yml", REPOSITORY_FILE);
    let done = bench.run(&["check"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), ".gatewright.yml: no problems\n", ""));
}

#[test]
fn every_problem_of_a_repository_file_is_named_with_its_place() {
    let bench = Bench::new();
    bench.write(
        "ci.yml",
        "image: alpine:3\ngates:\n  tests:\n    run: make\n    junitt: out.xml\n    needs: [tets]\n  tetss: {}\n",
    );
    let done = bench.run(&["check", "ci.yml"]);
    assert_eq!(done.code, Some(2));
    assert_snapshot!(done.stdout, @r"
    ci.yml:5:5: unknown key `junitt`; did you mean `junit`?
    ci.yml:6:13: `needs` names the gate `tets`, which does not exist; did you mean `tetss`?
    ci.yml:7:3: the gate `tetss` has no `run`; it needs a command
    ");
}

#[test]
fn problems_as_json_have_line_and_column_of_their_own() {
    let bench = Bench::new();
    bench.write(".gatewright.yml", "image: alpine:3\ngate: {}\n");
    let done = bench.run(&["check", "--json"]);
    let answer: Value = serde_json::from_str(&done.stdout).expect("this is JSON");
    assert_eq!((done.code, &answer["valid"], &answer["file"]), (Some(2), &json!(false), &json!(".gatewright.yml")));
    assert_eq!((&answer["problems"][0]["line"], &answer["problems"][0]["column"]), (&json!(2), &json!(1)));
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_call() {
    let done = Bench::new().run(&["check"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
    assert_snapshot!(done.stderr, @r"
    gatewright: there is no .gatewright.yml; `gatewright init` writes a first one
    ");
}

#[test]
fn the_file_is_found_from_every_folder_of_the_working_tree() {
    let bench = Bench::new();
    bench.write(".gatewright.yml", "image: none\ngates:\n  one: { run: 'true' }\n");
    for folder in [".git", "src/deep"] {
        std::fs::create_dir_all(bench.path(folder)).expect("a folder can be made");
    }
    let done = bench.command(&["check"]).current_dir(bench.path("src/deep")).output().expect("the binary can be run");
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn what_keeps_a_file_from_being_read_is_told_as_json_too() {
    let bench = Bench::new();
    for (file, said) in [
        (".gatewright.yml", ".gatewright.yml cannot be read: No such file or directory (os error 2)"),
        ("server.toml", "server.toml cannot be read: No such file or directory (os error 2)"),
    ] {
        let done = bench.run(&["check", file, "--json"]);
        let answer: Value = serde_json::from_str(&done.stdout).expect("this is JSON");
        assert_eq!((done.code, answer), (Some(2), json!({ "file": file, "valid": false, "problems": [{ "message": said }] })));
        assert_eq!(done.stderr, format!("gatewright: {said}\n"));
    }
}

#[test]
fn a_file_that_is_too_large_is_told_the_limit() {
    let bench = Bench::new();
    for file in [".gatewright.yml", "server.toml"] {
        bench.write(file, &"#".repeat(300 * 1024));
        let done = bench.run(&["check", file]);
        let said = format!("gatewright: {file} is over 262144 bytes, the most that it may have\n");
        assert_eq!((done.code, done.stdout.as_str(), done.stderr), (Some(2), "", said));
        bench.write(file, &"#".repeat(256 * 1024));
        assert!(!bench.run(&["check", file]).stderr.contains("over"), "a file of exactly the limit is read");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused_with_a_place() {
    let bench = Bench::new();
    std::fs::write(bench.path(".gatewright.yml"), b"image: x\n\xff\xfe").expect("the folder can be written");
    let done = bench.run(&["check"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), "gatewright: .gatewright.yml:2:1: the file is not UTF-8\n"));
}

#[test]
fn the_schemas_accept_what_the_parsers_accept() {
    let bench = Bench::new();
    let schema = |name: &str| -> Value {
        let done = bench.run(&["schema", name]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
        serde_json::from_str(&done.stdout).expect("this is JSON")
    };
    let repository = jsonschema::validator_for(&schema("repository")).expect("this is a JSON Schema");
    assert!(repository.is_valid(&json!({ "image": "x", "gates": { "tests": { "run": "make" } } })));
    assert!(!repository.is_valid(&json!({ "gate": {} })));
    let server = jsonschema::validator_for(&schema("server")).expect("this is a JSON Schema");
    let forge = json!({ "kind": "github", "app_id": 1, "private_key": "file:a.pem", "webhook_secret": ["env:A", "env:B"] });
    assert!(server.is_valid(&json!({ "forge": [forge], "server": { "listen": "127.0.0.1:80" } })));
    for wrong in [
        json!({}),
        json!({ "forge": [forge], "sever": {} }),
        json!({ "forge": [{ "kind": "github", "app_id": 1, "private_key": "hunter2", "webhook_secret": "env:A" }] }),
        json!({ "forge": [forge], "store": { "url": "postgres://x" } }),
    ] {
        assert!(!server.is_valid(&wrong), "{wrong}");
    }
}

/// The TOML and the JSON of a server file with one forge, which has this beside what it needs, and this table.
fn server_files(forge: &str, table: &str) -> (String, Value) {
    let needed = "kind = \"gitlab\"\ntoken = \"env:T\"\nwebhook_secret = \"env:W\"\n";
    let text = format!("[[forge]]\n{needed}{forge}\n{table}\n");
    let file: toml::Value = toml::from_str(&text).expect("this is TOML");
    (text, serde_json::to_value(file).expect("it has no dates"))
}

#[test]
fn the_schema_of_the_server_file_and_the_check_take_and_refuse_the_same() {
    let bench = Bench::new();
    let schema: Value = serde_json::from_str(&bench.run(&["schema", "server"]).stdout).expect("this is JSON");
    let schema = jsonschema::validator_for(&schema).expect("this is a JSON Schema");
    let taken = |(text, file): (String, Value)| {
        bench.write("server.toml", &text);
        (schema.is_valid(&file), bench.run(&["check", "server.toml"]).code == Some(0))
    };
    let github = "[[forge]]\nkind = \"github\"\napp_id = 1\nprivate_key = \"file:a\"\nwebhook_secret = [\"env:A\"]";
    for table in [
        github,
        "[server]\nlisten = \"localhost:80\"\npublic_url = \"https://x/\"",
        "[server]\nlisten = \"[::]:8080\"\nconnections_max = 1",
        "[sandbox]\nengine = \"tcp://127.0.0.1:2375\"\ncpus = 1",
        "[sandbox]\ndriver = \"host\"\nhost_code = \"trusted\"",
        "[sandbox]\ndriver = \"docker\"",
        "[log]\nformat = \"json\"\nlevel = \"INFO,gatewright_engine=debug\"",
    ] {
        assert_eq!(taken(server_files("", table)), (true, true), "{table}");
    }
    for forge in
        ["url = \"https://x/y\"", "url = \"http://localhost:80\"\nclone_url = \"http://127.1.2.3\"", "notes_per_minute = 1"]
    {
        assert_eq!(taken(server_files(forge, "")), (true, true), "{forge}");
    }
    let too_many = format!(
        "[[forge]]\nkind = \"github\"\napp_id = 1\nprivate_key = \"file:a\"\nwebhook_secret = [{}]",
        ["\"env:A\""; 9].join(",")
    );
    for table in [
        too_many.as_str(),
        "[[forge]]\nkind = \"gitlab\"\ntoken = \"env:T\"\nwebhook_secret = \"env:W\"",
        "[server]\nlisten = \"ci.example:80\"",
        "[server]\npublic_url = \"https://u@x\"",
        "[sandbox]\nengine = \"/var/run/docker.sock\"",
        "[sandbox]\ndriver = \"host\"",
        "[log]\nlevel = \"loud\"",
        "[log]\nlevel = \"\"",
        "[engine]\nlease_secs = 2",
        "[nothing]",
    ] {
        assert_eq!(taken(server_files("", table)), (false, false), "{table}");
    }
    for forge in ["url = \"http://x\"", "url = \"https://x?a=b\"", "url = \"https:\"", "clone_url = \"ssh://x\"", "app_id = 1"] {
        assert_eq!(taken(server_files(forge, "")), (false, false), "{forge}");
    }
}

#[test]
fn the_schema_is_of_the_repository_file_unless_another_is_named() {
    let done = Bench::new().run(&["schema"]);
    let schema: Value = serde_json::from_str(&done.stdout).expect("this is JSON");
    assert_eq!(schema["title"], "Gatewright's repository file, .gatewright.yml");
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let done = Bench::new().run(&["--help"]);
    assert_eq!(done.code, Some(0));
    assert_snapshot!(done.stdout, @r"
    A self-hosted CI bot: signed webhooks in, gates in sandboxes, checks and one comment out

    Usage: gatewright <COMMAND>

    Commands:
      serve       Run the service
      run         Run the gates on the working tree, without a forge
      init        Write a first repository file, by what the repository holds
      action      Run the gates as a step of a CI job, on GitHub Actions or GitLab CI
      check       Check a repository file or a server file
      schema      Print the JSON Schema of a file, for editors
      replay      Say what a delivery would do; nothing is written and no forge is asked
      release     Look at releases, at what one would change, and at how they went
      rollout     Look at environments and drive what goes into them
      agent       Have agents work on the working tree here; show what agents of the service did and what it cost
      runs        List runs, show one, or have one tried again
      deliveries  List the deliveries that were taken, newest first
      audit       List who did what, newest first
      version     Print the version
      help        Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Exit codes: 0 it passed, 1 it did not, 2 the call or the configuration is wrong, 3 something outside failed.
    ");
}

#[test]
fn every_command_explains_itself_with_an_example() {
    for command in ["serve", "check", "schema", "replay", "release", "rollout", "agent", "runs", "deliveries", "audit"] {
        let done = Bench::new().run(&[command, "--help"]);
        assert_eq!(done.code, Some(0));
        assert!(done.stdout.contains(&format!("\n  gatewright {command}")), "{}", done.stdout);
    }
}

#[test]
fn help_is_a_command_too() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["help"]).stdout, bench.run(&["--help"]).stdout);
    assert_eq!(bench.run(&["help", "runs", "show"]).stdout, bench.run(&["runs", "show", "--help"]).stdout);
}

#[test]
fn help_names_the_words_that_the_log_takes() {
    let done = Bench::new().run(&["serve", "-h"]);
    for words in ["[possible values: human, json]", "`error`, `warn`, `info`, `debug`, `trace`"] {
        assert!(done.stdout.contains(words), "{}", done.stdout);
    }
    assert_eq!(Bench::new().run(&["serve", "--log-format", "xml"]).code, Some(2));
}

#[test]
fn help_of_what_looks_at_deliveries_and_repositories_names_both_forges() {
    for command in ["replay", "runs"] {
        let done = Bench::new().run(&[command, "--help"]);
        assert!(done.stdout.contains("itHub") || done.stdout.contains("github/NUMBER"), "{}", done.stdout);
        assert!(done.stdout.contains("itLab") || done.stdout.contains("gitlab/NUMBER"), "{}", done.stdout);
    }
}

#[test]
fn a_wrong_call_exits_with_2_and_says_what_is_near() {
    for args in [&["chek"][..], &[], &["runs", "--limit", "0"], &["runs", "show", "7"], &["replay"], &["schema", "x"]] {
        assert_eq!(Bench::new().run(args).code, Some(2), "{args:?}");
    }
    assert!(Bench::new().run(&["chek"]).stderr.contains("'check'"));
}

#[test]
fn the_version_is_that_of_the_crate() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["version"]).stdout, concat!("gatewright ", env!("CARGO_PKG_VERSION"), "\n"));
    assert!(bench.run(&["version", "--json"]).stdout.contains(concat!("\"", env!("CARGO_PKG_VERSION"), "\"")));
}

/// A pull request as GitHub sends it, with what is looked at.
pub(crate) fn pull_request() -> Value {
    let repo = json!({ "id": 1, "name": "shop", "full_name": "acme/shop", "owner": { "login": "acme", "id": 2 }, "default_branch": "main" });
    json!({
        "action": "opened",
        "number": 7,
        "pull_request": {
            "number": 7,
            "state": "open",
            "draft": false,
            "head": { "ref": "topic", "sha": "a".repeat(40), "repo": repo },
            "base": { "ref": "main", "sha": "b".repeat(40), "repo": repo },
            "user": { "login": "ann", "id": 3 },
        },
        "repository": repo,
        "installation": { "id": 4 },
        "sender": { "login": "ann", "id": 3 },
    })
}

#[test]
fn a_delivery_is_replayed_to_its_plan_and_nothing_is_written() {
    let bench = Bench::new();
    let gates = "image: alpine:3\ngates:\n  tests:\n    run: make test\n  docs:\n    run: make docs\n    when: { branches: [stable] }\n  app:\n    run: make app\n    when: { changed: [\"app/**\"] }\n";
    bench.write(".gatewright.yml", gates);
    bench.write("d.json", &json!({ "event": "pull_request", "delivery": "d-1", "payload": pull_request() }).to_string());
    let done = bench.run(&["replay", "d.json", "--repository-file", ".gatewright.yml"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_snapshot!(done.stdout, @r"
    delivery d-1 (pull_request.opened) starts a run for acme/shop #7 at aaaaaaa, by the repository file of `main`; older runs of #7 are stopped

    PLAN     GATE   COMMAND OR REASON
    runs     tests  make test
    skipped  docs   the branch `main` does not match `stable`
    runs     app    make app

    note: which files changed only the forge knows, so every `changed` rule counts as met
    ");
    assert_eq!(std::fs::read_dir(bench.folder.path()).expect("the folder can be read").count(), 2);
}

#[test]
fn a_bare_payload_needs_the_events_name() {
    let bench = Bench::new();
    bench.write("p.json", &pull_request().to_string());
    let done = bench.run(&["replay", "p.json"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("does not say which event"), "{}", done.stderr);
    let done = bench.run(&["replay", "p.json", "--event", "pull_request", "--json"]);
    let answer: Value = serde_json::from_str(&done.stdout).expect("this is JSON");
    assert_eq!((done.code, &answer["means"]["type"], &answer["means"]["number"]), (Some(0), &json!("pull"), &json!(7)));
}

/// A merge request as GitLab sends it, with what is looked at.
fn merge_request() -> Value {
    let project = json!({ "id": 9, "path_with_namespace": "acme/shop", "default_branch": "main" });
    json!({
        "object_kind": "merge_request",
        "user": { "id": 3, "username": "ann" },
        "project": project,
        "object_attributes": {
            "iid": 7,
            "action": "open",
            "state": "opened",
            "source_branch": "topic",
            "target_branch": "main",
            "source_project_id": 9,
            "target_project_id": 9,
            "target": project,
            "last_commit": { "id": "a".repeat(40) },
        },
    })
}

#[test]
fn a_delivery_of_gitlab_is_replayed_as_gitlabs_whatever_the_file_has_around_it() {
    let bench = Bench::new();
    let files = [
        json!({ "event": "Merge Request Hook", "delivery": "d-1", "payload": merge_request() }),
        json!({ "request_headers": { "X-Gitlab-Event": "Merge Request Hook", "Idempotency-Key": "d-1" }, "request_data": merge_request() }),
    ];
    for file in files {
        bench.write("d.json", &file.to_string());
        let done = bench.run(&["replay", "d.json"]);
        let said = "delivery d-1 (Merge Request Hook.open) starts a run for acme/shop #7 at aaaaaaa";
        assert!(done.stdout.starts_with(said), "{} {}", done.stdout, done.stderr);
        let done = bench.run(&["replay", "d.json", "--json"]);
        let answer: Value = serde_json::from_str(&done.stdout).expect("this is JSON");
        assert_eq!((&answer["forge"], &answer["means"]["repo"]["forge"]), (&json!("gitlab"), &json!("gitlab")), "{answer}");
    }
    bench.write("p.json", &merge_request().to_string());
    let done = bench.run(&["replay", "p.json"]);
    assert!(done.stdout.contains("starts a run for acme/shop #7"), "{} {}", done.stdout, done.stderr);
}

#[test]
fn an_action_that_is_empty_is_not_shown() {
    let bench = Bench::new();
    bench.write("p.json", "{\"action\":\"\"}");
    let done = bench.run(&["replay", "p.json", "--event", "star"]);
    assert!(done.stdout.starts_with("delivery (star) is recorded"), "{}", done.stdout);
}

#[test]
fn an_event_that_is_not_used_is_said_to_be_recorded() {
    let bench = Bench::new();
    bench.write("p.json", "{\"action\":\"created\"}");
    let done = bench.run(&["replay", "p.json", "--event", "star"]);
    assert_snapshot!(done.stdout, @r"
    delivery (star.created) is recorded, and nothing else: star events are not used
    ");
}
