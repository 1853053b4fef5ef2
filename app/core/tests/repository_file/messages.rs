//! What a wrong file is told: all of it, where it is, and what to do.

use gatewright_core::config::parse;
use insta::assert_snapshot;

/// The problems of a file as a person sees them.
fn told(text: &str) -> String {
    match parse(text) {
        Ok(config) => format!("no problem in {config:?}"),
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

#[test]
fn an_empty_file_is_told_what_it_needs() {
    let file = "";
    assert_snapshot!(told(file), @"1:1: the file is empty; it needs `gates`, with at least one gate");
}

#[test]
fn a_file_of_comments_is_empty() {
    let file = "# nothing yet\n";
    assert_snapshot!(told(file), @"1:1: the file is empty; it needs `gates`, with at least one gate");
}

#[test]
fn a_tab_is_named() {
    let file = "image: a\ngates:\n\tt:\n\t\trun: x\n";
    assert_snapshot!(told(file), @"3:2: a tab cannot indent in YAML; use spaces");
}

#[test]
fn a_text_that_is_not_yaml_says_where() {
    let file = "image: a\ngates:\n  t:\n    run: \"x\n";
    assert_snapshot!(told(file), @"5:1: not valid YAML: invalid indentation in multiline quoted scalar");
}

#[test]
fn a_second_document_is_refused() {
    let file = "image: a\ngates: { t: { run: x } }\n---\nimage: b\n";
    assert_snapshot!(told(file), @"3:1: a second document begins here; the file is one document, so remove this `---`");
}

#[test]
fn a_list_is_no_file() {
    let file = "- image: a\n";
    assert_snapshot!(told(file), @"1:1: the file is a mapping that takes `image`, `env`, `gates`, `releases`, `environments`, `agents`, `roles` and `commands`; found a list");
}

#[test]
fn a_misspelt_key_gets_the_nearest() {
    let file = "image: a\ngates:\n  t:\n    run: x\n    junitt: out.xml\n";
    assert_snapshot!(told(file), @"5:5: unknown key `junitt`; did you mean `junit`?");
}

#[test]
fn a_key_near_to_nothing_gets_the_list() {
    let file = "image: a\nvolumes: [x]\ngates: { t: { run: x } }\n";
    assert_snapshot!(told(file), @"2:1: unknown key `volumes`; the file takes `image`, `env`, `gates`, `releases`, `environments`, `agents`, `roles` and `commands`");
}

#[test]
fn all_problems_are_named_at_once_in_the_order_of_the_file() {
    let file = "imag: a\ngates:\n  a:\n    rum: x\n    network: \"yes\"\n  b:\n    run: [x]\n    timeout: soon\n    needs: [c]\n";
    assert_snapshot!(told(file), @"
    1:1: unknown key `imag`; did you mean `image`?
    4:5: unknown key `rum`; did you mean `run`?
    5:14: expected `true` or `false`, found the text `yes`
    7:10: expected a command, found a list
    8:14: expected a time such as `90s`, `10m` or `1h30m`, or a number of seconds, found the text `soon`
    9:13: `needs` names the gate `c`, which does not exist; the only other gate is `a`
    ");
}

#[test]
fn keys_of_later_versions_are_refused_and_never_ignored() {
    let file = "image: a\ngates:\n  cover:\n    run: x\n    matrix: { a: [1] }\n    services: [db]\n  docs:\n    when: { changed: [\"app/**\"] }\n    require: { touched: [\"docs/**\"] }\n";
    assert_snapshot!(told(file), @"
    5:5: `matrix` is not supported by this version of Gatewright
    6:5: `services` is not supported by this version of Gatewright
    ");
}

#[test]
fn what_is_asked_of_a_change_is_told_where_it_is_wrong() {
    let file = "gates:\n  a:\n    require:\n      touchd: docs/**\n      changelog: false\n      title: free\n      commits: [signed, signed-off, signed-off]\n      types: [feat!]\n      size-at-most: { except: gen/** }\n      forbidden: { add: x }\n      links: []\n      reviewers: [{ from: core, count: 50 }]\n      dependencies: { new-at-most: few, sources: \"a b\", licences: { denied: x } }\n  b:\n    require: { size-at-most: { line: 5 } }\n  c:\n    junit: j.xml\n    require: { touched: a }\n";
    assert_snapshot!(told(file), @r"
    4:7: unknown key `touchd`; did you mean `touched`?
    5:18: expected `true` (for `CHANGELOG.md`) or a glob of paths; leave the key away if it is not wanted
    6:14: expected `conventional`, found the text `free`
    7:17: unknown rule of commits `signed`; there are `conventional` and `signed-off`
    7:37: `signed-off` is there twice
    8:15: `feat!` cannot be a type of change: letters, digits and `-`
    9:21: `size-at-most` limits nothing; it needs `files`, `lines` or `file-bytes`
    10:18: `forbidden` forbids nothing; it needs `added`, `changed` or `removed`
    10:20: unknown key `add`; `forbidden` takes `added`, `changed` and `removed`
    11:14: expected a glob of paths, or a list of them, found an empty list
    12:27: `core` is nobody; a user is written `@name`, a team `@org/team`
    12:40: expected a whole number from 1 to 20, found the number `50`
    13:36: expected a whole number from 0 to 1000000000000, found the text `few`
    13:50: `a b` cannot be looked for: letters, digits, `-_./:@+`, `*` and `?`
    13:69: unknown key `denied`; `licences` takes `allow` and `deny`
    15:32: unknown key `line`; did you mean `lines`?
    16:3: the gate `c` has no `image`, and neither has the file; one of them needs it
    16:3: the gate `c` has no `run`; it needs a command
    ");
}

#[test]
fn what_coverage_is_required_is_a_percentage_and_needs_a_report() {
    let file = "image: a\ngates:\n  a: { run: x, coverage: l.info, require: { lines: 80, branches: 87.5, changed-lines: 100 } }\n  b: { run: x, coverage: l.info, require: { lines: 101, branches: 1.234, changed-lines: most } }\n  c: { run: x, require: { line: -1, lines: 80 } }\n";
    assert_snapshot!(told(file), @"
    4:52: expected a percentage: a number from 0 to 100 with at most two decimals, such as `80` or `87.5`, found the number `101`
    4:67: expected a percentage: a number from 0 to 100 with at most two decimals, such as `80` or `87.5`, found the number `1.234`
    4:89: expected a percentage: a number from 0 to 100 with at most two decimals, such as `80` or `87.5`, found the text `most`
    5:25: `require` asks for coverage, and the gate has no `coverage`; name its report files there
    5:27: unknown key `line`; did you mean `lines`?
    ");
}

#[test]
fn limits_of_findings_are_numbers_and_need_a_report() {
    let file = "image: a\ngates:\n  a: { run: x, sarif: o.sarif, require: { new: { error: 0, high: 3 }, total: { note: 1000000 } } }\n  b: { run: x, findings: o.json, require: { new: { error: -1, warning: 1.5, note: none }, total: {} } }\n  c: { run: x, code-scanning: true, require: { new: { eror: 0 } } }\n  d: { run: x, sarif: o.sarif, require: { new: 0 } }\n";
    assert_snapshot!(told(file), @"
    4:59: expected a whole number from 0 to 1000000, found the number `-1`
    4:72: expected a whole number from 0 to 1000000, found the number `1.5`
    4:83: expected a whole number from 0 to 1000000, found the text `none`
    4:98: it limits nothing; write for example `error: 0`
    5:31: `code-scanning` uploads findings, and the gate has no `sarif`; name its report files there
    5:46: `require` asks for findings, and the gate has no `sarif`; name its report files there
    5:55: unknown key `eror`; did you mean `error`?
    6:48: a limit of findings is a mapping that takes `error`, `warning`, `note`, `critical`, `high`, `medium` and `low`; found the number `0`
    ");
}

#[test]
fn what_is_said_of_benchmarks_needs_a_report_and_rounds_need_to_be_asked_for() {
    let file = "image: a\ngates:\n  a: { run: x, require: { slower-at-most: 5 }, compare: interleaved }\n  b: { run: x, benchmark: b.json, compare: interleavd, rounds: 5 }\n  c: { run: x, benchmark: b.json, rounds: 20, prepare: make }\n  d: { run: x, benchmark: b.json, compare: interleaved, retries: 2 }\n";
    assert_snapshot!(told(file), @"
    3:25: `require` asks for benchmarks, and the gate has no `benchmark`; name its report files there
    3:57: `compare` is for benchmarks, and the gate has no `benchmark`; name its report files there
    4:44: expected one of `history` and `interleaved`, found the text `interleavd`; did you mean `interleaved`?
    4:64: expected a whole number from 6 to 60, found the number `5`
    5:43: `rounds` is for rounds of base and head; write `compare: interleaved` for them
    5:56: `prepare` is for rounds of base and head; write `compare: interleaved` for them
    6:66: `retries` is not for `compare: interleaved`: to measure again until it passes would hide what is looked for; ask for more `rounds`
    ");
}

#[test]
fn a_key_written_twice_is_refused() {
    let file = "image: a\ngates:\n  t:\n    run: x\n    run: y\n  t:\n    run: z\n";
    assert_snapshot!(told(file), @"
    5:5: the key `run` is there twice
    6:3: the key `t` is there twice
    ");
}

#[test]
fn wrong_types_are_named_in_the_words_of_yaml() {
    let file = "image: 1.10\nenv: [A]\ngates:\n  t:\n    run: 5\n    image:\n    env: { A: [1], B: }\n    needs: 3\n    when: always\n    timeout: {}\n    junit: { path: x }\n    network: 1\n    required: no\n    checkout: true\n";
    assert_snapshot!(told(file), @r#"
    1:8: expected the name of an image, such as `rust:1.95`, found the number `1.10`; put it in quotes if it is meant so
    2:6: expected a mapping of names to values, found a list
    5:10: expected a command, found the number `5`; put it in quotes if it is meant so
    6:10: expected the name of an image, such as `rust:1.95`, found nothing
    7:15: expected a variable's value, found a list
    7:21: expected a variable's value, found nothing; write `""` for an empty one
    8:12: expected the name of a gate, or a list of them, found the number `3`; put it in quotes if it is meant so
    9:11: `when` is a mapping that takes `changed`, `paths`, `branches` and `events`; found the text `always`
    10:14: expected a time such as `90s`, `10m` or `1h30m`, or a number of seconds, found a mapping
    11:12: expected a path or glob of report files, or a list of them, found a mapping
    12:14: expected `true` or `false`, found the number `1`
    13:15: expected `true` or `false`, found the text `no`
    14:15: `checkout` is a mapping that takes `submodules` and `lfs`; found the boolean `true`
    "#);
}

#[test]
fn gates_are_a_mapping() {
    let file = "image: a\ngates: [t]\n";
    assert_snapshot!(told(file), @"2:8: expected a mapping of gates by their names, found a list");
}

#[test]
fn a_file_without_gates_says_so() {
    let file = "image: a\n";
    assert_snapshot!(told(file), @"1:1: `gates` is missing; the file needs at least one gate");
}

#[test]
fn gates_without_a_gate_say_so() {
    let file = "image: a\ngates: {}\n";
    assert_snapshot!(told(file), @"2:8: `gates` has no gate in it; the file needs at least one");
}

#[test]
fn a_gate_without_run_or_image_is_told_both() {
    let file = "gates:\n  t:\n    network: true\n";
    assert_snapshot!(told(file), @"
    2:3: the gate `t` has no `image`, and neither has the file; one of them needs it
    2:3: the gate `t` has no `run`; it needs a command
    ");
}

#[test]
fn an_empty_gate_is_told_what_it_needs() {
    let file = "image: a\ngates:\n  t:\n";
    assert_snapshot!(told(file), @"3:3: the gate `t` is empty; it needs `run`");
}

#[test]
fn a_gate_name_must_keep_to_its_rule() {
    let file = "image: a\ngates:\n  \"unit tests\": { run: x }\n  -x: { run: x }\n";
    assert_snapshot!(told(file), @"
    3:3: `unit tests` cannot be a gate's name: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    4:3: `-x` cannot be a gate's name: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    ");
}

#[test]
fn a_need_that_does_not_exist_gets_the_nearest() {
    let file = "image: a\ngates:\n  tests: { run: x }\n  lint: { run: x, needs: [tets] }\n  pack:\n    run: x\n    needs: [tests, everything]\n";
    assert_snapshot!(told(file), @"
    4:27: `needs` names the gate `tets`, which does not exist; did you mean `tests`?
    7:20: `needs` names the gate `everything`, which does not exist; the other gates are `tests` and `lint`
    ");
}

#[test]
fn a_gate_that_needs_itself_is_named() {
    let file = "image: a\ngates:\n  t: { run: x, needs: t }\n";
    assert_snapshot!(told(file), @"3:23: the gate `t` needs itself");
}

#[test]
fn a_circle_is_named_at_the_line_of_the_need() {
    let file = "image: a\ngates:\n  a:\n    run: x\n    needs: [b]\n  b:\n    run: x\n    needs: [c]\n  c:\n    run: x\n    needs: [a]\n";
    assert_snapshot!(told(file), @"11:13: these gates wait for each other: a -> b -> c -> a");
}

#[test]
fn a_need_twice_is_named() {
    let file = "image: a\ngates:\n  a: { run: x }\n  b: { run: x, needs: [a, a] }\n";
    assert_snapshot!(told(file), @"4:27: `needs` names the gate `a` twice");
}

#[test]
fn times_out_of_bounds_are_named() {
    let file = "image: a\ngates:\n  a: { run: x, timeout: 0 }\n  b: { run: x, timeout: 25h }\n  c: { run: x, timeout: 1.5s }\n  d: { run: x, timeout: -5 }\n  e: { run: x, timeout: 1 fortnight }\n";
    assert_snapshot!(told(file), @"
    3:25: `0` is not possible: this takes whole seconds, 1 s to 24 h
    4:25: `25h` is not possible: this takes whole seconds, 1 s to 24 h
    5:25: `1.5s` is not possible: this takes whole seconds, 1 s to 24 h
    6:25: `-5` is not possible: this takes whole seconds, 1 s to 24 h
    7:25: expected a time such as `90s`, `10m` or `1h30m`, or a number of seconds, found the text `1 fortnight`
    ");
}

#[test]
fn paths_that_lead_out_of_the_source_are_refused() {
    let file = "image: a\ngates:\n  a: { run: x, junit: /tmp/out.xml }\n  b: { run: x, junit: [a/../../out.xml, \"\"] }\n  c: { run: x, junit: \"out/[.xml\" }\n  d: { run: x, when: { changed: [\"!/etc\", \"a/{b\"] } }\n";
    assert_snapshot!(told(file), @"
    3:23: `/tmp/out.xml` cannot be a path or glob of report files: paths are relative to the root of the source
    4:24: `a/../../out.xml` cannot be a path or glob of report files: `..` leads out of the source
    4:41: expected a path or glob of report files, found an empty text
    5:23: `out/[.xml` cannot be a path or glob of report files: unclosed character class; missing ']'
    6:34: `!/etc` cannot be a glob of paths: paths are relative to the root of the source
    6:43: `a/{b` cannot be a glob of paths: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    ");
}

#[test]
fn branches_take_no_refs_and_no_not() {
    let file = "image: a\ngates:\n  a: { run: x, when: { branches: [\"!main\", refs/heads/main] } }\n";
    assert_snapshot!(told(file), @"
    3:35: `!main` cannot be a glob of branches: `!` is not possible here; name the branches that are wanted
    3:44: `refs/heads/main` cannot be a glob of branches: write the branch without `refs/heads/`
    ");
}

#[test]
fn an_unknown_event_gets_the_nearest() {
    let file = "image: a\ngates:\n  a: { run: x, when: { events: [merge_request, pull-request, push, push, tagged] } }\n";
    assert_snapshot!(told(file), @"
    3:33: unknown event `merge_request`; the events are `pull_request`, `merge_group` and `push`
    3:48: unknown event `pull-request`; did you mean `pull_request`?
    3:68: the event `push` is there twice
    3:74: unknown event `tagged`; the events are `pull_request`, `merge_group` and `push`
    ");
}

#[test]
fn changed_and_paths_are_one_thing() {
    let file = "image: a\ngates:\n  a: { run: x, when: { changed: a, paths: b } }\n";
    assert_snapshot!(told(file), @"3:43: `paths` is another name of `changed`; write one of them");
}

#[test]
fn images_that_could_be_options_are_refused() {
    let file = "image: --privileged\ngates:\n  a: { run: x, image: \"a b\" }\n";
    assert_snapshot!(told(file), @"
    1:8: `--privileged` cannot be the name of an image: it begins with `-`
    3:23: `a b` cannot be the name of an image: it holds white space or control characters
    ");
}

#[test]
fn names_of_variables_keep_to_their_rule() {
    let file = "image: a\nenv: { GATEWRIGHT_TOKEN: x, 1A: y, \"A-B\": z }\ngates:\n  a: { run: x }\n";
    assert_snapshot!(told(file), @"
    2:8: `GATEWRIGHT_TOKEN` cannot be a variable's name: names that begin with `GATEWRIGHT` are reserved
    2:29: `1A` cannot be a variable's name: letters, digits and `_`, not beginning with a digit
    2:36: `A-B` cannot be a variable's name: letters, digits and `_`, not beginning with a digit
    ");
}

#[test]
fn tags_merge_keys_and_directives_are_refused() {
    let file = "image: !secret a\ngates: { t: { run: x } }\n";
    assert_snapshot!(told(file), @"1:8: tags (`!name`) are not supported; remove it");
    let file = "image: a\ngates:\n  a: &a { run: x }\n  b: { <<: *a }\n";
    assert_snapshot!(told(file), @"4:8: merge keys (`<<`) are not supported; an alias of a whole value is");
    let file = "%YAML 1.2\n---\nimage: a\n";
    assert_snapshot!(told(file), @"1:1: directives (`%...`) are not supported; remove this line");
}

#[test]
fn unknown_aliases_are_named() {
    let file = "image: *base\n";
    assert_snapshot!(told(file), @"1:8: this alias (`*name`) has no anchor (`&name`) before it");
}

#[test]
fn commands_are_told_what_is_wrong_with_them() {
    let file = "image: a
gates: { t: { run: x } }
commands:
  aprove: { who: write }
  do: { who: maintain }
  skip: { who: [maintian, read] }
  rerun: {}
";
    assert_snapshot!(told(file), @"
    4:3: unknown command `aprove`; did you mean `approve`?
    6:17: unknown role `maintian`; did you mean `maintain`?
    6:27: `skip` cannot be given to `read`: on a public repository that is everybody
    7:3: the command `rerun` has no `who`; it needs a role, a user or a team
    ");
}

#[test]
fn a_gate_that_counts_what_others_cover_names_gates_that_it_needs_and_that_cover_something() {
    let file = "image: a\ngates:\n  unit: { run: x, coverage: u.info }\n  lint: { run: x }\n  t:\n    needs: [lint]\n    coverage: { of: [unti, unit, lint, t] }\n  \
                own: { coverage: { of: unit, reports: a.info }, needs: unit }\n  none: { run: x, coverage: { reports: a.info } }\n";
    assert_snapshot!(told(file), @"
    7:22: `of` names the gate `unti`, which does not exist; did you mean `unit`?
    7:28: `of` names the gate `unit`, which is not in `needs`; its coverage has to be there first
    7:34: `of` names the gate `lint`, which has no `coverage`; name its report files there
    7:40: the gate `t` counts itself; its own files are named by `reports`
    8:3: the gate `own` has no `run`; it needs a command
    9:29: `coverage` has no `of`, the gates whose coverage counts; report files alone stand in `coverage` itself
    ");
}
