//! `async_with!`: several contexts around one body.

use contextlib::{Exit, async_context, async_with, background, yield_resource};
use contextlib_tests::{BodyError, ContextError, Log, message, quiet};
use std::{convert::Infallible, future::pending, time::Duration};
use tokio::time::timeout;

/// Says what happens to it, and lends its name.
#[async_context]
async fn named(log: Log, name: &'static str) -> Result<String, ContextError> {
    tokio::task::yield_now().await;
    log.say(format!("{name}: setup"));
    let mut resource = name.to_owned();
    let exit = yield_resource!(resource);
    log.say(format!("{name}: {:?} with {resource:?}", exit.kind()));
    tokio::task::yield_now().await;
    log.say(format!("{name}: over"));
}

#[async_context]
async fn refusing(log: Log) -> Result<(), ContextError> {
    log.say("refused");
    if true {
        return Err(ContextError("refused"));
    }
    let _ = yield_resource!();
}

/// Borrows what it lends.
#[async_context(on_cancel = drop)]
async fn part<'s>(whole: &'s mut str, log: &Log) -> &'s mut str {
    let mut part = &mut whole[1..];
    let _ = yield_resource!(part);
    log.say(format!("part: over with {part:?}"));
}

#[async_context(suppress)]
async fn forgiving(log: Log) {
    let exit = yield_resource!();
    log.say(format!("forgiving: {:?}", exit.kind()));
    exit.suppress();
}

#[async_context]
async fn impatient(log: Log) -> Result<(), ContextError> {
    let body = timeout(Duration::from_millis(1), async { yield_resource!().kind() }).await;
    log.say(format!("impatient: {body:?}"));
    if body.is_err() {
        return Err(ContextError("late"));
    }
}

#[tokio::test]
async fn later_contexts_use_earlier_resources_and_end_first() {
    let log = Log::new();
    let length = async_with!(
        outer = named(log.clone(), "outer"),
        inner = named(log.clone(), if outer == "outer" { "inner" } else { "?" }),
        async || -> Result<usize, BodyError> {
            outer.push('!');
            inner.push_str(outer);
            Ok(inner.len())
        }
    )
    .await;
    assert_eq!(length, Ok(11));
    assert_eq!(
        log.lines(),
        [
            "outer: setup",
            "inner: setup",
            "inner: Completed with \"innerouter!\"",
            "inner: over",
            "outer: Completed with \"outer!\"",
            "outer: over",
        ]
    );
}

#[tokio::test]
async fn an_error_ends_the_block_and_every_context_sees_it() {
    let log = Log::new();
    let end = async_with!(
        _ = named(log.clone(), "a"),
        _ = named(log.clone(), "b"),
        async {
            Err::<(), _>(BodyError::Own("failed"))?;
            log.say("not reached");
            Ok(())
        }
    );
    assert_eq!(end.await, Err(BodyError::Own("failed")));
    assert_eq!(
        log.count("a: Failed with \"a\"") + log.count("b: Failed with \"b\""),
        2
    );
    assert_eq!(log.count("not reached"), 0);
}

#[tokio::test]
async fn a_refusal_tears_down_what_was_entered_before() {
    let log = Log::new();
    let end = async_with!(
        _ = named(log.clone(), "a"),
        _ = refusing(log.clone()),
        _ = named(log.clone(), "never"),
        async || -> Result<(), BodyError> { unreachable!() }
    );
    assert_eq!(end.await, Err(BodyError::Context(ContextError("refused"))));
    assert_eq!(
        log.lines(),
        ["a: setup", "refused", "a: Failed with \"a\"", "a: over"]
    );
}

#[tokio::test]
async fn return_ends_the_body_only() {
    let log = Log::new();
    let early = async_with!(
        name = named(log.clone(), "a"),
        async || -> Result<&'static str, BodyError> {
            if name.len() == 1 {
                return Ok("early");
            }
            Ok("late")
        }
    )
    .await;
    assert_eq!(early, Ok("early"));
    assert_eq!(log.count("a: Completed with \"a\""), 1);
    let early = async_with!(_ = named(log.clone(), "b"), async {
        if true {
            return Ok::<_, BodyError>(1);
        }
        Ok(2)
    });
    assert_eq!(early.await, Ok(1));
}

