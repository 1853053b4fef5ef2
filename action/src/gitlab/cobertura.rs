//! Coverage as Cobertura XML (DTD coverage-04), as GitLab shows it in a merge request's changes.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use gatewright_reports::coverage::{Coverage, FileCoverage, Ratio, Totals};
use quick_xml::escape::escape;

/// The report. Paths in it are the repository's.
///
/// # Errors
/// Only those of what it is written to.
pub fn write(coverage: &Coverage, out: &mut impl Write) -> fmt::Result {
    let totals = coverage.totals();
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<!DOCTYPE coverage SYSTEM \"http://cobertura.sourceforge.net/xml/coverage-04.dtd\">")?;
    writeln!(
        out,
        "<coverage {} lines-covered=\"{}\" lines-valid=\"{}\" branches-covered=\"{}\" branches-valid=\"{}\" complexity=\"0\" version=\"gatewright\" timestamp=\"0\">",
        rates(totals),
        totals.lines.covered,
        totals.lines.total,
        totals.branches.covered,
        totals.branches.total,
    )?;
    writeln!(out, "<sources><source>.</source></sources>\n<packages>")?;
    for (folder, files) in by_folder(coverage) {
        let totals: Totals = files.iter().map(|(_, file)| file.totals()).sum();
        writeln!(out, "<package name=\"{}\" {} complexity=\"0\"><classes>", escape(folder), rates(totals))?;
        for (path, file) in files {
            class(path, file, out)?;
        }
        writeln!(out, "</classes></package>")?;
    }
    writeln!(out, "</packages>\n</coverage>")
}

fn by_folder(coverage: &Coverage) -> BTreeMap<&str, Vec<(&str, &FileCoverage)>> {
    let mut folders: BTreeMap<&str, Vec<(&str, &FileCoverage)>> = BTreeMap::new();
    for (path, file) in coverage.files() {
        let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        folders.entry(folder).or_default().push((path, file));
    }
    folders
}

fn class(path: &str, file: &FileCoverage, out: &mut impl Write) -> fmt::Result {
    let name = path.rsplit('/').next().unwrap_or(path);
    let rates = rates(file.totals());
    writeln!(out, "<class name=\"{}\" filename=\"{}\" {rates} complexity=\"0\"><methods/><lines>", escape(name), escape(path))?;
    for line in file.lines() {
        let branches = file.branches_of(line.number);
        if branches.total == 0 {
            writeln!(out, "<line number=\"{}\" hits=\"{}\" branch=\"false\"/>", line.number, line.hits)?;
        } else {
            let (taken, all) = (branches.covered, branches.total);
            let percent = taken * 100 / all;
            writeln!(
                out,
                "<line number=\"{}\" hits=\"{}\" branch=\"true\" condition-coverage=\"{percent}% ({taken}/{all})\"/>",
                line.number, line.hits
            )?;
        }
    }
    writeln!(out, "</lines></class>")
}

fn rates(totals: Totals) -> String {
    format!("line-rate=\"{}\" branch-rate=\"{}\"", rate(totals.lines), rate(totals.branches))
}

/// Of nothing, all is covered.
fn rate(ratio: Ratio) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a rate of four places")]
    let rate = if ratio.total == 0 { 1.0 } else { ratio.covered as f64 / ratio.total as f64 };
    format!("{rate:.4}")
}

#[cfg(test)]
mod tests {
    use gatewright_reports::coverage::{CoverageFormat, read};
    use gatewright_reports::{Mapping, RepositoryFiles};

    use super::*;

    fn coverage(lcov: &str, files: &[&str]) -> Coverage {
        let report = read(CoverageFormat::Lcov, lcov.as_bytes()).expect("a report");
        let files = RepositoryFiles::new(files.iter().map(|file| (*file).to_owned()));
        report.map(&files, &Mapping::default()).0
    }

    #[test]
    fn what_is_written_is_what_a_reader_of_the_format_reads() {
        let lcov = "SF:src/a.c\nDA:1,4\nDA:2,0\nBRDA:1,0,0,1\nBRDA:1,0,1,0\nend_of_record\nSF:b<&\".c\nDA:7,1\nend_of_record\n";
        let before = coverage(lcov, &["src/a.c", "b<&\".c"]);
        let mut text = String::new();
        write(&before, &mut text).expect("a text takes everything");
        insta::assert_snapshot!(text, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
        <coverage line-rate="0.6667" branch-rate="0.5000" lines-covered="2" lines-valid="3" branches-covered="1" branches-valid="2" complexity="0" version="gatewright" timestamp="0">
        <sources><source>.</source></sources>
        <packages>
        <package name="." line-rate="1.0000" branch-rate="1.0000" complexity="0"><classes>
        <class name="b&lt;&amp;&quot;.c" filename="b&lt;&amp;&quot;.c" line-rate="1.0000" branch-rate="1.0000" complexity="0"><methods/><lines>
        <line number="7" hits="1" branch="false"/>
        </lines></class>
        </classes></package>
        <package name="src" line-rate="0.5000" branch-rate="0.5000" complexity="0"><classes>
        <class name="a.c" filename="src/a.c" line-rate="0.5000" branch-rate="0.5000" complexity="0"><methods/><lines>
        <line number="1" hits="4" branch="true" condition-coverage="50% (1/2)"/>
        <line number="2" hits="0" branch="false"/>
        </lines></class>
        </classes></package>
        </packages>
        </coverage>
        "#);
        let back = read(CoverageFormat::Cobertura, text.as_bytes()).expect("it is Cobertura");
        assert_eq!(back.totals(), before.totals());
        let paths: Vec<&str> = back.files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["b<&\".c", "src/a.c"]);
    }
}
