//! A final `Ok(())` is optional; diverging tails work, and `return;` in an infallible context.

use contextlib::{async_context, yield_resource};
use contextlib_tests::{BodyError, ContextError, Log, message};
use futures::{FutureExt, executor::block_on};
use std::panic::AssertUnwindSafe;

type Ended = Result<(), BodyError>;

macro_rules! context {
    ($name:ident($($arg:ident: $ty:ty),*) $body:block) => {
        #[async_context]
        async fn $name($($arg: $ty),*) -> Result<(), ContextError> $body
    };
}

#[async_context]
async fn nothing() -> Result<(), ContextError> {
    let _ = yield_resource!();
}

#[async_context]
async fn ok() -> Result<(), ContextError> {
    let _ = yield_resource!();
    Ok(())
}

fn ignore(_: contextlib::Exit<'_>) {}

#[async_context]
async fn the_yield_itself() -> Result<(), ContextError> {
    ignore(yield_resource!())
}

#[async_context]
async fn a_result(fails: bool) -> Result<(), ContextError> {
    let _ = yield_resource!();
    if fails {
        Err(ContextError("fails"))
    } else {
        Ok(())
    }
}

#[async_context]
async fn error() -> Result<(), ContextError> {
    let _ = yield_resource!();
    Err(ContextError("an error"))
}

#[async_context]
async fn question_mark(fails: bool) -> Result<(), ContextError> {
    let _ = yield_resource!();
    a_failure(fails)?;
}

#[async_context]
async fn question_mark_at_last(fails: bool) -> Result<(), ContextError> {
    let _ = yield_resource!();
    a_failure(fails)
}

fn a_failure(fails: bool) -> Result<(), ContextError> {
    if fails {
        Err(ContextError("a failure"))
    } else {
        Ok(())
    }
}

#[async_context]
async fn early_returns(how: u8, log: Log) -> Result<(), ContextError> {
    if how == 0 {
        return Err(ContextError("in the setup"));
    }
    let exit = yield_resource!();
    if how == 1 {
        return Ok(());
    }
    if exit.is_failed() {
        return Err(ContextError("in the teardown"));
    }
    log.say("end");
}

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// As in any function, what is returned is coerced to what is declared.
#[async_context]
async fn returns_what_is_boxed(how: u8) -> Result<(), Boxed> {
    if how == 0 {
        return Err(Box::new(std::fmt::Error));
    }
    let _ = yield_resource!();
    if how == 1 {
        return Err("in the teardown".into());
    }
}

#[async_context]
async fn panics_at_last() -> Result<(), ContextError> {
    let _ = yield_resource!();
    panic!("at last")
}

#[async_context]
async fn never_ends() -> Result<(), ContextError> {
    let _ = yield_resource!();
    loop {
        if let Err(error) = a_failure(true) {
            return Err(error);
        }
    }
}

#[async_context]
async fn returns_at_last(fails: bool) -> Result<(), ContextError> {
    let _ = yield_resource!();
    return a_failure(fails);
}

#[async_context]
async fn match_at_last(how: u8) -> Result<(), ContextError> {
    let _ = yield_resource!();
    match how {
        0 => Ok(()),
        1 => return Ok(()),
        2 => Err(ContextError("an arm")),
        _ => unreachable!("an arm that diverges"),
    }
}

#[async_context]
async fn block_at_last() -> Result<(), ContextError> {
    let _ = yield_resource!();
    {
        a_failure(false)?;
    }
}

#[async_context]
async fn for_at_last() -> Result<(), ContextError> {
    let _ = yield_resource!();
    for _ in 0..2 {
        a_failure(false)?;
    }
}

context!(from_a_macro(fails: bool) {
    let _ = yield_resource!();
    a_failure(fails)?;
});

#[test]
fn fallible_contexts() {
    async fn body((): &mut ()) -> Ended {
        Ok(())
    }
    let context_error = |text| Err(BodyError::Context(ContextError(text)));
    assert_eq!(block_on(nothing().with(body)), Ok(()));
    assert_eq!(block_on(ok().with(body)), Ok(()));
    assert_eq!(block_on(the_yield_itself().with(body)), Ok(()));
    assert_eq!(block_on(a_result(false).with(body)), Ok(()));
    assert_eq!(block_on(a_result(true).with(body)), context_error("fails"));
    assert_eq!(block_on(error().with(body)), context_error("an error"));
    assert_eq!(block_on(question_mark(false).with(body)), Ok(()));
    assert_eq!(
        block_on(question_mark(true).with(body)),
        context_error("a failure")
    );
    assert_eq!(block_on(question_mark_at_last(false).with(body)), Ok(()));
    assert_eq!(
        block_on(question_mark_at_last(true).with(body)),
        context_error("a failure")
    );
    assert_eq!(
        block_on(never_ends().with(body)),
        context_error("a failure")
    );
    assert_eq!(block_on(returns_at_last(false).with(body)), Ok(()));
    assert_eq!(
        block_on(returns_at_last(true).with(body)),
        context_error("a failure")
    );
    assert_eq!(block_on(match_at_last(0).with(body)), Ok(()));
    assert_eq!(block_on(match_at_last(1).with(body)), Ok(()));
    assert_eq!(
        block_on(match_at_last(2).with(body)),
        context_error("an arm")
    );
    assert_eq!(block_on(block_at_last().with(body)), Ok(()));
    assert_eq!(block_on(for_at_last().with(body)), Ok(()));
    assert_eq!(block_on(from_a_macro(false).with(body)), Ok(()));
    assert_eq!(
        block_on(from_a_macro(true).with(body)),
        context_error("a failure")
    );

    let log = Log::new();
    assert_eq!(
        block_on(early_returns(0, log.clone()).with(body)),
        context_error("in the setup")
    );
    assert_eq!(block_on(early_returns(1, log.clone()).with(body)), Ok(()));
    assert!(log.lines().is_empty());
    assert_eq!(block_on(early_returns(2, log.clone()).with(body)), Ok(()));
    assert_eq!(log.lines(), ["end"]);

    let _quiet = contextlib_tests::quiet();
    let panic = block_on(AssertUnwindSafe(panics_at_last().with(body)).catch_unwind()).unwrap_err();
    assert_eq!(message(&*panic), "at last");
    let panic = block_on(AssertUnwindSafe(match_at_last(3).with(body)).catch_unwind()).unwrap_err();
    assert!(message(&*panic).contains("an arm that diverges"));
}

#[async_context]
async fn returns_nothing(early: bool, log: Log) {
    let _ = yield_resource!();
    if early {
        return;
    }
    log.say("late");
}

#[async_context]
async fn infallible_and_unit(log: Log) -> u8 {
    let _ = yield_resource!(1);
    log.say("unit");
    ()
}

#[async_context]
async fn infallible_that_diverges() -> u8 {
    let _ = yield_resource!(1);
    panic!("diverges")
}

#[async_context]
async fn infallible_with_a_match(log: Log) -> u8 {
    match yield_resource!(1).kind() {
        contextlib::ExitKind::Completed => log.say("completed"),
        _ => return,
    }
}

#[test]
fn early_returns_are_coerced() {
    let end = |how| {
        let end =
            block_on(returns_what_is_boxed(how).with(async |()| -> Result<(), Boxed> { Ok(()) }));
        end.map_err(|error| error.to_string())
    };
    assert_eq!(end(0), Err(std::fmt::Error.to_string()));
    assert_eq!(end(1), Err("in the teardown".to_owned()));
    assert_eq!(end(2), Ok(()));
}

#[test]
fn infallible_contexts() {
    let log = Log::new();
    block_on(returns_nothing(true, log.clone()).run(async |()| {}));
    assert!(log.lines().is_empty());
    block_on(returns_nothing(false, log.clone()).run(async |()| {}));
    block_on(infallible_and_unit(log.clone()).run(async |_| {}));
    block_on(infallible_with_a_match(log.clone()).run(async |_| {}));
    assert_eq!(log.lines(), ["late", "unit", "completed"]);
    let _quiet = contextlib_tests::quiet();
    let panic =
        block_on(AssertUnwindSafe(infallible_that_diverges().run(async |_| {})).catch_unwind())
            .unwrap_err();
    assert_eq!(message(&*panic), "diverges");
}