#[tokio::test]
async fn a_panic_goes_through_every_teardown() {
    let log = Log::new();
    let inside = log.clone();
    let task = tokio::spawn(async move {
        async_with!(
            _ = named(inside.clone(), "a"),
            _ = named(inside, "b"),
            async || -> Result<(), BodyError> { panic!("oh") }
        )
        .await
    });
    let _quiet = quiet();
    let panic = task.await.unwrap_err().into_panic();
    assert_eq!(message(&*panic), "oh");
    assert_eq!(
        log.lines()[2..],
        [
            "b: Panicked with \"b\"",
            "b: over",
            "a: Panicked with \"a\"",
            "a: over"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn spawned_with_resources_that_borrow() {
    let log = Log::new();
    let task = {
        let log = log.clone();
        tokio::spawn(async move {
            async_with!(
                whole = named(log.clone(), "whole"),
                rest = part(whole, &log),
                async || -> Result<usize, BodyError> {
                    tokio::task::yield_now().await;
                    rest.make_ascii_uppercase();
                    Ok(rest.len())
                }
            )
            .await
        })
    };
    assert_eq!(task.await.unwrap(), Ok(4));
    assert_eq!(
        log.lines()[1..],
        [
            "part: over with \"HOLE\"",
            "whole: Completed with \"wHOLE\"",
            "whole: over"
        ]
    );
}

/// What rustc refuses in an `async ||` that is called where it stands: a resource is assigned to, and its name is borrowed too.
#[tokio::test(flavor = "multi_thread")]
async fn a_resource_is_assigned_to_and_borrowed_by_its_name() {
    async fn sum(one: &mut usize, other: &usize) -> Result<usize, ContextError> {
        tokio::task::yield_now().await;
        *one += other;
        Ok(*one)
    }

    #[async_context]
    async fn count(mut count: usize) -> Result<usize, ContextError> {
        let _ = yield_resource!(count);
    }

    #[async_context(on_cancel = drop)]
    async fn same<'s>(place: &'s mut usize) -> &'s mut usize {
        let mut place = place;
        let _ = yield_resource!(place);
    }

    let log = Log::new();
    let said = log.clone();
    let task = tokio::spawn(async move {
        let mut calls = 0;
        let total = async_with!(
            one = count(1),
            other = count(2),
            total = count(0),
            place = same(total),
            async || -> Result<usize, BodyError> {
                **place = sum(one, other).await?;
                said.say(format!("{place}"));
                *other = sum(one, place).await?;
                calls += 1;
                said.say(format!("{one} {other} {place} {calls}"));
                Ok(**place)
            }
        )
        .await;
        (total, calls)
    });
    assert_eq!(task.await.unwrap(), (Ok(3), 1));
    assert_eq!(log.lines(), ["3", "6 6 3 1"]);
}

/// Says when it is dropped.
struct Temporary(Log, &'static str);

impl Drop for Temporary {
    fn drop(&mut self) {
        self.0.say(format!("{}: dropped", self.1));
    }
}

/// Lends what it borrows.
#[async_context(on_cancel = drop)]
async fn lent<'t>(temporary: &'t Temporary) -> &'t Temporary {
    let _ = yield_resource!(temporary as &Temporary);
    temporary.0.say(format!("{}: over", temporary.1));
}

#[tokio::test]
async fn what_a_context_borrows_lives_until_it_is_over() {
    let log = Log::new();
    let of_block = log.clone();
    let block = async_with!(
        outer = lent(&Temporary(of_block.clone(), "outer")),
        inner = lent(&Temporary(outer.0.clone(), "inner")),
        async move || -> Result<usize, Infallible> {
            tokio::task::yield_now().await;
            of_block.say("body");
            Ok(outer.1.len() + inner.1.len())
        }
    );
    assert_eq!(tokio::spawn(block).await.unwrap(), Ok(10));
    assert_eq!(
        log.lines(),
        [
            "body",
            "inner: over",
            "inner: dropped",
            "outer: over",
            "outer: dropped"
        ]
    );
}

#[tokio::test]
async fn what_a_context_does_not_borrow_is_dropped_before_it_is_entered() {
    let log = Log::new();
    let make = || Temporary(log.clone(), "argument");
    let block = async_with!(_ = named(make().0.clone(), "named"), async {
        Ok::<_, ContextError>(())
    });
    block.await.unwrap();
    assert_eq!(log.lines()[..2], ["argument: dropped", "named: setup"]);
}

#[tokio::test]
async fn move_takes_what_the_contexts_use_too() {
    let log = Log::new();
    let lines = log.clone();
    let block = async_with!(
        name = named(log.clone(), "a"),
        async move || -> Result<usize, BodyError> { Ok(name.len()) }
    );
    // It owns `log`, or it couldn't be a task.
    assert_eq!(tokio::spawn(block).await.unwrap(), Ok(1));
    assert_eq!(lines.count("a: over"), 1);
    let log = lines.clone();
    let block = async_with!(_ = named(log.clone(), "b"), async move {
        Ok::<_, BodyError>(log.lines().len())
    });
    assert_eq!(tokio::spawn(block).await.unwrap(), Ok(4));
}

#[tokio::test]
async fn suppression_shows_in_the_type() {
    let log = Log::new();
    let refused: Result<Option<u8>, BodyError> = async_with!(
        _ = forgiving(log.clone()),
        _ = named(log.clone(), "a"),
        async || -> Result<u8, BodyError> { Err(BodyError::Own("failed")) }
    )
    .await;
    assert_eq!(refused, Ok(None));
    let fine: Result<Option<u8>, Infallible> =
        async_with!(_ = forgiving(log.clone()), async { Ok(7) }).await;
    assert_eq!(fine, Ok(Some(7)));
    assert_eq!(log.count("forgiving: Failed"), 1);
}

