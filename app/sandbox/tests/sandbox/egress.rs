//! The only way out of a sandbox, tried from the inside.

use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use gatewright_core::sandbox::{
    EgressSpec, EgressUse, Injection, Network, Sandbox, SandboxError, SandboxHandle, SandboxSpec, Workshop,
};
use gatewright_core::secret::SecretString;
use gatewright_sandbox::{DockerConfig, DockerSandbox, HostConfig, HostSandbox, HostWorkspace, Reach};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::rig::{Rig, spec};

const KEY: &str = "sk-c4n4ry-c4n4ry-c4n4ry";

/// What a provider was asked: a line each.
type Asked = Arc<Mutex<Vec<String>>>;

/// A provider on loopback that says what it was asked.
async fn provider() -> (String, Asked) {
    let asked = Asked::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    let app = axum::Router::new().fallback(answer).with_state(Arc::clone(&asked));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://127.0.0.1:{port}/api"), asked)
}

async fn answer(State(asked): State<Asked>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header =
        |name: &str| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect::<Vec<_>>().join("+");
    let line = format!(
        "{method} {uri} key={} auth={} cookie={} {} bytes",
        header("x-api-key"),
        header("authorization"),
        header("cookie"),
        body.len()
    );
    asked.lock().expect("no test panics while it holds this").push(line);
    match uri.path() {
        "/api/elsewhere" => (StatusCode::FOUND, [("location", "http://169.254.169.254/")]).into_response(),
        "/api/stream" => {
            Body::from_stream(futures_util::stream::iter(["one\n", "two\n"].map(Ok::<_, std::io::Error>))).into_response()
        }
        _ => ([("set-cookie", "a=b")], "answered\n").into_response(),
    }
}

/// A server behind a tunnel: says hello, and repeats what it is told.
async fn tunnelled() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 100];
                let length = client.read(&mut buffer).await.unwrap_or(0);
                let _ = client.write_all(&[b"hello ", &buffer[..length]].concat()).await;
            });
        }
    });
    port
}

struct Out {
    rig: Rig,
    sandbox: DockerSandbox,
    port: u16,
    asked: Asked,
    spec: EgressSpec,
}

impl Out {
    async fn new(reach: impl FnOnce(u16) -> Reach) -> Out {
        let (base_url, asked) = provider().await;
        let port = tunnelled().await;
        let rig = Rig::new();
        let sandbox = DockerSandbox::new(DockerConfig { reach: reach(port), ..rig.config.clone() });
        let header = ("X-Api-Key".to_owned(), SecretString::from(KEY.to_owned()));
        let inject = vec![Injection { name: "some-provider".to_owned(), base_url, header }];
        let hosts = ["localhost", "metadata.example.com", "169.254.169.254"].map(str::to_owned).to_vec();
        Out { rig, sandbox, port, asked, spec: EgressSpec { hosts, inject } }
    }

    async fn open(&self) -> (SandboxSpec, SandboxHandle) {
        let spec = SandboxSpec { network: Network::Egress(self.spec.clone()), ..spec() };
        let handle = self.sandbox.open(&spec).await.expect("it opens");
        (spec, handle)
    }

    async fn run(&self, handle: &SandboxHandle, script: &str) -> String {
        let wall = std::time::Duration::from_secs(60);
        let command = gatewright_core::sandbox::Command { script: format!("{TOOLS}\n{script}"), wall };
        let ran = self.sandbox.capture(handle, &command, 64 * 1024).await.expect("it runs");
        String::from_utf8_lossy(&ran.head).replace('\r', "")
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("no test panics while it holds this"))
    }
}

fn loopback(port: u16) -> Reach {
    Reach { port, private: true }
}

