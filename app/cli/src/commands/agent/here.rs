//! What a pipeline needs that runs on this machine: a clone in the place of a forge, a store that is gone with the process, sandboxes that
//! are filled from the clone. The local run and the replay make it alike.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gatewright_core::forge::Forge;
use gatewright_core::model::Model;
use gatewright_core::notice::NoChannels;
use gatewright_core::run::NewRun;
use gatewright_core::sandbox::Workshop;
use gatewright_core::store::Blobs;
use gatewright_engine::local::{LocalPipeline, PipelineFailure};
use gatewright_engine::{Deps, Options};
use gatewright_store::EmbeddedStore;
use gatewright_target::sites::OpenedSites;
use tempfile::TempDir;

use super::forge::LocalForge;
use crate::commands::run::cache::Cache;
use crate::commands::run::remains::{self, Here};
use crate::failure::Failure;

/// The journal, in the folder of what is kept of a run.
pub(super) const JOURNAL: &str = "journal.json";

/// All that was said, in the same folder.
pub(super) const SAID: &str = "said.json";

/// A folder for what goes with the process.
pub(super) fn scratch() -> Result<TempDir, Failure> {
    let scratch = tempfile::Builder::new().prefix(remains::SCRATCH_PREFIX).tempdir();
    scratch.map_err(|error| Failure::Outside(format!("no temporary folder can be made: {error}")))
}

/// Removes what earlier runs have left that were cut short, and says that one is under way.
pub(super) async fn begin(cache: &Cache, scratch: &Path) -> Result<Here, Failure> {
    remains::remove(&cache.running).await;
    let here = Here::begin(&cache.running, scratch);
    here.map_err(|e| Failure::Outside(format!("{} cannot be written: {e}", cache.running.display())))
}

/// Runs pipelines of one repository.
pub(super) struct Bench {
    pub(super) forge: Arc<LocalForge>,
    pub(super) store: Arc<EmbeddedStore>,
    pub(super) pipeline: LocalPipeline,
}

impl Bench {
    pub(super) fn new(forge: LocalForge, sandbox: Arc<dyn Workshop>, models: Arc<dyn Model>, options: Options) -> Bench {
        let forge = Arc::new(forge);
        let store = Arc::new(EmbeddedStore::in_memory());
        let served: Arc<dyn Forge> = forge.clone();
        let deps = Deps {
            store: store.clone(),
            upkeep: store.clone(),
            environments: store.clone(),
            blobs: store.clone(),
            forges: BTreeMap::from([(forge.kind, served)]),
            sandbox,
            sites: Arc::new(OpenedSites::new(Vec::new())),
            channels: Arc::new(NoChannels),
            models,
        };
        Bench { forge, store, pipeline: LocalPipeline::new(deps, options) }
    }

    pub(super) fn blobs(&self) -> &dyn Blobs {
        &*self.store
    }
}

/// A run of its own, with an id of its own.
pub(super) fn new(spec: gatewright_core::run::RunSpec) -> NewRun {
    NewRun { id: gatewright_core::RunId::new(), spec }
}

/// Why a pipeline could not be driven.
pub(super) fn failed(failure: &PipelineFailure) -> Failure {
    match failure {
        PipelineFailure::SetAside(cause) => Failure::Outside(format!("the pipeline got nowhere: {cause}")),
        PipelineFailure::Store(_) | PipelineFailure::Impossible(_) => {
            Failure::Outside(format!("the pipeline came to something that cannot be, which is our fault: {failure}"))
        }
    }
}
