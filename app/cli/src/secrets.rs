//! Reads what secret references refer to, when the service starts.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use gatewright_core::secret::{ExposeSecret, SecretRef, SecretString};

use crate::server_file::{LocatedSecret, Problem};

/// A secret has at most so many bytes; a file that is larger is another file than was meant.
const BYTES_MAX: u64 = 64 * 1024;

/// The secret itself. The problem names the key and the reference, never the secret.
pub(crate) fn resolve(secret: &LocatedSecret) -> Result<SecretString, Problem> {
    let text = match &secret.reference {
        SecretRef::Env(name) => of_variable(name),
        SecretRef::File(path) => of_file(path),
    };
    let wrong = |cause: String| secret.origin.problem(format!("`{}`: {cause}", secret.key));
    let text = text.map_err(wrong)?;
    let text = SecretString::from(text);
    if text.expose_secret().trim().is_empty() {
        return Err(secret.origin.problem(format!("`{}`: {} is empty", secret.key, secret.reference)));
    }
    Ok(text)
}

/// What is wrong with who may read a secret's file. None where nothing is, or where it is no file.
pub(crate) fn exposure(secret: &LocatedSecret) -> Option<String> {
    let SecretRef::File(path) = &secret.reference else { return None };
    let mode = fs::metadata(path).ok()?.permissions().mode();
    (mode & 0o007 != 0).then(|| {
        format!("every user of this machine may read `{}` in {path} (mode {:03o}); chmod 600 it", secret.key, mode & 0o777)
    })
}

fn of_variable(name: &str) -> Result<String, String> {
    match std::env::var(name) {
        Ok(text) => Ok(text),
        Err(std::env::VarError::NotPresent) => Err(format!("the environment variable {name} is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("the environment variable {name} is not UTF-8")),
    }
}

fn of_file(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| format!("{path} cannot be read: {error}"))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("{path} has more than {BYTES_MAX} bytes"));
    }
    // An editor's line end is not part of the secret.
    text.truncate(text.trim_end().len());
    Ok(text)
}
