//! The files of submodules, from what of them is on this machine.

use std::path::{Path, PathBuf};

use gatewright_core::CommitId;

use super::{ASK_MAX, LocalError, WorkingTree, borrow, commit, of_disk, told};
use crate::source::{Git, links, paths_by_name, with_submodules};

/// Submodules of submodules of submodules, and then an error, as where they are fetched.
const DEPTH_MAX: usize = 4;

/// A submodule within a commit.
struct Link {
    path: String,
    commit: CommitId,
    /// The working tree that it would be checked out in.
    folder: PathBuf,
    /// Where git keeps its repository if it is not checked out in this working tree.
    kept: PathBuf,
}

impl WorkingTree {
    /// Has `commit` of a snapshot's repository known with the files of its submodules too, for gates that ask for these.
    pub async fn add_submodules(&self, repository: &Path, of: &CommitId) -> Result<(), LocalError> {
        let tree = flat(repository, of.clone(), self.root.clone(), self.common.clone(), DEPTH_MAX).await?;
        if let Some(tree) = tree {
            let flat = commit(repository, &tree).await?;
            let named = Git::new(repository, &["update-ref", &with_submodules(of), flat.as_str()]);
            told(named.run(ASK_MAX).await?)?;
        }
        Ok(())
    }
}

/// The tree of a commit with the files of its submodules in their places. None where it has none.
fn flat<'a>(
    repository: &'a Path,
    of: CommitId,
    folder: PathBuf,
    git_dir: PathBuf,
    depth: usize,
) -> std::pin::Pin<Box<dyn Future<Output = Result<Option<String>, LocalError>> + Send + 'a>> {
    Box::pin(async move {
        let links = direct(repository, &of, &folder, &git_dir).await?;
        if links.is_empty() {
            return Ok(None);
        }
        let deeper = depth
            .checked_sub(1)
            .ok_or_else(|| LocalError::Unusable(format!("the submodules lie more than {DEPTH_MAX} deep in each other")))?;
        let index = repository.join(format!("{of}.index"));
        // Git changes an index only where there is a working tree; it looks at none of the files.
        let git = |args: &[&str]| Git::new(repository, args).env("GIT_INDEX_FILE", &index).env("GIT_WORK_TREE", repository);
        told(git(&["read-tree", of.as_str()]).run(ASK_MAX).await?)?;
        for link in links {
            borrow_link(repository, &link).await?;
            let below = flat(repository, link.commit.clone(), link.folder.clone(), link.kept.clone(), deeper).await?;
            let tree = below.unwrap_or_else(|| link.commit.to_string());
            told(git(&["update-index", "--force-remove", "--", &link.path]).run(ASK_MAX).await?)?;
            told(git(&["read-tree", &format!("--prefix={}/", link.path), &tree]).run(ASK_MAX).await?)?;
        }
        told(git(&["write-tree"]).run(ASK_MAX).await?).map(Some)
    })
}

/// The submodules of one commit.
async fn direct(repository: &Path, of: &CommitId, folder: &Path, git_dir: &Path) -> Result<Vec<Link>, LocalError> {
    let tree = Git::new(repository, &["ls-tree", "-r", "-z", of.as_str()]).run(ASK_MAX).await?;
    let links = links(&tree.stdout);
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let blob = format!("--blob={of}:.gitmodules");
    let config = Git::new(repository, &["config", "-z", &blob, "--get-regexp", r"^submodule\..*\.path$"]).run(ASK_MAX).await?;
    let names = paths_by_name(&config.stdout);
    // A link that .gitmodules does not name is an empty folder to git, too.
    let named = links.into_iter().filter_map(|(path, commit)| {
        let kept = git_dir.join("modules").join(names.get(&path)?);
        Some(Link { folder: folder.join(&path), kept, path, commit })
    });
    Ok(named.collect())
}

/// Has the repository know a submodule's objects.
async fn borrow_link(repository: &Path, link: &Link) -> Result<(), LocalError> {
    for objects in [objects_of(&link.folder).await, Some(link.kept.join("objects"))].into_iter().flatten() {
        if !objects.is_dir() {
            continue;
        }
        borrow(repository, &objects).await.map_err(|e| of_disk("borrowing", &objects, &e))?;
        let object = format!("{}^{{commit}}", link.commit);
        if Git::new(repository, &["cat-file", "-e", &object]).run(ASK_MAX).await?.status.success() {
            return Ok(());
        }
    }
    let Link { path, commit, .. } = link;
    let words = format!(
        "commit {} of the submodule `{path}` is not here; `git submodule update --init --recursive` gets it",
        commit.short()
    );
    Err(LocalError::Unusable(words))
}

/// Where the repository of a checked out submodule has its objects.
async fn objects_of(folder: &Path) -> Option<PathBuf> {
    // Without a `.git` of its own, git would find the repository around it.
    folder.join(".git").symlink_metadata().ok()?;
    WorkingTree::find(folder).await.ok().map(|found| found.objects)
}
