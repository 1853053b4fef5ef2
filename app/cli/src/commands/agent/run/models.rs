//! The models of a local pipeline: those of the server file, or where there is none, those whose keys are in the environment by their
//! usual names.

use std::path::Path;
use std::sync::Arc;

use gatewright_core::config::{Pipeline, Stage};
use gatewright_core::model::{Model, ModelName};
use gatewright_core::secret::SecretString;

use crate::args::{AgentRunArgs, SERVER_FILE};
use crate::failure::Failure;
use crate::load;
use crate::secrets;
use crate::serve::models;
use crate::server_file::ServerConfig;

/// The variables that providers' own tools take keys from.
const KEYS: [(&str, &str); 4] = [
    ("anthropic", "ANTHROPIC_API_KEY"),
    ("openai", "OPENAI_API_KEY"),
    ("gemini", "GEMINI_API_KEY"),
    ("perplexity", "PERPLEXITY_API_KEY"),
];

/// What stands for a file where there is none.
const NO_FILE: &str = "(no server file)";

/// Who can be asked.
pub(super) struct Asked {
    pub(super) models: Arc<dyn Model>,
    pub(super) config: ServerConfig,
    /// The keys, as they must never be in a log.
    pub(super) secrets: Vec<SecretString>,
}

impl Asked {
    pub(super) fn of(args: &AgentRunArgs, pipeline: &Pipeline) -> Result<Asked, Failure> {
        let file = &args.config.config;
        let is_missing = *file == Path::new(SERVER_FILE) && !file.exists();
        let (file, config) = match is_missing {
            true => (Path::new(NO_FILE), of_environment(args, pipeline)?),
            false => (file.as_path(), load::models_config(file)?),
        };
        let secrets = models::secrets(&config).map(secrets::resolve).collect::<Result<Vec<_>, _>>();
        let secrets = secrets.map_err(|problem| load::wrong(file, &[problem]))?;
        Ok(Asked { models: models::models(file, &config)?, config, secrets })
    }

    /// Refuses a pipeline of which an agent has nobody to ask, or whose limit of money could not be kept.
    pub(super) fn check(&self, args: &AgentRunArgs, pipeline: &Pipeline) -> Result<(), Failure> {
        let of_pipeline = if args.model.is_empty() { &pipeline.models } else { &args.model };
        let usual = if of_pipeline.is_empty() { self.models.usual() } else { of_pipeline.clone() };
        for stage in pipeline.stages() {
            let Stage::Agent(agent) = stage else { continue };
            let asked = if agent.models.is_empty() { &usual } else { &agent.models };
            if asked.is_empty() {
                let next = "name them in the server file, as `models` of `[agents]`, or here with --model";
                return Err(Failure::Wrong(format!("no model is to be asked; {next}")));
            }
            asked.iter().try_for_each(|model| self.check_one(model, args, pipeline))?;
        }
        Ok(())
    }

    fn check_one(&self, model: &ModelName, args: &AgentRunArgs, pipeline: &Pipeline) -> Result<(), Failure> {
        if let Some(why) = self.models.unknown(model) {
            return Err(Failure::Wrong(format!("the model `{model}` cannot be asked: {why}")));
        }
        let limit = args.budget.unwrap_or_default().over(pipeline.budget).micro_usd;
        if limit.is_some() && self.models.price(model).is_none() {
            return Err(Failure::Wrong(format!(
                "nobody has said what the model `{model}` costs, so no limit of money can be kept; give it a `[[model.price]]` in the \
                 server file, or leave the limit away with `--budget usd=none`"
            )));
        }
        Ok(())
    }
}

/// Whether an agent of the pipeline asks a model that the pipeline does not name. Programs ask none of the service's.
fn takes_the_usual(pipeline: &Pipeline) -> bool {
    let unnamed = |stage: &Stage| matches!(stage, Stage::Agent(agent) if agent.models.is_empty());
    pipeline.models.is_empty() && pipeline.stages().any(unnamed)
}

/// A server file that says what the environment does.
fn of_environment(args: &AgentRunArgs, pipeline: &Pipeline) -> Result<ServerConfig, Failure> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut text = "[[model]]\nkind = \"ollama\"\n".to_owned();
    for (kind, name) in KEYS.into_iter().filter(|(_, name)| is_set(name)) {
        text.push_str(&format!("[[model]]\nkind = \"{kind}\"\nkey = \"env:{name}\"\n"));
    }
    if args.model.is_empty() && takes_the_usual(pipeline) {
        let names = KEYS.map(|(_, name)| name).join(", ");
        return Err(Failure::Wrong(format!(
            "no model is to be asked: there is no {SERVER_FILE} here; name a server file with --config, or a model with --model \
             PROVIDER/NAME, whose key is taken from {names}"
        )));
    }
    if let Some((model, name)) = args.model.iter().find_map(|model| {
        let (_, name) = KEYS.iter().find(|(kind, name)| *kind == model.provider() && !is_set(name))?;
        Some((model, name))
    }) {
        return Err(Failure::Wrong(format!(
            "the model `{model}` cannot be asked: {name} is not set, and there is no {SERVER_FILE} here"
        )));
    }
    load::parse(Path::new(NO_FILE), &text, Vec::new(), crate::server_file::For::Models)
        .map_err(|problems| load::wrong(Path::new(NO_FILE), &problems))
}
