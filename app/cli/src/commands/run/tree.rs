//! The working tree as a change: its commit, what it is compared with, and what differs.

use std::path::{Path, PathBuf};

use gatewright_core::config::{GateConfig, GateEvent, Pushed, RepoConfig};
use gatewright_core::forge::ChangedFiles;
use gatewright_core::verdict::Evidence;
use gatewright_core::{ForgeKind, GateName, RepoRef};
use gatewright_engine::local::LocalChange;
use gatewright_sandbox::local::{Base, Content, LocalError, WorkingTree};

use crate::failure::Failure;

/// The branch that a change goes to where nothing says which.
const BRANCH_DEFAULT: &str = "main";

/// What is checked, or what agents work on.
pub(in crate::commands) struct Tree {
    pub(in crate::commands) working_tree: WorkingTree,
    /// The repository that sandboxes are filled from.
    pub(in crate::commands) repository: PathBuf,
    pub(in crate::commands) change: LocalChange,
    pub(in crate::commands) base: Option<Base>,
}

/// What of a working tree is taken up.
pub(in crate::commands) struct Wanted<'a> {
    /// What it is compared with, where the user says it.
    pub(in crate::commands) base: Option<&'a str>,
    /// Only what is committed.
    pub(in crate::commands) committed: bool,
    /// The gates that are going to look at it. Empty: all of them.
    pub(in crate::commands) gates: &'a [GateName],
    /// Whether they look at the base too.
    pub(in crate::commands) measure_base: bool,
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::NoWorkingTree { .. } | LocalError::NoSuchRevision { .. } | LocalError::Unusable(_) => {
                Failure::Wrong(error.to_string())
            }
            LocalError::Failed(_) | LocalError::DiskFull(_) => Failure::Outside(error.to_string()),
        }
    }
}

/// The working tree that a folder is in.
pub(in crate::commands) async fn find(folder: &Path) -> Result<WorkingTree, Failure> {
    Ok(WorkingTree::find(folder).await?)
}

impl Tree {
    /// Takes up the working tree.
    pub(in crate::commands) async fn of(
        working_tree: WorkingTree,
        of: Wanted<'_>,
        scratch: &Path,
        config: &RepoConfig,
    ) -> Result<Tree, Failure> {
        let base = working_tree.base(of.base).await?;
        let content = if of.committed { Content::Head } else { Content::WorkingTree };
        let taken = working_tree.snapshot(&scratch.join("source.git"), content).await?;
        let wanted = |gate: &&GateConfig| of.gates.is_empty() || of.gates.contains(&gate.name);
        if config.gates.iter().filter(wanted).any(|gate| gate.checkout.submodules) {
            for commit in base.iter().filter(|_| of.measure_base).map(|base| &base.commit).chain([&taken.commit]) {
                working_tree.add_submodules(&taken.repository, commit).await?;
            }
        }
        let (history, files) = match &base {
            Some(base) => {
                let paths = working_tree.changed(&taken.repository, &base.commit, &taken.commit).await?;
                let history = working_tree.history(&base.commit, Evidence::HISTORY_MAX).await?;
                (history, ChangedFiles { paths, incomplete: false })
            }
            // With nothing to compare with, everything may have changed.
            None => (Vec::new(), ChangedFiles { paths: Vec::new(), incomplete: true }),
        };
        let branch = base.as_ref().and_then(|base| base.branch.clone()).unwrap_or_else(|| BRANCH_DEFAULT.to_owned());
        let change = LocalChange {
            repo: repo(working_tree.root()),
            commit: taken.commit,
            lasting: taken.committed,
            base: base.as_ref().map(|base| base.commit.clone()),
            history,
            branch,
            event: GateEvent::PullRequest,
            pushed: Pushed::Elsewhere,
            files,
        };
        Ok(Tree { working_tree, repository: taken.repository, change, base })
    }

    /// The base, as a change of its own against what was there before it.
    pub(super) fn of_base(&self) -> Option<LocalChange> {
        let commit = self.change.base.clone()?;
        let history = self.change.history.iter().filter(|earlier| **earlier != commit).cloned().collect();
        Some(LocalChange { commit, lasting: true, base: None, history, ..self.change.clone() })
    }
}

/// A repository that is on no forge is known by the name of its folder.
fn repo(root: &Path) -> RepoRef {
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    RepoRef { forge: ForgeKind::Github, id: 0, path: name, installation: None }
}
