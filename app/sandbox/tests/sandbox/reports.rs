//! Files read out of sandboxes and written into them.

use std::io::Read;

use bytes::Bytes;
use gatewright_core::sandbox::{Sandbox, SandboxError, SandboxHandle};
use gatewright_core::verdict::ReportFile;

use crate::rig::{Rig, spec};

async fn after(rig: &Rig, script: &str) -> SandboxHandle {
    let sandbox = rig.open(&spec()).await;
    let ran = rig.exec(&sandbox, script).await;
    assert_eq!(ran.code(), 0, "{}", ran.text);
    sandbox
}

fn text(file: &ReportFile) -> String {
    let mut bytes = Vec::new();
    file.content.open().and_then(|mut content| content.read_to_end(&mut bytes)).expect("what was kept can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is read, as `path=content`.
async fn read(rig: &Rig, sandbox: &SandboxHandle, glob: &str) -> Result<Vec<String>, SandboxError> {
    let files = rig.sandbox.read(sandbox, glob, 10, 1000).await?;
    Ok(files.iter().map(|file| format!("{}={}", file.path, text(file))).collect())
}

#[tokio::test]
async fn globs_find_regular_files_sorted_by_path() {
    let rig = Rig::new();
    let sandbox = after(
        &rig,
        "mkdir -p a/b/c 'a/with space' .hidden; printf 1 > a/x.xml; printf 2 > a/b/y.xml; printf 3 > a/b/c/z.xml; \
         printf 4 > top.xml; printf 5 > 'a/with space/ä.xml'; printf 6 > .hidden/h.xml; mkdir dir.xml; printf 7 > a/x.txt",
    )
    .await;
    let long = "a/".to_owned() + &"d".repeat(90) + "/" + &"e".repeat(90) + "/l.xml";
    rig.exec(&sandbox, &format!("mkdir -p $(dirname {long}); printf 8 > {long}")).await;
    for (glob, found) in [
        ("top.xml", vec!["top.xml=4"]),
        ("*.xml", vec!["top.xml=4"]),
        ("a/*.xml", vec!["a/x.xml=1"]),
        ("a/b/**/*.xml", vec!["a/b/c/z.xml=3", "a/b/y.xml=2"]),
        ("a/{b,nothing}/*.xml", vec!["a/b/y.xml=2"]),
        ("a/*/ä.xml", vec!["a/with space/ä.xml=5"]),
        (".hidden/*", vec![".hidden/h.xml=6"]),
        ("a/d*/*/l.xml", vec![&format!("{long}=8")]),
        ("missing/*.xml", vec![]),
        ("missing.xml", vec![]),
        ("a", vec![]),
    ] {
        assert_eq!(read(&rig, &sandbox, glob).await.expect("it can be read"), found, "{glob}");
    }
    assert_eq!(read(&rig, &sandbox, "**/*.xml").await.expect("it can be read").len(), 7);
}

#[tokio::test]
async fn a_symbolic_link_is_never_followed() {
    let rig = Rig::new();
    let sandbox = after(
        &rig,
        "mkdir real; echo x > real/report.xml; ln -s /etc/passwd report.xml; ln -s /etc etc; ln -s real linked; \
         ln -s report.xml real/other.xml; ln -s /etc real/deep",
    )
    .await;
    for glob in ["report.xml", "etc/passwd", "etc/*", "linked/report.xml", "linked/**"] {
        let refused = read(&rig, &sandbox, glob).await;
        assert!(matches!(&refused, Err(SandboxError::Report(words)) if words.contains("symbolic link")), "{glob}: {refused:?}");
    }
    for glob in ["**/*.xml", "**", "real/**"] {
        assert_eq!(read(&rig, &sandbox, glob).await.expect("it can be read"), ["real/report.xml=x\n"], "{glob}");
    }
}

#[tokio::test]
async fn nothing_outside_of_the_workspace_can_be_named() {
    let rig = Rig::new();
    let sandbox = after(&rig, "true").await;
    for glob in ["/etc/passwd", "../etc/passwd", "a/../../etc/*", "", "[", "a//../b"] {
        let refused = read(&rig, &sandbox, glob).await;
        assert!(matches!(refused, Err(SandboxError::Report(_))), "{glob}: {refused:?}");
    }
}

#[tokio::test]
async fn a_file_with_two_names_is_read_under_the_one_that_matches() {
    let rig = Rig::new();
    let sandbox = after(&rig, "mkdir a z; printf same > a/first; ln a/first z/report.xml; ln a/first z/second.xml").await;
    assert_eq!(read(&rig, &sandbox, "z/*.xml").await.expect("it can be read"), ["z/report.xml=same", "z/second.xml=same"]);
    assert_eq!(read(&rig, &sandbox, "**/report.xml").await.expect("it can be read"), ["z/report.xml=same"]);
    let refused = rig.sandbox.read(&sandbox, "**", 3, 5).await;
    assert!(matches!(refused, Err(SandboxError::Report(_))), "links count, too: {refused:?}");
}

#[tokio::test]
async fn special_files_are_passed_over() {
    let rig = Rig::new();
    let sandbox = after(&rig, "mkfifo report.xml; echo x > real.xml").await;
    assert_eq!(read(&rig, &sandbox, "*.xml").await.expect("it can be read"), ["real.xml=x\n"]);
    assert_eq!(read(&rig, &sandbox, "report.xml").await.expect("it can be read"), Vec::<String>::new());
}

#[tokio::test]
async fn a_giant_that_takes_no_room_is_not_swallowed() {
    let rig = Rig::new();
    let sandbox = after(&rig, "truncate -s 10G report.xml; truncate -s 10G a.bin; mkdir r; echo x > r/small.xml").await;
    let refused = read(&rig, &sandbox, "report.xml").await;
    assert!(matches!(&refused, Err(SandboxError::Report(words)) if words.contains("more than 1000 bytes")), "{refused:?}");
    let refused = read(&rig, &sandbox, "*.missing").await;
    assert!(matches!(&refused, Err(SandboxError::Report(words)) if words.contains("narrower folder")), "{refused:?}");
    assert_eq!(read(&rig, &sandbox, "r/*.xml").await.expect("a narrower folder does"), ["r/small.xml=x\n"]);
}

#[tokio::test]
async fn too_many_files_or_bytes_are_an_error_and_just_enough_are_not() {
    let rig = Rig::new();
    let sandbox = after(&rig, "for i in $(seq 5); do printf 12345 > $i.xml; done").await;
    assert_eq!(rig.sandbox.read(&sandbox, "*.xml", 5, 25).await.expect("they fit").len(), 5);
    for (files, bytes) in [(4, 25), (5, 24)] {
        let refused = rig.sandbox.read(&sandbox, "*.xml", files, bytes).await;
        assert!(matches!(refused, Err(SandboxError::Report(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_file_is_written_and_belongs_to_the_sandboxs_user() {
    let rig = Rig::new();
    let sandbox = rig.open(&spec()).await;
    rig.sandbox.write(&sandbox, "a/b/patch.diff", Bytes::from_static(b"hello")).await.expect("it can be written");
    let ran =
        rig.exec(&sandbox, "cat a/b/patch.diff; stat -c ' %U %G' a a/b/patch.diff; echo more >> a/b/patch.diff; touch a/c").await;
    assert_eq!((ran.code(), ran.text.as_str()), (0, "hello gate gate\n gate gate\n"));
    for outside in ["/etc/x", "../x", ""] {
        let refused = rig.sandbox.write(&sandbox, outside, Bytes::new()).await;
        assert!(matches!(refused, Err(SandboxError::Report(_))), "{refused:?}");
    }
    let refused = rig.sandbox.write(&sandbox, "big", Bytes::from(vec![0; 20 << 20])).await;
    assert!(matches!(&refused, Err(SandboxError::Report(words)) if words.contains("does not fit")), "{refused:?}");
}
