//! Functions that take any context.

use contextlib::{
    AsyncContext, AsyncContextManager, BodyError, ContextOf, Exit, async_context, async_with,
    kind::{CanEnter, Infallible, Never},
    null_context, yield_resource,
};
use std::{fmt, io, sync::Mutex};

type Log = Mutex<Vec<String>>;

#[derive(Debug, PartialEq)]
struct AppError(&'static str);
impl From<io::Error> for AppError {
    fn from(_: io::Error) -> Self {
        AppError("io")
    }
}
impl From<fmt::Error> for AppError {
    fn from(_: fmt::Error) -> Self {
        AppError("fmt")
    }
}

#[async_context]
async fn number() -> io::Result<u8> {
    let mut number = 7;
    let _ = yield_resource!(number);
    if number > 100 {
        return Err(io::Error::other("too much"));
    }
}

#[async_context]
async fn two() -> u8 {
    let _ = yield_resource!(2);
}

#[async_context(on_cancel = drop)]
async fn logged(log: &Log) -> Result<u8, fmt::Error> {
    let exit = yield_resource!(3);
    log.lock().unwrap().push(format!("{exit:?}"));
}

struct Struct;

impl AsyncContextManager for Struct {
    type Resource = u8;
    type Kind = Infallible;

    async fn enter(&mut self) -> Result<u8, Never> {
        Ok(4)
    }

    async fn exit(&mut self, _: u8, _: Exit<'_>) -> Result<(), Never> {
        Ok(())
    }
}

async fn doubled(context: impl ContextOf<u8, AppError>) -> Result<u8, AppError> {
    let context = context.into_context_manager();
    context
        .with(async |number| {
            *number *= 2;
            Ok(*number)
        })
        .await
}

async fn run_in<T, R, E: BodyError>(
    context: impl ContextOf<T, E>,
    body: impl AsyncFnOnce(&mut T) -> Result<R, E>,
) -> Result<R, E> {
    async_with!(resource = context, async { body(resource).await }).await
}

async fn peek(
    context: impl ContextOf<u8, AppError, Context: AsyncContext<Kind: CanEnter>>,
) -> Option<u8> {
    let guard = context.enter().await.ok()?;
    let number = *guard;
    guard.exit().await.ok()?;
    Some(number)
}

#[tokio::test]
async fn of_every_sort() {
    let log = Log::default();
    assert_eq!(doubled(number()).await, Ok(14));
    assert_eq!(doubled(two()).await, Ok(4));
    assert_eq!(doubled(logged(&log)).await, Ok(6));
    assert_eq!(doubled(Struct).await, Ok(8));
    assert_eq!(doubled(number().boxed()).await, Ok(14));
    assert_eq!(doubled(null_context(5)).await, Ok(10));
    assert_eq!(*log.lock().unwrap(), ["Completed"]);
}

#[tokio::test]
async fn in_a_task() {
    let doubled = tokio::spawn(doubled(number()));
    assert_eq!(doubled.await.unwrap(), Ok(14));
    let sum = tokio::spawn(run_in((number(), two()), async |(number, two)| {
        Ok::<_, AppError>(*number + *two)
    }));
    assert_eq!(sum.await.unwrap(), Ok(9));
}

#[tokio::test]
async fn its_errors_become_those_of_the_function() {
    let log = Log::default();
    let failed = run_in(number(), async |number| {
        *number = 101;
        Ok::<_, AppError>(())
    });
    assert_eq!(failed.await, Err(AppError("io")));
    let failed = run_in(logged(&log), async |_| Err::<(), _>(AppError("body")));
    assert_eq!(failed.await, Err(AppError("body")));
    assert_eq!(*log.lock().unwrap(), [r#"Failed(AppError("body"))"#]);
}

#[tokio::test]
async fn entered() {
    assert_eq!(peek(number()).await, Some(7));
    assert_eq!(peek(two()).await, Some(2));
    assert_eq!(peek(Struct).await, Some(4));
}
