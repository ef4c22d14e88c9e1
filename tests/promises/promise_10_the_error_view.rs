//! The error view prints and downcasts; nothing is allocated unless the body failed.

use contextlib::{ErrorView, Exit, async_context, yield_resource};
use contextlib_tests::{BodyError, ContextError, Log, yields};
use futures::executor::block_on;
use std::{fmt, fmt::Write, io, sync::mpsc, thread, time::Duration};

#[async_context(on_cancel = drop)]
async fn context(log: &Log) -> Result<(), ContextError> {
    let Exit::Failed(error) = yield_resource!() else {
        return Err(ContextError("it has to fail"));
    };
    match error.downcast_ref::<BodyError>() {
        Some(BodyError::Own(text)) => log.say(format!("own: {text}")),
        Some(other) => log.say(format!("{other:?}")),
        None if error.is::<io::Error>() => {
            log.say(error.downcast_ref::<io::Error>().unwrap().to_string())
        }
        None => log.say(format!("another: {error:?}")),
    }
    assert!(!error.is::<()>());
}

/// Says what is asked for, in its alternate form too.
#[derive(Debug)]
struct Other {
    #[expect(dead_code, reason = "printed")]
    field: u8,
}
impl From<ContextError> for Other {
    fn from(_: ContextError) -> Self {
        unreachable!()
    }
}

impl From<ContextError> for Wrapped {
    fn from(_: ContextError) -> Self {
        unreachable!()
    }
}
#[derive(Debug)]
struct Wrapped(io::Error);

#[test]
fn prints_and_downcasts() {
    let log = Log::new();
    let _ = block_on(
        context(&log).with(async |()| -> Result<(), BodyError> { Err(BodyError::Own("text")) }),
    );
    let _ =
        block_on(context(&log).with(async |()| -> Result<(), Other> { Err(Other { field: 1 }) }));
    let error = block_on(
        context(&log)
            .with(async |()| -> Result<(), Wrapped> { Err(Wrapped(io::Error::other("io"))) }),
    );
    assert_eq!(error.unwrap_err().0.to_string(), "io");
    let guard = block_on(context(&log).enter()).unwrap();
    let _ = block_on(guard.exit_with(Err::<(), _>(BodyError::Own("guard"))));
    assert_eq!(
        log.lines(),
        [
            "own: text",
            "another: Other { field: 1 }",
            "another: Wrapped(Custom { kind: Other, error: \"io\" })",
            "own: guard"
        ]
    );
}

#[async_context(on_cancel = drop)]
async fn quiet() -> Result<u8, ContextError> {
    let exit = yield_resource!(1);
    yields(1).await;
    let _ = (exit.error(), exit.is_failed());
}

#[async_context(on_cancel = block)]
async fn boxed() -> Result<u8, ContextError> {
    let exit = yield_resource!(1);
    yields(1).await;
    let _ = exit.kind();
}

/// Tries again, since another test may have a rollback pending in the meantime: then a teardown has to look whether that is its own, which takes a box.
#[track_caller]
fn allocations(expected: u64, run: impl Fn()) {
    for _ in 0..100 {
        if allocation_counter::measure(&run).count_total == expected {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(allocation_counter::measure(&run).count_total, expected);
}

async fn succeeds(one: &mut u8) -> Result<u8, BodyError> {
    yields(1).await;
    Ok(*one)
}

async fn fails(_: &mut u8) -> Result<u8, BodyError> {
    yields(1).await;
    Err(BodyError::Own("error"))
}

#[test]
fn nothing_is_allocated_unless_the_body_failed() {
    // What is allocated once: the executor's thread-locals.
    drop(block_on(quiet().with(succeeds)));
    allocations(0, || drop(block_on(quiet().with(succeeds))));
    allocations(1, || drop(block_on(quiet().with(fails))));
    allocations(0, || drop(block_on(quiet().outcome(succeeds))));
    allocations(0, || drop(block_on(quiet().with_local(succeeds))));
    // The frame's box under a policy that may take it over, and a guard's.
    allocations(1, || drop(block_on(boxed().with(succeeds))));
    allocations(2, || drop(block_on(boxed().with(fails))));
    allocations(1, || {
        block_on(async { quiet().enter().await.unwrap().exit().await.unwrap() })
    });
}

/// Where the context sees the text of the error only, that is made before the teardown, which runs nevertheless.
#[test]
fn an_error_that_panics_when_it_is_printed() {
    struct Unprintable;
    impl std::fmt::Debug for Unprintable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("not to be printed")
        }
    }
    #[contextlib::async_context(on_cancel = drop)]
    async fn context(told: std::sync::Arc<std::sync::Mutex<String>>) {
        let exit = contextlib::yield_resource!();
        *told.lock().unwrap() = format!("{exit:?}");
    }
    let told = std::sync::Arc::default();
    let _quiet = contextlib_tests::quiet();
    let run = context(std::sync::Arc::clone(&told))
        .with_local(async |()| -> Result<(), Unprintable> { Err(Unprintable) });
    assert!(matches!(futures::executor::block_on(run), Err(Unprintable)));
    assert!(told.lock().unwrap().starts_with("Failed("));
}

/// No lock of ours is held while the text goes to somebody else's writer.
#[test]
fn a_writer_may_look_at_it_meanwhile() {
    struct Looks<'a> {
        error: ErrorView<'a>,
        seen: Vec<String>,
    }
    impl fmt::Write for Looks<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.seen.push(format!("{text} {:#?}", self.error));
            Ok(())
        }
    }
    #[async_context(on_cancel = drop)]
    async fn looks(log: &Log) -> Result<(), ContextError> {
        let exit = yield_resource!();
        let error = exit.error().expect("it has failed");
        let mut looks = Looks {
            error,
            seen: Vec::new(),
        };
        write!(looks, "{error:?}").expect("it is written");
        log.say(looks.seen.concat());
    }
    let log = Log::new();
    let its_log = log.clone();
    let (over, ended) = mpsc::channel();
    // On a thread of its own: it would hang there.
    thread::spawn(move || {
        let body = async |_: &mut ()| -> Result<(), Other> { Err(Other { field: 1 }) };
        drop(block_on(looks(&its_log).with(body)));
        over.send(())
    });
    let ended = ended.recv_timeout(Duration::from_secs(30));
    assert_eq!(ended, Ok(()), "it hangs");
    let text = format!("{:?} {:#?}", Other { field: 1 }, Other { field: 1 });
    assert_eq!(log.lines(), [text]);
}
