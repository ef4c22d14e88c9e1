//! The expansion in a module that denies nearly every lint, and in ones where the names of std mean something else.

/// Clippy looks at this module, in CI too.
mod strict {
    #![forbid(unsafe_code)]
    #![deny(warnings, missing_docs, clippy::all, clippy::pedantic, clippy::nursery)]
    #![deny(
        clippy::allow_attributes_without_reason,
        clippy::clone_on_ref_ptr,
        clippy::expect_used,
        clippy::panic,
        clippy::shadow_unrelated,
        clippy::unwrap_used,
        elided_lifetimes_in_paths,
        explicit_outlives_requirements,
        let_underscore_drop,
        missing_debug_implementations,
        single_use_lifetimes,
        trivial_casts,
        trivial_numeric_casts,
        unnameable_types,
        unreachable_pub,
        unused_import_braces,
        unused_lifetimes,
        unused_qualifications,
        unused_results,
        variant_size_differences
    )]

    use contextlib::{async_context, within, yield_resource};
    use contextlib_tests::ContextError;
    use std::sync::Arc;

    /// A resource.
    #[derive(Debug)]
    pub(super) struct Resource(pub(super) u8);

    #[async_context]
    async fn fallible(
        number: u8,
        _ignored: String,
        (a, mut b): (u8, u8),
    ) -> Result<Resource, ContextError> {
        b += a;
        let mut resource = Resource(number + b);
        if yield_resource!(resource).is_completed() {
            assert!(resource.0 > 0);
        }
    }

    #[async_context]
    async fn infallible() {
        let _ = yield_resource!();
    }

    #[async_context]
    async fn early(first: bool) -> Result<u8, ContextError> {
        if first {
            return Err(ContextError("early"));
        }
        if yield_resource!(1).is_completed() {
            return Ok(());
        }
    }

    #[within(value = value())]
    async fn one_expression(value: &mut u8) -> Result<u8, ContextError> {
        Ok(*value)
    }

    #[within(value())]
    async fn one_call() {
        drop(one_expression().await);
    }

    #[within(value())]
    async fn nothing() {}

    #[within(value())]
    async fn items_first(number: u8) -> String {
        use std::fmt::Write;
        const END: char = '!';
        let mut text = String::new();
        let _ = write!(text, "{number}{END}");
        text
    }

    #[async_context]
    async fn value() -> u8 {
        let _ = yield_resource!(1);
    }

    #[async_context(on_cancel = block)]
    async fn borrows(text: &mut String) -> Result<usize, ContextError> {
        let mut length = text.len();
        let exit = yield_resource!(length);
        if exit.is_failed() {
            return Err(ContextError("failed"));
        }
        text.push('!');
        Ok(())
    }

    #[async_context]
    async fn wraps() -> Vec<u8> {
        let numbers = Vec::new();
        let (numbers, exit) = async { yield_resource!(move numbers) }.await;
        if exit.is_cancelled() {
            drop(numbers);
        }
    }

    #[async_context(suppress)]
    async fn suppresses() {
        yield_resource!().suppress();
    }

    #[async_context]
    async fn generic<T, const N: usize>(item: T) -> [T; N]
    where
        T: Clone + Send + 'static,
    {
        let mut items = std::array::from_fn(|_| item.clone());
        let _ = yield_resource!(items);
    }

    impl Resource {
        #[async_context(on_cancel = drop)]
        async fn method(&self) -> &u8 {
            let _ = yield_resource!(&self.0);
        }

        #[async_context(own(number = self.0))]
        async fn owned(&self) -> u8 {
            let mut number = number;
            let _ = yield_resource!(number);
        }

        #[async_context]
        async fn shared(self: Arc<Self>) -> u8 {
            let _ = yield_resource!(self.0);
        }
    }

    pub(super) async fn all() -> Result<usize, ContextError> {
        let mut text = String::from("text");
        let length = borrows(&mut text)
            .with_local(async |length| -> Result<usize, ContextError> { Ok(*length) })
            .await?;
        let sum = fallible(1, text, (1, 1))
            .with(async |resource| -> Result<u8, ContextError> { Ok(resource.0) })
            .await?;
        infallible().run(async |()| {}).await;
        drop(early(true).enter().await);
        one_call().await;
        wraps().run(async |numbers| numbers.push(1)).await;
        let none = suppresses()
            .with(async |()| -> Result<(), ContextError> { Err(ContextError("swallowed")) })
            .await?;
        let items = generic::<u8, 2>(1).run(async |items| items.len()).await;
        let resource = Resource(1);
        let one = resource.method().run(async |one| **one).await;
        let two = resource.owned().run(async |number| *number + 1).await;
        let three = Arc::new(resource)
            .shared()
            .run(async |number| *number + 2)
            .await;
        let four =
            contextlib::async_with!(value = value(), async || -> Result<u8, ContextError> {
                Ok(*value + 3)
            })
            .await?;
        Ok(length
            + items
            + usize::from(none.is_none())
            + usize::from(sum + one + two + three + four))
    }
}

