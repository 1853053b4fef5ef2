//! What git tells of a commit and of how it differs from another one: asked from a bare repository, never from a checkout.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use bytes::Bytes;
use gatewright_core::CommitId;
use gatewright_core::plan::PathRules;
use gatewright_core::survey::{
    Changed, CommitFacts, Commits, Content, ContentWanted, Contents, FileChange, Side, Survey, SurveyWanted, Which,
};

use super::git::{Ended, Git, GitError};
use super::mirror::LOCAL_MAX;

/// Nothing of the repository's own configuration or attributes has a say in how a diff looks.
const PLAIN: [&str; 4] = ["diff", "--no-color", "--no-ext-diff", "--no-textconv"];

/// What is wanted of a commit in the repository at `path`, but its history. It has to have both commits.
pub(super) async fn of(
    path: &Path,
    commit: &CommitId,
    since: Option<&CommitId>,
    wanted: &SurveyWanted,
) -> Result<Survey, GitError> {
    let mut survey = Survey::default();
    if let Some(since) = since.filter(|_| wanted.diff) {
        survey.diff = Some(diff(path, since, commit).await?);
    }
    if !(wanted.files || wanted.changes || !wanted.contents.is_empty()) {
        return Ok(survey);
    }
    let head = Tree::read(&told(path, &["ls-tree", "-r", "-l", "-z", commit.as_str()]).await?);
    let needs_changes = wanted.changes || wanted.contents.iter().any(|one| one.which == Which::Changed);
    if let Some(since) = since.filter(|_| needs_changes) {
        survey.changes = Some(changes(path, since, commit, &head).await?);
    }
    if !wanted.contents.is_empty() {
        let base = match since {
            Some(since) => Tree::read(&told(path, &["ls-tree", "-r", "-l", "-z", since.as_str()]).await?),
            None => Tree::default(),
        };
        let changes = survey.changes.as_deref().unwrap_or_default();
        survey.contents = contents(path, &Sides { base: &base, head: &head, changes }, &wanted.contents).await?;
    }
    if wanted.files {
        survey.files = head.files.into_iter().map(|file| file.path).collect();
        survey.others = head.others;
    }
    Ok(survey)
}

/// A unified diff without context.
async fn diff(path: &Path, since: &CommitId, commit: &CommitId) -> Result<Bytes, GitError> {
    let fixed = ["--no-renames", "--unified=0", "--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=all"];
    Ok(told(path, &[&PLAIN[..], &fixed, &[since.as_str(), commit.as_str(), "--"]].concat()).await?.into())
}

async fn told(path: &Path, args: &[&str]) -> Result<Vec<u8>, GitError> {
    let Ended { status, stdout, stderr } = Git::new(path, args).run(LOCAL_MAX).await?;
    if status.success() { Ok(stdout) } else { Err(GitError::Broken(stderr)) }
}

/// The files of a commit.
#[derive(Default)]
struct Tree {
    files: Vec<File>,
    /// Symbolic links and submodules.
    others: Vec<String>,
}

struct File {
    path: String,
    blob: String,
    bytes: u64,
}

impl Tree {
    /// From the output of `ls-tree -r -l -z`: `mode type id size<TAB>path`. A path that is no UTF-8 is left out.
    fn read(output: &[u8]) -> Tree {
        let mut tree = Tree::default();
        for entry in output.split(|byte| *byte == 0).filter_map(|entry| std::str::from_utf8(entry).ok()) {
            let Some((what, path)) = entry.split_once('\t') else { continue };
            match what.split_whitespace().collect::<Vec<_>>().as_slice() {
                [mode, "blob", blob, bytes] if mode.starts_with("100") => {
                    let (path, blob) = (path.to_owned(), (*blob).to_owned());
                    tree.files.push(File { path, blob, bytes: bytes.parse().unwrap_or(0) });
                }
                [_, _, _, _] => tree.others.push(path.to_owned()),
                _ => {}
            }
        }
        tree
    }

    /// Git lists them in order.
    fn find(&self, path: &str) -> Option<&File> {
        let at = self.files.binary_search_by(|file| file.path.as_bytes().cmp(path.as_bytes())).ok()?;
        self.files.get(at)
    }
}