/// `connect HOST PORT [PROXY]` says the status line of a tunnel, and what comes through it. `fetch URL [HEADER]` gets an address.
const TOOLS: &str = r#"
proxy=${HTTPS_PROXY#http://}; login=${proxy%@*}; proxy=${proxy#*@}; gateway=${proxy%:*}; way=${proxy#*:}
connect() {
    basic=$(printf %s "${3:-$login}" | base64 -w 0)
    { printf 'CONNECT %s:%s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Basic %s\r\n\r\n' $1 $2 $1 $basic; sleep 0.3; printf 'you\n'; } | nc -w 30 $gateway $way
}
fetch() { wget -q -O - -Y off --header "${2:-X-A: b}" $1 2>&1; }
"#;

fn used(all: &[EgressUse], host: &str) -> (u64, u64, u64, u64) {
    let used = all.iter().find(|used| used.host == host).cloned().unwrap_or_default();
    (used.requests, used.refused, used.sent_bytes, used.received_bytes)
}

#[tokio::test]
async fn listed_hosts_are_reached_through_the_proxy_and_no_others() {
    let out = Out::new(loopback).await;
    let (spec, sandbox) = out.open().await;
    let said = out.run(&sandbox, &format!("connect localhost {}; connect LOCALHOST. {}", out.port, out.port)).await;
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 2, "{said}");
    assert_eq!(said.matches("hello you\n").count(), 2, "{said}");
    for host in ["127.0.0.1", "example.com", "localhost.example.com", "xlocalhost"] {
        let said = out.run(&sandbox, &format!("connect {host} {}", out.port)).await;
        assert!(said.starts_with("HTTP/1.1 403") && said.contains("not among those"), "{host}: {said}");
    }
    let said = out.run(&sandbox, "connect localhost 22").await;
    assert!(said.starts_with("HTTP/1.1 403") && said.contains("only the port of HTTPS"), "{said}");
    let said = out
        .run(
            &sandbox,
            &format!("printf 'GET http://localhost:{}/ HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' | nc -w 30 $gateway $way", out.port),
        )
        .await;
    assert!(said.starts_with("HTTP/1.1 403") && said.contains("only HTTPS leaves"), "{said}");
    let told = out.sandbox.egress(&spec.key);
    let (requests, refused, sent, received) = used(&told, "localhost");
    assert_eq!((requests, refused, sent, received), (3, 1, 8, 20), "{told:?}");
    assert_eq!(used(&told, "example.com"), (1, 1, 0, 0));
    out.sandbox.close(&spec.key).await.expect("it closes");
    assert!(out.sandbox.egress(&spec.key).is_empty());
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused_though_it_is_listed() {
    let out = Out::new(|port| Reach { port, private: false }).await;
    let (_, sandbox) = out.open().await;
    for host in ["localhost", "169.254.169.254"] {
        let said = out.run(&sandbox, &format!("connect {host} {}", out.port)).await;
        assert!(said.starts_with("HTTP/1.1 403") && said.contains("no public address"), "{host}: {said}");
    }
}

#[tokio::test]
async fn there_is_no_way_around_the_proxy() {
    let out = Out::new(loopback).await;
    let (_, sandbox) = out.open().await;
    let said = out
        .run(
            &sandbox,
            "for to in 1.1.1.1 169.254.169.254; do nc -w 2 $to 443 </dev/null && echo REACHED $to; done; \
             nslookup example.com && echo RESOLVED; nslookup localhost.localdomain && echo RESOLVED; nslookup example.com $gateway && echo RESOLVED; \
             ping -c 1 -W 1 1.1.1.1 && echo REACHED; cat /etc/resolv.conf; true",
        )
        .await;
    assert!(!said.contains("REACHED") && !said.contains("RESOLVED"), "{said}");
}

#[tokio::test]
async fn a_key_is_used_and_is_not_in_the_sandbox() {
    let out = Out::new(loopback).await;
    let (spec, sandbox) = out.open().await;
    let said = out.run(&sandbox, "echo $SOME_PROVIDER_API_KEY; fetch $SOME_PROVIDER_BASE_URL/v1/messages?a=b 'Authorization: Bearer mine'; fetch $SOME_PROVIDER_BASE_URL/stream 'X-Api-Key: mine'; wget -q -O - -Y off --header 'Cookie: a=b' --post-data 12345 $SOME_PROVIDER_BASE_URL/").await;
    assert_eq!(said, "set-outside-of-the-sandbox\nanswered\none\ntwo\nanswered\n");
    let key = format!("key={KEY} auth= cookie=");
    assert_eq!(
        out.asked(),
        [
            format!("GET /api/v1/messages?a=b {key} 0 bytes"),
            format!("GET /api/stream {key} 0 bytes"),
            format!("POST /api/ {key} 5 bytes")
        ]
    );
    let said = out
        .run(&sandbox, "env; cat /proc/*/environ /proc/*/cmdline 2>/dev/null; wget -S -q -O - -Y off $SOME_PROVIDER_BASE_URL/x 2>&1; cat /proc/net/route")
        .await;
    assert!(said.contains("SOME_PROVIDER_BASE_URL=") && said.contains("answered"), "{said}");
    assert!(!said.contains("c4n4ry") && !said.to_lowercase().contains("set-cookie"), "{said}");
    let inspected = crate::rig::inspect(&sandbox, "{{json .}}");
    assert!(!inspected.contains("c4n4ry") && inspected.contains("SOME_PROVIDER_BASE_URL"));
    let told = out.sandbox.egress(&spec.key);
    assert_eq!(used(&told, "some-provider"), (4, 0, 5, 35), "{told:?}");
    assert!(!format!("{:?}", out.spec).contains("c4n4ry"));
}

#[tokio::test]
async fn a_key_is_used_below_its_own_address_only_and_redirects_are_not_followed() {
    let out = Out::new(loopback).await;
    let (_, sandbox) = out.open().await;
    let said = out.run(&sandbox, "printf 'GET %s/elsewhere HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' \"/${SOME_PROVIDER_BASE_URL#*//*/}\" | nc -w 30 $gateway $way").await;
    assert!(said.starts_with("HTTP/1.1 302"), "{said}");
    assert_eq!(out.asked().len(), 1, "a redirect is the sandbox's to follow, which cannot");
    for climbing in ["../x", "v1/../../x", "%2e%2e/x", "..%5cx/../../../x", ".%2e/.%2e/x"] {
        let request = format!(
            "printf 'GET %s/{climbing} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' \"/${{SOME_PROVIDER_BASE_URL#*//*/}}\" | nc -w 30 $gateway $way"
        );
        let said = out.run(&sandbox, &request.replace('%', "%%").replace("%%s/", "%s/")).await;
        assert!(said.starts_with("HTTP/1.1 403"), "{climbing}: {said}");
    }
    assert_eq!(out.asked(), [""; 0]);
    let said =
        out.run(&sandbox, "fetch $SOME_PROVIDER_BASE_URL//evil.example/x; fetch ${SOME_PROVIDER_BASE_URL%/*}/other/x").await;
    assert_eq!(out.asked().len(), 1, "{said}");
    let large = "printf 'POST %s HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 40000000\\r\\n\\r\\n' \"/${SOME_PROVIDER_BASE_URL#*//*/}\" | nc -w 30 $gateway $way";
    let said = out.run(&sandbox, large).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    assert_eq!(out.asked(), [""; 0], "nothing of it was passed on");
}

#[tokio::test]
async fn the_way_out_of_another_sandbox_is_closed() {
    let out = Out::new(loopback).await;
    let ((_, one), (_, other)) = (out.open().await, out.open().await);
    let theirs = out.run(&other, "echo $HTTPS_PROXY $SOME_PROVIDER_BASE_URL").await;
    let (proxy, base) = theirs.trim().split_once(' ').expect("it has both");
    let login = proxy.trim_start_matches("http://").split('@').next().expect("it has a login");
    let said = out
        .run(
            &one,
            &format!("connect localhost {} {login}; connect localhost {} sandbox:; connect localhost {0} ''", out.port, out.port),
        )
        .await;
    assert_eq!(said.matches("HTTP/1.1 407").count(), 2, "{said}");
    let token = login.trim_start_matches("sandbox:");
    let said = out.run(&one, &format!("wget -q -S -O - -Y off http://$proxy/{token}/some-provider/x 2>&1; wget -q -S -O - -Y off http://$proxy/ 2>&1; fetch {base}/x")).await;
    assert_eq!(said.matches("403 Forbidden").count(), if said.contains("server returned error") { 4 } else { 2 }, "{said}");
    let their_proxy = proxy.split('@').nth(1).expect("it has an address");
    let (address, port) = their_proxy.split_once(':').expect("it has a port");
    let said = out
        .run(&one, &format!("gateway={address} way={port}; connect localhost {} {login}; wget -q -O - -Y off {base}/x", out.port))
        .await;
    assert!(!said.contains("HTTP/1.1") && !said.contains("answered"), "theirs does not talk to others: {said}");
    assert_eq!(out.asked(), [""; 0]);
}

#[tokio::test]
async fn networks_go_with_their_sandboxes_and_those_of_a_dead_process_are_found() {
    let out = Out::new(loopback).await;
    let (spec, _) = out.open().await;
    let networks = || {
        let filter = format!("label=dev.gatewright.instance={}", out.rig.config.instance);
        let said = std::process::Command::new("docker").args(["network", "ls", "-q", "--filter", &filter]).output();
        String::from_utf8_lossy(&said.expect("there is a docker client").stdout).lines().count()
    };
    assert_eq!(networks(), 1);
    let restarted = DockerSandbox::new(out.rig.config.clone());
    assert_eq!(restarted.leftovers().await.expect("the engine answers"), std::slice::from_ref(&spec.key));
    restarted.close(&spec.key).await.expect("it closes");
    assert_eq!(networks(), 0);
    let refused = out.sandbox.open(&SandboxSpec { image: "gatewright-test-none:local".to_owned(), ..spec.clone() }).await;
    assert!(matches!(refused, Err(SandboxError::ImageMissing { .. })), "{refused:?}");
    assert_eq!(networks(), 0);
}

#[tokio::test]
async fn the_machine_itself_gives_no_such_way_out() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let host = HostSandbox::new(HostConfig {
        workspace: HostWorkspace::Fresh(folder.path().join("work")),
        instance: "test".to_owned(),
        mirrors: folder.path().join("mirrors"),
        local: None,
        env: std::collections::BTreeMap::new(),
    });
    let refused = host.open(&SandboxSpec { network: Network::Egress(EgressSpec::default()), ..spec() }).await;
    assert!(matches!(refused, Err(SandboxError::NotStartable(_))), "{refused:?}");
}
