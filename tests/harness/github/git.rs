//! Bare repositories, worked on by git's own plumbing. No worktree is ever needed.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// What every repository is configured to: wants by any id are served, as GitHub does; nothing runs by itself.
const CONFIG: &str = "\n[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n[http]\n\treceivepack = true\n\
    [receive]\n\tautogc = false\n[gc]\n\tauto = 0\n[core]\n\tlogAllRefUpdates = false\n";

/// A change to one file, for [`commit`](super::FakeGitHub::commit).
#[derive(Debug, Clone)]
pub enum Edit {
    /// Writes a file.
    Write {
        /// From the root.
        path: String,
        /// All of it.
        content: Vec<u8>,
        /// Whether it may be executed.
        executable: bool,
    },
    /// Removes a file or a folder.
    Delete {
        /// From the root.
        path: String,
    },
    /// Writes a symbolic link.
    Link {
        /// From the root.
        path: String,
        /// Where it points.
        target: String,
    },
}

impl Edit {
    /// Removes a file or a folder.
    pub fn delete(path: &str) -> Self {
        Edit::Delete { path: path.to_owned() }
    }

    /// Writes a file that may be executed.
    pub fn script(path: &str, content: &str) -> Self {
        Edit::Write { path: path.to_owned(), content: content.into(), executable: true }
    }

    /// Writes a symbolic link.
    pub fn link(path: &str, target: &str) -> Self {
        Edit::Link { path: path.to_owned(), target: target.to_owned() }
    }
}

impl From<(&str, &str)> for Edit {
    fn from((path, content): (&str, &str)) -> Self {
        Edit::Write { path: path.to_owned(), content: content.into(), executable: false }
    }
}

/// One commit, as `git log` tells it.
#[derive(Debug, Clone)]
pub(crate) struct CommitInfo {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Signature,
    pub(crate) committer: Signature,
    pub(crate) message: String,
}

/// Who made a commit, and when.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) date: String,
}

/// One file of a comparison.
#[derive(Debug, Clone)]
pub(crate) struct FileChange {
    pub(crate) path: String,
    pub(crate) previous: Option<String>,
    /// `added`, `removed`, `modified`, `renamed`, `copied` or `changed`.
    pub(crate) status: &'static str,
    /// The blob after, or before where it was removed.
    pub(crate) blob: String,
    pub(crate) additions: u64,
    pub(crate) deletions: u64,
    /// Absent for a binary file.
    pub(crate) patch: Option<String>,
}

/// One entry of a tree.
#[derive(Debug, Clone)]
pub(crate) struct TreeEntry {
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) sha: String,
    pub(crate) size: u64,
    pub(crate) path: String,
}

/// An entry that a new tree is to have: nothing where it has no id.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry {
    pub(crate) path: String,
    pub(crate) mode: String,
    pub(crate) sha: Option<String>,
}

/// An annotated tag.
#[derive(Debug, Clone)]
pub(crate) struct TagObject {
    pub(crate) object: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) tagger: Signature,
    pub(crate) message: String,
}

/// A bare repository.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    dir: PathBuf,
    told: Told,
}

/// What git has said about objects by their ids, by its arguments: it never changes, and starting git is most of what a fake costs.
type Told = Arc<Mutex<HashMap<Vec<String>, Vec<u8>>>>;

impl Git {
    pub(crate) fn init(dir: PathBuf, branch: &str) -> Self {
        let git = Git { dir, told: Told::default() };
        let target = git.dir.display().to_string();
        plain(&["init", "--quiet", "--bare", "-b", branch, &target]);
        git.configured()
    }

    /// A copy of this repository. Each sees the other's objects by id, as GitHub's forks do.
    pub(crate) fn fork(&self, dir: PathBuf) -> Self {
        let target = dir.display().to_string();
        plain(&["clone", "--quiet", "--bare", &self.dir.display().to_string(), &target]);
        let mut alternates = append(&self.dir.join("objects/info/alternates"));
        writeln!(alternates, "{}", dir.join("objects").display()).expect("the repository can be written");
        Git { dir, told: Told::default() }.configured()
    }

