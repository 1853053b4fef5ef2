//! What is in a project, and how long lists are read.

use gatewright_tests::gitlab::Edit;

use super::*;

#[tokio::test]
async fn a_file_is_read_at_a_commit_as_it_is() {
    let gitlab = FakeGitLab::start().await;
    let (_, head) = with_request(&gitlab);
    let bot = Client::bot(&gitlab);
    let raw = async |path: &str, at: &str| {
        let path = format!("{PROJECT}/repository/files/{path}/raw?ref={at}");
        let answer = bot.request(Method::GET, &path).send().await.expect("it answers");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    assert_eq!(raw("src%2Fa%20b.txt", &head).await, (200, "one\ntwo\n".to_owned()));
    assert_eq!(raw("src%2Fa%20b.txt", "topic").await.0, 200);
    for (path, at, words) in [
        ("src%2Fa%20b.txt", "main", "404 File Not Found"),
        ("src", "topic", "404 File Not Found"),
        ("x.md", "nowhere", "404 Commit Not Found"),
    ] {
        let (status, refusal) = raw(path, at).await;
        assert_eq!((status, refusal), (404, json!({ "message": words }).to_string()), "{path} {at}");
    }
    let (_, file) = bot.get(&format!("{PROJECT}/repository/files/src%2Fa%20b.txt?ref=topic")).await;
    assert_eq!((&file["file_name"], &file["content"], &file["size"]), (&json!("a b.txt"), &json!("b25lCnR3bwo="), &json!(8)));
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_symbolic_link_is_its_own_content() {
    let gitlab = FakeGitLab::start().await;
    gitlab.create_project(REPO);
    gitlab.commit(REPO, "main", "alice", "a link", [Edit::link("link", "README.md")]);
    let path = format!("{PROJECT}/repository/files/link/raw?ref=main");
    let answer = Client::bot(&gitlab).request(Method::GET, &path).send().await.expect("it answers");
    assert_eq!(answer.text().await.expect("text"), "README.md");
    gitlab.assert_valid();
}

#[tokio::test]
async fn branches_and_commits_are_found_by_name_and_by_id() {
    let gitlab = FakeGitLab::start().await;
    let (iid, head) = with_request(&gitlab);
    gitlab.commit(REPO, "feature/x", "bob", "deep", [("d", "d\n")]);
    let bot = Client::bot(&gitlab);
    let (_, branch) = bot.get(&format!("{PROJECT}/repository/branches/topic")).await;
    assert_eq!((&branch["name"], &branch["commit"]["id"], &branch["default"]), (&json!("topic"), &json!(head), &json!(false)));
    assert_eq!(bot.get(&format!("{PROJECT}/repository/branches/feature%2Fx")).await.0, 200);
    let missing = json!({"message": "404 Branch Not Found"});
    assert_eq!(bot.get(&format!("{PROJECT}/repository/branches/nowhere")).await, (404, missing));
    let (_, commit) = bot.get(&format!("{PROJECT}/repository/commits/{}", &head[..10])).await;
    assert_eq!((&commit["id"], &commit["parent_ids"]), (&json!(head), &json!([gitlab.branch(REPO, "main")])));
    assert_eq!((&commit["title"], &commit["author_name"]), (&json!("add a test"), &json!("alice")));
    assert_eq!(bot.get(&format!("{PROJECT}/repository/commits/{}", "0".repeat(40))).await.0, 404);
    let requests = async |sha: &str| all(&bot.get(&format!("{PROJECT}/repository/commits/{sha}/merge_requests")).await.1, "/iid");
    assert_eq!((requests(&head).await, requests("main").await), (vec![json!(iid)], vec![]));
    gitlab.assert_valid();
}

#[tokio::test]
async fn two_commits_are_compared_from_where_they_parted_or_straight() {
    let gitlab = FakeGitLab::start().await;
    let (_, head) = with_request(&gitlab);
    gitlab.commit(REPO, "main", "bob", "meanwhile", [("other", "o\n")]);
    let bot = Client::bot(&gitlab);
    let compared = async |query: &str| {
        let (status, comparison) = bot.get(&format!("{PROJECT}/repository/compare?{query}")).await;
        assert_eq!(status, 200, "{comparison}");
        (all(&comparison["diffs"], "/new_path"), all(&comparison["commits"], "/id"))
    };
    let commits = vec![json!(head)];
    assert_eq!(compared("from=main&to=topic").await, (vec![json!("src/a b.txt"), json!("x.md")], commits.clone()));
    let straight = ["other", "src/a b.txt", "x.md"].map(Value::from).to_vec();
    assert_eq!(compared(&format!("from=main&to={head}&straight=true")).await, (straight, commits));
    assert_eq!(compared("from=topic&to=topic").await, (vec![], vec![]));
    assert_eq!(bot.get(&format!("{PROJECT}/repository/compare?from=main&to=nowhere")).await.0, 404);
    gitlab.assert_valid();
}

/// Every page's items by this field, as the links lead.
async fn followed(client: &Client, path: &str, pointer: &str) -> Vec<Vec<Value>> {
    let (mut next, mut pages) = (Some(path.to_owned()), Vec::new());
    while let Some(path) = next {
        let answer = client.request(Method::GET, &path).send().await.expect("it answers");
        let link = header(answer.headers(), "link").to_owned();
        pages.push(all(&answer.json().await.expect("a list"), pointer));
        next = link
            .split(", ")
            .find(|one| one.contains("rel=\"next\""))
            .map(|one| one[1..one.find('>').expect("an end")].to_owned());
        assert!(next.as_ref().is_none_or(|next| next.starts_with(&client.url)), "{next:?}");
    }
    pages
}

#[tokio::test]
async fn lists_come_in_pages_with_absolute_links_and_counts() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    let made: Vec<Value> = (0..7).map(|n| json!(gitlab.comment(REPO, iid, "alice", &format!("note {n}")))).collect();
    let bot = Client::bot(&gitlab);
    let path = format!("{}/notes?sort=asc&per_page=3", request_path(iid));
    let pages = followed(&bot, &path, "/id").await;
    assert_eq!((pages.iter().map(Vec::len).collect::<Vec<_>>(), pages.concat()), (vec![3, 3, 1], made));
    let second = bot.request(Method::GET, &format!("{path}&page=2")).send().await.expect("it answers");
    let numbers = ["x-page", "x-per-page", "x-total", "x-total-pages", "x-next-page", "x-prev-page"];
    assert_eq!(numbers.map(|name| header(second.headers(), name).to_owned()), ["2", "3", "7", "3", "3", "1"]);
    for rel in ["first", "last", "next", "prev"] {
        assert!(header(second.headers(), "link").contains(&format!("rel=\"{rel}\"")), "{rel}");
    }
    assert_eq!(followed(&bot, &format!("{path}&page=9"), "/id").await, [Vec::<Value>::new()]);
    gitlab.assert_valid();
}

#[tokio::test]
async fn a_page_has_twenty_items_and_never_more_than_a_hundred() {
    let gitlab = FakeGitLab::start().await;
    let (iid, _) = with_request(&gitlab);
    for n in 0..101 {
        gitlab.comment(REPO, iid, "alice", &format!("note {n}"));
    }
    let (bot, notes) = (Client::bot(&gitlab), format!("{}/notes", request_path(iid)));
    for (query, expected) in [("", 20), ("?per_page=100", 100), ("?per_page=1000", 100)] {
        assert_eq!(bot.get(&format!("{notes}{query}")).await.1.as_array().map(Vec::len), Some(expected), "{query}");
    }
    gitlab.assert_valid();
}

#[tokio::test]
async fn projects_are_read_by_keyset_in_the_order_of_their_ids() {
    let gitlab = FakeGitLab::start().await;
    let ids: Vec<Value> = (0..5).map(|n| json!(gitlab.create_project(&format!("octo/app-{n}")))).collect();
    gitlab.create_foreign_project("octo/foreign");
    let bot = Client::bot(&gitlab);
    let path = |sort: &str| format!("/projects?pagination=keyset&order_by=id&sort={sort}&per_page=2&membership=true");
    let pages = followed(&bot, &path("asc"), "/id").await;
    assert_eq!((pages.len(), pages.concat()), (3, ids.clone()));
    let first = bot.request(Method::GET, &path("asc")).send().await.expect("it answers");
    assert_eq!(header(first.headers(), "x-total"), "", "nothing is counted");
    assert!(header(first.headers(), "link").contains(&format!("id_after={}", ids[1])));
    let mut falling = ids;
    falling.reverse();
    assert_eq!(followed(&bot, &path("desc"), "/id").await.concat(), falling);
    assert_eq!(bot.get("/projects?pagination=keyset&order_by=name").await.0, 405);
    gitlab.assert_valid();
}

#[tokio::test]
async fn projects_are_listed_to_members_by_their_level() {
    let gitlab = FakeGitLab::start().await;
    for (path, level) in [("octo/a", 20), ("octo/b", 30), ("octo/c", 40)] {
        gitlab.create_foreign_project(path);
        gitlab.set_level(path, BOT, level);
    }
    gitlab.create_public_project("octo/open");
    gitlab.set_level("octo/open", BOT, 0);
    let bot = Client::bot(&gitlab);
    let listed = async |query: &str| all(&bot.get(&format!("/projects?sort=asc&order_by=id&{query}")).await.1, "/path");
    assert_eq!(listed("membership=true").await, ["a", "b", "c"]);
    assert_eq!(listed("min_access_level=30").await, ["b", "c"]);
    assert_eq!(listed("simple=true").await, ["a", "b", "c", "open"]);
    gitlab.assert_valid();
}