#[test]
fn under_strict_lints() {
    assert_eq!(
        futures::executor::block_on(strict::all()),
        Ok(4 + 2 + 1 + 3 + 1 + 2 + 3 + 4)
    );
}

/// The names of the prelude, the crates' and the primitive types', all taken.
mod shadowed {
    #![allow(
        dead_code,
        non_camel_case_types,
        unused_macros,
        reason = "they are there to be in the way"
    )]

    mod core {}
    mod std {}
    mod alloc {}
    mod kind {}
    mod policy {}
    mod __private {}

    struct Ok;
    struct Err;
    struct Some;
    struct None;
    struct Result;
    struct Option;
    struct Box;
    struct Vec;
    struct String;
    struct Infallible;
    struct Fallible;
    struct ContextManager;
    struct Yielder;
    struct Exit;
    struct Pin;
    struct u8;
    struct usize;
    struct bool;
    struct str;
    trait Send {}
    trait Sync {}
    trait Sized {}
    trait Drop {}
    trait Future {}
    trait From {}
    trait Into {}
    trait FnOnce {}
    trait AsyncContext {}
    fn drop() {}
    fn end() {}
    macro_rules! unreachable {
        () => {};
    }
    macro_rules! panic {
        () => {};
    }
    macro_rules! pin {
        () => {};
    }
    macro_rules! compile_error {
        () => {};
    }

    type Number = ::core::primitive::u8;

    #[::contextlib::async_context]
    async fn infallible(number: Number) -> Number {
        let _ = ::contextlib::yield_resource!(number + 1);
    }

    #[::contextlib::async_context(on_cancel = drop, suppress)]
    async fn fallible(number: Number) -> ::std::result::Result<Number, super::ContextError> {
        let mut number = number;
        let exit = ::contextlib::yield_resource!(number);
        exit.suppress();
        if number == 0 {
            return ::core::result::Result::Err(super::ContextError("zero"));
        }
    }

    #[::contextlib::async_context]
    async fn wraps() {
        let _ = async { ::contextlib::yield_resource!() }.await.kind();
    }

    pub(super) async fn all()
    -> ::core::result::Result<::core::option::Option<Number>, super::BodyError> {
        let one = infallible(1).run(async |number| *number).await;
        wraps().run(async |()| {}).await;
        let two = ::contextlib::async_with!(
            number = infallible(one),
            async || -> ::core::result::Result<Number, super::BodyError> {
                ::core::result::Result::Ok(*number)
            }
        );
        let two = two.await?;
        fallible(two)
            .with(
                async |number| -> ::core::result::Result<Number, super::BodyError> {
                    ::core::result::Result::Ok(*number + 1)
                },
            )
            .await
    }
}

use contextlib_tests::{BodyError, ContextError};

#[test]
fn where_the_names_of_std_mean_something_else() {
    assert_eq!(futures::executor::block_on(shadowed::all()), Ok(Some(4)));
}

/// `crate = path`: the library under another name, and nowhere else.
mod renamed {
    pub(super) mod facade {
        pub(crate) use contextlib as of_another_name;
    }
    mod contextlib {}

    use facade::of_another_name::{async_context, kind, yield_resource};

    #[async_context(crate = facade::of_another_name)]
    async fn by_a_relative_path() -> u8 {
        let mut number = 1;
        let _ = yield_resource!(number);
    }

    #[async_context(crate = crate::promise_07_strict_lints_and_shadowed_names::renamed::facade::of_another_name, suppress)]
    async fn by_an_absolute_path() -> Result<u8, super::ContextError> {
        yield_resource!(1).suppress();
    }

    fn is_suppressing<E: std::fmt::Debug>(
        _: &facade::of_another_name::ContextManager<
            impl facade::of_another_name::AsyncContext<Kind = kind::Fallible<E, kind::Suppressing>>,
        >,
    ) {
    }

    #[test]
    fn works() {
        is_suppressing(&by_an_absolute_path());
        assert_eq!(
            futures::executor::block_on(by_a_relative_path().run(async |number| *number)),
            1
        );
    }
}
