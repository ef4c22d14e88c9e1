//! The entries of a stack: where their resources live while the stack hands out references to them.
//!
//! An entry is a node, a [`Housed`]: one allocation that holds the context's frame, its resource and what is known of it.
//!
//! # What the unsafe code rests on
//!
//! This is one of the two modules with unsafe code. Its arguments cite these points by their numbers:
//!
//! 1. A node is never moved. It is freed by its one owner: an [`Entering`], then an [`Entry`] in a [`List`], then perhaps a `Held`.
//! 2. While a stack is shared ([`Entries`] by `&`), nodes are only added to it. No reference to a node is made then: [`Entries`] reads the pointers to them, and
//!    never through these. So the `&mut` to a resource that `push` returns is the only access to that resource.
//! 3. A [`List`] comes out of [`Entries`] by `&mut` or by value, when the borrows that `push` and `get` gave out are over. From then on, the list's owner is the only
//!    one who reaches its nodes.
//! 4. A resource with a [`Key`] was never given out by `push`. It is reached with the key alone: shared through `&Entries`, exclusively through `&mut Entries`.

use super::key::Key;
use crate::{
    AsyncContext, ExitKind,
    background::{Entered, Unit, lane::Number},
    cold::Emptied,
    frame::{Ending, House, Housed, Payload, Seed},
    kind::{Kind, RaiseAs},
    policy::Policy,
    report,
};
use std::{
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind},
    pin::Pin,
    ptr::NonNull,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    thread,
};

/// What an entry has come to, if that is more than that all is well. Mostly it is nothing.
pub(super) struct Closed<E> {
    /// What the teardown came to, if it has failed, with its error converted to the stack's.
    pub(super) failed: Emptied<thread::Result<Result<(), E>>>,
    /// The entries that this one, a callback, has added.
    pub(super) added: Emptied<List<'static, E>>,
}

impl<E> Closed<E> {
    #[inline]
    pub(super) fn well() -> Self {
        Closed {
            failed: Emptied::none(),
            added: Emptied::none(),
        }
    }
}

/// What a stack does with its entries, whatever they are. `E` is the error that their errors are converted to.
trait Exits<E> {
    // Not through a shared reference to the node, whose frame may borrow from itself.
    fn entered(self: Pin<&mut Self>) -> Entered;
    /// Runs the teardown. The first call takes how the body ended out of `told`; when the teardown is over, that is put back, suppressed or not.
    //
    // `closed`, which is mostly nothing, isn't returned: it would be copied in another width than it was written in, and the copy would wait for the writes.
    fn poll_close(
        self: Pin<&mut Self>,
        told: &mut Option<Ending>,
        closed: &mut Closed<E>,
        cx: &mut Context<'_>,
    ) -> Poll<()>;
    /// Frees the node. A context that isn't closed yet is left to its policy. Returns the panic of a destructor.
    fn end(self: Pin<Box<Self>>) -> Result<(), Panicked>;
}

/// The panic of a destructor, and the context that it happened in.
pub(super) struct Panicked {
    pub(super) entered: Entered,
    pub(super) payload: Payload,
}

impl Panicked {
    /// Resumes the panic; or reports it, if the thread is panicking already.
    fn go_on(self) {
        if !thread::panicking() {
            resume_unwind(self.payload);
        }
        self.report();
    }

    fn report(self) {
        report::panicked(&self.entered, ExitKind::Cancelled, self.payload);
    }
}

/// Where the entries are that a callback adds to the stack while the stack is unwound.
pub(super) trait Adds<E> {
    fn added(self) -> Option<List<'static, E>>;
}

/// Any entry but such a callback adds none.
impl<E> Adds<E> for () {
    fn added(self) -> Option<List<'static, E>> {
        None
    }
}

