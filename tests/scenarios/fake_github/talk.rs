//! Comments, reactions, what GraphQL does to them, and the clock that dates them.

use super::*;

#[tokio::test]
async fn a_comment_is_told_with_who_wrote_it_when_and_through_what() {
    let github = FakeGitHub::start().await;
    let (hook, _) = receiver(StatusCode::ACCEPTED).await;
    github.set_webhook(&hook, SECRET);
    let (number, head) = with_pull(&github);
    let told = || github.deliveries().pop().expect("it was told").payload();
    github.comment("octo/app", number, "bob", "/gw run");
    let by_person = told();
    assert_eq!((&by_person["comment"]["body"], &by_person["comment"]["user"]["type"]), (&json!("/gw run"), &json!("User")));
    assert_eq!(by_person["comment"]["user"]["id"], json!(github.user_id("bob")));
    assert_eq!(by_person["issue"]["number"], json!(number));
    assert!(by_person["issue"]["pull_request"].is_object() && by_person["comment"]["performed_via_github_app"].is_null());
    github.comment_as_bot("octo/app", number, "coverage", "/gw run");
    let by_bot = told();
    assert_eq!(by_bot["comment"]["user"]["type"], "Bot");
    assert_eq!(by_bot["comment"]["user"]["login"], "coverage[bot]");
    assert_eq!(by_bot["comment"]["performed_via_github_app"]["slug"], "coverage");
    assert_ne!(by_bot["comment"]["performed_via_github_app"]["id"], json!(github.app_id()));
    github.comment_through_app("octo/app", number, "bob", "mobile", "/gw run");
    let through = told();
    assert_eq!(
        (&through["comment"]["user"]["type"], &through["comment"]["performed_via_github_app"]["slug"]),
        (&json!("User"), &json!("mobile"))
    );
    let id = github.diff_comment("octo/app", number, "bob", ("src/a b.txt", 2), "/gw explain tests");
    let on_diff = told();
    assert_eq!((&on_diff["comment"]["id"], &on_diff["comment"]["commit_id"]), (&json!(id), &json!(head)));
    assert_eq!((&on_diff["pull_request"]["number"], &on_diff["pull_request"]["head"]["sha"]), (&json!(number), &json!(head)));
    assert!(on_diff["comment"]["diff_hunk"].as_str().is_some_and(|hunk| hunk.starts_with("@@")));
    github.deliveries_settled().await;
    github.assert_valid();
}

#[tokio::test]
async fn the_conversation_and_the_diff_have_comments_of_their_own() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    let spoken = github.comment("octo/app", number, "bob", "in general");
    let written = github.diff_comment("octo/app", number, "bob", ("x.md", 1), "this line");
    let bot = Client::bot(&github, "octo/app");
    let ids = async |path: String| -> Vec<u64> {
        bot.get(&path).await.1.as_array().expect("a list").iter().filter_map(|c| c["id"].as_u64()).collect()
    };
    assert_eq!(ids(format!("/repos/octo/app/issues/{number}/comments")).await, [spoken]);
    assert_eq!(ids(format!("/repos/octo/app/pulls/{number}/comments")).await, [written]);
    for path in [format!("issues/comments/{written}"), format!("pulls/comments/{spoken}")] {
        assert_eq!(bot.get(&format!("/repos/octo/app/{path}")).await.0, 404);
    }
    assert_eq!(github.comments("octo/app", number).len(), 1);
    assert_eq!(github.diff_comments("octo/app", number)[0].body, "this line");
    let (_, pull) = bot.get(&format!("/repos/octo/app/pulls/{number}")).await;
    assert_eq!((&pull["comments"], &pull["review_comments"]), (&json!(1), &json!(1)));
    github.assert_valid();
}

