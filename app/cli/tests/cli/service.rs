//! The running service over HTTP.

use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::json;

use crate::files::pull_request;
use crate::support::{Bench, WEBHOOK_SECRET, connect, files_under, forge, nobody, private_key, server_file, sign};

#[test]
fn a_service_is_well_and_says_how_its_parts_are() {
    let service = Bench::with_server_file(forge(), "memory:").serve(&[]);
    let health = service.get("/healthz");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    let ready = service.get("/readyz");
    let parts = ready.json();
    assert_eq!((ready.status, &parts["status"]), (200, &json!("degraded")), "{parts}");
    assert_eq!(parts["parts"]["store"]["status"], "ok");
    assert_eq!(parts["parts"]["github"], json!({ "status": "ok", "detail": "signed in as the App bench (12345)" }));
    assert_eq!(parts["parts"]["git"]["status"], "ok");
    assert!(parts["parts"]["git"]["detail"].as_str().is_some_and(|detail| detail.starts_with("git 2.")), "{parts}");
    assert_eq!(parts["parts"]["sandbox"]["status"], "down");
    assert!(parts["parts"]["sandbox"]["cause"].as_str().is_some_and(|cause| cause.contains("/nowhere/docker.sock")), "{parts}");
    assert_eq!(parts["parts"]["queue"]["ready"], 0);
    service.stop();
}

#[test]
fn a_forge_that_is_down_keeps_no_delivery_out() {
    let service = Bench::with_server_file(nobody(), "memory:").serve(&[]);
    let ready = service.get("/readyz");
    assert_eq!((ready.status, &ready.json()["parts"]["github"]["status"]), (200, &json!("down")));
    let payload = json!({ "zen": "x" }).to_string();
    assert_eq!(service.deliver("d-1", "ping", &payload, &sign(&payload)).status, 202);
    service.stop();
}

#[test]
fn metrics_tell_of_deliveries_and_the_queue() {
    let service = Bench::with_server_file(forge(), "memory:").serve(&[]);
    let payload = json!({ "zen": "x" }).to_string();
    assert_eq!(service.deliver("d-1", "ping", &payload, &sign(&payload)).status, 202);
    assert_eq!(service.deliver("d-1", "ping", &payload, &sign(&payload)).status, 200);
    assert_eq!(service.deliver("d-2", "ping", &payload, &sign("other")).status, 401);
    let metrics = service.get("/metrics");
    assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"));
    for line in [
        "gatewright_deliveries_total{forge=\"github\",outcome=\"unused\"} 1",
        "gatewright_deliveries_total{forge=\"github\",outcome=\"duplicate\"} 1",
        "gatewright_deliveries_total{forge=\"github\",outcome=\"bad_signature\"} 1",
        "gatewright_delivery_seconds_bucket{forge=\"github\",le=\"+Inf\"} 3",
        "gatewright_queue_runs{state=\"ready\"} 0",
        "gatewright_queue_oldest_seconds 0",
        concat!("gatewright_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line} is not in\n{}", metrics.body);
    }
    service.stop();
}

#[test]
fn answers_carry_headers_that_keep_browsers_from_harm() {
    let service = Bench::with_server_file(forge(), "memory:").serve(&[]);
    for path in ["/healthz", "/nothing", "/runs/0199e2a4-7c1e-7000-8000-000000000000"] {
        let head = service.get(path).head;
        for header in ["x-content-type-options: nosniff", "x-frame-options: deny", "content-security-policy: default-src 'none'"]
        {
            assert!(head.contains(header), "{path}: {head}");
        }
    }
    service.stop();
}

#[test]
fn a_run_is_found_by_its_id_only() {
    let bench = Bench::with_server_file(forge(), "sled:data");
    let service = bench.serve(&[]);
    let payload = pull_request().to_string();
    assert_eq!(service.deliver("d-1", "pull_request", &payload, &sign(&payload)).status, 202);
    let runs: serde_json::Value = serde_json::from_str(&bench.run(&["runs", "--json"]).stdout).expect("this is JSON");
    let id = runs[0]["id"].as_str().expect("a run has an id");
    let page = service.get(&format!("/runs/{id}"));
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-type: text/html"));
    assert!(page.head.contains("content-security-policy: default-src 'none'; style-src 'unsafe-inline'"), "{}", page.head);
    assert!(page.body.contains("acme/shop #7") && page.body.contains(&"a".repeat(40)), "{}", page.body);
    for nothing in
        ["/runs", "/runs/", "/runs/0199e2a4-7c1e-7000-8000-000000000000", "/runs/..%2f", &format!("/runs/{id}/logs/tests"), "/"]
    {
        assert_eq!(service.get(nothing).status, 404, "{nothing}");
    }
    service.stop();
}

