//! What is reached through an exclusive borrow only.

/// Something of which a shared reference gives nothing, so that several threads may have one whatever it is.
pub(crate) struct Exclusive<T>(T);

// SAFETY: through a shared reference nothing of it is reached, and whoever has it exclusively is alone with it.
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
