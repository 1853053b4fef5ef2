//! What a merge request on GitLab is compared with: the artefacts of the default branch, by GitLab's API.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::runner::Runner;

const GATES: &str = "\
image: none
gates:
  cover:
    run: cp counted lcov.info
    coverage: lcov.info
    require: { drop-at-most: 1 }
";
const ALL: &str = "SF:src/a.c\nDA:1,1\nDA:2,1\nend_of_record\n";
const HALF: &str = "SF:src/a.c\nDA:1,1\nDA:2,0\nend_of_record\n";
const FILE: &str = "gatewright-reports/history.jsonl";

/// GitLab's API, or a store of objects behind it: answers every request alike.
#[derive(Clone)]
struct Server {
    address: String,
    /// The requests, with their headers, in lower case.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` makes an answer of a request.
    fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it listens"));
        let server = Server { address, asked: Arc::default() };
        let asked = Arc::clone(&server.asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream: TcpStream = stream.expect("a client");
                let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
                let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let request = head.join("\n");
                let said = answer(&request);
                asked.lock().expect("no test has failed there").push(request.to_lowercase());
                let _ = stream.write_all(said.as_bytes());
            }
        });
        server
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test has failed there").clone()
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn missing() -> String {
    "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned()
}

const MAIN: [(&str, &str); 3] = [(".gatewright.yml", GATES), ("src/a.c", "one();\ntwo();\n"), ("counted", ALL)];
const CHANGE: [(&str, &str); 1] = [("counted", HALF)];

/// What the default branch's job leaves.
fn left() -> String {
    let mut push = Runner::default_branch(&MAIN, &CHANGE);
    let nothing = Server::start(|_| missing());
    push.set("GATEWRIGHT_HISTORY_JOB", "gates").set("CI_API_V4_URL", &format!("{}/api/v4", nothing.address));
    let step = push.step(&[]);
    assert_eq!(step.code, 0, "{step:#?}");
    push.left(FILE)
}

/// A job of a merge request whose GitLab answers so.
fn merge_request(answer: impl Fn(&str) -> String + Send + 'static) -> (Runner, Server) {
    let server = Server::start(answer);
    let mut runner = Runner::merge_request(&MAIN, &CHANGE);
    runner.set("GATEWRIGHT_HISTORY_JOB", "gates").set("CI_API_V4_URL", &format!("{}/api/v4", server.address));
    (runner, server)
}

#[test]
fn a_merge_request_is_compared_with_what_the_default_branch_has_left_on_gitlab() {
    let left = left();
    let (mut runner, server) = merge_request(move |_| ok(&left));
    // The pipeline of a fork: what counts is where the merge request goes.
    let step = runner.set("CI_PROJECT_ID", "9").step(&[]);
    assert_eq!(step.code, 1, "coverage has dropped: {step:#?}");
    assert!(step.stdout.contains("cover failed"), "{}", step.stdout);
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    let first = "get /api/v4/projects/5/jobs/artifacts/main/raw/gatewright-reports/history.jsonl?job=gates http/1.1";
    assert_eq!(asked[0].lines().next(), Some(first));
    assert!(asked[0].contains("job-token: canary-job-token"), "{asked:?}");
    assert!(!runner.checkout().join(FILE).exists(), "a merge request leaves nothing that others are compared with");
}

#[test]
fn the_default_branch_hands_on_what_it_was_handed() {
    let earlier = left().replace(&Runner::default_branch(&MAIN, &CHANGE).base, &"d".repeat(40));
    let server = Server::start(move |_| ok(&earlier));
    let mut push = Runner::default_branch(&MAIN, &CHANGE);
    push.set("GATEWRIGHT_HISTORY_JOB", "gates").set("CI_API_V4_URL", &format!("{}/api/v4", server.address));
    assert_eq!(push.step(&[]).code, 0);
    let left = push.left(FILE);
    let commits: Vec<bool> = left.lines().map(|line| line.contains(&push.base)).collect();
    assert_eq!(commits, [true, false], "the newest first: {left}");
}

#[test]
fn where_gitlab_has_nothing_that_the_job_may_read_the_gates_run_and_the_job_says_why() {
    let (runner, server) = merge_request(|_| missing());
    let step = runner.step(&[]);
    assert_eq!(step.code, 0, "{step:#?}");
    assert!(
        step.stdout.contains("note: what gates said of earlier commits is not known: GitLab has no artefact of it"),
        "{step:#?}"
    );
    let tokens: Vec<bool> = server.asked().iter().map(|asked| asked.contains("job-token")).collect();
    assert_eq!(tokens, [true, false], "with the job's token, and as everybody may");
}

#[test]
fn a_token_for_reading_takes_the_place_of_the_jobs_and_goes_to_gitlab_alone() {
    let left = left();
    let store = Server::start(move |_| ok(&left));
    let to =
        format!("HTTP/1.1 302 Found\r\nlocation: {}/object\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", store.address);
    let (mut runner, server) = merge_request(move |_| to.clone());
    let step = runner.set("GATEWRIGHT_HISTORY_TOKEN", "CANARY-READ-TOKEN").step(&[]);
    assert_eq!(step.code, 1, "coverage has dropped: {step:#?}");
    assert!(server.asked()[0].contains("private-token: canary-read-token"), "{:?}", server.asked());
    assert!(!server.asked()[0].contains("job-token") && !store.asked()[0].contains("canary"), "{:?}", store.asked());
    assert!(!step.stdout.contains("CANARY") && !step.stderr.contains("CANARY"), "{step:#?}");
}
