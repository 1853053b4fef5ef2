//! Git, with which sources are fetched: whether this machine has one that can be used.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Older ones do not take their configuration from the environment, which is where the rules are that keep git from other
/// protocols, helpers and hosts, and the credential.
const OLDEST: (u32, u32) = (2, 32);

/// Git says its version at once; a machine that is starting up may need a while to load it.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Git's version, or what is wrong with it and what to do.
pub(super) async fn probe() -> Result<String, String> {
    let mut command = Command::new("git");
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(ANSWER_WITHIN, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("git cannot be run: {error}; install it, and have it in the service's PATH")),
        Err(_) => return Err(format!("git does not say its version within {} s", ANSWER_WITHIN.as_secs())),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let (major, minor) = OLDEST;
    match version(&said) {
        Some((found, numbers)) if numbers >= OLDEST => Ok(format!("git {found}")),
        Some((found, _)) => Err(format!("git {found} is too old; {major}.{minor} or later is needed")),
        None => Err(format!("the program `git` does not say which version it is ({})", output.status)),
    }
}

/// `2.39.5` and its first two numbers, of `git version 2.39.5 (Apple Git-154)`.
fn version(said: &str) -> Option<(&str, (u32, u32))> {
    let found = said.strip_prefix("git version ")?.split_whitespace().next()?;
    let mut numbers = found.split('.').map(str::parse);
    Some((found, (numbers.next()?.ok()?, numbers.next()?.ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        assert_eq!(version("git version 2.47.3\n"), Some(("2.47.3", (2, 47))));
        assert_eq!(version("git version 2.39.5 (Apple Git-154)\n"), Some(("2.39.5", (2, 39))));
        assert_eq!(version("git version 2.48.0.rc1.windows.1"), Some(("2.48.0.rc1.windows.1", (2, 48))));
        assert_eq!(version("GNU Interactive Tools"), None);
    }
}
