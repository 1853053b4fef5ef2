//! What a release makes of the configuration of an environment: templates filled in, and the name of the pool that comes of it.
//!
//! There is no language in templates, only four names: what an environment runs can be read from the repository file by itself.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::{DockerConfig, EnvValue, ExecConfig, TargetConfig};
use crate::ids::{BlobId, RunId};
use crate::target::PoolId;

/// The names that may stand between `{{` and `}}`.
pub const NAMES: [&str; 4] = ["version", "tag", "commit", "environment"];

/// What templates are filled with. The tag is one that is a [`Version`](super::version::Version), so that it holds plain characters
/// only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filling<'r> {
    /// `{{ version }}`, such as `1.4.0`.
    pub version: &'r str,
    /// `{{ tag }}`, such as `v1.4.0`.
    pub tag: &'r str,
    /// `{{ commit }}`, all of its digits.
    pub commit: &'r str,
    /// `{{ environment }}`, such as `production`.
    pub environment: &'r str,
}

impl<'r> Filling<'r> {
    fn value(&self, name: &str) -> Option<&'r str> {
        match name {
            "version" => Some(self.version),
            "tag" => Some(self.tag),
            "commit" => Some(self.commit),
            "environment" => Some(self.environment),
            _ => None,
        }
    }
}

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It asks for something that there is not.
    #[error("{0:?} cannot be filled in")]
    Unknown(String),
    /// A `{{` has no `}}` behind it.
    #[error("a {{{{ has no }}}} behind it")]
    Open,
}

/// Whether a text can be filled in, whatever with.
pub fn check(text: &str) -> Result<(), TemplateError> {
    filled(text, |name| NAMES.contains(&name).then_some("")).map(|_| ())
}

/// Fills a text in. One that cannot be is returned as it is; the reading of the repository file lets none pass.
pub fn fill_text(text: &str, with: &Filling<'_>) -> String {
    filled(text, |name| with.value(name)).unwrap_or_else(|_| text.to_owned())
}

/// Fills a configuration in: image, command and plain values of the environment, or all that commands are told.
///
/// Within an image's name a `/`, `+` or `@` of a tag or version becomes `-`, since tags of images cannot hold them: the image of
/// `shop/v1.4.0+7` is `shop:1.4.0-7` where `shop:{{ version }}` is written.
pub fn fill(config: &TargetConfig, with: &Filling<'_>) -> TargetConfig {
    match config {
        TargetConfig::Docker(docker) => TargetConfig::Docker(DockerConfig {
            image: fill_image(&docker.image, with),
            command: docker.command.as_ref().map(|words| words.iter().map(|word| fill_text(word, with)).collect()),
            env: docker.env.iter().map(|(name, value)| (name.clone(), fill_env(value, with))).collect(),
            ..docker.clone()
        }),
        TargetConfig::Exec(exec) => TargetConfig::Exec(ExecConfig {
            with: exec.with.iter().map(|(name, value)| (name.clone(), fill_text(value, with))).collect(),
            ..exec.clone()
        }),
    }
}

fn fill_env(value: &EnvValue, with: &Filling<'_>) -> EnvValue {
    match value {
        EnvValue::Plain(text) => EnvValue::Plain(fill_text(text, with)),
        EnvValue::Secret(name) => EnvValue::Secret(name.clone()),
    }
}

/// Fills the name of an image in.
pub fn fill_image(image: &str, with: &Filling<'_>) -> String {
    let safe = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric() && !"_.-".contains(c), "-");
    let safe = [with.version, with.tag, with.commit, with.environment].map(safe);
    let [version, tag, commit, environment] = &safe;
    fill_text(image, &Filling { version, tag, commit, environment })
}

fn filled<'v>(text: &str, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, TemplateError> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, behind)) = rest.split_once("{{") {
        let (name, after) = behind.split_once("}}").ok_or(TemplateError::Open)?;
        let name = name.trim();
        filled += before;
        filled += value(name).ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
        rest = after;
    }
    Ok(filled + rest)
}

/// So many bytes of a version go into a pool's name: what [`PoolId`] takes, less `-` and eight digits.
const VERSION_BYTES_MAX: usize = 51;

/// The name of the pool that a version makes of a configuration which has been filled in: `1.4.0-3f2a9c01`. The digits are those of the
/// SHA-256 of both, without how many instances there are: more of the same are the same pool.
pub fn pool_id(version: &str, config: &TargetConfig) -> PoolId {
    named(version, config, None)
}

/// The name of a pool that takes the place of another one of the same version and configuration, while that one is still there. `why`
/// is what makes it another, always the same for one occasion.
pub fn pool_id_anew(version: &str, config: &TargetConfig, why: RunId) -> PoolId {
    named(version, config, Some(why))
}

fn named(version: &str, config: &TargetConfig, why: Option<RunId>) -> PoolId {
    let mut config = config.clone();
    match &mut config {
        TargetConfig::Docker(docker) => docker.replicas = 0,
        TargetConfig::Exec(exec) => exec.replicas = 0,
    }
    let made_of = serde_json::to_value(&config).expect("a configuration is texts, numbers and mappings of texts");
    let of = match why {
        None => json!([version, made_of]),
        Some(why) => json!([version, made_of, why.to_string()]),
    };
    let hash = BlobId::of(canonical(of).to_string().as_bytes());
    format!("{}-{}", safe(version), &hash.as_str()[..8]).parse().expect("plain characters, cut to fit")
}

/// The same value, with the keys of its mappings in order and those left out that are nothing: then neither the order of fields nor
/// one that comes in later, and is not used, makes another pool of what runs already.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries = entries.into_iter().filter(|(_, value)| !value.is_null());
            let sorted: BTreeMap<String, Value> = entries.map(|(key, value)| (key, canonical(value))).collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(canonical).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// A version as a part of a pool's name. Two that become the same here differ in their digits.
fn safe(version: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let version: String = version.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).chars().map(safe).collect();
    let version = &version[..version.len().min(VERSION_BYTES_MAX)];
    if version.is_empty() { "0".to_owned() } else { version.to_owned() }
}

#[cfg(test)]
mod tests;
