//! What happens at the same time.

use gatewright_tests::github::{HookEffect, When};
use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{Scene, Told};

use super::{TWO_GATES, on_github};

const QUICK: &str = "image: gatewright-sandbox:local\ngates:\n  good: { run: 'true' }\n";

on_every_forge!(
    on this machine:
    two_opposite_commands_at_once_end_as_the_later_one_says(QUICK),
    a_comment_that_is_gone_or_changed_before_it_is_read_is_not_obeyed(QUICK),
    a_cancel_while_a_run_ends_does_no_harm(QUICK),
    a_hold_while_a_run_ends_is_not_lost(QUICK),
);

async fn two_opposite_commands_at_once_end_as_the_later_one_says(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    for round in 0..3 {
        scene.forge.comment(number, "wendy", "/gw hold");
        scene.idle().await;
        scene.forge.comment(number, "max", "/gw unhold");
        scene.forge.comment(number, "ada", "/gw hold again");
        scene.idle().await;
        // Deliveries may overtake each other; what was taken last stands, and the check shows what stands.
        let held = scene.sticky(number).contains("Held by");
        assert_eq!(scene.checks(&head).contains("gatewright: success"), !held, "round {round}: {}", scene.sticky(number));
    }
    scene.end().await;
}

async fn a_comment_that_is_gone_or_changed_before_it_is_read_is_not_obeyed(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    let late = |nth| scene.forge.hook_fault(Told::OfComment, HookEffect::HoldBehind(1), When::Nth(nth));
    late(1);
    let gone = scene.forge.comment(number, "wendy", "/gw hold");
    scene.forge.delete_comment(number, gone, "wendy");
    scene.say(number, "rita", "one comment later").await;
    assert_eq!(scene.replies(number), Vec::<String>::new(), "nobody is there to be answered");
    // The faults count apart, and the comment of before was the second.
    late(1);
    let changed = scene.forge.comment(number, "wendy", "/gw hold");
    scene.forge.edit_comment(number, changed, "wendy", "/gw hold\n/gw cancel");
    scene.say(number, "rita", "one comment later").await;
    assert_eq!(scene.replies(number).len(), 1, "{:?}", scene.replies(number));
    assert!(scene.replies(number)[0].contains("changed before it was read"), "{:?}", scene.replies(number));
    let audit = scene.audit().await;
    assert!(audit.len() == 2 && audit.iter().all(|line| line.contains("refused")), "{audit:#?}");
    assert_eq!(scene.forge.checks(&head)["gatewright"], "success");
    scene.end().await;
}

async fn a_cancel_while_a_run_ends_does_no_harm(scene: Scene) {
    for n in 0..4 {
        let (number, head) = scene.open(&format!("topic-{n}"), "a", &n.to_string());
        scene.forge.comment(number, "wendy", "/gw cancel");
        scene.idle().await;
        let checks = scene.checks(&head);
        assert!(!checks.contains("running") && !checks.contains("pending"), "{checks}");
    }
    scene.end().await;
}

async fn a_hold_while_a_run_ends_is_not_lost(scene: Scene) {
    for n in 0..4 {
        let (number, head) = scene.open(&format!("topic-{n}"), "a", &n.to_string());
        scene.forge.comment(number, "wendy", "/gw hold");
        scene.idle().await;
        assert!(scene.sticky(number).contains("Held by wendy"), "{}", scene.sticky(number));
        assert!(!scene.checks(&head).contains("gatewright: success"), "{}", scene.checks(&head));
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_in_the_second_of_a_push_is_refused_and_names_the_commit_to_look_at() {
    let (_, scene) = on_github(TWO_GATES).await;
    scene.forge.commit_to_fork("topic", "mallory", &[("a", "1")]);
    let number = scene.forge.open_from_fork("mallory", "topic");
    scene.idle().await;
    scene.forge.advance(60);
    // The forge's clock tells seconds, so both have to be within one: a second that has just begun has room for them.
    let just_begun = || async { gatewright_core::Timestamp::now().subsec_millisecond() < 200 };
    gatewright_tests::service::until("a second has just begun", just_begun).await;
    let next = scene.forge.commit_to_fork("topic", "mallory", &[("a", "2")]);
    let comment = scene.forge.comment(number, "wendy", "/gw approve");
    scene.idle().await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "confused"]);
    assert!(scene.replies(number)[0].contains(&format!("write `/gw approve {}`", &next[..7])), "{:?}", scene.replies(number));
    assert!(!scene.checks(&next).contains("good"), "{}", scene.checks(&next));
    scene.end().await;
}
