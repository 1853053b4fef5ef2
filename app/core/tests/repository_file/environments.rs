//! What wrong releases and environments are told.

use gatewright_core::config::parse;
use insta::assert_snapshot;

const GATES: &str = "image: a\ngates: { tests: { run: x }, coverage: { run: x } }\n";

/// The problems of a file as a person sees them. The file's own lines begin with the third.
fn told(rest: &str) -> String {
    match parse(&format!("{GATES}{rest}")) {
        Ok(config) => format!("no problem in {config:?}"),
        Err(problems) => problems.iter().map(|problem| format!("{problem}\n")).collect(),
    }
}

/// The same of a file with these environments. They begin with line 5.
fn of(environments: &str) -> String {
    told(&format!("releases: {{ on: {{ tag: v* }} }}\nenvironments:\n{environments}"))
}

/// The same of an environment with this, from line 7 on.
fn of_one(rest: &str) -> String {
    of(&format!("  e:\n    target: {{ docker: {{ service: shop, image: shop }} }}\n{rest}"))
}

#[test]
fn releases_need_tags() {
    assert_snapshot!(told("releases: {}\n"), @r#"3:11: `releases` has no `on`; it needs tags, such as `on: { tag: "v*" }`"#);
    assert_snapshot!(told("releases: v*\n"), @"3:11: `releases` is a mapping that takes `on`, `require`, `notes`, `signed`, `artefacts` and `changelog`; found the text `v*`");
    assert_snapshot!(told("releases: { on: { tags: v* } }\n"), @"3:19: unknown key `tags`; did you mean `tag`?");
    assert_snapshot!(told("releases: { on: {} }\n"), @r#"3:17: `on` has no `tag`; it needs a glob of tags, such as `tag: "v*"`"#);
    assert_snapshot!(told("releases: { no: { tag: v* } }\n"), @"3:13: unknown key `no`; did you mean `on`?");
    assert_snapshot!(told("releases:\n  on: { tag: [] }\n"), @"4:14: expected a glob of tags, or a list of them, found an empty list");
    assert_snapshot!(told("releases:\n  on: { tag: ['!v*', refs/tags/v1, 'v[', 1.0] }\n"), @"
    4:15: `!v*` cannot be a glob of tags: `!` is not possible here; name the tags that are wanted
    4:22: `refs/tags/v1` cannot be a glob of tags: write the tag without `refs/tags/`
    4:36: `v[` cannot be a glob of tags: unclosed character class; missing ']'
    4:42: expected a glob of tags, found the number `1.0`; put it in quotes if it is meant so
    ");
}

#[test]
fn gates_of_a_release_are_gates_of_the_file() {
    assert_snapshot!(told("releases:\n  on: { tag: v* }\n  require: [test, linting, tests, tests, 'a b']\n"), @"
    5:13: `require` names the gate `test`, which does not exist; did you mean `tests`?
    5:19: `require` names the gate `linting`, which does not exist; there are `tests` and `coverage`
    5:35: `require` names the gate `tests` twice
    5:42: `a b` cannot be a gate's name: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    ");
}

#[test]
fn what_else_is_wrong_about_releases_is_named() {
    let file = "releases:\n  on: { tag: v* }\n  notes: none\n  signed: tags\n  artefacts: 'dist/*'\n  changelog: docs/*.md\n  artifacts: x\n";
    assert_snapshot!(told(file), @"
    6:11: expected one of `tag`, `commit` and `either`, found the text `tags`; did you mean `tag`?
    7:14: `artefacts` are files that gates keep, and no gate has `outputs`; name the files there
    8:14: `changelog` is for notes, and there are none with `notes: none`; write one of them
    8:14: `docs/*.md` cannot be the path of a file: a file is named without wildcards
    9:3: unknown key `artifacts`; did you mean `artefacts`?
    ");
    assert_snapshot!(told("releases: { on: { tag: v* }, changelog: ../x, notes: [conventional] }\n"), @"
    3:41: `../x` cannot be the path of a file: `..` leads out of the source
    3:54: expected one of `conventional` and `none`, found a list
    ");
}

#[test]
fn environments_need_releases_and_be_some() {
    assert_snapshot!(told("environments: { e: { target: { exec: { service: a } } } }\n"), @"3:15: `environments` are where releases go; the file needs `releases`, to say what one is");
    assert_snapshot!(of("  {}\n"), @"5:3: `environments` has no environment in it; leave the key away if releases go nowhere");
    assert_snapshot!(told("releases: { on: { tag: v* } }\nenvironments: [production]\n"), @"4:15: expected a mapping of environments by their names, found a list");
    assert_snapshot!(of("  a b: {}\n  c:\n"), @"
    5:3: `a b` cannot be an environment's name: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    6:4: an environment is a mapping that takes `target`, `strategy`, `url`, `after`, `soak`, `approvals`, `windows`, `busy`, `start`, `deadline`, `prereleases`, `analysis`, `hooks` and `drift`; found nothing
    ");
}

#[test]
fn more_environments_than_the_limit_are_refused_at_the_first_beyond_it() {
    let file: String = (0..21).map(|n| format!("  e{n}: {{ target: {{ exec: {{ service: a }} }} }}\n")).collect();
    assert_snapshot!(of(&file), @"25:3: 21 environments; a file may have 20");
}

#[test]
fn environments_come_after_ones_that_exist_and_not_in_a_circle() {
    let target = "target: { exec: { service: a } }";
    let file = format!(
        "  a: {{ {target}, after: [b, stagin] }}\n  b: {{ {target}, after: c }}\n  c: {{ {target}, after: [a, c] }}\n  staging: {{ {target}, \
         after: [stagin, stagin2, 'x y', a, a] }}\n"
    );
    assert_snapshot!(of(&file), @"
    5:53: `after` names the environment `stagin`, which does not exist; did you mean `staging`?
    7:50: these environments wait for each other: a -> b -> c -> a
    7:53: the environment `c` comes after itself
    8:56: `after` names the environment `stagin`, which does not exist; the other environments are `a`, `b` and `c`
    8:64: `after` names the environment `stagin2`, which does not exist; the other environments are `a`, `b` and `c`
    8:73: `x y` cannot be an environment's name: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    8:83: `after` names the environment `a` twice
    ");
}

#[test]
fn an_environment_needs_a_target_or_one_before_that_has() {
    assert_snapshot!(of("  e: { strategy: canary }\n"), @"5:3: the environment `e` has no `target`; it needs one with `docker` or `exec`");
    assert_snapshot!(of("  e: { targt: {} }\n"), @"5:8: unknown key `targt`; did you mean `target`?");
    assert_snapshot!(
        of("  a: { target: { exec: { service: a } } }\n  b: { target: { exec: { service: b } } }\n  c: { after: [a, b] }\n"), @"7:3: the environment `c` has no `target`, and those that it comes after have different ones; write its own"
    );
    assert_snapshot!(of("  a: { after: b }\n  b: { after: a }\n"), @"6:15: these environments wait for each other: a -> b -> a");
    assert_snapshot!(of("  a: { after: nowhere }\n"), @"5:15: `after` names the environment `nowhere`, which does not exist; there is no other environment");
    assert_snapshot!(of("  a: { target: { exec: {} } }\n  b: { after: a }\n"), @"5:24: `exec` has no `service`; it needs the name that the server file knows it by");
}

#[test]
fn a_target_is_of_one_kind() {
    assert_snapshot!(of("  e: { target: { docker: { service: a, image: b }, exec: { service: a } } }\n"), @"5:16: `target` takes exactly one of `docker` and `exec`");
    assert_snapshot!(of("  e: { target: {} }\n"), @"5:16: `target` takes exactly one of `docker` and `exec`");
    assert_snapshot!(of("  e: { target: { dockr: { service: a } } }\n"), @"5:18: unknown key `dockr`; did you mean `docker`?");
    assert_snapshot!(of("  e: { target: { kubernetes: {} } }\n"), @"5:18: `kubernetes` is not supported by this version of Gatewright");
    assert_snapshot!(of("  e: { target: docker }\n"), @"5:16: `target` is a mapping that takes `docker` and `exec`; found the text `docker`");
}

#[test]
fn containers_are_told_what_they_lack_and_what_is_wrong() {
    assert_snapshot!(of("  e: { target: { docker: {} } }\n"), @"
    5:26: `docker` has no `image`; it needs one, such as `ghcr.io/acme/shop:{{ version }}`
    5:26: `docker` has no `service`; it needs the name that the server file knows it by
    ");
    let file = r#"  e:
    target:
      docker:
        service: my shop
        image: "shop :{{ version }}"
        command: serve --port 80
        replicas: 0
        port: 65536
        health: { path: healthz, every: 0, timeout: 10m, ready-within: soon, interval: 2s }
        env: { 1A: x, GATEWRIGHT_X: y, S: { secrt: a }, T: { secret: "a b" }, U: [x], V: }
        memory-mib: 5
        cpus: 0.0001
        stop: 2h
        volumes: [x]
"#;
    assert_snapshot!(of(file), @r#"
    8:18: `my shop` cannot be the name of a service: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    9:16: `shop :{{ version }}` cannot be the name of an image: it holds white space or control characters
    10:18: expected a list of words, such as `["serve", "--port=8080"]` or `["sh", "-c", "..."]`, found the text `serve --port 80`
    11:19: expected a whole number from 1 to 100, found the number `0`
    12:15: expected a whole number from 1 to 65535, found the number `65536`
    13:25: `healthz` is no path; it begins with `/` and holds no white space
    13:41: `0` is not possible: this takes whole seconds, 1 s to 5 min
    13:53: `10m` is not possible: this takes whole seconds, 1 s to 5 min
    13:72: expected a time such as `90s`, `10m` or `1h30m`, or a number of seconds, found the text `soon`
    13:78: unknown key `interval`; `health` takes `path`, `every`, `timeout` and `ready-within`
    14:16: `1A` cannot be a variable's name: letters, digits and `_`, not beginning with a digit
    14:23: `GATEWRIGHT_X` cannot be a variable's name: names that begin with `GATEWRIGHT` are reserved
    14:45: unknown key `secrt`; did you mean `secret`?
    14:70: `a b` cannot be the name of a secret: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    14:82: expected a variable's value, found a list
    14:88: expected a variable's value, found nothing; write `""` for an empty one
    15:21: expected a whole number from 6 to 1048576, found the number `5`
    16:15: expected a number of processors from 0.01 to 1024 with at most three decimals, such as `0.5`, found the number `0.0001`
    17:15: `2h` is not possible: this takes whole seconds, 1 s to 1 h
    18:9: unknown key `volumes`; `docker` takes `service`, `image`, `command`, `replicas`, `port`, `health`, `env`, `memory-mib`, `cpus` and `stop`
    "#);
}

#[test]
fn commands_of_an_operator_are_told_what_they_lack_and_what_is_wrong() {
    assert_snapshot!(of("  e: { target: { exec: { with: { 'a b': x, c: { d: e }, f: '{{ x }}' }, replicas: 101 } } }\n"), @"
    5:24: `exec` has no `service`; it needs the name that the server file knows it by
    5:34: `a b` cannot be a name here: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    5:47: expected a variable's value, found a mapping
    5:60: unknown name `x` between `{{` and `}}`; there are `version`, `tag`, `commit` and `environment`
    5:83: expected a whole number from 1 to 100, found the number `101`
    ");
}

#[test]
fn templates_hold_four_names_and_nothing_else() {
    let file = r#"  e:
    url: "https://{{ host }}/"
    target:
      docker:
        service: shop
        image: "shop:{{ verison }}"
        command: ["{{ version | upper }}", "{{ version"]
        env: { A: "{{}}", B: "{{`x\n`}}" }
"#;
    assert_snapshot!(of(file), @"
    6:10: unknown name `host` between `{{` and `}}`; there are `version`, `tag`, `commit` and `environment`
    10:16: unknown name `verison` between `{{` and `}}`; did you mean `version`?
    11:19: unknown name `version | upper` between `{{` and `}}`; there are `version`, `tag`, `commit` and `environment`
    11:44: `{{` has no `}}` behind it; it begins what is filled in, such as `{{ version }}`
    12:19: unknown name `` between `{{` and `}}`; there are `version`, `tag`, `commit` and `environment`
    12:30: unknown name `�x��` between `{{` and `}}`; there are `version`, `tag`, `commit` and `environment`
    ");
}

#[test]
fn waiting_is_bounded_and_possible() {
    assert_snapshot!(of_one("    soak: 1h\n    deadline: 30s\n"), @"
    7:11: `soak` is time in the environments before, and there is no `after` to name them
    8:15: `30s` is not possible: this takes whole seconds, 1 min to 30 d
    ");
    let file = "  a: { target: { exec: { service: a } } }\n  b: { after: a, soak: 2d, deadline: 1d }\n  c: { after: a, soak: 8d }\n  d: { after: a, soak: 31d }\n";
    assert_snapshot!(of(file), @"
    6:24: a release waits for `soak` until after its `deadline` (`7d` if not written), so none would ever come here
    7:24: a release waits for `soak` until after its `deadline` (`7d` if not written), so none would ever come here
    8:24: `31d` is not possible: this takes whole seconds, 1 s to 30 d
    ");
}

#[test]
fn approvals_are_possible() {
    assert_snapshot!(of_one("    approvals: 21\n"), @"7:16: expected a whole number from 0 to 20, found the number `21`");
    assert_snapshot!(of_one("    approvals: two\n"), @"7:16: expected a number of people, or a mapping with `count`, `who` and `author`; found the text `two`");
    assert_snapshot!(of_one("    approvals: { count: 0, who: [read, maintan, me], authors: false }\n"), @"
    7:25: expected a whole number from 1 to 20, found the number `0`
    7:34: approval cannot be given to `read`: on a public repository that is everybody
    7:40: unknown role `maintan`; did you mean `maintain`?
    7:49: unknown role `me`; the roles are `read`, `write`, `maintain` and `admin`; a user is written `@name`
    7:54: unknown key `authors`; did you mean `author`?
    ");
    assert_snapshot!(of_one("    approvals: { count: 2, who: '@alice', author: no }\n"), @"
    7:33: 2 people have to agree, and `who` names only 1
    7:51: expected `true` or `false`, found the text `no`
    ");
}

#[test]
fn windows_open_and_close_where_there_are_clocks() {
    let file = r#"    windows:
      - { days: monday, from: 9, to: "25:00", zone: europe/berlin }
      - { days: [mon-sa, thr], from: "24:00", to: "9:5" }
      - { from: "09:00", to: "09:00", zone: Mars }
      - {}
      - { until: "10:00" }
      - mon
"#;
    assert_snapshot!(of_one(file), @"
    8:17: unknown day `monday`; the days are `mon`, `tue`, `wed`, `thu`, `fri`, `sat` and `sun`
    8:31: expected a time of the day in quotes, such as `09:00`, found the number `9`; put it in quotes if it is meant so
    8:38: expected a time of the day in quotes, such as `16:00` or `24:00`, found the text `25:00`
    8:53: unknown time zone `europe/berlin`; did you mean `Europe/Berlin`?
    9:18: unknown day `sa`; did you mean `sat`?
    9:26: unknown day `thr`; did you mean `thu`?
    9:38: expected a time of the day in quotes, such as `09:00`, found the text `24:00`
    9:51: expected a time of the day in quotes, such as `16:00` or `24:00`, found the text `9:5`
    10:30: a window that closes when it opens is never open; for a whole day leave both away
    10:45: unknown time zone `Mars`; write it as the IANA database has it: `Europe/Berlin`, `UTC`
    11:9: a window without anything is always open; write `days`, or `from` and `to`
    12:9: a window without anything is always open; write `days`, or `from` and `to`
    12:11: unknown key `until`; a window takes `days`, `from`, `to` and `zone`
    13:9: a window is a mapping that takes `days`, `from`, `to` and `zone`; found the text `mon`
    ");
    assert_snapshot!(of_one("    windows: []\n"), @"7:14: expected a window with `days`, `from`, `to` and `zone`, or a list of them, found an empty list");
}

#[test]
fn a_strategy_is_one_that_there_is() {
    assert_snapshot!(of_one("    strategy: bluegreen\n"), @"7:15: expected one of `recreate`, `rolling`, `blue-green` and `canary`, found the text `bluegreen`; did you mean `blue-green`?");
    assert_snapshot!(of_one("    strategy: [canary]\n"), @"7:15: expected one of `recreate`, `rolling`, `blue-green` and `canary`, found a list");
    assert_snapshot!(of_one("    strategy: {}\n"), @"7:15: `strategy` takes exactly one of `recreate`, `rolling`, `blue-green` and `canary`");
    assert_snapshot!(of_one("    strategy: { rolling: {}, canary: {} }\n"), @"7:15: `strategy` takes exactly one of `recreate`, `rolling`, `blue-green` and `canary`");
    assert_snapshot!(of_one("    strategy: { rolling: { batch: 0, every: -5, batches: 2 } }\n"), @"
    7:35: expected a whole number from 1 to 100, found the number `0`
    7:45: `-5` is not possible: this takes whole seconds, 0 s to 7 d
    7:49: unknown key `batches`; did you mean `batch`?
    ");
    assert_snapshot!(of_one("    strategy: { blue-green: { preview: true, watch: 8d, keep: later } }\n"), @"
    7:40: expected one of `none` and `manual`, found the boolean `true`
    7:53: `8d` is not possible: this takes whole seconds, 0 s to 7 d
    7:63: expected a time such as `90s`, `10m` or `1h30m`, or a number of seconds, found the text `later`
    ");
    assert_snapshot!(of_one("    strategy: { recreate: { every: 5m } }\n"), @"7:29: unknown key `every`; `recreate` takes nothing");
}

#[test]
fn steps_of_a_canary_ascend_to_everything() {
    assert_snapshot!(of_one("    strategy: { canary: { steps: [5, 50, 25, 100] } }\n"), @"7:42: steps ascend, and 25 % comes after 50 %");
    assert_snapshot!(of_one("    strategy: { canary: { steps: [5, 5, 90] } }\n"), @"7:38: steps ascend, and 5 % comes after 5 %");
    assert_snapshot!(of_one("    strategy: { canary: { steps: [5, 90] } }\n"), @"7:38: the last step is 100 %, so that the new version gets everything in the end; this one is 90 %");
    assert_snapshot!(of_one("    strategy: { canary: { steps: [] } }\n"), @"7:34: expected a list of percentages, such as `[5, 25, 50, 100]`, found an empty list");
    assert_snapshot!(of_one("    strategy: { canary: { steps: 50 } }\n"), @"7:34: expected a list of percentages, such as `[5, 25, 50, 100]`, found the number `50`");
    assert_snapshot!(of_one("    strategy: { canary: { steps: [5.5, { percent: 120 }, { hold: 5m }, { percent: 20, hold: ever }, half, 100] } }\n"), @"
    7:35: expected a whole number from 0 to 100, found the number `5.5`
    7:51: expected a whole number from 0 to 100, found the number `120`
    7:58: the step has no `percent`; it needs a number from 0 to 100
    7:93: expected a time such as `90s`, `10m` or `1h30m`, or a number of seconds, found the text `ever`
    7:101: expected a percentage, or a mapping with `percent` and `hold`; found the text `half`
    ");
    assert_snapshot!(of_one("    strategy: { canary: { every: 0, pin: { header: 'X Canary', cookie: a } } }\n"), @"
    7:34: `0` is not possible: this takes whole seconds, 1 s to 7 d
    7:42: `pin` takes exactly one of `header` and `cookie`
    ");
    assert_snapshot!(of_one("    strategy: { canary: { pin: { header: 'X Canary' } } }\n"), @"7:42: `X Canary` cannot be the name of a header: 1 to 60 letters, digits, `-` or `_`, beginning with a letter");
}

#[test]
fn what_analysis_goes_by_is_within_bounds() {
    let file = r#"    analysis:
      errors: { worse-at-most: 1 }
      latency-p95: { worse-at-most: much }
      max-error-rate: 101
      max-p95-ms: 0.5
      alpha: 50
      warm-up: 2h
      extend-at-most: 2d
      exceeded-in: { windows: 6, requests-at-least: 0 }
      p99: 5
"#;
    assert_snapshot!(of_one(file), @"
    8:32: expected a factor from 1.05 to 100 with at most two decimals, such as `1.5`, found the number `1`
    9:37: expected a factor from 1.05 to 100 with at most two decimals, such as `1.5`, found the text `much`
    10:23: expected a percentage: a number from 0 to 100 with at most two decimals, such as `80` or `87.5`, found the number `101`
    11:19: expected a whole number from 1 to 3600000, found the number `0.5`
    12:14: expected a percentage from 0.01 to 10 with at most two decimals, such as `1`, found the number `50`
    13:16: `2h` is not possible: this takes whole seconds, 0 s to 1 h
    14:23: `2d` is not possible: this takes whole seconds, 0 s to 24 h
    15:20: a limit cannot be exceeded in 6 of 5 windows; `windows` is at most `of`
    15:53: expected a whole number from 1 to 1000000, found the number `0`
    16:7: unknown key `p99`; `analysis` takes `errors`, `latency-p95`, `max-error-rate`, `max-p95-ms`, `exceeded-in`, `alpha`, `warm-up` and `extend-at-most`
    ");
    assert_snapshot!(of_one("    analysis: { errors: {}, latency-p95: {}, exceeded-in: { windows: 1 } }\n"), @"
    7:25: it limits nothing; write for example `worse-at-most: 1.5`, or `none`
    7:42: it limits nothing; write for example `worse-at-most: 1.2`
    7:59: `exceeded-in` is about limits, and there are none; write `max-error-rate` or `max-p95-ms`
    ");
    assert_snapshot!(of_one("    analysis: { errors: off, latency-p95: none }\n"), @"
    7:25: `errors` is a mapping that takes `worse-at-most` and `more-at-most`; found the text `off`
    7:43: `latency-p95` is a mapping that takes `worse-at-most`; found the text `none`
    ");
}

#[test]
fn hooks_have_names_commands_and_images() {
    let file = r#"    hooks:
      before: [{ run: x }, { name: a, run: x }, { name: a }]
      preview: { name: a b, run: "", timeout: 25h, retries: 2 }
      after: []
      during: {}
"#;
    assert_snapshot!(of_one(file), @"
    8:16: the hook has no `name`; its log is found by it
    8:49: the hook has no `run`; it needs a command
    8:57: the environment has two hooks `a`; their logs are found by their names
    9:24: `a b` cannot be the name of a hook: 1 to 60 letters, digits, '-', '_' or '.', not starting with '-' or '.'
    9:34: expected a command, found an empty text
    9:47: `25h` is not possible: this takes whole seconds, 1 s to 24 h
    9:52: unknown key `retries`; a hook takes `name`, `run`, `image`, `env`, `timeout` and `network`
    10:14: expected a hook with `name` and `run`, or a list of them, found an empty list
    11:7: unknown key `during`; `hooks` takes `before`, `preview` and `after`
    ");
    assert_snapshot!(of_one("    hooks: {}\n"), @"7:12: `hooks` has none; it needs `before`, `preview` or `after`");
    let file = "gates: { t: { run: x, image: a } }\nreleases: { on: { tag: v* } }\nenvironments: { e: { target: { exec: { service: a } }, hooks: { before: { name: a, run: x } } } }\n";
    assert_snapshot!(parse(file).unwrap_err()[0], @"3:73: the hook has no `image`, and neither has the file; one of them needs it");
}

#[test]
fn pre_releases_come_by_way_of_the_environments_before() {
    assert_snapshot!(of("  a: { target: { exec: { service: a } } }\n  b: { after: a, prereleases: true }\n"), @"6:15: pre-releases come to `b` and not to `a`, which has to come first; write `prereleases: true` there too");
}

#[test]
fn keys_and_words_get_the_nearest() {
    assert_snapshot!(of_one("    drfit: report\n    busy: waits\n    start: manual\n    drift: ignore\n    prereleases: yes\n    url: shop.example.com\n"), @"
    7:5: unknown key `drfit`; did you mean `drift`?
    8:11: expected one of `wait` and `supersede`, found the text `waits`; did you mean `wait`?
    9:12: expected one of `release` and `command`, found the text `manual`
    10:12: expected one of `report` and `restore`, found the text `ignore`
    11:18: expected `true` or `false`, found the text `yes`
    12:10: `shop.example.com` is no address; write it with `https://` and without white space
    ");
}
