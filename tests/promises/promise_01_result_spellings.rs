//! What a context yields and fails with follows from its return type, however that is spelt; an argument overrides the guess.

use contextlib::{
    AsyncContext, ContextManager, async_context,
    kind::{Fallible, Infallible},
    yield_resource,
};
use contextlib_tests::ContextError;
use futures::executor::block_on;
use std::{fmt, io};

fn fails_with<T, E: fmt::Debug>(
    _: &ContextManager<impl AsyncContext<Resource = T, Kind = Fallible<E>>>,
) {
}
fn cannot_fail<T>(_: &ContextManager<impl AsyncContext<Resource = T, Kind = Infallible>>) {}

/// As `anyhow` has it: an alias with a default.
mod anyhow {
    #[derive(Debug)]
    pub(super) struct Error(#[expect(dead_code, reason = "printed")] pub(super) String);
    impl<E: std::error::Error> From<E> for Error {
        fn from(error: E) -> Self {
            Error(error.to_string())
        }
    }
    pub(super) type Result<T, E = Error> = std::result::Result<T, E>;
}

type AppResult<T> = Result<T, ContextError>;
type Fixed = Result<u8, ContextError>;
type Opened<T> = Result<T, ContextError>;

#[async_context]
async fn short() -> Result<u8, ContextError> {
    let _ = yield_resource!(1);
}

#[async_context]
async fn std_path() -> std::result::Result<u8, ContextError> {
    let _ = yield_resource!(1);
}

#[async_context]
async fn absolute_path() -> ::core::result::Result<u8, ContextError> {
    let _ = yield_resource!(1);
}

#[async_context]
async fn of_io() -> io::Result<u8> {
    let _ = yield_resource!("1".parse().map_err(io::Error::other)?);
}

#[async_context]
async fn of_anyhow() -> anyhow::Result<u8> {
    let _ = yield_resource!("1".parse()?);
    "2".parse::<u8>()?;
}

#[async_context]
async fn of_anyhow_with_an_error() -> anyhow::Result<u8, ContextError> {
    let _ = yield_resource!(1);
}

#[async_context]
async fn alias() -> AppResult<u8> {
    let _ = yield_resource!(1);
    Ok(())
}

#[async_context(fallible)]
async fn alias_without_arguments() -> Fixed {
    let _ = yield_resource!(1);
}

#[async_context(fallible)]
async fn alias_of_another_name() -> Opened<u8> {
    let _ = yield_resource!(1);
    Err(ContextError("on purpose"))
}

#[async_context]
async fn nested_result() -> Result<Result<u8, String>, ContextError> {
    let _ = yield_resource!(Ok(1));
}

#[async_context]
async fn parenthesised() -> (Result<u8, ContextError>) {
    let _ = yield_resource!(1);
}

macro_rules! typed {
    ($name:ident -> $ty:ty) => {
        #[async_context]
        async fn $name() -> $ty {
            let _ = yield_resource!(1);
        }
    };
}
typed!(from_a_macro -> Result<u8, ContextError>);
typed!(infallible_from_a_macro -> u8);

#[test]
fn fallible_contexts() {
    fails_with::<u8, ContextError>(&short());
    fails_with::<u8, ContextError>(&std_path());
    fails_with::<u8, ContextError>(&absolute_path());
    fails_with::<u8, io::Error>(&of_io());
    fails_with::<u8, anyhow::Error>(&of_anyhow());
    fails_with::<u8, ContextError>(&of_anyhow_with_an_error());
    fails_with::<u8, ContextError>(&alias());
    fails_with::<u8, ContextError>(&alias_without_arguments());
    fails_with::<u8, ContextError>(&alias_of_another_name());
    fails_with::<Result<u8, String>, ContextError>(&nested_result());
    fails_with::<u8, ContextError>(&parenthesised());
    fails_with::<u8, ContextError>(&from_a_macro());
    let body = async |value: &mut u8| -> Result<u8, ContextError> { Ok(*value) };
    assert_eq!(block_on(short().with(body)), Ok(1));
    assert_eq!(
        block_on(alias_of_another_name().with(body)),
        Err(ContextError("on purpose"))
    );
    assert!(block_on(of_anyhow().with(async |value| -> anyhow::Result<u8> { Ok(*value) })).is_ok());
}

#[async_context]
async fn nothing() {
    let _ = yield_resource!();
}

#[async_context]
async fn unit() -> () {
    let _ = yield_resource!();
}

#[async_context]
async fn value() -> u8 {
    let _ = yield_resource!(1);
}

#[async_context]
async fn option() -> Option<Result<u8, ContextError>> {
    let _ = yield_resource!(Some(Ok(1)));
}

/// A resource whose name ends as an error's wrapper would.
#[derive(Debug, PartialEq)]
struct QueryResult(u8);

#[async_context(infallible)]
async fn a_resource_named_so() -> QueryResult {
    let _ = yield_resource!(QueryResult(1));
}

#[async_context(infallible)]
async fn a_result_as_the_resource() -> Result<u8, ContextError> {
    let _ = yield_resource!(Err(ContextError("yielded")));
}

#[async_context]
async fn opaque() -> impl Iterator<Item = u8> + Send {
    let _ = yield_resource!([1, 2].into_iter());
}

#[async_context]
async fn opaque_and_fallible() -> Result<impl Iterator<Item = u8> + Send, ContextError> {
    let _ = yield_resource!([1, 2].into_iter());
}

#[test]
fn infallible_contexts() {
    cannot_fail::<()>(&nothing());
    cannot_fail::<()>(&unit());
    cannot_fail::<u8>(&value());
    cannot_fail::<u8>(&infallible_from_a_macro());
    cannot_fail::<Option<Result<u8, ContextError>>>(&option());
    cannot_fail::<QueryResult>(&a_resource_named_so());
    cannot_fail::<Result<u8, ContextError>>(&a_result_as_the_resource());
    assert_eq!(
        block_on(a_result_as_the_resource().run(async |result| result.take_error())),
        Some(ContextError("yielded"))
    );
    assert_eq!(
        block_on(opaque().run(async |numbers| numbers.sum::<u8>())),
        3
    );
    let with = opaque_and_fallible()
        .with(async |numbers| -> Result<u8, ContextError> { Ok(numbers.sum()) });
    assert_eq!(block_on(with), Ok(3));
}

trait TakeError {
    fn take_error(&mut self) -> Option<ContextError>;
}
impl TakeError for Result<u8, ContextError> {
    fn take_error(&mut self) -> Option<ContextError> {
        std::mem::replace(self, Ok(0)).err()
    }
}
