//! The job that the GitLab component makes: its script in the shells that runners have, with a binary from a server on loopback.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::runner::{Runner, Step};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const GATES: &str = r#"image: none
gates:
  tests: { run: 'printf "<testsuite><testcase name=\"x\"/></testsuite>" > junit.xml', junit: junit.xml }
  cover: { run: 'printf "SF:src/a.c\nDA:1,1\nDA:2,0\nend_of_record\n" > lcov.info', coverage: lcov.info }
"#;

/// Runs a command of tests/setup's tools.
fn tool(script: &str, args: &[&str]) -> String {
    let script = format!(". '{ROOT}/tests/setup/lib.sh'; {script}");
    let output = Command::new("bash").args(["-ec", &script, "tool"]).args(args).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

/// The component's job with these inputs.
fn job(inputs: &[&str]) -> Value {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let at = folder.path().display().to_string();
    let template = format!("{ROOT}/templates/gates/template.yml");
    let component = format!("{ROOT}/tests/lint/component.py");
    let args: Vec<&str> = [&[component.as_str(), &template, &at, "image=debian:12"], inputs].concat();
    tool(r#""$TOOLS/python/bin/python" "$@""#, &args);
    let json = "import json, sys; from ruamel.yaml import YAML; json.dump(YAML(typ='safe').load(open(sys.argv[1])), sys.stdout)";
    let text = tool(r#""$TOOLS/python/bin/python" -c "$@""#, &[json, &format!("{at}/pipeline.yml")]);
    let pipeline: Value = serde_json::from_str(&text).expect("it is JSON");
    pipeline["gates"].clone()
}

/// A job of a merge request that runs the component's script.
fn ran(job: &Value, shell: &[&str], more: &[(&str, &str)]) -> (Runner, Step) {
    let mut runner =
        Runner::merge_request(&[(".gatewright.yml", GATES), ("src/a.c", "one();\n")], &[("src/a.c", "one();\ntwo();\n")]);
    for (name, value) in job["variables"].as_object().expect("it has variables") {
        runner.set(name, value.as_str().expect("a variable is text"));
    }
    // No GitLab is asked here.
    runner.unset("GATEWRIGHT_HISTORY_JOB");
    for (name, value) in more {
        runner.set(name, value);
    }
    let script: Vec<&str> = job["script"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let mut program = Command::new(shell[0]);
    program.args(&shell[1..]).arg(script.join("\n"));
    let step = runner.runs(program);
    (runner, step)
}

/// As runners start them: with the first command that fails, the job has failed.
const BASH: [&str; 4] = ["bash", "-eo", "pipefail", "-c"];
const SH: [&str; 2] = ["sh", "-ec"];

/// A folder of files behind TLS, by an authority of its own.
struct Site {
    folder: TempDir,
    port: u16,
    server: Child,
}

impl Site {
    fn start() -> Site {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let name =
            ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"];
        let made = Command::new("openssl").args(key).args(name).current_dir(folder.path()).output();
        assert!(made.expect("tests/setup installs openssl").status.success());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port is free").port();
        let args = ["s_server", "-quiet", "-WWW", "-key", "key.pem", "-cert", "cert.pem", "-accept", &port.to_string()];
        let mut server = Command::new("openssl");
        server.args(args).current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let site = Site { server: server.spawn().expect("tests/setup installs openssl"), folder, port };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        site
    }

    /// Puts a program there; its SHA-256.
    fn put(&self, name: &str, program: &str) -> String {
        fs::write(self.folder.path().join(name), program).expect("it can be written");
        hex::encode(Sha256::digest(program))
    }

    fn address(&self, name: &str) -> String {
        format!("https://localhost:{}/{name}", self.port)
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A program that is gatewright, and small.
fn gatewright() -> String {
    format!("#!/bin/sh\necho downloaded\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_service-under-test"))
}

fn file(runner: &Runner, name: &Value) -> bool {
    Path::new(&runner.checkout()).join(name.as_str().expect("a path")).is_file()
}

#[test]
fn the_components_job_downloads_the_binary_and_leaves_what_gitlab_shows() {
    let site = Site::start();
    let digest = site.put("gatewright", &gatewright());
    let job = job(&[&format!("download={}", site.address("gatewright")), &format!("sha256={digest}")]);
    for shell in [&BASH[..], &SH[..]] {
        let (runner, step) = ran(&job, shell, &[("CURL_CA_BUNDLE", &site.authority().display().to_string())]);
        assert_eq!(step.code, 0, "{step:#?}");
        assert!(step.stdout.contains("downloaded\n"), "{}", step.stdout);
        let reports = &job["artifacts"]["reports"];
        assert!(file(&runner, &reports["junit"]) && file(&runner, &reports["coverage_report"]["path"]), "{reports}");
        assert_eq!(percent(&job, &step.stdout), "Gatewright coverage: 50.00%");
    }
}

/// What GitLab finds in a log by the job's expression: it looks at a line at a time, from the last one on, with what the runner puts before it.
fn percent(job: &Value, log: &str) -> String {
    let expression = job["coverage"].as_str().and_then(|text| text.strip_prefix('/')?.strip_suffix('/')).expect("an expression");
    let log: String = log.lines().map(|line| format!("2026-01-02T03:04:05.678901Z 01O {line}\n")).collect();
    let folder = tempfile::tempdir().expect("a folder can be made");
    fs::write(folder.path().join("log"), log).expect("it can be written");
    let grep = Command::new("grep").args(["-oP", "--", expression]).arg(folder.path().join("log")).output().expect("grep runs");
    String::from_utf8_lossy(&grep.stdout).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn the_components_job_runs_nothing_that_has_another_digest_or_came_without_tls() {
    let site = Site::start();
    let digest = site.put("gatewright", &gatewright());
    let other = site.put("other", "#!/bin/sh\necho downloaded\n");
    let authority = site.authority().display().to_string();
    for (download, sha256) in [
        (site.address("gatewright"), other.as_str()),
        (site.address("gatewright"), ""),
        (site.address("nothing"), digest.as_str()),
        (format!("http://localhost:{}/gatewright", site.port), digest.as_str()),
    ] {
        let job = job(&[&format!("download={download}"), &format!("sha256={sha256}")]);
        for shell in [&BASH[..], &SH[..]] {
            let (_, step) = ran(&job, shell, &[("CURL_CA_BUNDLE", &authority)]);
            assert!(step.code != 0 && !step.stdout.contains("downloaded"), "{download} {sha256}: {step:#?}");
        }
    }
}

#[test]
fn the_components_job_takes_the_binary_of_its_image_where_nothing_is_to_be_downloaded() {
    let job = job(&[&format!("binary={}", env!("CARGO_BIN_EXE_service-under-test")), "gates=cover"]);
    let (_, step) = ran(&job, &SH, &[]);
    assert_eq!(step.code, 0, "{step:#?}");
    assert!(step.stdout.contains("cover passed") && !step.stdout.contains("tests passed"), "{}", step.stdout);
}

#[test]
fn no_cache_that_other_merge_requests_can_write_is_read_by_the_components_job() {
    let job = job(&[]);
    assert_eq!(job["cache"], Value::Null);
    assert_eq!(job["variables"]["GATEWRIGHT_HISTORY_JOB"], "gates");
    assert_eq!(job["variables"]["INPUT_HISTORY"], Value::Null);
}
