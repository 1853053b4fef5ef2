//! What the store costs: durable acceptances a second against the disk's own rate, and accept, lease and list by the
//! number of runs that the journal holds.
//!
//! `cargo bench -p gatewright-store -- 1000 100000 1000000` (these are the sizes it takes by itself).
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints a table, and stops where something fails")]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gatewright_core::event::{Delivery, Event};
use gatewright_core::report::Conclusion;
use gatewright_core::run::{Cause, GatesSpec, NewRun, RunSpec, Work};
use gatewright_core::store::{Acceptance, LeaseRequest, Phase, Release, RunFilter, Store};
use gatewright_core::{DeliveryId, ForgeKind, RepoRef, RunId, Subject, Timestamp};
use gatewright_store::{EmbeddedStore, Options};

/// A delivery's body has so many bytes, about what a pull request's has once it is compressed.
const BODY_BYTES: usize = 5_000;

/// The journal is filled with deliveries of so many bytes, so that a million of them fit on a laptop's disk.
const FILL_BODY_BYTES: usize = 200;

/// A list is asked for so many runs; each filter lets so many through even in the smallest journal.
const LISTED: usize = 10;

/// So many times each operation is measured.
const SAMPLES: usize = 500;

fn main() {
    let sizes: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1_000, 100_000, 1_000_000] } else { sizes };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir_in(".").unwrap();
    println!("durable acceptances a second, bodies of {BODY_BYTES} bytes that do not compress");
    println!("{:>8} {:>12} {:>12} {:>8} {:>10} {:>10}", "callers", "store/s", "raw file/s", "ratio", "p50 us", "p99 us");
    for callers in [1, 16, 64] {
        let raw = raw_file(folder.path(), callers);
        let (rate, took) = runtime.block_on(acceptances(folder.path(), callers));
        let [p50, p99] = [50, 99].map(|percent| percentile(&took, percent).as_micros());
        println!("{callers:>8} {rate:>12.0} {raw:>12.0} {:>8.2} {p50:>10} {p99:>10}", rate / raw);
    }
    println!("\np50 in microseconds by the number of finished runs in the journal");
    println!(
        "{:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9} {:>8} {:>8}",
        "runs", "accept", "lease", "list", "by repo", "by pull", "finished", "fill s", "reopen ms", "again ms", "MiB", "memory"
    );
    for runs in sizes {
        runtime.block_on(by_size(folder.path(), runs));
    }
}

/// Bytes that do not compress.
fn noise(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(2) ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words = (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes());
    words.take(len).collect()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

fn acceptance(n: u64, body: Bytes) -> Acceptance {
    let id = DeliveryId::new(ForgeKind::Github, &format!("72d3162e-cc78-11e3-81ab-{n:012}")).unwrap();
    let repo = RepoRef { forge: ForgeKind::Github, id: n % 100, path: format!("octo/app{}", n % 100), installation: Some(1) };
    let spec = RunSpec {
        repo,
        subject: Subject::Pull { number: n / 1000 },
        work: Work::Gates(GatesSpec::of(format!("{n:040x}").parse().unwrap(), "main".to_owned(), Cause::Opened)),
    };
    let now = at((n / 100) as i64);
    let delivery = Delivery {
        id: id.clone(),
        forge: ForgeKind::Github,
        name: "pull_request".to_owned(),
        action: Some("opened".to_owned()),
        received_at: now,
        body,
        event: Event::Unused { reason: String::new() },
    };
    let run = Some(NewRun { id: RunId::new(), spec });
    Acceptance { id, delivery: Some(delivery), run, ..Acceptance::internal("a bench", now) }
}

fn open(folder: &Path) -> Arc<EmbeddedStore> {
    Arc::new(EmbeddedStore::open(folder, &Options::default()).unwrap())
}

fn percentile(took: &[Duration], percent: usize) -> Duration {
    let mut took = took.to_vec();
    took.sort_unstable();
    took[(took.len() - 1) * percent / 100]
}

/// What the disk itself can do: one thread writes what waits and syncs once, and only then answers.
fn raw_file(folder: &Path, callers: usize) -> f64 {
    let (requests, queue) = mpsc::channel::<mpsc::Sender<()>>();
    let path = folder.join("raw");
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let mut file = File::create(path).unwrap();
            let record = noise(1, BODY_BYTES + 1_500);
            while let Ok(first) = queue.recv() {
                let waiting: Vec<_> = std::iter::once(first).chain(queue.try_iter().take(255)).collect();
                file.write_all(&record.repeat(waiting.len())).unwrap();
                file.sync_data().unwrap();
                waiting.iter().for_each(|answer| answer.send(()).unwrap());
            }
        }
    });
    let each = 6_000 / callers;
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..callers {
            let requests = requests.clone();
            scope.spawn(move || {
                for _ in 0..each {
                    let (answer, answered) = mpsc::channel();
                    requests.send(answer).unwrap();
                    answered.recv().unwrap();
                }
            });
        }
    });
    let rate = (each * callers) as f64 / started.elapsed().as_secs_f64();
    drop(requests);
    writer.join().unwrap();
    std::fs::remove_file(path).unwrap();
    rate
}

