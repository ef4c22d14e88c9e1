//! The report hook: what it is told, when, and that nothing it does hurts.

use crate::{Broken, How, alone, ends, run};
use contextlib::{
    ExitKind, async_context, async_with,
    background::{drain, pending},
    report::{Failure, Whose},
    set_report_hook, take_report_hook, within, yield_resource,
};
use std::{
    future::pending as forever,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::timeout;

type Said = Arc<Mutex<Vec<String>>>;

/// A hook that remembers every report but those of guards dropped un-exited.
fn listen() -> Said {
    let said = Said::default();
    let heard = said.clone();
    set_report_hook(move |report| {
        if !matches!(report.failure, Failure::Unexited) {
            heard.lock().unwrap().push(format!(
                "{}{} {} ({:?})",
                report.context.name(),
                match report.whose {
                    Whose::Body => "'s body",
                    _ => "",
                },
                report.failure,
                report.exit
            ));
        }
    });
    said
}

fn take(said: &Said) -> Vec<String> {
    std::mem::take(&mut *said.lock().unwrap())
}

#[test]
fn a_report_says_what_failed_which_context_where_and_how_its_body_ended() {
    let _turn = alone();
    let said = Said::default();
    let heard = said.clone();
    set_report_hook(move |report| {
        if let Failure::Error(error) = report.failure {
            heard.lock().unwrap().extend([
                format!("{error:?}"),
                report.context.name().to_string(),
                report.context.location().to_string(),
                report.entered.to_string(),
                format!("{:?}", report.exit),
                report.to_string(),
            ]);
        }
    });
    let line = run(async {
        let guard = ends(How::Failing).enter().await.unwrap();
        let line = line!() - 1;
        drop(guard);
        drain().await;
        line
    });
    let file = Location::caller().file();
    let said = take(&said);
    assert_eq!(said[0], "Broken(\"teardown\")");
    assert_eq!(said[1], "ends");
    assert!(
        said[2].starts_with(&file.replace("hook.rs", "main.rs")),
        "{said:?}"
    );
    assert!(said[3].starts_with(&format!("{file}:{line}:")), "{said:?}");
    assert_eq!(said[4], "Cancelled");
    let sentence = format!(
        "the context `ends` ({}), entered at {}, failed: Broken(\"teardown\") (its body: Cancelled)",
        said[2], said[3]
    );
    assert_eq!(said[5], sentence);
}

/// Each context of a block, of `#[within]` and of a tuple was entered where it is written, or where the whole is.
#[test]
fn a_report_says_where_each_of_several_contexts_was_entered() {
    #[within(
        ends(How::Failing),
        _ = ends(How::Failing),
    )]
    async fn decorated() -> Result<(), Broken> {
        Err(Broken("body"))
    }
    macro_rules! around {
        ($context:expr) => {
            async_with!(_ = $context, async { Err::<(), _>(Broken("body")) }).await
        };
    }
    const ABOVE: u32 = line!();

    let _turn = alone();
    let said = Said::default();
    let heard = said.clone();
    set_report_hook(move |report| {
        let line = i64::from(report.entered.line()) - i64::from(ABOVE);
        heard
            .lock()
            .unwrap()
            .push(format!("{line}:{}", report.entered.column()));
    });
    run(async {
        let _ = decorated().await;
        let _ = around!(ends(How::Failing));
        let _ = async_with!(
            one = ends(How::Failing),
            _ = ends(How::Failing),
            async || -> Result<(), Broken> {
                let () = *one;
                Err(Broken("body"))
            }
        )
        .await;
    });
    assert_eq!(take(&said), ["-10:13", "-11:9", "14:17", "17:17", "16:19"]);
}

#[test]
fn what_is_returned_to_a_caller_is_not_reported() {
    let _turn = alone();
    let said = listen();
    run(async {
        // The body's.
        let failed = ends(How::Well).with(async |_| Err::<(), _>(Broken("body")));
        assert_eq!(failed.await, Err(Broken("body")));
        // The teardown's.
        let failed = ends(How::Failing).with(async |_| Ok::<_, Broken>(()));
        assert_eq!(failed.await, Err(Broken("teardown")));
        let guard = ends(How::Failing).enter().await.unwrap();
        assert_eq!(guard.exit().await, Err(Broken("teardown")));
        // Both.
        let both = ends(How::Failing).outcome(async |_| Err::<(), _>(Broken("body")));
        let both = both.await;
        assert_eq!(both.body, Some(Err(Broken("body"))));
        assert_eq!(both.context, Err(Broken("teardown")));
        // A panic.
        let panics = tokio::spawn(ends(How::Panicking).with(async |_| Ok::<_, Broken>(())));
        assert!(panics.await.unwrap_err().is_panic());
    });
    assert_eq!(take(&said), [""; 0]);
}

