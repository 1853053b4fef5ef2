use super::*;
use crate::config::HealthCheck;

const FILLING: Filling<'_> = Filling { version: "1.4.0", tag: "v1.4.0", commit: "3f2a9c01", environment: "production" };

fn docker() -> DockerConfig {
    DockerConfig {
        service: "shop".to_owned(),
        image: "ghcr.io/acme/shop:{{ version }}".to_owned(),
        command: Some(vec!["serve".to_owned(), "--release={{tag}}".to_owned()]),
        replicas: 2,
        port: 8080,
        health: HealthCheck { path: None, every_secs: 2, timeout_secs: 2, ready_within_secs: 60 },
        env: BTreeMap::from([
            ("WHERE".to_owned(), EnvValue::Plain("{{ environment }} at {{commit}}".to_owned())),
            ("KEY".to_owned(), EnvValue::Secret("shop-key".to_owned())),
        ]),
        memory_mib: None,
        cpus_milli: None,
        stop_secs: 10,
    }
}

fn filled_docker() -> DockerConfig {
    match fill(&TargetConfig::Docker(docker()), &FILLING) {
        TargetConfig::Docker(docker) => docker,
        TargetConfig::Exec(exec) => panic!("containers stay containers: {exec:?}"),
    }
}

#[test]
fn every_place_of_a_template_is_filled_in() {
    let filled = filled_docker();
    assert_eq!(filled.image, "ghcr.io/acme/shop:1.4.0");
    assert_eq!(filled.command, Some(vec!["serve".to_owned(), "--release=v1.4.0".to_owned()]));
    assert_eq!(filled.env["WHERE"], EnvValue::Plain("production at 3f2a9c01".to_owned()));
    assert_eq!(filled.env["KEY"], EnvValue::Secret("shop-key".to_owned()));
    let with = BTreeMap::from([("region".to_owned(), "eu".to_owned()), ("version".to_owned(), "{{ version }}".to_owned())]);
    let exec = TargetConfig::Exec(ExecConfig { service: "shop".to_owned(), replicas: 1, with, ready_within_secs: 60 });
    let TargetConfig::Exec(exec) = fill(&exec, &FILLING) else { panic!("commands stay commands") };
    assert_eq!((exec.with["region"].as_str(), exec.with["version"].as_str()), ("eu", "1.4.0"));
}

#[test]
fn a_text_is_filled_in_once_and_never_what_was_filled_in() {
    let with = Filling { tag: "{{ commit }}", ..FILLING };
    assert_eq!(fill_text("{{ tag }} }} { {{version}}{{version}}", &with), "{{ commit }} }} { 1.4.01.4.0");
}

#[test]
fn what_cannot_be_filled_in_is_named() {
    assert_eq!(check("a {{ version }} {{tag}}{{ commit }} {{ environment }} }} {"), Ok(()));
    assert_eq!(check("{{ verion }}"), Err(TemplateError::Unknown("verion".to_owned())));
    assert_eq!(check("{{ version | upper }}"), Err(TemplateError::Unknown("version | upper".to_owned())));
    assert_eq!(check("{{}}"), Err(TemplateError::Unknown(String::new())));
    assert_eq!(check("{{ version }"), Err(TemplateError::Open));
    assert_eq!(TemplateError::Open.to_string(), "a {{ has no }} behind it");
}

#[test]
fn an_image_takes_no_characters_that_its_tag_cannot_hold() {
    let with = Filling { version: "1.4.0+build.7", tag: "@acme/shop@1.4.0", ..FILLING };
    assert_eq!(fill_image("a/b:{{ version }}", &with), "a/b:1.4.0-build.7");
    assert_eq!(fill_image("a/b:{{ tag }}", &with), "a/b:-acme-shop-1.4.0");
}

#[test]
fn a_pool_is_named_by_its_version_and_what_it_is_made_of() {
    insta::assert_snapshot!(pool_id("1.4.0", &TargetConfig::Docker(filled_docker())), @"1.4.0-f8f4d6e3");
}

#[test]
fn the_same_configuration_is_the_same_pool_however_many_instances_it_has() {
    let one = pool_id("1.4.0", &TargetConfig::Docker(filled_docker()));
    assert_eq!(one, pool_id("1.4.0", &TargetConfig::Docker(filled_docker())));
    assert_eq!(one, pool_id("1.4.0", &TargetConfig::Docker(DockerConfig { replicas: 7, ..filled_docker() })));
}

#[test]
fn another_configuration_is_another_pool() {
    let one = pool_id("1.4.0", &TargetConfig::Docker(filled_docker()));
    let with = |change: fn(&mut DockerConfig)| {
        let mut docker = filled_docker();
        change(&mut docker);
        pool_id("1.4.0", &TargetConfig::Docker(docker))
    };
    let others = [
        with(|docker| drop(docker.env.insert("WHERE".to_owned(), EnvValue::Plain("elsewhere".to_owned())))),
        with(|docker| drop(docker.env.insert("KEY".to_owned(), EnvValue::Plain("shop-key".to_owned())))),
        with(|docker| docker.image = "ghcr.io/acme/shop:1.4.1".to_owned()),
        with(|docker| docker.command = None),
        with(|docker| docker.memory_mib = Some(64)),
        pool_id("1.4.1", &TargetConfig::Docker(filled_docker())),
    ];
    let mut all: Vec<&PoolId> = others.iter().chain([&one]).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), others.len() + 1);
}

#[test]
fn any_version_makes_a_name() {
    let config = TargetConfig::Docker(docker());
    let begin = |version: &str| {
        let id = pool_id(version, &config);
        id.as_str()[..id.as_str().len() - 9].to_owned()
    };
    assert_eq!(begin("1.4.0-RC.1+b"), "1.4.0-rc.1-b");
    assert_eq!(begin(&"9".repeat(80)), "9".repeat(51));
    assert_eq!(begin("-ä"), "0");
    assert_ne!(pool_id("1.0.0-RC", &config), pool_id("1.0.0-rc", &config));
}

#[test]
fn neither_order_nor_what_is_not_set_makes_a_difference() {
    let one = canonical(json!({ "b": [{ "y": 1, "x": null }], "a": null, "c": "" }));
    assert_eq!(one.to_string(), r#"{"b":[{"y":1}],"c":""}"#);
}
