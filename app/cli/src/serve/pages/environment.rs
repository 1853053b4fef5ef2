//! What the page of an environment says: what is live there and since when, what differs from it, who or what keeps releases away, what
//! is on its way, and what became of the last releases.
//!
//! Where instances are is nobody's business who has the link; their names are shown where they are what differs.

use std::fmt::Write;

use gatewright_core::RepoRef;
use gatewright_core::rollout::Outcome;
use gatewright_engine::overview::{ArrivalOverview, EnvironmentOverview, RolloutOverview};
use gatewright_engine::render::{patience_words, rollout_words};
use gatewright_engine::statistics::Figures;

use super::rollout::class;
use super::{STATS_DAYS, STYLE};
use crate::serve::html::Text;
use crate::words;

/// So many of the releases that have come here are shown, the last ones.
const ARRIVALS_SHOWN_MAX: usize = 30;

pub(super) fn render(repo: &RepoRef, of: &EnvironmentOverview, figures: Option<&Figures>) -> String {
    let mut out = String::new();
    let title = format!("{} {}", repo.path, of.name);
    let title = Text(&title);
    let state = match (&of.drift, &of.live) {
        (Some(_), _) => "drift",
        (None, Some(_)) => "live",
        (None, None) => "nothing live",
    };
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}: {state}</title><style>{STYLE}</style></head><body><main>\
         <h1>{title}: {state}</h1>"
    );
    live(&mut out, of);
    drift(&mut out, of);
    kept_away(&mut out, of);
    on_its_way(&mut out, &of.open);
    arrivals(&mut out, &of.arrivals);
    if let Some(figures) = figures {
        fared(&mut out, figures);
    }
    out.push_str("</main></body></html>\n");
    out
}

fn live(out: &mut String, of: &EnvironmentOverview) {
    let Some(live) = &of.live else {
        out.push_str("<p class=\"quiet\">Nothing has been released here yet.</p>");
        return;
    };
    let _ = write!(
        out,
        "<table><tbody><tr><th>Live</th><td class=\"good\"><a href=\"/runs/{}\">{}</a></td></tr><tr><th>Since</th><td>{} UTC</td></tr>\
         <tr><th>Version</th><td>{}, commit <code>{}</code></td></tr><tr><th>Pool</th><td><code>{}</code></td></tr>",
        live.rollout,
        Text(&live.tag),
        words::time(live.since),
        Text(&live.version),
        live.commit.short(),
        Text(&live.pool),
    );
    // Only an address of the web is a link: nothing else that a file may have here is to be followed from this page.
    if let Some(url) = live.url.as_ref().filter(|url| url.starts_with("https://") || url.starts_with("http://")) {
        let _ = write!(out, "<tr><th>Address</th><td><a rel=\"noreferrer\" href=\"{0}\">{0}</a></td></tr>", Text(url));
    }
    out.push_str("</tbody></table>");
}

fn drift(out: &mut String, of: &EnvironmentOverview) {
    let Some(drift) = &of.drift else {
        if of.live.is_some() {
            out.push_str("<h2>Drift</h2><p class=\"good\">What runs is what was released, as far as it was looked.</p>");
        }
        return;
    };
    let _ = write!(out, "<h2>Drift</h2><p class=\"bad\">Found at {} UTC.", words::time(drift.found_at));
    if let Some(run) = drift.restored_by {
        let _ = write!(out, " <a href=\"/runs/{run}\">What is live is made again.</a>");
    }
    out.push_str("</p><ul>");
    for difference in &drift.differences {
        let _ = write!(out, "<li>{}</li>", Text(difference));
    }
    out.push_str("</ul>");
}

fn kept_away(out: &mut String, of: &EnvironmentOverview) {
    let mut rows = String::new();
    if let Some(freeze) = &of.frozen {
        let until = freeze.until.map(|until| format!(" until {} UTC", words::time(until))).unwrap_or_default();
        let reason = freeze.reason.as_ref().map(|reason| format!(": {}", Text(reason))).unwrap_or_default();
        let _ = write!(rows, "<tr><th>Frozen</th><td>by {}{until}{reason}</td></tr>", Text(&freeze.by));
    }
    if let Some(held) = &of.held {
        let _ = write!(rows, "<tr><th>Held</th><td>{}</td></tr>", Text(held));
    }
    if let Some(run) = of.locked_by {
        let _ = write!(rows, "<tr><th>Busy with</th><td><a href=\"/runs/{run}\">run {run}</a></td></tr>");
    }
    if !rows.is_empty() {
        let _ = write!(out, "<h2>Kept away</h2><table><tbody>{rows}</tbody></table>");
    }
}

fn on_its_way(out: &mut String, open: &[RolloutOverview]) {
    if open.is_empty() {
        return;
    }
    out.push_str(
        "<h2>On its way</h2><table><thead><tr><th>Release</th><th>How it stands</th><th>Accepted (UTC)</th></tr></thead><tbody>",
    );
    for rollout in open {
        let stands = rollout_words(&rollout.state) + &patience_words(&rollout.state);
        let _ = write!(
            out,
            "<tr><td><a href=\"/runs/{}\">{}</a></td><td class=\"{}\">{}</td><td class=\"when\">{}</td></tr>",
            rollout.run,
            Text(&rollout.tag),
            class(&rollout.state),
            Text(&stands),
            words::time(rollout.created_at)
        );
    }
    out.push_str("</tbody></table>");
}

