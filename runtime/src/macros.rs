//! `yield_resource!`, which the attribute gives its hidden argument, and the others that are written as rules.

/// The yield point of a context function: hands the resource to the caller, and evaluates to how the body ended.
///
/// | form | what it does | value |
/// |---|---|---|
/// | `yield_resource!(place)` | moves the variable out, and back in when the body is over | [`Exit`](crate::Exit) |
/// | `yield_resource!(expression)` | yields a temporary, dropped when the body is over | [`Exit`](crate::Exit) |
/// | `yield_resource!()` | yields `()` | [`Exit`](crate::Exit) |
/// | `yield_resource!(move value)` | moves the value out, and gives it back | `(value, `[`Exit`](crate::Exit)`)` |
///
/// Some things look like a place, but aren't the context's to change. They are yielded as an expression:
///
/// - a part of `&self` or of an argument `&T`;
/// - a `self` that isn't `mut`;
/// - a constant in capitals, or a constant of the function's generics.
///
/// A function, or another constant in lower case, is yielded by its path: `yield_resource!(self::callback)`. A part of what an `Arc` holds, or
/// another pointer that lends nothing as `&mut`, is taken into a variable first: `let mut port = config.port;`, and then `yield_resource!(port)`.
///
/// A variable that is yielded is `mut`, since it gets the value back. It is of the resource's own type, since nothing is coerced on the way back:
/// `let mut callback: Box<dyn Fn() + Send> = Box::new(…);`. Two values are yielded, and both got back, as one:
///
/// ```
/// use contextlib::{async_context, yield_resource};
///
/// #[async_context]
/// async fn buffers() -> (Vec<u8>, String) {
///     let (bytes, text) = (vec![1], String::from("one"));
///     let mut both = (bytes, text);
///     let _ = yield_resource!(both);
///     let (bytes, text) = both;
///     assert_eq!((bytes.len(), text.as_str()), (2, "one, two"));
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// buffers()
///     .run(async |(bytes, text)| {
///         bytes.push(2);
///         text.push_str(", two");
///     })
///     .await;
/// # }
/// ```
///
/// The form with `move` is for a yield inside an `async` block, whose variables can't be put back from there.
///
/// The macro works only inside an `#[async_context] async fn`; anywhere else it is a compile error. Mirrors the `yield` of Python's
/// `@asynccontextmanager`.
#[doc(alias = "yield")]
#[macro_export]
macro_rules! yield_resource {
    (@unit $yielder:ident) => {{
        let (_, exit) = $yielder.lend(()).await;
        exit
    }};
    (@place $yielder:ident, $place:expr) => {{
        let exit;
        #[allow(unused_assignments)] // A teardown may have no use for the resource.
        {
            ($place, exit) = $yielder.lend($place).await;
        }
        exit
    }};
    (@value $yielder:ident, $value:expr) => {{
        let (_, exit) = $yielder.lend($value).await;
        exit
    }};
    (@move $yielder:ident, $value:expr) => {
        $yielder.lend($value).await
    };
    // A mistake has been reported. This expansion keeps the import of the macro in use, which would be a warning beside that.
    (@mention) => {};
    ($($anything:tt)*) => {
        ::core::compile_error!(
            "`yield_resource!` works only inside the body of an `#[async_context] async fn`, written there by this name: not by another macro, nor under another name"
        )
    };
}

/// Runs a body inside several contexts. The first is the outermost, and later ones may use the earlier ones' resources.
///
/// `async_with!(name = context, …, body)` evaluates to a future. The body is `async || -> Result<_, YourError> { … }`, or `async { … }` where the
/// type is known anyway. In the body, and in the contexts after it, each name is a `&mut` to its resource; `_ = context` gives no name.
/// `async move { … }` and `async move || …` take what the contexts use too, so that the future can be a task of its own.
///
/// A value that an argument borrows, as in `name = context(&format!("…"))` or `context(&folder.join("a"))`, lives until that context is over. Other
/// values without a name are dropped before the context is entered, as a lock in `context(shared.lock().unwrap().clone())` is. If such a value is to
/// live longer, as in `context(text().as_str())`, give it a name before the block: `let text = text();`.
///
/// The body's error has to be [`Send`](crate::BodyError), which a `Box<dyn Error>` isn't. With `?Send` among the arguments it may be any: the contexts
/// see its text then, as in [`with_local`](crate::ContextManager::with_local).
///
/// ```
/// use contextlib::{async_with, null_context};
/// use std::error::Error;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let text = null_context("seven");
/// let body = async_with!(?Send, text = text, async || -> Result<u8, Box<dyn Error>> { Ok(text.parse()?) });
/// assert!(body.await.is_err());
/// # }
/// ```
///
/// A block that contains a [suppressing](crate::kind::Suppressing) context has an `Option` of the body's value.
///
/// Every teardown is awaited, inner before outer, as by nested [`with`](crate::ContextManager::with)s. What `with` says of errors, panics and
/// cancellation holds here, too. The future is `Send` if what it holds is. A yield point has to be polled on the thread that polls the future.
/// Mirrors `async with database(url) as db, transaction(db.pool) as tx:`.
///
/// # When rustc gives up
///
/// Blocks inside blocks are futures of deep types, and so is a block of many contexts. If more than eight functions with a block each await one
/// another, or one block has more than twenty contexts, rustc may say *queries overflow the depth limit*, or *overflow evaluating the requirement …:
/// Send*. Then write `#![recursion_limit = "256"]` in the root of your crate. Or put one of the futures between into a
/// `Pin<Box<dyn Future<Output = …> + Send>>`, as `boxed` of the crate `futures` does.
///
/// ```
/// use contextlib::{async_context, async_with, yield_resource};
/// use std::num::ParseIntError;
///
/// #[async_context]
/// async fn numbers() -> Vec<u32> {
///     let mut numbers = vec![1];
///     let _ = yield_resource!(numbers);
/// }
///
/// #[async_context]
/// async fn length(mut length: usize) -> usize {
///     let _ = yield_resource!(length);
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ParseIntError> {
/// let sum = async_with!(
///     numbers = numbers(),
///     length = length(numbers.len()),
///     async || -> Result<u32, ParseIntError> {
///         numbers.push("2".parse()?);
///         Ok(numbers.iter().sum::<u32>() + *length as u32)
///     }
/// )
/// .await?;
/// assert_eq!(sum, 4);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "async with")]
#[macro_export]
macro_rules! async_with {
    ($($arguments:tt)*) => {
        $crate::__private::async_with!($crate; $($arguments)*)
    };
}

/// What has a mistake, which has been reported, or is being typed: nothing for rustc, which would complain of it twice, and for rust-analyzer what it is given.
#[doc(hidden)]
#[cfg(rust_analyzer)]
#[macro_export]
macro_rules! __for_editors {
    ($($tokens:tt)*) => { $($tokens)* };
}

#[doc(hidden)]
#[cfg(not(rust_analyzer))]
#[macro_export]
macro_rules! __for_editors {
    ($($tokens:tt)*) => {};
}
