//! Makes the models of the `[[model]]` tables of the configuration.

use std::path::Path;
use std::sync::Arc;

use gatewright_core::model::{Model, NoModels};
use gatewright_model::{Config, Endpoint, Kind, Models, Patience, ProviderConfig, Script, Scripted};

use crate::failure::Failure;
use crate::load;
use crate::secrets;
use crate::server_file::{LocatedSecret, ModelKind, ModelTable, Origin, Problem, ServerConfig};

/// The key of every provider.
pub(crate) fn secrets(config: &ServerConfig) -> impl Iterator<Item = &LocatedSecret> {
    config.models.iter().filter_map(|model| model.key.as_ref())
}

/// The models. Reads scripts; asks nobody.
pub(crate) fn models(file: &Path, config: &ServerConfig) -> Result<Arc<dyn Model>, Failure> {
    if config.models.is_empty() {
        return Ok(Arc::new(NoModels));
    }
    let wrong = |problem: Problem| load::wrong(file, &[problem]);
    let lent = &config.agents.programs_may_use;
    let providers =
        config.models.iter().map(|table| provider(table, lent)).collect::<Result<Vec<_>, Problem>>().map_err(wrong)?;
    let config = Config { providers, usual: config.agents.models.clone(), patience: Patience::default() };
    let models = Models::new(config).map_err(|error| wrong(Origin::START.problem(error.to_string())))?;
    Ok(Arc::new(models))
}

fn provider(table: &ModelTable, lent: &[String]) -> Result<ProviderConfig, Problem> {
    let key = table.key.as_ref().map(secrets::resolve).transpose()?;
    let endpoint = Endpoint { url: table.url.clone(), key };
    let kind = match &table.kind {
        ModelKind::Anthropic => Kind::Anthropic(endpoint),
        ModelKind::OpenAi => Kind::OpenAi(endpoint),
        ModelKind::Gemini => Kind::Gemini(endpoint),
        ModelKind::Perplexity => Kind::Perplexity(endpoint),
        ModelKind::Ollama { context_tokens } => Kind::Ollama { endpoint, context_tokens: *context_tokens },
        ModelKind::Scripted(path) => Kind::Scripted(Arc::new(script(table, path)?)),
    };
    Ok(ProviderConfig {
        prices: table.prices.clone(),
        concurrency: table.concurrency,
        timeout: table.timeout,
        programs: lent.contains(&table.name),
        ..ProviderConfig::new(table.name.clone(), kind)
    })
}

fn script(table: &ModelTable, path: &Path) -> Result<Scripted, Problem> {
    let wrong = |cause: String| table.origin.problem(format!("`file`: {}: {cause}", path.display()));
    let text = load::read_text(path, Script::BYTES_MAX as u64).map_err(|failure| wrong(failure.to_string()))?;
    let script = Script::read(&text).map_err(|error| wrong(error.to_string()))?;
    tracing::warn!(provider = table.name, file = %path.display(), "this provider of models is a script, for tests and for trying things out");
    Ok(Scripted::new(script))
}
