//! Lists and reads a workspace for whoever finds out what has changed in it: through the [`Scout`] where the image has what that takes
//! and little is to be read, else as the engine's archive of the whole workspace.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bytes::Bytes;
use gatewright_core::sandbox::{ChangesError, Command, Refused, SandboxError, SandboxHandle};
use gatewright_core::tree::Tree;
use tokio::io::DuplexStream;
use tokio::sync::Mutex;
use tokio_util::io::SyncIoBridge;

use super::error::within;
use super::scout::{Scout, Silence, word};
use super::{read, shape};
use crate::changes::{Appearance, Entry, Found, Kind, Listing, Look, Wanted};
use crate::wanted::READ_MAX;

/// Starting a command takes a tenth of a second, many at once on a small machine some, and its first answer is waited for too.
const START_MAX: Duration = Duration::from_secs(60);

/// A listing may be so long: some hundred thousand files.
const LIST_BYTES_MAX: usize = 64 << 20;

/// Up to so many files are read one by one. More come with the whole workspace.
const ONE_BY_ONE_MAX: usize = 60;

/// An entry for [`parse`]: mode, size, inode, time of the last change of that, and the path between marks that no path has in it.
const FORMAT: &str = "%f %s %i %Z %z//%n//";

/// The kinds of a mode, as `stat` has it.
const KIND_MASK: u32 = 0o170_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_LINK: u32 = 0o120_000;

/// Whether its owner may run it.
const EXECUTABLE: u32 = 0o100;

/// The scout of a sandbox, as far as there is one.
#[derive(Default)]
pub(super) enum Scouting {
    /// Nobody has asked yet, or the last one was killed.
    #[default]
    Absent,
    There(Scout),
    /// The image does not have what it takes.
    Impossible,
}

/// How a script ended that the scout ran.
pub(super) enum Told {
    /// By itself, with this code.
    Ended(i64),
    /// It did not, in its time.
    TooSlow,
}

/// A workspace in a container.
pub(super) struct Workspace<'a> {
    pub(super) docker: &'a Docker,
    pub(super) sandbox: &'a SandboxHandle,
    pub(super) scouting: &'a Mutex<Scouting>,
}

