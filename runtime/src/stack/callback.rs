//! Entries that are closures: contexts whose setup does nothing and whose teardown is the closure.

use super::{
    ExitStack,
    called::Called,
    node::{Adds, List},
};
use crate::{
    __private::{Nothing, Returns, Tail},
    AsyncBody, AsyncContext, BodyError, Definition, Exit, YieldOnce,
    frame::{House, Seed, YieldFn, before, lend, tell},
    kind::{Fallible, Suppression},
};
use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

#[cfg(feature = "tokio")]
use crate::policy::Spawn as OnCancel;
#[cfg(not(feature = "tokio"))]
use without_tokio::OnCancel;

/// Without an executor, a closure runs only if its stack's exit is awaited.
#[cfg(not(feature = "tokio"))]
mod without_tokio {
    use crate::{
        AsyncContext,
        policy::{Boxed, Policy, Rollback},
    };

    pub(super) enum OnCancel {}

    impl<C: AsyncContext> Policy<C> for OnCancel {
        type Storage = Boxed<C>;
        type Origin = ();

        fn origin() {}

        fn rollback(rollback: Rollback<C>, (): ()) {
            rollback.lose("without the feature `tokio` there is nothing to run it on");
        }
    }
}

/// What a closure on a stack may return.
//
// What a context function may end in, with a message of its own.
#[diagnostic::on_unimplemented(
    message = "a closure on an `ExitStack` returns `()` or a `Result<(), {E}>`, not a `{Self}`",
    label = "nobody would get the value that this closure returns",
    note = "end it with a `;` or with `Ok(())`; for an `async` closure, use `async_callback`"
)]
pub trait EntryEnd<E>: Tail<E> {}

#[diagnostic::do_not_recommend]
impl<E> EntryEnd<E> for () {}

#[diagnostic::do_not_recommend]
impl<V, E> EntryEnd<E> for Result<V, E> where (): Nothing<V> {}

#[diagnostic::do_not_recommend]
impl<E> EntryEnd<E> for <fn() -> ! as Returns>::Out {}

