//! What policy gates say of a change, as people read it.

use gatewright_core::config::{GateConfig, RepoConfig, parse};
use gatewright_core::event::User;
use gatewright_core::survey::{Approval, Changed, CommitFacts, Commits, Content, Contents, FileChange, PullFacts, Side, Survey};
use gatewright_core::verdict::{Evidence, Exit, Verdict, VerdictStatus};
use gatewright_engine::gates;
use insta::assert_snapshot;

use super::{judge, shown};

#[path = "policy/dependencies.rs"]
mod dependencies;
#[path = "policy/files.rs"]
mod files;
#[path = "policy/told.rs"]
mod told;

/// A gate without a command that asks for this.
fn gate(require: &str) -> GateConfig {
    let file = format!("gates:\n  t: {{ require: {{ {require} }} }}\n");
    let RepoConfig { gates, .. } = parse(&file).unwrap_or_else(|problems| panic!("{problems:?}"));
    gates.into_iter().next().unwrap()
}

/// A change, made of what matters to a test.
#[derive(Default)]
struct Change(Survey);

impl Change {
    fn new() -> Change {
        Change(Survey { changes: Some(Vec::new()), ..Survey::default() })
    }

    fn file(mut self, path: &str, how: Changed, lines: (u64, u64), bytes: u64) -> Change {
        let change = FileChange { path: path.to_owned(), how, added: Some(lines.0), removed: Some(lines.1), bytes };
        self.0.changes.get_or_insert_default().push(change);
        self
    }

    fn modified(self, path: &str) -> Change {
        self.file(path, Changed::Modified, (1, 1), 100)
    }

    fn content(mut self, side: Side, path: &str, text: &str) -> Change {
        let Contents { files, .. } = &mut self.0.contents;
        files.push(Content { side, path: path.to_owned(), bytes: text.to_owned().into() });
        if side == Side::Head {
            self.0.files.push(path.to_owned());
        }
        self
    }

    fn diff(mut self, diff: &str) -> Change {
        self.0.diff = Some(diff.to_owned().into());
        self
    }

    fn commit(mut self, id: char, parents: usize, message: &str) -> Change {
        let (author, email) = ("Alice".to_owned(), "alice@example.com".to_owned());
        let id = id.to_string().repeat(40).parse().unwrap();
        let commit = CommitFacts { id, parents, author, email, message: message.to_owned() };
        self.0.commits.get_or_insert_default().list.push(commit);
        self
    }

    fn pull(mut self, title: &str, approvals: &[(u64, &str, &[&str])]) -> Change {
        let author = User { id: 1, login: "alice".to_owned() };
        let approval = |(id, login, teams): &(u64, &str, &[&str])| Approval {
            by: User { id: *id, login: (*login).to_owned() },
            teams: teams.iter().map(|team| (*team).to_owned()).collect(),
        };
        let approvals = Some(approvals.iter().map(approval).collect());
        self.0.pull = Some(PullFacts { title: title.to_owned(), author, approvals });
        self
    }

    fn judged(self, require: &str) -> Verdict {
        let Change(survey) = self;
        judge(&gate(require), &Evidence { survey: Some(survey), ..Evidence::of(Exit::Code { code: 0 }) })
    }

    /// Status, title and annotations, and what the check's page says.
    fn said(self, require: &str) -> String {
        let verdict = self.judged(require);
        format!("{}\n\n{}", shown(&verdict), verdict.summary)
    }
}

