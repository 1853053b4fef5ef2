//! `release`, `rollout` and their pages: with a running service, and, where only something is read, without.

use insta::assert_snapshot;
use serde_json::Value;

use crate::seeded::{WHY, seed};
use crate::support::{Bench, forge};

fn bench() -> Bench {
    Bench::with_server_file(forge(), "sled:data")
}

fn json(bench: &Bench, args: &[&str]) -> Value {
    let done = bench.run(args);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{args:?}");
    serde_json::from_str(&done.stdout).expect("this is JSON")
}

/// What a wrong or refused call says on standard error, and how it exits.
fn failed(bench: &Bench, args: &[&str]) -> (Option<i32>, String) {
    let done = bench.run(args);
    assert_eq!(done.stdout, "", "{args:?}");
    (done.code, done.stderr)
}

#[test]
fn what_environments_run_is_read_the_same_with_and_without_a_service() {
    let bench = bench();
    let seeded = seed(&bench);
    let without = json(&bench, &["rollout", "status", "--json"]);
    let service = bench.serve(&[]);
    let with = json(&bench, &["rollout", "status", "--repo", "ACME/shop", "--json"]);
    service.stop();
    assert_eq!(without, with);
    let named = |name: &str| {
        let all = with["environments"].as_array().expect("a list");
        all.iter().find(|one| one["name"] == name).expect("it is known").clone()
    };
    let production = named("production");
    assert_eq!(production["live"]["tag"], "v1.4.0");
    assert_eq!(production["live"]["rollout"], seeded.live.to_string());
    assert_eq!(production["open"][0]["run"], seeded.waiting.to_string());
    assert_eq!(production["open"][0]["state"]["state"], "waiting");
    assert_eq!(production["held"], "v1.5.0 was rolled back");
    assert_eq!(production["arrivals"][0]["outcome"]["outcome"], "rolled_back");
    assert_eq!(
        (named("staging")["live"]["tag"].as_str(), named("staging")["open"].as_array().map(Vec::len)),
        (Some("v1.4.0"), Some(0))
    );
}