#[test]
fn of_two_failures_the_second_is_reported_once() {
    let _turn = alone();
    let said = listen();
    run(async {
        let both = ends(How::Failing).with(async |_| Err::<(), _>(Broken("body")));
        assert_eq!(both.await, Err(Broken("body")));
        let guard = ends(How::Failing).enter().await.unwrap();
        let both = guard.exit_with(Err::<(), _>(Broken("body")));
        assert_eq!(both.await, Err(Broken("body")));
    });
    assert_eq!(
        take(&said),
        ["ends failed: Broken(\"teardown\") (Failed)"; 2]
    );
    run(async {
        // The body's error, when the teardown's panic goes to the caller.
        let both = tokio::spawn(ends(How::Panicking).with(async |_| Err::<(), _>(Broken("body"))));
        let panic = both.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"teardown panics"));
    });
    assert_eq!(
        take(&said),
        ["ends's body failed: Broken(\"body\") (Failed)"]
    );
    run(async {
        // The teardown's, when the body has panicked.
        let both = tokio::spawn(
            ends(How::Failing).with(async |_| -> Result<(), Broken> { panic!("body") }),
        );
        let panic = both.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"body"));
        let both = tokio::spawn(
            ends(How::Panicking).with(async |_| -> Result<(), Broken> { panic!("body") }),
        );
        let panic = both.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"body"));
    });
    assert_eq!(
        take(&said),
        [
            "ends failed: Broken(\"teardown\") (Panicked)",
            "ends panicked: teardown panics (Panicked)",
        ]
    );
}

#[test]
fn a_rollback_that_fails_or_panics_is_reported_with_the_exit_it_had() {
    let _turn = alone();
    let said = listen();
    run(async {
        drop(ends(How::Failing).enter().await.unwrap());
        drop(ends(How::Panicking).enter().await.unwrap());
        drain().await;
    });
    let mut both = take(&said);
    both.sort();
    assert_eq!(
        both,
        [
            "ends failed: Broken(\"teardown\") (Cancelled)",
            "ends panicked: teardown panics (Cancelled)",
        ]
    );
    // Begun in the foreground.
    run(async {
        let failed = ends(How::Failing).with(async |_| Err::<(), _>(Broken("body")));
        let mut failed = Box::pin(failed);
        assert!(futures::poll!(failed.as_mut()).is_pending());
        drop(failed);
        drain().await;
    });
    assert_eq!(
        take(&said),
        [
            "ends failed: Broken(\"teardown\") (Failed)",
            "ends's body failed: Broken(\"body\") (Failed)",
        ]
    );
}

#[test]
fn a_report_says_whose_failure_it_is() {
    let _turn = alone();
    let said = Said::default();
    let heard = said.clone();
    set_report_hook(move |report| {
        heard
            .lock()
            .unwrap()
            .push(format!("{:?}: {report}", report.whose));
    });
    let line = run(async {
        let body = async |_: &mut _| Err::<(), _>(Broken("body"));
        let mut failed = Box::pin(ends(How::Well).with(body));
        let line = line!() - 1;
        assert!(futures::poll!(failed.as_mut()).is_pending());
        drop(failed);
        drain().await;
        line
    });
    let said = take(&said);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("Body: the context `ends` ("),
        "{said:?}"
    );
    assert!(
        said[0].contains(&format!("{}:{line}:", file!())),
        "{said:?}"
    );
    assert!(
        said[0]
            .ends_with(", had nobody to return its body's failure to: it failed: Broken(\"body\")"),
        "{said:?}"
    );
}

#[test]
fn an_unexited_guard_is_told_to_a_hook() {
    let _turn = alone();
    let said = Said::default();
    let heard = said.clone();
    set_report_hook(move |report| heard.lock().unwrap().push(report.to_string()));
    run(async {
        drop(ends(How::Well).enter().await.unwrap());
        // Not where somebody has said how it ends.
        ends(How::Well)
            .enter()
            .await
            .unwrap()
            .cancel()
            .await
            .unwrap();
        ends(How::Well).enter().await.unwrap().exit().await.unwrap();
        drain().await;
    });
    let said = take(&said);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("was dropped without `exit`"), "{said:?}");
}

