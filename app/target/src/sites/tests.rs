#![expect(clippy::unwrap_used, reason = "a test may fail at once")]

use std::sync::Arc;

use gatewright_core::RepoRef;

use super::*;
use crate::exec;

fn site() -> Site {
    let program = exec::Program::new(exec::Config { command: vec!["/bin/true".to_owned()], env: Vec::new(), timeout_secs: 1 });
    let program = Arc::new(program);
    Site { target: program.clone(), router: program.clone(), metrics: vec![program] }
}

fn place(path: &str, environment: &str, service: &str) -> Place {
    let repo = RepoRef { forge: ForgeKind::Github, id: 1, path: path.to_owned(), installation: None };
    Place { repo, environment: environment.parse().unwrap(), service: service.to_owned() }
}

#[test]
fn a_service_is_open_to_one_environment_of_one_repository_only() {
    let opened = Opened {
        forge: Some(ForgeKind::Github),
        repository: "octo/app".to_owned(),
        environment: "production".parse().unwrap(),
        service: "web".to_owned(),
        site: site(),
    };
    let sites = OpenedSites::new(vec![opened]);
    assert!(sites.site(&place("octo/app", "production", "web")).is_ok());
    assert!(sites.site(&place("Octo/App", "production", "web")).is_ok());
    let mut elsewhere = place("octo/app", "production", "web");
    elsewhere.repo.forge = ForgeKind::Gitlab;
    for closed in [
        elsewhere,
        place("octo/other", "production", "web"),
        place("octo/app", "staging", "web"),
        place("octo/app", "production", "db"),
    ] {
        assert!(sites.site(&closed).is_err(), "{closed}");
    }
}

#[test]
fn what_is_not_open_says_who_opens_it() {
    let Err(error) = OpenedSites::default().site(&place("octo/app", "production", "web")) else { panic!("it is open") };
    assert_eq!(
        error.to_string(),
        "service `web`: this service is not opened to `octo/app` in `production`; its operator does that with a `[[target]]` in the server file"
    );
}