impl Workspace<'_> {
    /// Asks the scout. None where there can be none. One that was killed is replaced, once.
    async fn ask(&self, script: &str, bytes_max: usize) -> Result<Option<(Vec<u8>, i64)>, ChangesError> {
        let mut scouting = self.scouting.lock().await;
        for _ in 0..2 {
            let Some(mut scout) = self.taken(&mut scouting).await? else { return Ok(None) };
            match scout.ask(script, bytes_max).await {
                Ok(answer) => {
                    *scouting = Scouting::There(scout);
                    return Ok(Some(answer));
                }
                Err(Silence::Ended) => {}
                Err(Silence::TooSlow) => return Err(unreadable("that takes too long".to_owned())),
                Err(Silence::TooLong) => return Err(unreadable("there are too many files".to_owned())),
            }
        }
        Err(SandboxError::Gone("its shell ends whenever it is asked something".to_owned()).into())
    }

    /// Has the scout run a script, and passes on what that prints. None where there can be no scout, or it ended in the middle; then some of
    /// it may have been passed on.
    pub(super) async fn tell(&self, look: &Command, take: impl FnMut(&[u8])) -> Result<Option<Told>, SandboxError> {
        let mut scouting = self.scouting.lock().await;
        let Some(mut scout) = self.taken(&mut scouting).await? else { return Ok(None) };
        match scout.tell(&look.script, look.wall, take).await {
            Ok(code) => {
                *scouting = Scouting::There(scout);
                Ok(Some(Told::Ended(code)))
            }
            Err(Silence::TooSlow) => Ok(Some(Told::TooSlow)),
            Err(Silence::Ended | Silence::TooLong) => Ok(None),
        }
    }

    /// Takes the scout out: where whoever asks it is dropped in the middle of an answer, the scout goes with that. None where there can be none.
    async fn taken(&self, scouting: &mut Scouting) -> Result<Option<Scout>, SandboxError> {
        let taken = match std::mem::take(scouting) {
            Scouting::Absent => {
                let starting = Scout::start(self.docker, &self.sandbox.name, shape::path(self.sandbox.folder));
                within("starting its shell", START_MAX, starting).await?
            }
            Scouting::There(scout) => Some(scout),
            Scouting::Impossible => None,
        };
        if taken.is_none() {
            *scouting = Scouting::Impossible;
        }
        Ok(taken)
    }

    /// Reads few files. None where it cannot be done so.
    async fn one_by_one(&self, wanted: &[Wanted]) -> Result<Option<Vec<Found>>, ChangesError> {
        let bytes: u64 = wanted.iter().map(|one| one.bytes).sum();
        let words: Option<Vec<String>> = wanted.iter().map(|one| word(&one.path)).collect();
        let Some(words) = words.filter(|words| words.len() <= ONE_BY_ONE_MAX && bytes <= Tree::BYTES_MAX) else {
            return Ok(None);
        };
        let end = uuid::Uuid::new_v4().simple().to_string();
        let one = |(wanted, word): (&Wanted, &String)| {
            if wanted.link {
                format!("[ -h {word} ] && readlink -n {word}; printf '\\n{end}%s\\n' $?; ")
            } else {
                // One byte more than all may have: then it has grown, and is said to be too large.
                let most = Tree::BYTES_MAX + 1;
                format!("[ -f {word} ] && [ ! -h {word} ] && head -c {most} {word}; printf '\\n{end}%s\\n' $?; ")
            }
        };
        let script: String = wanted.iter().zip(&words).map(one).collect();
        let most = usize::try_from(Tree::BYTES_MAX).unwrap_or(usize::MAX) * 2;
        let Some((text, _)) = self.ask(&script, most).await? else { return Ok(None) };
        let ended = format!("\n{end}0\n");
        let mut rest = Bytes::from(text);
        // Where one could not be read there is an end too few, whichever it was.
        let mut found = Vec::new();
        for one in wanted {
            let at = memchr::memmem::find(&rest, ended.as_bytes())
                .ok_or_else(|| unreadable("files come and go while it is looked at".to_owned()))?;
            let content = rest.split_to(at);
            let _end = rest.split_to(ended.len());
            let id = one.format.name(&content);
            let content = (one.unless.as_ref() != Some(&id)).then_some(content);
            found.push(Found { id, content });
        }
        within_bounds(wanted, &found)?;
        Ok(Some(found))
    }
}

/// All that is of use must not be too much.
fn within_bounds(wanted: &[Wanted], found: &[Found]) -> Result<(), Refused> {
    let bytes = |found: &Found| found.content.as_ref().map_or(0, |content| content.len() as u64);
    if found.iter().map(bytes).sum::<u64>() <= Tree::BYTES_MAX {
        return Ok(());
    }
    let largest = wanted.iter().zip(found).max_by_key(|(_, found)| bytes(found));
    Err(Refused::TooLarge { path: largest.map(|(wanted, _)| crate::changes::paths::shown(&wanted.path)).unwrap_or_default() })
}

fn unreadable(cause: String) -> ChangesError {
    Refused::Unreadable { cause }.into()
}

#[async_trait]
impl Look for Workspace<'_> {
    async fn list(&self, prune: &[String]) -> Result<Listing, ChangesError> {
        let mut tests = "-path ./.git -prune".to_owned();
        for folder in prune {
            if let Some(word) = word(literal(folder).as_bytes()) {
                tests.push_str(&format!(" -o -path {word} -prune"));
            }
        }
        let script = format!("find . {tests} -o ! -type d -exec stat -c '{FORMAT}' {{}} +");
        if let Some((text, code)) = self.ask(&script, LIST_BYTES_MAX).await? {
            let entries = parse(&text).ok_or_else(|| unreadable("`stat` answers as it never does".to_owned()))?;
            return Ok(Listing { entries, incomplete: code != 0 });
        }
        let entries = self.archive(Path::new(""), list_archive).await??;
        Ok(Listing { entries, incomplete: false })
    }

    async fn read(&self, wanted: &[Wanted]) -> Result<Vec<Found>, ChangesError> {
        if let Some(found) = self.one_by_one(wanted).await? {
            return Ok(found);
        }
        let all = wanted.to_vec();
        let picked = self.archive(Path::new(""), move |from| Picked::of(&all, from)).await??;
        let mut found = Vec::new();
        for (one, picked) in wanted.iter().zip(picked.found) {
            found.push(match picked {
                Some(picked) => picked,
                // A second name of a file: asked for by itself, it comes with its content.
                None => self.alone(one).await?,
            });
        }
        within_bounds(wanted, &found)?;
        Ok(found)
    }
}

