//! Notes, threads at lines, emoji, and external status checks.

use gatewright_tests::gitlab::Signing;

use super::*;

async fn ids(client: &Client, path: &str) -> Vec<Value> {
    let (status, list) = client.get(path).await;
    assert_eq!(status, 200, "{list}");
    all(&list, "/id")
}

#[tokio::test]
async fn a_note_is_made_read_changed_and_deleted_by_its_author() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let (bot, notes) = (Client::bot(&gitlab), format!("{}/notes", request_path(iid)));
    let (status, made) = bot.post(&notes, json!({"body": "first"})).await;
    assert_eq!((status, &made["body"], &made["author"]["username"]), (201, &json!("first"), &json!(BOT)));
    assert_eq!((&made["type"], &made["resolvable"], &made["system"]), (&Value::Null, &json!(false), &json!(false)));
    let one = format!("{notes}/{}", id(&made));
    let (status, changed) = bot.put(&one, json!({"body": "second"})).await;
    assert_eq!((status, &changed["id"], &changed["body"]), (200, &made["id"], &json!("second")));
    assert_ne!(changed["updated_at"], made["updated_at"]);
    assert_eq!(bot.get(&one).await.1, changed);
    assert_eq!((bot.delete(&one).await, bot.delete(&one).await, bot.get(&one).await.0), (204, 404, 404));
    gitlab.assert_valid();
}

#[tokio::test]
async fn somebody_elses_note_is_changed_by_maintainers_only() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let note = format!("{}/notes/{}", request_path(iid), gitlab.comment(REPO, iid, "bob", "mine"));
    for (level, expected) in [(20, 403), (30, 403), (40, 200)] {
        gitlab.set_level(REPO, "carol", level);
        assert_eq!(Client::of(&gitlab, "carol").put(&note, json!({"body": "yours"})).await.0, expected, "{level}");
    }
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_note_says_something_within_limits() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let (bot, notes) = (Client::bot(&gitlab), format!("{}/notes", request_path(iid)));
    let (status, refusal) = bot.post(&notes, json!({"body": " \n"})).await;
    assert_eq!((status, &refusal["message"]), (400, &json!("400 Bad request - Note {:note=>[\"can't be blank\"]}")));
    assert_eq!(bot.post(&notes, json!({"body": "x".repeat(1_000_001)})).await.0, 400);
    assert_eq!(bot.post(&notes, json!({"body": "x".repeat(1_000_000)})).await.0, 201);
    assert_eq!(bot.post(&format!("{}/notes", request_path(99)), json!({"body": "b"})).await.0, 404);
    gitlab.assert_valid();
}

#[tokio::test]
async fn notes_are_listed_newest_first_unless_asked_otherwise_and_threads_notes_with_them() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let (first, second) = (gitlab.comment(REPO, iid, "alice", "a"), gitlab.comment(REPO, iid, "bob", "b"));
    let (bot, notes) = (Client::bot(&gitlab), format!("{}/notes", request_path(iid)));
    let (_, thread) = bot.post(&format!("{}/discussions", request_path(iid)), json!({"body": "c"})).await;
    let third = thread["notes"][0]["id"].clone();
    assert_eq!(ids(&bot, &notes).await, [third.clone(), json!(second), json!(first)]);
    assert_eq!(ids(&bot, &format!("{notes}?sort=asc&order_by=created_at")).await, [json!(first), json!(second), third.clone()]);
    gitlab.edit_note(first, "a, once more");
    assert_eq!(ids(&bot, &format!("{notes}?order_by=updated_at")).await[0], first);
    gitlab.assert_valid();
}

