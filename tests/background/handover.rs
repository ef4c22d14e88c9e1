//! From the caller to the background, at the moment when something is just being acquired.

use crate::shared::{Broken, Log, poll_once, quick, settle, slow};
use contextlib::{async_context, background::drain, yield_resource};
use contextlib_tests::Reports;
use std::{
    future::{pending as forever, poll_fn, ready},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};
use tokio::{
    sync::Semaphore,
    task::yield_now,
    time::{Duration, timeout},
};

/// Counts what is out there, on a remote side: acquired by a request that takes three turns to come back and can't be recalled.
#[derive(Clone, Default)]
struct Remote(Arc<AtomicUsize>);

impl Remote {
    async fn acquire(&self) {
        self.0.fetch_add(1, SeqCst);
        for _ in 0..3 {
            yield_now().await;
        }
    }

    fn held(&self) -> usize {
        self.0.load(SeqCst)
    }
}

#[async_context(setup = finish)]
async fn remote(remote: Remote, log: Log) -> Result<u8, Broken> {
    remote.acquire().await;
    log.say("acquired");
    let exit = yield_resource!(1);
    log.say(format_args!("released: {exit:?}"));
    remote.0.fetch_sub(1, SeqCst);
}

#[tokio::test]
async fn a_setup_that_is_cancelled_finishes_and_is_torn_down() {
    for polls in 0..6 {
        let (log, side) = (Log::default(), Remote::default());
        let mut guard = None;
        {
            let mut enter = pin!(remote(side.clone(), log.clone()).enter());
            for _ in 0..polls {
                if let Poll::Ready(entered) = futures::poll!(enter.as_mut()) {
                    guard = Some(entered.unwrap());
                    break;
                }
            }
        }
        drop(guard);
        drain().await;
        assert_eq!(side.held(), 0, "after {polls} polls");
        let expected = if polls == 0 {
            "" // Nothing has run.
        } else {
            "acquired, released: Cancelled"
        };
        assert_eq!(log.said(), expected, "after {polls} polls");
    }
}

#[tokio::test]
async fn also_in_closure_style() {
    for polls in 0..8 {
        let (log, side) = (Log::default(), Remote::default());
        {
            let with = remote(side.clone(), log.clone())
                .with(async |_| -> Result<(), Broken> { forever().await });
            let mut with = pin!(with);
            for _ in 0..polls {
                assert!(futures::poll!(with.as_mut()).is_pending());
            }
        }
        drain().await;
        assert_eq!(side.held(), 0, "after {polls} polls");
    }
}

#[tokio::test]
async fn without_it_a_cancelled_setup_is_dropped() {
    #[async_context]
    async fn plain(remote: Remote, log: Log) -> Result<(), Broken> {
        remote.acquire().await;
        log.say("acquired");
        let _ = yield_resource!();
    }
    let (log, side) = (Log::default(), Remote::default());
    assert!(
        poll_once(plain(side.clone(), log.clone()).enter())
            .await
            .is_none()
    );
    settle().await;
    drain().await;
    assert_eq!((side.held(), log.said().as_str()), (1, ""));
}

#[async_context(setup = finish)]
async fn fails_late() -> Result<(), Broken> {
    yield_now().await;
    Err::<(), _>(Broken)?;
    let _ = yield_resource!();
}

#[tokio::test]
async fn a_setup_that_fails_or_panics_leaves_nothing_to_finish() {
    #[async_context(setup = finish)]
    async fn panics(late: bool) {
        if late {
            yield_now().await;
        }
        assert!(!late, "setup");
        let _ = yield_resource!();
    }
    let reports = Reports::keep();
    // In the foreground: the caller has it.
    assert_eq!(fails_late().enter().await.map(drop), Err(Broken));
    let panicked = tokio::spawn(async { panics(true).enter().await.map(drop) }).await;
    assert!(panicked.unwrap_err().is_panic());
    let panicked = tokio::spawn(async { panics(true).run(async |_| ()).await }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_eq!(reports.take(), [""; 0]);
    // In the background: reported.
    assert!(poll_once(fails_late().enter()).await.is_none());
    assert!(poll_once(panics(true).enter()).await.is_none());
    timeout(Duration::from_secs(9), drain()).await.unwrap();
    assert_eq!(
        reports.take(),
        [
            "fails_late failed: Broken after cancelled",
            "panics panicked: setup after cancelled"
        ]
    );
}

/// What has been entered in a setup that is finished in the background comes before what is around it.
#[tokio::test]
async fn a_setup_that_is_finished_is_below_what_is_around_it() {
    #[async_context(setup = finish)]
    async fn with_part(log: Log) -> Result<(), Broken> {
        log.say("begun");
        yield_now().await;
        let part = slow(log.clone(), "part").enter().await?;
        drop(part);
        log.say("set up");
        let _ = yield_resource!();
        log.say("torn down");
    }
    let log = Log::default();
    let outer = quick(log.clone(), "outer").enter().await.unwrap();
    assert!(poll_once(with_part(log.clone()).enter()).await.is_none());
    outer.exit().await.unwrap();
    assert_eq!(
        log.said(),
        "+outer, begun, +part, set up, -part, torn down, -outer Completed"
    );
}

/// `enter` is ready in the very poll after which its future and its output are dropped.
#[tokio::test]
async fn an_enter_that_completes_as_it_is_dropped_is_torn_down() {
    let log = Log::default();
    // The losing branch of a `select!`: never polled, or polled and dropped with its output.
    for _ in 0..20 {
        tokio::select! {
            guard = quick(log.clone(), "a").enter() => drop(guard),
            () = ready(()) => {}
        }
    }
    // A combinator that polls both and throws one output away.
    let mut enter = Box::pin(quick(log.clone(), "a").enter());
    poll_fn(|cx| {
        assert!(enter.as_mut().poll(cx).is_ready());
        Poll::Ready(())
    })
    .await;
    drop(enter);
    // A task that is aborted between its output and its `JoinHandle`.
    let task = tokio::spawn(quick(log.clone(), "a").enter());
    settle().await;
    task.abort();
    drop(task);
    settle().await;
    drain().await;
    let lines = log.lines();
    let entered = lines.iter().filter(|line| *line == "+a").count();
    let exited = lines.iter().filter(|line| *line == "-a Cancelled").count();
    assert!(entered >= 2);
    assert_eq!(entered, exited);
}

/// Takes a permit without a guard for it: only its teardown gives it back.
#[async_context(setup = finish)]
async fn permit(permits: Arc<Semaphore>) -> Result<(), Broken> {
    permits.acquire().await.unwrap().forget();
    yield_now().await;
    let _ = yield_resource!();
    yield_now().await;
    permits.add_permits(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_aborted_at_any_moment_lose_nothing() {
    let permits = Arc::new(Semaphore::new(7));
    let tasks: Vec<_> = (0..500)
        .map(|round| {
            let permits = permits.clone();
            tokio::spawn(async move {
                let guard = permit(permits).enter().await?;
                for _ in 0..round % 5 {
                    yield_now().await;
                }
                guard.exit().await
            })
        })
        .collect();
    for (round, task) in tasks.iter().enumerate() {
        for _ in 0..round % 3 {
            yield_now().await;
        }
        task.abort();
    }
    for task in tasks {
        let _aborted_or_not = task.await;
    }
    drain().await;
    assert_eq!(permits.available_permits(), 7);
}