impl<C, P, X, E> Exits<E> for Housed<C, P, X>
where
    C: AsyncContext<Kind: RaiseAs<E>>,
    P: Policy<C>,
    X: Adds<E>,
{
    fn entered(self: Pin<&mut Self>) -> Entered {
        *self.parts().entered()
    }

    fn poll_close(
        self: Pin<&mut Self>,
        told: &mut Option<Ending>,
        closed: &mut Closed<E>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut parts = self.parts();
        if parts.beside.is_open() {
            let told = told.take().unwrap_or_else(Ending::cancelled);
            parts.resume(told);
        }
        let mut failed = None;
        *told = ready!(parts.poll_teardown(&mut failed, cx));
        if let Some(failed) = failed {
            closed.failed.put(raised::<C::Kind, E>(failed));
        }
        if let Some(added) = parts.beside.extra.take() {
            **closed.added = added.added();
        }
        Poll::Ready(())
    }

    fn end(self: Pin<Box<Self>>) -> Result<(), Panicked> {
        let house = House::from_box(self);
        let entered = *house.entered();
        catch_unwind(AssertUnwindSafe(|| house.end()))
            .map_err(|payload| Panicked { entered, payload })
    }
}

/// What a teardown has come to, with its error converted to the stack's.
#[cold]
fn raised<K: RaiseAs<E>, E>(
    failed: thread::Result<Result<(), K::Error>>,
) -> thread::Result<Result<(), E>> {
    match failed {
        Ok(Ok(())) => Ok(Ok(())),
        // The conversion is a `From` of the user's, which may panic.
        Ok(Err(error)) => catch_unwind(AssertUnwindSafe(|| Err(K::raise(error)))),
        Err(payload) => Err(payload),
    }
}

const ONCE: &str = "a context is put on a stack once, when it is set up";

/// A context that is being entered. Nothing runs, and nothing is allocated, before the first poll. Dropped after that, it leaves the context to its policy.
pub(super) struct Entering<C: AsyncContext, P: Policy<C>> {
    /// `None` once its frame is in the node.
    seed: Option<Seed<C>>,
    at: &'static Location<'static>,
    node: Option<House<C, P>>,
}

// The frame is pinned in the node, and not in here.
impl<C: AsyncContext, P: Policy<C>> Unpin for Entering<C, P> {}

impl<C: AsyncContext, P: Policy<C>> Entering<C, P> {
    #[inline]
    pub(super) fn new(seed: Seed<C>, at: &'static Location<'static>) -> Self {
        Entering {
            seed: Some(seed),
            at,
            node: None,
        }
    }

    /// The context, once it is set up.
    #[inline]
    pub(super) fn take(&mut self) -> House<C, P> {
        self.node.take().expect(ONCE)
    }

    #[inline]
    pub(super) fn poll_setup(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), <C::Kind as Kind>::Error>> {
        if let Some(seed) = self.seed.take() {
            self.node = Some(House::new(seed, self.at, None));
        }
        match &mut self.node {
            Some(node) => node.parts().poll_setup(cx),
            None => panic!("the future of `enter` was polled after its end"),
        }
    }
}

impl<C: AsyncContext, P: Policy<C>> Drop for Entering<C, P> {
    #[inline]
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
            node.abandon();
        }
    }
}

/// An entry that is open or being closed. Dropped, it leaves its context to the policy.
pub(super) struct Entry<'e, E> {
    node: NonNull<dyn Exits<E> + Send + 'e>,
    resource: NonNull<()>,
    number: Number,
}

// SAFETY: it owns the node, which is `Send`, and with it the resource.
unsafe impl<E> Send for Entry<'_, E> {}

