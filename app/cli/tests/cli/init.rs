//! `gatewright init`.

use std::fs;

use crate::support::Bench;

#[test]
fn init_writes_a_file_that_check_finds_no_fault_with() {
    let bench = Bench::new();
    bench.write("go.mod", "module example.com/x\n\ngo 1.24\n");
    let done = bench.run(&["init"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains("with tests"), "{}", done.stdout);
    assert_eq!(bench.run(&["check"]).code, Some(0));
    assert!(fs::read_to_string(bench.path(".gatewright.yml")).expect("it is there").contains("image: golang:1.24-bookworm"));
}

#[test]
fn init_writes_over_nothing_unless_it_is_told_to() {
    let bench = Bench::new();
    bench.write(".gatewright.yml", "mine");
    let refused = bench.run(&["init"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("is there already; `--force` writes over it"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(bench.path(".gatewright.yml")).expect("it is there"), "mine");
    let shown = bench.run(&["init", "--print"]);
    assert_eq!(shown.code, Some(0));
    assert!(shown.stdout.starts_with("# What has to hold"), "{}", shown.stdout);
    assert_eq!(fs::read_to_string(bench.path(".gatewright.yml")).expect("it is there"), "mine");
    assert_eq!(bench.run(&["init", "--force"]).code, Some(0));
    assert_ne!(fs::read_to_string(bench.path(".gatewright.yml")).expect("it is there"), "mine");
}

#[test]
fn init_finds_the_root_of_the_working_tree() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path(".git")).expect("a folder can be made");
    fs::create_dir_all(bench.path("src/deep")).expect("a folder can be made");
    bench.write("Cargo.toml", "[package]\n");
    let done = bench.command(&["init"]).current_dir(bench.path("src/deep")).output().expect("the binary can be run");
    assert!(done.status.success());
    assert!(bench.path(".gatewright.yml").exists());
}