#[test]
fn a_client_that_does_not_finish_its_head_is_cut_off() {
    let service = Bench::with_server_file(forge(), "memory:").serve(&[]);
    let mut slow = connect(service.address);
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").expect("the service reads");
    let mut idle = connect(service.address);
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).expect("the service closes the connection");
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
    rest.clear();
    idle.read_to_end(&mut rest).expect("the service closes the connection");
    assert_eq!(service.get("/healthz").status, 200);
    service.stop();
}

#[test]
fn clients_beyond_the_limit_wait_for_their_turn() {
    let bench = Bench::with_server_file(forge(), "memory:").env("GATEWRIGHT__SERVER__CONNECTIONS_MAX", "1");
    let service = bench.serve(&[]);
    let mut first = connect(service.address);
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").expect("the service reads");
    // Answered once the first, which never ends its head, has been cut off.
    assert_eq!(service.get("/healthz").status, 200);
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).expect("the service has closed the connection");
    service.stop();
}

#[test]
fn a_second_service_on_the_same_store_is_told_so() {
    let bench = Bench::with_server_file(forge(), "sled:data");
    let service = bench.serve(&[]);
    let second = bench.run(&["serve"]);
    assert_eq!(second.code, Some(3));
    assert!(second.stderr.contains("is in use by another Gatewright"), "{}", second.stderr);
    assert_eq!(service.get("/healthz").status, 200);
    service.stop();
}

#[test]
fn either_signal_stops_the_service_in_order() {
    for signal in ["TERM", "INT"] {
        let bench = Bench::with_server_file(forge(), "sled:data");
        let service = bench.serve(&[]);
        service.signal(signal);
        let (status, written) = service.wait();
        assert_eq!(status.code(), Some(0), "{written}");
        assert!(written.contains("gatewright has stopped"), "{written}");
        assert!(!bench.path("data/control.sock").exists());
    }
}

#[test]
fn a_request_that_is_under_way_at_a_signal_is_answered() {
    let service = Bench::with_server_file(forge(), "memory:").env("GATEWRIGHT__SERVER__HEADER_SECS", "60").serve(&[]);
    let payload = json!({ "zen": "x" }).to_string();
    let head = format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-github-event: ping\r\n\
         x-github-delivery: d-1\r\nx-hub-signature-256: sha256={}\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        sign(&payload),
        payload.len()
    );
    let mut client = connect(service.address);
    client.write_all(head.as_bytes()).expect("the service reads");
    // The service asks for the body: the request is under way.
    let mut asked = [0; 25];
    client.read_exact(&mut asked).expect("the service asks for the body");
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    service.signal("TERM");
    service.wait_for("stopping: no new work is taken");
    client.write_all(payload.as_bytes()).expect("the service reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("the service answers and closes");
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let (status, written) = service.wait();
    assert_eq!(status.code(), Some(0), "{written}");
}

#[test]
fn the_health_of_a_service_can_be_asked_for_from_the_command_line() {
    let bench = Bench::with_server_file(forge(), "memory:");
    let service = bench.serve(&[]);
    let address = service.address;
    let ask = |path: &str| bench.run(&["check", "--health", &format!("http://{address}{path}")]);
    let ready = ask("/readyz");
    assert_eq!(ready.code, Some(0));
    let said = format!("http://{address}/readyz: 200 OK (degraded; sandbox: ");
    assert!(ready.stdout.starts_with(&said) && ready.stdout.contains("/nowhere/docker.sock"), "{}", ready.stdout);
    let health = ask("/healthz");
    assert_eq!((health.code, health.stdout), (Some(0), format!("http://{address}/healthz: 200 OK\n")));
    assert_eq!(ask("/nothing").code, Some(1));
    service.stop();
    let gone = ask("/readyz");
    assert_eq!(gone.code, Some(3));
    assert!(gone.stderr.contains("Connection refused"), "{}", gone.stderr);
}