async fn acceptances(folder: &Path, callers: usize) -> (f64, Vec<Duration>) {
    let path = folder.join(format!("rate-{callers}"));
    let store = open(&path);
    let each = 6_000 / callers;
    let started = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let mut took = Vec::with_capacity(each);
                for n in 0..each {
                    let n = (caller * each + n) as u64;
                    let acceptance = acceptance(n, noise(n, BODY_BYTES));
                    let started = Instant::now();
                    store.accept(acceptance).await.unwrap();
                    took.push(started.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.unwrap());
    }
    let rate = took.len() as f64 / started.elapsed().as_secs_f64();
    drop(store);
    std::fs::remove_dir_all(path).unwrap();
    (rate, took)
}

/// Fills a journal with finished runs, from many callers at once.
async fn fill(store: &Arc<EmbeddedStore>, runs: u64) {
    const CALLERS: u64 = 256;
    let each = runs.div_ceil(CALLERS);
    let fill = |caller: u64| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for n in caller * each..runs.min((caller + 1) * each) {
                store.accept(acceptance(n, noise(n, FILL_BODY_BYTES))).await.unwrap();
                finish(&store, request(1_000_000)).await;
            }
        })
    };
    for task in (0..CALLERS).map(fill).collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

fn request(second: i64) -> LeaseRequest {
    LeaseRequest { worker: "bench".to_owned(), now: at(second), lease_secs: 3_600, per_repo_max: 1_000_000, attempts_max: 5 }
}

async fn finish(store: &EmbeddedStore, request: LeaseRequest) {
    let leased = store.lease(&request).await.unwrap().unwrap();
    store.release(&leased.lease, Release::Finished(Conclusion::Success), request.now).await.unwrap();
}

/// The middle one of many times that an operation takes, in microseconds.
macro_rules! measure {
    ($operation:expr) => {{
        let mut took = Vec::with_capacity(SAMPLES);
        for n in 0..SAMPLES as u64 {
            let operation = $operation;
            let started = Instant::now();
            operation(n).await;
            took.push(started.elapsed());
        }
        percentile(&took, 50).as_micros()
    }};
}

async fn by_size(folder: &Path, runs: u64) {
    let path = folder.join(format!("runs-{runs}"));
    let store = open(&path);
    let started = Instant::now();
    fill(&store, runs).await;
    let filled = started.elapsed().as_secs_f64();
    drop(Arc::into_inner(store).unwrap());
    let reopen = || {
        let started = Instant::now();
        let store = open(&path);
        (started.elapsed().as_millis(), store)
    };
    // The first opening reads all of the log that was written since the last one.
    let (first, store) = reopen();
    drop(Arc::into_inner(store).unwrap());
    let (again, store) = reopen();
    let memory = memory_mib();

    let list = async |filter: RunFilter| assert_eq!(store.list(&filter, LISTED).await.unwrap().len(), LISTED);
    let newest = measure!(async |_| list(RunFilter::default()).await);
    let by_repo =
        measure!(async |n: u64| list(RunFilter { repo: Some(format!("github/{}", n % 100)), ..RunFilter::default() }).await);
    let by_pull = measure!(async |n: u64| {
        let subject = format!("github/{}/pull/{}", n % 100, (n * 7919 % runs) / 1000);
        list(RunFilter { subject: Some(subject), ..RunFilter::default() }).await;
    });
    let finished = measure!(async |_| list(RunFilter { phase: Some(Phase::Finished), ..RunFilter::default() }).await);
    let accept = measure!(async |n: u64| drop(store.accept(acceptance(runs + n, noise(n, BODY_BYTES))).await.unwrap()));
    let lease = measure!(async |_| assert!(store.lease(&request(2_000_000)).await.unwrap().is_some()));
    drop(store);
    let mib = size(&path) / (1024 * 1024);
    println!(
        "{runs:>9} {accept:>8} {lease:>8} {newest:>8} {by_repo:>8} {by_pull:>8} {finished:>8} {filled:>9.1} {first:>9} {again:>9} {mib:>8} {memory:>8}"
    );
    std::fs::remove_dir_all(path).unwrap();
}

/// The memory of this process, in MiB.
fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| if entry.file_type().unwrap().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}
