//! What a right file means, and what breaks none of the reading.

use std::fmt::Write;

use gatewright_core::config::{BYTES_MAX, Checkout, GATES_MAX, GateConfig, GateEvent, RepoConfig, parse};

fn gate<'c>(config: &'c RepoConfig, name: &str) -> &'c GateConfig {
    config.gates.iter().find(|gate| gate.name.as_str() == name).unwrap()
}

#[test]
fn a_whole_file_is_read_as_it_is_written() {
    let file = r#"# What is checked here.
image: rust:1.95
env:
  VERSION: 1.10
  ANSWER: yes
  FLAG: true
  EMPTY: ""
gates:
  tests:
    run: cargo nextest run --profile ci
    junit: target/nextest/ci/junit.xml
    timeout: 1h30m
    env: { ANSWER: 'no' }
  lint:
    run: |
      cargo fmt --check
      cargo clippy
    image: rust:1.95-slim
    needs: [tests]
    when:
      changed: ["app/**", "!**/*.md"]
      branches: main
      events: [pull_request, push]
    timeout: 90
    network: true
    required: false
    checkout: { submodules: true, lfs: true }
"#;
    let config = parse(file).unwrap();
    let names: Vec<&str> = config.gates.iter().map(|gate| gate.name.as_str()).collect();
    assert_eq!(names, ["tests", "lint"]);

    let tests = gate(&config, "tests");
    assert_eq!(tests.image, "rust:1.95");
    assert_eq!(tests.timeout_secs, Some(5400));
    assert_eq!(tests.junit, ["target/nextest/ci/junit.xml"]);
    assert!(tests.required && !tests.network);
    assert_eq!(tests.line, 9);
    let env = [("ANSWER", "no"), ("EMPTY", ""), ("FLAG", "true"), ("VERSION", "1.10")];
    assert_eq!(tests.env, env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());

    let lint = gate(&config, "lint");
    assert_eq!(lint.run.as_deref().unwrap(), "cargo fmt --check\ncargo clippy\n");
    assert_eq!(lint.image, "rust:1.95-slim");
    assert_eq!(lint.env["ANSWER"], "yes");
    assert_eq!(lint.needs, std::slice::from_ref(&tests.name));
    assert_eq!(lint.when.changed, ["app/**", "!**/*.md"]);
    assert_eq!(lint.when.branches, ["main"]);
    assert_eq!(lint.when.events, [GateEvent::PullRequest, GateEvent::Push]);
    assert_eq!(lint.timeout_secs, Some(90));
    assert!(lint.network && !lint.required);
    assert_eq!(lint.checkout, Checkout { submodules: true, lfs: true });
}

#[test]
fn the_first_file_that_most_people_write_is_read() {
    let file = "image: rust:1.95                 # the sandbox image of every gate that names no other\n\
                gates:\n  tests:\n    run: cargo nextest run --profile ci\n    junit: target/nextest/ci/junit.xml\n  docs:\n    \
                needs: [tests]\n    run: mdbook test\n    when: { changed: [\"app/**\"] }\n";
    let config = parse(file).unwrap();
    assert_eq!(gate(&config, "tests").image, "rust:1.95");
    assert_eq!(gate(&config, "docs").when.changed, ["app/**"]);
}

#[test]
fn true_and_false_are_commands() {
    let config = parse("image: a\ngates:\n  good: { run: true }\n  bad: { run: false }\n").unwrap();
    assert_eq!((gate(&config, "good").run.as_deref().unwrap(), gate(&config, "bad").run.as_deref().unwrap()), ("true", "false"));
}

#[test]
fn a_byte_order_mark_windows_lines_and_a_document_start_are_taken() {
    let config = parse("\u{feff}---\r\nimage: a\r\ngates:\r\n  t:\r\n    run: x\r\n").unwrap();
    assert_eq!(gate(&config, "t").run.as_deref(), Some("x"));
}

#[test]
fn an_alias_stands_for_a_whole_value() {
    let file = "image: a\ngates:\n  a: { run: x, when: &code { changed: [\"app/**\"] } }\n  b: { run: y, when: *code }\n";
    let config = parse(file).unwrap();
    assert_eq!(gate(&config, "a").when, gate(&config, "b").when);
}

