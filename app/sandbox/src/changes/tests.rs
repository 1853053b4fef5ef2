//! The judge over a workspace that is told.
#![expect(clippy::unwrap_used, reason = "a test may fail at once")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use gatewright_core::tree::Tree;
use globset::GlobSet;

use super::*;

/// A workspace that holds what it is told to, and notes what is asked of it.
#[derive(Default)]
struct Told {
    files: Mutex<BTreeMap<String, (Kind, Bytes, u32)>>,
    asked: Mutex<Vec<String>>,
    incomplete: bool,
}

const PLAIN: Kind = Kind::File { executable: false };

impl Told {
    fn put(&self, path: &str, kind: Kind, content: &str) {
        let mut files = self.files.lock().unwrap();
        let stamp = files.values().map(|(_, _, stamp)| *stamp).max().unwrap_or(0) + 1;
        files.insert(path.to_owned(), (kind, Bytes::copy_from_slice(content.as_bytes()), stamp));
    }

    fn remove(&self, path: &str) {
        self.files.lock().unwrap().remove(path);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn listing(&self, prune: &[String]) -> Listing {
        let pruned = |path: &str| prune.iter().any(|folder| path.starts_with(&format!("{folder}/")));
        let files = self.files.lock().unwrap();
        let entries = files.iter().filter(|(path, _)| !pruned(path)).map(|(path, (kind, content, stamp))| Entry {
            path: path.clone().into_bytes(),
            look: Appearance { kind: *kind, bytes: content.len() as u64, stamp: Some((1, 1, *stamp)) },
        });
        Listing { entries: entries.collect(), incomplete: self.incomplete }
    }
}

#[async_trait]
impl Look for Told {
    async fn list(&self, prune: &[String]) -> Result<Listing, ChangesError> {
        self.asked.lock().unwrap().push(format!("list without {prune:?}"));
        Ok(self.listing(prune))
    }

