//! A provider behind TLS whose certificate is by an authority of its operator's own.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use crate::agents::{broken, text};
use crate::support::{Bench, Done};

/// The program asks its provider and keeps the answer.
const FILE: &str = "\
gates:
  tests: { run: test -s said.txt }
agents:
  build:
    tries: 1
    steps:
      - { agent: { name: asks, run: 'wget -q -O said.txt -Y off \"$ANTHROPIC_BASE_URL/v1/hello\"', keys: anthropic } }
      - verify
";

/// The key, which only the provider is to see.
const KEY: &str = "sk-c4n4ry-c4n4ry-c4n4ry";

/// What the provider says, whatever it is asked.
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nhello\n";

/// An authority, and a certificate of `localhost` by it.
fn certificates(folder: &Path) {
    let openssl = |args: &[&str]| {
        let made = Command::new("openssl").args(args).current_dir(folder).output().expect("tests/setup installs openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let authority = ["-x509", "-subj", "/CN=an authority", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(&[&["req"], &key[..], &authority].concat());
    let server =
        ["-x509", "-CA", "ca.pem", "-CAkey", "ca.key", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    openssl(
        &[
            &["req"],
            &key[..],
            &server,
            &["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"],
        ]
        .concat(),
    );
}

/// A server that takes one connection; what it was told, once it is gone.
fn provider(folder: &Path) -> (Child, u16, JoinHandle<String>) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free").port();
    let accept = port.to_string();
    let args = ["s_server", "-quiet", "-naccept", "1", "-accept", &accept, "-key", "key.pem", "-cert", "cert.pem"];
    let mut server = Command::new("openssl");
    server.args(args).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = server.spawn().expect("tests/setup installs openssl");
    let (said, answers) = (server.stdout.take().expect("it is piped"), server.stdin.take().expect("it is piped"));
    (server, port, std::thread::spawn(move || answered(said, answers)))
}

/// Answers the request once all of it is there: what comes before that no client has asked for. The way to the server stays open, since it goes with
/// the end of what it is given.
fn answered(mut said: ChildStdout, mut answers: ChildStdin) -> String {
    let (mut told, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = said.read(&mut chunk) {
        told.extend_from_slice(&chunk[..read]);
        if told.ends_with(b"\r\n\r\n") {
            // A client that has gone away already shows in what the run came to.
            let _ = answers.write_all(ANSWER.as_bytes());
        }
    }
    String::from_utf8(told).expect("HTTP is text")
}

/// What the provider was told in a run of the pipeline, and what the run came to.
fn asked(bench: Bench) -> (String, Done) {
    let folder = bench.path(".git");
    certificates(&folder);
    let (mut server, port, told) = provider(&folder);
    let models = format!(
        "[[model]]\nkind = \"anthropic\"\nurl = \"https://localhost:{port}\"\nkey = \"env:KEY\"\n\n[agents]\nprograms_may_use = [\"anthropic\"]\n"
    );
    bench.write(".git/models.toml", &models);
    let done = bench.run(&["agent", "run", "--config", ".git/models.toml", "--requirements", "ask", "--logs", ".git/kept"]);
    // One that nobody has asked is still there.
    let _ = server.kill();
    server.wait().expect("it is ours");
    let told = told.join().expect("it does not panic");
    let shown = format!("{}{}{}", done.stdout, done.stderr, text(&bench, ".git/kept/journal.json"));
    assert!(!shown.contains("c4n4ry"), "{shown}");
    (told, done)
}

#[test]
fn the_key_goes_to_a_provider_whose_authority_the_operator_trusts_and_to_no_other() {
    let bench = broken(FILE, "").env("KEY", KEY);
    let trusted = bench.path(".git/ca.pem").display().to_string();
    let (told, done) = asked(bench.env("SSL_CERT_FILE", &trusted));
    assert_eq!(done.code, Some(0), "{told}{}{}", done.stdout, done.stderr);
    assert!(told.starts_with("GET /v1/hello HTTP/1.1") && told.contains(&format!("x-api-key: {KEY}")), "{told}");
    let (told, done) = asked(broken(FILE, "").env("KEY", KEY));
    assert_eq!((told.as_str(), done.code), ("", Some(1)), "whom nobody trusts is told nothing: {}{}", done.stdout, done.stderr);
}
