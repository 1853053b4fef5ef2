//! Made-up reports of coverage, and diffs.

use super::{Report, Written, joined, parts, path};

pub(super) fn lcov(report: &mut Report) -> Written {
    parts(report, "", |nth| {
        let lines = joined(1..400, |line| format!("DA:{},{}\n", line * 2, (line * 7919) % 13));
        let branches = joined(1..100, |line| format!("BRDA:{},0,{},{}\n", line * 8, line % 2, line % 3));
        format!("TN:\nSF:{}\nFN:1,f\nFNDA:3,f\n{branches}{lines}LF:399\nLH:300\nend_of_record\n", path(nth % 3000))
    })
}

pub(super) fn cobertura(report: &mut Report) -> Written {
    report.put("<?xml version=\"1.0\"?>\n<coverage line-rate=\"0.5\"><sources><source>/ci/x</source></sources><packages><package name=\"p\"><classes>\n")?;
    parts(report, "\n", |nth| {
        let lines = joined(1..300, |line| match line % 5 {
            0 => format!("<line number=\"{line}\" hits=\"3\" branch=\"true\" condition-coverage=\"50% (1/2)\"/>\n"),
            _ => format!("<line number=\"{line}\" hits=\"{}\" branch=\"false\"/>\n", line % 3),
        });
        format!("<class name=\"c{nth}\" filename=\"{}\" line-rate=\"0.9\"><methods/><lines>\n{lines}</lines></class>", path(nth))
    })?;
    report.put("</classes></package></packages></coverage>\n")
}

pub(super) fn jacoco(report: &mut Report) -> Written {
    report.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?><report name=\"x\">")?;
    parts(report, "\n", |nth| {
        let lines = joined(1..300, |line| {
            let branches = u64::from(line % 4 == 0);
            format!("<line nr=\"{line}\" mi=\"0\" ci=\"{}\" mb=\"{branches}\" cb=\"{branches}\"/>", line % 4)
        });
        format!(
            "<package name=\"org/x{nth}\"><sourcefile name=\"A.java\">{lines}<counter type=\"LINE\" missed=\"1\" covered=\"2\"/></sourcefile></package>"
        )
    })?;
    report.put("</report>")
}

pub(super) fn go_profile(report: &mut Report) -> Written {
    report.put("mode: atomic\n")?;
    parts(report, "", |nth| {
        joined(1..200, |block| {
            format!(
                "example.com/organisation/repository/module/{}:{}.20,{}.3 2 {}\n",
                path(nth),
                block * 4,
                block * 4 + 2,
                block % 3
            )
        })
    })
}

pub(super) fn coverage_py(report: &mut Report) -> Written {
    report.put("{\"meta\": {\"format\": 3, \"branch_coverage\": true}, \"files\": {")?;
    parts(report, ", ", |nth| {
        let lines = (1..400).map(|line| (line * 2).to_string()).collect::<Vec<_>>().join(", ");
        // Lines come again by function and by class.
        let again = format!("{{\"\": {{\"executed_lines\": [{lines}], \"summary\": {{}}}}}}");
        format!(
            "\"{}\": {{\"executed_lines\": [{lines}], \"summary\": {{\"covered_lines\": 399}}, \"missing_lines\": [1, 3, 5], \"excluded_lines\": [], \"functions\": {again}, \"classes\": {again}}}",
            path(nth)
        )
    })?;
    report.put("}, \"totals\": {}}")
}

pub(super) fn llvm(report: &mut Report) -> Written {
    report.put("{\"data\":[{\"files\":[")?;
    let whole = report.size;
    report.size /= 3;
    parts(report, ",", |nth| {
        let segments =
            (1..400).map(|line| format!("[{},5,{},true,true,false]", line * 2, line % 9)).collect::<Vec<_>>().join(",");
        format!(
            "{{\"branches\":[],\"expansions\":[],\"filename\":\"/ci/{}\",\"segments\":[{segments}],\"summary\":{{}}}}",
            path(nth)
        )
    })?;
    report.size = whole;
    // Most of such a file is of functions, which are not read.
    report.put("],\"functions\":[")?;
    parts(report, ",", |nth| {
        let regions = (1..100).map(|line| format!("[{line},5,{line},9,1,0,0,0]")).collect::<Vec<_>>().join(",");
        format!(
            "{{\"branches\":[],\"count\":1,\"filenames\":[\"/ci/{}\"],\"name\":\"_ZN{nth}\",\"regions\":[{regions}]}}",
            path(nth)
        )
    })?;
    report.put("],\"totals\":{}}],\"type\":\"llvm.coverage.json.export\",\"version\":\"2.0.1\"}")
}

pub(super) fn clover(report: &mut Report) -> Written {
    report.put(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<coverage generated=\"1700000000\"><project timestamp=\"1700000000\">\n",
    )?;
    parts(report, "\n", |nth| {
        let lines = joined(1..300, |line| match line % 6 {
            0 => format!("<line num=\"{line}\" type=\"cond\" truecount=\"{}\" falsecount=\"2\"/>\n", line % 4),
            1 => format!(
                "<line num=\"{line}\" type=\"method\" name=\"m{line}\" visibility=\"public\" complexity=\"1\" crap=\"1\" count=\"3\"/>\n"
            ),
            _ => format!("<line num=\"{line}\" type=\"stmt\" count=\"{}\"/>\n", line % 3),
        });
        format!(
            "<file name=\"/ci/{}\">\n{lines}<metrics loc=\"300\" ncloc=\"250\" classes=\"0\" methods=\"0\"/></file>",
            path(nth % 20_000)
        )
    })?;
    report.put("</project></coverage>\n")
}

pub(super) fn opencover(report: &mut Report) -> Written {
    report.put("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<CoverageSession><Modules>\n")?;
    parts(report, "\n", |nth| {
        let points = joined(1..100, |line| {
            format!(
                "<SequencePoint vc=\"{}\" uspid=\"{line}\" ordinal=\"{line}\" offset=\"{line}\" sl=\"{1}\" sc=\"9\" el=\"{1}\" ec=\"30\" bec=\"0\" bev=\"0\" fileid=\"1\"/>\n",
                line % 3,
                line * 2
            )
        });
        let branches = joined(1..30, |line| {
            format!(
                "<BranchPoint vc=\"{}\" uspid=\"{line}\" ordinal=\"{line}\" offset=\"8\" sl=\"{}\" path=\"{}\" offsetend=\"9\" fileid=\"1\"/>\n",
                line % 2,
                line * 6,
                line % 2
            )
        });
        format!(
            "<Module hash=\"{nth}\"><ModulePath>m{nth}.dll</ModulePath><Files><File uid=\"1\" fullPath=\"/ci/{}\"/></Files><Classes><Class><FullName>C{nth}</FullName><Methods>\
             <Method visited=\"true\"><Name>M</Name><FileRef uid=\"1\"/><SequencePoints>\n{points}</SequencePoints><BranchPoints>{branches}</BranchPoints></Method></Methods></Class></Classes></Module>",
            path(nth % 20_000)
        )
    })?;
    report.put("</Modules></CoverageSession>\n")
}

pub(super) fn diff(report: &mut Report) -> Written {
    parts(report, "", |nth| {
        let hunks = joined(0..20, |hunk| {
            format!(
                "@@ -{0},4 +{0},6 @@ fn f() {{\n context\n-old line of code\n+new line of code\n+another line of code\n+and one more\n context\n context\n",
                hunk * 40 + 1
            )
        });
        format!("diff --git a/{0} b/{0}\nindex 123..456 100644\n--- a/{0}\n+++ b/{0}\n{hunks}", path(nth))
    })
}