/// # Entries that are closures
///
/// They run in their turn when the stack is exited, whatever the outcome. A stack that is dropped un-exited runs them in the background, in order
/// with the other rollbacks. So they have to be `'static`. They may return `()` or a `Result<(), E>`, whose error is treated as that of any entry.
impl<E: BodyError, S: Suppression> ExitStack<'_, E, S> {
    /// Calls `callback` when the stack is exited.
    ///
    /// It isn't told the outcome and can't swallow it. It owns what it uses (`'static`), since a stack that is dropped runs it in the background.
    /// Without the feature `tokio`, such a stack [reports](crate::report) it as lost. One allocation. Mirrors `ExitStack.callback`; arguments are
    /// captured.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let stack = ExitStack::new();
    /// let name = String::from("temp");
    /// stack.callback(move || println!("second: {name} is gone"));
    /// stack.callback(|| println!("first"));
    /// stack.exit().await
    /// # }
    /// ```
    #[track_caller]
    pub fn callback<F, T>(&self, callback: F)
    where
        F: FnOnce() -> T + Send + 'static,
        T: EntryEnd<E>,
    {
        self.put(
            Called::seed(Definition::here(|| "callback"), callback),
            None::<()>,
        );
    }

    /// [`callback`](ExitStack::callback) with an `async` closure.
    ///
    /// One allocation. Mirrors `AsyncExitStack.push_async_callback`.
    ///
    /// # Cancellation
    /// If the stack is dropped un-exited, the callback runs in the background. If the future of the stack's exit is dropped while the callback is
    /// under way, the callback goes on in the background from where it was. Without the feature `tokio` it is [reported](crate::report) as lost
    /// instead.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let stack = ExitStack::new();
    /// stack.async_callback(async || {
    ///     tokio::task::yield_now().await;
    ///     println!("bye");
    /// });
    /// stack.exit().await
    /// # }
    /// ```
    #[track_caller]
    #[doc(alias = "push_async_callback")]
    pub fn async_callback<F, Fut>(&self, callback: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: EntryEnd<E>> + Send + 'static,
    {
        let block = async move |yielder: YieldOnce<'_, (), S>| -> Result<(), E> {
            let ((), _) = yielder.lend(()).await;
            callback().await.end()
        };
        self.add(Definition::here(|| "async_callback"), None::<()>, block);
    }

    /// Calls `exit` when the stack is exited, and tells it the outcome as the entries inside it left it.
    ///
    /// On a [suppressing](ExitStack::suppressing) stack it may swallow the outcome: [`Exit::suppress`]. One allocation. Mirrors
    /// `AsyncExitStack.push_async_exit` of a function.
    ///
    /// # Cancellation
    /// As for [`async_callback`](ExitStack::async_callback). In the background it is told [`Cancelled`](Exit::Cancelled). If it was under way
    /// already, it goes on with what it was told.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let stack = ExitStack::suppressing();
    /// stack.push(async |exit| {
    ///     if exit.error().is_some_and(|error| error.is::<String>()) {
    ///         exit.suppress();
    ///     }
    /// });
    /// let result: Result<u32, String> = Err("not today".to_owned());
    /// assert_eq!(stack.exit_with(result).await, Ok(None));
    /// # }
    /// ```
    #[track_caller]
    #[doc(alias = "push_async_exit")]
    pub fn push<F, T, Fut>(&self, exit: F)
    where
        F: AsyncFnOnce(Exit<'_, S>) -> T + AsyncBody<Exit<'static, S>, Fut> + Send + 'static,
        Fut: Future<Output = T> + Send,
        T: EntryEnd<E>,
    {
        let block = async move |yielder: YieldOnce<'_, (), S>| -> Result<(), E> {
            let ((), how) = yielder.lend(()).await;
            tell(exit, how).await.end()
        };
        self.add(Definition::here(|| "push"), None::<()>, block);
    }

    /// [`callback`](ExitStack::callback) with a closure that may add entries: they run next, before those that are on the stack already.
    ///
    /// The stack that it gets holds only what it adds. Two allocations. Mirrors a callback that uses the stack that it is on.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let stack = ExitStack::new();
    /// stack.callback(|| println!("third"));
    /// stack.callback_with(|stack| {
    ///     println!("first");
    ///     stack.callback(|| println!("second"));
    /// });
    /// stack.exit().await
    /// # }
    /// ```
    #[track_caller]
    pub fn callback_with<F, T>(&self, callback: F)
    where
        F: FnOnce(&ExitStack<'static, E, S>) -> T + Send + 'static,
        T: EntryEnd<E>,
    {
        let added = Arc::new(ExitStack::<'static, E, S>::inside(self.at));
        let stack = added.clone();
        let block = async move |yielder: YieldOnce<'_, (), S>| -> Result<(), E> {
            let ((), _) = yielder.lend(()).await;
            callback(&stack).end()
        };
        self.add(Definition::here(|| "callback_with"), Some(added), block);
    }

    /// [`callback_with`](ExitStack::callback_with) with an `async` closure, which may also enter contexts. Two allocations.
    ///
    /// # Cancellation
    /// As for [`async_callback`](ExitStack::async_callback). What the closure adds is rolled back when the closure is over, before the entries that
    /// are on the stack already.
    ///
    /// ```
    /// use contextlib::ExitStack;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), std::io::Error> {
    /// let stack = ExitStack::new();
    /// stack.async_callback_with(async |stack| {
    ///     tokio::task::yield_now().await;
    ///     stack.callback(|| println!("next"));
    /// });
    /// stack.exit().await
    /// # }
    /// ```
    #[track_caller]
    pub fn async_callback_with<F, T, Fut>(&self, callback: F)
    where
        F: AsyncFnOnce(&ExitStack<'static, E, S>) -> T
            + AsyncBody<&'static ExitStack<'static, E, S>, Fut>
            + Send
            + 'static,
        Fut: Future<Output = T> + Send,
        T: EntryEnd<E>,
    {
        let added = Arc::new(ExitStack::<'static, E, S>::inside(self.at));
        let stack = added.clone();
        let block = async move |yielder: YieldOnce<'_, (), S>| -> Result<(), E> {
            let ((), _) = yielder.lend(()).await;
            lend(callback, &*stack).await.end()
        };
        self.add(
            Definition::here(|| "async_callback_with"),
            Some(added),
            block,
        );
    }

    fn add<X, F>(&self, definition: Definition, added: Option<X>, block: F)
    where
        X: Adds<E> + Send + 'static,
        F: for<'y> YieldFn<'y, (), S, Out = Result<(), E>, Fut: Send> + Send + 'static,
    {
        self.put(
            before::<(), Fallible<E, S>, F>(definition, false, block),
            added,
        );
    }

    fn put<C, X>(&self, seed: Seed<C>, added: Option<X>)
    where
        C: AsyncContext<Resource = (), Kind = Fallible<E, S>> + Send + 'static,
        X: Adds<E> + Send + 'static,
    {
        let at = seed.definition().location();
        let mut node = House::<_, OnCancel, X>::new(seed, at, added);
        match node
            .parts()
            .poll_setup(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(Ok(())) => {
                self.entries.push(node);
            }
            Poll::Ready(Err(_)) | Poll::Pending => unreachable!("these yield at once"),
        }
    }
}

impl<E, S> Adds<E> for Arc<ExitStack<'static, E, S>> {
    fn added(self) -> Option<List<'static, E>> {
        // The callback, which was the other owner, is over.
        Arc::into_inner(self).map(|mut stack| stack.entries.take())
    }
}
