//! Reports that are broken, cut off, hostile, or more than a report may be: errors that name the place.

use gatewright_reports::ReportError;
use gatewright_reports::coverage::{CoverageFormat, read};

use super::{good, refused, shown};
use crate::fixtures::files;

const XML: [CoverageFormat; 4] =
    [CoverageFormat::Cobertura, CoverageFormat::Jacoco, CoverageFormat::Clover, CoverageFormat::OpenCover];

#[test]
fn xml_bombs_are_refused_and_nothing_is_expanded() {
    for path in files("nasty/defusedxml") {
        let bytes = std::fs::read(&path).unwrap();
        for format in XML {
            let error = refused(format, &bytes);
            assert!(error.contains("defines entities") || error.contains("this is no"), "{}: {error}", path.display());
        }
    }
    let bomb = "<!DOCTYPE coverage [<!ENTITY a \"1\">]>\n<coverage><packages>&a;</packages></coverage>";
    assert_eq!(
        refused(CoverageFormat::Cobertura, bomb),
        "line 1, column 1: the document type defines entities, which is not allowed"
    );
    let unknown = "<coverage>\n<sources><source>&a;</source></sources></coverage>";
    assert_eq!(refused(CoverageFormat::Cobertura, unknown), "line 2, column 18: the entity &a; is not known");
}

#[test]
fn counts_that_cannot_be_are_refused_where_they_stand() {
    for (format, report, error) in [
        (CoverageFormat::Lcov, "SF:a\nDA:1,-1\n", "line 2, column 1: DA's count is \"-1\", which is no count"),
        (CoverageFormat::Lcov, "SF:a\nDA:NaN,1\n", "line 2, column 1: DA's line is \"NaN\", which is no count"),
        (CoverageFormat::Lcov, "SF:a\nDA:1,1e3\n", "line 2, column 1: DA's count is \"1e3\", which is no count"),
        (CoverageFormat::Lcov, "SF:a\nDA:4000000000,1\n", "line 2, column 1: line 4000000000, where a file may have 10000000"),
        (CoverageFormat::Lcov, "SF:a\nBRDA:1,2,3\n", "line 2, column 1: BRDA without line, block, branch and count"),
        (CoverageFormat::Lcov, "DA:1,1\n", "line 1, column 1: a line that is in no file"),
        (CoverageFormat::Lcov, "SF:a\nSF:b\n", "line 2, column 1: a file begins before the one before it has ended"),
        (CoverageFormat::Lcov, "SF:a\nDA:1,1\n", "line 3, column 1: the file ends before its last record does"),
        (CoverageFormat::GoProfile, "mode: set\na.go:3.1,2.2 1 1\n", "line 2, column 1: a block that ends in line 2"),
        (CoverageFormat::GoProfile, "a.go:3.1,2.2 1 1\n", "line 1, column 1: this is no Go coverage profile"),
        (CoverageFormat::GoProfile, "mode: some\n", "line 1, column 1: a mode that is not set, count or atomic"),
        (CoverageFormat::GoProfile, "mode: set\na.go:3.1,4.2 1\n", "line 2, column 1: this is no block"),
        (
            CoverageFormat::Cobertura,
            "<coverage><class filename='a'>\n <line number='1' hits='NaN'/>",
            "line 2, column 2: <line hits=\"NaN\"> is no number that it may be",
        ),
        (
            CoverageFormat::Cobertura,
            "<coverage><class filename='a'>\n <line number='1' hits='1' condition-coverage='200% (4/2)'/>",
            "line 2, column 2: 4 of 2 branches taken in line 1",
        ),
        (CoverageFormat::Cobertura, "<coverage>\n<class/>", "line 2, column 1: <class> has no \"filename\""),
        (CoverageFormat::Jacoco, "<report><package name='p'><sourcefile name='a'><line nr='1' ci='-3'/>", "<line ci=\"-3\">"),
        (CoverageFormat::Clover, "<coverage><file path='a'><line type='stmt' num='-1' count='1'/>", "<line num=\"-1\">"),
        (CoverageFormat::OpenCover, "<CoverageSession><SequencePoint vc='1' sl='1' fileid='7'/>", "a file id that no file has"),
    ] {
        let found = refused(format, report);
        assert!(found.contains(error), "{report}: {found}");
    }
}

#[test]
fn a_report_that_is_cut_off_is_refused() {
    for format in XML {
        let error = refused(
            format,
            match format {
                CoverageFormat::Jacoco => "<report><package name='p'>",
                CoverageFormat::OpenCover => "<CoverageSession><Modules>",
                _ => "<coverage><packages>",
            },
        );
        assert!(error.contains("the file ends before its last element does"), "{error}");
    }
    let error = refused(CoverageFormat::Cobertura, "<coverage><class filename='a.py'><line number='1' hi");
    assert!(error.starts_with("line 1, column 34: "), "{error}");
}

