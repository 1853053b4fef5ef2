//! The repository file of a local run.

use std::path::Path;

use gatewright_core::config::{self, Problem, RepoConfig};
use gatewright_core::{GateName, PipelineName};

use crate::failure::Failure;
use crate::load;

/// Reads the file. Problems are named by its path as the user would write it here.
pub(in crate::commands) fn read(path: &Path, here: &Path) -> Result<RepoConfig, Failure> {
    read_by(path, here, config::parse).map(|(config, _)| config)
}

/// Reads the file for somebody who has asked for a pipeline by its name, and gives its text too.
pub(in crate::commands) fn read_with(path: &Path, here: &Path, pipeline: &PipelineName) -> Result<(RepoConfig, String), Failure> {
    read_by(path, here, |text| config::parse_with(text, pipeline))
}

fn read_by(
    path: &Path,
    here: &Path,
    parse: impl Fn(&str) -> Result<RepoConfig, Vec<Problem>>,
) -> Result<(RepoConfig, String), Failure> {
    if !path.exists() {
        let hint = "`gatewright init` writes a first one";
        return Err(Failure::Wrong(format!("there is no {}; {hint}", path.display())));
    }
    let text = load::read_text(path, config::BYTES_MAX as u64)?;
    let config = parse(&text).map_err(|problems| {
        let name = path.strip_prefix(here).unwrap_or(path).display().to_string();
        let lines: Vec<String> = problems.iter().map(|problem| format!("{name}:{problem}")).collect();
        Failure::Wrong(format!("the repository file is wrong\n{}", lines.join("\n")))
    })?;
    Ok((config, text))
}

/// Refuses names of gates that the file does not have.
pub(in crate::commands) fn know(config: &RepoConfig, names: &[GateName]) -> Result<(), Failure> {
    let has = |name: &&GateName| config.gates.iter().any(|gate| gate.name == **name);
    let Some(unknown) = names.iter().find(|name| !has(name)) else { return Ok(()) };
    let there = || config.gates.iter().map(|gate| gate.name.as_str());
    let near = there().map(|name| (strsim::osa_distance(unknown.as_str(), name), name)).min();
    let hint = match near {
        Some((distance, near)) if distance <= 1.max(near.len() / 3) => format!("did you mean `{near}`?"),
        Some(_) | None => format!("it has {}", there().collect::<Vec<_>>().join(", ")),
    };
    Err(Failure::Wrong(format!("the file has no gate `{unknown}`; {hint}")))
}
