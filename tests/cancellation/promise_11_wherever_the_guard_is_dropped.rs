//! A guard that is dropped on another thread, off the runtime, while the runtime shuts down, while the thread panics, or ends.

use crate::runtimes::{current_thread, two_threads};
use contextlib::{AsyncContext, Guard, async_context, background, policy, yield_resource};
use contextlib_tests::{
    Census, Counted, Log, Reports, assert_nothing_pending, message, poll_once, quiet, yields,
};
use futures::executor::block_on;
use std::{
    cell::RefCell,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};
use tokio::task::LocalSet;

macro_rules! contexts {
    ($($name:ident: $policy:ident,)*) => {$(
        #[async_context(on_cancel = $policy)]
        async fn $name(log: Log, census: Census) -> Counted {
            let local = census.value("local");
            let mut resource = census.value("resource");
            let exit = yield_resource!(resource);
            log.say(format!("{:?}", exit.kind()));
            yields(2).await;
            local.touch();
            resource.touch();
            log.say("torn down");
        }
    )*};
}

contexts! {
    with_spawn: spawn,
    with_spawn_local: spawn_local,
    with_block: block,
    with_drop: drop,
}

const ROLLED_BACK: [&str; 2] = ["Cancelled", "torn down"];

#[tokio::test]
async fn on_a_thread_without_a_runtime() {
    let (log, census) = (Log::new(), Census::new());
    let Ok(guard) = with_spawn(log.clone(), census.clone()).enter().await;
    thread::spawn(move || drop(guard)).join().unwrap();
    background::drain().await;
    assert_eq!(log.lines(), ROLLED_BACK);
    census.assert_balanced("dropped on another thread");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_block_on_a_thread_without_a_runtime() {
    let (log, census) = (Log::new(), Census::new());
    let Ok(guard) = with_block(log.clone(), census.clone()).enter().await;
    thread::scope(|scope| scope.spawn(move || drop(guard)).join().unwrap());
    assert_eq!(
        log.lines(),
        ROLLED_BACK,
        "the thread was blocked until the end of the teardown"
    );
    census.assert_balanced("dropped on another thread");
}

#[test]
fn on_the_runtime_though_entered_off_it() {
    let (log, census) = (Log::new(), Census::new());
    let Ok(guard) = block_on(with_spawn(log.clone(), census.clone()).enter());
    current_thread().block_on(async {
        drop(guard);
        background::drain().await;
    });
    assert_eq!(log.lines(), ROLLED_BACK);
    census.assert_balanced("dropped on a runtime");
}

#[test]
fn where_there_is_no_runtime_at_all() {
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let Ok(guard) = block_on(with_spawn(log.clone(), census.clone()).enter());
    drop(guard);
    assert!(log.lines().is_empty());
    census.assert_balanced("dropped off a runtime");
    assert_eq!(
        reports.take(),
        [
            "with_spawn lost its teardown: it was entered and dropped outside of a tokio runtime, so there is nothing to run it on after cancelled"
        ]
    );
    assert_nothing_pending();
}

#[test]
fn when_the_runtime_is_gone() {
    let reports = Reports::keep();
    for runtime in [current_thread, two_threads] {
        let (log, census) = (Log::new(), Census::new());
        let runtime = runtime();
        let Ok(guard) = runtime.block_on(with_spawn(log.clone(), census.clone()).enter());
        drop(runtime);
        drop(guard);
        assert!(log.lines().is_empty());
        census.assert_balanced("dropped after the runtime");
        let reported = reports.take();
        assert!(
            matches!(&*reported, [one] if one.contains("a shutdown of the runtime")),
            "{reported:?}"
        );
    }
}

#[test]
fn while_the_runtime_shuts_down() {
    let reports = Reports::keep();
    for runtime in [current_thread, two_threads] {
        for style in ["guard", "with", "exiting"] {
            let (log, census) = (Log::new(), Census::new());
            let runtime = runtime();
            let (its_log, its_census) = (log.clone(), census.clone());
            let task = async move {
                let manager = with_spawn(its_log.clone(), its_census.clone());
                match style {
                    "guard" => {
                        let Ok(_guard) = manager.enter().await;
                        its_log.say("entered");
                        std::future::pending().await
                    }
                    "exiting" => {
                        let Ok(guard) = manager.enter().await;
                        let mut exit = Box::pin(guard.exit());
                        assert!(poll_once(exit.as_mut()).is_pending());
                        its_log.say("entered");
                        std::future::pending().await
                    }
                    _ => {
                        let body = async |resource: &mut Counted| -> Result<(), Infallible> {
                            let _local = its_census.value("local of the body");
                            resource.touch();
                            its_log.say("entered");
                            std::future::pending().await
                        };
                        let _ = manager.with(body).await;
                    }
                }
            };
            let task = runtime.spawn(task);
            runtime.block_on(async {
                while log.count("entered") == 0 {
                    tokio::task::yield_now().await;
                }
            });
            drop(runtime);
            census.assert_balanced(style);
            assert_eq!(log.count("torn down"), 0, "{style}");
            let reported = reports.take();
            assert!(
                matches!(&*reported, [one] if one.contains("lost its teardown: its rollback was dropped")),
                "{style}: {reported:?}"
            );
            drop(task);
        }
    }
    assert_nothing_pending();
}

#[test]
fn while_a_runtime_with_a_local_set_shuts_down() {
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let runtime = current_thread();
    let local = LocalSet::new();
    let manager = with_spawn_local(log.clone(), census.clone());
    let entered = log.clone();
    local.spawn_local(async move {
        let Ok(_guard) = manager.enter().await;
        entered.say("entered");
        std::future::pending::<()>().await
    });
    runtime.block_on(local.run_until(yields(3)));
    assert_eq!(log.take(), ["entered"]);
    drop(local);
    drop(runtime);
    assert!(log.lines().is_empty());
    census.assert_balanced("the local set is gone");
    let reported = reports.take();
    assert!(
        matches!(&*reported, [one] if one.contains("lost its teardown")),
        "{reported:?}"
    );
    assert_nothing_pending();
}

#[test]
fn when_the_runtime_ends_in_the_middle_of_the_rollback() {
    #[async_context]
    async fn stuck(log: Log, census: Census) -> Counted {
        let local = census.value("local");
        let mut resource = census.value("resource");
        let exit = yield_resource!(resource);
        log.say(format!("{:?}", exit.kind()));
        std::future::pending::<()>().await;
        local.touch();
    }
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let runtime = current_thread();
    let Ok(guard) = runtime.block_on(stuck(log.clone(), census.clone()).enter());
    drop(guard);
    runtime.block_on(async {
        while log.lines().is_empty() {
            tokio::task::yield_now().await;
        }
    });
    drop(runtime);
    assert_eq!(log.lines(), ["Cancelled"]);
    census.assert_balanced("the runtime is gone");
    assert_eq!(
        reports.take(),
        [
            "stuck lost its teardown: its rollback was dropped before its end, as in a shutdown of the runtime after cancelled"
        ]
    );
    assert_nothing_pending();
}

/// Drops `guard` while the thread panics; returns the panic that goes on.
fn drop_while_panicking<G>(guard: G) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| {
        let _guard = guard;
        panic!("the first panic");
    }))
    .unwrap_err();
    message(&*payload).to_owned()
}

