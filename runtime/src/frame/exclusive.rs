//! A value that is reached through an exclusive borrow only.

/// A value of which a shared reference gives nothing. So several threads may have one, whatever the value is.
pub(crate) struct Exclusive<T>(T);

// SAFETY: a shared reference to this reaches nothing of the value.
unsafe impl<T> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(crate) fn new(inner: T) -> Self {
        Exclusive(inner)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }

    pub(crate) fn into_inner(self) -> T {
        self.0
    }
}
