//! Reports of several jobs as one, and sums.

use gatewright_reports::coverage::{Coverage, CoverageFormat, Ratio};

use super::{good, shown};

fn coverage(lcov: &str) -> Coverage {
    Coverage::of(good(CoverageFormat::Lcov, lcov).files)
}

#[test]
fn a_line_is_covered_where_one_of_the_jobs_covers_it() {
    let mut all = coverage("SF:a.c\nDA:1,5\nDA:2,0\nBRDA:1,0,0,1\nBRDA:1,0,1,-\nend_of_record\n");
    all.merge(coverage("SF:a.c\nDA:1,2\nDA:2,1\nDA:3,0\nBRDA:1,0,1,4\nend_of_record\nSF:b.c\nDA:1,0\nend_of_record\n"));
    let file = all.file("a.c").unwrap();
    assert_eq!([file.hits(1), file.hits(2), file.hits(3), file.hits(4)], [Some(5), Some(1), Some(0), None]);
    assert_eq!(file.branches_of(1), Ratio { covered: 2, total: 2 });
    assert_eq!(all.totals().lines, Ratio { covered: 2, total: 4 });
    assert_eq!(all.totals().branches, Ratio { covered: 2, total: 2 });
}

#[test]
fn branches_without_names_are_merged_by_their_number() {
    let report = |taken| {
        let line = format!("<line number='3' hits='1' condition-coverage='50% ({taken}/4)'/>");
        good(CoverageFormat::Cobertura, &format!("<coverage><class filename='a'>{line}</class></coverage>"))
    };
    let mut all = Coverage::of(report(1).files);
    all.merge(Coverage::of(report(3).files));
    assert_eq!(all.file("a").unwrap().branches_of(3), Ratio { covered: 3, total: 4 });
}

#[test]
fn merging_is_the_same_in_any_order_and_twice_changes_nothing() {
    let one = coverage("SF:a.c\nDA:1,5\nDA:9,0\nend_of_record\n");
    let two = coverage("SF:a.c\nDA:9,1\nDA:3,0\nBRDA:3,1,a,0\nend_of_record\n");
    let merge = |mut first: Coverage, second: &Coverage| {
        first.merge(second.clone());
        first
    };
    let both = merge(one.clone(), &two);
    assert_eq!(both, merge(two.clone(), &one));
    assert_eq!(both, merge(merge(both.clone(), &two), &one));
}

#[test]
fn a_file_in_several_records_is_one_file() {
    let report = good(
        CoverageFormat::Lcov,
        "SF:a\nDA:2,1\nend_of_record\nSF:b\nDA:1,0\nend_of_record\nSF:a\nDA:1,0\nDA:2,7\nend_of_record\n",
    );
    assert_eq!(shown(&report), "a 1:0 2:7\nb 1:0");
}

#[test]
fn go_blocks_cover_the_lines_that_they_touch() {
    let profile = "mode: count\nm/a.go:3.20,5.2 2 7\nm/a.go:5.2,7.1 1 0\nm/a.go:9.1,9.1 0 1\nmode: set\nm/b.go:1.1,1.9 1 1\n";
    assert_eq!(shown(&good(CoverageFormat::GoProfile, profile)), "m/a.go 3:7 4:7 5:7 6:0\nm/b.go 1:1");
}

#[test]
fn counts_beyond_their_type_are_its_largest_and_beyond_any_are_refused() {
    let report = good(CoverageFormat::Lcov, "SF:a\nDA:1,99999999999\nend_of_record\n");
    assert_eq!(shown(&report), format!("a 1:{}", u32::MAX));
    assert!(super::refused(CoverageFormat::Lcov, "SF:a\nDA:1,99999999999999999999\n").contains("no count"));
}

#[test]
fn percentages_are_exact_and_shown_rounded_down() {
    let almost = Ratio { covered: 99_999, total: 100_000 };
    assert_eq!(almost.to_string(), "99.99 % (99999 of 100000)");
    assert!(!almost.is_at_least(10_000) && almost.is_at_least(9_999));
    assert_eq!(Ratio { covered: 7, total: 8 }.to_string(), "87.5 % (7 of 8)");
    assert_eq!(Ratio { covered: 1, total: 20 }.to_string(), "5 % (1 of 20)");
    assert_eq!(Ratio { covered: 1, total: 1999 }.to_string(), "0.05 % (1 of 1999)");
    assert_eq!(Ratio::default().to_string(), "none of none");
    assert!(Ratio::default().is_at_least(10_000));
    let was = Ratio { covered: 2, total: 3 };
    assert!(Ratio { covered: 1, total: 3 }.has_dropped_by_more_than(3333, was));
    assert!(!Ratio { covered: 1, total: 3 }.has_dropped_by_more_than(3334, was));
    assert!(!was.has_dropped_by_more_than(0, was));
    assert!(!Ratio::default().has_dropped_by_more_than(0, was));
}

#[test]
fn folders_hold_each_file_once() {
    let record = |path: &str, hits: u32| format!("SF:{path}\nDA:1,{hits}\nend_of_record\n");
    let records = [record("src/a/x.c", 1), record("src/a/deep/y.c", 0), record("src/b/z.c", 1), record("main.c", 0)];
    let folders = coverage(&records.concat()).by_folder(2);
    let shown: Vec<String> =
        folders.iter().map(|folder| format!("{:?} {} {}", folder.path, folder.files, folder.totals.lines)).collect();
    assert_eq!(shown, ["\"\" 1 0 % (0 of 1)", "\"src/a\" 2 50 % (1 of 2)", "\"src/b\" 1 100 % (1 of 1)"]);
}

#[test]
fn classes_in_no_file_are_left_out() {
    let line = "<line number='3' hits='1'/>";
    let text = format!(
        "<coverage><class filename=''>{line}</class><class filename='a'>{line}</class><class filename=''>{line}</class></coverage>"
    );
    assert_eq!(shown(&good(CoverageFormat::Cobertura, &text)), "a 3:1");
}

#[test]
fn lines_of_methods_count_where_the_class_names_none() {
    let class = |lines: &str| {
        format!(
            "<coverage><class filename='a'><methods><method><lines><line number='1' hits='2'/></lines></method></methods>{lines}</class></coverage>"
        )
    };
    assert_eq!(shown(&good(CoverageFormat::Cobertura, &class(""))), "a 1:2");
    let own = "<lines><line number='2' hits='3' condition-coverage='50%'/></lines>";
    assert_eq!(shown(&good(CoverageFormat::Cobertura, &class(own))), "a 2:3");
}

#[test]
fn what_is_handed_on_is_what_there_was() {
    // The second branch has an id that is made of a text.
    let mut all = coverage("SF:b.c\nDA:1,5\nDA:2,0\nBRDA:1,0,0,1\nBRDA:1,0,jump to the function exit,-\nend_of_record\n");
    all.merge(Coverage::of([("a \"b\"\n\\c.rs".to_owned(), all.file("b.c").unwrap().clone())]));
    let mut text = Vec::new();
    all.hand_on(&mut text).unwrap();
    assert_eq!(Coverage::read_back(text.as_slice()).unwrap(), all);
    assert_eq!(Coverage::read_back(&b""[..]).unwrap(), Coverage::default());
    for wrong in
        ["L 1 1\n", "F a\n", "F \"a\"\nL 1\n", "F \"a\"\nB 1 2147483648 1\n", "F \"a\"\nB 1 1 1 1\n", "F \"a\"\nx\n", "ü\n"]
    {
        assert!(Coverage::read_back(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
