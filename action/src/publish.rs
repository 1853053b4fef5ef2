//! What is published of results with a token: one check run, and one sticky comment.
//!
//! Where the results come from this job, what gates say in Markdown is shown. Where they come from a pull request's own job, by
//! a workflow that runs behind it, they are a claim: their texts are shown escaped, the details are where the job's own page is,
//! and the check says no better than GitHub itself says that the job ended.

use gatewright_core::forge::OpenPull;
use gatewright_core::report::{CheckReport, CheckStatus, CommentReport, Conclusion, Holds};
use gatewright_core::verdict::VerdictStatus;
use gatewright_core::{CommitId, GateName, ItemRef, Timestamp};

use crate::checked::{Checked, is_bad};
use crate::summary::{self, Details};

/// A check's summary. GitHub takes 65,535 bytes.
const CHECK_BYTES_MAX: usize = 65_000;
/// A comment. GitHub takes 65,536 characters, the marker included.
const COMMENT_BYTES_MAX: usize = 65_000;
/// One commit is the head of so many pull requests at most that are commented on.
pub const PULLS_MAX: usize = 5;

/// Where results come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This job.
    Own {
        /// The page of its run, where logs and files can be had; None where nobody knows it.
        page: Option<String>,
    },
    /// The job of a pull request, which another workflow publishes for.
    Claimed {
        /// Whether GitHub says that it ended well.
        succeeded: bool,
        /// Its page.
        page: String,
    },
}

/// The check run.
pub fn check(checked: &Checked, origin: &Origin, name: &GateName, head: &CommitId, now: Timestamp) -> CheckReport {
    let conclusion = conclusion(checked, origin);
    CheckReport {
        name: name.to_string(),
        head: head.clone(),
        pull: None,
        external_id: format!("action/{name}"),
        status: CheckStatus::Completed { started_at: None, completed_at: now, conclusion },
        title: title(checked, origin),
        summary: body(checked, origin, CHECK_BYTES_MAX),
        text: None,
        annotations: checked.gates.iter().flat_map(|gate| gate.verdict.annotations.clone()).collect(),
        suggestions: Vec::new(),
        actions: Vec::new(),
        details_url: page(origin),
    }
}

/// The sticky comment.
pub fn comment(checked: &Checked, origin: &Origin, name: &GateName, pull: u64) -> CommentReport {
    CommentReport {
        on: ItemRef::Pull { number: pull },
        marker: format!("<!-- gatewright:action {name} -->"),
        body: body(checked, origin, COMMENT_BYTES_MAX),
        holds: Holds::Yes,
    }
}

/// The pull requests of which this is the head now.
pub fn pulls_at(open: &[OpenPull], head: &CommitId) -> Vec<u64> {
    open.iter().filter(|pull| pull.head == *head).map(|pull| pull.number).take(PULLS_MAX).collect()
}

fn conclusion(checked: &Checked, origin: &Origin) -> Conclusion {
    match (checked.status(), origin) {
        (status, _) if is_bad(status) => Conclusion::Failure,
        (_, Origin::Claimed { succeeded: false, .. }) => Conclusion::Failure,
        (VerdictStatus::Skipped, _) => Conclusion::Neutral,
        _ => Conclusion::Success,
    }
}

fn title(checked: &Checked, origin: &Origin) -> String {
    match origin {
        Origin::Claimed { succeeded: false, .. } if !is_bad(checked.status()) => "the job did not end well".to_owned(),
        Origin::Own { .. } | Origin::Claimed { .. } => checked.headline(),
    }
}

fn body(checked: &Checked, origin: &Origin, bytes_max: usize) -> String {
    match origin {
        Origin::Own { .. } => {
            let link = |page| format!("\n<sub>Logs and reports: [the run's page]({page})</sub>\n");
            let said = page(origin).map(link).unwrap_or_default();
            let text = summary::markdown(checked, Details::Ours, 0, bytes_max.saturating_sub(said.len()));
            format!("{text}{said}")
        }
        Origin::Claimed { succeeded, .. } => {
            let link = page(origin).map_or_else(|| "the job's page".to_owned(), |page| format!("[the job's page]({page})"));
            let doubt = if *succeeded || is_bad(checked.status()) {
                ""
            } else {
                "\n**The job itself did not end well, whatever it says here.**\n"
            };
            let said =
                format!("{doubt}\n<sub>As the pull request's own job says, in which its code runs. Details: {link}</sub>\n");
            let table = summary::markdown(checked, Details::None, 0, bytes_max.saturating_sub(said.len()));
            format!("{table}{said}")
        }
    }
}

