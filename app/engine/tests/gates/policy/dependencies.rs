//! What comes in and leaves by lock files.

use super::*;

fn crates(packages: &[(&str, &str, &str)]) -> String {
    let one = |(name, version, source): &(&str, &str, &str)| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n\n")
    };
    packages.iter().map(one).collect()
}

const INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn what_comes_in_and_leaves_by_a_lock_file_is_listed() {
    let before = crates(&[("gone", "1.0.0", INDEX), ("up", "1.0.0", INDEX), ("moved", "1.0.0", INDEX)]);
    let after =
        crates(&[("moved", "1.0.0", "registry+https://crates.example/i"), ("new", "0.1.0", INDEX), ("up", "1.2.0", INDEX)]);
    let change = || {
        Change::new().modified("Cargo.lock").content(Side::Base, "Cargo.lock", &before).content(Side::Head, "Cargo.lock", &after)
    };
    assert_snapshot!(change().said("dependencies: {}"), @r"
    Passed: 1 package came in, 1 left, 2 changed
    Warning Cargo.lock:2 Dependency from another place: `moved` comes from `crates.example/i` now. Before, it came from `crates.io`.

    | rule | | |
    |---|---|---|
    | `dependencies` | ✅ | 1 package came in, 1 left, 2 changed |

    | package | | before | now | from | licence |
    |---|---|---|---|---|---|
    | ⚠️ `moved` (Cargo) | moved | `1.0.0` | `1.0.0` | `crates.example/i`, was `crates.io` | unknown |
    | `new` (Cargo) | new |  | `0.1.0` | `crates.io` | unknown |
    | `gone` (Cargo) | gone | `1.0.0` |  |  |  |
    | `up` (Cargo) | up | `1.0.0` | `1.2.0` | `crates.io` | unknown |
    ");
    assert_eq!(change().judged("dependencies: {}").change, "packages: 1 in, 1 out, 2 changed");
    assert_snapshot!(change().said("dependencies: { new-at-most: 0, sources: crates.io }"), @r"
    Failed: 1 package came in, 0 may; 1 package has a source or a licence that is not allowed
    Failure Cargo.lock:2 Dependency not allowed: `moved` comes from `crates.example/i`, which the repository's policy does not allow.

    | rule | | |
    |---|---|---|
    | `dependencies` | ❌ | 1 package came in, 0 may; 1 package has a source or a licence that is not allowed |

    What to do:

    - `dependencies`: Take these packages from another place or do without them; the list below names them.

    | package | | before | now | from | licence |
    |---|---|---|---|---|---|
    | ❌ `moved` (Cargo) | moved | `1.0.0` | `1.0.0` | `crates.example/i`, was `crates.io` | unknown |
    | `new` (Cargo) | new |  | `0.1.0` | `crates.io` | unknown |
    | `gone` (Cargo) | gone | `1.0.0` |  |  |  |
    | `up` (Cargo) | up | `1.0.0` | `1.2.0` | `crates.io` | unknown |
    ");
    assert_snapshot!(shown(&Change::new().modified("a.rs").judged("dependencies: {}")), @"Passed: `dependencies` is kept");
}

#[test]
fn licences_are_judged_as_far_as_they_are_known() {
    let after = r#"{"lockfileVersion": 3, "packages": {
  "node_modules/free": {"version": "1.0.0", "license": "MIT OR GPL-3.0-only"},
  "node_modules/@all/bound": {"version": "2.0.0", "license": "AGPL-3.0-or-later"},
  "node_modules/un<b>known": {"version": "3.0.0"}
}}"#;
    let added = Change::new().file("web/package-lock.json", Changed::Added, (5, 0), 50);
    let change = added.content(Side::Head, "web/package-lock.json", after);
    assert_snapshot!(change.said("dependencies: { licences: { deny: ['GPL-*', 'AGPL-*'] } }"), @r"
    Failed: 1 package has a source or a licence that is not allowed
    Failure web/package-lock.json:3 Dependency not allowed: `@all/bound` is under `AGPL-3.0-or-later`, which the repository's policy does not allow.

    | rule | | |
    |---|---|---|
    | `dependencies` | ❌ | 1 package has a source or a licence that is not allowed |

    What to do:

    - `dependencies`: Take these packages from another place or do without them; the list below names them.

    | package | | before | now | from | licence |
    |---|---|---|---|---|---|
    | ❌ `@all/bound` (npm) | new |  | `2.0.0` | `the configured registry` | `AGPL-3.0-or-later` |
    | `free` (npm) | new |  | `1.0.0` | `the configured registry` | `MIT OR GPL-3.0-only` |
    | `un<b>known` (npm) | new |  | `3.0.0` | `the configured registry` | unknown |

    Of 1 package the lock files do not tell the licence; it was not looked at.
    ");
}

#[test]
fn a_lock_file_that_cannot_be_read_is_no_pass() {
    let broken = Change::new().modified("Cargo.lock").content(Side::Head, "Cargo.lock", "version = 4\n<<<<<<< ours\n");
    assert_snapshot!(broken.said("dependencies: {}"), @r"
    Failed: `dependencies` is broken
    Failure Cargo.lock:2 Lock file cannot be read: `` line 2, column 9: key with no value, expected `=` ``.

    | rule | | |
    |---|---|---|
    | `dependencies` | ❌ | `Cargo.lock` cannot be read |

    What to do:

    - `dependencies`: Let the package manager write the lock file anew; the annotations name the places.

    `Cargo.lock`: `` line 2, column 9: key with no value, expected `=` ``
    ");
    let left_out = Change::new().modified("yarn.lock");
    assert_snapshot!(shown(&left_out.judged("dependencies: {}")), @r"
    Failed: `dependencies` is broken
    Failure yarn.lock:1 Lock file cannot be read: `it is too large, or no regular file`.
    ");
}