#[test]
fn the_health_of_what_is_not_on_the_web_cannot_be_asked_for() {
    for address in ["ftp://127.0.0.1/readyz", "file:///etc/hosts", "127.0.0.1:8080/readyz", "readyz"] {
        let done = Bench::new().run(&["check", "--health", address]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{}", done.stderr);
    }
}

#[test]
fn no_secret_is_in_anything_that_is_written() {
    let bench = Bench::with_server_file(forge(), "sled:data")
        .env("GATEWRIGHT__LOG__LEVEL", "trace,hyper=trace,octocrab=trace,reqwest=trace");
    let service = bench.serve(&[]);
    let payload = pull_request().to_string();
    assert_eq!(service.deliver("d-1", "pull_request", &payload, &sign(&payload)).status, 202);
    assert_eq!(service.deliver("d-2", "pull_request", &payload, WEBHOOK_SECRET).status, 401);
    let mut seen: Vec<String> = ["/readyz", "/metrics", "/healthz"].map(|path| service.get(path).body).into();
    for args in [&["runs", "--json"][..], &["deliveries", "--json"], &["audit"], &["check", "gatewright.toml", "--json"]] {
        let done = bench.run(args);
        seen.extend([done.stdout, done.stderr]);
    }
    seen.push(service.stop());
    seen.extend(files_under(&bench.path("data")).into_iter().map(|(_, content)| String::from_utf8_lossy(&content).into_owned()));
    // A line from the middle of the key; what stands around it is in every key.
    let key = private_key().lines().nth(7).expect("a key has many lines");
    for text in &seen {
        assert!(!text.contains(WEBHOOK_SECRET) && !text.contains(key), "{text}");
        assert!(!text.contains("Bearer eyJ"), "{text}");
    }
    assert!(seen.iter().any(|text| text.contains("\"TRACE\"") || text.contains("\"DEBUG\"")), "the log was not at its loudest");
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let service = Bench::with_server_file(forge(), "memory:").env("GATEWRIGHT__SERVER__HEADER_SECS", "60").serve(&[]);
    // A request that never ends keeps the service from stopping by itself.
    let mut open = connect(service.address);
    let head = "POST /webhooks/github HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n";
    open.write_all(head.as_bytes()).expect("the service reads");
    let mut asked = [0; 25];
    open.read_exact(&mut asked).expect("the service asks for the body");
    service.signal("TERM");
    service.wait_for("a second signal ends the process at once");
    service.signal("TERM");
    let (status, written) = service.wait();
    assert_eq!(status.code(), Some(143), "{written}");
}

#[test]
fn a_log_for_people_has_no_colour_in_a_file() {
    let bench = Bench::with_server_file(forge(), "memory:");
    let mut child =
        bench.command(&["serve"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be run");
    let mut seen = String::new();
    let stderr = child.stderr.take().expect("standard error is piped");
    for line in std::io::BufRead::lines(std::io::BufReader::new(stderr)).map_while(Result::ok) {
        seen.push_str(&line);
        if line.contains("ready") {
            child.kill().expect("the process is ours");
        }
    }
    child.wait().expect("the process is ours");
    assert!(seen.contains("gatewright starts") && !seen.contains('\u{1b}'), "{seen}");
}

#[test]
fn providers_of_models_are_named_and_their_keys_are_nowhere() {
    let bench = Bench::with_server_file(forge(), "memory:").env("MODEL_KEY", "CANARY-model-0123456789abcdef");
    let tables = "\n[[model]]\nkind = \"anthropic\"\nkey = \"env:MODEL_KEY\"\n\n[[model]]\nkind = \"scripted\"\nname = \"demo\"\nfile = \"demo.yaml\"\n";
    bench.write("gatewright.toml", &format!("{}{tables}", server_file(forge(), "memory:")));
    bench.write("demo.yaml", "conversations: [{ exchanges: [{ reply: { text: Hello. } }] }]");
    let service = bench.serve(&[]);
    let ready = service.get("/readyz");
    let closed = json!({ "status": "ok", "detail": "the circuit is closed" });
    assert_eq!(ready.json()["parts"]["models"], json!({ "anthropic": closed, "demo": closed }));
    let metrics = service.get("/metrics").body;
    assert!(metrics.contains("gatewright_model_circuit{provider=\"anthropic\"} 0"), "{metrics}");
    let log = service.stop();
    assert!(log.contains("this provider of models is a script"), "{log}");
    assert!(![ready.body, metrics, log].concat().contains("CANARY-model"));
}

#[test]
fn a_service_does_not_start_with_a_key_or_a_script_that_is_not_there() {
    let bench = Bench::with_server_file(forge(), "memory:");
    let tables = "[[model]]\nkind = \"anthropic\"\nkey = \"env:NO_SUCH_KEY\"\n";
    bench.write("gatewright.toml", &format!("{}\n{tables}", server_file(forge(), "memory:")));
    let done = bench.run(&["serve"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains(":20:7: `key`: the environment variable NO_SUCH_KEY is not set"), "{}", done.stderr);
    let tables = "[[model]]\nkind = \"scripted\"\nfile = \"demo.yaml\"\n";
    bench.write("gatewright.toml", &format!("{}\n{tables}", server_file(forge(), "memory:")));
    bench.write("demo.yaml", "conversations: []");
    let done = bench.run(&["serve"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("this is no script of a model: it has no conversation"), "{}", done.stderr);
}
