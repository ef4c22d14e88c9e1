//! Calling a closure with something that lives as long as the closure's future, but under a longer lifetime, so that the type of that future has a name.
//!
//! Why this is sound: a closure here is bounded by `AsyncFnOnce` of an argument of *any* lifetime, beside a bound by which it takes the longer one. Both are
//! implemented by the compiler alone, for one and the same signature. So the closure's code can't assume the longer lifetime, and all that can keep its
//! argument is its future. The future is in a [`Given`], which doesn't outlive what was really given.
//!
//! A type that implements `AsyncFnOnce` and `FnOnce` by hand, with different signatures, could get round that. This takes the unstable features `fn_traits` and
//! `async_fn_traits`, and so a nightly compiler; on a stable one nobody can.

use crate::{Exit, contexts::Teardown, manager::AsyncBody};
use std::{
    marker::PhantomData,
    mem::ManuallyDrop,
    pin::Pin,
    ptr,
    task::{Context, Poll},
};

/// The future of a closure that was given something that lives for `'g`.
pub(crate) struct Given<'g, Fut> {
    future: Fut,
    _given: PhantomData<&'g ()>,
}

/// Calls a closure that is told how a body ended.
#[inline]
pub(crate) fn tell<'g, S, F, Fut, O>(closure: F, exit: Exit<'g, S>) -> Given<'g, Fut>
where
    F: AsyncFnOnce(Exit<'_, S>) -> O + AsyncBody<Exit<'static, S>, Fut>,
{
    // SAFETY: as the module says, only the future keeps the exit, and the `Given` that it is in lives no longer than `'g`.
    let exit = unsafe { for_ever(exit) };
    Given::new(closure.call(exit))
}

/// Calls a closure that gets a resource, and is told how the body ended.
#[inline]
pub(crate) fn tell_with<'g, T, F, Fut, O>(closure: F, resource: T, exit: Exit<'g>) -> Given<'g, Fut>
where
    F: AsyncFnOnce(T, Exit<'_>) -> O + Teardown<T, Fut>,
{
    // SAFETY: as in `tell`.
    let exit = unsafe { for_ever(exit) };
    Given::new(closure.call(resource, exit))
}

/// Calls a closure that is lent something.
#[inline]
pub(crate) fn lend<'g, T: 'static, F, Fut, O>(closure: F, lent: &'g T) -> Given<'g, Fut>
where
    F: AsyncFnOnce(&T) -> O + AsyncBody<&'static T, Fut>,
{
    // SAFETY: as in `tell`.
    let lent = unsafe { &*ptr::from_ref(lent) };
    Given::new(closure.call(lent))
}

/// # Safety
/// What is returned is gone before `'g` ends.
unsafe fn for_ever<S>(exit: Exit<'_, S>) -> Exit<'static, S> {
    let exit = ManuallyDrop::new(exit);
    // SAFETY: the two types differ in a lifetime only. The original is never dropped, so the exit is moved, not copied. By this function's contract, it isn't
    // used for longer than it lives.
    unsafe { ptr::read((&raw const *exit).cast()) }
}

impl<Fut> Given<'_, Fut> {
    #[inline]
    fn new(future: Fut) -> Self {
        Given {
            future,
            _given: PhantomData,
        }
    }
}

impl<Fut: Future> Future for Given<'_, Fut> {
    type Output = Fut::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        // SAFETY: the future is pinned structurally: it is never moved, a `Given` is `Unpin` only if the future is, and its `Drop` does nothing.
        unsafe { self.map_unchecked_mut(|given| &mut given.future) }.poll(cx)
    }
}

impl<Fut> Drop for Given<'_, Fut> {
    // That there is a `Drop` is the point: by it, the borrow checker has a `Given` dropped before `'g` ends.
    #[inline]
    fn drop(&mut self) {}
}