#[tokio::test(start_paused = true)]
async fn the_body_is_inside_every_yield_point() {
    let log = Log::new();
    let end = async_with!(
        _ = impatient(log.clone()),
        _ = named(log.clone(), "a"),
        async || -> Result<(), BodyError> { pending().await }
    );
    assert_eq!(end.await, Err(BodyError::Context(ContextError("late"))));
    background::drain().await;
    assert_eq!(log.count("a: Cancelled with \"a\""), 1);
    assert_eq!(log.count("impatient: Err(Elapsed(()))"), 1);
}

#[tokio::test(start_paused = true)]
async fn dropped_before_its_end_it_rolls_back_inner_before_outer() {
    let log = Log::new();
    let block = async_with!(
        _ = named(log.clone(), "outer"),
        _ = named(log.clone(), "inner"),
        async || -> Result<(), BodyError> { pending().await }
    );
    assert!(timeout(Duration::from_millis(1), block).await.is_err());
    background::drain().await;
    assert_eq!(
        log.lines()[2..],
        [
            "inner: Cancelled with \"inner\"",
            "inner: over",
            "outer: Cancelled with \"outer\"",
            "outer: over"
        ]
    );
}

/// None of the names that the expansion uses can be seen, and none of the user's names disturb it.
#[tokio::test]
async fn any_name_is_free() {
    let log = Log::new();
    let opening = 1;
    let home = 2;
    let sum = async_with!(
        resource = named(log.clone(), "resource"),
        session = named(log.clone(), "session"),
        frame = named(log.clone(), "frame"),
        body = named(log.clone(), "body"),
        end = named(log.clone(), "end"),
        returned = named(log.clone(), "returned"),
        r#async = named(log.clone(), "r#async"),
        async || -> Result<usize, BodyError> {
            let all = [&*resource, session, frame, body, end, returned, r#async];
            Ok(opening + home + all.iter().map(|name| name.len()).sum::<usize>())
        }
    )
    .await;
    assert_eq!(sum, Ok(3 + 8 + 7 + 5 + 4 + 3 + 8 + 7));
}

/// A macro of the user's may pass a context's name and the body on.
#[tokio::test]
async fn written_by_a_macro() {
    macro_rules! logged {
        ($log:expr, $name:ident => $body:expr) => {
            async_with!(
                $name = named($log.clone(), stringify!($name)),
                async || -> Result<_, BodyError> { Ok($body) }
            )
        };
    }
    let log = Log::new();
    assert_eq!(logged!(log, session => session.len()).await, Ok(7));
}

/// Of whatever fragment.
#[tokio::test]
async fn a_body_that_a_macro_was_given() {
    macro_rules! whole {
        ($log:expr, $body:expr) => {
            async_with!(_ = named($log.clone(), "whole"), $body).await
        };
        (once more: $log:expr, $body:expr) => {
            whole!($log, $body)
        };
    }
    macro_rules! block {
        ($log:expr, $body:block) => {
            async_with!(_ = named($log.clone(), "block"), async $body).await
        };
        (moving: $log:expr, $body:block) => {
            async_with!(_ = named($log.clone(), "block"), async move $body,).await
        };
        ($ty:ty: $log:expr, $body:block) => {
            async_with!(_ = named($log.clone(), "block"), async || -> $ty $body).await
        };
    }
    macro_rules! expression {
        ($log:expr, $value:expr) => {
            async_with!(_ = named($log.clone(), "expression"), async || $value).await
        };
    }
    type Returned = Result<u8, BodyError>;
    let log = Log::new();
    assert_eq!(whole!(log, async || -> Returned { Ok(1) }), Ok(1));
    assert_eq!(whole!(log, async { Returned::Ok(2) }), Ok(2));
    assert_eq!(whole!(once more: log, async { Returned::Ok(3) }), Ok(3));
    assert_eq!(block!(log, { Returned::Ok(4) }), Ok(4));
    assert_eq!(block!(Returned: log, { Ok(5) }), Ok(5));
    assert_eq!(expression!(log, Returned::Ok(6)), Ok(6));
    assert_eq!(block!(moving: log, { Returned::Ok(7) }), Ok(7));
}

#[tokio::test]
async fn a_block_in_a_context_function() {
    #[async_context]
    async fn both(log: Log) -> Result<(), BodyError> {
        let exit = async_with!(
            _ = named(log.clone(), "a"),
            _ = named(log.clone(), "b"),
            async {
                let exit = yield_resource!();
                Ok::<_, BodyError>(matches!(exit, Exit::Completed))
            }
        )
        .await?;
        log.say(format!("completed: {exit}"));
    }
    let log = Log::new();
    assert_eq!(
        both(log.clone())
            .with(async |()| {
                log.say("body");
                Ok::<_, BodyError>(())
            })
            .await,
        Ok(())
    );
    assert_eq!(log.lines()[2..4], ["body", "b: Completed with \"b\""]);
    assert_eq!(
        log.lines().last().map(String::as_str),
        Some("completed: true")
    );
}
