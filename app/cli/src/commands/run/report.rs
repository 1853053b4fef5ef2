//! A local run as a report that can be kept or sent: what the comment and the checks on a forge would say, as Markdown or as
//! one HTML page that needs nothing else.

use std::fmt::Write;

use gatewright_core::report::{Report, ReportKey};
use gatewright_core::run::{Kind, Run, StepState};
use gatewright_engine::render;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

use super::{Done, show};
use crate::failure::Failure;
use crate::serve::html::Text;

/// The markup that our own Markdown has in it. Anything else is shown as the text that it is.
const TAGS: [&str; 8] = ["<details>", "<details open>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>", "<br>"];

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
    let body = body(&markdown);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title><style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
    ))
}

/// Markdown as HTML, in which only our own tags are tags and no link or picture leads anywhere.
fn body(markdown: &str) -> String {
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let plain = events.filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Html(own_tags(&text).into())),
        Event::Start(Tag::Link { .. } | Tag::Image { .. }) | Event::End(TagEnd::Link | TagEnd::Image) => None,
        other => Some(other),
    });
    let mut page = String::new();
    html::push_html(&mut page, plain);
    page
}

/// A piece of markup, with all but our own tags shown as text.
fn own_tags(text: &str) -> String {
    if text.trim_start().starts_with("<!--") {
        return String::new();
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        shown.push_str(&unescaped(&rest[..at]));
        rest = &rest[at..];
        match TAGS.iter().find(|tag| rest.starts_with(**tag)) {
            Some(tag) => {
                shown.push_str(tag);
                rest = &rest[tag.len()..];
            }
            None => {
                shown.push_str("&lt;");
                rest = &rest[1..];
            }
        }
    }
    shown + &unescaped(rest)
}

/// Text between tags is HTML already: what is escaped in it stays so, and a backslash before a sign was Markdown's.
fn unescaped(text: &str) -> String {
    text.replace('\\', "").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_tags_are_tags() {
        let page = body("<details><summary>a &lt;b&gt;</summary>\n\n<script>alert(1)</script>\n\n</details>\n\na <img src=x> b");
        assert!(page.contains("<details><summary>a &lt;b&gt;</summary>"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    }

    #[test]
    fn a_table_is_a_table() {
        assert!(body("| a | b |\n|---|---|\n| 1 | 2 |\n").contains("<td>2</td>"));
    }
}
