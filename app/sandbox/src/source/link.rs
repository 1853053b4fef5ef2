//! Symbolic links of a source that climb out of the workspace.
//!
//! The engine refuses a whole archive for one link such as `fixtures/bad -> ../../../../etc/passwd`, which is harmless where
//! it goes: in the sandbox it leads to the sandbox's own file. As an absolute link it leads to the same, and is taken.

use super::own::{BLOCK, NAME, PREFIX, TYPE, text};

/// Where the source goes.
const WORKSPACE: &str = "workspace";

const LINK: std::ops::Range<usize> = 157..257;

/// Makes a link that climbs out of the workspace an absolute one. Everything else stays as it is.
pub(super) fn turn_inward(header: &mut [u8; BLOCK]) {
    if header[TYPE] != b'2' {
        return;
    }
    let path = [text(&header[PREFIX]), b"/", text(&header[NAME])].concat();
    let Some(absolute) = climbing(&path, text(&header[LINK])) else { return };
    if absolute.len() <= LINK.len() {
        header[LINK].fill(0);
        header[LINK.start..LINK.start + absolute.len()].copy_from_slice(&absolute);
    }
}

/// Where a link of a source leads in the workspace, if elsewhere than in the commit.
pub(crate) fn turned_inward(path: &[u8], link: &[u8]) -> Option<Vec<u8>> {
    climbing(path, link)
}

fn parts(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// Where a link leads that climbs out of the workspace. None for any other.
fn climbing(path: &[u8], link: &[u8]) -> Option<Vec<u8>> {
    if link.starts_with(b"/") {
        return None;
    }
    let mut at: Vec<&[u8]> = std::iter::once(WORKSPACE.as_bytes()).chain(parts(path)).collect();
    at.pop();
    let mut climbs = false;
    for part in parts(link) {
        if part == b".." {
            at.pop();
            climbs |= at.is_empty();
        } else {
            at.push(part);
        }
    }
    climbs.then(|| [b"/", at.join(&b'/').as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_that_climbs_out_is_changed() {
        let absolute =
            |path: &str, link: &str| climbing(path.as_bytes(), link.as_bytes()).map(|l| String::from_utf8_lossy(&l).into_owned());
        assert_eq!(absolute("/up", "../../../root").as_deref(), Some("/root"));
        assert_eq!(absolute("/a/b/up", "../../../etc/./passwd").as_deref(), Some("/etc/passwd"));
        assert_eq!(absolute("/up", "../workspace/x").as_deref(), Some("/workspace/x"));
        assert_eq!(absolute("/up", "..").as_deref(), Some("/"));
        for inside in ["x", "./x", "b/../x", "/etc/passwd"] {
            assert_eq!(absolute("/a", inside), None, "{inside}");
        }
        assert_eq!(absolute("/a/b/c", "../../x"), None);
    }
}