#[test]
fn a_hook_that_panics_hurts_nothing() {
    let _turn = alone();
    set_report_hook(|_| panic!("the hook"));
    run(async {
        let both = ends(How::Failing).with(async |_| Err::<(), _>(Broken("body")));
        assert_eq!(both.await, Err(Broken("body")));
        // In the background.
        drop(ends(How::Failing).enter().await.unwrap());
        drain().await;
        // While the thread is panicking already.
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = futures::executor::block_on(ends(How::Failing).enter()).unwrap();
            panic!("the body");
        }));
        let payload = panicked.map(drop).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"the body"));
        drain().await;
        assert_eq!(pending(), 0);
    });
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// A future that panics and whose destructor panics too.
struct PanicsTwice(#[expect(dead_code, reason = "dropped, not read")] Bomb);

impl Future for PanicsTwice {
    type Output = Result<(), Broken>;

    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        panic!("first");
    }
}

#[test]
fn a_body_that_panics_again_while_it_is_dropped() {
    let _turn = alone();
    let said = listen();
    run(async {
        let twice = ends(How::Well).with(|_: &mut ()| PanicsTwice(Bomb("second")));
        let panic = tokio::spawn(twice).await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref(), Some(&"first"));
    });
    assert_eq!(take(&said), ["ends's body panicked: second (Panicked)"]);
}

/// Whose destructor panics, and so on without end.
struct PanicsInDrop(u32);

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if self.0 > 0 {
            std::panic::panic_any(PanicsInDrop(self.0 - 1));
        }
    }
}

#[test]
fn a_hook_whose_panic_and_captures_panic_in_their_destructors_hurts_nothing() {
    let _turn = alone();
    let calls = Arc::new(AtomicU32::new(0));
    let (captured, called) = (PanicsInDrop(0), calls.clone());
    set_report_hook(move |_| {
        let _captured = &captured;
        called.fetch_add(1, Relaxed);
        std::panic::panic_any(PanicsInDrop(3));
    });
    run(async {
        drop(ends(How::Failing).enter().await.unwrap());
        drain().await;
    });
    // Of the guard that was dropped, and of its rollback.
    assert_eq!(calls.swap(0, Relaxed), 2);
    // A hook that replaces itself is the last owner of itself.
    let replacement = Arc::new(AtomicU32::new(0));
    let (captured, called, next) = (PanicsInDrop(1), calls.clone(), replacement.clone());
    set_report_hook(move |_| {
        let _captured = &captured;
        called.fetch_add(1, Relaxed);
        let next = next.clone();
        set_report_hook(move |_| {
            next.fetch_add(1, Relaxed);
        });
    });
    run(async {
        drop(ends(How::Failing).enter().await.unwrap());
        drain().await;
    });
    let told = [&calls, &replacement].map(|calls| calls.load(Relaxed));
    assert_eq!(told, [1, 1]);
    // The one that is there now is the replacement: it has what that has captured. The other one is gone, with what it had.
    let hook = take_report_hook();
    assert_eq!([&calls, &replacement].map(Arc::strong_count), [1, 2]);
    drop(hook);
    assert_eq!(Arc::strong_count(&replacement), 1);
}

#[test]
fn a_hook_may_do_what_it_likes() {
    let _turn = alone();
    let said = Said::default();
    let heard = said.clone();
    // It takes locks, sets hooks, looks at what is pending, and drops guards, whose failures it is told of too.
    let spare: Arc<Mutex<Vec<Box<dyn Send>>>> = Arc::default();
    let guards = spare.clone();
    set_report_hook(move |report| {
        if matches!(report.failure, Failure::Unexited) {
            return;
        }
        heard.lock().unwrap().push(format!("{} pending", pending()));
        let next = guards.lock().unwrap().pop();
        let none = next.is_none();
        drop(next);
        if none {
            drop(take_report_hook());
        }
    });
    run(async {
        for _ in 0..3 {
            let guard = ends(How::Failing).enter().await.unwrap();
            spare.lock().unwrap().push(Box::new(guard));
        }
        drop(ends(How::Failing).enter().await.unwrap());
        timeout(Duration::from_secs(9), drain())
            .await
            .expect("a dead-lock");
    });
    assert_eq!(take(&said).len(), 4);
    assert!(take_report_hook().is_none());
}