#[tokio::test]
async fn a_reaction_is_made_once_and_taken_back_by_whoever_gave_it() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    let bot = Client::bot(&github, "octo/app");
    let spoken = github.comment("octo/app", number, "bob", "a");
    let written = github.diff_comment("octo/app", number, "bob", ("x.md", 1), "b");
    for (kind, id) in [("issues", spoken), ("pulls", written)] {
        let path = format!("/repos/octo/app/{kind}/comments/{id}/reactions");
        github.react(id, "bob", "heart");
        let (first, made) = bot.send(Method::POST, &path, json!({"content": "eyes"})).await;
        let (second, again) = bot.send(Method::POST, &path, json!({"content": "eyes"})).await;
        assert_eq!((first, second, &made["id"]), (201, 200, &again["id"]));
        let both = [("bob".to_owned(), "heart".to_owned()), (github.bot_login(), "eyes".to_owned())];
        assert_eq!(github.reactions("octo/app", id), both);
        assert_eq!(bot.send(Method::DELETE, &format!("{path}/{}", made["id"]), json!({})).await.0, 204);
        assert_eq!(bot.send(Method::DELETE, &format!("{path}/{}", made["id"]), json!({})).await.0, 404);
        assert_eq!(github.reactions("octo/app", id), both[..1]);
        assert_eq!(bot.send(Method::POST, &path, json!({"content": "thumbs"})).await.0, 500);
    }
    assert_eq!(github.take_violations().len(), 2, "of the content that there is not");
    github.delete_comment(spoken, "bob");
    assert_eq!(github.reactions("octo/app", spoken), []);
    github.assert_valid();
}

#[tokio::test]
async fn others_reactions_and_comments_are_none_of_a_bots_business() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    let bot = Client::bot(&github, "octo/app");
    let id = github.comment("octo/app", number, "bob", "a");
    github.react(id, "bob", "heart");
    let path = format!("/repos/octo/app/issues/comments/{id}");
    let (_, reactions) = bot.get(&format!("{path}/reactions")).await;
    assert_eq!(bot.send(Method::DELETE, &format!("{path}/reactions/{}", reactions[0]["id"]), json!({})).await.0, 422);
    let (_, comment) = bot.get(&path).await;
    let (_, answer) = bot.send(Method::POST, "/graphql", mutation(&comment["node_id"])).await;
    assert_eq!(answer["errors"][0]["type"], "UNPROCESSABLE");
    assert!(!github.minimised("octo/app", id));
    assert_eq!(github.take_violations().len(), 2);
}

fn mutation(node: &Value) -> Value {
    let query =
        "mutation($i: MinimizeCommentInput!) { minimizeComment(input: $i) { minimizedComment { isMinimized minimizedReason } } }";
    json!({"query": query, "variables": {"i": {"subjectId": node, "classifier": "RESOLVED"}}})
}

/// A comment of the bot's own: its id and GraphQL's.
async fn own_comment(github: &FakeGitHub, number: u64) -> (u64, Value) {
    let bot = Client::bot(github, "octo/app");
    let (_, made) = bot.send(Method::POST, &format!("/repos/octo/app/issues/{number}/comments"), json!({"body": "no"})).await;
    (made["id"].as_u64().expect("an id"), made["node_id"].clone())
}

#[tokio::test]
async fn a_comment_is_minimised_by_graphql_on_both_kinds_of_hosts() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    let bot = Client::bot(&github, "octo/app");
    for path in ["/graphql", "/api/graphql", "/graphql"] {
        let (id, node) = own_comment(&github, number).await;
        assert!(!github.minimised("octo/app", id));
        for _ in 0..2 {
            let (status, answer) = bot.send(Method::POST, path, mutation(&node)).await;
            let expected =
                json!({"data": {"minimizeComment": {"minimizedComment": {"isMinimized": true, "minimizedReason": "resolved"}}}});
            assert_eq!((status, answer), (200, expected));
        }
        assert!(github.minimised("octo/app", id));
        let (_, told) = bot.get(&format!("/repos/octo/app/issues/comments/{id}")).await;
        assert_eq!(told["minimized"], json!({"reason": "resolved"}));
    }
    assert_eq!(github.calls("graphql/minimize-comment"), 6);
    github.assert_valid();
}

