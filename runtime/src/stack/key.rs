//! Names for the resources of a stack that don't borrow it.

use crate::background::lane::Number;
use std::{fmt, marker::PhantomData};

/// Names a resource on an [`ExitStack`](super::ExitStack), whichever stack it is on by now: what [`enter_key`](super::ExitStack::enter_key) returns.
///
/// It is `Copy` and borrows nothing, so it can be kept in a struct beside the stack. It stays good when the stack is moved, and when its entries go
/// to another one by [`pop_all`](super::ExitStack::pop_all). `stack[key]` is the resource.
pub struct Key<R> {
    number: Number,
    // Invariant: a key finds a resource of exactly the type that the key was made with.
    _resource: PhantomData<fn(R) -> R>,
}

impl<R> Key<R> {
    pub(super) fn new(number: Number) -> Self {
        Key {
            number,
            _resource: PhantomData,
        }
    }

    pub(super) fn number(self) -> Number {
        self.number
    }
}

impl<R> Clone for Key<R> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<R> Copy for Key<R> {}

impl<R> PartialEq for Key<R> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl<R> Eq for Key<R> {}

impl<R> std::hash::Hash for Key<R> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl<R> fmt::Debug for Key<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.number).finish()
    }
}
