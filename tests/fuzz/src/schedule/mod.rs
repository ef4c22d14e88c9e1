//! A tree of contexts, and a hand-made executor that runs it by a schedule; both are read from bytes.
//!
//! The bytes say which contexts there are, in what style they are entered, how often each part of them suspends and how it ends; then, in which order
//! things are polled (by the same waker or another, on this thread or another), woken and dropped. When the schedule is over, everything is run to its end
//! by an executor that polls only what has been woken. What has to hold whatever the bytes are:
//!
//! - every context that was set up is torn down, once, and is told how its body ended; only a rollback that the schedule dropped is lost, and reported;
//! - a teardown starts when everything entered inside its context's body is over, with whatever that has entered;
//! - a context returns its body's failure, else its own; and no failure is reported twice;
//! - nothing is left waiting for a wake that doesn't come;
//! - no resource, waker or lane is left behind.

mod contexts;
mod executor;
mod plan;
mod queue;
mod runs;
mod waiting;
mod world;

use contextlib::report::{Failure as Reported, set_report_hook};
use executor::Executor;
use plan::{Bytes, Plan};
use std::{
    collections::BTreeSet,
    env,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, Once,
        atomic::{AtomicUsize, Ordering},
    },
};
use world::{Planned, World};

/// Runs what the bytes say, and panics if that breaks a promise.
pub(crate) fn check(bytes: &[u8]) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        set_report_hook(|report| {
            match report.failure {
                Reported::Lost(_) => {
                    LOST.fetch_add(1, Ordering::SeqCst);
                }
                Reported::Error(error) => {
                    let again = !lock(&REPORTED).insert(format!("{error:?}"));
                    TWICE.fetch_add(usize::from(again), Ordering::SeqCst);
                }
                // An assertion in a rollback; a fuzzer has stopped at it already.
                Reported::Panic(payload) if !payload.is::<Planned>() => {
                    UNPLANNED.fetch_add(1, Ordering::SeqCst);
                }
                _ => {}
            }
        });
    });
    lock(&REPORTED).clear();
    let lost_before = LOST.load(Ordering::SeqCst);
    let mut bytes = Bytes(bytes);
    let world = Arc::new(World::default());
    let plan = Plan::read(&mut bytes, &world, None, 0);
    say(|| format!("{plan:#?}"));
    let mut executor = Executor::new(world.clone(), plan);
    while let Some(operation) = bytes.next() {
        executor.step(operation, &mut bytes);
    }
    executor.finish();
    let dropped = executor.dropped;
    executor.assert_no_waker_left();
    assert_eq!(
        UNPLANNED.load(Ordering::SeqCst),
        0,
        "panics in rollbacks that nobody planned"
    );
    assert_eq!(
        TWICE.load(Ordering::SeqCst),
        0,
        "failures that were reported again: {:?}",
        lock(&REPORTED)
    );
    world.assert_balanced(LOST.load(Ordering::SeqCst) - lost_before, dropped);
}

/// What happens, with `TRACE=1`: for whoever looks into a finding.
fn say(what: impl FnOnce() -> String) {
    static TRACE: LazyLock<bool> = LazyLock::new(|| env::var_os("TRACE").is_some());
    if *TRACE {
        eprintln!("{}", what());
    }
}

static LOST: AtomicUsize = AtomicUsize::new(0);
static UNPLANNED: AtomicUsize = AtomicUsize::new(0);
/// The errors reported so far, each of which is one context's.
static REPORTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static TWICE: AtomicUsize = AtomicUsize::new(0);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics with a lock held")
}
