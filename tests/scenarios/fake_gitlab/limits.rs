//! Limits, which are always told and enforced where a test wants it, and faults.

use gatewright_tests::gitlab::{Effect, Fault, Limits, When};

use super::*;

fn told(answer: &reqwest::Response) -> [i64; 3] {
    let number = |name| header(answer.headers(), name).parse().unwrap_or_else(|_| panic!("no {name}"));
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(number)
}

#[tokio::test]
async fn every_answer_of_the_api_says_what_remains() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    let bot = Client::bot(&gitlab);
    for (path, remaining) in [("/user", 1_999), ("/projects/999", 1_998), (PROJECT, 1_997)] {
        let [limit, left, reset] = told(&bot.request(Method::GET, path).send().await.expect("it answers"));
        assert_eq!((limit, left), (2_000, remaining), "{path}");
        let now = gatewright_core::Timestamp::now().as_second();
        assert!((now..=now + 63).contains(&reset), "{reset}");
    }
    let other = Client::of(&gitlab, "alice").request(Method::GET, "/user").send().await.expect("it answers");
    assert_eq!(told(&other)[1], 1_999, "each account has its own");
    gitlab.assert_valid();
}

#[tokio::test]
async fn too_many_requests_are_refused_until_the_time_that_is_told() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    gitlab.set_limits(Limits { per_minute: 2, enforced: true, ..Limits::default() });
    let (bot, alice) = (Client::bot(&gitlab), Client::of(&gitlab, "alice"));
    let ask = async || bot.request(Method::GET, PROJECT).send().await.expect("it answers");
    assert_eq!([ask().await.status().as_u16(), ask().await.status().as_u16()], [200, 200]);
    let refused = ask().await;
    let wait: u64 = header(refused.headers(), "retry-after").parse().expect("it says how long");
    assert_eq!((refused.status().as_u16(), told(&refused)[1], (1..=61).contains(&wait)), (429, 0, true));
    assert_eq!(refused.text().await.expect("text"), "Retry later\n");
    assert_eq!(alice.get("/user").await.0, 200);
    gitlab.advance(wait);
    assert_eq!(ask().await.status().as_u16(), 200);
    gitlab.assert_valid();
}

#[tokio::test]
async fn notes_and_threads_are_counted_apart_and_nothing_says_when_it_is_over() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    gitlab.set_limits(Limits { notes_per_minute: 2, enforced: true, ..Limits::default() });
    let bot = Client::bot(&gitlab);
    let body = json!({"body": "b"});
    let (notes, threads) = (format!("{}/notes", request_path(iid)), format!("{}/discussions", request_path(iid)));
    assert_eq!((bot.post(&notes, body.clone()).await.0, bot.post(&threads, body.clone()).await.0), (201, 201));
    let refused = bot.request(Method::POST, &notes).json(&body).send().await.expect("it answers");
    assert_eq!((refused.status().as_u16(), header(refused.headers(), "retry-after")), (429, ""));
    let words = "This endpoint has been requested too many times. Try again later.";
    assert_eq!(refused.json::<Value>().await.expect("JSON"), json!({"message": {"error": words}}));
    let note = gitlab.bot_notes(REPO, iid)[0].id;
    assert_eq!(bot.put(&format!("{notes}/{note}"), body.clone()).await.0, 200, "a change is no new note");
    assert_eq!((bot.get(&notes).await.0, gitlab.notes_a_minute()), (200, 2));
    gitlab.advance(61);
    assert_eq!(bot.post(&notes, body).await.0, 201);
    gitlab.assert_valid();
}

#[tokio::test]
async fn what_is_not_enforced_is_counted_all_the_same() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    gitlab.set_limits(Limits { notes_per_minute: 1, per_minute: 1, enforced: false });
    let (bot, notes) = (Client::bot(&gitlab), format!("{}/notes", request_path(iid)));
    for _ in 0..3 {
        assert_eq!(bot.post(&notes, json!({"body": "b"})).await.0, 201);
    }
    assert_eq!(gitlab.notes_a_minute(), 3);
    gitlab.assert_valid();
}

/// A note is posted under this fault: the status (0 where there was none), and how many notes there are then.
async fn under(gitlab: &FakeGitLab, iid: u64, fault: Fault) -> (u16, usize) {
    let before = gitlab.notes(REPO, iid).len();
    let fault = gitlab.fault(fault.once());
    let notes = format!("{}/notes", request_path(iid));
    let request = Client::bot(gitlab).request(Method::POST, &notes).json(&json!({"body": "b"}));
    let status = match request.send().await {
        Ok(answer) => {
            let status = answer.status().as_u16();
            if answer.bytes().await.is_ok() { status } else { 0 }
        }
        Err(_) => 0,
    };
    assert_eq!(gitlab.struck(fault), 1);
    (status, gitlab.notes(REPO, iid).len() - before)
}

#[tokio::test]
async fn faults_of_the_api_do_what_they_say_before_or_after_it_is_done() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let soon = Duration::from_millis(5);
    for (effect, expected) in [
        (Effect::ServerError, (500, 0)),
        (Effect::Unavailable, (503, 0)),
        (Effect::Unauthorized, (401, 0)),
        (Effect::SecondaryLimit { retry_after_secs: 7 }, (429, 0)),
        (Effect::PrimaryLimit { status: 403, reset_in_secs: 7 }, (429, 0)),
        (Effect::Cut, (0, 0)),
        (Effect::Hang(soon), (0, 0)),
        (Effect::BadGatewayAfter, (502, 1)),
        (Effect::CutAfter, (0, 1)),
        (Effect::HangAfter(soon), (0, 1)),
        (Effect::CutBody, (0, 1)),
        (Effect::SlowBody(soon), (201, 1)),
    ] {
        let fault = Fault::on("POST /projects/:id/merge_requests/:iid/notes", effect);
        assert_eq!(under(&gitlab, iid, fault).await, expected, "{effect:?}");
    }
    let seen: Vec<Option<Effect>> = gitlab.log().iter().map(|seen| seen.fault).collect();
    assert!(seen.len() == 12 && seen.iter().all(Option::is_some));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_fault_strikes_what_it_names_when_it_is_to() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    let bot = Client::bot(&gitlab);
    let project = async || bot.get(PROJECT).await.0;
    let limited = gitlab.fault(Fault::on("GET /projects/:id", Effect::SecondaryLimit { retry_after_secs: 7 }).once());
    let answer = bot.request(Method::GET, PROJECT).send().await.expect("it answers");
    assert_eq!((answer.status().as_u16(), header(answer.headers(), "retry-after"), gitlab.struck(limited)), (429, "7", 1));
    gitlab.fault(Fault::on("/api/v4/projects/**", Effect::Unavailable).nth(2));
    assert_eq!([project().await, project().await, project().await], [200, 503, 200]);
    gitlab.fault(Fault::on("*", Effect::ServerError).method("post"));
    assert_eq!((project().await, bot.post(&format!("{PROJECT}/statuses/main"), json!({"state": "success"})).await.0), (200, 500));
    let never = gitlab.fault(Fault::on("*", Effect::ServerError).when(When::Chance { percent: 0, seed: 1 }));
    assert_eq!((project().await, gitlab.struck(never)), (200, 0));
    gitlab.heal();
    assert_eq!(bot.post(&format!("{PROJECT}/statuses/main"), json!({"state": "success"})).await.0, 201);
    gitlab.assert_valid();
}