#[test]
fn aliases_of_aliases_cannot_grow_without_bound() {
    let mut file = "image: a\nx0: &x0 [a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..30 {
        let aliases = vec![format!("*x{}", level - 1); 9].join(", ");
        writeln!(file, "x{level}: &x{level} [{aliases}]").unwrap();
    }
    let problems = parse(&file).unwrap_err();
    assert!(problems.iter().any(|p| p.message.contains("aliases of this file stand for far more")), "{problems:?}");
}

#[test]
fn a_long_text_behind_many_aliases_is_not_copied_without_bound() {
    let text = "x".repeat(100_000);
    let aliases = vec!["*t"; 2000].join(", ");
    let file = format!("image: a\ngates:\n  a: {{ run: &t {text}, needs: [{aliases}] }}\n");
    assert!(parse(&file).is_err());
}

#[test]
fn an_alias_of_what_it_is_a_part_of_is_refused() {
    assert!(parse("image: a\ngates: &g { t: *g }\n").is_err());
}

#[test]
fn deep_nesting_is_refused_with_its_place() {
    for file in [format!("image: {}", "[".repeat(100_000)), format!("image: {}", "{a: ".repeat(50_000))] {
        let problems = parse(&file).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.starts_with("more than 16 mappings and lists"), "{problems:?}");
    }
    let block: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(parse(&block).unwrap_err()[0].message.starts_with("more than 16"));
}

#[test]
fn a_file_that_is_too_large_is_not_even_looked_at() {
    let problems = parse(&"#".repeat(BYTES_MAX + 1)).unwrap_err();
    assert_eq!(problems[0].to_string(), "1:1: the file has 262145 bytes; it may have 262144");
}

#[test]
fn more_gates_than_the_limit_are_refused_at_the_first_beyond_it() {
    let file =
        |gates: usize| (0..gates).fold("image: a\ngates:\n".to_owned(), |file, n| file + &format!("  g{n}: {{ run: x }}\n"));
    assert_eq!(parse(&file(GATES_MAX)).unwrap().gates.len(), GATES_MAX);
    let problems = parse(&file(GATES_MAX + 1)).unwrap_err();
    assert_eq!(problems[0].to_string(), "103:3: 101 gates; a file may have 100");
}

#[test]
fn at_most_fifty_problems_are_named() {
    let file = (0..200).fold(String::new(), |file, n| file + &format!("unknown{n}: x\n"));
    assert_eq!(parse(&file).unwrap_err().len(), 50);
}

#[test]
fn thousands_of_needs_that_do_not_exist_are_no_labour() {
    let needs = |gate: usize| (0..90).map(|n| format!("missing-{gate}-{n}")).collect::<Vec<_>>().join(", ");
    let gate = |n: usize| format!("  {n:060}: {{ run: x, needs: [{}] }}\n", needs(n));
    let file = (0..GATES_MAX).fold("image: a\ngates:\n".to_owned(), |file, n| file + &gate(n));
    assert_eq!(parse(&file).unwrap_err().len(), 50);
}

#[test]
fn columns_count_characters() {
    let problems = parse("image: a\ngates:\n  t: { run: \"äöü\", junitt: x }\n").unwrap_err();
    assert_eq!((problems[0].line, problems[0].column), (3, 20));
}

#[test]
fn a_gate_that_counts_what_others_cover_needs_no_command_and_what_it_counts_is_marked() {
    let file = "image: a\ngates:\n  unit: { run: x, coverage: u.info }\n  more: { run: y, coverage: m.info }\n  all:\n    needs: [unit, more]\n    \
                coverage: { of: [unit, more] }\n    require: { lines: 80 }\n";
    let config = parse(file).unwrap();
    let marked: Vec<bool> = config.gates.iter().map(|gate| gate.coverage_counted).collect();
    assert_eq!(marked, [true, true, false]);
    let all = gate(&config, "all");
    assert_eq!((all.run.as_deref(), all.coverage.len(), &all.coverage_of), (None, 0, &all.needs));
    assert_eq!(config.with_counted(std::slice::from_ref(&all.name)), [&all.name, &all.needs[0], &all.needs[1]].map(Clone::clone));
}