#[tokio::test]
async fn gitlabs_own_notes_stand_among_the_others_and_nobody_is_told_of_them() {
    let (gitlab, receiver) = (FakeGitLab::start().await, Receiver::start().await);
    let (iid, _) = with_request(&gitlab);
    gitlab.comment(REPO, iid, "bob", "by a person");
    gitlab.set_webhook(&receiver.url, Signing::Token("a secret token of some length".to_owned()));
    gitlab.commit(REPO, "topic", "alice", "more", [("z", "z\n")]);
    gitlab.retitle(REPO, iid, "Another", "alice");
    gitlab.approve(REPO, iid, "bob");
    let told = receiver.take(&gitlab).await;
    assert!(told.len() == 4 && told.iter().all(|(_, body)| parsed(body)["object_kind"] != "note"));
    let (bot, notes) = (Client::bot(&gitlab), format!("{}/notes", request_path(iid)));
    let bodies = async |query: &str| all(&bot.get(&format!("{notes}?sort=asc{query}")).await.1, "/body");
    let own = ["added 1 commit", "changed title from **A change** to **Another**", "approved this merge request"];
    assert_eq!(bodies("").await, [&["by a person"], &own[..]].concat());
    assert_eq!(bodies("&activity_filter=only_activity").await, own);
    assert_eq!(bodies("&activity_filter=only_comments").await, ["by a person"]);
    let (_, listed) = bot.get(&format!("{notes}?sort=asc")).await;
    assert_eq!(all(&listed, "/system"), [false, true, true, true]);
    let (_, mr) = bot.get(&request_path(iid)).await;
    assert_eq!((&mr["user_notes_count"], gitlab.notes(REPO, iid).len()), (&json!(1), 1));
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_internal_note_is_for_those_who_may_look_at_the_code_and_told_as_such() {
    let (gitlab, receiver) = (FakeGitLab::start().await, Receiver::start().await);
    gitlab.create_public_project(REPO);
    gitlab.commit(REPO, "topic", "alice", "a change", [("a", "a\n")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "topic"));
    gitlab.set_webhook(&receiver.url, Signing::Token("a secret token of some length".to_owned()));
    let note = gitlab.comment_internally(REPO, iid, "bob", "/gw run");
    let (headers, body) = receiver.take(&gitlab).await.remove(0);
    let payload = parsed(&body);
    assert_eq!(
        (header(&headers, "x-gitlab-event"), &payload["event_type"]),
        ("Confidential Note Hook", &json!("confidential_note"))
    );
    assert_eq!(payload["object_attributes"]["internal"], true);
    let read = gatewright_webhook::gitlab::parse("Confidential Note Hook", &body).expect("it is JSON");
    assert!(matches!(read.event, gatewright_core::event::Event::Unused { .. }), "the service does not obey it");
    let path = format!("{}/notes", request_path(iid));
    let (bot, stranger) = (Client::bot(&gitlab), Client::stranger(&gitlab));
    assert_eq!((ids(&bot, &path).await, ids(&stranger, &path).await), (vec![json!(note)], vec![]));
    assert_eq!(
        (bot.get(&format!("{path}/{note}")).await.1["internal"].clone(), stranger.get(&format!("{path}/{note}")).await.0),
        (json!(true), 404)
    );
    let threads = format!("{}/discussions", request_path(iid));
    assert_eq!((ids(&bot, &threads).await.len(), ids(&stranger, &threads).await.len()), (1, 0));
    let internal = json!({"body": "b", "internal": true});
    assert_eq!((bot.post(&path, internal.clone()).await.0, Client::of(&gitlab, "zoe").post(&path, internal).await.0), (201, 403));
    gitlab.assert_valid();
}

#[tokio::test]
async fn lines_that_gitlab_obeys_are_not_shown_and_a_note_of_nothing_else_is_none() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let (bot, notes) = (Client::bot(&gitlab), format!("{}/notes", request_path(iid)));
    let (status, made) = bot.post(&notes, json!({"body": "as asked\n  /merge now\n/usr/bin\n/gw run\n```\n/close\n```\n"})).await;
    assert_eq!((status, &made["body"]), (201, &json!("as asked\n/usr/bin\n/gw run\n```\n/close\n```")));
    let (status, only) = bot.post(&notes, json!({"body": "/approve\r\n/title x"})).await;
    assert_eq!((status, &only["summary"]), (202, &json!(["/approve", "/title x"])));
    let changed = bot.put(&format!("{notes}/{}", id(&made)), json!({"body": "y\n/draft"})).await;
    assert_eq!((changed.0, &changed.1["body"]), (200, &json!("y")));
    let lines: Vec<(String, String)> = gitlab.obeyed();
    let expected = ["/merge now", "/approve", "/title x", "/draft"].map(|line| (BOT.to_owned(), line.to_owned()));
    assert_eq!((lines, gitlab.bot_notes(REPO, iid).len()), (expected.to_vec(), 1));
    gitlab.assert_valid();
}

