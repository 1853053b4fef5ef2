//! What gates leave in a workspace where agents run their commands: reports, outputs, caches. As new files they are nobody's work, and
//! no part of what agents hand over. Files of the commit are not meant: who keeps a report in the repository may have it changed.

use gatewright_core::config::GateConfig;
use globset::GlobBuilder;

/// Globs of what these gates leave behind.
pub(super) fn globs(gates: &[GateConfig]) -> Vec<String> {
    let of_gate = |gate: &GateConfig| {
        let reports = [&gate.junit, &gate.tests, &gate.coverage, &gate.findings, &gate.benchmark.reports, &gate.outputs];
        let cached = gate.cache.iter().flat_map(|cache| &cache.paths);
        reports.into_iter().flatten().chain(cached).flat_map(|written| one(written)).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = gates.iter().flat_map(of_gate).collect();
    all.sort();
    all.dedup();
    all
}

/// A path without wildcards may be a folder.
fn one(written: &str) -> Vec<String> {
    let path = written.trim_end_matches('/');
    if path.contains(['*', '?', '[', '{']) { vec![path.to_owned()] } else { vec![path.to_owned(), format!("{path}/**")] }
}

/// Whether one of these globs names the path. A glob that is none names nothing; the repository file is not taken with one.
pub(super) fn are_at(globs: &[String], path: &str) -> bool {
    let glob = |glob: &String| GlobBuilder::new(glob).literal_separator(true).build().ok();
    globs.iter().filter_map(glob).any(|glob| glob.compile_matcher().is_match(path))
}

#[cfg(test)]
mod tests {
    use gatewright_core::config;

    use super::*;

    #[test]
    fn reports_outputs_and_caches_of_all_gates_are_left_behind_and_nothing_else() {
        let file = "image: a
gates:
  tests: { run: x, junit: 'target/**/TEST-*.xml', outputs: [shots/*.png], cache: { paths: .cargo, key: Cargo.lock } }
  speed: { run: x, benchmark: target/criterion, coverage: lcov.info, needs: tests }
  lint: { run: x, sarif: out.sarif, required: false }
";
        let config = config::parse(file).expect("it is valid");
        let globs = globs(&config.gates);
        for path in [
            "target/a/b/TEST-a.xml",
            "shots/first.png",
            ".cargo/registry/x",
            "target/criterion/a/new/estimates.json",
            "lcov.info",
            "out.sarif",
        ] {
            assert!(are_at(&globs, path), "{path}");
        }
        for path in ["src/lib.rs", "Cargo.lock", "shots/a/b.png", "target/a.rs", "docs/lcov.info", "shots"] {
            assert!(!are_at(&globs, path), "{path}");
        }
    }
}
