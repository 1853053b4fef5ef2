//! Policy, as people see it: what a change itself has to be, without any command that runs.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;

const DOCS: &str = "\
gates:
  docs:
    when: { changed: [\"app/**\"] }
    require: { touched: [\"docs/**\", \"CHANGELOG.md\"] }
";

const PACKAGES: &str = "\
gates:
  packages:
    require: { dependencies: { sources: crates.io }, links: true, size-at-most: { lines: 500 } }
";

const PEOPLE: &str = "\
gates:
  people:
    require:
      title: conventional
      commits: signed-off
      reviewers: { paths: \"app/**\", from: [\"@max\", \"@octo/reviewers\"] }
";

on_every_forge!(
    a_change_of_code_without_docs_is_told_what_to_touch(DOCS),
    what_comes_in_by_a_lock_file_is_listed_and_judged_by_where_it_comes_from(PACKAGES),
    a_title_and_an_approval_are_looked_at_again_when_somebody_says_so(PEOPLE),
);

async fn a_change_of_code_without_docs_is_told_what_to_touch(scene: Scene) {
    let (number, head) = scene.open("topic", "app/a.rs", "code\n");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/docs: failure (the one changed file matches none of `docs/**`, `CHANGELOG.md`)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/docs");
    assert!(text.contains("Change one of these files too."), "{text}");
    let head = scene.forge.commit("topic", "alice", &[("docs/a.md", "how it works\n")]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/docs: success (`touched` is kept)
    ");
    scene.end().await;
}

fn lock(packages: &[(&str, &str)]) -> String {
    let one = |(name, index): &(&str, &str)| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"1.0.0\"\nsource = \"registry+{index}\"\n\n")
    };
    format!("version = 4\n\n{}", packages.iter().map(one).collect::<String>())
}

const INDEX: &str = "https://github.com/rust-lang/crates.io-index";

async fn what_comes_in_by_a_lock_file_is_listed_and_judged_by_where_it_comes_from(scene: Scene) {
    scene.forge.commit("main", "alice", &[("Cargo.lock", &lock(&[("old", INDEX)]))]);
    let with_new = lock(&[("new", INDEX), ("old", INDEX)]);
    let head = scene.forge.commit("topic", "alice", &[("Cargo.lock", &with_new), ("a.md", "# A\n\n[to itself](#a)\n")]);
    let number = scene.forge.open("alice", "topic");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: success (1 gate passed)
    gatewright/packages: success (3 rules are kept)
    ");
    let sticky = scene.forge.sticky(number).expect("there is a comment");
    assert!(sticky.contains("| packages: 1 in |"), "what is different is in the comment's table: {sticky}");
    let elsewhere = lock(&[("new", "https://crates.example/index"), ("old", INDEX)]);
    let head = scene.forge.commit("topic", "alice", &[("Cargo.lock", &elsewhere), ("a.md", "# A\n\n\n[b](b.md)\n")]);
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/packages: failure (`links` and 1 more rule are broken)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/packages");
    assert!(text.contains("| ❌ `new` (Cargo) | new |  | `1.0.0` | `crates.example/index` | unknown |"), "{text}");
    let mut remarks = scene.forge.remarks(number, &head);
    remarks.sort();
    assert_eq!(remarks, [("Cargo.lock".to_owned(), 4), ("a.md".to_owned(), 4)]);
    scene.end().await;
}

async fn a_title_and_an_approval_are_looked_at_again_when_somebody_says_so(scene: Scene) {
    let (number, head) = scene.open("topic", "app/a.rs", "code\n");
    scene.idle().await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/people: failure (`title` and 2 more rules are broken)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/people");
    assert!(text.contains("it has no line `Signed-off-by:`"), "{text}");
    assert!(text.contains("0 of 1 approval by `@max`, `@octo/reviewers` for `app/**`"), "{text}");
    scene.forge.retitle(number, "alice", "feat: add code");
    scene.forge.approve(number, "rita");
    scene.forge.approve(number, "max");
    scene.say(number, "wendy", "/gw rerun").await;
    assert_snapshot!(scene.shown(&head), @r"
    gatewright: failure (1 of 1 gate failed)
    gatewright/people: failure (1 of 1 commit is not signed off)
    ");
    let text = scene.forge.text_of(number, &head, "gatewright/people");
    assert!(text.contains("Approved by `max` "), "rita may not write, so her approval decides nothing: {text}");
    scene.end().await;
}
