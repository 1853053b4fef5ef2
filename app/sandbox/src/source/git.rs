//! Runs git on the host: with an environment of our own making, a deadline, bounded output, and without a trace of the
//! credential in anything that it says.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatewright_core::forge::CloneCredential;
use gatewright_core::sandbox::SandboxError;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use url::Url;

/// What git answers may be so long: the list of a commit's files, in the largest repositories. A longer answer is an error.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Of what git complains about, so much is kept; what comes after it is read and dropped.
const COMPLAINT_BYTES_MAX: u64 = 64 << 10;

/// An error text is cut to its last so many characters: git's verdict comes last.
const WORDS_MAX: usize = 600;

/// What git takes over from the service's environment: where programs are, and how the outside is reached.
const ENV_KEPT: [&str; 10] = [
    "PATH",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_SSL_CAINFO",
];

/// Configuration that holds for every call, whatever the mirror's own file says.
const CONFIG: [(&str, &str); 22] = [
    // Nothing but the forge is talked to, and never a helper, a local path or another program.
    ("protocol.allow", "never"),
    ("protocol.https.allow", "always"),
    ("protocol.http.allow", "always"),
    // A redirect to another host would take the credential along.
    ("http.followRedirects", "false"),
    // A server that falls silent is given up before the deadline.
    ("http.lowSpeedLimit", "100"),
    ("http.lowSpeedTime", "60"),
    ("credential.helper", ""),
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("fetch.recurseSubmodules", "false"),
    // Mirrors are not tidied up behind our back: one that has grown old is made anew.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // A commit is from a stranger. Trees with `..`, `.git` or broken names in them are refused on arrival ...
    ("transfer.fsckObjects", "true"),
    // ... but not the harmless faults that old, honest histories have.
    ("fetch.fsck.zeroPaddedFilemode", "ignore"),
    ("fetch.fsck.badTimezone", "ignore"),
    ("fetch.fsck.badEmail", "ignore"),
    ("fetch.fsck.missingEmail", "ignore"),
    ("fetch.fsck.missingNameBeforeEmail", "ignore"),
    ("fetch.fsck.missingSpaceBeforeDate", "ignore"),
    ("fetch.fsck.missingSpaceBeforeEmail", "ignore"),
    // Files in the workspace get the modes that a checkout gives them, not the group-writable ones of an archive.
    ("tar.umask", "022"),
    // Larger files are passed through, not held in memory.
    ("core.bigFileThreshold", "32m"),
];

/// Of the variables that tell a user's git what to do, those that name the user's own configuration.
const USER_ENV_KEPT: [&str; 5] = [
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
];

/// The environment of a git in a user's working tree.
const USER_ENV: [(&str, &str); 5] = [
    ("LC_ALL", "C"),
    ("GIT_TERMINAL_PROMPT", "0"),
    // Nothing is written on the way, such as a refreshed index.
    ("GIT_OPTIONAL_LOCKS", "0"),
    // What a partial clone does not have is not fetched behind the user's back.
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
];

/// Configuration over the user's own.
const USER_CONFIG: [(&str, &str); 9] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    // An index in two parts would write the second one into the user's repository.
    ("core.splitIndex", "false"),
    // That line ends are changed on the way is no error here.
    ("core.safecrlf", "false"),
    ("advice.addEmbeddedRepo", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // What is written is thrown away soon.
    ("core.looseCompression", "0"),
    ("core.bigFileThreshold", "32m"),
];

/// What a failed git means for what comes next.
#[derive(Debug)]
pub(crate) enum GitError {
    /// The server was not reached, or did not do it: later it may work.
    Remote(String),
    /// The server does not have the commit.
    NoCommit(String),
    /// The server does not give out commits by their ids.
    NotById,
    /// What was fetched is not fit to be used.
    Unusable(String),
    /// The host's disk is full.
    DiskFull(String),
    /// Git finds fault with the mirror itself.
    Broken(String),
}

impl GitError {
    /// An error of the mirror's own files.
    pub(crate) fn of_disk(error: &std::io::Error) -> Self {
        let words = format!("the mirror cannot be written: {error}");
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => GitError::DiskFull(words),
            _ => GitError::Remote(words),
        }
    }
}

impl From<GitError> for SandboxError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::Remote(words) => SandboxError::Source(words),
            GitError::NoCommit(words) | GitError::Unusable(words) => SandboxError::SourceUnusable(words),
            GitError::NotById => SandboxError::Source("the server does not give out commits by their ids".to_owned()),
            GitError::DiskFull(words) => SandboxError::HostDiskFull(words),
            GitError::Broken(words) => SandboxError::Source(format!("the mirror is broken: {words}")),
        }
    }
}