    fn configured(self) -> Self {
        append(&self.dir.join("config")).write_all(CONFIG.as_bytes()).expect("the repository can be written");
        self
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn run(&self, args: &[&str], stdin: &[u8]) -> Result<Vec<u8>, String> {
        run(Command::new("git").env("GIT_DIR", &self.dir).args(args), stdin)
    }

    fn text(&self, args: &[&str]) -> Result<String, String> {
        self.run(args, b"").map(|out| String::from_utf8_lossy(&out).trim_end().to_owned())
    }

    /// What git says of these objects. Asked once where all are named by whole ids and there is an answer: what is not there yet may come.
    fn about(&self, objects: &[&str], args: &[&str]) -> Result<Vec<u8>, String> {
        if !objects.iter().all(|object| is_id(object)) {
            return self.run(args, b"");
        }
        let asked: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let known = self.told.lock().unwrap_or_else(PoisonError::into_inner).get(&asked).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let answer = self.run(args, b"")?;
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(asked, answer.clone());
        Ok(answer)
    }

    fn text_about(&self, objects: &[&str], args: &[&str]) -> Result<String, String> {
        self.about(objects, args).map(|out| String::from_utf8_lossy(&out).trim_end().to_owned())
    }

    /// Every ref and what it points at.
    pub(crate) fn refs(&self) -> Vec<(String, String)> {
        let out = self.text(&["for-each-ref", "--format=%(refname) %(objectname)"]).expect("refs can be listed");
        out.lines().filter_map(|line| line.split_once(' ')).map(|(name, sha)| (name.to_owned(), sha.to_owned())).collect()
    }

    pub(crate) fn set_ref(&self, name: &str, sha: &str) {
        self.text(&["update-ref", name, sha]).expect("the ref can be written");
    }

    pub(crate) fn delete_ref(&self, name: &str) {
        self.text(&["update-ref", "-d", name]).expect("the ref can be removed");
    }

    /// The commit that a branch, a tag or a (short) id names.
    pub(crate) fn resolve(&self, name: &str) -> Option<String> {
        let wanted = format!("{name}^{{commit}}");
        self.text_about(&[name], &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).ok()
    }

    /// Commits `edits` onto `parent` (or as a first commit) and moves `branch` there. Returns the commit.
    pub(crate) fn commit(&self, branch: &str, parent: Option<&str>, author: &Signature, message: &str, edits: &[Edit]) -> String {
        let who = format!("{} <{}> {}", author.name, author.email, author.date);
        let mut stream = Vec::new();
        let head = format!("feature done\nreset refs/heads/{branch}\n");
        let onto = parent.map(|p| format!("from {p}\n")).unwrap_or_default();
        write!(stream, "{head}commit refs/heads/{branch}\ncommitter {who}\ndata {}\n{message}\n{onto}", message.len())
            .expect("memory can be written");
        edits.iter().for_each(|edit| write_edit(&mut stream, edit));
        stream.extend_from_slice(b"\ndone\n");
        self.run(&["fast-import", "--quiet", "--force", "--date-format=raw"], &stream).expect("the commit is valid");
        self.resolve(&format!("refs/heads/{branch}")).expect("the branch was just written")
    }

    /// Commits that `head` has and `base` has not, newest first; at most `most`. Without a base, `head` alone.
    pub(crate) fn log(&self, base: Option<&str>, head: &str, most: usize) -> Vec<CommitInfo> {
        let range = base.map(|base| format!("^{base}"));
        let most = format!("-n{}", if range.is_none() { 1 } else { most });
        let format = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x01";
        let mut args = vec!["log", &most, format, head];
        args.extend(range.as_deref());
        args.push("--");
        let ids: Vec<&str> = base.into_iter().chain([head]).collect();
        let out = self.text_about(&ids, &args).unwrap_or_default();
        out.split('\x01').filter_map(|entry| commit_info(entry.trim_start())).collect()
    }

    /// `sha` and what is behind it, newest first, at most `most`.
    pub(crate) fn history(&self, sha: &str, most: usize) -> Vec<CommitInfo> {
        let most = format!("-n{most}");
        let ids = self.text_about(&[sha], &["rev-list", &most, sha, "--"]).unwrap_or_default();
        ids.lines().filter_map(|id| self.info(id)).collect()
    }

    pub(crate) fn info(&self, sha: &str) -> Option<CommitInfo> {
        self.log(None, sha, 1).pop()
    }

    pub(crate) fn merge_base(&self, a: &str, b: &str) -> Option<String> {
        self.text_about(&[a, b], &["merge-base", a, b]).ok()
    }

    /// How many commits `head` is ahead of `base`, and how many behind.
    pub(crate) fn ahead_behind(&self, base: &str, head: &str) -> (u64, u64) {
        let both = format!("{base}...{head}");
        let out = self.text_about(&[base, head], &["rev-list", "--left-right", "--count", &both]).unwrap_or_default();
        let mut counts = out.split_whitespace().filter_map(|n| n.parse().ok());
        let behind = counts.next().unwrap_or(0);
        (counts.next().unwrap_or(0), behind)
    }

    /// What changes from `base` to `head`, both taken exactly. `base` None: from nothing.
    pub(crate) fn diff(&self, base: Option<&str>, head: &str) -> Vec<FileChange> {
        const NOTHING: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let base = base.unwrap_or(NOTHING);
        let raw = self.about(&[base, head], &["diff", "--raw", "-z", "-M", "--no-abbrev", base, head, "--"]).unwrap_or_default();
        let counts = self.about(&[base, head], &["diff", "--numstat", "-z", "-M", base, head, "--"]).unwrap_or_default();
        let patch = self.about(&[base, head], &["diff", "-M", base, head, "--"]).unwrap_or_default();
        super::diff::combine(&raw, &counts, &String::from_utf8_lossy(&patch))
    }

    /// The entries at `path`: the file itself, or what lies in the folder.
    pub(crate) fn tree(&self, commit: &str, path: &str) -> Vec<TreeEntry> {
        let mut args = vec!["ls-tree", "-z", "-l", "--full-tree", commit];
        args.extend((!path.is_empty()).then_some("--").into_iter().chain((!path.is_empty()).then_some(path)));
        let out = self.about(&[commit], &args).unwrap_or_default();
        String::from_utf8_lossy(&out).split('\0').filter_map(tree_entry).collect()
    }

    pub(crate) fn blob(&self, sha: &str) -> Vec<u8> {
        self.about(&[sha], &["cat-file", "blob", sha]).expect("the tree named this blob")
    }

    /// Merges `head` into `base` in memory; the merge commit, or None where they conflict.
    pub(crate) fn merge(&self, base: &str, head: &str, by: &Signature, message: &str) -> Option<String> {
        let tree = self.text(&["merge-tree", "--write-tree", base, head]).ok()?;
        let tree = tree.lines().next()?;
        let mut command = Command::new("git");
        command.env("GIT_DIR", &self.dir).args(["commit-tree", tree, "-p", base, "-p", head, "-m", message]);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), &by.name).env(format!("GIT_{role}_EMAIL"), &by.email);
            command.env(format!("GIT_{role}_DATE"), &by.date);
        }
        run(&mut command, b"").ok().map(|out| String::from_utf8_lossy(&out).trim().to_owned())
    }

    pub(crate) fn write_blob(&self, content: &[u8]) -> String {
        let out = self.run(&["hash-object", "-w", "--stdin"], content).expect("the repository can be written");
        String::from_utf8_lossy(&out).trim().to_owned()
    }

    /// A tree, made of another one and what is other in it. The error is the path of an entry that is removed and is not there.
    pub(crate) fn write_tree(&self, base: Option<&str>, entries: &[NewEntry]) -> Result<String, String> {
        let index = tempfile::tempdir().expect("a temporary folder can be made");
        let git = |args: &[&str], stdin: &[u8]| {
            let mut command = Command::new("git");
            command.env("GIT_DIR", &self.dir).env("GIT_INDEX_FILE", index.path().join("index")).args(args);
            run(&mut command, stdin).expect("the tree is valid")
        };
        if let Some(base) = base {
            git(&["read-tree", base], b"");
            let gone = entries.iter().filter(|entry| entry.sha.is_none());
            if let Some(entry) = gone.into_iter().find(|entry| self.tree(base, &entry.path).is_empty()) {
                return Err(entry.path.clone());
            }
        }
        let nothing = "0".repeat(40);
        let line = |entry: &NewEntry| match &entry.sha {
            Some(sha) => format!("{} {sha}\t{}\0", entry.mode, entry.path),
            None => format!("0 {nothing}\t{}\0", entry.path),
        };
        let lines: String = entries.iter().map(line).collect();
        git(&["update-index", "-z", "--index-info"], lines.as_bytes());
        Ok(String::from_utf8_lossy(&git(&["write-tree"], b"")).trim().to_owned())
    }

    pub(crate) fn commit_tree(&self, tree: &str, parents: &[String], by: &Signature, message: &str) -> String {
        let mut command = Command::new("git");
        command.env("GIT_DIR", &self.dir).args(["commit-tree", tree, "-F", "-"]);
        for parent in parents {
            command.args(["-p", parent]);
        }
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), &by.name).env(format!("GIT_{role}_EMAIL"), &by.email);
            command.env(format!("GIT_{role}_DATE"), &by.date);
        }
        let out = run(&mut command, message.as_bytes()).expect("the commit is valid");
        String::from_utf8_lossy(&out).trim().to_owned()
    }

    /// Whether there is such an object, by its whole id.
    pub(crate) fn is_kind(&self, sha: &str, kind: &str) -> bool {
        is_id(sha) && self.text_about(&[sha], &["cat-file", "-t", sha]).is_ok_and(|found| found == kind)
    }

    /// The last commit, this one or before, that changed a file. None where it has no such file.
    pub(crate) fn last_commit_of(&self, commit: &str, path: &str) -> Option<String> {
        self.text_about(&[commit], &["log", "-n1", "--format=%H", commit, "--", path]).ok().filter(|sha| !sha.is_empty())
    }

    /// Whether git takes this as the full name of a ref.
    pub(crate) fn takes_ref(&self, name: &str) -> bool {
        self.text(&["check-ref-format", name]).is_ok()
    }

    /// The files of a commit: their modes and contents, by path.
    pub(crate) fn files(&self, commit: &str) -> BTreeMap<String, (String, Vec<u8>)> {
        let out = self.about(&[commit], &["ls-tree", "-r", "-z", "-l", "--full-tree", commit]).expect("there is such a commit");
        let entries: Vec<TreeEntry> = String::from_utf8_lossy(&out).split('\0').filter_map(tree_entry).collect();
        entries.into_iter().map(|entry| (entry.path, (entry.mode, self.blob(&entry.sha)))).collect()
    }

    /// An annotated tag's object, which no ref names yet.
    pub(crate) fn tag_object(&self, name: &str, commit: &str, tagger: &Signature, message: &str) -> String {
        let who = format!("{} <{}> {}", tagger.name, tagger.email, tagger.date);
        let text = format!("object {commit}\ntype commit\ntag {name}\ntagger {who}\n\n{message}\n");
        let out = self.run(&["mktag"], text.as_bytes()).expect("the tag is valid");
        String::from_utf8_lossy(&out).trim().to_owned()
    }

    /// An annotated tag's object, read. None where it is something else.
    pub(crate) fn tag_of(&self, sha: &str) -> Option<TagObject> {
        let text = self.text_about(&[sha], &["cat-file", "tag", sha]).ok()?;
        let (head, message) = text.split_once("\n\n").unwrap_or((&text, ""));
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        let tagger = field("tagger")?;
        let (name, rest) = tagger.split_once(" <")?;
        let (email, date) = rest.split_once("> ")?;
        let secs = date.split(' ').next()?.parse().ok()?;
        let date = super::world::time_text(jiff::Timestamp::from_second(secs).ok()?);
        let tagger = Signature { name: name.to_owned(), email: email.to_owned(), date };
        let message = format!("{}\n", message.trim_end());
        Some(TagObject { object: field("object")?, kind: field("type")?, name: field("tag")?, tagger, message })
    }

    /// What an id names: `commit`, `tag`, `tree` or `blob`.
    pub(crate) fn kind(&self, sha: &str) -> String {
        self.text_about(&[sha], &["cat-file", "-t", sha]).expect("refs name what there is")
    }

    pub(crate) fn is_ancestor(&self, older: &str, newer: &str) -> bool {
        self.text_about(&[older, newer], &["merge-base", "--is-ancestor", older, newer]).is_ok()
    }
}

