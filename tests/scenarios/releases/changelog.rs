//! The changelog file gets a release's notes by one pull request, on every forge.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{Proposed, Scene};
use insta::assert_snapshot;

const FILE: &str = "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n\
                    releases:\n  on: { tag: 'v*' }\n  changelog: NEWS.md\n";

const NEWS: &str = "# News\n\n## Unreleased\n\n- of people\n\n## 1.0.0\n\n- the first\n";

on_every_forge!(
    the_notes_of_a_release_are_proposed_once_and_whoever_merges_them_has_them(FILE),
    a_pull_request_that_somebody_closed_stays_closed(FILE),
    a_release_that_the_file_tells_of_and_a_pre_release_propose_nothing(FILE),
);

/// Merges a change and tags what comes of it. The pull request, and the commit.
async fn release(scene: &Scene, tag: &str, files: &[(&str, &str)]) -> (u64, String) {
    let branch = format!("topic-{tag}");
    scene.forge.commit(&branch, "alice", files);
    let number = scene.forge.open("alice", &branch);
    let commit = scene.forge.merge(number, "max");
    scene.forge.tag("alice", tag, &commit);
    scene.idle().await;
    (number, commit)
}

fn only(scene: &Scene) -> Proposed {
    let all = scene.forge.proposed();
    assert_eq!(all.len(), 1, "{all:?}");
    all.into_iter().next().expect("there is one")
}

async fn the_notes_of_a_release_are_proposed_once_and_whoever_merges_them_has_them(scene: Scene) {
    let (number, commit) = release(&scene, "v1.1.0", &[("f", "1"), ("NEWS.md", NEWS)]).await;
    let proposed = only(&scene);
    assert!(!proposed.draft && proposed.open && proposed.labels.is_empty(), "{proposed:?}");
    assert_snapshot!(format!("{} ({})", proposed.title, proposed.branch), @"chore: notes of v1.1.0 (gatewright/changelog-v1.1.0)");
    assert!(proposed.body.starts_with("Adds the notes of the release v1.1.0 to `NEWS.md`."), "{}", proposed.body);
    let head = scene.forge.head_of(&proposed.branch).expect("the branch is there");
    let news = scene.forge.file(&head, "NEWS.md").expect("the file is there");
    let (before, after) = news.split_once("## 1.1.0 - ").expect("it tells of the version");
    assert_eq!(before, "# News\n\n## Unreleased\n\n- of people\n\n");
    assert!(after.contains("\n\n### ") && after.ends_with("\n\n## 1.0.0\n\n- the first\n"), "{news}");
    let said = scene.replies(number).join("\n");
    assert!(said.contains("The notes go into `NEWS.md` by "), "{said}");
    // The same tag again, as somebody does who pushes it anew, or deletes and makes it.
    scene.forge.tag("alice", "v1.1.0", &head);
    scene.forge.tag("alice", "v1.1.0", &commit);
    scene.idle().await;
    assert_eq!((only(&scene), scene.forge.head_of(&proposed.branch)), (proposed.clone(), Some(head)));
    let merged = scene.forge.merge(proposed.item.number(), "max");
    scene.idle().await;
    assert_eq!(scene.forge.file(&merged, "NEWS.md"), Some(news));
    // What comes next goes on top of it.
    release(&scene, "v1.2.0", &[("f", "2")]).await;
    let all = scene.forge.proposed();
    assert_eq!(all.len(), 2, "{all:?}");
    let head = scene.forge.head_of("gatewright/changelog-v1.2.0").expect("the branch is there");
    let news = scene.forge.file(&head, "NEWS.md").expect("the file is there");
    let headings: Vec<&str> = news.lines().filter_map(|line| line.strip_prefix("## ")?.split(' ').next()).collect();
    assert_eq!(headings, ["Unreleased", "1.2.0", "1.1.0", "1.0.0"]);
    scene.end().await;
}

async fn a_pull_request_that_somebody_closed_stays_closed(scene: Scene) {
    let (_, commit) = release(&scene, "v1.1.0", &[("f", "1")]).await;
    let proposed = only(&scene);
    scene.forge.close(proposed.item.number(), "max");
    scene.idle().await;
    let elsewhere = scene.forge.head_of("main").expect("it is there");
    scene.forge.tag("alice", "v1.1.0", &elsewhere);
    scene.forge.tag("alice", "v1.1.0", &commit);
    scene.idle().await;
    assert!(!only(&scene).open);
    scene.end().await;
}

async fn a_release_that_the_file_tells_of_and_a_pre_release_propose_nothing(scene: Scene) {
    let (number, _) = release(&scene, "v1.0.0", &[("f", "1"), ("NEWS.md", NEWS)]).await;
    let said = scene.replies(number).join("\n");
    assert!(said.contains("`NEWS.md` stays as it is: it tells of 1.0.0 already"), "{said}");
    let (number, _) = release(&scene, "v1.1.0-rc.1", &[("f", "2")]).await;
    assert!(!scene.replies(number).join("\n").contains("NEWS.md"));
    assert_eq!(scene.forge.proposed(), []);
    scene.end().await;
}
