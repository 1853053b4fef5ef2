use super::*;

fn version(tag: &str) -> Version {
    tag.parse().expect("a version")
}

#[test]
fn a_version_is_what_follows_the_product_and_the_v() {
    let told = |tag: &str| {
        let version = version(tag);
        (version.product().to_owned(), version.to_string())
    };
    let is = |product: &str, number: &str| (product.to_owned(), number.to_owned());
    assert_eq!(told("v1.4.0"), is("", "1.4.0"));
    assert_eq!(told("1.4.0"), is("", "1.4.0"));
    assert_eq!(told("V1.4.0"), is("", "1.4.0"));
    assert_eq!(told("shop-v1.4.0"), is("shop", "1.4.0"));
    assert_eq!(told("shop/v1.4.0"), is("shop", "1.4.0"));
    assert_eq!(told("shop-1.4.0-rc.1"), is("shop", "1.4.0-rc.1"));
    assert_eq!(told("@acme/shop@1.4.0"), is("@acme/shop", "1.4.0"));
    assert_eq!(told("python3.11-v1.4.0"), is("python3.11", "1.4.0"));
    assert_eq!(told("shop-2-v1.4.0"), is("shop-2", "1.4.0"));
    assert_eq!(told("v1.4.0-rc.1-2.0.0"), is("", "1.4.0-rc.1-2.0.0"));
    assert_eq!(told("v1.4.0+build.7"), is("", "1.4.0+build.7"));
    assert_eq!(told("dev-v1.4.0"), is("dev", "1.4.0"));
}

#[test]
fn what_is_no_version_is_refused_and_says_what_would_be_one() {
    for tag in
        ["", "v", "v1", "v1.4", "latest", "v01.4.0", "v1.4.0.1", "1.4.0 ", "v1.4.0$(x)", "shop1.4.0", "v1.4.0-", "é-v1.4.0"]
    {
        assert!(tag.parse::<Version>().is_err(), "{tag}");
    }
    assert!(format!("{}-v1.4.0", "a".repeat(TAG_BYTES_MAX)).parse::<Version>().is_err());
    assert!("v99999999999999999999.0.0".parse::<Version>().is_err());
    let error = "v1.4".parse::<Version>().expect_err("no version");
    insta::assert_snapshot!(error, @r#"version "v1.4" is not valid: a version such as `v1.4.0` or `1.4.0-rc.1` (semver.org), behind a product's name where there are several, as in `shop-v1.4.0` or `shop/v1.4.0`"#);
}

#[test]
fn a_pre_release_is_told_apart() {
    assert_eq!(version("v1.4.0").stage(), Stage::Final);
    assert_eq!(version("v1.4.0+build.7").stage(), Stage::Final);
    assert_eq!(version("v1.4.0-rc.1").stage(), Stage::PreRelease);
}

#[test]
fn the_release_before_is_the_highest_lower_one_of_the_product() {
    let tags: Vec<String> =
        ["v1.9.0", "v1.10.0", "v1.2.0", "v1.11.0-rc.1", "v1.11.0-rc.2", "v1.11.0", "v2.0.0", "shop-v1.10.5", "1.10.1", "latest"]
            .map(str::to_owned)
            .to_vec();
    let before = |tag: &str| previous(&tags, &version(tag));
    assert_eq!(before("v1.10.0"), Some("v1.9.0"));
    assert_eq!(before("v1.11.0"), Some("1.10.1"), "a candidate is nothing that users had");
    assert_eq!(before("v1.11.0-rc.2"), Some("v1.11.0-rc.1"));
    assert_eq!(before("v1.11.0-rc.1"), Some("1.10.1"));
    assert_eq!(before("v1.11.0+build.9"), Some("1.10.1"), "builds of one version do not follow each other");
    assert_eq!(before("shop-v1.11.0"), Some("shop-v1.10.5"));
    assert_eq!(before("v1.2.0"), None);
    assert_eq!(before("other-v3.0.0"), None);
}

#[test]
fn it_is_written_as_its_tag() {
    let version = version("shop-v1.4.0");
    let written = serde_json::to_string(&version).expect("JSON");
    assert_eq!(written, r#""shop-v1.4.0""#);
    assert_eq!(serde_json::from_str::<Version>(&written).expect("a version"), version);
}
