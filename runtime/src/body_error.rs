//! What a body may fail with.

use std::fmt::Debug;

/// An error that a body may end with: one that is `Debug + Send + 'static`. Implemented for all of them.
///
/// A context function looks at it as an [`ErrorView`](crate::ErrorView), possibly on another thread. For errors that aren't `Send` there are
/// [`with_local`](crate::ContextManager::with_local), [`async_with!(?Send, …)`](crate::async_with), [`#[within(?Send, …)]`](macro@crate::within) and
/// [`exit_with_local`](crate::Guard::exit_with_local). With these, the context sees only the error's text, whatever its type.
#[diagnostic::on_unimplemented(
    message = "the error type of a body or of a stack has to be `Debug + Send + 'static`, and `{Self}` isn't",
    label = "`{Self}` isn't `Debug + Send + 'static`",
    note = "instead of `Box<dyn Error>`, return `Box<dyn Error + Send + Sync>`; to an error type of yours, add `#[derive(Debug)]`",
    note = "errors that aren't `Send`, such as `actix_web::Error`, are for `with_local`, `async_with!(?Send, …)`, `#[within(?Send, …)]` and `exit_with_local`, which show the context their text; a stack doesn't take them"
)]
pub trait BodyError: Debug + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<B: Debug + Send + 'static> BodyError for B {}
