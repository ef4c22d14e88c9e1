//! A path that returns success without yielding panics, and says which function, where, and what it did. It never hangs.

use contextlib::{async_context, yield_resource};
use contextlib_tests::{BodyError, ContextError, Log, message, quiet, yields};
use futures::{FutureExt, executor::block_on};
use std::{
    future::{Future, pending},
    panic::AssertUnwindSafe,
};

/// Its own line is named, wherever its attributes are.
#[async_context]
#[must_use]
async fn forgets_to_yield(yields_it: bool) -> Result<u8, ContextError> {
    yields(1).await;
    if yields_it {
        let _ = yield_resource!(1);
    }
}
/// Where its name is.
const LINE: u32 = line!() - 7;

// What the attribute can see to be a success is refused.
fn well() -> Result<(), ContextError> {
    Ok(())
}
fn nothing() {}

#[async_context]
async fn fails_before_it_yields(how: u8) -> Result<u8, ContextError> {
    if how == 0 {
        return Err(ContextError("before"));
    }
    if how == 1 {
        return well();
    }
    let _ = yield_resource!(1);
}

#[async_context]
async fn infallible(returns: bool) -> u8 {
    if returns {
        return nothing();
    }
    let _ = yield_resource!(1);
}

#[async_context(suppress)]
async fn suppressing(yields_it: bool) -> Result<u8, ContextError> {
    if yields_it {
        let _ = yield_resource!(1);
    }
}

/// Makes its yield point, and drops it before or after its first poll.
#[async_context(on_cancel = drop)]
async fn drops_its_yield_point(polls: bool) -> Result<u8, ContextError> {
    let mut yields_it = Box::pin(async { yield_resource!(move 1).0 });
    if polls {
        assert!(futures::poll!(yields_it.as_mut()).is_pending());
    }
    drop(yields_it);
}

/// The panic of a future.
#[track_caller]
fn panic_of<F: Future>(future: F) -> String {
    let _quiet = quiet();
    match block_on(AssertUnwindSafe(future).catch_unwind()) {
        Ok(_) => panic!("it should have panicked"),
        Err(payload) => message(&*payload).to_owned(),
    }
}

#[track_caller]
fn assert_names(text: &str, function: &str) {
    assert!(text.contains(&format!("`{function}`")), "{text}");
    assert!(text.contains(file!()), "{text}");
    assert!(text.contains("without yielding"), "{text}");
}

#[test]
fn it_panics_in_every_style() {
    async fn body(_: &mut u8) -> Result<(), BodyError> {
        unreachable!("there is nothing to run it with")
    }
    let text = panic_of(forgets_to_yield(false).enter());
    assert_names(&text, "forgets_to_yield");
    assert!(
        text.contains(&format!("{}:{LINE}:", file!())),
        "{text}, line {LINE}"
    );
    assert_names(
        &panic_of(forgets_to_yield(false).with(body)),
        "forgets_to_yield",
    );
    assert_names(
        &panic_of(forgets_to_yield(false).with_local(body)),
        "forgets_to_yield",
    );
    assert_names(
        &panic_of(forgets_to_yield(false).outcome(body)),
        "forgets_to_yield",
    );
    let block = async {
        contextlib::async_with!(
            _ = forgets_to_yield(false),
            async || -> Result<(), BodyError> { Ok(()) }
        )
        .await
    };
    assert_names(&panic_of(block), "forgets_to_yield");
    assert_names(
        &panic_of(fails_before_it_yields(1).with(body)),
        "fails_before_it_yields",
    );
    assert_names(&panic_of(infallible(true).run(async |_| ())), "infallible");
    assert_names(&panic_of(infallible(true).enter()), "infallible");
    assert_names(&panic_of(suppressing(false).with(body)), "suppressing");
    assert_names(
        &panic_of(drops_its_yield_point(false).with(body)),
        "drops_its_yield_point",
    );
    // Polled with a body, a yield point has run it.
    let text = panic_of(
        drops_its_yield_point(true).with(async |_| -> Result<(), BodyError> { pending().await }),
    );
    assert!(text.contains("`drops_its_yield_point`"), "{text}");
    assert!(text.contains("ended its body early"), "{text}");
}

#[test]
fn other_paths_are_not_affected() {
    assert!(block_on(forgets_to_yield(true).enter()).is_ok());
    assert_eq!(
        block_on(fails_before_it_yields(0).enter()).err(),
        Some(ContextError("before"))
    );
    assert_eq!(block_on(infallible(false).run(async |one| *one)), 1);
}

/// As for promise 12: a context that drops its yield point while the body runs, and then returns success.
#[test]
fn ending_the_body_early_and_returning_success_is_named_too() {
    #[async_context(on_cancel = drop)]
    async fn ends_its_body(log: &Log) -> Result<(), ContextError> {
        tokio::select! {
            biased;
            _ = async { yield_resource!(move ()) } => {}
            () = yields(2) => log.say("early"),
        }
    }
    let log = Log::new();
    let text = panic_of(
        ends_its_body(&log)
            .with(async |()| -> Result<(), BodyError> { std::future::pending().await }),
    );
    assert!(
        text.contains("`ends_its_body`")
            && text.contains(file!())
            && text.contains("ended its body early"),
        "{text}"
    );
    assert_eq!(log.lines(), ["early"]);
}

/// What is only planned yet compiles, without a warning.
mod sketches {
    #![deny(warnings)]

    use contextlib::async_context;
    use contextlib_tests::ContextError;

    #[async_context]
    pub(super) async fn empty() -> String {
        todo!()
    }

    #[async_context(suppress)]
    pub(super) async fn begun(number: u8) -> Result<Vec<u8>, ContextError> {
        if number > 1 {
            return Err(ContextError("too many"));
        }
        std::unimplemented!("the rest of {number}");
    }

    #[async_context(boxed, on_cancel = block)]
    pub(super) async fn borrows(text: &str) -> std::io::Result<&str> {
        panic!("no {text}")
    }
}

#[test]
fn a_sketch_panics_as_it_says() {
    assert_eq!(panic_of(sketches::empty().enter()), "not yet implemented");
    assert_eq!(
        panic_of(sketches::begun(1).enter()),
        "not implemented: the rest of 1"
    );
    assert_eq!(panic_of(sketches::borrows("text").enter()), "no text");
    assert!(block_on(sketches::begun(2).enter()).is_err());
}
