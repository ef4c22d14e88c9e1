//! Closures that are given something for as long as their future lives, under a longer lifetime, so that the future's type has a name.
//!
//! They are closures for every lifetime of what they are given: so says their `AsyncFnOnce`, which, as their `FnOnce`, is implemented by the compiler alone, for one and the same signature. So all that can keep what
//! is given is the future; and that is in a [`Given`], which isn't there for longer than what was given really lives.
//!
//! Who implements the two by hand, each otherwise, can get round that: with a nightly compiler, and `fn_traits` and `async_fn_traits`, which are unstable. On a stable one nobody can.

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
    // SAFETY: see the module.
    let exit = unsafe { for_ever(exit) };
    Given::new(closure.call(exit))
}

/// Calls a closure that gets a resource, and is told how the body ended.
#[inline]
pub(crate) fn tell_with<'g, T, F, Fut, O>(closure: F, resource: T, exit: Exit<'g>) -> Given<'g, Fut>
where
    F: AsyncFnOnce(T, Exit<'_>) -> O + Teardown<T, Fut>,
{
    // SAFETY: see the module.
    let exit = unsafe { for_ever(exit) };
    Given::new(closure.call(resource, exit))
}

/// Calls a closure that is lent something.
#[inline]
pub(crate) fn lend<'g, T: 'static, F, Fut, O>(closure: F, lent: &'g T) -> Given<'g, Fut>
where
    F: AsyncFnOnce(&T) -> O + AsyncBody<&'static T, Fut>,
{
    // SAFETY: see the module.
    let lent = unsafe { &*ptr::from_ref(lent) };
    Given::new(closure.call(lent))
}

/// # Safety
/// What is returned is gone before `'g` ends.
unsafe fn for_ever<S>(exit: Exit<'_, S>) -> Exit<'static, S> {
    let exit = ManuallyDrop::new(exit);
    // SAFETY: it is the same type but for the lifetime, of which nothing is moved out twice. That it isn't used for longer is said by this function's contract.
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
        // SAFETY: structural pinning of the future, which is never moved. A `Given` is `Unpin` only if the future is, and its `Drop` does nothing.
        unsafe { self.map_unchecked_mut(|given| &mut given.future) }.poll(cx)
    }
}

impl<Fut> Drop for Given<'_, Fut> {
    // With a `Drop`, it has to be dropped before `'g` ends.
    #[inline]
    fn drop(&mut self) {}
}
