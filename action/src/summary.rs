//! The job's summary: Markdown for the page of the job, and the body of the sticky comment.

use std::borrow::Cow;

use gatewright_core::verdict::VerdictStatus;
use gatewright_engine::render::escape;
use gatewright_forge_shared::text::keep_beginning;

use crate::checked::{Checked, CheckedGate};

/// A step's summary. The runner refuses more than 1 MiB, and then shows nothing at all.
pub const SUMMARY_BYTES_MAX: usize = 1024 * 1024;

/// A gate's part of a summary has at least so many bytes, where all of them together are too long.
const SHARE_BYTES_MIN: usize = 2_000;

/// Whether what gates say in Markdown may be shown as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Details {
    /// It was made by this process: what untrusted code wrote is escaped in it.
    Ours,
    /// It is somebody's claim, or there is none: only what can be escaped here is shown.
    None,
}

/// All of it: the table, then what each gate says, those that did not pass first. At most `bytes_max` bytes: then gates that
/// passed say nothing, and of the others each keeps its beginning.
pub fn markdown(checked: &Checked, details: Details, left_out: u64, bytes_max: usize) -> String {
    let mut text = format!("### Gatewright: {}\n\n{}", escape(&checked.headline()), table(checked));
    if left_out > 0 {
        text.push_str(&format!(
            "\n{left_out} more annotations are not shown at their lines, since a step shows {} of each level.\n",
            crate::annotations::LEVEL_MAX
        ));
    }
    if let (Some(head), Some(base)) = (&checked.head, &checked.base) {
        text.push_str(&format!("\n<sub>Commit {}, compared with {}</sub>\n", head.short(), base.short()));
    }
    if details == Details::None {
        return keep_beginning(&text, bytes_max).into_owned();
    }
    let (bad, good): (Vec<&CheckedGate>, Vec<&CheckedGate>) = checked.gates.iter().partition(|gate| gate.is_bad());
    let wholes = |gates: &[&CheckedGate]| gates.iter().filter_map(|gate| section(gate, usize::MAX)).collect::<String>();
    let room = bytes_max.saturating_sub(text.len());
    let (mut of_bad, of_good) = (wholes(&bad), wholes(&good));
    if of_bad.len() > room {
        // Even shares: the longest of them has the most to lose.
        let share = (room / bad.len().max(1)).max(SHARE_BYTES_MIN);
        of_bad = bad.iter().filter_map(|gate| section(gate, share)).collect();
    }
    text.push_str(&of_bad);
    if of_bad.len() + of_good.len() <= room {
        text.push_str(&of_good);
    } else if !of_good.is_empty() && text.len() + GOOD_LEFT_OUT.len() <= bytes_max {
        text.push_str(GOOD_LEFT_OUT);
    }
    keep_beginning(&text, bytes_max).into_owned()
}

const GOOD_LEFT_OUT: &str = "\n*What the gates that passed say is left out here; the text was too long.*\n";

fn table(checked: &Checked) -> String {
    if checked.gates.is_empty() {
        return String::new();
    }
    let compared = checked.gates.iter().any(|gate| !gate.verdict.change.is_empty());
    let against = |text: &str| if compared { format!("{text}|") } else { String::new() };
    let mut table =
        format!("| | Gate | Result |{} Time |\n|---|---|---|{}---:|\n", against(" Against the base "), against("---"));
    for gate in &checked.gates {
        let advisory = if gate.required { "" } else { " (advisory)" };
        table.push_str(&format!(
            "| {} | {}{advisory} | {} |{} {} |\n",
            icon(gate.verdict.status),
            escape(gate.name.as_str()),
            escape(&gate.verdict.title),
            against(&format!(" {} ", escape(&gate.verdict.change))),
            gate.duration_ms.map(duration).unwrap_or_default(),
        ));
    }
    table
}

/// What a gate says, folded away where all is well. None where it says nothing beyond its title.
fn section(gate: &CheckedGate, bytes_max: usize) -> Option<String> {
    if gate.verdict.summary.trim().is_empty() {
        return None;
    }
    let open = if gate.is_bad() { " open" } else { "" };
    let head = format!("\n<details{open}><summary>{} {}</summary>\n\n", icon(gate.verdict.status), escape(gate.name.as_str()));
    let end = "\n\n</details>\n";
    let room = bytes_max.saturating_sub(head.len() + end.len());
    let body: Cow<'_, str> = keep_beginning(&gate.verdict.summary, room);
    Some(format!("{head}{body}{end}"))
}