/// The files that differ, with the lines that were added and removed. What was moved and changed little is one file.
async fn changes(path: &Path, since: &CommitId, commit: &CommitId, head: &Tree) -> Result<Vec<FileChange>, GitError> {
    let fixed = ["--raw", "--numstat", "-z", "--find-renames", "--no-abbrev"];
    let output = told(path, &[&PLAIN[..], &fixed, &[since.as_str(), commit.as_str(), "--"]].concat()).await?;
    let mut changes = read_changes(&output).ok_or_else(|| GitError::Broken("git named changes as it never does".to_owned()))?;
    for change in &mut changes {
        change.bytes = change.path_now().and_then(|path| head.find(path)).map_or(0, |file| file.bytes);
    }
    Ok(changes)
}

/// `:mode mode id id status` with one path or two, and then for each `added<TAB>removed<TAB>path`, where two paths follow an
/// empty one; all ended by NUL. Of a binary file it counts `-`.
fn read_changes(output: &[u8]) -> Option<Vec<FileChange>> {
    let text = String::from_utf8_lossy(output);
    let mut parts = text.split_terminator('\0');
    let mut changes: Vec<FileChange> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    while let Some(part) = parts.next() {
        if let Some(raw) = part.strip_prefix(':') {
            let change = raw_change(raw, &mut parts)?;
            places.insert(change.path.clone(), changes.len());
            changes.push(change);
            continue;
        }
        let mut fields = part.splitn(3, '\t');
        let (added, removed, path) = (fields.next()?, fields.next()?, fields.next()?);
        let path = if path.is_empty() { parts.nth(1)? } else { path };
        let change = changes.get_mut(*places.get(path)?)?;
        (change.added, change.removed) = (added.parse().ok(), removed.parse().ok());
    }
    Some(changes)
}

fn raw_change<'a>(raw: &str, parts: &mut impl Iterator<Item = &'a str>) -> Option<FileChange> {
    let status = raw.split(' ').nth(4)?;
    let first = parts.next()?.to_owned();
    let (path, how) = match status.as_bytes().first()? {
        b'A' => (first, Changed::Added),
        b'D' => (first, Changed::Removed),
        b'R' => (parts.next()?.to_owned(), Changed::Renamed { from: first }),
        // A copy is a new file.
        b'C' => (parts.next()?.to_owned(), Changed::Added),
        _ => (first, Changed::Modified),
    };
    Some(FileChange { path, how, added: None, removed: None, bytes: 0 })
}

/// What two commits have.
struct Sides<'a> {
    base: &'a Tree,
    head: &'a Tree,
    changes: &'a [FileChange],
}

impl<'a> Sides<'a> {
    /// The files that are wanted, each once.
    fn wanted(&self, wanted: &[ContentWanted]) -> Vec<(Side, &'a File)> {
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        for one in wanted {
            let rules = PathRules::new(&one.globs);
            let found: Vec<(Side, &File)> = match one.which {
                Which::Head => self.head.files.iter().map(|file| (Side::Head, file)).collect(),
                Which::Base => self.base.files.iter().map(|file| (Side::Base, file)).collect(),
                Which::Changed => self.changes.iter().flat_map(|change| self.both(change)).collect(),
            };
            let new =
                found.into_iter().filter(|(side, file)| rules.matches(&file.path) && seen.insert((*side, file.path.as_str())));
            all.extend(new.collect::<Vec<_>>());
        }
        all
    }

    fn both(&self, change: &FileChange) -> impl Iterator<Item = (Side, &'a File)> + use<'a> {
        let before = change.path_before().and_then(|path| self.base.find(path)).map(|file| (Side::Base, file));
        let now = change.path_now().and_then(|path| self.head.find(path)).map(|file| (Side::Head, file));
        before.into_iter().chain(now)
    }
}

/// The contents that are wanted, as many as there is room for.
async fn contents(path: &Path, sides: &Sides<'_>, wanted: &[ContentWanted]) -> Result<Contents, GitError> {
    let mut contents = Contents::default();
    let mut left = Contents::BYTES_MAX;
    let mut taken = Vec::new();
    for (side, file) in sides.wanted(wanted) {
        if file.bytes > Contents::FILE_BYTES_MAX || file.bytes > left || taken.len() >= Contents::FILES_MAX {
            contents.left_out.push(file.path.clone());
        } else {
            left -= file.bytes;
            taken.push((side, file));
        }
    }
    if taken.is_empty() {
        return Ok(contents);
    }
    let ids: String = taken.iter().map(|(_, file)| format!("{}\n", file.blob)).collect();
    let Ended { status, stdout, stderr } =
        Git::new(path, &["cat-file", "--batch"]).with_input(ids.into_bytes()).run(LOCAL_MAX).await?;
    if !status.success() {
        return Err(GitError::Broken(stderr));
    }
    let mut rest = Bytes::from(stdout);
    for (side, file) in taken {
        let bytes = next_blob(&mut rest).ok_or_else(|| GitError::Broken(format!("git does not have {}", file.path)))?;
        contents.files.push(Content { side, path: file.path.clone(), bytes });
    }
    Ok(contents)
}

/// Takes `id blob size<LF>content<LF>` from the front.
pub(super) fn next_blob(rest: &mut Bytes) -> Option<Bytes> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let head = rest.split_to(end + 1);
    let bytes: usize = std::str::from_utf8(&head).ok()?.trim_end().rsplit(' ').next()?.parse().ok()?;
    if rest.len() <= bytes {
        return None;
    }
    let content = rest.split_to(bytes);
    let _end = rest.split_to(1);
    Some(content)
}

