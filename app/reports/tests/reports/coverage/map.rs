//! From the paths of tools to those of the repository.

use gatewright_reports::coverage::{CoverageFormat, CoverageReport};
use gatewright_reports::{Mapping, RepositoryFiles, WhyUnmapped};

use super::good;

fn report(paths: &[&str], sources: &[&str]) -> CoverageReport {
    let records: String = paths.iter().map(|path| format!("SF:{path}\nDA:1,1\nend_of_record\n")).collect();
    let sources = sources.iter().map(|source| (*source).to_owned()).collect();
    CoverageReport { sources, ..good(CoverageFormat::Lcov, &records) }
}

/// The files that paths of a report are, in order, and those that are none.
fn mapped(report: CoverageReport, repository: &[&str], mapping: &Mapping) -> (Vec<String>, Vec<String>) {
    let files = RepositoryFiles::new(repository.iter().map(|path| (*path).to_owned()));
    let (coverage, unmapped) = report.map(&files, mapping);
    let paths = coverage.files().map(|(path, _)| path.to_owned()).collect();
    (paths, unmapped.into_iter().map(|unmapped| unmapped.path).collect())
}

fn rooted(roots: &[&str]) -> Mapping {
    Mapping { roots: roots.iter().map(|root| (*root).to_owned()).collect(), ..Mapping::default() }
}

#[test]
fn known_roots_are_taken_away() {
    let report = report(&["/workspace/src/a.c", "/workspace/main.c", "src/./b/../c.c", "file:///workspace/x/d.c"], &[]);
    let (paths, unmapped) = mapped(report, &["src/a.c", "main.c", "src/c.c", "x/d.c", "lib/main.c"], &rooted(&["/workspace/"]));
    assert_eq!(paths, ["main.c", "src/a.c", "src/c.c", "x/d.c"]);
    assert!(unmapped.is_empty());
}

#[test]
fn sources_go_before_relative_paths() {
    let report = report(&["pkg/a.py"], &["/home/ci/checkout/backend"]);
    let (paths, _) = mapped(report, &["backend/pkg/a.py", "frontend/pkg/a.py"], &Mapping::default());
    assert_eq!(paths, ["backend/pkg/a.py"]);
}

#[test]
fn go_modules_are_their_folder() {
    let mapping = Mapping {
        go_modules: vec![
            ("example.com/app".to_owned(), String::new()),
            ("example.com/app/tools".to_owned(), "build/tools".to_owned()),
        ],
        ..Mapping::default()
    };
    let report = report(&["example.com/app/pkg/a.go", "example.com/app/tools/b.go"], &[]);
    let (paths, _) = mapped(report, &["pkg/a.go", "build/tools/b.go", "tools/b.go"], &mapping);
    assert_eq!(paths, ["build/tools/b.go", "pkg/a.go"]);
}

#[test]
fn the_longest_end_that_is_a_file_of_the_repository_is_meant() {
    let report = report(&["/ci/build/7/lib/src/a.c", "C:\\agent\\work\\lib\\src\\b.cs"], &[]);
    let (paths, unmapped) = mapped(report, &["src/a.c", "lib/src/a.c", "lib/src/b.cs"], &Mapping::default());
    assert_eq!((paths, unmapped), (vec!["lib/src/a.c".to_owned(), "lib/src/b.cs".to_owned()], vec![]));
}

#[test]
fn a_path_of_a_package_is_the_only_file_that_ends_in_it() {
    let files = ["core/src/main/java/org/x/A.java", "app/src/main/java/org/x/B.java", "web/src/main/java/org/x/B.java"];
    let report = report(&["org/x/A.java", "org/x/B.java", "g/x/A.java"], &[]);
    let repository = RepositoryFiles::new(files.map(str::to_owned));
    let (coverage, unmapped) = report.map(&repository, &Mapping::default());
    assert_eq!(coverage.files().map(|(path, _)| path).collect::<Vec<_>>(), [files[0]]);
    let WhyUnmapped::Ambiguous(two) = &unmapped[1].why else { panic!("{unmapped:?}") };
    assert_eq!(two, &[files[1], files[2]]);
    assert_eq!((unmapped[0].path.as_str(), &unmapped[0].why), ("g/x/A.java", &WhyUnmapped::Unknown));
}