fn icon(status: VerdictStatus) -> &'static str {
    match status {
        VerdictStatus::Passed => "✅",
        VerdictStatus::Failed => "❌",
        VerdictStatus::Errored => "⚠️",
        VerdictStatus::Cancelled => "🚫",
        VerdictStatus::Skipped => "➖",
    }
}

/// `0.4 s`, `12 s`, `3 min 5 s`.
pub fn duration(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..120_000 => format!("{} s", ms / 1000),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use gatewright_core::verdict::VerdictStatus::{Failed, Passed, Skipped};

    use super::*;
    use crate::checked::tests::{checked, gate};

    #[test]
    fn a_summary_has_a_table_and_what_did_not_pass_comes_first() {
        let mut tests = gate("tests", true, Failed);
        tests.verdict.title = "1 of 2 tests failed".to_owned();
        tests.verdict.summary = "`adds` failed".to_owned();
        let mut cover = gate("coverage", false, Passed);
        cover.verdict.change = "+0.3 % of lines".to_owned();
        cover.verdict.summary = "80 %".to_owned();
        let mut none = gate("docs", true, Skipped);
        none.duration_ms = None;
        let mut all = checked(vec![cover, tests, none]);
        all.head = "a".repeat(40).parse().ok();
        all.base = "b".repeat(40).parse().ok();
        insta::assert_snapshot!(markdown(&all, Details::Ours, 3, SUMMARY_BYTES_MAX), @r"
        ### Gatewright: 1 of 2 gates did not pass

        | | Gate | Result | Against the base | Time |
        |---|---|---|---|---:|
        | ✅ | coverage (advisory) | coverage title | +0.3 % of lines | 1.5 s |
        | ❌ | tests | 1 of 2 tests failed |  | 1.5 s |
        | ➖ | docs | docs title |  |  |

        3 more annotations are not shown at their lines, since a step shows 10 of each level.

        <sub>Commit aaaaaaa, compared with bbbbbbb</sub>

        <details open><summary>❌ tests</summary>

        `adds` failed

        </details>

        <details><summary>✅ coverage</summary>

        80 %

        </details>
        ");
    }

    #[test]
    fn a_claim_is_shown_without_its_markdown() {
        let mut claim = gate("tests", true, Passed);
        claim.verdict.title = "[free](https://evil.example) @everyone <img src=x>".to_owned();
        claim.verdict.summary = "<script>".to_owned();
        let text = markdown(&checked(vec![claim]), Details::None, 0, SUMMARY_BYTES_MAX);
        assert!(text.contains(r"\[free\](https&#58;//evil.example) &#64;everyone &lt;img src=x&gt;"), "{text}");
        assert!(!text.contains("<script>"));
    }

    #[test]
    fn a_huge_summary_keeps_the_table_and_the_beginning_of_all_that_did_not_pass() {
        let gates = (0..40).map(|n| {
            let mut gate = gate(&format!("gate-{n}"), true, if n % 2 == 0 { Failed } else { Passed });
            gate.verdict.summary = format!("begin of {n}\n{}", "a line of what it says\n".repeat(10_000));
            gate
        });
        let checked = checked(gates.collect());
        let text = markdown(&checked, Details::Ours, 0, SUMMARY_BYTES_MAX);
        assert!(text.len() <= SUMMARY_BYTES_MAX && text.len() > SUMMARY_BYTES_MAX / 2, "{}", text.len());
        for n in 0..40 {
            assert!(text.contains(&format!("| gate-{n} |")));
            assert_eq!(text.contains(&format!("begin of {n}\n")), n % 2 == 0, "{n}");
        }
        assert_eq!(text.matches("<details").count(), text.matches("</details>").count());
        assert!(text.contains("What the gates that passed say is left out here"));
    }

    #[test]
    fn nothing_makes_a_summary_too_long() {
        let gates = (0..300).map(|n| {
            let mut gate = gate(&format!("gate-{n}"), true, Failed);
            gate.verdict.summary = "é".repeat(20_000);
            gate
        });
        let checked = checked(gates.collect());
        for max in [2_000, 65_000, 1_000_000] {
            assert!(markdown(&checked, Details::Ours, 0, max).len() <= max);
        }
    }
}
