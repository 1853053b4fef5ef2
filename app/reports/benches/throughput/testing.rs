//! Made-up reports of tests.

use super::{Report, Written, joined, parts};

/// Of which each test has written so many lines.
pub(super) fn junit(report: &mut Report, lines: u64) -> Written {
    report.put("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n")?;
    let output = joined(0..lines, |line| format!("2026-01-01 00:00:00 INFO  step {line} &lt;done&gt;\n"));
    let output = if lines == 0 { output } else { format!("<system-out>{output}</system-out>") };
    parts(report, "\n", |nth| {
        let cases = joined(0..50, |case| match case % 25 {
            7 => format!(
                "<testcase name=\"test_{case}[x-{nth}]\" classname=\"pkg.mod{nth}.TestCase\" time=\"0.{case:03}\"><failure message=\"assert {case} == 4\" type=\"AssertionError\">def test_x():\n&gt;   assert f() == 4\npkg/mod{nth}.py:12: AssertionError</failure>{output}</testcase>\n"
            ),
            _ => format!(
                "<testcase name=\"test_{case}[x-{nth}]\" classname=\"pkg.mod{nth}.TestCase\" time=\"0.{case:03}\">{output}</testcase>\n"
            ),
        });
        format!("<testsuite name=\"pkg.mod{nth}.TestCase\" tests=\"50\" failures=\"2\">\n{cases}</testsuite>")
    })?;
    report.put("</testsuites>\n")
}

pub(super) fn go_test(report: &mut Report) -> Written {
    parts(report, "", |nth| {
        let event = |action: &str, more: &str| {
            format!(
                "{{\"Time\":\"2026-01-01T00:00:00.123456789Z\",\"Action\":\"{action}\",\"Package\":\"example.com/m/p{}\",\"Test\":\"TestX{nth}\"{more}}}\n",
                nth / 500
            )
        };
        let output = joined(0..5, |line| event("output", &format!(",\"Output\":\"    x_test.go:{line}: some log line\\n\"")));
        format!("{}{output}{}", event("run", ""), event(if nth % 97 == 0 { "fail" } else { "pass" }, ",\"Elapsed\":0.01"))
    })
}

/// Each test has failed, and has a long name and much to say: what is kept of a report is as large as it gets.
pub(super) fn junit_bad(report: &mut Report) -> Written {
    report.put("<testsuites>\n")?;
    let long = "a_long_name_of_a_test_".repeat(40);
    let text = "assertion `left == right` failed\n".repeat(300);
    parts(report, "\n", |nth| {
        format!(
            "<testsuite name=\"s{nth}-{long}\"><testcase name=\"{nth}-{long}\" classname=\"c{nth}-{long}\" time=\"0.1\"><failure message=\"{long}\">{text}</failure></testcase></testsuite>"
        )
    })?;
    report.put("</testsuites>\n")
}

pub(super) fn libtest(report: &mut Report) -> Written {
    parts(report, "", |nth| {
        let tests = joined(0..50, |test| {
            let name = format!("module_{}::part::tests::behaves_so_{test}_{nth}", test % 7);
            let begun = format!("{{ \"type\": \"test\", \"event\": \"started\", \"name\": \"{name}\" }}\n");
            match test {
                7 => format!(
                    "{begun}{{ \"type\": \"test\", \"name\": \"{name}\", \"event\": \"failed\", \"exec_time\": 0.01, \"stdout\": \"thread '{name}' panicked at src/lib.rs:12:5:\\nassertion failed\\nnote: run with `RUST_BACKTRACE=1`\\n\" }}\n"
                ),
                _ => format!("{begun}{{ \"type\": \"test\", \"name\": \"{name}\", \"event\": \"ok\", \"exec_time\": 0.001 }}\n"),
            }
        });
        format!(
            "{{ \"type\": \"suite\", \"event\": \"started\", \"test_count\": 50 }}\n{tests}{{ \"type\": \"suite\", \"event\": \"failed\", \"passed\": 49, \"failed\": 1, \"ignored\": 0, \"measured\": 0, \"filtered_out\": 0, \"exec_time\": 0.1 }}\n"
        )
    })
}

pub(super) fn tap(report: &mut Report) -> Written {
    report.put("TAP version 13\n")?;
    let mut tests = 0;
    parts(report, "", |_| {
        tests += 1;
        match tests % 50 {
            9 => format!(
                "not ok {tests} - it behaves as test {tests} says\n  ---\n  operator: equal\n  expected: 3\n  actual: {tests}\n  at: test/x.js:12:5\n  ...\n"
            ),
            10 => format!("ok {tests} - it behaves as test {tests} says # SKIP not here\n"),
            11 => format!("# what the program has written beside\nok {tests} - it behaves as test {tests} says\n"),
            _ => format!("ok {tests} - it behaves as test {tests} says\n"),
        }
    })?;
    report.put(&format!("1..{tests}\n"))
}