#[test]
fn a_change_of_code_without_docs_is_told_what_to_touch() {
    assert_snapshot!(Change::new().modified("app/a.rs").said("touched: ['docs/**', CHANGELOG.md]"), @r"
    Failed: the one changed file matches none of `docs/**`, `CHANGELOG.md`

    | rule | | |
    |---|---|---|
    | `touched` | ❌ | The one changed file matches none of `docs/**`, `CHANGELOG.md` |

    What to do:

    - `touched`: Change one of these files too. Where there is nothing to change, somebody with the right to can pass the gate: `/gw skip GATE REASON`.
    ");
    assert_snapshot!(Change::new().modified("app/a.rs").modified("docs/a.md").said("touched: ['docs/**']"), @r"
    Passed: `touched` is kept

    | rule | | |
    |---|---|---|
    | `touched` | ✅ | The change touches `docs/a.md` |
    ");
    let moved = Changed::Renamed { from: "docs/old.md".to_owned() };
    let moved_away = Change::new().file("old.md", moved, (0, 0), 5);
    assert_eq!(moved_away.judged("touched: ['docs/**']").status, VerdictStatus::Passed);
}

#[test]
fn what_is_compared_with_nothing_is_not_judged_and_no_pass() {
    assert_snapshot!(Change::default().said("touched: a, links: true"), @r"
    Skipped: 2 rules are not judged

    | rule | | |
    |---|---|---|
    | `touched` | not judged | There is no commit that this one is compared with |
    | `links` | not judged | There is no commit that this one is compared with |
    ");
    assert_snapshot!(shown(&Change::default().pull("feat: x", &[]).judged("touched: a, title: conventional")), @"Passed: `title` is kept, `touched` is not judged");
}

#[test]
fn a_source_that_cannot_be_asked_is_an_error() {
    let cause = "the source could not be fetched: gone".to_owned();
    let verdict = judge(&gate("touched: a"), &Evidence::of(Exit::NotStarted { cause }));
    assert_eq!(verdict.status, VerdictStatus::Errored);
}

#[test]
fn several_rules_give_one_verdict() {
    let change = Change::new().modified("app/a.rs").pull("feat: x", &[]);
    assert_snapshot!(change.said("touched: 'docs/**', title: conventional, forbidden: 'app/*.rs', commits: conventional"), @r"
    Failed: `touched` and 1 more rule are broken, `commits: conventional` is not judged
    Failure app/a.rs:1 Forbidden: This file is changed by the change, which the repository's policy forbids.

    | rule | | |
    |---|---|---|
    | `touched` | ❌ | The one changed file matches none of `docs/**` |
    | `title` | ✅ | The title is conventional: `feat: x` |
    | `commits: conventional` | not judged | There is no commit that this one is compared with |
    | `forbidden` | ❌ | 1 file must not be touched like that |

    What to do:

    - `touched`: Change one of these files too. Where there is nothing to change, somebody with the right to can pass the gate: `/gw skip GATE REASON`.
    - `forbidden`: Take them out of the change (`git checkout BASE -- FILE`, `git rm FILE`). Where it has to be, somebody with the right to can pass the gate: `/gw skip GATE REASON`.

    What must not be:

    - `app/a.rs` is changed
    ");
}

#[test]
fn rules_are_kept_beside_a_command_too() {
    let file = "image: a\ngates:\n  t: { run: x, require: { touched: 'docs/**' } }\n";
    let config = parse(file).unwrap().gates.remove(0);
    let evidence = |code| Evidence { survey: Some(Change::new().modified("docs/a").0), ..Evidence::of(Exit::Code { code }) };
    assert_snapshot!(shown(&judge(&config, &evidence(0))), @"Passed: `touched` is kept");
    assert_snapshot!(shown(&judge(&config, &evidence(1))), @"Failed: exit code 1; `touched` is kept");
}

#[test]
fn a_gate_asks_for_no_more_than_it_needs() {
    let wanted = gates::survey_wanted(&gate("title: conventional"));
    assert!(wanted.is_empty(), "a title needs no source");
    assert!(gates::pull_wanted(&gate("title: conventional")));
    let wanted = gates::survey_wanted(&gate("touched: a"));
    assert!(wanted.changes && !wanted.commits && wanted.contents.is_empty() && !wanted.diff);
    assert!(gates::survey_wanted(&gate("commits: signed-off")).commits);
    assert!(gates::base_wanted(&gate("touched: a")));
}
