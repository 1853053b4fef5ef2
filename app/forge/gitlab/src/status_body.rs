//! A commit status as it is sent to GitLab.

use gatewright_core::report::{CheckReport, CheckStatus, Conclusion};
use gatewright_forge_shared::text::one_line;
use serde::Serialize;

/// GitLab's columns take so many characters.
const DESCRIPTION_CHARS_MAX: usize = 255;
const TARGET_URL_CHARS_MAX: usize = 255;

/// The body that makes a status or sets one that is not finished.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatusBody<'a> {
    pub(crate) state: State,
    pub(crate) name: &'a str,
    pub(crate) description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target_url: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pipeline_id: Option<u64>,
}

/// The states that GitLab has for a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Pending,
    Running,
    Success,
    Failed,
    Canceled,
}

impl State {
    /// What is skipped or neutral must not hold a merge up, and what asks for somebody must. (GitLab has
    /// `skipped` too; but whether a merge request may be merged with a skipped pipeline is a setting, which is off at first.)
    pub(crate) fn of(status: CheckStatus) -> Self {
        match status {
            CheckStatus::Queued => State::Pending,
            CheckStatus::InProgress { .. } => State::Running,
            CheckStatus::Completed { conclusion, .. } => match conclusion {
                Conclusion::Success | Conclusion::Neutral | Conclusion::Skipped => State::Success,
                Conclusion::Failure | Conclusion::TimedOut | Conclusion::ActionRequired => State::Failed,
                Conclusion::Cancelled => State::Canceled,
            },
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Running => "running",
            State::Success => "success",
            State::Failed => "failed",
            State::Canceled => "canceled",
        }
    }

    pub(crate) fn is_over(self) -> bool {
        match self {
            State::Pending | State::Running => false,
            State::Success | State::Failed | State::Canceled => true,
        }
    }
}

impl<'a> StatusBody<'a> {
    /// `remark` is what is to be said of the annotations.
    pub(crate) fn new(report: &'a CheckReport, remark: Option<&str>) -> Self {
        let url = report.details_url.as_deref().filter(|url| is_web_address(url) && url.len() <= TARGET_URL_CHARS_MAX);
        StatusBody {
            state: State::of(report.status),
            name: &report.name,
            description: description(report, remark),
            target_url: url,
            reference: None,
            pipeline_id: None,
        }
    }
}

/// The title, with the conclusion before it where GitLab has no state for that, and the remark behind it. What is too long
/// loses the title's end.
fn description(report: &CheckReport, remark: Option<&str>) -> String {
    let title = one_line(&report.title, DESCRIPTION_CHARS_MAX);
    let title = match word_of(report.status) {
        Some(word) if title.trim().is_empty() => word.to_owned(),
        Some(word) if !title.to_lowercase().contains(&word.to_lowercase()) => format!("{word}: {title}"),
        Some(_) | None => title,
    };
    let remark = remark.map(|remark| format!(" ({remark})")).unwrap_or_default();
    let room = DESCRIPTION_CHARS_MAX.saturating_sub(remark.chars().count());
    format!("{}{remark}", one_line(&title, room))
}

fn word_of(status: CheckStatus) -> Option<&'static str> {
    match status {
        CheckStatus::Queued | CheckStatus::InProgress { .. } => None,
        CheckStatus::Completed { conclusion, .. } => match conclusion {
            Conclusion::Success | Conclusion::Failure | Conclusion::Cancelled => None,
            Conclusion::Neutral => Some("Neutral"),
            Conclusion::Skipped => Some("Skipped"),
            Conclusion::TimedOut => Some("Timed out"),
            Conclusion::ActionRequired => Some("Action required"),
        },
    }
}

fn is_web_address(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use gatewright_core::Timestamp;

    use super::*;

    fn report(status: CheckStatus, title: &str) -> CheckReport {
        CheckReport {
            name: "gatewright/tests".to_owned(),
            head: "a".repeat(40).parse().expect("a commit"),
            pull: None,
            external_id: "run/tests".to_owned(),
            status,
            title: title.to_owned(),
            summary: String::new(),
            text: None,
            annotations: Vec::new(),
            suggestions: Vec::new(),
            actions: Vec::new(),
            details_url: Some("javascript:alert(1)".to_owned()),
        }
    }

    fn completed(conclusion: Conclusion) -> CheckStatus {
        CheckStatus::Completed { started_at: None, completed_at: Timestamp::UNIX_EPOCH, conclusion }
    }

    fn said(status: CheckStatus, title: &str, remark: Option<&str>) -> (&'static str, String) {
        let report = report(status, title);
        let body = StatusBody::new(&report, remark);
        (body.state.as_str(), body.description)
    }

    #[test]
    fn a_conclusion_that_gitlab_has_no_state_for_is_in_the_description() {
        let cases = [
            (CheckStatus::Queued, "pending", "title"),
            (CheckStatus::InProgress { started_at: Timestamp::UNIX_EPOCH }, "running", "title"),
            (completed(Conclusion::Success), "success", "title"),
            (completed(Conclusion::Neutral), "success", "Neutral: title"),
            (completed(Conclusion::Skipped), "success", "Skipped: title"),
            (completed(Conclusion::Failure), "failed", "title"),
            (completed(Conclusion::TimedOut), "failed", "Timed out: title"),
            (completed(Conclusion::ActionRequired), "failed", "Action required: title"),
            (completed(Conclusion::Cancelled), "canceled", "title"),
        ];
        for (status, state, description) in cases {
            assert_eq!(said(status, "title", None), (state, description.to_owned()));
        }
        assert_eq!(said(completed(Conclusion::Skipped), "skipped by a rule", None).1, "skipped by a rule");
        assert_eq!(said(completed(Conclusion::Skipped), " ", None).1, "Skipped");
    }

    #[test]
    fn a_description_is_cut_by_characters_and_keeps_the_remark() {
        let (_, description) = said(completed(Conclusion::TimedOut), &"é\n".repeat(300), Some("3 of 5 remarks"));
        assert_eq!(description.chars().count(), DESCRIPTION_CHARS_MAX);
        assert!(description.starts_with("Timed out: é é") && description.ends_with("… (3 of 5 remarks)"), "{description}");
    }

    #[test]
    fn an_address_that_is_none_is_left_out() {
        let mut report = report(CheckStatus::Queued, "t");
        assert_eq!(StatusBody::new(&report, None).target_url, None);
        report.details_url = Some(format!("https://gw.example/{}", "x".repeat(300)));
        assert_eq!(StatusBody::new(&report, None).target_url, None);
        report.details_url = Some("https://gw.example/runs/1".to_owned());
        assert_eq!(StatusBody::new(&report, None).target_url, Some("https://gw.example/runs/1"));
    }
}
