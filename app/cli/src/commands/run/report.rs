//! A local run as a report that can be kept or sent: what the comment and the checks on a forge would say, as Markdown or as
//! one HTML page that needs nothing else.

use std::fmt::Write;

use gatewright_core::report::{Report, ReportKey};
use gatewright_core::run::{Kind, Run, StepState};
use gatewright_engine::render;

use super::{Done, show};
use crate::failure::Failure;
use crate::markup;
use crate::serve::html::Text;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1f2328;\
background:#fff}table{border-collapse:collapse;display:block;overflow-x:auto}th,td{border:1px solid #d1d9e0;padding:.3rem .7rem;text-align:left}\
pre{background:#f6f8fa;padding:1rem;overflow:auto;border-radius:6px}code{background:#f6f8fa}\
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre,code{background:#161b22}th,td{border-color:#3d444d}}";

/// The report as Markdown.
pub(super) fn markdown(done: &Done<'_>) -> Result<String, Failure> {
    let run = without_outputs(&done.report.run);
    let rendered = |key: &ReportKey| {
        let faulty = |error| Failure::Outside(format!("the report cannot be written, which is our fault: {error}"));
        render::report(&run, key, None).map_err(faulty)
    };
    let mut text = String::new();
    if let Report::Comment(comment) = rendered(&ReportKey::Comment)? {
        text.push_str(&headed(comment.body.trim(), &show::checked(done)));
    }
    for step in &done.report.gates().steps {
        if let Report::Check(check) = rendered(&ReportKey::Gate(step.gate.name.clone()))? {
            let body = check.text.map(|text| format!("\n\n{}", text.trim())).unwrap_or_default();
            // Writing to a text does not fail.
            let _ = write!(text, "\n\n## {}\n\n{}{body}", render::escape(step.gate.name.as_str()), check.summary.trim());
        }
        for file in done.kept.outputs.get(&step.gate.name).into_iter().flatten() {
            let _ = write!(text, "\n\nKept: {}", render::escape(&file.display().to_string()));
        }
    }
    text.push('\n');
    Ok(text)
}

/// The comment as the beginning of a report: its heading above all others, and in the place of its last line, which names a commit
/// that may be none of the user's, what was checked.
fn headed(comment: &str, checked: &str) -> String {
    let comment = comment.replacen("### ", "# ", 1);
    let body = comment.rsplit_once("<sub>Commit ").map_or(comment.as_str(), |(body, _)| body);
    format!("{body}<sub>{}</sub>", render::escape(checked))
}

/// The run without the files that were kept: the forge's texts say that they are on the run's page, of which there is none.
fn without_outputs(run: &Run) -> Run {
    let mut run = run.clone();
    if let Kind::Gates(gates) = &mut run.kind {
        for step in &mut gates.steps {
            if let StepState::Done { outcome, .. } = &mut step.state {
                outcome.outputs.clear();
            }
        }
    }
    run
}

/// The report as a page.
pub(super) fn html(done: &Done<'_>) -> Result<String, Failure> {
    let markdown = markdown(done)?;
    let title = Text(&format!("Gatewright: {}", render::headline(&done.report.run))).to_string();
    let body = markup::html(&markdown);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title><style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    ))
}