/// Its address, if that is one that a link can hold.
fn page(origin: &Origin) -> Option<String> {
    let page = match origin {
        Origin::Claimed { page, .. } => page,
        Origin::Own { page } => page.as_ref()?,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%".contains(c);
    let usable = page.starts_with("https://") && page.len() <= 1_000 && page.chars().all(plain);
    usable.then(|| page.clone())
}

#[cfg(test)]
mod tests {
    use VerdictStatus::{Failed, Passed, Skipped};
    use gatewright_core::event::User;

    use super::*;
    use crate::checked::tests::{checked, gate};

    fn claimed(succeeded: bool) -> Origin {
        Origin::Claimed { succeeded, page: "https://github.com/octo/app/actions/runs/7".to_owned() }
    }

    fn own() -> Origin {
        Origin::Own { page: Some("https://github.com/octo/app/actions/runs/7/attempts/2".to_owned()) }
    }

    fn head() -> CommitId {
        "a".repeat(40).parse().expect("a commit")
    }

    #[test]
    fn a_claim_is_no_better_than_what_github_says_of_the_job() {
        let of = |status, origin: &Origin| conclusion(&checked(vec![gate("tests", true, status)]), origin);
        assert_eq!(of(Passed, &claimed(true)), Conclusion::Success);
        assert_eq!(of(Passed, &claimed(false)), Conclusion::Failure);
        assert_eq!(of(Failed, &claimed(true)), Conclusion::Failure);
        assert_eq!(of(Skipped, &own()), Conclusion::Neutral);
        assert_eq!(of(Skipped, &claimed(false)), Conclusion::Failure);
    }

    #[test]
    fn a_claims_markdown_is_not_shown_and_its_page_is_githubs() {
        let mut evil = gate("tests", true, Passed);
        evil.verdict.summary = "![x](https://evil.example/x.png) @octo".to_owned();
        evil.verdict.title = "`passed` | **all** <!-- gatewright:sticky -->".to_owned();
        let all = checked(vec![evil]);
        insta::assert_snapshot!(comment(&all, &claimed(false), &"gatewright-action".parse().expect("a name"), 7).body, @r"
        ### Gatewright: 1 gate passed

        | | Gate | Result | Time |
        |---|---|---|---:|
        | ✅ | tests | \`passed\` \| \*\*all\*\* &lt;!-- gatewright:sticky --&gt; | 1.5 s |

        **The job itself did not end well, whatever it says here.**

        <sub>As the pull request's own job says, in which its code runs. Details: [the job's page](https://github.com/octo/app/actions/runs/7)</sub>
        ");
        let own = comment(&all, &own(), &"n".parse().expect("a name"), 7);
        assert!(own.body.contains("![x]"), "what this job's gates say is theirs to escape");
        assert_eq!(own.marker, "<!-- gatewright:action n -->");
    }

    #[test]
    fn what_this_job_has_found_links_to_the_page_of_its_run() {
        let all = checked(vec![gate("tests", true, Passed)]);
        let name: GateName = "n".parse().expect("a name");
        let page = "https://github.com/octo/app/actions/runs/7/attempts/2";
        let check = check(&all, &own(), &name, &head(), Timestamp::UNIX_EPOCH);
        assert_eq!(check.details_url.as_deref(), Some(page));
        let body = comment(&all, &own(), &name, 7).body;
        assert!(body.ends_with(&format!("<sub>Logs and reports: [the run's page]({page})</sub>\n")), "{body}");
        let unknown = comment(&all, &Origin::Own { page: None }, &name, 7).body;
        assert!(!unknown.contains("page"), "{unknown}");
    }

    #[test]
    fn a_page_that_is_no_plain_address_is_not_linked() {
        for bad in ["javascript:alert(1)", "https://x) @octo [y](https://z", "http://github.com/x", "https://a b", ""] {
            let origin = Origin::Claimed { succeeded: true, page: bad.to_owned() };
            assert_eq!(page(&origin), None, "{bad}");
        }
    }

    #[test]
    fn what_is_published_fits_whatever_the_gates_say() {
        let gates = (0..200).map(|n| {
            let mut gate = gate(&format!("g{n}"), true, Failed);
            gate.verdict.title = "<".repeat(500);
            gate.verdict.summary = "s".repeat(60_000);
            gate
        });
        let all = checked(gates.collect());
        for origin in [own(), claimed(true)] {
            let name: GateName = "gatewright-action".parse().expect("a name");
            assert!(check(&all, &origin, &name, &head(), Timestamp::UNIX_EPOCH).summary.len() <= 65_535);
            assert!(comment(&all, &origin, &name, 7).body.len() <= 65_400);
        }
    }

    #[test]
    fn pull_requests_are_found_by_their_head_and_not_more_than_a_few() {
        let pull = |number, head: &str| OpenPull {
            number,
            head: head.repeat(40).parse().expect("a commit"),
            base_ref: "main".to_owned(),
            author: User { id: 1, login: "x".to_owned() },
            updated_at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(pulls_at(&[pull(7, "a"), pull(8, "b")], &head()), [7]);
        let many: Vec<OpenPull> = (1..=20).map(|number| pull(number, "a")).collect();
        assert_eq!(pulls_at(&many, &head()).len(), PULLS_MAX);
    }
}