#[tokio::test]
async fn graphql_finds_and_allows_no_more_than_the_token_does() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    github.create_repo("octo/other");
    let (id, node) = own_comment(&github, number).await;
    let kind = async |token: Client, node: &Value| {
        token.send(Method::POST, "/graphql", mutation(node)).await.1["errors"][0]["type"].clone()
    };
    let narrowed = async |ask: Value| {
        let path = format!("/app/installations/{}/access_tokens", github.installation("octo/app"));
        let (_, token) = Client::app(&github).send(Method::POST, &path, ask).await;
        Client::new(&github, token["token"].as_str().expect("a token").to_owned())
    };
    assert_eq!(kind(Client::bot(&github, "octo/app"), &json!("bm90aGluZw")).await, "NOT_FOUND");
    assert_eq!(kind(narrowed(json!({"repositories": ["other"]})).await, &node).await, "NOT_FOUND");
    assert_eq!(kind(narrowed(json!({"permissions": {"issues": "read"}})).await, &node).await, "FORBIDDEN");
    let (status, _) = Client::new(&github, "ghs_wrong".to_owned()).send(Method::POST, "/graphql", mutation(&node)).await;
    assert_eq!((status, github.minimised("octo/app", id)), (401, false));
    github.assert_valid();
}

#[tokio::test]
async fn graphql_takes_what_the_schema_has_and_nothing_else() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    let (id, node) = own_comment(&github, number).await;
    let bot = Client::bot(&github, "octo/app");
    let query = |query: &str| json!({"query": query, "variables": mutation(&node)["variables"]});
    let variables = |variables: Value| json!({"query": mutation(&node)["query"], "variables": variables});
    let wrong = [
        query("query { viewer { email } }"),
        query("mutation($i: MinimizeCommentInput) { minimizeComment(input: $i) { clientMutationId } }"),
        query("mutation($i: MinimizeCommentInput!) { minimizeComment(input: $j) { clientMutationId } }"),
        query("mutation($i: MinimizeCommentInput!) { minimizeComment(input: $i) { } }"),
        query("mutation($i: MinimizeCommentInput!) { minimizeComment(input: $i) { minimizedComment { body } } }"),
        query("mutation($i: MinimizeCommentInput!) { minimizeComment(input: $i) { clientMutationId } } query { viewer { id } }"),
        query("mutation($i: MinimizeCommentInput!) { minimizeComment(input: $i) { clientMutationId }"),
        query("mutation($i: MinimizeCommentInput!) { deleteIssueComment(input: $i) { clientMutationId } }"),
        variables(json!({"i": {"subjectId": node, "classifier": "DONE"}})),
        variables(json!({"i": {"subjectId": node}})),
        variables(json!({"i": {"subjectId": node, "classifier": "RESOLVED", "reason": "x"}})),
        variables(json!({"i": {"subjectId": 7, "classifier": "RESOLVED"}})),
        variables(json!({"i": {"subjectId": node, "classifier": "RESOLVED"}, "j": 1})),
        json!({"query": mutation(&node)["query"]}),
        json!([]),
    ];
    for body in &wrong {
        let (status, answer) = bot.send(Method::POST, "/graphql", body.clone()).await;
        assert!(status == 200 && answer["errors"].is_array(), "{body}");
    }
    assert_eq!(github.take_violations().len(), wrong.len());
    assert!(!github.minimised("octo/app", id));
    let full = "mutation Fold($i: MinimizeCommentInput!) {\n  minimizeComment(input: $i) { clientMutationId, minimizedComment { __typename, viewerCanMinimize } }\n}";
    let input = json!({"i": {"subjectId": node, "classifier": "OFF_TOPIC", "clientMutationId": "me"}});
    let (_, answer) = bot.send(Method::POST, "/graphql", json!({"query": full, "variables": input})).await;
    let payload =
        json!({"clientMutationId": "me", "minimizedComment": {"__typename": "IssueComment", "viewerCanMinimize": true}});
    assert_eq!(answer, json!({"data": {"minimizeComment": payload}}));
    assert!(github.minimised("octo/app", id));
    github.assert_valid();
}

