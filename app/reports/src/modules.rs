//! Go's modules: what Go's tools write before a file's path is the path of its module, not a folder.

use crate::paths::OTHERS;

/// So many modules of a repository are known. Files of the others are found by the ends of their paths, or not at all.
const MODULES_MAX: usize = 500;

/// A `go.mod` that has more bytes is passed over.
pub const GO_MOD_BYTES_MAX: u64 = 1024 * 1024;

/// The modules of a repository with these files, for [`Mapping::go_modules`](crate::Mapping::go_modules). `read` gives what is in a
/// file, as far as it has no more than [`GO_MOD_BYTES_MAX`].
pub fn go_modules<'p, B: AsRef<[u8]>>(
    files: impl IntoIterator<Item = &'p str>,
    mut read: impl FnMut(&str) -> Option<B>,
) -> Vec<(String, String)> {
    let folders = files.into_iter().filter_map(|path| {
        let folder = path.strip_suffix("go.mod")?;
        (folder.is_empty() || folder.ends_with('/')).then(|| folder.trim_end_matches('/'))
    });
    let module = |folder: &str| {
        let path = if folder.is_empty() { "go.mod".to_owned() } else { format!("{folder}/go.mod") };
        Some((module_path(&String::from_utf8_lossy(read(&path)?.as_ref()))?, folder.to_owned()))
    };
    folders.filter(|folder| !is_passed_over(folder)).take(MODULES_MAX).filter_map(module).collect()
}

/// What `./...` does not go into.
fn is_passed_over(folder: &str) -> bool {
    folder.split('/').any(|part| part == "testdata" || part.starts_with(['.', '_']) || OTHERS.contains(&part))
}

/// What the file says of its module: <https://go.dev/ref/mod#go-mod-file-module>.
fn module_path(text: &str) -> Option<String> {
    let mut lines = text.lines().map(|line| line.split("//").next().unwrap_or(line).trim()).filter(|line| !line.is_empty());
    let rest = lines.find_map(|line| line.strip_prefix("module").filter(|rest| rest.starts_with([' ', '\t', '('])))?.trim();
    let path = if rest == "(" { lines.next()? } else { rest };
    let path = path.trim_matches(['"', '`']).trim_matches('/');
    (!path.is_empty() && !path.contains(char::is_whitespace)).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_module_is_read_however_it_is_written() {
        for text in [
            "// Deprecated: x\nmodule example.com/api // why\n\ngo 1.22\n",
            "module (\n\texample.com/api\n)\n",
            "go 1.22\nmodule\t\"example.com/api\"\r\n",
        ] {
            assert_eq!(module_path(text).as_deref(), Some("example.com/api"), "{text}");
        }
        for text in ["", "modules x", "module", "module (\n", "module a b", "// module a"] {
            assert_eq!(module_path(text), None, "{text}");
        }
    }

    #[test]
    fn modules_that_are_not_built_with_the_others_are_passed_over() {
        let files =
            ["go.mod", "a/go.mod", "a/testdata/go.mod", "_x/go.mod", "vendor/y/go.mod", "xgo.mod", "b/go.mod/c", "c/go.mod"];
        let read = |path: &str| (path != "c/go.mod").then(|| format!("module example.com/{}", path.len()));
        let modules = go_modules(files, read);
        assert_eq!(modules, [("example.com/6".to_owned(), String::new()), ("example.com/8".to_owned(), "a".to_owned())]);
    }
}