impl<E> Entry<'_, E> {
    fn node(&mut self) -> Pin<&mut (dyn Exits<E> + Send)> {
        // SAFETY: this is called only for an entry that is out of `Entries`, where entries are added and looked up, and nothing else is done with them. So nobody
        // else reaches the node (point 3). It is pinned where it is (point 1).
        unsafe { Pin::new_unchecked(self.node.as_mut()) }
    }

    pub(super) fn entered(&mut self) -> Entered {
        self.node().entered()
    }

    /// Runs the teardown. The first call takes the outcome, as the inner entries left it, out of `told`. When the teardown is over, the outcome as it is then is put
    /// back.
    #[inline]
    pub(super) fn poll_close(
        &mut self,
        told: &mut Option<Ending>,
        closed: &mut Closed<E>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.node().poll_close(told, closed, cx)
    }

    /// Frees the entry. A context that isn't closed yet is left to its policy. Returns the panic of a destructor.
    #[inline]
    pub(super) fn end(self) -> Result<(), Panicked> {
        let entry = ManuallyDrop::new(self);
        // SAFETY: nothing else is done with the entry, not even its drop.
        unsafe { entry.take() }.end()
    }

    /// # Safety
    /// Nothing else is done with the entry afterwards.
    #[inline]
    unsafe fn take(&self) -> Pin<Box<dyn Exits<E> + Send + '_>> {
        // SAFETY: the pointer comes from a box that this entry owns. By this function's contract, it isn't used again. The node stays where it is, pinned.
        unsafe { Pin::new_unchecked(Box::from_raw(self.node.as_ptr())) }
    }
}

impl<E> Drop for Entry<'_, E> {
    fn drop(&mut self) {
        // SAFETY: the entry is being dropped: nothing else is done with it.
        if let Err(panicked) = unsafe { self.take() }.end() {
            panicked.go_on();
        }
    }
}

/// A list of entries. Dropped, it leaves them to their policies, from the innermost on.
pub(super) struct List<'e, E> {
    /// The first entry has a place of its own, so that a stack of one needs no allocation but that entry's.
    outermost: Option<Entry<'e, E>>,
    others: Vec<Entry<'e, E>>,
}

impl<'e, E> List<'e, E> {
    fn new() -> Self {
        List {
            outermost: None,
            others: Vec::new(),
        }
    }

    fn len(&self) -> usize {
        usize::from(self.outermost.is_some()) + self.others.len()
    }

    /// The number of the innermost entry, which is the greatest.
    fn newest(&self) -> Number {
        let innermost = self.others.last().or(self.outermost.as_ref());
        innermost.map_or(0, |entry| entry.number)
    }

    pub(super) fn push(&mut self, entry: Entry<'e, E>) {
        if self.outermost.is_none() {
            self.outermost = Some(entry);
        } else {
            self.others.push(entry);
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Entry<'e, E>> {
        self.others.pop().or_else(|| self.outermost.take())
    }

    /// Puts `added`, which was entered later, inside what is there.
    pub(super) fn append(&mut self, mut added: List<'e, E>) {
        if let Some(outermost) = added.outermost.take() {
            self.push(outermost);
        }
        self.others.append(&mut added.others);
    }

    fn find(&self, number: Number) -> Option<&Entry<'e, E>> {
        match &self.outermost {
            Some(entry) if entry.number == number => Some(entry),
            _ => {
                let others = &self.others;
                let at = others.binary_search_by_key(&number, |entry| entry.number);
                others.get(at.ok()?)
            }
        }
    }
}

impl<E> Drop for List<'_, E> {
    fn drop(&mut self) {
        let entries = self.outermost.iter_mut().chain(&mut self.others);
        let _unit = Unit::of(entries.map(Entry::entered));
        let mut first: Option<Panicked> = None;
        while let Some(entry) = self.pop() {
            // If a destructor of the user's panics, the other entries are rolled back all the same.
            match (entry.end(), &first) {
                (Ok(()), _) => {}
                (Err(panicked), None) => first = Some(panicked),
                (Err(panicked), Some(_)) => panicked.report(),
            }
        }
        if let Some(panicked) = first {
            panicked.go_on();
        }
    }
}

/// The entries of an open stack.
pub(super) struct Entries<'e, E>(Mutex<List<'e, E>>);

impl<'e, E> Entries<'e, E> {
    pub(super) fn new(list: List<'e, E>) -> Self {
        Entries(Mutex::new(list))
    }