/// An error whose text is made by code that drops a guard: the hook is called meanwhile, and prints errors itself.
struct DropsAGuard(Mutex<Option<Box<dyn Send>>>);

impl std::fmt::Debug for DropsAGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        drop(self.0.lock().unwrap().take());
        f.write_str("DropsAGuard")
    }
}

#[async_context]
async fn prints_its_error() -> Result<(), Broken> {
    let exit = yield_resource!();
    let text = format!("{:?}", exit.error());
    assert!(text.contains("DropsAGuard"), "{text}");
}

impl From<Broken> for DropsAGuard {
    fn from(_: Broken) -> Self {
        unreachable!()
    }
}

#[test]
fn no_lock_is_held_while_it_is_called() {
    let _turn = alone();
    let said = Said::default();
    let heard = said.clone();
    set_report_hook(move |report| {
        // All that takes a lock of the library's.
        let pending = pending();
        futures::executor::block_on(async {
            drop(ends(How::Well).enter().await);
        });
        if let Failure::Error(error) = report.failure {
            heard
                .lock()
                .unwrap()
                .push(format!("{error:?}, {pending} pending"));
        }
        let hook = take_report_hook();
        if let Some(hook) = hook {
            set_report_hook(move |report| hook(report));
        }
    });
    run(async {
        let guard = ends(How::Failing).enter().await.unwrap();
        let error = DropsAGuard(Mutex::new(Some(Box::new(guard))));
        let failed = prints_its_error().with(async |_| Err::<(), _>(error));
        assert!(failed.await.is_err());
        timeout(Duration::from_secs(9), drain())
            .await
            .expect("a dead-lock");
    });
    assert_eq!(take(&said), ["Broken(\"teardown\"), 1 pending"]);
    drop(take_report_hook());
}

/// Guards are dropped by what a report carries, too.
#[test]
fn an_error_that_drops_a_guard_when_it_is_dropped() {
    struct Carries(Option<Box<dyn Send>>);
    impl std::fmt::Debug for Carries {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(if self.0.is_some() { "Carries" } else { "Empty" })
        }
    }
    #[async_context]
    async fn carries(guard: Box<dyn Send>) -> Result<(), Carries> {
        let _ = yield_resource!();
        Err(Carries(Some(guard)))
    }
    let _turn = alone();
    let said = listen();
    run(async {
        let inner = ends(How::Failing).enter().await.unwrap();
        drop(carries(Box::new(inner)).enter().await.unwrap());
        timeout(Duration::from_secs(9), drain())
            .await
            .expect("a dead-lock");
    });
    assert_eq!(
        take(&said),
        [
            "carries failed: Carries (Cancelled)",
            "ends failed: Broken(\"teardown\") (Cancelled)",
        ]
    );
}

#[test]
fn the_hook_is_replaced_and_given_back() {
    let _turn = alone();
    assert!(take_report_hook().is_none());
    let said = listen();
    let hook = take_report_hook().unwrap();
    set_report_hook(move |report| {
        assert_eq!(report.exit, ExitKind::Cancelled);
        hook(report);
    });
    run(async {
        let with = ends(How::Failing).with(async |_| -> Result<(), Broken> { forever().await });
        assert!(timeout(Duration::from_millis(1), with).await.is_err());
        drain().await;
    });
    assert_eq!(take(&said).len(), 1);
    assert!(take_report_hook().is_some());
    assert!(take_report_hook().is_none());
}

/// With the feature `tracing`, and nobody who listens: so it may be where some other crate has asked for it. In a process of its own, since others here listen.
#[test]
#[cfg_attr(miri, ignore = "there are no processes")]
fn without_a_subscriber_they_go_to_standard_error() {
    let this = std::env::current_exe().unwrap();
    let mut child = Command::new(this);
    child.args(["--ignored", "--exact", "--nocapture", "hook::fails_unheard"]);
    let output = child.output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{printed}");
    let lines: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("contextlib: "))
        .collect();
    let [line] = &lines[..] else {
        panic!("one report, and none of the guard that was dropped: {printed}");
    };
    assert!(line.contains("`ends`"), "{line}");
    assert!(line.contains(r#"failed: Broken("teardown")"#), "{line}");
}

#[tokio::test]
#[ignore = "another test runs it"]
async fn fails_unheard() {
    drop(ends(How::Failing).enter().await.unwrap());
    drain().await;
}
