//! The server file, the environment and the command line.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use crate::support::{Bench, Done, WEBHOOK_SECRET, forge, nobody, server_file, sign_with};

mod channels;
mod models;
mod targets;

#[test]
fn every_problem_of_a_server_file_is_named_with_its_place() {
    let bench = Bench::new();
    let file = r#"[server]
listn = "127.0.0.1:80"
public_url = 7

[store]
url = "postgres://user:hunter2@db/x"
retention_days = "x"

[[forge]]
kind = "gitlab"

[[forge]]
kind = "github"
app_id = 0
webhook_secret = "hunter2"

[sandbox]
driver = "dokcer"
pull = "always"
cpus = 1e9

[log]
level = "loud"
"#;
    bench.write("server.toml", file);
    let done = bench.run(&["check", "server.toml"]);
    assert_eq!(done.code, Some(2));
    assert!(!done.stdout.contains("hunter2"), "a secret in the wrong place is not repeated");
    assert_snapshot!(done.stdout, @r"
    server.toml:2:1: unknown key `listn`; did you mean `listen`?
    server.toml:3:14: expected a text, found a whole number
    server.toml:6:7: PostgreSQL is not supported by this version; use `sled:FOLDER`
    server.toml:7:18: `retention_days` is a whole number; found a text
    server.toml:9:1: `token` is missing; a forge needs it
    server.toml:9:1: `webhook_secret` is missing; a forge needs it
    server.toml:12:1: `private_key` is missing; a forge needs it
    server.toml:14:10: `app_id` is a whole number, at least 1
    server.toml:15:18: a secret is written as a reference, `env:NAME` or `file:PATH`, never as the secret itself
    server.toml:18:10: `driver` takes `docker` and `host`, not `dokcer`; did you mean `docker`?
    server.toml:19:8: `pull` takes `missing` and `never`, not `always`
    server.toml:20:8: `cpus` is a number from 0.1 to 1024
    server.toml:23:9: expected `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,gatewright_engine=debug`
    ");
}

#[test]
fn what_is_no_toml_is_named_with_its_place() {
    let bench = Bench::new();
    bench.write("server.toml", "[server\nlisten = = 1\n");
    let done = bench.run(&["check", "server.toml"]);
    assert_eq!(done.code, Some(2));
    assert_snapshot!(done.stdout, @r"
    server.toml:1:8: unclosed table, expected `]`
    server.toml:2:10: extra `=`, expected nothing
    server.toml:2:12: unexpected key or value, expected newline, `#`
    ");
}

#[test]
fn drivers_of_later_versions_are_said_to_be_so() {
    let done = with_driver("driver = \"kubernetes\"");
    assert_eq!(done.code, Some(2));
    assert!(done.stdout.contains("`driver` = `kubernetes` is not supported by this version"), "{}", done.stdout);
}

#[test]
fn the_machine_itself_is_no_sandbox_unless_the_code_is_said_to_be_trusted() {
    let refused = with_driver("driver = \"host\"");
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stdout.contains("write `host_code = \"trusted\"` beside it if all of their code is trusted"),
        "{}",
        refused.stdout
    );
    assert_eq!(with_driver("driver = \"host\"\nhost_code = \"yes\"").code, Some(2));
    assert_eq!(with_driver("driver = \"host\"\nhost_code = \"trusted\"").code, Some(0));
}

#[test]
fn reminders_come_after_a_list_of_times_within_bounds() {
    let checked = |table: &str, bench: Bench| {
        bench.write("server.toml", &format!("{}\n[rollout]\n{table}\n", server_file(nobody(), "memory:")));
        bench.run(&["check", "server.toml"])
    };
    for right in ["remind_after_secs = []", "remind_after_secs = [86400, 3600]"] {
        let done = checked(right, Bench::new());
        assert_eq!(done.code, Some(0), "{right}: {}", done.stdout);
    }
    for (variable, code) in [("3600, 86400", 0), ("", 0), ("1h", 2)] {
        let done = checked("", Bench::new().env("GATEWRIGHT__ROLLOUT__REMIND_AFTER_SECS", variable));
        assert_eq!(done.code, Some(code), "{variable}: {}", done.stdout);
    }
    let twenty_one = format!("remind_after_secs = [{}]", "60, ".repeat(21));
    for wrong in ["remind_after_secs = 3600", "remind_after_secs = [59]", "remind_after_secs = [\"1h\"]", &twenty_one] {
        let done = checked(wrong, Bench::new());
        let named = "`remind_after_secs` is a list of up to 20 whole numbers, each from 60 to 2592000";
        assert!(done.code == Some(2) && done.stdout.contains(named), "{wrong}: {}", done.stdout);
    }
}

/// What `check` says of a server file with these lines in `[sandbox]`.
fn with_driver(lines: &str) -> Done {
    let bench = Bench::new();
    bench.write("server.toml", &server_file(nobody(), "memory:").replace("[sandbox]", &format!("[sandbox]\n{lines}")));
    bench.run(&["check", "server.toml"])
}

#[test]
fn a_wrong_variable_is_named_by_its_name() {
    let bench = Bench::new().env("GATEWRIGHT__SERVR__LISTEN", "x").env("GATEWRIGHT__ENGINE__LEASE_SECS", "soon");
    let bench =
        bench.env("GATEWRIGHT__FORGE__5__KIND", "github").env("GATEWRIGHT__SERVER", "x").env("GATEWRIGHT_CONFIG", "unrelated");
    bench.write("server.toml", &server_file(nobody(), "memory:"));
    let done = bench.run(&["check", "server.toml"]);
    assert_eq!(done.code, Some(2));
    assert_snapshot!(done.stdout, @r"
    GATEWRIGHT__FORGE__5__KIND: numbers follow each other from 0; the next one is 1
    GATEWRIGHT__SERVER: `server` is a table; name one of its keys behind `__`
    GATEWRIGHT__SERVR__LISTEN: unknown key `servr`; did you mean `server`?
    GATEWRIGHT__ENGINE__LEASE_SECS: `lease_secs` is a whole number, at least 3 and at most 3600
    ");
}

#[test]
fn an_empty_variable_is_a_value_too() {
    let bench = Bench::new().env("GATEWRIGHT__SERVER__PUBLIC_URL", "");
    bench.write("server.toml", &server_file(nobody(), "memory:"));
    let done = bench.run(&["check", "server.toml"]);
    assert_eq!(done.stdout, "GATEWRIGHT__SERVER__PUBLIC_URL: expected a text, found an empty text\n");
}

#[test]
fn a_service_without_a_server_file_is_told_what_to_do() {
    let done = Bench::new().run(&["serve"]);
    assert_eq!(done.code, Some(2));
    assert!(
        done.stderr.starts_with("gatewright: there is no gatewright.toml; name the server file with --config"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_forge_can_come_from_the_environment_alone() {
    let bench = Bench::new().env("GATEWRIGHT__FORGE__0__KIND", "github").env("GATEWRIGHT__FORGE__0__APP_ID", "7");
    let bench = bench.env("GATEWRIGHT__FORGE__0__PRIVATE_KEY", "env:KEY").env("GATEWRIGHT__FORGE__0__WEBHOOK_SECRET__0", "env:A");
    let bench = bench.env("GATEWRIGHT__FORGE__0__WEBHOOK_SECRET__1", "env:B");
    bench.write("server.toml", "");
    let done = bench.run(&["check", "server.toml"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "server.toml: no problems\n"));
}

#[test]
fn a_secret_of_the_file_is_the_first_of_a_list_that_a_variable_goes_on_with() {
    // Signed with what the file names, and with what the variable adds to it.
    let bench = Bench::with_server_file(forge(), "memory:").env("NEW_SECRET", "CANARY-webhook-that-comes-next");
    let bench = bench.env("GATEWRIGHT__FORGE__0__WEBHOOK_SECRET__1", "env:NEW_SECRET");
    let service = bench.serve(&[]);
    let payload = "{\"zen\":\"x\"}";
    for (guid, secret) in [("d-1", WEBHOOK_SECRET), ("d-2", "CANARY-webhook-that-comes-next")] {
        assert_eq!(service.deliver(guid, "ping", payload, &sign_with(secret, payload)).status, 202, "{guid}");
    }
    service.stop();
    // What follows is counted from the file's own.
    let bench = bench.env("GATEWRIGHT__FORGE__0__WEBHOOK_SECRET__3", "env:LATER");
    let done = bench.run(&["check", "gatewright.toml"]);
    assert_eq!(done.stdout, "GATEWRIGHT__FORGE__0__WEBHOOK_SECRET__3: numbers follow each other from 0; the next one is 2\n");
}

#[test]
fn a_forge_that_is_written_as_one_table_is_not_mended_by_a_variable() {
    let bench = Bench::new().env("GATEWRIGHT__FORGE__0__APP_ID", "7");
    bench.write("server.toml", "[forge]\nkind = \"github\"\n");
    let done = bench.run(&["check", "server.toml"]);
    assert_eq!(done.stdout, "server.toml:1:1: forges are a list of tables, each written `[[forge]]`; found a table\n");
}

#[test]
fn what_the_service_refuses_without_a_secret_the_check_finds_too() {
    let bench = Bench::new();
    let secrets = ["\"env:A\""; 9].join(", ");
    let file = format!(
        "[[forge]]\nkind = \"gitlab\"\nurl = \"http://gitlab.example\"\nclone_url = \"ftp://x\"\ntoken = \"env:T\"\n\
         webhook_secret = [{secrets}]\n\n[[forge]]\nkind = \"github\"\napi_url = \"http://ghe.example/api/v3\"\napp_id = 1\n\
         private_key = \"env:K\"\nwebhook_secret = \"env:A\"\n"
    );
    bench.write("server.toml", &file);
    let done = bench.run(&["check", "server.toml"]);
    assert_eq!(done.code, Some(2));
    assert_snapshot!(done.stdout, @r"
    server.toml:3:7: `url` must begin with https:// (http:// is for this machine's own addresses only)
    server.toml:4:13: `clone_url` must begin with https:// (http:// is for this machine's own addresses only)
    server.toml:6:18: 9 webhook secrets are configured; at most 8 can be in use at once
    server.toml:10:11: `api_url` must begin with https:// (http:// is for this machine's own addresses only)
    ");
}

#[test]
fn a_missing_forge_is_a_problem() {
    let bench = Bench::new();
    bench.write("server.toml", "[server]\n");
    let done = bench.run(&["check", "server.toml"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stdout.starts_with("server.toml:1:1: no forge is configured"), "{}", done.stdout);
}

/// The port that a service logs to listen on.
fn listens_on(bench: &Bench, args: &[&str]) -> u16 {
    let service = bench.serve(args);
    let port = service.address.port();
    service.stop();
    port
}

#[test]
fn the_command_line_goes_before_the_environment_and_both_before_the_file() {
    let (file, variable, flag) = (nobody(), nobody(), nobody());
    let bench = Bench::with_server_file(forge(), "memory:");
    bench.write("gatewright.toml", &server_file(forge(), "memory:").replace("127.0.0.1:0", &file.to_string()));
    assert_eq!(listens_on(&bench, &[]), file.port());
    let bench = bench.env("GATEWRIGHT__SERVER__LISTEN", &variable.to_string());
    assert_eq!(listens_on(&bench, &[]), variable.port());
    assert_eq!(listens_on(&bench, &["--listen", &flag.to_string()]), flag.port());
}

/// What `serve` says of a configuration that it refuses.
fn refusal(bench: &Bench) -> String {
    let done = bench.run(&["serve"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{}", done.stderr);
    done.stderr
}

#[test]
fn the_service_refuses_to_start_on_a_short_webhook_secret() {
    let bench = Bench::with_server_file(forge(), "memory:").env("HOOK_SECRET", "hunter2hunter2");
    let said = refusal(&bench);
    assert!(!said.contains("hunter2"));
    assert_snapshot!(said, @r"
    gatewright: the configuration is wrong
    gatewright.toml:13:18: webhook secret 1 has 14 bytes and needs at least 16; make one with `openssl rand -hex 32` and give it to the forge as well
    ");
}

#[test]
fn the_service_refuses_to_start_on_an_empty_webhook_secret() {
    let bench = Bench::with_server_file(forge(), "memory:").env("HOOK_SECRET", " ");
    assert_snapshot!(refusal(&bench), @r"
    gatewright: the configuration is wrong
    gatewright.toml:13:18: `webhook_secret`: env:HOOK_SECRET is empty
    ");
}

#[test]
fn secrets_that_are_not_there_are_all_named_with_their_keys() {
    let bench = Bench::with_server_file(forge(), "memory:");
    let file = server_file(forge(), "memory:").replace("env:HOOK_SECRET", "env:NOT_THERE").replace("app.pem", "no.pem");
    bench.write("gatewright.toml", &file);
    assert_snapshot!(refusal(&bench), @r"
    gatewright: the configuration is wrong
    gatewright.toml:12:15: `private_key`: no.pem cannot be read: No such file or directory (os error 2)
    gatewright.toml:13:18: `webhook_secret`: the environment variable NOT_THERE is not set
    ");
}

#[test]
fn a_private_key_that_is_none_is_refused_without_being_shown() {
    let bench = Bench::with_server_file(forge(), "memory:");
    bench.write("app.pem", "CANARY-not-a-key");
    let said = refusal(&bench);
    assert!(said.contains("`private_key` is not an RSA private key"), "{said}");
    assert!(!said.contains("CANARY"));
}

#[test]
fn a_private_key_that_everybody_may_read_is_warned_of() {
    let bench = Bench::with_server_file(forge(), "memory:");
    fs::set_permissions(bench.path("app.pem"), fs::Permissions::from_mode(0o644)).expect("the file is ours");
    assert!(bench.serve(&[]).stop().contains("every user of this machine may read `private_key`"));
    fs::set_permissions(bench.path("app.pem"), fs::Permissions::from_mode(0o600)).expect("the file is ours");
    assert!(!bench.serve(&[]).stop().contains("every user of this machine"));
}

#[test]
fn the_service_refuses_to_start_without_a_git_that_can_be_used() {
    let refused = |bench: &Bench| {
        let done = bench.run(&["serve"]);
        assert_eq!(done.code, Some(3), "{}", done.stderr);
        done.stderr
    };
    let bench = Bench::with_server_file(forge(), "memory:").env("PATH", "/nowhere");
    let said = refused(&bench);
    assert!(said.contains("gatewright: sources cannot be fetched: git cannot be run: No such file or directory"), "{said}");
    fs::create_dir(bench.path("bin")).expect("the folder can be written");
    bench.write("bin/git", "#!/bin/sh\necho git version 2.20.1\n");
    fs::set_permissions(bench.path("bin/git"), fs::Permissions::from_mode(0o755)).expect("the file is ours");
    let folder = bench.path("bin").display().to_string();
    let said = refused(&bench.env("PATH", &folder));
    assert!(said.contains("git 2.20.1 is too old; 2.32 or later is needed"), "{said}");
}

#[test]
fn an_address_that_is_taken_is_a_failure_outside() {
    let taken = forge();
    let bench = Bench::with_server_file(forge(), "memory:");
    let done = bench.run(&["serve", "--listen", &taken.to_string()]);
    assert_eq!(done.code, Some(3));
    assert!(done.stderr.contains(&format!("cannot listen on {taken}")), "{}", done.stderr);
}

/// The page that explains the server file.
const PAGE: &str = include_str!("../../../../docs/configuration.md");

#[test]
fn the_page_about_the_configuration_names_every_key() {
    let done = Bench::new().run(&["schema", "server"]);
    let schema: serde_json::Value = serde_json::from_str(&done.stdout).expect("this is JSON");
    let tables = schema["properties"].as_object().expect("a file has tables");
    for (table, of) in tables {
        let keys = of["properties"].as_object().or(of["items"]["properties"].as_object()).expect("a table has keys");
        let headed = |section: &&str| section.lines().next().is_some_and(|heading| heading.contains(&format!("[{table}]")));
        let section = PAGE.split("\n### ").find(headed).unwrap_or_else(|| panic!("[{table}] is not explained"));
        for (key, of) in keys {
            // What a key means in another table too may be explained there.
            let of_key = |line: &&str| line.starts_with(&format!("| `{key}` |"));
            let row = section.lines().find(of_key).or_else(|| PAGE.lines().find(of_key));
            let row = row.unwrap_or_else(|| panic!("`{key}` of [{table}] is not explained"));
            if let Some(default) = of["default"].as_f64() {
                let shown = row.split('|').nth(2).and_then(|cell| cell.trim().parse::<f64>().ok());
                assert_eq!(shown, Some(default), "{row}");
            }
        }
    }
}

#[test]
fn the_example_on_the_page_is_valid() {
    let bench = Bench::new();
    let example = PAGE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the page has an example");
    bench.write("server.toml", example);
    assert_eq!(bench.run(&["check", "server.toml"]).stdout, "server.toml: no problems\n");
}

/// A server file with this behind it.
fn check_with(tables: &str) -> Done {
    let bench = Bench::new();
    bench.write("server.toml", &format!("{}\n{tables}", server_file(nobody(), "memory:")));
    bench.run(&["check", "server.toml"])
}
