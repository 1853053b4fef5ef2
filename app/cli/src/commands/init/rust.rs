//! Rust: cargo, and nextest where it is configured.

use super::detect::{Gate, Project, version};

/// Used where the project names no version.
const VERSION: &str = "1.95.0";

pub(super) fn gates(project: &Project<'_>) -> Vec<Gate> {
    let toolchain = project.text("rust-toolchain.toml").or_else(|| project.text("rust-toolchain"));
    let channel = toolchain.and_then(channel);
    let version = channel.as_deref().filter(|channel| is_version(channel)).map_or(VERSION.to_owned(), whole);
    // Only `/tmp` and the workspace can be written to; the image has cargo's own folder elsewhere.
    let mut env = vec![("CARGO_HOME", "/tmp/cargo".to_owned())];
    if toolchain.is_some() {
        // Else rustup would fetch the toolchain that the file names, by another name than the image has it.
        env.push(("RUSTUP_TOOLCHAIN", version.clone()));
    }
    let locked = if project.has("Cargo.lock") { " --locked" } else { "" };
    let (run, junit) = match nextest(project) {
        Some(nextest) => (with_nextest(&nextest, locked), nextest.junit.map(|path| project.path(&path))),
        None => (vec![format!("cargo test --workspace{locked}")], None),
    };
    let about = vec![
        "Clippy and rustfmt are not in this image; one that has them makes gates of `cargo clippy` and `cargo fmt --check`."
            .to_owned(),
    ];
    let image = format!("rust:{version}-bookworm");
    let timeout = Some("20m");
    vec![Gate { name: "tests".to_owned(), about, image, env, run, junit, tests: None, network: true, timeout, advisory: false }]
}

/// The channel that a toolchain file names, in either of its forms.
fn channel(text: &str) -> Option<String> {
    match text.parse::<toml::Table>() {
        Ok(table) => Some(table.get("toolchain")?.get("channel")?.as_str()?.to_owned()),
        Err(_) => text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned),
    }
}

fn is_version(channel: &str) -> bool {
    version(channel).as_deref() == Some(channel)
}

/// `1.80` is published as `1.80.0`, and as whatever came after it.
fn whole(version: &str) -> String {
    if version.matches('.').count() == 1 { format!("{version}.0") } else { version.to_owned() }
}

struct Nextest {
    profile: String,
    /// Where its report goes, below the project.
    junit: Option<String>,
}

/// How nextest is configured, with the profile for CI if there is one.
fn nextest(project: &Project<'_>) -> Option<Nextest> {
    let config: toml::Table = project.text(".config/nextest.toml")?.parse().ok()?;
    let profiles = config.get("profile").and_then(|profiles| profiles.as_table());
    let report = |profile: &str| {
        let path = profiles?.get(profile)?.get("junit")?.get("path")?.as_str()?;
        Some(format!("target/nextest/{profile}/{path}"))
    };
    let profile = if profiles.is_some_and(|profiles| profiles.contains_key("ci")) { "ci" } else { "default" };
    Some(Nextest { junit: report(profile), profile: profile.to_owned() })
}

fn with_nextest(nextest: &Nextest, locked: &str) -> Vec<String> {
    let profile = if nextest.profile == "default" { String::new() } else { format!(" --profile {}", nextest.profile) };
    vec![
        "mkdir -p /tmp/bin".to_owned(),
        "curl -LsSf https://get.nexte.st/0.9/linux | tar -xzf - -C /tmp/bin".to_owned(),
        format!("PATH=/tmp/bin:$PATH cargo nextest run --workspace{profile}{locked}"),
    ]
}
