//! What a body may fail with.

use std::fmt::Debug;

/// An error that a body may end with: one that is `Debug + Send + 'static`. Implemented for all of them.
///
/// A context function looks at it as an [`ErrorView`](crate::ErrorView), possibly on another thread. Errors that aren't `Send` are for
/// [`with_local`](crate::ContextManager::with_local).
#[diagnostic::on_unimplemented(
    message = "the error type of a body or of a stack has to be `Debug + Send + 'static`, and `{Self}` isn't",
    label = "`{Self}` isn't `Debug + Send + 'static`",
    note = "instead of `Box<dyn Error>`, return `Box<dyn Error + Send + Sync>`; to an error type of yours, add `#[derive(Debug)]`",
    note = "`with_local` takes errors that aren't `Send`"
)]
pub trait BodyError: Debug + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<B: Debug + Send + 'static> BodyError for B {}