impl Workspace<'_> {
    /// Has a reader go through the engine's archive of a folder or file.
    async fn archive<T: Send + 'static>(
        &self,
        path: &Path,
        reader: impl FnOnce(SyncIoBridge<DuplexStream>) -> Result<T, ChangesError> + Send + 'static,
    ) -> Result<Result<T, ChangesError>, SandboxError> {
        within("reading the workspace", READ_MAX, read::stream(self.docker, self.sandbox, path, reader)).await
    }

    async fn alone(&self, wanted: &Wanted) -> Result<Found, ChangesError> {
        let gone = || unreadable("files come and go while it is looked at".to_owned());
        let path = std::str::from_utf8(&wanted.path).map_err(|_| gone())?.to_owned();
        // The engine names it by the last part of its path, below which there is nothing.
        let one = vec![Wanted { path: Vec::new(), ..wanted.clone() }];
        let picked = self.archive(Path::new(&path), move |from| Picked::of(&one, from));
        picked.await??.found.into_iter().next().flatten().ok_or_else(gone)
    }
}

/// A path for `-path`, in which nothing stands for anything else.
fn literal(path: &str) -> String {
    path.chars().flat_map(|c| matches!(c, '*' | '?' | '[' | ']' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

/// What `stat` has printed.
fn parse(text: &[u8]) -> Option<Vec<Entry>> {
    let (marks, ends) = (memchr::memmem::Finder::new("//"), memchr::memmem::Finder::new("//\n"));
    let (mut entries, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let mark = marks.find(rest)?;
        let (head, after) = (&rest[..mark], &rest[mark + 2..]);
        let end = ends.find(after)?;
        let path = &after[..end];
        rest = &after[end + 3..];
        entries.push(Entry { path: path.strip_prefix(b"./")?.to_vec(), look: appearance(std::str::from_utf8(head).ok()?)? });
    }
    Some(entries)
}

/// From `mode size inode seconds date time.nanoseconds zone`.
fn appearance(head: &str) -> Option<Appearance> {
    let fields: Vec<&str> = head.split(' ').collect();
    let [mode, bytes, inode, seconds, _, time, ..] = fields[..] else { return None };
    let mode = u32::from_str_radix(mode, 16).ok()?;
    let kind = match mode & KIND_MASK {
        KIND_FILE => Kind::File { executable: mode & EXECUTABLE != 0 },
        KIND_LINK => Kind::Link,
        _ => Kind::Special,
    };
    // A `stat` that knows no fractions would take two changes within a second for none.
    let nanos: u32 = time.split_once('.').and_then(|(_, nanos)| nanos.parse().ok()).unwrap_or(0);
    let stamp = (inode.parse().ok()?, seconds.parse().ok()?, nanos);
    Some(Appearance { kind, bytes: bytes.parse().ok()?, stamp: (nanos != 0).then_some(stamp) })
}

/// Where in the workspace an entry of an archive lies. The engine names entries from the last part of the folder's own name.
fn place(path: &[u8]) -> Option<&[u8]> {
    let below = path.strip_prefix(b"./").unwrap_or(path);
    let below = below.iter().position(|byte| *byte == b'/').map_or(&[][..], |end| &below[end + 1..]);
    let below = below.strip_suffix(b"/").unwrap_or(below);
    let plain =
        below.split(|byte| *byte == b'/').all(|part| !matches!(part, b"." | b"..") && (below.is_empty() || !part.is_empty()));
    plain.then_some(below)
}

fn torn(error: &std::io::Error) -> ChangesError {
    unreadable(error.to_string())
}

fn kind_of(header: &tar::Header) -> Option<Kind> {
    match header.entry_type() {
        tar::EntryType::Regular | tar::EntryType::Link | tar::EntryType::Continuous => {
            Some(Kind::File { executable: header.mode().unwrap_or(0) & EXECUTABLE != 0 })
        }
        tar::EntryType::Symlink => Some(Kind::Link),
        tar::EntryType::Directory => None,
        _ => Some(Kind::Special),
    }
}

/// What lies in the workspace, by its archive.
fn list_archive(from: impl Read) -> Result<Vec<Entry>, ChangesError> {
    let mut archive = tar::Archive::new(from.take(read::SCAN_BYTES_MAX));
    let (mut entries, mut passed) = (Vec::new(), 0_u64);
    for entry in archive.entries().map_err(|e| torn(&e))? {
        let entry = entry.map_err(|e| torn(&e))?;
        passed = passed.saturating_add(entry.size());
        if passed > read::SCAN_BYTES_MAX {
            return Err(unreadable("it holds more than 4 GiB".to_owned()));
        }
        let path = entry.path_bytes();
        let (Some(place), Some(kind)) = (place(&path), kind_of(entry.header())) else { continue };
        if !place.is_empty() && !place.starts_with(b".git/") && place != b".git" {
            entries.push(Entry { path: place.to_vec(), look: Appearance { kind, bytes: entry.size(), stamp: None } });
        }
    }
    Ok(entries)
}

/// What was picked out of an archive.
struct Picked {
    /// In the order in which they were wanted. None where it came as a second name of another one, or did not come.
    found: Vec<Option<Found>>,
}

impl Picked {
    fn of(wanted: &[Wanted], from: impl Read) -> Result<Picked, ChangesError> {
        let places: std::collections::HashMap<&[u8], usize> =
            wanted.iter().enumerate().map(|(at, one)| (one.path.as_slice(), at)).collect();
        let mut found: Vec<Option<Found>> = vec![None; wanted.len()];
        let mut left = Tree::BYTES_MAX;
        let mut passed = 0_u64;
        let mut archive = tar::Archive::new(from.take(read::SCAN_BYTES_MAX));
        for entry in archive.entries().map_err(|e| torn(&e))? {
            let mut entry = entry.map_err(|e| torn(&e))?;
            passed = passed.saturating_add(entry.size());
            if passed > read::SCAN_BYTES_MAX {
                return Err(unreadable("it holds more than 4 GiB".to_owned()));
            }
            let at = place(&entry.path_bytes()).and_then(|place| places.get(place).copied());
            let Some((at, one)) = at.and_then(|at| Some((at, wanted.get(at)?))) else { continue };
            let picked = match entry.header().entry_type() {
                tar::EntryType::Symlink if one.link => {
                    let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                    Some(kept(one, Bytes::from(target)))
                }
                tar::EntryType::Regular | tar::EntryType::Continuous if !one.link => Some(take(one, &mut entry, &mut left)?),
                _ => None,
            };
            if let Some(slot) = found.get_mut(at) {
                *slot = picked;
            }
        }
        Ok(Picked { found })
    }
}

fn kept(wanted: &Wanted, content: Bytes) -> Found {
    let id = wanted.format.name(&content);
    let content = (wanted.unless.as_ref() != Some(&id)).then_some(content);
    Found { id, content }
}

/// Reads a file. One that is too large to be of use is read all the same where it may be as it was.
fn take(wanted: &Wanted, entry: &mut tar::Entry<'_, impl Read>, left: &mut u64) -> Result<Found, ChangesError> {
    let too_large = || Refused::TooLarge { path: crate::changes::paths::shown(&wanted.path) };
    let bytes = entry.size();
    if bytes > *left && wanted.unless.is_none() {
        return Err(too_large().into());
    }
    let (mut naming, mut content) = (wanted.format.begin(bytes), Vec::new());
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let length = entry.read(&mut chunk).map_err(|e| torn(&e))?;
        if length == 0 {
            break;
        }
        naming.add(&chunk[..length]);
        if bytes <= *left {
            content.extend_from_slice(&chunk[..length]);
        }
    }
    let id = naming.end();
    if wanted.unless.as_ref() == Some(&id) {
        return Ok(Found { id, content: None });
    }
    *left = left.checked_sub(bytes).ok_or_else(too_large)?;
    Ok(Found { id, content: Some(Bytes::from(content)) })
}
