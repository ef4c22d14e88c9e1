//! `#[within]`: functions that run inside contexts.

use contextlib::{async_context, async_with, background, within, yield_resource};
use contextlib_tests::{BodyError, ContextError, Log, last_kept, message, quiet};
use std::{fmt::Display, future::pending, time::Duration};
use tokio::time::timeout;

#[async_context]
async fn numbers(log: Log) -> Vec<u32> {
    let mut numbers = vec![1];
    let exit = yield_resource!(numbers);
    tokio::task::yield_now().await;
    log.say(format!("{:?} with {numbers:?}", exit.kind()));
}

#[async_context]
async fn fallible(log: Log, fails: &'static str) -> Result<u32, ContextError> {
    if fails == "setup" {
        return Err(ContextError("setup"));
    }
    let mut number = 7;
    let exit = yield_resource!(number);
    log.say(format!("{number} after {:?}", exit.kind()));
    if fails == "teardown" {
        return Err(ContextError("teardown"));
    }
}

#[async_context(suppress)]
async fn forgiving() {
    yield_resource!().suppress();
}

/// Borrows from its argument, and lends what borrows.
#[async_context(on_cancel = drop)]
async fn rest(numbers: &mut [u32]) -> &mut [u32] {
    let mut rest = &mut numbers[1..];
    let _ = yield_resource!(rest);
}

mod arguments {
    use super::*;

    #[within(numbers = numbers(log.clone()))]
    async fn injected(log: Log, numbers: &mut Vec<u32>, more: u32) -> usize {
        numbers.push(more);
        log.say("body");
        numbers.len()
    }

    #[tokio::test]
    async fn a_named_context_takes_the_arguments_place() {
        let log = Log::new();
        assert_eq!(injected(log.clone(), 2).await, 2);
        assert_eq!(log.lines(), ["body", "Completed with [1, 2]"]);
    }

    #[within(numbers(log.clone()), _ = numbers(log.clone()))]
    async fn decorated(log: Log) {
        log.say("body");
    }

    #[tokio::test]
    async fn a_context_without_a_name_only_runs_around() {
        let log = Log::new();
        decorated(log.clone()).await;
        assert_eq!(
            log.lines(),
            ["body", "Completed with [1]", "Completed with [1]"]
        );
    }

    #[within(all = numbers(log), rest = rest(all))]
    async fn dependent(log: Log, first: u32, rest: &mut [u32]) -> usize {
        rest.len() + first as usize
    }

    #[tokio::test]
    async fn a_later_context_uses_an_earlier_resource() {
        let log = Log::new();
        assert_eq!(dependent(log.clone(), 10).await, 10);
        assert_eq!(log.lines(), ["Completed with [1]"]);
    }

    struct State<T>(T);