/// Whether this is the whole id of an object.
fn is_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn append(file: &Path) -> std::fs::File {
    std::fs::OpenOptions::new().create(true).append(true).open(file).expect("the repository can be written")
}

/// Git without a repository, and without the settings of whoever runs the tests.
fn plain(args: &[&str]) {
    run(Command::new("git").args(args), b"").expect("git can make a repository");
}

fn run(command: &mut Command, stdin: &[u8]) -> Result<Vec<u8>, String> {
    for (name, value) in ENVIRONMENT {
        command.env(name, value);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("git is installed");
    let mut input = child.stdin.take().expect("stdin is piped");
    let stdin = stdin.to_vec();
    // Written from another thread: git may fill its output before it has read all of its input.
    let writer = std::thread::spawn(move || input.write_all(&stdin));
    let output = child.wait_with_output().expect("git was started");
    drop(writer.join());
    if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Git's environment here: nobody's own settings, and plain texts.
pub(super) const ENVIRONMENT: [(&str, &str); 4] =
    [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0")];

fn write_edit(stream: &mut Vec<u8>, edit: &Edit) {
    let (mode, path, content): (_, _, &[u8]) = match edit {
        Edit::Write { path, content, executable } => (if *executable { "100755" } else { "100644" }, path, content),
        Edit::Link { path, target } => ("120000", path, target.as_bytes()),
        Edit::Delete { path } => {
            stream.extend_from_slice(format!("D {}\n", quoted(path)).as_bytes());
            return;
        }
    };
    stream.extend_from_slice(format!("M {mode} inline {}\ndata {}\n", quoted(path), content.len()).as_bytes());
    stream.extend_from_slice(content);
    stream.push(b'\n');
}

/// A path as fast-import quotes it.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn commit_info(entry: &str) -> Option<CommitInfo> {
    let parts: Vec<&str> = entry.split('\0').collect();
    let [sha, tree, parents, an, ae, ad, cn, ce, cd, message] = parts.as_slice() else { return None };
    let signature =
        |name: &str, email: &str, date: &str| Signature { name: name.to_owned(), email: email.to_owned(), date: utc(date) };
    Some(CommitInfo {
        sha: (*sha).to_owned(),
        tree: (*tree).to_owned(),
        parents: parents.split_whitespace().map(str::to_owned).collect(),
        author: signature(an, ae, ad),
        committer: signature(cn, ce, cd),
        message: message.trim_end().to_owned(),
    })
}

/// The forge writes times in UTC, whatever the commit says.
fn utc(date: &str) -> String {
    date.parse::<jiff::Timestamp>().map_or_else(|_| date.to_owned(), super::world::time_text)
}

fn tree_entry(line: &str) -> Option<TreeEntry> {
    let (head, path) = line.split_once('\t')?;
    let mut parts = head.split_whitespace();
    let (mode, kind, sha, size) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(TreeEntry {
        mode: mode.to_owned(),
        kind: kind.to_owned(),
        sha: sha.to_owned(),
        size: size.parse().unwrap_or(0),
        path: path.to_owned(),
    })
}