#[tokio::test]
async fn faults_and_limits_reach_graphql_too() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    let (id, node) = own_comment(&github, number).await;
    let bot = Client::bot(&github, "octo/app");
    github.fault(Fault::on("graphql/*", Effect::ServerError).once());
    assert_eq!(bot.send(Method::POST, "/graphql", mutation(&node)).await.0, 500);
    github.fault(Fault::on("graphql/*", Effect::BadGatewayAfter).once());
    assert_eq!((bot.send(Method::POST, "/graphql", mutation(&node)).await.0, github.minimised("octo/app", id)), (502, true));
    let answer = bot.request(Method::POST, "/graphql").json(&mutation(&node)).send().await.expect("it answers");
    assert_eq!(header(answer.headers(), "x-ratelimit-resource"), "graphql");
    github.set_limits(Limits { per_hour: 1, enforced: true, ..Limits::default() });
    assert_eq!(bot.send(Method::POST, "/graphql", mutation(&node)).await.0, 403);
    assert_eq!(bot.get("/rate_limit").await.0, 200);
}

#[tokio::test]
async fn time_passes_at_githubs_pace_and_when_it_is_told_to() {
    let github = FakeGitHub::start().await;
    let (number, _) = with_pull(&github);
    let bot = Client::bot(&github, "octo/app");
    let updated = async || {
        let (_, pull) = bot.get(&format!("/repos/octo/app/pulls/{number}")).await;
        pull["updated_at"].as_str().expect("a time").parse::<Timestamp>().expect("a time")
    };
    let opened = updated().await;
    assert_eq!(opened.subsec_nanosecond(), 0);
    github.advance(10);
    github.commit("octo/app", "topic", "alice", "more", [("z", "z")]);
    let pushed = updated().await;
    assert!(pushed.as_second() >= opened.as_second() + 10);
    github.advance(1);
    let id = github.comment("octo/app", number, "bob", "/gw approve");
    let (_, comment) = bot.get(&format!("/repos/octo/app/issues/comments/{id}")).await;
    let written: Timestamp = comment["created_at"].as_str().expect("a time").parse().expect("a time");
    assert!(written > pushed && written <= github.now());
    assert_eq!(updated().await, written, "a comment is a change of its pull request");
    // Longer than a token lives: credentials go by the machine's clock.
    github.advance(100_000);
    assert_eq!((bot.get("/repos/octo/app").await.0, Client::app(&github).get("/app").await.0), (200, 200));
    github.assert_valid();
}

#[tokio::test]
async fn open_pull_requests_are_sorted_by_their_last_change() {
    let github = FakeGitHub::start().await;
    let (first, _) = with_pull(&github);
    github.advance(5);
    github.commit("octo/app", "two", "alice", "two", [("2", "2")]);
    let second = github.open_pull("octo/app", PullSpec::of("alice", "two"));
    let bot = Client::bot(&github, "octo/app");
    let listed = async |direction: &str| -> Vec<u64> {
        let (_, list) = bot.get(&format!("/repos/octo/app/pulls?sort=updated{direction}")).await;
        list.as_array().expect("a list").iter().filter_map(|p| p["number"].as_u64()).collect()
    };
    assert_eq!(listed("&direction=desc").await, [second, first]);
    github.advance(5);
    github.label_pull("octo/app", first, "bug", "alice");
    assert_eq!(listed("&direction=desc").await, [first, second]);
    assert_eq!(listed("").await, [second, first], "oldest change first, where nothing is said");
    github.close_pull("octo/app", first, "alice");
    assert_eq!(listed("").await, [second]);
    github.assert_valid();
}