#[test]
fn while_the_thread_panics() {
    let _quiet = quiet();
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    two_threads().block_on(async {
        let Ok(guard) = with_spawn(log.clone(), census.clone()).enter().await;
        assert_eq!(drop_while_panicking(guard), "the first panic");
        background::drain().await;
        assert_eq!(log.take(), ROLLED_BACK);

        let Ok(guard) = with_block(log.clone(), census.clone()).enter().await;
        assert_eq!(drop_while_panicking(guard), "the first panic");
        assert_eq!(log.take(), ROLLED_BACK);

        let Ok(guard) = with_drop(log.clone(), census.clone()).enter().await;
        assert_eq!(drop_while_panicking(guard), "the first panic");
        assert!(log.take().is_empty());
    });
    let local = LocalSet::new();
    local.block_on(&current_thread(), async {
        let Ok(guard) = with_spawn_local(log.clone(), census.clone()).enter().await;
        assert_eq!(drop_while_panicking(guard), "the first panic");
        background::drain().await;
        assert_eq!(log.take(), ROLLED_BACK);
        assert_eq!(
            reports.take_all(),
            [""; 0],
            "a guard dropped by a panic wasn't forgotten"
        );

        let Ok(guard) = with_block(log.clone(), census.clone()).enter().await;
        assert_eq!(drop_while_panicking(guard), "the first panic");
        assert!(log.take().is_empty());
        assert_eq!(reports.take().len(), 1);
    });
    let Ok(guard) = block_on(with_spawn(log.clone(), census.clone()).enter());
    assert_eq!(drop_while_panicking(guard), "the first panic");
    assert_eq!(reports.take().len(), 1);
    census.assert_balanced("dropped while panicking");
}

