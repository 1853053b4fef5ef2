//! `[[model]]` and `[agents]`, as they were read.

use std::path::PathBuf;
use std::time::Duration;

use gatewright_core::model::ModelName;
use gatewright_model::Prices;

use super::LocatedSecret;
use super::tree::Origin;

/// `[[model]]`.
#[derive(Debug, Clone)]
pub(crate) struct ModelTable {
    pub(crate) origin: Origin,
    pub(crate) name: String,
    pub(crate) kind: ModelKind,
    pub(crate) url: Option<String>,
    pub(crate) key: Option<LocatedSecret>,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: usize,
    pub(crate) prices: Prices,
}

/// Which provider it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ModelKind {
    Anthropic,
    OpenAi,
    Gemini,
    Perplexity,
    Ollama {
        context_tokens: Option<u32>,
    },
    /// With its script.
    Scripted(PathBuf),
}

/// `[agents]`.
#[derive(Debug, Clone)]
pub(crate) struct AgentsTable {
    pub(crate) models: Vec<ModelName>,
    pub(crate) concurrent: usize,
    pub(crate) day_micro_usd: Option<u64>,
    pub(crate) day_tokens: Option<u64>,
    pub(crate) answer_tokens_max: u32,
    /// The providers whose keys programs may use.
    pub(crate) programs_may_use: Vec<String>,
}
