//! A context's error reaches the caller as the body's error type; an infallible context asks for no conversion. Which of two failures is returned,
//! and that the other is reported, is in promise 12.

use contextlib::{async_context, yield_resource};
use contextlib_tests::{ContextError, Reports};
use std::{fmt, io};

#[async_context]
async fn fallible(fails: bool) -> Result<u8, ContextError> {
    let _ = yield_resource!(1);
    if fails {
        Err(ContextError("teardown"))
    } else {
        Ok(())
    }
}

#[async_context]
async fn infallible() -> u8 {
    let _ = yield_resource!(1);
}

#[tokio::test]
async fn from_turns_the_contexts_error_into_the_bodys() {
    // Its own type.
    assert_eq!(
        fallible(true)
            .with(async |_| -> Result<(), ContextError> { Ok(()) })
            .await,
        Err(ContextError("teardown"))
    );
    // A box.
    #[derive(Debug)]
    struct Failed(ContextError);
    impl fmt::Display for Failed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0.0)
        }
    }
    impl std::error::Error for Failed {}
    #[async_context]
    async fn boxed() -> Result<u8, Failed> {
        let _ = yield_resource!(1);
        Err(Failed(ContextError("boxed")))
    }
    let error = boxed()
        .with(async |_| -> Result<(), Box<dyn std::error::Error + Send + Sync>> { Ok(()) })
        .await;
    assert_eq!(error.unwrap_err().to_string(), "boxed");
    // Where `?` decides what it is.
    async fn inferred() -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
        let one = boxed()
            .with(
                async |one: &mut u8| -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
                    Ok(*one)
                },
            )
            .await?;
        Ok(one)
    }
    assert!(inferred().await.is_err());
    async fn returned(fails: bool) -> Result<u8, ContextError> {
        fallible(fails).with(async |one| Ok(*one)).await
    }
    assert_eq!(
        (returned(true).await, returned(false).await),
        (Err(ContextError("teardown")), Ok(1))
    );
}

/// No `From` to be had.
#[derive(Debug, PartialEq)]
struct Unrelated;

#[tokio::test]
async fn an_infallible_context_asks_for_no_from() {
    assert_eq!(
        infallible()
            .with(async |_| -> Result<(), Unrelated> { Err(Unrelated) })
            .await,
        Err(Unrelated)
    );
    assert_eq!(infallible().run(async |one| *one).await, 1);
    // What looks like an error is a value to `run`.
    assert_eq!(
        infallible()
            .run(async |_| -> Result<(), Unrelated> { Err(Unrelated) })
            .await,
        Err(Unrelated)
    );
    let Ok(guard) = infallible().enter().await;
    assert_eq!(
        guard.exit_with(Err::<(), _>(Unrelated)).await,
        Err(Unrelated)
    );
    let Ok(guard) = infallible().enter().await;
    let Ok(()) = guard.exit().await;
}

#[tokio::test]
async fn outcome_converts_nothing() {
    let reports = Reports::keep();
    let outcome = fallible(true)
        .outcome(async |_| -> Result<(), Unrelated> { Err(Unrelated) })
        .await;
    assert_eq!(
        (outcome.body, outcome.context),
        (Some(Err(Unrelated)), Err(ContextError("teardown")))
    );
    let outcome = infallible()
        .outcome(async |_| -> Result<u8, Unrelated> { Ok(1) })
        .await;
    assert_eq!(
        (outcome.body, outcome.context, outcome.suppressed),
        (Some(Ok(1)), Ok(()), false)
    );
    assert_eq!(reports.take(), [""; 0]);
}

/// Nested contexts: each level's failure is returned or reported once, from the inside out.
#[tokio::test]
async fn every_failure_of_several_levels_is_to_be_found() {
    #[async_context]
    async fn level(name: &'static str) -> Result<(), ContextError> {
        let _ = yield_resource!();
        Err(ContextError(name))
    }
    let reports = Reports::keep();
    let result = level("outer")
        .with(async |()| {
            level("middle")
                .with(async |()| {
                    level("inner")
                        .with(async |()| -> Result<(), ContextError> { Err(ContextError("body")) })
                        .await
                })
                .await
        })
        .await;
    assert_eq!(result, Err(ContextError("body")));
    let reported = ["inner", "middle", "outer"]
        .map(|name| format!("level failed: ContextError(\"{name}\") after failed"));
    assert_eq!(reports.take(), reported);
    // The innermost failure is what the outer ones see.
    let result = level("outer")
        .with(async |()| {
            level("inner")
                .with(async |()| -> Result<(), ContextError> { Ok(()) })
                .await
        })
        .await;
    assert_eq!(result, Err(ContextError("inner")));
    assert_eq!(
        reports.take(),
        ["level failed: ContextError(\"outer\") after failed"]
    );
}

/// A context that makes the body's error its own has to be asked for with `outcome`; the body's stays the returned one.
#[tokio::test]
async fn a_context_that_rewraps_the_bodys_error() {
    #[async_context]
    async fn rewraps() -> io::Result<()> {
        let exit = yield_resource!();
        if let Some(error) = exit.error() {
            return Err(io::Error::other(format!("rewrapped {error:?}")));
        }
    }
    let reports = Reports::keep();
    let outcome = rewraps()
        .outcome(async |()| -> Result<(), Unrelated> { Err(Unrelated) })
        .await;
    assert_eq!(outcome.body, Some(Err(Unrelated)));
    assert_eq!(
        outcome.context.unwrap_err().to_string(),
        "rewrapped Unrelated"
    );
    assert_eq!(reports.take(), [""; 0]);
}
