//! What an operator sees of deliveries.

use std::io;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{SECRET, Sent, TOKEN, send, service};

const OPENED: &str = r#"{"action":"opened","number":7,"pull_request":{"title":"body canary","head":{"sha":"2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d"},
    "base":{"ref":"main"}},"repository":{"id":5,"full_name":"octo/app"},"sender":{"id":3,"login":"mona"}}"#;

const PUSHED: &str = r#"{"event_name":"push","ref":"refs/heads/main","before":"0000000000000000000000000000000000000000",
    "after":"2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d","user_name":"body canary","project_id":5,
    "project":{"path_with_namespace":"group/app","default_branch":"main"}}"#;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;
    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

#[tokio::test]
async fn each_delivery_makes_one_line_that_holds_neither_body_nor_secret() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(lines.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let (service, _) = service();
    send(&service, Sent::new("pull_request", OPENED).request()).await;
    send(&service, Sent::new("pull_request", OPENED).header("x-hub-signature-256", "sha256=canary").request()).await;
    send(&service, Sent::new("ping", "{}").guid("second\"canary").request()).await;
    drop(guard);

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("canary") && !text.contains(SECRET), "{text}");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    let fields = ["level", "delivery.id", "event", "action", "repo", "outcome"].map(|field| lines[0][field].as_str().unwrap());
    assert_eq!(fields, ["INFO", "72d3162e-cc78-11e3-81ab-4c9367dc0958", "pull_request", "opened", "octo/app", "accepted"]);
    assert!(lines[0]["duration_ms"].as_f64().is_some_and(|ms| ms > 0.0));
    assert_eq!((&lines[1]["outcome"], &lines[1]["repo"]), (&"bad_signature".into(), &serde_json::Value::Null));
    assert_eq!(lines[2]["cause"], "the header X-GitHub-Delivery is not a delivery's id");
}

#[tokio::test]
async fn a_delivery_of_gitlab_is_logged_under_its_own_name_once_it_is_proven() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(lines.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let (service, _) = service();
    let pushed = Sent::gitlab("System Hook", PUSHED);
    send(&service, pushed.clone().request()).await;
    send(&service, pushed.clone().header("x-gitlab-token", "canary of a wrong token").request()).await;
    send(&service, pushed.signed(&[0; 32], gatewright_core::Timestamp::now()).request()).await;
    drop(guard);

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("canary") && !text.contains(TOKEN), "{text}");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let fields = ["forge", "delivery.id", "event", "repo", "outcome"].map(|field| lines[0][field].as_str().unwrap());
    assert_eq!(fields, ["gitlab", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f", "push", "group/app", "accepted"]);
    for line in &lines[1..] {
        assert_eq!((&line["event"], &line["outcome"]), (&"System Hook".into(), &"bad_signature".into()));
        assert_eq!((&line["repo"], &line["action"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    }
    assert_eq!(lines.len(), 3, "{text}");
}

#[test]
fn deliveries_are_counted_by_outcome_and_timed() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let (service, _) = service();
            let pull = Sent::new("pull_request", OPENED);
            send(&service, pull.clone().request()).await;
            send(&service, pull.clone().request()).await;
            send(&service, pull.clone().request()).await;
            send(&service, Sent::new("ping", "{}").guid("a").request()).await;
            send(&service, pull.clone().without("x-hub-signature-256").request()).await;
            let bad = send(&service, pull.without("content-type").request()).await;
            assert_eq!(bad.status, StatusCode::BAD_REQUEST);
            let gitlab = Sent::gitlab("System Hook", PUSHED);
            send(&service, gitlab.clone().request()).await;
            send(&service, gitlab.clone().request()).await;
            send(&service, gitlab.without("x-gitlab-token").request()).await;
        });
    });
    let text = handle.render();
    for (outcome, count) in [("accepted", 1), ("duplicate", 2), ("unused", 1), ("bad_signature", 1), ("bad_request", 1)] {
        let line = format!("gatewright_deliveries_total{{forge=\"github\",outcome=\"{outcome}\"}} {count}\n");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    for outcome in ["accepted", "duplicate", "bad_signature"] {
        let line = format!("gatewright_deliveries_total{{forge=\"gitlab\",outcome=\"{outcome}\"}} 1\n");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
    assert!(text.contains("gatewright_delivery_seconds_count{forge=\"github\"} 6\n"), "{text}");
    assert!(text.contains("gatewright_delivery_seconds_count{forge=\"gitlab\"} 3\n"), "{text}");
}
