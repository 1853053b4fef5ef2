//! Who may give which command: by the forge's word on a person's id, and by the base branch's file.

use gatewright_tests::on_every_forge;
use gatewright_tests::stage::{Role, Scene};

use super::TWO_GATES;

/// Narrows, widens, and names a person and a team.
const RULES: &str = "\
image: gatewright-sandbox:local
gates:
  good: { run: 'true' }
  bad: { run: exit 3 }
commands:
  rerun: { who: read }
  hold: { who: maintain }
  skip: { who: ['@octo/reviewers', admin] }
  run: { who: '@rita' }
";

/// Its file in the change would give everything to everybody.
const NARROW: &str = "image: gatewright-sandbox:local\ngates:\n  bad: { run: exit 3 }\ncommands:\n  hold: { who: admin }\n";

on_every_forge!(
    on this machine:
    each_role_may_do_what_the_table_says(TWO_GATES),
    the_base_branchs_file_narrows_and_widens(RULES),
    what_the_change_itself_says_about_commands_counts_for_nothing(NARROW),
    somebody_who_loses_all_rights_is_refused_from_then_on(TWO_GATES),
);

/// Whether each of these people may give a command, in one line.
async fn may(scene: &Scene, number: u64, command: &str, people: &[&str]) -> String {
    let mut who = Vec::new();
    for user in people {
        let before = scene.audit().await.len();
        scene.say(number, user, command).await;
        let lines = scene.audit().await;
        assert_eq!(lines.len(), before + 1, "every command is in the audit log");
        if !lines[before].contains("may not give this command") {
            who.push(*user);
        }
    }
    who.join(" ")
}

const PEOPLE: [&str; 6] = ["stranger", "rita", "alice", "wendy", "max", "ada"];

async fn each_role_may_do_what_the_table_says(scene: Scene) {
    scene.forge.set_role("alice", Role::Read);
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    for (command, expected) in [
        ("/gw status", "rita alice wendy max ada"),
        ("/gw run bad", "wendy max ada"),
        ("/gw rerun", "alice wendy max ada"),
        ("/gw cancel", "alice wendy max ada"),
        ("/gw approve", "wendy max ada"),
        ("/gw skip bad x", "max ada"),
        ("/gw hold", "wendy max ada"),
        ("/gw unhold", "wendy max ada"),
        ("/gw fix", "wendy max ada"),
    ] {
        assert_eq!(may(&scene, number, command, &PEOPLE).await, expected, "{command}");
    }
    scene.end().await;
}

async fn the_base_branchs_file_narrows_and_widens(scene: Scene) {
    scene.forge.set_role("alice", Role::Read);
    scene.forge.set_role("tom", Role::Read);
    scene.forge.add_to_team("tom");
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    for (command, expected) in [
        ("/gw rerun", "rita alice wendy max ada tom"),
        ("/gw hold", "max ada"),
        ("/gw skip bad x", "ada tom"),
        ("/gw run bad", "rita"),
    ] {
        let people = [&PEOPLE[..], &["tom"]].concat();
        assert_eq!(may(&scene, number, command, &people).await, expected, "{command}");
    }
    scene.end().await;
}

async fn what_the_change_itself_says_about_commands_counts_for_nothing(scene: Scene) {
    let wide = NARROW.replace("admin", "read");
    let (number, _) = scene.open("topic", ".gatewright.yml", &wide);
    scene.idle().await;
    assert_eq!(may(&scene, number, "/gw hold", &["rita", "wendy", "max", "ada"]).await, "ada");
    scene.end().await;
}

async fn somebody_who_loses_all_rights_is_refused_from_then_on(scene: Scene) {
    let (number, _) = scene.open("topic", "a", "1");
    scene.idle().await;
    assert_eq!(may(&scene, number, "/gw hold", &["wendy"]).await, "wendy");
    scene.forge.set_role("wendy", Role::None);
    assert_eq!(may(&scene, number, "/gw unhold", &["wendy"]).await, "");
    scene.end().await;
}
