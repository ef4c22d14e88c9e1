//! A yield inside an `async` block, a closure or another's macro makes a wrapping context, which has no guard; an argument overrides the guess.
//! One marker says fallible, suppressing, wrapping. (That `enter` on a wrapping context is an error is in `ui`.)

use contextlib::{
    AsyncContext, ContextManager, async_context,
    kind::{Fallible, Guarded, Infallible, Kind, Strict, Suppressing, Wrapping},
    yield_resource,
};
use contextlib_tests::{BodyError, ContextError, Log};
use futures::executor::block_on;

fn is<K: Kind>(_: &ContextManager<impl AsyncContext<Kind = K>>) {}

#[async_context]
async fn direct() -> Result<u8, ContextError> {
    let _ = yield_resource!(1);
}

#[async_context]
async fn in_async_block() -> Result<u8, ContextError> {
    async { yield_resource!(1).kind() }.await;
}

#[async_context]
async fn in_async_move_block() -> u8 {
    async move { yield_resource!(1).kind() }.await;
}

#[async_context]
async fn in_async_closure() -> u8 {
    (async || yield_resource!(1).kind())().await;
}

#[async_context]
async fn in_select() -> u8 {
    tokio::select! {
        _ = async { yield_resource!(1).kind() } => {}
    }
}

macro_rules! same {
    ($($tokens:tt)*) => {
        $($tokens)*
    };
}

#[async_context]
async fn in_another_macro() -> u8 {
    same!(let _ = yield_resource!(1););
}

#[async_context(guard)]
async fn in_another_macro_that_wraps_nothing() -> u8 {
    same!(let _ = yield_resource!(1););
}

#[async_context]
async fn in_macros_of_std(log: Log) -> u8 {
    log.say(format!(
        "{}",
        matches!(yield_resource!(1), contextlib::Exit::Completed)
    ));
}

#[async_context]
async fn in_plain_nesting(how: bool) -> u8 {
    match how {
        true if how => if yield_resource!(1).is_failed() {},
        _ => loop {
            let _ = yield_resource!(2);
            break;
        },
    }
}

#[async_context(suppress)]
async fn suppressing() -> Result<u8, ContextError> {
    yield_resource!(1).suppress();
}

#[async_context(suppress)]
async fn suppressing_and_infallible() {
    yield_resource!().suppress();
}

#[async_context(suppress)]
async fn suppressing_and_wrapping() -> Result<u8, ContextError> {
    async { yield_resource!(1).suppress() }.await;
}

#[async_context(suppress, guard)]
async fn suppressing_and_guarded() {
    async { yield_resource!().suppress() }.await;
}

#[async_context(wrapping)]
async fn wrapping_by_its_word() -> u8 {
    let _ = yield_resource!(1);
}

trait Declares {
    #[async_context(wrapping)]
    async fn declared(self) -> u8;
}
impl Declares for u8 {
    #[async_context]
    async fn declared(self) -> u8 {
        let _ = async { yield_resource!(self).kind() }.await;
    }
}

#[test]
fn the_marker_says_it() {
    is::<Fallible<ContextError, Strict, Guarded>>(&direct());
    is::<Fallible<ContextError, Strict, Wrapping>>(&in_async_block());
    is::<Infallible<Strict, Wrapping>>(&in_async_move_block());
    is::<Infallible<Strict, Wrapping>>(&in_async_closure());
    is::<Infallible<Strict, Wrapping>>(&in_select());
    is::<Infallible<Strict, Wrapping>>(&in_another_macro());
    is::<Infallible<Strict, Wrapping>>(&wrapping_by_its_word());
    is::<Infallible<Strict, Wrapping>>(&1.declared());
    is::<Infallible<Strict, Guarded>>(&in_another_macro_that_wraps_nothing());
    is::<Infallible<Strict, Guarded>>(&in_macros_of_std(Log::new()));
    is::<Infallible<Strict, Guarded>>(&in_plain_nesting(true));
    is::<Fallible<ContextError, Suppressing, Guarded>>(&suppressing());
    is::<Infallible<Suppressing, Guarded>>(&suppressing_and_infallible());
    is::<Fallible<ContextError, Suppressing, Wrapping>>(&suppressing_and_wrapping());
    is::<Infallible<Suppressing, Guarded>>(&suppressing_and_guarded());
}

#[test]
fn all_of_them_run() {
    let body = async |_: &mut u8| -> Result<u8, BodyError> { Ok(1) };
    assert_eq!(block_on(direct().with(body)), Ok(1));
    assert_eq!(block_on(in_async_block().with(body)), Ok(1));
    assert_eq!(block_on(in_async_move_block().with(body)), Ok(1));
    assert_eq!(block_on(in_async_closure().with(body)), Ok(1));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(runtime.block_on(in_select().with(body)), Ok(1));
    assert_eq!(block_on(in_another_macro().with(body)), Ok(1));
    assert_eq!(block_on(wrapping_by_its_word().with(body)), Ok(1));
    assert_eq!(block_on(7.declared().run(async |seven| *seven)), 7);
    assert_eq!(block_on(in_plain_nesting(false).run(async |two| *two)), 2);
    assert_eq!(
        block_on(
            suppressing_and_wrapping()
                .with(async |_| -> Result<(), BodyError> { Err(BodyError::Own("gone")) })
        ),
        Ok(None)
    );
    let block =
        contextlib::async_with!(one = in_async_block(), async || -> Result<u8, BodyError> {
            Ok(*one)
        });
    assert_eq!(block_on(block), Ok(1));
}

#[test]
fn those_with_a_guard_have_one() {
    let Ok(guard) = block_on(in_another_macro_that_wraps_nothing().enter());
    let Ok(()) = block_on(guard.exit());
    let log = Log::new();
    let Ok(guard) = block_on(in_macros_of_std(log.clone()).enter());
    let Ok(()) = block_on(guard.exit());
    assert_eq!(log.lines(), ["true"]);
    let Ok(guard) = block_on(in_plain_nesting(true).enter());
    let Ok(()) = block_on(guard.exit());
    let Ok(guard) = block_on(suppressing_and_guarded().enter());
    assert_eq!(
        block_on(guard.exit_with(Err::<(), _>(BodyError::Own("gone")))),
        Ok(None)
    );
}