#[test]
fn what_lies_elsewhere_is_left_out_and_named() {
    let report = report(&["/usr/include/c++/12/bits/a.h", "../../etc/passwd", "/usr/lib/setup.py", "/ci/pkg/b.py"], &[]);
    let (paths, unmapped) = mapped(report, &["bits.h", "setup.py", "pkg/b.py", "etc/passwd"], &Mapping::default());
    assert_eq!(paths, ["pkg/b.py"]);
    assert_eq!(unmapped, ["../../etc/passwd", "/usr/include/c++/12/bits/a.h", "/usr/lib/setup.py"]);
}

#[test]
fn a_file_of_the_root_is_meant_where_the_others_lie_too() {
    let one = report(&["/ci/setup.py", "/ci/pkg/b.py"], &[]);
    let (paths, _) = mapped(one, &["setup.py", "pkg/b.py"], &Mapping::default());
    assert_eq!(paths, ["pkg/b.py", "setup.py"]);
    let alone = report(&["/ci/a.py", "/ci/b.py"], &[]);
    assert_eq!(mapped(alone, &["a.py", "b.py"], &Mapping::default()).0, ["a.py", "b.py"]);
    let apart = report(&["/ci/a.py", "/usr/b.py"], &[]);
    assert_eq!(mapped(apart, &["a.py", "b.py"], &Mapping::default()).1, ["/ci/a.py", "/usr/b.py"]);
}

#[test]
fn several_paths_of_one_file_are_merged() {
    let report = good(
        CoverageFormat::Lcov,
        "SF:foo/bar/a.c\nDA:1,0\nend_of_record\nSF:foo/./bar/./a.c\nDA:1,3\nend_of_record\nSF:foo/x/../bar/a.c\nDA:2,1\nend_of_record\n",
    );
    let (coverage, _) = report.map(&RepositoryFiles::new(["foo/bar/a.c".to_owned()]), &Mapping::default());
    assert_eq!(coverage.totals().lines.to_string(), "100 % (2 of 2)");
}

#[test]
fn what_others_wrote_is_not_taken_for_ours() {
    let paths = ["/ci/node_modules/x/src/a.js", "node_modules/y/src/a.js", "/workspace/out/src/a.js", "/ci/src/a.js"];
    let (mapped_paths, unmapped) = mapped(report(&paths, &[]), &["src/a.js"], &rooted(&["/workspace"]));
    assert_eq!(mapped_paths, ["src/a.js"]);
    assert_eq!(unmapped, ["/ci/node_modules/x/src/a.js", "/workspace/out/src/a.js", "node_modules/y/src/a.js"]);
}

#[test]
fn a_path_may_leave_its_source_folder() {
    let report = report(&["../lib/a.c"], &["/workspace/build"]);
    assert_eq!(mapped(report, &["lib/a.c"], &rooted(&["/workspace"])).0, ["lib/a.c"]);
}

#[test]
fn of_two_modules_of_one_name_neither_is_taken() {
    let module = |folder: &str| ("example".to_owned(), folder.to_owned());
    let mapping = Mapping { go_modules: vec![module("examples/a"), module("examples/b")], ..Mapping::default() };
    let repository = RepositoryFiles::new(["examples/a/main.go", "examples/b/main.go", "examples/b/b.go"].map(str::to_owned));
    let (coverage, unmapped) = report(&["example/main.go", "example/b.go"], &[]).map(&repository, &mapping);
    assert_eq!(coverage.files().map(|(path, _)| path).collect::<Vec<_>>(), ["examples/b/b.go"]);
    let WhyUnmapped::Ambiguous(two) = &unmapped[0].why else { panic!("{unmapped:?}") };
    assert_eq!(two, &["examples/a/main.go", "examples/b/main.go"]);
}

#[test]
fn what_lies_in_another_place_than_the_repository_is_told_from_what_it_does_not_have() {
    let report = report(&["/usr/include/a.h", "/workspace/gen/b.c", "../../c.c", "d.c", "/workspace/../e.c"], &[]);
    let (_, unmapped) = report.map(&RepositoryFiles::new(["src/x.c".to_owned()]), &rooted(&["/workspace"]));
    let outside = unmapped.iter().filter(|one| one.why == WhyUnmapped::Outside).map(|one| one.path.as_str());
    assert_eq!(outside.collect::<Vec<_>>(), ["../../c.c", "/usr/include/a.h", "/workspace/../e.c"]);
    assert_eq!(unmapped.iter().filter(|one| one.why == WhyUnmapped::Unknown).count(), 2);
}