fn arrivals(out: &mut String, arrivals: &[ArrivalOverview]) {
    if arrivals.is_empty() {
        return;
    }
    out.push_str("<h2>Last releases</h2><table><thead><tr><th>When (UTC)</th><th>Release</th><th>What became of it</th></tr></thead><tbody>");
    for arrival in arrivals.iter().take(ARRIVALS_SHOWN_MAX) {
        let (class, became) = match &arrival.outcome {
            Outcome::Promoted => ("good", "promoted".to_owned()),
            Outcome::RolledBack { because } => ("bad", format!("rolled back: {because}")),
            Outcome::GivenUp { because } => ("quiet", format!("not rolled out: {because}")),
        };
        let _ = write!(
            out,
            "<tr><td class=\"when\">{}</td><td><a href=\"/runs/{}\">{}</a></td><td class=\"{class}\">{}</td></tr>",
            words::time(arrival.at),
            arrival.rollout,
            Text(&arrival.tag),
            Text(&became)
        );
    }
    out.push_str("</tbody></table>");
}

fn fared(out: &mut String, figures: &Figures) {
    let cells =
        |tag: &str, texts: &[String]| -> String { texts.iter().map(|text| format!("<{tag}>{}</{tag}>", Text(text))).collect() };
    let head = cells("th", &words::figures::COLUMNS.map(str::to_owned));
    let row = cells("td", &words::figures::columns(figures));
    let _ = write!(
        out,
        "<h2>The last {STATS_DAYS} days</h2><table><thead><tr>{head}</tr></thead><tbody><tr>{row}</tr></tbody></table>"
    );
}

#[cfg(test)]
mod tests {
    use gatewright_core::rollout::Wait;
    use gatewright_core::run::{Patience, RolloutState};
    use gatewright_core::{ForgeKind, RunId, Timestamp};
    use gatewright_engine::overview::{DriftOverview, FreezeOverview, LiveOverview};

    use super::*;

    const HOSTILE: &str = "</title><script>alert(1)</script>\"'&";

    fn repo(path: &str) -> RepoRef {
        RepoRef { forge: ForgeKind::Github, id: 1, path: path.to_owned(), installation: None }
    }

    /// Every text that comes from outside is this one.
    fn overview(text: &str) -> EnvironmentOverview {
        let at = Timestamp::UNIX_EPOCH;
        let text = || text.to_owned();
        let waits = vec![Wait::Freeze { by: text(), reason: Some(text()), until: None }];
        EnvironmentOverview {
            name: "production".parse().expect("a name"),
            live: Some(LiveOverview {
                tag: text(),
                version: text(),
                commit: "a".repeat(40).parse().expect("a commit"),
                pool: text(),
                url: Some(format!("https://example.com/{}", text())),
                since: at,
                rollout: RunId::new(),
            }),
            frozen: Some(FreezeOverview { by: text(), until: Some(at), reason: Some(text()) }),
            held: Some(text()),
            drift: Some(DriftOverview { found_at: at, differences: vec![text()], restored_by: Some(RunId::new()) }),
            locked_by: Some(RunId::new()),
            open: vec![RolloutOverview {
                run: RunId::new(),
                tag: text(),
                state: RolloutState::Waiting { waits, patience: Patience::default() },
                created_at: at,
                timeline: Vec::new(),
            }],
            arrivals: vec![ArrivalOverview {
                tag: text(),
                outcome: Outcome::RolledBack { because: text() },
                at,
                rollout: RunId::new(),
            }],
        }
    }

    #[test]
    fn nothing_from_outside_is_markup_on_the_page() {
        let html = render(&repo(HOSTILE), &overview(HOSTILE), None);
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("</title>").count(), 1);
        assert!(html.matches("&lt;script&gt;").count() >= 14, "{html}");
    }

    #[test]
    fn an_address_that_is_none_of_the_web_is_no_link() {
        let mut of = overview("x");
        if let Some(live) = &mut of.live {
            live.url = Some("javascript:alert(1)".to_owned());
        }
        assert!(!render(&repo("octo/app"), &of, None).contains("javascript:"));
    }

    #[test]
    fn the_page_says_what_there_is_to_know() {
        let of = EnvironmentOverview { locked_by: None, open: Vec::new(), ..overview("v1.4.0") };
        let html = render(&repo("octo/app"), &of, None);
        for said in ["octo/app production: drift", "Found at 1970-01-01", "made again", "Frozen", "Held", "rolled back: v1.4.0"] {
            assert!(html.contains(said), "{said}: {html}");
        }
        let calm = EnvironmentOverview { drift: None, frozen: None, held: None, ..of };
        let html = render(&repo("octo/app"), &calm, None);
        assert!(html.contains("octo/app production: live") && html.contains("What runs is what was released"), "{html}");
    }
}