#[test]
fn wrong_encodings_are_refused_where_they_stand() {
    let error = refused(CoverageFormat::Lcov, b"SF:a\nDA:1,1\nSF:\xff\xfe\n");
    assert_eq!(error, "line 3, column 4: bytes that are not valid UTF-8, which the report is in");
    let error = refused(CoverageFormat::Cobertura, b"<?xml version='1.0' encoding='klingon'?><coverage/>");
    assert_eq!(error, "line 1, column 1: the encoding \"klingon\" is not known");
    let error = refused(CoverageFormat::Cobertura, b"<?xml version='1.0'?>\n<coverage version='\xe9'/>");
    assert!(error.starts_with("line 2, column 20: bytes that are not valid UTF-8"), "{error}");
    // A character that is cut off at the end.
    assert!(refused(CoverageFormat::Lcov, b"SF:a\xe2\x82").contains("not valid UTF-8"));
}

#[test]
fn other_encodings_are_read() {
    let text = "<?xml version=\"1.0\" encoding=\"utf-16\"?><coverage><class filename=\"é.py\"><line number=\"1\" hits=\"2\"/></class></coverage>";
    let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let latin = text.replace("utf-16", "iso-8859-1").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    for bytes in [little, big, latin, [b"\xef\xbb\xbf", text.as_bytes()].concat()] {
        assert_eq!(shown(&read(CoverageFormat::Cobertura, bytes.as_slice()).unwrap()), "é.py 1:2");
    }
}

/// Hands out one byte at a time.
struct Drip<'b>(&'b [u8]);

impl std::io::Read for Drip<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
        buf[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn it_does_not_matter_how_the_bytes_arrive() {
    let text = "SF:ünï.c\nDA:1,1\nDA:2,0\nend_of_record\n";
    let report = read(CoverageFormat::Lcov, Drip(text.as_bytes())).unwrap();
    assert_eq!(report, good(CoverageFormat::Lcov, text));
    let text = "<coverage><class filename='ü'><line number='1' hits='1'/></class></coverage>";
    assert_eq!(read(CoverageFormat::Cobertura, Drip(text.as_bytes())).unwrap(), good(CoverageFormat::Cobertura, text));
}

#[test]
fn what_a_few_bytes_stand_for_is_limited() {
    let block = "m/a.go:1.1,9999999.2 1 1\n".repeat(10);
    let error = read(CoverageFormat::GoProfile, format!("mode: set\n{block}").as_bytes()).unwrap_err();
    assert!(matches!(error, ReportError::TooMuch { .. }), "{error}");
    let line = "<line number='1' hits='1' condition-coverage='0% (0/4000000000)'/>";
    let error = refused(CoverageFormat::Cobertura, format!("<coverage><class filename='a'>{line}"));
    assert!(error.contains("come to more than"), "{error}");
}

#[test]
fn deep_nesting_and_huge_items_are_refused() {
    let error = refused(CoverageFormat::Cobertura, format!("<coverage>{}", "<a>".repeat(1000)));
    assert!(error.contains("more than 128 elements in each other"), "{error}");
    let error = refused(CoverageFormat::Cobertura, format!("<coverage><a b='{}'/>", "x".repeat(2_000_000)));
    assert!(error.contains("a tag, text or comment of more than 1 MiB"), "{error}");
    let attributes: String = (0..100).map(|n| format!(" a{n}='1'")).collect();
    let error = refused(CoverageFormat::Cobertura, format!("<coverage><class{attributes}/>"));
    assert!(error.contains("more than 64 attributes"), "{error}");
    let error = refused(CoverageFormat::Lcov, format!("SF:{}", "a".repeat(17_000_000)));
    assert!(error.contains("a line of more than 16 MiB"), "{error}");
}

#[test]
fn a_failing_source_is_no_broken_report() {
    struct Fails;
    impl std::io::Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    for format in [CoverageFormat::Lcov, CoverageFormat::Cobertura, CoverageFormat::GoProfile] {
        let error = read(format, Fails).unwrap_err();
        assert!(matches!(error, ReportError::Unread(_)), "{error}");
    }
}

#[test]
fn utf_16_is_told_by_its_first_bytes_too() {
    let text = "<?xml version=\"1.0\" encoding=\"utf-16\"?>\n<report name=\"Pester\"/>";
    let bytes: Vec<u8> = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(gatewright_reports::coverage::sniff("coverage.xml", &bytes), Some(CoverageFormat::Jacoco));
}
