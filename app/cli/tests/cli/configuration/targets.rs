//! Targets, routers and sources of metrics.

use insta::assert_snapshot;

use super::{check_with, refusal};
use crate::support::{Bench, forge, server_file};

#[test]
fn every_kind_of_target_router_and_source_of_metrics_can_be_opened() {
    let done = check_with(
        r#"
[[target]]
service = "web"
environment = "production"
repository = "octo/app"
driver = "docker"
secrets = { database = "env:DATABASE_URL" }

[target.router]
kind = "haproxy"
socket = "unix:///run/haproxy/gatewright.sock"
backend = "web"
pin_map = "/etc/haproxy/gatewright/web.pins"
pin_header = "X-Canary"

[[target.metrics]]
kind = "haproxy"

[[target.metrics]]
kind = "prometheus"
url = "http://127.0.0.1:9090"
requests = 'sum(requests_total{pool="{{ pool }}"})'
errors = 'sum(errors_total{pool="{{ pool }}"})'

[[target.metrics]]
kind = "probe"
path = "/"

[[target]]
service = "web"
environment = "staging"
repository = "group/sub/app"
forge = "gitlab"
driver = "exec"
command = ["/usr/local/bin/deploy", "--quiet"]
router = { kind = "exec" }
metrics = [{ kind = "exec" }]
"#,
    );
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), "server.toml: no problems\n"));
}

#[test]
fn every_problem_of_a_target_is_named_with_its_place() {
    let done = check_with(
        r#"[[target]]
service = "we b"
environment = "production"
repository = "https://github.com/octo/app"
driver = "exec"
network = "web"
secrets = { database = "hunter2" }

[target.router]
kind = "haproxy"
socket = "/run/haproxy.sock"
server_options = "inter 1s weight 3"
pin_header = "X-Canary"

[[target.metrics]]
kind = "prometheus"
url = "http://127.0.0.1:9090"
requests = "sum(requests_total)"
errors = "sum(errors_total{{ pol }})"
path = "/"
"#,
    );
    assert_eq!(done.code, Some(2));
    assert!(!done.stdout.contains("hunter2"));
    assert_snapshot!(done.stdout, @r"
    server.toml:18:1: `command` is missing: the program and its arguments
    server.toml:19:11: `service` is 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    server.toml:21:14: expected the path of one repository, such as `octo/app`
    server.toml:23:1: `network` is a key of `driver` = `docker`; this one is `exec`
    server.toml:24:24: a secret is written as a reference, `env:NAME` or `file:PATH`, never as the secret itself
    server.toml:26:1: `backend` is missing; `router` needs it
    server.toml:28:10: expected `unix:///PATH` or `tcp://HOST:PORT`
    server.toml:29:18: `weight` is no option that servers can be added with here
    server.toml:29:18: it needs `check`: a server gets requests once a check has passed
    server.toml:30:14: it is of no use without `pin_map`
    server.toml:35:12: `requests`: it has no `{{ pool }}`, so it cannot tell versions apart
    server.toml:36:10: `errors`: `{{ pol }}` is not known; a query may have `{{ pool }}`, `{{ service }}` and `{{ environment }}`
    server.toml:37:1: `path` is a key of `kind` = `probe`; this one is `prometheus`
    ");
}

#[test]
fn two_targets_never_share_names_or_a_backend() {
    let target = |repository: &str, environment: &str| {
        format!(
            "[[target]]\nservice = \"web\"\nenvironment = \"{environment}\"\nrepository = \"{repository}\"\ndriver = \"docker\"\n\
             router = {{ kind = \"haproxy\", socket = \"tcp://127.0.0.1:9999\", backend = \"web\" }}\n"
        )
    };
    let done = check_with(
        &[target("octo/app", "production"), target("octo/other", "production"), target("octo/app", "staging")].concat(),
    );
    assert_eq!(done.code, Some(2));
    assert_snapshot!(done.stdout, @r"
    server.toml:24:1: a second target of the service `web` in `production`; instances of both would have the same names
    server.toml:24:1: the backend `web` is another target's already
    server.toml:30:1: the backend `web` is another target's already
    ");
}

#[test]
fn the_service_starts_with_its_targets_and_not_without_their_secrets() {
    let target = "[[target]]\nservice = \"web\"\nenvironment = \"production\"\nrepository = \"octo/app\"\ndriver = \"docker\"\n\
                  secrets = { database = \"env:DATABASE_URL\" }\n\
                  router = { kind = \"haproxy\", socket = \"unix:///nowhere/haproxy.sock\", backend = \"web\" }\n\
                  metrics = [{ kind = \"haproxy\" }, { kind = \"probe\", path = \"/\" }]\n";
    let bench = Bench::with_server_file(forge(), "memory:");
    bench.write("gatewright.toml", &format!("{}\n{target}", server_file(forge(), "memory:")));
    let said = refusal(&bench);
    assert!(said.ends_with("`secrets`: the environment variable DATABASE_URL is not set\n"), "{said}");
    // Neither the engine nor the router has to be there yet.
    bench.env("DATABASE_URL", "CANARY-of-the-database").serve(&[]).stop();
}