    async fn read(&self, wanted: &[Wanted]) -> Result<Vec<Found>, ChangesError> {
        let files = self.files.lock().unwrap();
        let read = wanted.iter().map(|one| {
            let path = String::from_utf8(one.path.clone()).unwrap();
            self.asked.lock().unwrap().push(format!("read {path}"));
            let content = files[&path].1.clone();
            let id = one.format.name(&content);
            let content = (one.unless.as_ref() != Some(&id)).then_some(content);
            Found { id, content }
        });
        Ok(read.collect())
    }
}

/// A commit of these files (mode, path, content), and a workspace as it was filled from that.
fn filled(files: &[(&str, &str, &str)], overlay: &[FileChange]) -> (Told, Watch) {
    let (mut listed, told) = (Vec::new(), Told::default());
    let mut texts = HashMap::new();
    for (mode, path, content) in files {
        let id = Format::Sha1.name(content.as_bytes());
        listed.extend(format!("{mode} blob {id}\t{path}\0").into_bytes());
        texts.insert(path.as_bytes().to_vec(), Bytes::copy_from_slice(content.as_bytes()));
        let kind = match *mode {
            "120000" => Kind::Link,
            "160000" => continue,
            mode => Kind::File { executable: mode == "100755" },
        };
        told.put(path, kind, content);
    }
    for change in overlay {
        match &change.now {
            Some((_, content)) => told.put(&change.path, PLAIN, std::str::from_utf8(content).unwrap()),
            None => told.remove(&change.path),
        }
    }
    let base = Base { texts, ..Base::read(&listed) };
    let mut watch = Watch::new("a".repeat(40).parse().unwrap(), base);
    watch.note(told.listing(&[]), overlay);
    (told, watch)
}

async fn changed(told: &Told, watch: &mut Watch) -> Result<Vec<String>, String> {
    let changes = watch.changes(told, &GlobSet::empty()).await.map_err(|error| error.to_string())?;
    let line = |change: FileChange| match change.now {
        Some((mode, content)) => format!("{} {mode:?} {}", change.path, String::from_utf8_lossy(&content)),
        None => format!("{} gone", change.path),
    };
    Ok(changes.into_iter().map(line).collect())
}

#[tokio::test]
async fn only_what_may_have_changed_is_read_and_no_more_than_once() {
    let (told, mut watch) = filled(&[("100644", "a", "1"), ("100644", "b", "1"), ("100755", "c", "1")], &[]);
    assert_eq!(changed(&told, &mut watch).await.unwrap(), [""; 0]);
    assert_eq!(told.asked(), ["list without []"]);
    told.put("a", PLAIN, "2");
    told.put("b", PLAIN, "1");
    told.put("c", PLAIN, "1");
    told.put("d/e", PLAIN, "new");
    let all = ["a Plain 2", "c Plain 1", "d/e Plain new"];
    assert_eq!(changed(&told, &mut watch).await.unwrap(), all);
    assert_eq!(told.asked(), ["list without []", "read a", "read b", "read c", "read d/e"]);
    assert_eq!(changed(&told, &mut watch).await.unwrap(), all);
    assert_eq!(told.asked(), ["list without []"]);
    told.put("a", PLAIN, "1");
    told.remove("b");
    told.put("c", Kind::File { executable: true }, "1");
    told.remove("d/e");
    assert_eq!(changed(&told, &mut watch).await.unwrap(), ["b gone"]);
}

#[tokio::test]
async fn what_lay_over_the_commit_is_told_against_the_commit() {
    let now = |text: &str| Some((FileMode::Plain, Bytes::copy_from_slice(text.as_bytes())));
    let overlay = [
        FileChange { path: "a".to_owned(), now: now("over") },
        FileChange { path: "b".to_owned(), now: None },
        FileChange { path: "c".to_owned(), now: now("new") },
        FileChange { path: "same".to_owned(), now: now("1") },
    ];
    let (told, mut watch) = filled(&[("100644", "a", "1"), ("100644", "b", "1"), ("100644", "same", "1")], &overlay);
    assert_eq!(changed(&told, &mut watch).await.unwrap(), ["a Plain over", "b gone", "c Plain new"]);
    assert_eq!(told.asked(), ["list without []"], "what was laid need not be read");
    told.put("a", PLAIN, "1");
    told.remove("c");
    assert_eq!(changed(&told, &mut watch).await.unwrap(), ["b gone"]);
}

#[tokio::test]
async fn build_output_is_left_out_as_the_workspace_says_now_and_not_looked_into_twice() {
    let files = [("100644", ".gitignore", "/target\n*.log\n!keep.log\n"), ("100644", "kept.log", "1"), ("100644", "src/a", "1")];
    let (told, mut watch) = filled(&files, &[]);
    for path in ["target/debug/a", "target/b", "src/x.log", "src/keep.log", "kept.log"] {
        told.put(path, PLAIN, "2");
    }
    assert_eq!(changed(&told, &mut watch).await.unwrap(), ["kept.log Plain 2", "src/keep.log Plain 2"]);
    assert_eq!(told.asked(), ["list without []", "read kept.log", "read src/keep.log"]);
    changed(&told, &mut watch).await.unwrap();
    assert_eq!(told.asked(), [r#"list without ["target"]"#]);
    told.put("src/.gitignore", PLAIN, "keep.log\n");
    told.put(".gitignore", PLAIN, "*.log\n");
    let all = [
        ".gitignore Plain *.log\n",
        "kept.log Plain 2",
        "src/.gitignore Plain keep.log\n",
        "target/b Plain 2",
        "target/debug/a Plain 2",
    ];
    assert_eq!(changed(&told, &mut watch).await.unwrap(), all);
    let asked = told.asked();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("list")).count(), 2, "{asked:?}");
}

#[tokio::test]
async fn a_folder_that_is_ignored_and_has_files_of_the_commit_is_looked_into() {
    let (told, mut watch) = filled(&[("100644", ".gitignore", "out/\n"), ("100644", "out/kept", "1")], &[]);
    told.put("out/new", PLAIN, "2");
    assert_eq!(changed(&told, &mut watch).await.unwrap(), [""; 0]);
    told.put("out/kept", PLAIN, "2");
    assert_eq!(changed(&told, &mut watch).await.unwrap(), ["out/kept Plain 2"]);
}

#[tokio::test]
async fn what_cannot_be_a_changed_file_is_refused_with_its_path() {
    let files = [("100644", "a", "1"), ("120000", "link", "a"), ("160000", "vendor/lib", "x"), ("100644", "Docs/a.md", "1")];
    let cases: [(&str, Kind, &str); 9] = [
        ("new", Kind::Link, "`new` is a symbolic link"),
        ("a", Kind::Link, "`a` is a symbolic link"),
        ("link", PLAIN, "`link` is a symbolic link"),
        ("pipe", Kind::Special, "`pipe` is neither a file nor a folder"),
        ("a", Kind::Special, "`a` is neither a file nor a folder"),
        ("vendor/lib/x", PLAIN, "`vendor/lib/x` belongs to a submodule"),
        (".gitmodules", PLAIN, "`.gitmodules` belongs to a submodule"),
        ("docs/b.md", PLAIN, "`docs/b.md` and `Docs` differ in case only"),
        (
            "sub/.git/config",
            PLAIN,
            "`sub/.git/config` cannot be the path of a file here: it leads into a repository's own folder",
        ),
    ];
    for (path, kind, words) in cases {
        let (told, mut watch) = filled(&files, &[]);
        told.put(path, kind, "elsewhere");
        let refused = changed(&told, &mut watch).await.unwrap_err();
        assert!(refused.starts_with(words), "{path}: {refused}");
        assert!(
            path == "a" || path == "link" || path == ".gitmodules" || path == "docs/b.md" || told.asked().len() == 1,
            "{path}: nothing of it is read"
        );
    }
}

#[tokio::test]
async fn a_link_of_the_commit_may_be_made_anew_or_removed() {
    let (told, mut watch) = filled(&[("120000", "link", "a"), ("120000", "up", "../../etc/passwd")], &[]);
    told.put("link", Kind::Link, "a");
    told.put("up", Kind::Link, "/etc/passwd");
    assert_eq!(changed(&told, &mut watch).await.unwrap(), [""; 0], "as it was turned when the workspace was filled");
    told.remove("link");
    assert_eq!(changed(&told, &mut watch).await.unwrap(), ["link gone"]);
}

#[tokio::test]
async fn more_than_anybody_would_review_is_refused_before_it_is_read() {
    let (told, mut watch) = filled(&[("100644", "a", "1")], &[]);
    for n in 0..=Tree::FILES_MAX {
        told.put(&format!("node_modules/{n}"), PLAIN, "x");
    }
    told.put("b", PLAIN, "x");
    let refused = changed(&told, &mut watch).await.unwrap_err();
    assert!(refused.starts_with("102 files were changed, 101 of them in `node_modules`, and at most 100 can be"), "{refused}");
    assert_eq!(told.asked(), ["list without []"]);
    let (told, mut watch) = filled(&[("100644", "a", "1")], &[]);
    told.put("big", PLAIN, &"x".repeat(usize::try_from(Tree::BYTES_MAX).unwrap() + 1));
    let refused = changed(&told, &mut watch).await.unwrap_err();
    assert!(refused.starts_with("the changed files hold more than 4 MiB together, the largest of them `big`"), "{refused}");
    assert_eq!(told.asked(), ["list without []"]);
}

#[tokio::test]
async fn removed_files_count_and_a_folder_that_cannot_be_read_removes_none() {
    let names: Vec<String> = (0..=Tree::FILES_MAX).map(|n| format!("src/{n}")).collect();
    let files: Vec<(&str, &str, &str)> = names.iter().map(|name| ("100644", name.as_str(), "1")).collect();
    let (mut told, mut watch) = filled(&files, &[]);
    told.files.lock().unwrap().clear();
    assert!(changed(&told, &mut watch).await.unwrap_err().starts_with("101 files were changed"));
    told.incomplete = true;
    let refused = changed(&told, &mut watch).await.unwrap_err();
    assert!(refused.contains("a folder of it cannot be read"), "{refused}");
}

#[tokio::test]
async fn what_came_out_of_a_cache_counts_only_once_it_is_changed() {
    let (told, mut watch) = filled(&[("100644", "a", "1")], &[]);
    told.put("deps/x", PLAIN, "1");
    told.put("deps/y", PLAIN, "1");
    watch.note(told.listing(&[]), &[]);
    assert_eq!(changed(&told, &mut watch).await.unwrap(), [""; 0]);
    told.put("deps/x", PLAIN, "2");
    assert_eq!(changed(&told, &mut watch).await.unwrap(), ["deps/x Plain 2"]);
}

#[tokio::test]
async fn a_workspace_of_which_nothing_is_known_is_read_whole() {
    let (told, known) = filled(&[("100644", "a", "1"), ("100755", "b", "1")], &[]);
    told.put("a", PLAIN, "2");
    let mut watch = Watch::new(known.commit.clone(), known.base);
    assert_eq!(changed(&told, &mut watch).await.unwrap(), ["a Plain 2"]);
    assert_eq!(told.asked(), ["list without []", "read a", "read b"]);
}
