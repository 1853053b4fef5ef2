//! Finds the server file and reads it together with the environment and the command line.

use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;
use crate::server_file::{self, BYTES_MAX, For, Override, Problem, ServerConfig};

/// The configuration by this file, the environment, and what the command line puts over both.
pub(crate) fn server_config(file: &Path, flags: Vec<Override>) -> Result<ServerConfig, Failure> {
    config_for(file, flags, For::Service)
}

/// The same for who only wants to ask models: the file may have those alone.
pub(crate) fn models_config(file: &Path) -> Result<ServerConfig, Failure> {
    config_for(file, Vec::new(), For::Models)
}

/// What holds where there is no server file.
pub(crate) fn unsaid() -> Result<ServerConfig, Failure> {
    let file = Path::new("(no server file)");
    parse(file, "", Vec::new(), For::Models).map_err(|problems| wrong(file, &problems))
}

fn config_for(file: &Path, flags: Vec<Override>, wanted: For) -> Result<ServerConfig, Failure> {
    if !file.exists() {
        let hint = "name the server file with --config; `docs/configuration.md` shows what it holds";
        return Err(Failure::Wrong(format!("there is no {}; {hint}", file.display())));
    }
    let text = read_text(file, BYTES_MAX)?;
    parse(file, &text, flags, wanted).map_err(|problems| wrong(file, &problems))
}

/// A server file's text together with the environment and the command line.
pub(crate) fn parse(file: &Path, text: &str, flags: Vec<Override>, wanted: For) -> Result<ServerConfig, Vec<Problem>> {
    let mut overrides = server_file::of_variables(variables());
    overrides.extend(flags);
    server_file::parse(text, &folder_of(file), &overrides, wanted)
}

/// What a person reads of the problems of a file.
pub(crate) fn wrong(file: &Path, problems: &[Problem]) -> Failure {
    let name = file.display().to_string();
    let lines: Vec<String> = problems.iter().map(|problem| problem.line(&name)).collect();
    Failure::Wrong(format!("the configuration is wrong\n{}", lines.join("\n")))
}

/// The folder that the paths in a file are relative to.
fn folder_of(file: &Path) -> std::path::PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}

/// Variables that are no Unicode are not ours.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// A text file of at most `bytes_max` bytes that the command line names.
pub(crate) fn read_text(file: &Path, bytes_max: u64) -> Result<String, Failure> {
    let bytes = read_bytes(file, bytes_max)?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Failure::Wrong(format!("{}:{line}:1: the file is not UTF-8", file.display()))
    })
}

/// A file of at most `bytes_max` bytes that the command line names; `-` is standard input.
pub(crate) fn read_bytes(file: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(bytes_max + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(bytes_max + 1).read_to_end(&mut bytes))
    };
    match read {
        Err(error) => {
            let message = format!("{} cannot be read: {error}", file.display());
            let called_wrong = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory);
            Err(if called_wrong { Failure::Wrong(message) } else { Failure::Outside(message) })
        }
        Ok(_) if bytes.len() as u64 > bytes_max => {
            Err(Failure::Wrong(format!("{} is over {bytes_max} bytes, the most that it may have", file.display())))
        }
        Ok(_) => Ok(bytes),
    }
}