    /// As an axum handler takes its state apart.
    #[within(numbers = numbers(log.clone()))]
    async fn handler(
        State(log): State<Log>,
        mut numbers: &mut Vec<u32>,
        (a, b): (u32, u32),
    ) -> Result<impl Display + use<>, BodyError> {
        numbers.push("2".parse().map_err(|_| BodyError::Own("parse"))?);
        numbers = &mut *numbers;
        log.say("body");
        if a == 0 {
            return Err(BodyError::Own("zero"));
        }
        Ok(format!("{}", numbers.iter().sum::<u32>() + a + b))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn patterns_and_impl_trait_in_a_spawned_task() {
        let log = Log::new();
        let task = tokio::spawn(handler(State(log.clone()), (3, 4)));
        assert_eq!(task.await.unwrap().unwrap().to_string(), "10");
        assert_eq!(
            handler(State(log.clone()), (0, 0)).await.err(),
            Some(BodyError::Own("zero"))
        );
        assert_eq!(
            log.lines()[1..],
            ["Completed with [1, 2]", "body", "Failed with [1, 2]"]
        );
    }

    #[within(numbers = numbers(log))]
    async fn generic<T: Into<u32> + Send, const N: usize>(
        log: Log,
        numbers: &mut impl Extend<u32>,
        more: [T; N],
    ) -> usize {
        numbers.extend(more.map(Into::into));
        N
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn generics() {
        let log = Log::new();
        assert_eq!(
            tokio::spawn(generic(log.clone(), [2_u8, 3])).await.unwrap(),
            2
        );
        assert_eq!(log.lines(), ["Completed with [1, 2, 3]"]);
    }

    /// Its arguments have the names of the expansion's own variables.
    #[within(resource = numbers(log.clone()), home = numbers(log.clone()))]
    async fn any_name(
        log: Log,
        session: u32,
        frame: u32,
        opening: u32,
        resource: &mut Vec<u32>,
        home: &mut Vec<u32>,
    ) -> usize {
        let body = [session, frame, opening];
        resource.extend(body);
        home.extend(body);
        resource.len() + home.len()
    }

    #[tokio::test]
    async fn any_name_is_free() {
        assert_eq!(any_name(Log::new(), 1, 2, 3).await, 8);
    }
}

/// Borrows its name, and lends how long that is.
#[async_context(on_cancel = drop)]
async fn length(name: &str) -> usize {
    let _ = yield_resource!(name.len());
}

#[within(outer = length(&format!("{name}!")), inner = length(&outer.to_string()))]
async fn borrows_temporaries(name: &str, inner: &mut usize) -> usize {
    tokio::task::yield_now().await;
    *outer + *inner
}

#[tokio::test]
async fn what_a_context_borrows_needs_no_name() {
    assert_eq!(tokio::spawn(borrows_temporaries("name")).await.unwrap(), 6);
}

#[async_context(on_cancel = drop)]
async fn lent(mut number: &mut u32) -> &mut u32 {
    let _ = yield_resource!(number);
}

#[within(number = lent(&mut 1))]
async fn borrows_a_constant(number: &mut u32) -> u32 {
    tokio::task::yield_now().await;
    *number += 1;
    *number
}

#[tokio::test]
async fn a_constant_that_is_borrowed_to_be_written_to_needs_no_name() {
    assert_eq!(borrows_a_constant().await, 2);
    let block = async_with!(
        one = lent(&mut 1),
        two = lent(&mut 7),
        async || -> Result<u32, BodyError> {
            **one += 1;
            **two -= **one;
            Ok(**two)
        }
    );
    assert_eq!(block.await, Ok(5));
}

#[async_context]
async fn said(log: Log, mut name: &'static str) -> &'static str {
    log.say(format!("+{name}"));
    let _ = yield_resource!(name);
    log.say(format!("-{name}"));
}

/// As of Python's decorators, the upper one is around the lower one.
#[tokio::test]
async fn one_above_another_is_around_that() {
    #[within(said(log.clone(), "outer"), middle = said(log.clone(), "middle"),)]
    #[allow(clippy::needless_pass_by_value)]
    #[within(inner = said(log.clone(), "inner"))]
    async fn both(log: Log, middle: &mut &'static str, inner: &mut &'static str) {
        log.say(format!("{middle} {inner}"));
    }

    let log = Log::new();
    both(log.clone()).await;
    let lines = log.lines();
    assert_eq!(
        lines,
        [
            "+outer",
            "+middle",
            "+inner",
            "middle inner",
            "-inner",
            "-middle",
            "-outer"
        ]
    );
}

mod methods {
    use super::*;

    struct Store {
        log: Log,
        sum: u32,
        name: String,
    }

    impl Store {
        #[within(numbers = numbers(self.log.clone()))]
        async fn read(&self, numbers: &mut Vec<u32>) -> u32 {
            numbers.push(2);
            self.sum + numbers.iter().sum::<u32>()
        }

        #[within(numbers = numbers(self.log.clone()))]
        async fn write(
            &mut self,
            numbers: &mut Vec<u32>,
            more: u32,
        ) -> Result<&mut Self, BodyError> {
            numbers.push(more);
            self.sum += numbers.iter().sum::<u32>();
            Ok(self)
        }

        #[within(_ = numbers(self.log.clone()))]
        async fn name(&self) -> &str {
            &self.name
        }

        #[within(_ = numbers(self.log.clone()))]
        async fn consume(self) -> String {
            self.name
        }
    }

    fn store() -> Store {
        Store {
            log: Log::new(),
            sum: 10,
            name: String::from("store"),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn with_every_receiver_and_in_a_task() {
        let mut store = store();
        assert_eq!(store.read().await, 13);
        assert_eq!(
            store.write(5).await.unwrap().write(5).await.unwrap().sum,
            22
        );
        assert_eq!(store.name().await, "store");
        let task = tokio::spawn(async move {
            store.write(1).await.unwrap();
            (
                store.read().await,
                store.log.lines().len(),
                store.consume().await,
            )
        });
        assert_eq!(task.await.unwrap(), (27, 6, String::from("store")));
    }
}

mod errors {
    use super::*;

    #[within(number = fallible(log.clone(), fails))]
    async fn typed(
        log: Log,
        fails: &'static str,
        number: &mut u32,
        body: Result<u32, BodyError>,
    ) -> Result<u32, BodyError> {
        *number += 1;
        let more = body?;
        Ok(*number + more)
    }

    #[tokio::test]
    async fn a_contexts_error_becomes_the_functions() {
        let log = Log::new();
        assert_eq!(typed(log.clone(), "", Ok(1)).await, Ok(9));
        assert_eq!(
            typed(log.clone(), "setup", Ok(1)).await,
            Err(BodyError::Context(ContextError("setup")))
        );
        assert_eq!(
            typed(log.clone(), "teardown", Ok(1)).await,
            Err(BodyError::Context(ContextError("teardown")))
        );
        assert_eq!(
            typed(log.clone(), "", Err(BodyError::Own("body"))).await,
            Err(BodyError::Own("body"))
        );
        assert_eq!(
            log.lines(),
            ["8 after Completed", "8 after Completed", "8 after Failed"]
        );
    }

    #[within(number = fallible(Log::new(), fails))]
    async fn plain(fails: &'static str, number: &mut u32) -> u32 {
        *number
    }

    #[tokio::test]
    async fn where_there_is_no_error_type_it_is_a_panic_that_names_the_context() {
        assert_eq!(plain("").await, 7);
        for fails in ["setup", "teardown"] {
            let _quiet = quiet();
            let panic = tokio::spawn(plain(fails)).await.unwrap_err().into_panic();
            let said = message(&*panic);
            assert!(
                said.contains("fallible")
                    && said.contains(file!())
                    && said.contains(&format!("ContextError({fails:?})")),
                "{said}"
            );
            // At the user's attribute, not in the library.
            let shown = last_kept();
            let place = format!("panicked at {}:", file!());
            assert!(shown.starts_with(&place), "{shown}");
        }
    }

    type Answer = Result<u32, BodyError>;
    struct QueryResult(u32);

    #[within(number = fallible(Log::new(), "setup"), fallible)]
    async fn alias(number: &mut u32) -> Answer {
        Ok(*number)
    }

    #[within(infallible, number = fallible(Log::new(), ""))]
    async fn no_result(number: &mut u32) -> QueryResult {
        QueryResult(*number)
    }

    #[tokio::test]
    async fn the_guess_can_be_overridden() {
        assert_eq!(
            alias().await,
            Err(BodyError::Context(ContextError("setup")))
        );
        assert_eq!(no_result().await.0, 7);
    }

    trait Answers: std::fmt::Debug {}
    impl<T: std::fmt::Debug, E: std::fmt::Debug> Answers for Result<T, E> {}

    #[within(fallible, fallible(log, ""))]
    async fn behind_a_trait(log: Log, number: u32) -> impl Answers {
        match number {
            0 => Err(BodyError::Own("body")),
            number => Ok(number),
        }
    }

    #[within(infallible, fallible(log, ""))]
    async fn a_value_like_any_other(log: Log) -> Answer {
        Err(BodyError::Own("no failure"))
    }

    // On one line: no warning of braces.
    #[within(fallible(log, ""))]
    #[rustfmt::skip]
    async fn shown(log: Log) -> impl std::fmt::Display { 7 }

    #[within(fallible(log, ""))]
    async fn whatever<T: Default>(log: Log) -> T {
        T::default()
    }

    #[within(fallible(log, ""))]
    async fn endless(log: Log) -> ! {
        loop {
            tokio::task::yield_now().await;
        }
    }

    #[within(fallible(log, ""))]
    async fn sketched(log: Log) -> impl Sized {
        todo!()
    }

    #[tokio::test]
    async fn what_never_returns_is_no_result() {
        let log = Log::new();
        let _quiet = quiet();
        let endless = timeout(Duration::from_millis(1), endless(log.clone()));
        assert!(endless.await.is_err());
        background::drain().await;
        let sketched = tokio::spawn(async { drop(sketched(log).await) });
        assert!(sketched.await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn an_err_is_a_failure_to_the_contexts_as_the_function_says() {
        let log = Log::new();
        let answer = behind_a_trait(log.clone(), 0).await;
        assert_eq!(format!("{answer:?}"), "Err(Own(\"body\"))");
        let answer = a_value_like_any_other(log.clone()).await;
        assert_eq!(answer, Err(BodyError::Own("no failure")));
        assert_eq!(shown(log.clone()).await.to_string(), "7");
        assert_eq!(whatever::<u8>(log.clone()).await, 0);
        let completed = "7 after Completed";
        assert_eq!(
            log.lines(),
            ["7 after Failed", completed, completed, completed]
        );
    }

    #[within(forgiving())]
    async fn nothing(fails: bool) -> Result<(), BodyError> {
        if fails {
            Err(BodyError::Own("failed"))
        } else {
            Ok(())
        }
    }

    #[within(forgiving())]
    async fn perhaps(fails: bool) -> Result<Option<u32>, BodyError> {
        if fails {
            return Err(BodyError::Own("failed"));
        }
        Ok(Some(1))
    }

    #[within(forgiving(), forgiving())]
    async fn panics(fails: bool) -> Option<u32> {
        assert!(!fails, "a panic is suppressed too");
        Some(1)
    }

    #[tokio::test]
    async fn what_a_suppressing_context_leaves() {
        assert_eq!(
            (nothing(true).await, nothing(false).await),
            (Ok(()), Ok(()))
        );
        assert_eq!(
            (perhaps(true).await, perhaps(false).await),
            (Ok(None), Ok(Some(1)))
        );
        let _quiet = quiet();
        assert_eq!((panics(true).await, panics(false).await), (None, Some(1)));
    }
}

mod fixtures {
    use super::*;
    use test_case::test_case;

    #[within(numbers = numbers(Log::new()))]
    #[tokio::test]
    async fn above_the_test_attribute(numbers: &mut Vec<u32>) {
        numbers.push(2);
        assert_eq!(*numbers, [1, 2]);
    }

    #[within(number = fallible(Log::new(), ""))]
    #[tokio::test]
    async fn a_test_that_returns_a_result(number: &mut u32) -> Result<(), BodyError> {
        assert_eq!(*number, 7);
        Ok(())
    }

    #[within(one = numbers(Log::new()), other = fallible(Log::new(), ""))]
    #[test_case(1, (1, 8))]
    #[test_case(1, (2, 9); "another case")]
    #[tokio::test]
    async fn a_test_that_has_arguments_too(
        first: u32,
        one: &mut Vec<u32>,
        (more, sum): (u32, u32),
        other: &mut u32,
    ) {
        assert_eq!(*one, [first]);
        assert_eq!(*other + more, sum);
    }

    #[tokio::test]
    async fn the_teardown_runs_before_a_failing_test_fails() {
        #[within(numbers = numbers(log.clone()))]
        async fn failing(log: Log, numbers: &mut Vec<u32>) {
            numbers.push(2);
            assert_eq!(numbers.len(), 1);
        }
        let log = Log::new();
        let _quiet = quiet();
        let test = tokio::spawn(failing(log.clone()));
        assert!(test.await.unwrap_err().is_panic());
        assert_eq!(log.lines(), ["Panicked with [1, 2]"]);
    }

    #[within(number = fallible(Log::new(), "setup"))]
    #[tokio::test]
    #[should_panic(expected = "fallible")]
    async fn a_setup_that_fails_names_the_fixture(number: &mut u32) {
        unreachable!("{number}");
    }
}

#[within(numbers = numbers(log))]
async fn waits(log: Log, numbers: &mut Vec<u32>) {
    numbers.push(2);
    pending().await
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_dropped_is_rolled_back() {
    let log = Log::new();
    assert!(
        timeout(Duration::from_millis(1), waits(log.clone()))
            .await
            .is_err()
    );
    background::drain().await;
    assert_eq!(log.lines(), ["Cancelled with [1, 2]"]);
}

/// The attributes, docs and visibility of the function stay.
#[within(numbers = numbers(Log::new()))]
#[must_use = "kept"]
#[allow(clippy::needless_pass_by_ref_mut)]
pub(crate) async fn attributes(numbers: &mut Vec<u32>) -> usize {
    #![allow(unused_variables)]
    let unused = 1;
    numbers.len()
}

#[tokio::test]
async fn attributes_are_kept() {
    assert_eq!(attributes().await, 1);
}