    pub(super) fn none() -> Self {
        Entries::new(List::new())
    }

    /// The list. No code of the user's may run while it is locked.
    fn lock(&self) -> MutexGuard<'_, List<'e, E>> {
        // Nothing in this module panics with the list half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&mut self) -> &mut List<'e, E> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&mut self) -> bool {
        self.list().outermost.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Takes all entries out.
    pub(super) fn take(&mut self) -> List<'e, E> {
        mem::replace(self.list(), List::new())
    }

    /// Adds a context that is set up, and lends its resource for as long as the entries stay here.
    #[expect(
        clippy::mut_from_ref,
        reason = "each call lends the resource of another entry"
    )]
    pub(super) fn push<C, P, X>(&self, node: House<C, P, X>) -> &mut C::Resource
    where
        C: AsyncContext<Kind: RaiseAs<E>, Resource: Send> + Send + 'e,
        P: Policy<C, Origin: Send> + 'e,
        X: Adds<E> + Send + 'e,
    {
        let (mut resource, _) = self.add(node);
        // SAFETY: the node is alive until the entries are taken, which ends the borrow of `self`. Until then, this is the only access to the resource (point 2).
        unsafe { resource.as_mut() }
    }

    /// Adds a context that is set up, and gives its resource a key.
    pub(super) fn push_keyed<C, P>(&self, node: House<C, P>) -> Key<C::Resource>
    where
        C: AsyncContext<Kind: RaiseAs<E>, Resource: Send> + Send + 'e,
        P: Policy<C, Origin: Send> + 'e,
    {
        let (_, number) = self.add(node);
        Key::new(number)
    }

    fn add<C, P, X>(&self, mut node: House<C, P, X>) -> (NonNull<C::Resource>, Number)
    where
        C: AsyncContext<Kind: RaiseAs<E>, Resource: Send> + Send + 'e,
        P: Policy<C, Origin: Send> + 'e,
        X: Adds<E> + Send + 'e,
    {
        assert!(node.resource().is_some(), "{ONCE}");
        let mut list = self.lock();
        // The numbers are the order of rollbacks, and the list that of awaited exits. Under the lock, both are made the same. An entry whose number fits anyway keeps
        // it, so that what its setup has entered stays below it.
        let number = node.parts().number_after(list.newest());
        // SAFETY: nothing moves the node until it is dropped.
        let node = Box::into_raw(unsafe { Pin::into_inner_unchecked(node.into_box()) });
        // SAFETY: a box's pointer isn't null. The node is alive, and nobody else reaches it yet.
        let (node, resource) = unsafe {
            let resource = &mut (*node).resource;
            (NonNull::new_unchecked(node), resource.as_mut())
        };
        let resource = NonNull::from(resource.expect("asserted above"));
        list.push(Entry {
            node,
            resource: resource.cast(),
            number,
        });
        (resource, number)
    }

    /// The resource of the entry with this key.
    pub(super) fn get<R: Sync>(&self, key: Key<R>) -> Option<&R> {
        let resource = find(&self.lock(), key)?;
        // SAFETY: the node is alive until the entries are taken, which ends the borrow of `self`. Until then the resource, which has a key, is only read (point 4),
        // perhaps on several threads, which `R: Sync` allows.
        Some(unsafe { resource.as_ref() })
    }

    /// The resource of the entry with this key, exclusively.
    pub(super) fn get_mut<R>(&mut self, key: Key<R>) -> Option<&mut R> {
        let mut resource = find(self.list(), key)?;
        // SAFETY: as in `get`; by `&mut self`, this is the only access.
        Some(unsafe { resource.as_mut() })
    }
}

/// Where the resource with this key is. It has the type that the key says: no two entries ever have the same number, and the key was made with its entry's type.
fn find<R, E>(list: &List<'_, E>, key: Key<R>) -> Option<NonNull<R>> {
    Some(list.find(key.number())?.resource.cast())
}
