//! The kit with which users prove their contexts: it finds what is planted, and nothing where nothing is wrong.

use contextlib::{
    async_context,
    testkit::{self, Cut, Found, Injected, Injection, Problem, Recorder, check, explore, replay},
    yield_resource,
};
use std::{future::pending, panic::catch_unwind, time::Duration};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// Releases when it is dropped.
struct Held(Recorder, &'static str);

impl Held {
    fn new(record: &Recorder, name: &'static str) -> Self {
        record.acquired(name);
        Held(record.clone(), name)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.released(self.1);
    }
}

/// Nothing is wrong with this one.
#[async_context]
async fn sound(record: Recorder, name: &'static str) -> Result<(), Injected> {
    record.step("before").await?;
    let _held = Held::new(&record, name);
    record.step("setup").await?;
    let exit = yield_resource!();
    if exit.is_completed() {
        record.step("commit").await?;
    } else {
        record.step("roll back").await?;
    }
}

#[test]
fn sound_contexts_pass() {
    // Closure style, guard style, both.
    let explored = check(async |record: Recorder| {
        sound(record.clone(), "a")
            .with(async |_| {
                let inner = sound(record.clone(), "b").enter().await?;
                record.step("work").await?;
                inner.exit().await
            })
            .await
    });
    // Seven steps: each a poll, and one poll more.
    assert_eq!((explored.steps, explored.polls), (7, 8));
    // To the end and dropped after 0 to 7 polls, and so for a failure and a panic at each step, which come to fewer polls.
    assert!(explored.runs > 9 * 7, "{explored:?}");
    let explored = check(async |record: Recorder| {
        let _a = sound(record.clone(), "a").enter().await?;
        let _b = sound(record.clone(), "b").enter().await?;
        record.step("work").await
    });
    // Two of them in the rollbacks.
    assert_eq!(explored.steps, 7);
}

#[test]
fn time_is_virtual() {
    let began = std::time::Instant::now();
    let explored = check(async |record: Recorder| {
        let body = sound(record.clone(), "a").with(async |_| {
            record.step("work").await?;
            sleep(Duration::from_secs(86_400)).await;
            Ok::<_, Injected>(())
        });
        timeout(Duration::from_secs(3_600), body).await
    });
    assert!(explored.runs > 10);
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn branches_have_orders_of_their_own() {
    async fn holds(record: Recorder, name: &'static str, steps: usize) -> Result<(), Injected> {
        let _held = Held::new(&record, name);
        for _ in 0..steps {
            record.step("work").await?;
        }
        Ok(())
    }
    check(async |record: Recorder| {
        tokio::join!(
            holds(record.branch(), "a", 1),
            holds(record.branch(), "b", 3)
        )
    });
    let found = explore(async |record: Recorder| {
        tokio::join!(holds(record.clone(), "a", 1), holds(record.clone(), "b", 3))
    });
    let found = found.unwrap_err();
    assert_eq!(found.problems(), [Problem::OutOfOrder("a", "b")]);
}

/// Keeps its lock when it is cancelled: it looks at the exit and forgets one case.
#[async_context]
async fn forgets_cancellation(record: Recorder) -> Result<(), Injected> {
    record.step("connect").await?;
    record.acquired("lock");
    match yield_resource!() {
        exit if exit.is_cancelled() => {}
        _ => record.released("lock"),
    }
}

async fn uses_it(record: Recorder) -> Result<(), Injected> {
    forgets_cancellation(record.clone())
        .with(async |_| {
            record.step("first").await?;
            record.step("second").await
        })
        .await
}

#[test]
fn a_cancellation_that_is_forgotten_is_found_at_its_first_point() {
    let found = explore(uses_it).unwrap_err();
    assert_eq!(found.cut().drop_after(), Some(2));
    assert_eq!(found.cut().injection(), None);
    assert_eq!(found.problems(), [Problem::NotReleased("lock")]);
    assert_eq!(
        found.trace(),
        [
            "step 1: connect",
            "acquired lock",
            "step 2: first",
            "dropped after poll 2"
        ]
    );
    // Again, and it is the same.
    assert_eq!(explore(uses_it), Err(found.clone()));
    assert_eq!(replay("drop@2", uses_it), Err(found));
    assert_eq!(replay("drop@1", uses_it), Ok(()));
    assert_eq!(replay("", uses_it), Ok(()));
}

#[test]
fn the_text_can_be_pasted() {
    let failed = catch_unwind(|| check(uses_it)).unwrap_err();
    let text = failed.downcast_ref::<String>().unwrap();
    assert_eq!(
        *text,
        "`lock` was acquired and never released
in this run:
    step 1: connect
    acquired lock
    step 2: first
    dropped after poll 2
to see it again:
    contextlib::testkit::replay(\"drop@2\", scenario).unwrap();"
    );
}

fn only(found: Result<testkit::Explored, Found>) -> (String, Vec<Problem>) {
    let found = found.unwrap_err();
    (found.cut().to_string(), found.problems().to_vec())
}

#[test]
fn a_failure_that_is_not_cleaned_up_is_found() {
    // `?` after acquiring: no cancellation shows it, since dropping releases.
    let found = explore(async |record: Recorder| {
        let _first = record.step("first").await;
        let held = Held::new(&record, "file");
        let written = record.step("write").await;
        if written.is_err() {
            std::mem::forget(held);
        }
    });
    assert_eq!(
        only(found),
        ("fail@2".into(), vec![Problem::NotReleased("file")])
    );
}

#[test]
fn a_panic_that_is_not_cleaned_up_is_found() {
    struct OnlyWithoutPanic(Recorder);
    impl Drop for OnlyWithoutPanic {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                self.0.released("lock");
            }
        }
    }
    let found = explore(async |record: Recorder| {
        record.acquired("lock");
        let _held = OnlyWithoutPanic(record.clone());
        let _ = record.step("work").await;
    });
    assert_eq!(
        only(found),
        ("panic@1".into(), vec![Problem::NotReleased("lock")])
    );
}

#[test]
fn what_takes_two_things_is_shrunk_to_those_two() {
    // Only a cancellation in the clean-up after a failure shows it.
    let found = explore(async |record: Recorder| {
        let _ = record.step("one").await;
        let _ = record.step("two").await;
        record.acquired("row");
        let held = Held(record.clone(), "row");
        let worked = record.step("three").await;
        if worked.is_err() {
            std::mem::forget(held);
            let _ = record.step("notify").await;
            record.released("row");
        }
    });
    assert_eq!(
        only(found),
        ("fail@3 drop@4".into(), vec![Problem::NotReleased("row")])
    );
}

#[test]
fn what_only_a_rollback_does_fails_too() {
    /// Undoing takes a step that committing doesn't.
    #[async_context]
    async fn undoing(record: Recorder) -> Result<(), Injected> {
        record.acquired("row");
        if !yield_resource!().is_completed() {
            record.step("undo").await?;
        }
        record.released("row");
    }
    let found = explore(async |record: Recorder| {
        let context = undoing(record.clone());
        context.with(async |_| record.step("work").await).await
    });
    let found = found.unwrap_err();
    assert_eq!(found.cut().to_string(), "fail@2 drop@1");
    assert_eq!(found.problems(), [Problem::NotReleased("row")]);
}

#[test]
fn what_is_released_twice_or_out_of_order_is_found() {
    let found = explore(async |record: Recorder| {
        record.acquired("a");
        record.released("a");
        record.released("a");
    });
    assert_eq!(only(found), (String::new(), vec![Problem::NotHeld("a")]));
    let found = explore(async |record: Recorder| {
        let a = Held::new(&record, "a");
        let b = Held::new(&record, "b");
        drop((a, b));
    });
    assert_eq!(
        only(found),
        (String::new(), vec![Problem::OutOfOrder("a", "b")])
    );
}

#[async_context]
async fn stuck(record: Recorder) -> Result<(), Injected> {
    let _held = Held::new(&record, "a");
    let exit = yield_resource!();
    if exit.is_cancelled() {
        pending::<()>().await;
    }
}

#[test]
fn what_never_ends_is_found() {
    let found = explore(async |record: Recorder| {
        stuck(record.clone())
            .with(async |_| record.step("work").await)
            .await
    });
    let found = found.unwrap_err();
    assert_eq!(found.cut().to_string(), "drop@1");
    // What a pasted line's `unwrap` shows.
    assert_eq!(format!("{found:?}"), found.to_string());
    let [Problem::Stuck(contexts), Problem::NotReleased("a")] = found.problems() else {
        panic!("{found}");
    };
    assert!(contexts.contains("the context `stuck`"), "{contexts}");

    let found = explore(async |_: Recorder| pending::<()>().await);
    assert_eq!(only(found), (String::new(), vec![Problem::Hung]));
}

#[test]
fn a_panic_of_the_scenario_is_found_an_injected_one_is_none() {
    let found = explore(async |record: Recorder| {
        let worked = record.step("work").await;
        std::panic::catch_unwind(|| worked.expect("no failure here"))
            .map_err(std::panic::resume_unwind)
    });
    let found = found.unwrap_err();
    assert_eq!(found.cut().to_string(), "fail@1");
    assert!(
        matches!(found.problems(), [Problem::Panicked(_)]),
        "{found}"
    );
}

async fn uses_two(record: Recorder) -> Result<(), Injected> {
    sound(record.clone(), "a")
        .with(async |_| {
            let work = async |_: &mut ()| record.step("work").await;
            sound(record.clone(), "b").with(work).await
        })
        .await
}

/// Goes on while a task enters both.
async fn beside_it(record: &Recorder) -> Result<(), Injected> {
    for _ in 0..5 {
        record.step("beside it").await?;
    }
    Ok(())
}

#[test]
fn tasks_that_are_aborted_have_begun_their_rollbacks_when_those_are_waited_for() {
    check(async |record: Recorder| {
        let mut tasks = JoinSet::new();
        tasks.spawn(uses_two(record.branch()));
        beside_it(&record).await?;
        tasks.join_next().await.unwrap().unwrap_or(Ok(()))
    });
}

#[test]
fn detached_tasks_are_let_end() {
    check(async |record: Recorder| {
        let branch = record.branch();
        tokio::spawn(async move {
            uses_two(branch.clone()).await?;
            sleep(Duration::from_secs(86_400)).await;
            uses_two(branch).await
        });
        beside_it(&record).await
    });
}

#[test]
fn a_detached_task_that_never_ends_is_not_waited_for() {
    async fn ticks() {
        loop {
            sleep(Duration::from_secs(1)).await;
        }
    }
    async fn steps(record: Recorder) {
        while record.step("again").await.is_ok() {}
    }
    async fn spins() {
        loop {
            tokio::task::yield_now().await;
        }
    }
    let beside = async |record: &Recorder| {
        tokio::spawn(uses_two(record.branch()));
        beside_it(record).await
    };
    check(async |record: Recorder| {
        tokio::spawn(pending::<()>());
        beside(&record).await
    });
    check(async |record: Recorder| {
        tokio::spawn(ticks());
        beside(&record).await
    });
    check(async |record: Recorder| {
        tokio::spawn(steps(record.branch()));
        beside(&record).await
    });
    // This one is told by the time that it takes.
    let spinning = async |record: Recorder| {
        tokio::spawn(spins());
        beside(&record).await
    };
    assert_eq!(replay("drop@4", spinning), Ok(()));
}

#[test]
fn what_a_task_that_never_ends_holds_is_not_released() {
    let found = explore(async |record: Recorder| {
        let branch = record.branch();
        let task = tokio::spawn(async move {
            let _held = Held::new(&branch, "socket");
            pending::<()>().await;
        });
        let _ = record.step("beside it").await;
        drop(task);
    });
    assert_eq!(
        only(found),
        (String::new(), vec![Problem::NotReleased("socket")])
    );
}

#[test]
fn what_its_runtime_cannot_roll_back_says_so_in_what_happened() {
    #[async_context(on_cancel = block)]
    async fn blocking(record: &Recorder) {
        record.acquired("lock");
        let _ = yield_resource!();
        record.released("lock");
    }
    #[async_context(on_cancel = spawn_local)]
    async fn local(record: Recorder) {
        record.acquired("lock");
        let _ = yield_resource!();
        record.released("lock");
    }
    let blocking = explore(async |record: Recorder| {
        blocking(&record)
            .with(async |()| record.step("work").await)
            .await
    });
    let local = explore(async |record: Recorder| {
        local(record.clone())
            .with(async |()| record.step("work").await)
            .await
    });
    let found = [
        (
            blocking,
            "blocking",
            "its policy is `block`, which can't work on a current-thread runtime",
        ),
        (
            local,
            "local",
            "it was dropped outside of a `LocalSet` or `LocalRuntime`",
        ),
    ];
    for (found, name, why) in found {
        let found = found.unwrap_err();
        assert_eq!(found.problems(), [Problem::NotReleased("lock")]);
        let lost = found
            .trace()
            .iter()
            .find(|line| line.contains("lost its teardown"));
        let lost = lost.expect("it says why");
        assert!(lost.contains(name) && lost.contains(why), "{lost}");
    }
}

#[tokio::test]
async fn inside_of_a_runtime_it_says_where_it_belongs() {
    let calls: [fn() -> usize; 3] = [
        || check(async |_: Recorder| {}).runs,
        || explore(async |_: Recorder| {}).map_or(0, |explored| explored.runs),
        || usize::from(replay("", async |_: Recorder| {}).is_ok()),
    ];
    for call in calls {
        let payload = catch_unwind(call).unwrap_err();
        let said = payload.downcast_ref::<&str>().unwrap();
        assert!(said.contains("call it in a plain `#[test]`"), "{said}");
    }
}

#[test]
fn cuts_are_text() {
    for text in ["", "drop@0", "drop@3", "fail@2", "panic@1", "fail@2 drop@5"] {
        let cut: Cut = text.parse().unwrap();
        assert_eq!(cut.to_string(), text);
    }
    let cut: Cut = "panic@2 drop@5".parse().unwrap();
    assert_eq!(cut.drop_after(), Some(5));
    assert_eq!(cut.injection(), Some((2, Injection::Panic)));
    for text in [
        "drop",
        "drop@",
        "drop@x",
        "stop@3",
        "drop@1 nothing",
        "drop@1 drop@2",
        "fail@1 panic@2",
        "fail@0",
        "panic@0",
    ] {
        assert!(text.parse::<Cut>().is_err(), "{text}");
    }
}