/// Whatever panics in a rollback that a panic has started, the first panic is the one that goes on.
mod two_panics {
    use super::*;

    /// Panics when it is dropped, unless that would abort the process.
    struct Bomb(&'static str);
    impl Drop for Bomb {
        fn drop(&mut self) {
            // The runtime has to do without this courtesy: see below.
            panic!("{} was dropped", self.0);
        }
    }

    macro_rules! contexts {
        ($($name:ident: $policy:ident,)*) => {$(
            #[async_context(on_cancel = $policy)]
            async fn $name(panics: bool) -> Bomb {
                let mut resource = Bomb("resource");
                let exit = yield_resource!(resource);
                assert!(exit.is_cancelled());
                if panics {
                    std::mem::forget(resource);
                    panic!("teardown");
                }
            }
        )*};
    }

    contexts! {
        with_spawn: spawn,
        with_block: block,
        with_drop: drop,
    }

    #[test]
    fn the_teardown_panics() {
        let _quiet = quiet();
        let reports = Reports::keep();
        two_threads().block_on(async {
            let Ok(guard) = with_block(true).enter().await;
            assert_eq!(drop_while_panicking(guard), "the first panic");
            assert_eq!(
                reports.take(),
                ["with_block panicked: teardown after cancelled"]
            );
            let Ok(guard) = with_spawn(true).enter().await;
            assert_eq!(drop_while_panicking(guard), "the first panic");
            background::drain().await;
            assert_eq!(
                reports.take(),
                ["with_spawn panicked: teardown after cancelled"]
            );
        });
    }

    #[test]
    fn a_destructor_panics() {
        let _quiet = quiet();
        let reports = Reports::keep();
        two_threads().block_on(async {
            let Ok(guard) = with_block(false).enter().await;
            assert_eq!(drop_while_panicking(guard), "the first panic");
            assert_eq!(
                reports.take(),
                ["with_block panicked: resource was dropped after cancelled"]
            );
            let Ok(guard) = with_drop(false).enter().await;
            assert_eq!(drop_while_panicking(guard), "the first panic");
            assert_eq!(
                reports.take(),
                ["with_drop panicked: resource was dropped after cancelled"]
            );
            let Ok(guard) = with_spawn(false).enter().await;
            assert_eq!(drop_while_panicking(guard), "the first panic");
            background::drain().await;
            assert_eq!(
                reports.take(),
                ["with_spawn panicked: resource was dropped after cancelled"]
            );
        });
    }

    #[test]
    fn a_destructor_panics_in_a_with_that_a_panic_drops() {
        let _quiet = quiet();
        let reports = Reports::keep();
        let with =
            async |manager: std::pin::Pin<Box<dyn Future<Output = Result<(), Infallible>>>>| {
                let mut with = manager;
                assert!(poll_once(with.as_mut()).is_pending());
                drop_while_panicking(with)
            };
        current_thread().block_on(async {
            let body = async |_: &mut Bomb| std::future::pending().await;
            assert_eq!(
                with(Box::pin(with_drop(false).with(body))).await,
                "the first panic"
            );
            assert_eq!(reports.take().len(), 1);
            assert_eq!(
                with(Box::pin(with_spawn(false).with(body))).await,
                "the first panic"
            );
            background::drain().await;
            assert_eq!(reports.take().len(), 1);
            assert_eq!(
                with(Box::pin(with_block(false).with(body))).await,
                "the first panic"
            );
            // The frame that `block` loses here, and what its destructor does.
            assert_eq!(reports.take().len(), 2);
        });
    }
}

thread_local! {
    static KEPT: RefCell<Vec<Box<dyn std::any::Any>>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn while_its_thread_ends() {
    fn keep_until_the_thread_ends<T: 'static>(value: T) {
        // Both: which of them is destroyed first isn't said.
        KEPT.with_borrow_mut(|kept| kept.push(Box::new(value)));
    }
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let runtime = two_threads();
    let Ok(first) = runtime.block_on(with_spawn(log.clone(), census.clone()).enter());
    let Ok(second) = runtime.block_on(with_block(log.clone(), census.clone()).enter());
    thread::spawn(move || {
        keep_until_the_thread_ends(first);
        keep_until_the_thread_ends(second);
    })
    .join()
    .unwrap();
    runtime.block_on(background::drain());
    assert_eq!(log.count("torn down"), 2);
    assert!(reports.take().is_empty());
    census.assert_balanced("dropped by its thread's end");
}

/// In a thread-local that is older than tokio's own, and is destroyed after them: where nothing can be asked about the thread any more.
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "the order in which thread-locals are destroyed is each system's own"
)]
#[test]
fn while_its_thread_ends_after_all_that_tokio_keeps_there() {
    let reports = Reports::keep();
    let (log, census) = (Log::new(), Census::new());
    let runtime = two_threads();
    let (its_log, its_census, handle) = (log.clone(), census.clone(), runtime.handle().clone());
    thread::spawn(move || {
        KEPT.with_borrow_mut(Vec::clear);
        handle.block_on(async {
            let Ok(blocks) = with_block(its_log.clone(), its_census.clone())
                .enter()
                .await;
            let Ok(spawns) = with_spawn(its_log.clone(), its_census.clone())
                .enter()
                .await;
            let Ok(drops) = with_drop(its_log, its_census).enter().await;
            KEPT.with_borrow_mut(|kept| {
                kept.push(Box::new(blocks));
                kept.push(Box::new(spawns));
                kept.push(Box::new(drops));
            });
        });
    })
    .join()
    .unwrap();
    runtime.block_on(background::drain());
    assert_eq!(log.lines(), ROLLED_BACK, "by the one that spawns");
    assert_eq!(
        reports.take(),
        [
            "with_block lost its teardown: its policy is `block`, which can't work while its thread ends after cancelled"
        ]
    );
    census.assert_balanced("dropped by its thread's end");
    assert_nothing_pending();
}

#[tokio::test]
async fn guards_are_values() {
    fn is_send<T: Send + Unpin>(_: &T) {}
    let (log, census) = (Log::new(), Census::new());
    let Ok(guard) = with_spawn(log.clone(), census.clone()).enter().await;
    is_send(&guard);
    fn exits<C>(guard: Guard<C, policy::Spawn>) -> impl Future
    where
        C: AsyncContext<Resource: Send> + Send + 'static,
    {
        guard.exit()
    }
    let guards = vec![guard];
    for guard in guards {
        tokio::spawn(async move {
            exits(guard).await;
        })
        .await
        .unwrap();
    }
    assert_eq!(log.lines(), ["Completed", "torn down"]);
    census.assert_balanced("a guard exited elsewhere");
}
