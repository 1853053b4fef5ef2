//! What people see of their commands: a reaction, then the one comment; a reply only where something was not obeyed.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::Scene;
use insta::assert_snapshot;

use super::TWO_GATES;

on_every_forge!(
    on this machine:
    help_lists_what_this_person_may_do_in_the_one_comment(TWO_GATES),
    status_and_explain_say_where_things_stand_and_why(TWO_GATES),
    a_misspelt_command_gets_the_nearest_and_the_reply_is_folded_once_something_else_is_said(TWO_GATES),
    several_commands_in_a_comment_are_each_answered(TWO_GATES),
    what_is_quoted_hidden_or_changed_later_is_not_obeyed(TWO_GATES),
    a_comment_of_ten_megabytes_and_one_of_a_thousand_commands_do_no_harm(TWO_GATES),
    of_sixty_one_commands_in_a_minute_the_last_gets_a_note(TWO_GATES),
    who_says_too_much_keeps_nobody_else_from_being_heard_and_gets_few_replies(TWO_GATES),
);

async fn help_lists_what_this_person_may_do_in_the_one_comment(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    let comment = scene.say(number, "rita", "/gw help").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "+1"]);
    assert_snapshot!(scene.sticky(number), @r"
    ### Gatewright: 1 of 2 gates failed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | good | exit code 0 (earlier run) |  |
    | ❌ | bad | exit code 3 (earlier run) |  |

    <details open><summary>rita asked: help</summary>

    | command | what it does |
    |---|---|
    | `/gw help` | Lists the commands that you may give. |
    | `/gw status` | Says where things stand. |
    | `/gw explain GATE` | Says why a gate says what it says. |

    </details>
    ");
    assert_eq!(scene.replies(number), Vec::<String>::new());
    scene.end().await;
}

async fn status_and_explain_say_where_things_stand_and_why(scene: Scene) {
    let (number, head) = scene.open("topic", "a", "1");
    scene.idle().await;
    scene.say(number, "rita", "/gw explain bad").await;
    assert_snapshot!(scene.sticky(number), @r"
    ### Gatewright: 1 of 2 gates failed

    | | Gate | Result | Time |
    |---|---|---|---:|
    | ✅ | good | exit code 0 (earlier run) |  |
    | ❌ | bad | exit code 3 (earlier run) |  |

    <details open><summary>rita asked: explain bad</summary>

    The command is `exit 3` in the image `gatewright-sandbox:local`.

    **exit code 3**

    The command ended with exit code 3.

    </details>
    ");
    scene.say(number, "wendy", "/gw hold waiting for the release").await;
    scene.say(number, "rita", "/gw status").await;
    let sticky = scene.sticky(number).replace(&head[..7], "HEAD");
    let lines = sticky.lines().filter(|line| line.starts_with("- ") && !line.starts_with("- Run "));
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
    - Commit HEAD: held by wendy; 1 of 2 gates failed.
    - Held by wendy: waiting for the release
    ");
    scene.end().await;
}

async fn a_misspelt_command_gets_the_nearest_and_the_reply_is_folded_once_something_else_is_said(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    let comment = scene.say(number, "wendy", "/gw rerrun").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "confused"]);
    assert_snapshot!(scene.replies(number).join("\n"), @"**rerrun** was not done: there is no such command. Did you mean `/gw rerun`?");
    let comment = scene.say(number, "wendy", "/gw rerun").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "+1"]);
    assert_eq!(scene.replies(number), Vec::<String>::new());
    assert_eq!(scene.forge.replies(number).len(), 1, "it is folded, not gone");
    scene.end().await;
}

async fn several_commands_in_a_comment_are_each_answered(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    let comment = scene.say(number, "wendy", "Let me see.\n\n/gw explain nothing\n/gw hold\n/gw skip bad flaky").await;
    assert_eq!(scene.forge.reactions(number, comment), ["eyes", "confused"]);
    assert_snapshot!(scene.replies(number).join("\n"), @r"
    **explain nothing** was not done: there is no gate nothing. The gates are `good`, `bad`.

    **skip bad flaky** was not done: wendy may not give this command: it is for those who maintain the repository.
    ");
    assert!(scene.sticky(number).contains("Held by wendy."), "{}", scene.sticky(number));
    let audit = scene.audit().await.join("\n");
    let ids = |c: char| c == '(' || c == ')' || c.is_ascii_digit();
    let audit: String = audit.chars().filter(|c| !ids(*c)).collect();
    assert_snapshot!(audit.replace("github:", "FORGE:").replace("gitlab:", "FORGE:"), @r"
    FORGE:wendy  command.explain octo/app #: explain nothing: refused: there is no gate nothing. The gates are `good`, `bad`.
    FORGE:wendy  command.hold octo/app #: hold: held
    FORGE:wendy  command.skip octo/app #: skip bad flaky: refused: wendy may not give this command: it is for those who maintain the repository.
    ");
    scene.end().await;
}

async fn what_is_quoted_hidden_or_changed_later_is_not_obeyed(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    for body in ["> /gw hold", "```\n/gw hold\n```", "<!--\n/gw hold\n-->", "| a |\n|---|\n| /gw hold |", "![a\n/gw hold\n](x)"] {
        let comment = scene.say(number, "max", body).await;
        assert_eq!(scene.forge.reactions(number, comment), Vec::<String>::new(), "{body}");
    }
    let comment = scene.say(number, "max", "nothing yet").await;
    scene.forge.edit_comment(number, comment, "max", "/gw hold");
    scene.idle().await;
    assert_eq!(scene.forge.reactions(number, comment), Vec::<String>::new());
    assert_eq!(scene.audit().await, Vec::<String>::new());
    scene.end().await;
}

async fn a_comment_of_ten_megabytes_and_one_of_a_thousand_commands_do_no_harm(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    let long = scene.say(number, "max", &format!("/gw hold\n{}", "x".repeat(10 * 1024 * 1024))).await;
    assert_eq!(scene.forge.reactions(number, long), Vec::<String>::new());
    let many = scene.say(number, "rita", &"/gw status\n".repeat(1_000)).await;
    assert_eq!(scene.forge.reactions(number, many), ["eyes", "confused"]);
    assert_snapshot!(scene.replies(number).join("\n"), @"**(990 more)** was not done: a comment may have 10 commands. Write the others into another one.");
    scene.end().await;
}

async fn of_sixty_one_commands_in_a_minute_the_last_gets_a_note(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    for user in ["rita", "wendy", "max", "rita", "wendy", "max"] {
        scene.forge.comment(number, user, &"/gw nonsense\n".repeat(10));
    }
    scene.idle().await;
    let last = scene.say(number, "ada", "/gw status").await;
    assert_eq!(scene.forge.reactions(number, last), ["confused"]);
    let further = scene.say(number, "ada", "/gw status").await;
    assert_eq!(scene.forge.reactions(number, further), ["confused"]);
    let notes = scene.replies(number).into_iter().filter(|reply| reply.contains("Wait a minute"));
    assert_eq!(notes.count(), 1, "{:#?}", scene.replies(number));
    scene.end().await;
}

async fn who_says_too_much_keeps_nobody_else_from_being_heard_and_gets_few_replies(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    for _ in 0..30 {
        scene.forge.comment(number, "stranger", "/gw nonsense");
        scene.idle().await;
    }
    let replies = scene.forge.replies(number).len();
    assert!(replies <= 6, "five replies an hour, and a note that it is too much, not {replies}");
    let hold = scene.say(number, "wendy", "/gw hold").await;
    assert_eq!(scene.forge.reactions(number, hold), ["eyes", "+1"]);
    scene.end().await;
}