/// A place in the newest version of a merge request's diff, as the API wants it, without a line.
async fn place(client: &Client, iid: u64, path: &str) -> Value {
    let (_, mr) = client.get(&request_path(iid)).await;
    let mut place = mr["diff_refs"].clone();
    place["position_type"] = json!("text");
    place["old_path"] = json!(path);
    place["new_path"] = json!(path);
    place
}

fn at(place: &Value, more: Value) -> Value {
    let mut position = place.clone();
    position.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    json!({"body": "this line", "position": position})
}

/// `kept` has its second of ten lines changed.
async fn with_change() -> (FakeGitLab, Client, u64, String) {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    let lines = |second: &str| format!("1\n{second}\n3\n4\n5\n6\n7\n8\n9\n10\n");
    gitlab.commit(REPO, "main", "alice", "before", [("kept", lines("2").as_str())]);
    gitlab.commit(REPO, "topic", "alice", "after", [("kept", lines("two").as_str()), ("new", "a\nb\n")]);
    let iid = gitlab.open_merge_request(REPO, &MergeRequestSpec::of("alice", "topic"));
    let bot = Client::bot(&gitlab);
    (gitlab, bot, iid, format!("{}/discussions", request_path(iid)))
}

#[tokio::test]
async fn a_thread_stands_at_a_line_that_the_diff_shows() {
    let (gitlab, bot, iid, threads) = with_change().await;
    let (kept, new) = (place(&bot, iid, "kept").await, place(&bot, iid, "new").await);
    for (body, at_line) in [
        (at(&new, json!({"new_line": 2})), ("new", 2)),
        (at(&kept, json!({"new_line": 2})), ("kept", 2)),
        (at(&kept, json!({"old_line": 2})), ("kept", 2)),
        (at(&kept, json!({"old_line": 5, "new_line": 5})), ("kept", 5)),
    ] {
        let (status, made) = bot.post(&threads, body.clone()).await;
        assert_eq!((status, &made["individual_note"]), (201, &json!(false)), "{made}");
        assert_eq!((&made["notes"][0]["type"], &made["notes"][0]["position"]), (&json!("DiffNote"), &body["position"]));
        let place = gitlab.notes(REPO, iid).pop().and_then(|note| note.place);
        assert_eq!(place, Some((at_line.0.to_owned(), at_line.1)));
    }
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_line_that_the_diff_does_not_show_is_refused() {
    let (gitlab, bot, iid, threads) = with_change().await;
    let (kept, gone) = (place(&bot, iid, "kept").await, place(&bot, iid, "nowhere").await);
    let mut stale = kept.clone();
    stale["head_sha"] = json!("0".repeat(40));
    let mut incomplete = kept.clone();
    incomplete.as_object_mut().expect("an object").remove("start_sha");
    for body in [
        // Beyond the hunk, of only one of its two numbers, of none, and in a file that is not changed.
        at(&kept, json!({"old_line": 9, "new_line": 9})),
        at(&kept, json!({"new_line": 3})),
        at(&kept, json!({"old_line": 2, "new_line": 2})),
        at(&kept, json!({})),
        at(&gone, json!({"new_line": 1})),
        at(&stale, json!({"new_line": 2})),
        at(&incomplete, json!({"new_line": 2})),
        at(&kept, json!({"new_line": 2, "side": "RIGHT"})),
    ] {
        let (status, answer) = bot.post(&threads, body.clone()).await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
    let (_, refusal) = bot.post(&threads, at(&kept, json!({"new_line": 3}))).await;
    assert_eq!(refusal["message"], "400 Bad request - Note {:line_code=>[\"can't be blank\", \"must be a valid line code\"]}");
    assert!(gitlab.notes(REPO, iid).is_empty());
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_place_in_an_older_version_is_a_place_still() {
    let (gitlab, bot, iid, threads) = with_change().await;
    let old = place(&bot, iid, "new").await;
    gitlab.commit(REPO, "topic", "alice", "more", [("new", "a\nb\nc\n")]);
    assert_eq!(bot.post(&threads, at(&old, json!({"new_line": 2}))).await.0, 201);
    assert_eq!(bot.post(&threads, at(&old, json!({"new_line": 3}))).await.0, 400);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_thread_is_answered_resolved_and_opened_again() {
    let (gitlab, bot, iid, threads) = with_change().await;
    let thread = at(&place(&bot, iid, "new").await, json!({"new_line": 1}));
    let (_, made) = bot.post(&threads, thread).await;
    let one = format!("{threads}/{}", made["id"].as_str().expect("an id"));
    let (status, answer) = bot.post(&format!("{one}/notes"), json!({"body": "and more"})).await;
    assert_eq!((status, &answer["position"]), (201, &made["notes"][0]["position"]));
    gitlab.answer(id(&made["notes"][0]), "bob", "why?");
    for resolved in [true, false] {
        let (status, thread) = bot.put(&one, json!({"resolved": resolved})).await;
        assert_eq!(status, 200, "{thread}");
        assert!(all(&thread["notes"], "/resolved").iter().all(|flag| *flag == resolved), "{thread}");
        assert_eq!(thread["notes"][0]["resolved_by"]["username"], if resolved { json!(BOT) } else { Value::Null });
        assert!(gitlab.notes(REPO, iid).iter().all(|note| note.resolved == resolved));
    }
    let (_, read) = bot.get(&one).await;
    assert_eq!(all(&read["notes"], "/body"), ["this line", "and more", "why?"]);
    assert_eq!(bot.get(&threads).await.1, json!([read]));
    gitlab.assert_valid();
}

#[tokio::test]
async fn developers_and_the_requests_author_resolve_threads() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    for (user, level) in [("alice", 20), ("rita", 20), ("dave", 30)] {
        gitlab.set_level(REPO, user, level);
    }
    let threads = format!("{}/discussions", request_path(iid));
    let rita = Client::of(&gitlab, "rita");
    let (_, made) = rita.post(&threads, json!({"body": "hm"})).await;
    let one = format!("{threads}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(rita.put(&one, json!({"resolved": true})).await.0, 403, "whoever began it may not for that");
    for user in ["alice", "dave"] {
        assert_eq!(Client::of(&gitlab, user).put(&one, json!({"resolved": true})).await.0, 200, "{user}");
    }
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_note_alone_becomes_a_thread_by_an_answer() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    gitlab.comment(REPO, iid, "bob", "alone");
    let (bot, threads) = (Client::bot(&gitlab), format!("{}/discussions", request_path(iid)));
    let (_, listed) = bot.get(&threads).await;
    assert_eq!((&listed[0]["individual_note"], &listed[0]["notes"][0]["resolvable"]), (&json!(true), &json!(false)));
    let one = format!("{threads}/{}", listed[0]["id"].as_str().expect("an id"));
    assert_eq!(bot.put(&one, json!({"resolved": true})).await.0, 403, "a note alone cannot be resolved");
    let (status, answer) = bot.post(&format!("{one}/notes"), json!({"body": "no longer"})).await;
    assert_eq!((status, &answer["type"]), (201, &json!("DiscussionNote")));
    let (_, thread) = bot.get(&one).await;
    assert_eq!(
        (&thread["individual_note"], all(&thread["notes"], "/body")),
        (&json!(false), vec![json!("alone"), json!("no longer")])
    );
    assert_eq!(bot.put(&one, json!({"resolved": true})).await.0, 200);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_threads_note_is_changed_in_one_way_at_a_time_and_deleted() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let (bot, threads) = (Client::bot(&gitlab), format!("{}/discussions", request_path(iid)));
    let (_, made) = bot.post(&threads, json!({"body": "a"})).await;
    let thread = format!("{threads}/{}", made["id"].as_str().expect("an id"));
    let note = format!("{thread}/notes/{}", id(&made["notes"][0]));
    assert_eq!(bot.put(&note, json!({"body": "b"})).await.1["body"], "b");
    assert_eq!(bot.put(&note, json!({"resolved": true})).await.1["resolved"], true);
    for wrong in [json!({"body": "c", "resolved": false}), json!({})] {
        assert_eq!(bot.put(&note, wrong).await.0, 400);
    }
    let other = gitlab.comment(REPO, iid, "bob", "elsewhere");
    assert_eq!(bot.delete(&format!("{thread}/notes/{other}")).await, 404, "it is in another thread");
    assert_eq!((bot.delete(&note).await, bot.get(&thread).await.0), (204, 404));
    gitlab.assert_valid();
}

#[tokio::test]
async fn an_emoji_is_given_once_by_each_and_taken_back_by_its_giver() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    gitlab.set_level(REPO, "bob", 20);
    let note = gitlab.comment(REPO, iid, "bob", "/gw run");
    let path = format!("{}/notes/{note}/award_emoji", request_path(iid));
    let (bot, bob) = (Client::bot(&gitlab), Client::of(&gitlab, "bob"));
    let (status, made) = bot.post(&path, json!({"name": "eyes"})).await;
    assert_eq!((status, &made["name"], &made["awardable_id"]), (201, &json!("eyes"), &json!(note)));
    assert_eq!(
        bot.post(&path, json!({"name": "eyes"})).await,
        (404, json!({"message": "404 Award Emoji Name has already been taken Not Found"}))
    );
    assert_eq!(bot.post(&path, json!({"name": "no such thing"})).await.0, 404);
    assert_eq!(answered(bob.request(Method::POST, &format!("{path}?name=eyes"))).await.0, 201, "the documentation's own form");
    let both = [BOT, "bob"].map(|user| (user.to_owned(), "eyes".to_owned()));
    assert_eq!((gitlab.reactions(note), ids(&bot, &path).await.len()), (both.to_vec(), 2));
    let one = format!("{path}/{}", id(&made));
    assert_eq!((bob.delete(&one).await, bot.delete(&one).await, bot.delete(&one).await), (403, 204, 404));
    gitlab.delete_note(note);
    assert_eq!((bot.post(&path, json!({"name": "eyes"})).await.0, gitlab.reactions(note).len()), (404, 0));
    gitlab.assert_valid();
}

#[tokio::test]
async fn external_status_checks_are_there_in_one_plan_only_and_wait_for_an_answer_to_the_head() {
    let gitlab = FakeGitLab::start().await;
    let (iid, old) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    let (checks, answers) =
        (format!("{}/status_checks", request_path(iid)), format!("{}/status_check_responses", request_path(iid)));
    let answer = |check: u64, sha: &str, status: &str| json!({"external_status_check_id": check, "sha": sha, "status": status});
    assert_eq!((bot.get(&checks).await.0, bot.post(&answers, answer(1, &old, "passed")).await.0), (404, 404));
    assert_eq!(bot.get(&format!("{PROJECT}/external_status_checks")).await.0, 404);
    let check = gitlab.add_status_check(REPO, "gatewright");
    let state = async || all(&bot.get(&checks).await.1, "/status");
    assert_eq!(state().await, ["pending"]);
    for word in ["failed", "passed"] {
        assert_eq!(bot.post(&answers, answer(check, &old, word)).await.0, 201);
        assert_eq!(state().await, [word]);
    }
    assert_eq!(gitlab.external_answers(REPO, iid)["gatewright"], (old.clone(), "passed".to_owned()));
    let new = gitlab.commit(REPO, "topic", "alice", "more", [("z", "z\n")]);
    assert_eq!(state().await, ["pending"], "the answer was to another head");
    assert_eq!(bot.post(&answers, answer(check, &old, "passed")).await.0, 409);
    assert_eq!(bot.post(&answers, answer(check + 1_000, &new, "passed")).await.0, 404);
    gitlab.set_level(REPO, "rita", 20);
    assert_eq!(Client::of(&gitlab, "rita").post(&answers, answer(check, &new, "passed")).await.0, 403);
    gitlab.assert_valid();
}