/// Where git is. By its path it is started without a copy of this process, which is what a name to be looked for comes to where the command has
/// an environment of its own; that takes the longer the more memory the process has.
fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut files = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join("git"));
        files.find(|file| file.is_file()).unwrap_or_else(|| PathBuf::from("git"))
    });
    &PROGRAM
}

/// A git command in a repository. Dropped while it runs, it and all that it started are killed.
pub(crate) struct Git {
    command: Command,
    config: Vec<(String, String)>,
    secrets: Vec<String>,
    input: Vec<u8>,
}

/// How a git command ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Git {
    /// A command in the repository at `path`. What follows a `--` in `args` is never taken for an option.
    pub(crate) fn new(path: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.arg("--git-dir").arg(path).args(args);
        command.env_clear();
        command.envs(ENV_KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        let fixed = [
            ("LC_ALL", "C"),
            ("HOME", "/nonexistent"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            // A fetched ref must not stand in for another object.
            ("GIT_NO_REPLACE_OBJECTS", "1"),
        ];
        command.envs(fixed).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that the helpers that git starts are killed with it.
        command.process_group(0).kill_on_drop(true);
        let config = CONFIG.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Git { command, config, secrets: Vec::new(), input: Vec::new() }
    }

    /// A command in the working tree of the user who runs Gatewright, with that user's own configuration: what is ignored, how
    /// lines end, which filters there are. What could change the repository or run a program of its own is switched off.
    pub(crate) fn of_user(folder: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.arg("-C").arg(folder).args(args);
        // A hook's variables would have it look at another repository or another index than the folder's.
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in names.filter(|name| name.starts_with("GIT_") && !USER_ENV_KEPT.contains(&name.as_str())) {
            command.env_remove(name);
        }
        command.envs(USER_ENV).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let config = USER_CONFIG.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Git { command, config, secrets: Vec::new(), input: Vec::new() }
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets it log in, at the credential's own server only.
    pub(super) fn with_credential(mut self, credential: &CloneCredential) -> Self {
        let Some((_, secret)) = &credential.login else { return self };
        let Some((origin, encoded)) = origin(&credential.url).zip(login(credential)) else { return self };
        self.config.push((format!("http.{origin}/.extraHeader"), format!("Authorization: Basic {encoded}")));
        self.secrets = vec![secret.expose_secret().to_owned(), encoded];
        self
    }

    /// Gives it something to read.
    pub(super) fn with_input(mut self, input: Vec<u8>) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = input;
        self
    }

    /// Starts it, for a caller that takes its output while it runs.
    pub(super) fn start(mut self) -> Result<Running, GitError> {
        self.command.env("GIT_CONFIG_COUNT", self.config.len().to_string());
        for (i, (name, value)) in self.config.iter().enumerate() {
            self.command.env(format!("GIT_CONFIG_KEY_{i}"), name).env(format!("GIT_CONFIG_VALUE_{i}"), value);
        }
        let child = self.command.spawn().map_err(|e| GitError::Remote(format!("git could not be started: {e}")))?;
        let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Ok(Running { child, group, secrets: self.secrets })
    }

    /// Runs it to its end.
    pub(crate) async fn run(mut self, limit: Duration) -> Result<Ended, GitError> {
        let input = std::mem::take(&mut self.input);
        let mut running = self.start()?;
        let (stdin, stdout, stderr) = (running.child.stdin.take(), running.child.stdout.take(), running.child.stderr.take());
        let ended = async {
            let (stdout, stderr, ()) =
                tokio::join!(bounded(stdout, ANSWER_BYTES_MAX + 1), bounded(stderr, COMPLAINT_BYTES_MAX), fed(stdin, input));
            let status = running.child.wait().await;
            (stdout, stderr, status)
        };
        let (stdout, stderr, status) = tokio::time::timeout(limit, ended)
            .await
            .map_err(|_| GitError::Remote(format!("git took longer than {} s", limit.as_secs())))?;
        running.group = None;
        let status = status.map_err(|e| GitError::Remote(format!("git could not be waited for: {e}")))?;
        if stdout.len() as u64 > ANSWER_BYTES_MAX {
            return Err(GitError::Unusable(format!("git answered more than {} MiB", ANSWER_BYTES_MAX >> 20)));
        }
        Ok(Ended { status, stdout, stderr: redacted(&running.secrets, &String::from_utf8_lossy(&stderr)) })
    }
}

/// A git that runs.
pub(super) struct Running {
    pub(super) child: Child,
    /// Set until it has ended: its number may belong to another process afterwards.
    group: Option<Pid>,
    secrets: Vec<String>,
}

impl Running {
    /// Waits for its end, and says what it complained about. Its output must have been read to the end.
    pub(super) async fn end(mut self) -> std::io::Result<(ExitStatus, String)> {
        let stderr = bounded(self.child.stderr.take(), COMPLAINT_BYTES_MAX).await;
        let status = self.child.wait().await?;
        self.group = None;
        Ok((status, redacted(&self.secrets, &String::from_utf8_lossy(&stderr))))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It fails where the group has ended by itself, which is as well.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Writes what there is to read, and ends it.
async fn fed(to: Option<ChildStdin>, input: Vec<u8>) {
    if let Some(mut to) = to {
        // A git that does not read it to its end says why by its exit status.
        let _ = to.write_all(&input).await;
    }
}

/// Reads to the end, and keeps what there is room for.
async fn bounded(from: Option<impl AsyncRead + Unpin>, bytes_max: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    let Some(mut from) = from else { return kept };
    // A pipe that breaks ends as one that ends: git's exit status tells the two apart.
    let _ = (&mut from).take(bytes_max).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    kept
}

/// A credential's login as HTTP's scheme `Basic` writes it.
pub(super) fn login(credential: &CloneCredential) -> Option<String> {
    let (name, secret) = credential.login.as_ref()?;
    Some(BASE64.encode(format!("{name}:{}", secret.expose_secret())))
}

/// Takes secrets out of a text, and cuts it.
pub(super) fn redacted(secrets: &[String], text: &str) -> String {
    let text = secrets.iter().filter(|s| !s.is_empty()).fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
    let text = text.trim();
    let from = text.char_indices().rev().nth(WORDS_MAX).map_or(0, |(at, _)| at);
    text[from..].to_owned()
}

/// `https://host:port` of an address that git may fetch from.
pub(super) fn origin(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(url.origin().ascii_serialization())
}

/// What a failed fetch means. Git has one exit code for everything, so its words have to tell.
pub(super) fn fetch_error(stderr: &str) -> GitError {
    let says = |words: &[&str]| words.iter().any(|w| stderr.contains(w));
    let text = stderr.to_owned();
    if says(&["No space left on device", "Disk quota exceeded"]) {
        GitError::DiskFull(text)
    } else if says(&["not our ref"]) {
        GitError::NoCommit(text)
    } else if says(&["unadvertised object"]) {
        GitError::NotById
    } else if says(&["fsck error"]) || (says(&["transport '"]) && says(&["not allowed"])) {
        GitError::Unusable(text)
    } else if says(&REMOTE_WORDS) {
        GitError::Remote(text)
    } else {
        GitError::Broken(text)
    }
}

/// Words of errors that lie with the server or the way there. What else goes wrong is put down to the mirror, which costs a
/// fetch into a new one.
const REMOTE_WORDS: [&str; 14] = [
    "unable to access",
    "Could not resolve",
    "Failed to connect",
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "requested URL returned error",
    "RPC failed",
    "early EOF",
    "hung up",
    "Connection",
    "not found",
    "expected flush",
    "remote error",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_never_holds_the_secret() {
        let secrets = ["tok".to_owned(), "eDp0b2s=".to_owned()];
        assert_eq!(redacted(&secrets, "fatal: tok eDp0b2s= x\n"), "fatal: *** *** x");
        assert!(redacted(&[String::new()], &"ä".repeat(2000)).chars().count() <= WORDS_MAX + 1);
    }

    #[test]
    fn a_credential_goes_to_its_own_server_only() {
        assert_eq!(origin("https://github.example:8443/a/b.git").as_deref(), Some("https://github.example:8443"));
        assert_eq!(origin("file:///etc"), None);
        assert_eq!(origin("ext::sh -c id"), None);
    }

    #[test]
    fn the_words_of_a_failed_fetch_tell_what_comes_next() {
        assert!(matches!(fetch_error("fatal: remote error: upload-pack: not our ref 00"), GitError::NoCommit(_)));
        assert!(matches!(fetch_error("error: Server does not allow request for unadvertised object 00"), GitError::NotById));
        assert!(matches!(fetch_error("fatal: unable to access 'https://x/': Could not resolve host: x"), GitError::Remote(_)));
        assert!(matches!(fetch_error("fatal: transport 'file' not allowed"), GitError::Unusable(_)));
        assert!(matches!(fetch_error("fatal: loose object 00 is corrupt"), GitError::Broken(_)));
    }
}