/// The commits that one has behind it and another has not, as far as the repository has them.
pub(super) async fn commits(path: &Path, since: &CommitId, commit: &CommitId) -> Result<Commits, GitError> {
    let (count, without) = (format!("--max-count={}", Commits::MAX + 1), format!("^{since}"));
    let fixed = ["log", "-z", "--no-color", "--no-show-signature", "--no-notes", "--encoding=UTF-8"];
    let asked = [&count, "--format=%H%x00%P%x00%an%x00%ae%x00%B", commit.as_str(), &without, "--"];
    let output = told(path, &[&fixed[..], &asked].concat()).await?;
    let mut list = read_commits(&output).ok_or_else(|| GitError::Broken("git named commits as it never does".to_owned()))?;
    let cut_off = cut_off(path).await;
    // A commit without its parents is where the repository's history ends, and not where the other commit is reached.
    let incomplete = list.len() > Commits::MAX || list.iter().any(|one| cut_off.contains(one.id.as_str()));
    list.truncate(Commits::MAX);
    Ok(Commits { list, incomplete })
}

/// The commits whose parents were not fetched.
async fn cut_off(path: &Path) -> HashSet<String> {
    let text = tokio::fs::read_to_string(path.join("shallow")).await.unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Five fields a commit, each ended by NUL.
fn read_commits(output: &[u8]) -> Option<Vec<CommitFacts>> {
    let text = String::from_utf8_lossy(output);
    let mut fields = text.split('\0');
    let mut commits = Vec::new();
    while let Some(id) = fields.next().map(str::trim).filter(|id| !id.is_empty()) {
        let (parents, author, email, message) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let message = &message[..message.floor_char_boundary(Commits::MESSAGE_BYTES_MAX.min(message.len()))];
        commits.push(CommitFacts {
            id: id.parse().ok()?,
            parents: parents.split_whitespace().count(),
            author: author.to_owned(),
            email: email.to_owned(),
            message: message.trim_end().to_owned(),
        });
    }
    Some(commits)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail at once")]

    use super::*;

    #[test]
    fn changes_are_read_as_git_writes_them() {
        let zero = "0".repeat(40);
        let raw = format!(
            ":100644 100644 {zero} {zero} M\0a\tb\0:000000 100644 {zero} {zero} A\0new\0:100644 100644 {zero} {zero} R090\0old\0moved\0:100644 000000 {zero} {zero} D\0gone\01\t2\ta\tb\0-\t-\tnew\03\t4\t\0old\0moved\00\t5\tgone\0"
        );
        let changes = read_changes(raw.as_bytes()).unwrap();
        let told: Vec<_> = changes.iter().map(|c| (c.path.as_str(), c.path_before(), c.path_now(), c.added, c.removed)).collect();
        assert_eq!(
            told,
            [
                ("a\tb", Some("a\tb"), Some("a\tb"), Some(1), Some(2)),
                ("new", None, Some("new"), None, None),
                ("moved", Some("old"), Some("moved"), Some(3), Some(4)),
                ("gone", Some("gone"), None, Some(0), Some(5)),
            ]
        );
        assert_eq!(read_changes(b"").unwrap(), []);
        assert!(read_changes(b":1 2 3").is_none());
    }

    #[test]
    fn blobs_are_cut_where_git_says_and_not_where_they_look_as_if() {
        let mut rest = Bytes::from_static(b"id blob 4\na\n\nb\nid blob 0\n\nid missing\n");
        assert_eq!(next_blob(&mut rest).unwrap(), "a\n\nb");
        assert_eq!(next_blob(&mut rest).unwrap(), "");
        assert!(next_blob(&mut rest).is_none());
    }
}