#[test]
fn one_environment_is_shown_with_what_has_come_there_and_what_is_on_its_way() {
    let bench = bench();
    seed(&bench);
    let shown = bench.run(&["rollout", "status", "production"]).stdout;
    for text in [
        "environment  production of acme/shop",
        "live         v1.4.0 (1401401) since ",
        "url          https://shop.example.com",
        "kept away    held: v1.5.0 was rolled back",
        "v1.6.0 waits for the release to arrive in staging and 2 approvals (whoever may promote)",
        "rolled back  v1.5.0",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[test]
fn an_environment_has_a_page_that_is_found_by_a_rollout_that_went_there() {
    let bench = bench();
    let seeded = seed(&bench);
    let service = bench.serve(&[]);
    let page = service.get(&format!("/environments/{}", seeded.live)).body;
    for text in
        ["acme/shop production: live", "v1.4.0", "https://shop.example.com", "v1.5.0 was rolled back", "v1.6.0", "Last releases"]
    {
        assert!(page.contains(text), "{text}: {page}");
    }
    let run = service.get(&format!("/runs/{}", seeded.waiting)).body;
    assert!(run.contains(&format!("href=\"/environments/{}\"", seeded.waiting)), "{run}");
    let json = service.get(&format!("/environments/{}/json", seeded.live)).body;
    assert!(json.contains("\"tag\":\"v1.4.0\"") && json.contains("\"drift\":null"), "{json}");
    let stats = service.get(&format!("/environments/{}/stats?days=3650", seeded.live)).body;
    let stats: serde_json::Value = serde_json::from_str(&stats).expect("it is JSON");
    assert_eq!((stats["environment"].as_str(), stats["days"].as_u64()), (Some("production"), Some(3650)));
    let told = self::json(&bench, &["release", "stats", "--days", "3650", "--json"]);
    let told = told["environments"].as_array().expect("a list");
    let told = told.iter().find(|of| of["environment"] == "production").expect("it is among them");
    assert_eq!(&stats["figures"], told, "what the command line says");
    let none = service.get(&format!("/environments/{}/stats?days=0", seeded.live));
    assert_eq!((none.status, none.body.as_str()), (400, "days is a number from 1 to 3650\n"));
    for nothing in
        ["/environments/production", "/environments/0199e2a4-7c1e-7000-8000-000000000000", "/environments/github/1/production"]
    {
        assert_eq!(service.get(nothing).status, 404, "{nothing}");
    }
    service.stop();
}

#[test]
fn a_release_is_shown_with_its_gates_environments_artefacts_and_notes() {
    let bench = bench();
    seed(&bench);
    let listed = json(&bench, &["release", "list", "--json"]);
    assert_eq!((listed[0]["tag"].as_str(), listed[0]["headline"].as_str()), (Some("v1.4.0"), Some("live everywhere")));
    let shown = bench.run(&["release", "show", "v1.4.0"]).stdout;
    for text in ["release   v1.4.0: live everywhere", "version   1.4.0", "gates     have passed", "shop.tar.gz  18", "- a basket"]
    {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[test]
fn names_that_are_not_known_are_a_wrong_call_that_names_the_nearest() {
    let bench = bench();
    seed(&bench);
    let (code, cause) = failed(&bench, &["rollout", "status", "prodution"]);
    assert_eq!(code, Some(2));
    assert_snapshot!(cause, @"gatewright: no environment `prodution` is known of acme/shop; did you mean `production`?");
    let (code, cause) = failed(&bench, &["release", "show", "v1.4.1"]);
    assert_eq!(code, Some(2));
    assert_snapshot!(cause, @"gatewright: no release of the tag `v1.4.1` is known of acme/shop; did you mean `v1.4.0`?");
    let (code, cause) = failed(&bench, &["release", "list", "--repo", "acme/shpo"]);
    assert_eq!(code, Some(2));
    assert_snapshot!(cause, @"gatewright: no run of a repository `acme/shpo` is known; did you mean `acme/shop`?");
}

#[test]
fn what_changes_something_needs_the_running_service() {
    let bench = bench();
    seed(&bench);
    for args in [&["rollout", "freeze", "production"][..], &["release", "plan", "v1.4.0"]] {
        let (code, cause) = failed(&bench, args);
        assert_eq!(code, Some(3));
        assert!(cause.contains("no service runs with this store"), "{cause}");
    }
}

#[test]
fn the_operator_freezes_and_unfreezes_and_the_audit_log_says_so() {
    let bench = bench();
    seed(&bench);
    let service = bench.serve(&[]);
    let frozen = bench.run(&["rollout", "freeze", "staging", "public", "holidays"]);
    assert_eq!((frozen.code, frozen.stdout.as_str()), (Some(0), "staging frozen\n"), "{}", frozen.stderr);
    let state = json(&bench, &["rollout", "status", "staging", "--json"]);
    assert_eq!(state["environments"][0]["frozen"]["by"], "operator");
    assert_eq!(state["environments"][0]["frozen"]["reason"], "public holidays");
    let done = json(&bench, &["rollout", "unfreeze", "staging", "--json"]);
    assert_eq!(done["outcome"], "staging is not frozen any more");
    let audit = json(&bench, &["audit", "--json"]);
    let lines: Vec<String> = audit
        .as_array()
        .expect("a list")
        .iter()
        .map(|line| format!("{} {} {}: {}", line["actor"], line["action"], line["target"], line["outcome"]).replace('"', ""))
        .collect();
    assert!(lines.contains(&"operator rollout.freeze acme/shop environment/staging: staging frozen".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("operator rollout.unfreeze ")), "{lines:?}");
    service.stop();
}

#[test]
fn what_makes_no_sense_as_things_stand_is_refused_and_says_why() {
    let bench = bench();
    seed(&bench);
    let service = bench.serve(&[]);
    let refused = |args: &[&str]| {
        let (code, cause) = failed(&bench, args);
        assert_eq!(code, Some(1), "{cause}");
        cause
    };
    assert_snapshot!(refused(&["rollout", "unfreeze", "staging"]), @"gatewright: `staging` is not frozen.");
    assert_snapshot!(refused(&["rollout", "pause", "staging"]), @"gatewright: nothing is being rolled out to `staging`. To keep releases from it, write `gatewright rollout freeze staging`.");
    assert_snapshot!(refused(&["rollout", "promote", "production"]), @"gatewright: it waits for approvals, and those are of people whom the forge knows: comment `/gw promote production` on the pull request.");
    assert_snapshot!(refused(&["rollout", "rollback", "staging"]), @"gatewright: no release is known that was in `staging` before what is there now.");
    let (code, _) = failed(&bench, &["rollout", "unfreeze", "stagin"]);
    assert_eq!(code, Some(2), "a name that is not known is a wrong call");
    service.stop();
}

#[test]
fn figures_of_what_was_rolled_out_are_by_environment() {
    let bench = bench();
    seed(&bench);
    let figures = json(&bench, &["release", "stats", "--days", "1", "--json"]);
    let all = figures["environments"].as_array().expect("a list");
    let production = all.iter().find(|one| one["environment"] == "production").expect("something went there");
    assert_eq!((production["deployments"].as_u64(), production["rolled_back"].as_u64()), (Some(1), Some(1)));
    assert_eq!(production["change_failure_percent"], 50.0);
    assert_eq!(production["lead_time"]["median_secs"], 1_800.0);
    assert_eq!(production["rollback_time"]["median_secs"], 4.0);
    // Five minutes at 5 %, two at 25 %, and the way back.
    assert_eq!(production["time_to_restore"]["median_secs"], 300.0 + 120.0 + 4.0);
    assert!(bench.run(&["release", "stats"]).stdout.starts_with("ENVIRONMENT  DEPLOYMENTS  A DAY  LEAD TIME"));
}

#[test]
fn the_page_of_a_rollout_says_why_it_went_back_and_nothing_on_it_is_markup() {
    let bench = bench();
    let seeded = seed(&bench);
    let service = bench.serve(&[]);
    let page = service.get(&format!("/runs/{}", seeded.rolled_back));
    assert_eq!(page.status, 200);
    assert!(page.head.contains("content-security-policy: default-src 'none'"), "{}", page.head);
    let body = &page.body;
    for text in [
        "<h2>v1.5.0 to production</h2>",
        "<h2>Moves of the way back</h2>",
        "look at 25 % for 5 min <small>(went back here)</small>",
        "<svg ",
        "<h2>Checkpoints</h2>",
        "<h2>Timeline</h2>",
    ] {
        assert!(body.contains(text), "{text}: {body}");
    }
    assert!(WHY.contains("<script>") && !body.contains("<script"), "{body}");
    assert!(!body.contains("10.0.0.7"), "where instances are is not said: {body}");
    let picture = service.get(&format!("/runs/{}/measured.svg", seeded.rolled_back));
    assert!(
        picture.status == 200 && picture.body.starts_with("<svg ") && picture.body.contains("<title>At "),
        "{}",
        picture.body
    );
    assert_eq!(service.get(&format!("/runs/{}/measured.svg", seeded.live)).status, 404, "nothing was compared there");
    let log = service.get(&format!("/runs/{}/hooks/0", seeded.rolled_back));
    assert_eq!((log.status, log.body.as_str()), (200, "migrated 3 tables\n"));
    for path in ["hooks/1", "hooks/x", "artefacts/shop.tar.gz"] {
        assert_eq!(service.get(&format!("/runs/{}/{path}", seeded.rolled_back)).status, 404, "{path}");
    }
    let waits = service.get(&format!("/runs/{}", seeded.waiting)).body;
    assert!(waits.contains("<h2>Waits for</h2>") && waits.contains("2 approvals"), "{waits}");
    service.stop();
}

#[test]
fn the_page_of_a_release_leads_to_its_rollouts_and_gives_out_its_artefacts() {
    let bench = bench();
    let seeded = seed(&bench);
    let service = bench.serve(&[]);
    let page = service.get(&format!("/runs/{}", seeded.release)).body;
    assert!(page.contains(&format!("<a href=\"/runs/{}\">production</a>", seeded.live)), "{page}");
    assert!(page.contains(&format!("commit <code>{}</code>", "140".repeat(13) + "1")), "{page}");
    let artefact = service.get(&format!("/runs/{}/artefacts/shop.tar.gz", seeded.release));
    assert_eq!((artefact.status, artefact.body.as_str()), (200, "what is given out\n"));
    assert!(artefact.head.contains("content-disposition: attachment"), "{}", artefact.head);
    assert!(artefact.head.contains("x-content-type-options: nosniff"), "{}", artefact.head);
    service.stop();
}
