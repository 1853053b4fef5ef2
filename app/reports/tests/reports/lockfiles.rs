//! Lock files. `tests/data/lockfiles` holds what npm 10, pnpm 7, 8 and 9, Yarn 1 and 4, uv and Pipenv wrote for one small
//! project; what is written here follows the documentation of the others.

use gatewright_reports::lockfiles::{Change, LockFormat, Package, difference, format_of, read};
use proptest::prelude::*;

fn good(format: LockFormat, text: &str) -> Vec<Package> {
    read(format, text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// `name version (where it comes from)`, and its licence.
fn listed(format: LockFormat, text: &str) -> Vec<String> {
    let line = |one: &Package| {
        let licence = one.licence.as_deref().map(|licence| format!(", {licence}")).unwrap_or_default();
        format!("{} {} ({}){licence}", one.name, one.version, one.source)
    };
    good(format, text).iter().map(line).collect()
}

fn refused(format: LockFormat, text: &str) -> String {
    read(format, text.as_bytes()).expect_err("it is refused").to_string()
}

/// `name: what has become of it, before -> after`, and `!` where it comes from elsewhere.
fn changes(format: LockFormat, before: &str, after: &str) -> Vec<String> {
    let versions =
        |all: &[Package]| all.iter().map(|one| format!("{} {}", one.version, one.source)).collect::<Vec<_>>().join(", ");
    let line = |one: &Change| {
        let mark = if one.elsewhere { " !" } else { "" };
        format!("{}: {:?}, {} -> {}{mark}", one.name, one.kind, versions(&one.before), versions(&one.after))
    };
    difference(&good(format, before), &good(format, after)).iter().map(line).collect()
}

fn cargo(packages: &[(&str, &str, &str)]) -> String {
    let one = |(name, version, source): &(&str, &str, &str)| {
        let source = if source.is_empty() { String::new() } else { format!("source = \"{source}\"\n") };
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}\n")
    };
    format!("version = 4\n\n{}", packages.iter().map(one).collect::<String>())
}

const CRATES: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn a_file_is_known_by_its_name_in_any_folder() {
    assert_eq!(format_of("web/package-lock.json"), Some(LockFormat::Npm));
    assert_eq!(format_of("requirements-dev.txt"), Some(LockFormat::Requirements));
    assert_eq!(format_of("Cargo.lock"), Some(LockFormat::Cargo));
    assert_eq!(format_of("package.json"), None);
    assert_eq!(format_of("docs/cargo.lock.md"), None);
}

#[test]
fn one_project_is_the_same_in_all_versions_of_npm() {
    let v1 = listed(LockFormat::Npm, include_str!("../data/lockfiles/npm-v1.json"));
    let v2 = listed(LockFormat::Npm, include_str!("../data/lockfiles/npm-v2.json"));
    let v3 = listed(LockFormat::Npm, include_str!("../data/lockfiles/npm-v3.json"));
    assert_eq!(v2, v3);
    let names = |all: &[String]| all.iter().map(|one| one.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>();
    // Version 1 calls a package by the name that it has here, later ones by its own.
    assert_eq!(names(&v1), ["@types/ms", "a", "debug", "lp", "ms", "semver"]);
    insta::assert_snapshot!(v3.join("\n"), @r"
    @types/ms 0.7.31 (the configured registry), MIT
    a  (this repository)
    debug 4.3.4 (the configured registry), MIT
    left-pad 1.3.0 (the configured registry), WTFPL
    ms 2.1.2 (the configured registry), MIT
    semver 5.7.1 (the configured registry), ISC
    ");
}

#[test]
fn addresses_of_npm_tell_registries_repositories_and_files_apart() {
    let text = r#"{"lockfileVersion": 3, "packages": {
        "": {"name": "shop", "license": "MIT"},
        "node_modules/a": {"version": "1.0.0", "resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz", "license": "MIT"},
        "node_modules/a/node_modules/@s/b": {"version": "2.0.0", "resolved": "https://npm.example/api/npm/@s/b/-/b-2.0.0.tgz",
            "license": {"type": "ISC", "url": "x"}},
        "node_modules/c": {"version": "3.0.0", "resolved": "git+ssh://git@github.com/octo/c.git#0123456789abcdef0123456789abcdef01234567"},
        "node_modules/d": {"version": "4.0.0", "resolved": "https://example.com/d.tgz", "license": "SEE LICENSE IN x"},
        "node_modules/alias": {"name": "e", "version": "5.0.0", "resolved": "https://registry.npmjs.org/e/-/e-5.0.0.tgz"},
        "node_modules/own": {"resolved": "packages/own", "link": true},
        "packages/own": {"version": "0.1.0"}
    }}"#;
    insta::assert_snapshot!(listed(LockFormat::Npm, text).join("\n"), @r"
    @s/b 2.0.0 (npm.example/api/npm), ISC
    a 1.0.0 (registry.npmjs.org), MIT
    c 3.0.0 at 0123456789 (git: github.com/octo/c)
    d 4.0.0 (file: example.com/d.tgz), SEE LICENSE IN x
    e 5.0.0 (registry.npmjs.org)
    own  (this repository)
    ");
}

#[test]
fn one_project_is_the_same_in_all_versions_of_pnpm() {
    let by_7 = listed(LockFormat::Pnpm, include_str!("../data/lockfiles/pnpm-by-7.yaml"));
    let by_8 = listed(LockFormat::Pnpm, include_str!("../data/lockfiles/pnpm-by-8.yaml"));
    let v9 = listed(LockFormat::Pnpm, include_str!("../data/lockfiles/pnpm-v9.yaml"));
    assert_eq!(by_7, v9);
    assert_eq!(by_8, v9);
    insta::assert_snapshot!(v9.join("\n"), @r"
    @types/ms 0.7.31 (the configured registry)
    debug 4.3.4 (the configured registry)
    js-tokens 4.0.0 (the configured registry)
    left-pad 1.3.0 (the configured registry)
    loose-envify 1.4.0 (the configured registry)
    ms 2.1.2 (the configured registry)
    react 18.2.0 (the configured registry)
    use-sync-external-store 1.2.0 (the configured registry)
    ");
}

#[test]
fn repositories_and_folders_of_pnpm_are_told_apart() {
    let text = "lockfileVersion: '9.0'\npackages:\n  a@https://codeload.github.com/octo/a/tar.gz/0123456789abcdef:\n    resolution: {tarball: https://codeload.github.com/octo/a/tar.gz/0123456789abcdef}\n    version: 1.2.3\n  b@git+https://example.com/b.git#0123456789abcdef:\n    resolution: {commit: 0123456789abcdef, repo: https://example.com/b.git, type: git}\n    version: 2.0.0\n  c@file:packages/c:\n    resolution: {directory: packages/c, type: directory}\nsnapshots:\n  a@1: {}\n";
    insta::assert_snapshot!(listed(LockFormat::Pnpm, text).join("\n"), @r"
    a 1.2.3 (file: codeload.github.com/octo/a/tar.gz/0123456789abcdef)
    b 2.0.0 at 0123456789 (git: example.com/b)
    c  (this repository)
    ");
}

#[test]
fn yarn_is_read_in_both_of_its_forms() {
    let one = listed(LockFormat::Yarn, include_str!("../data/lockfiles/yarn-1.lock"));
    insta::assert_snapshot!(one.join("\n"), @r"
    @types/ms 0.7.31 (registry.npmjs.org)
    debug 4.3.4 (registry.npmjs.org)
    left-pad 1.3.0 (registry.npmjs.org)
    ms 2.1.2 (registry.npmjs.org)
    semver 5.7.1 (registry.npmjs.org)
    ");
    let four = listed(LockFormat::Yarn, include_str!("../data/lockfiles/yarn-4.lock"));
    insta::assert_snapshot!(four.join("\n"), @r"
    @types/ms 0.7.31 (the configured registry)
    a 0.0.0-use.local (this repository)
    debug 4.3.4 (the configured registry)
    left-pad 1.3.0 (the configured registry)
    ms 2.1.2 (the configured registry)
    semver 5.7.1 (the configured registry)
    shop 0.0.0-use.local (this repository)
    ");
}

#[test]
fn crates_are_told_from_members_and_repositories() {
    let text = cargo(&[
        ("app", "0.1.0", ""),
        ("serde", "1.0.1", CRATES),
        ("syn", "1.0.0", CRATES),
        ("syn", "2.0.0", CRATES),
        ("tool", "0.3.0", "git+https://github.com/octo/tool?branch=main#0123456789abcdef0123456789abcdef01234567"),
        ("inner", "1.0.0", "sparse+https://crates.example/index/"),
    ]);
    insta::assert_snapshot!(listed(LockFormat::Cargo, &text).join("\n"), @r"
    app 0.1.0 (this repository)
    inner 1.0.0 (crates.example/index)
    serde 1.0.1 (crates.io)
    syn 1.0.0 (crates.io)
    syn 2.0.0 (crates.io)
    tool 0.3.0 at 0123456789 (git: github.com/octo/tool)
    ");
}

#[test]
fn this_project_can_be_read() {
    let own = good(LockFormat::Cargo, include_str!("../../../../Cargo.lock"));
    assert!(own.iter().any(|one| one.name == "serde" && one.source.to_string() == "crates.io"));
    assert!(own.iter().any(|one| one.name == "gatewright-reports" && one.source.to_string() == "this repository"));
}

#[test]
fn the_files_of_python_agree() {
    let uv = listed(LockFormat::Uv, include_str!("../data/lockfiles/uv.lock"));
    let requirements = listed(LockFormat::Requirements, include_str!("../data/lockfiles/requirements.txt"));
    let pipfile = listed(LockFormat::Pipfile, include_str!("../data/lockfiles/Pipfile.lock"));
    assert_eq!(requirements, ["idna 3.6 (pypi.org)", "typing-extensions 4.9.0 (pypi.org)"]);
    assert_eq!(pipfile, requirements);
    assert_eq!(uv, ["idna 3.6 (pypi.org)", "shop 0.1.0 (this repository)", "typing-extensions 4.9.0 (pypi.org)"]);
}

#[test]
fn poetry_names_other_sources() {
    let text = "[[package]]\nname = \"Flask_Login\"\nversion = \"0.6.3\"\n\n[[package]]\nname = \"inner\"\nversion = \"1.0\"\n[package.source]\ntype = \"legacy\"\nurl = \"https://pypi.example/simple\"\nreference = \"inner\"\n\n[[package]]\nname = \"tool\"\nversion = \"2.0\"\n[package.source]\ntype = \"git\"\nurl = \"https://github.com/octo/tool.git\"\nreference = \"main\"\nresolved_reference = \"0123456789abcdef\"\n\n[metadata]\nlock-version = \"2.0\"\n";
    insta::assert_snapshot!(listed(LockFormat::Poetry, text).join("\n"), @r"
    flask-login 0.6.3 (pypi.org)
    inner 1.0 (pypi.example/simple)
    tool 2.0 at 0123456789 (git: github.com/octo/tool)
    ");
}

#[test]
fn requirements_are_taken_as_they_are_written() {
    let text = "# tools\n-r base.txt\n--index-url https://me:secret@pypi.example/simple\nFlask[async]==3.0.0 ; python_version > '3' # why\nrequests >= 2.0, < 3\nnumpy==1.*\nbare\n-e git+https://github.com/octo/tool.git@0123456789abcdef#egg=tool\nlib @ https://example.com/lib.whl\n-e ./local\n";
    insta::assert_snapshot!(listed(LockFormat::Requirements, text).join("\n"), @r"
    bare  (pypi.example/simple)
    flask 3.0.0 (pypi.example/simple)
    lib  (file: example.com/lib.whl)
    numpy ==1.* (pypi.example/simple)
    requests >=2.0,<3 (pypi.example/simple)
    tool 0123456789 (git: github.com/octo/tool)
    ");
}

#[test]
fn where_pip_looks_holds_for_all_lines_and_each_place_may_have_a_package() {
    let text = "a==1\n--extra-index-url https://evil.example/simple\nb==2 --hash=sha256:00\n-f https://wheels.example/list.html\n-ihttps://pypi.example/simple\n";
    insta::assert_snapshot!(listed(LockFormat::Requirements, text).join("\n"), @r"
    a 1 (evil.example/simple)
    a 1 (pypi.example/simple)
    a 1 (file: wheels.example/list.html)
    b 2 (evil.example/simple)
    b 2 (pypi.example/simple)
    b 2 (file: wheels.example/list.html)
    ");
    assert_eq!(listed(LockFormat::Requirements, "--no-index\n--find-links=./wheels\na==1\n"), ["a 1 (this repository)"]);
    assert_eq!(listed(LockFormat::Requirements, "--find-links ./wheels\na==1\n"), ["a 1 (pypi.org)"]);
    assert_eq!(listed(LockFormat::Requirements, "--no-index\na==1\n"), ["a 1 (the configured registry)"]);
    let addresses = "https://evil.example/w/my_tool-1.0-py3-none-any.whl\ngit+https://github.com/octo/lib.git@0123456789\n";
    insta::assert_snapshot!(listed(LockFormat::Requirements, addresses).join("\n"), @r"
    lib 0123456789 (git: github.com/octo/lib)
    my-tool  (file: evil.example/w/my_tool-1.0-py3-none-any.whl)
    ");
}

#[test]
fn files_that_are_fetched_from_elsewhere_than_their_registry_are_told() {
    let uv = |registry: &str, file: &str| {
        let text = format!(
            "[[package]]\nname = \"a\"\nversion = \"1.0\"\nsource = {{ registry = \"{registry}\" }}\n\
             sdist = {{ url = \"{file}/a.tar.gz\", hash = \"sha256:00\" }}\nwheels = [{{ url = \"{file}/a.whl\", hash = \"sha256:00\" }}]\n"
        );
        listed(LockFormat::Uv, &text)
    };
    assert_eq!(uv("https://pypi.org/simple", "https://files.pythonhosted.org/packages/0a"), ["a 1.0 (pypi.org)"]);
    assert_eq!(uv("https://pypi.org/simple", "https://evil.example/x"), ["a 1.0 (pypi.org)", "a 1.0 (file: evil.example)"]);
    assert_eq!(uv("https://own.example/simple", "https://own.example/files"), ["a 1.0 (own.example/simple)"]);
    let other = ["a 1.0 (own.example/simple)", "a 1.0 (file: files.pythonhosted.org)"];
    assert_eq!(uv("https://own.example/simple", "https://files.pythonhosted.org/x"), other);
    let composer = |dist: &str| {
        let text = format!(
            r#"{{"packages": [{{"name": "a/b", "version": "1.0.0", "source": {{"type": "git", "url": "https://github.com/a/b.git", "reference": "0"}},
            "dist": {{"type": "zip", "url": "{dist}", "reference": "0"}}, "notification-url": "https://packagist.org/downloads/"}}]}}"#
        );
        listed(LockFormat::Composer, &text)
    };
    assert_eq!(composer("https://api.github.com/repos/a/b/zipball/0"), ["a/b 1.0.0 (packagist.org)"]);
    assert_eq!(composer("https://evil.example/b.zip"), ["a/b 1.0.0 (packagist.org)", "a/b 1.0.0 (file: evil.example)"]);
    let gems =
        "GEM\n  remote: https://evil.example/\n  remote: https://rubygems.org/\n  specs:\n    rack (3.0)\n\nPLATFORMS\n  ruby\n";
    assert_eq!(listed(LockFormat::Gemfile, gems), ["rack 3.0 (evil.example)", "rack 3.0 (rubygems.org)"]);
}

#[test]
fn modules_of_go_are_those_that_are_built() {
    let text = "module example.com/app\n\ngo 1.22\n\nrequire github.com/octo/a v1.2.3\n\nrequire (\n\tgolang.org/x/b v0.1.0 // indirect\n\texample.com/c v1.0.0\n\texample.com/d v1.0.0\n)\n\nreplace example.com/c => ../c\n\nreplace (\n\texample.com/d v1.0.0 => github.com/octo/d v1.0.1\n)\n\nexclude example.com/e v1.0.0\n";
    insta::assert_snapshot!(listed(LockFormat::GoMod, text).join("\n"), @r"
    example.com/c v1.0.0 (this repository)
    example.com/d v1.0.1 (file: github.com/octo/d)
    github.com/octo/a v1.2.3 (the configured registry)
    golang.org/x/b v0.1.0 (the configured registry)
    ");
    let sums = "example.com/a v1.0.0 h1:x=\nexample.com/a v1.0.0/go.mod h1:y=\nexample.com/b v2.0.0/go.mod h1:z=\n";
    assert_eq!(listed(LockFormat::GoSum, sums), ["example.com/a v1.0.0 (the configured registry)"]);
}

#[test]
fn gems_are_told_from_repositories_and_paths() {
    let text = "GIT\n  remote: https://github.com/octo/tool.git\n  revision: 0123456789abcdef\n  branch: main\n  specs:\n    tool (0.3.0)\n      rack (>= 2)\n\nPATH\n  remote: .\n  specs:\n    shop (0.1.0)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.16.0)\n      racc (~> 1.4)\n    nokogiri (1.16.0-x86_64-linux)\n    racc (1.7.3)\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  nokogiri\n  tool!\n\nCHECKSUMS\n  nokogiri (1.16.0) sha256=00\n\nBUNDLED WITH\n   2.5.0\n";
    insta::assert_snapshot!(listed(LockFormat::Gemfile, text).join("\n"), @r"
    nokogiri 1.16.0 (rubygems.org)
    nokogiri 1.16.0-x86_64-linux (rubygems.org)
    racc 1.7.3 (rubygems.org)
    shop 0.1.0 (this repository)
    tool 0.3.0 at 0123456789 (git: github.com/octo/tool)
    ");
}

#[test]
fn composer_tells_licences() {
    let text = r#"{"packages": [
        {"name": "monolog/monolog", "version": "3.5.0", "source": {"type": "git", "url": "https://github.com/Seldaek/monolog.git", "reference": "abc"},
         "notification-url": "https://packagist.org/downloads/", "license": ["MIT"]},
        {"name": "octo/tool", "version": "dev-main", "source": {"type": "git", "url": "https://github.com/octo/tool.git", "reference": "0123456789abcdef"}}
    ], "packages-dev": [
        {"name": "octo/two", "version": "v1.0.0", "notification-url": "https://packagist.org/downloads/", "license": ["GPL-2.0-only", "MIT"]}
    ]}"#;
    insta::assert_snapshot!(listed(LockFormat::Composer, text).join("\n"), @r"
    monolog/monolog 3.5.0 (packagist.org), MIT
    octo/tool dev-main at 0123456789 (git: github.com/octo/tool)
    octo/two v1.0.0 (packagist.org), GPL-2.0-only OR MIT
    ");
}

#[test]
fn what_came_in_left_and_changed_is_told() {
    let before = cargo(&[
        ("app", "0.1.0", ""),
        ("gone", "1.0.0", CRATES),
        ("up", "1.9.0", CRATES),
        ("down", "2.0.0", CRATES),
        ("two", "1.0.0", CRATES),
        ("same", "1.0.0", CRATES),
        ("moved", "1.0.0", CRATES),
        ("vendored", "1.0.0", CRATES),
        ("pinned", "0.1.0", "git+https://github.com/octo/pinned#0123456789abcdef"),
    ]);
    let after = cargo(&[
        ("app", "0.2.0", ""),
        ("member", "0.1.0", ""),
        ("new", "0.3.0", CRATES),
        ("up", "1.10.0", CRATES),
        ("down", "1.9.9", CRATES),
        ("two", "1.0.0", CRATES),
        ("two", "2.0.0", CRATES),
        ("same", "1.0.0", CRATES),
        ("moved", "1.0.0", "registry+https://crates.example/index"),
        ("vendored", "1.0.0", ""),
        ("pinned", "0.1.0", "git+https://github.com/octo/pinned#fedcba9876543210"),
    ]);
    insta::assert_snapshot!(changes(LockFormat::Cargo, &before, &after).join("\n"), @r"
    down: Down, 2.0.0 crates.io -> 1.9.9 crates.io
    gone: Left, 1.0.0 crates.io -> 
    moved: Moved, 1.0.0 crates.io -> 1.0.0 crates.example/index !
    new: CameIn,  -> 0.3.0 crates.io
    pinned: Moved, 0.1.0 at 0123456789 git: github.com/octo/pinned -> 0.1.0 at fedcba9876 git: github.com/octo/pinned
    two: Up,  -> 2.0.0 crates.io
    up: Up, 1.9.0 crates.io -> 1.10.0 crates.io
    vendored: Moved, 1.0.0 crates.io -> 1.0.0 this repository !
    ");
    assert!(changes(LockFormat::Cargo, &after, &after).is_empty());
}

#[test]
fn where_a_file_says_nothing_of_places_none_has_changed() {
    let with = r#"{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0", "resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz"}}}"#;
    let without = r#"{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0"}}}"#;
    assert!(changes(LockFormat::Npm, with, without).is_empty());
    assert!(changes(LockFormat::Npm, without, with).is_empty());
}

#[test]
fn a_broken_file_is_refused_at_its_place() {
    insta::assert_snapshot!(refused(LockFormat::Cargo, "version = 4\n[[package]]\nname = \"a\"\n"), @"line 2, column 1: missing field `version`");
    insta::assert_snapshot!(refused(LockFormat::Cargo, "<<<<<<< ours\nversion = 4\n"), @"line 1, column 9: key with no value, expected `=`");
    insta::assert_snapshot!(refused(LockFormat::Npm, "{\"packages\": {\n  \"node_modules/a\": 1}}"), @"line 2, column 21: invalid type: integer `1`, expected struct Entry");
    insta::assert_snapshot!(refused(LockFormat::Npm, "{}"), @"line 1, column 1: no lock file of npm: it has neither `lockfileVersion`, `packages` nor `dependencies`");
    insta::assert_snapshot!(refused(LockFormat::Pnpm, "lockfileVersion: 9\npackages:\n  a: [\n"), @"line 3, column 6: not valid YAML: unclosed bracket '['");
    insta::assert_snapshot!(refused(LockFormat::Pnpm, "a: 1\n"), @"line 1, column 1: no lock file of pnpm: it has no `lockfileVersion`");
    insta::assert_snapshot!(refused(LockFormat::Yarn, "\"a@^1\":\n  resolved \"x\"\n"), @"line 1, column 1: a package without a version");
    insta::assert_snapshot!(refused(LockFormat::Yarn, "<<<<<<< HEAD\n"), @"line 1, column 1: expected the name of a package and `:`");
    insta::assert_snapshot!(refused(LockFormat::GoMod, "module a\nrequire b\n"), @"line 2, column 1: expected a module and its version");
    insta::assert_snapshot!(refused(LockFormat::GoSum, "a b\n"), @"line 1, column 1: expected a module, a version and a checksum");
    insta::assert_snapshot!(refused(LockFormat::Gemfile, "GEM\n  specs:\n<<<<<<< HEAD\n"), @"line 3, column 1: a conflict that was not resolved");
    insta::assert_snapshot!(refused(LockFormat::Composer, "[]"), @"line 1, column 2: invalid length 0, expected struct Lock with 2 elements");
    insta::assert_snapshot!(refused(LockFormat::Pipfile, "{\"default\": {}}"), @"line 1, column 15: missing field `_meta`");
    insta::assert_snapshot!(refused(LockFormat::Uv, &format!("a = {}", "[".repeat(100_000))), @"line 1, column 85: cannot recurse further; max recursion depth met");
}

/// A small file of each format, to be spoiled.
const SEEDS: [(LockFormat, &str); 12] = [
    (LockFormat::Cargo, "[[package]]\nname = \"a\"\nversion = \"1.0\"\nsource = \"git+https://x/y#ab\"\n"),
    (LockFormat::Npm, "{\"packages\":{\"node_modules/@s/a\":{\"version\":\"1.0\",\"resolved\":\"https://x/@s/a/-/a.tgz\"}}}"),
    (LockFormat::Pnpm, "lockfileVersion: 6\npackages:\n  /@s/a@1.0(b@2):\n    resolution: {tarball: 'https://x/a.tgz'}\n"),
    (LockFormat::Yarn, "\"a@^1\", a@2:\n  version \"1.0\"\n  resolved \"https://x/a/-/a.tgz#1\"\n"),
    (LockFormat::Poetry, "[[package]]\nname = \"a\"\nversion = \"1\"\n[package.source]\ntype = \"git\"\nurl = \"x\"\n"),
    (LockFormat::Uv, "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { registry = \"https://x/y\" }\n"),
    (LockFormat::Pipfile, "{\"_meta\":{\"sources\":[]},\"default\":{\"a\":{\"version\":\"==1\"}}}"),
    (LockFormat::Requirements, "a[b]==1 ; x\n-e git+https://u@x/y@ab#egg=c\n"),
    (LockFormat::GoMod, "module a\nrequire (\n b v1 // x\n)\nreplace b => ../b\n"),
    (LockFormat::GoSum, "a v1 h1:x=\n"),
    (LockFormat::Gemfile, "GEM\n  remote: https://x/\n  specs:\n    a (1.0)\n"),
    (LockFormat::Composer, "{\"packages\":[{\"name\":\"a/b\",\"version\":\"1\",\"license\":[\"MIT\"]}]}"),
];

#[test]
fn seeds_hold_packages() {
    for (format, text) in SEEDS {
        assert!(!good(format, text).is_empty(), "{format:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spoiled_files_are_read_or_refused(
        seed in 0..SEEDS.len(),
        spoils in proptest::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>()), 0..4),
    ) {
        let (format, text) = SEEDS[seed];
        let mut bytes = text.as_bytes().to_vec();
        for (at, how, byte) in spoils {
            let at = at.index(bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match how {
                0 if !bytes.is_empty() => drop(bytes.remove(at)),
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        match read(format, &*bytes) {
            Ok(packages) => prop_assert!(difference(&packages, &packages).is_empty()),
            Err(error) => prop_assert!(error.place().is_some()),
        }
    }
}
