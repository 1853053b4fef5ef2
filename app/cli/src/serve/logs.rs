//! What is written to standard error: one line an event, for people or as JSON.

use std::io::IsTerminal;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

use crate::failure::Failure;
use crate::server_file::{LogFormat, LogTable};

/// Libraries that say at `debug` and `trace` what they send and receive, header fields with tokens among it. They stay
/// at `info`, whatever the configuration says.
const TALKATIVE: [&str; 12] = [
    "hyper",
    "hyper_util",
    "h2",
    "reqwest",
    "octocrab",
    "rustls",
    "bollard",
    "tower",
    "tower_http",
    "jsonwebtoken",
    "axum",
    "sled",
];

/// Starts to log. Called once.
pub(super) fn start(config: &LogTable) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.level);
    let filter = filter.map_err(|error| Failure::Wrong(format!("the log's level is wrong: {error}")))?;
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(|event| may_say(event.target(), *event.level())));
    let started = match config.format {
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init(),
        LogFormat::Human => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            registry.with(fmt::layer().with_ansi(colour).with_writer(std::io::stderr)).try_init()
        }
    };
    started.map_err(|error| Failure::Outside(format!("logging cannot start: {error}")))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let message = panic.payload_as_str().unwrap_or("a panic without words");
        tracing::error!(place, panic = message, "a bug: the code broke off");
    }));
    Ok(())
}

fn may_say(target: &str, level: Level) -> bool {
    let library = target.split("::").next().unwrap_or(target);
    level <= Level::INFO || !TALKATIVE.contains(&library)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_level_makes_libraries_say_what_they_send() {
        assert!(!may_say("hyper_util::client::legacy", Level::TRACE));
        assert!(!may_say("octocrab", Level::DEBUG));
        assert!(may_say("octocrab", Level::INFO));
        assert!(may_say("gatewright_engine::drive", Level::TRACE));
    }
}
