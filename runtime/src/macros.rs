//! `yield_resource!`, which the attribute gives its hidden argument.

/// The yield point of a context function: hands the resource to the caller, and evaluates to how the body ended.
///
/// | form | what it does | value |
/// |---|---|---|
/// | `yield_resource!(place)` | moves the variable out, and back in when the body is over | [`Exit`](crate::Exit) |
/// | `yield_resource!(expression)` | yields a temporary, dropped when the body is over | [`Exit`](crate::Exit) |
/// | `yield_resource!()` | yields `()` | [`Exit`](crate::Exit) |
/// | `yield_resource!(move value)` | moves the value out, and gives it back | `(value, `[`Exit`](crate::Exit)`)` |
///
/// The last form is for a yield inside an `async` block, whose variables can't be put back from there. It works only inside an
/// `#[async_context] async fn`; anywhere else it is a compile error. Mirrors the `yield` of Python's `@asynccontextmanager`.
#[macro_export]
macro_rules! yield_resource {
    (@unit $yielder:ident) => {{
        let ((), exit) = $yielder.lend(()).await;
        exit
    }};
    (@place $yielder:ident, $place:expr) => {{
        let (resource, exit) = $yielder.lend($place).await;
        #[allow(unused_assignments)] // A teardown may have no use for the resource.
        {
            $place = resource;
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
    ($($anything:tt)*) => {
        ::core::compile_error!(
            "`yield_resource!` works only inside the body of an `#[async_context] async fn`"
        )
    };
}
