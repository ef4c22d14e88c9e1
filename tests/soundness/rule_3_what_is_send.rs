//! Which of the types may be sent, shared, moved and copied: by what they hold, and no more.

use contextlib::{
    AsyncContext, AsyncContextManager, BoxContextManager, BoxGuard, ContextManager, Exit,
    ExitStack, Guard, InfallibleBoxGuard, IntoContextManager, Lend, YieldOnce, async_context,
    combine,
    kind::{Infallible, Never},
    policy, yield_resource,
};
use futures::executor::block_on;
use std::{cell::Cell, marker::PhantomData, rc::Rc};

/// Compiles only if the type doesn't have the trait: else there are two ways to fill in the `_`.
macro_rules! assert_not {
    ($ty:ty: $bound:path) => {
        const _: () = {
            trait AmbiguousIfItHas<A> {
                fn has_not() {}
            }
            impl<T: ?Sized> AmbiguousIfItHas<()> for T {}
            struct Has;
            impl<T: ?Sized + $bound> AmbiguousIfItHas<Has> for T {}
            let _ = <$ty as AmbiguousIfItHas<_>>::has_not;
        };
    };
}

macro_rules! assert_is {
    ($ty:ty: $($bound:tt)+) => {
        const _: () = {
            const fn has<T: ?Sized + $($bound)+>() {}
            has::<$ty>();
        };
    };
}

// A yielder moves a resource; nothing can be done with a reference to it.
assert_is!(YieldOnce<'static, u8>: Send + Sync);
assert_is!(YieldOnce<'static, Cell<u8>>: Send + Sync);
assert_not!(YieldOnce<'static, Rc<u8>>: Send);
assert_not!(YieldOnce<'static, u8>: Clone);
assert_is!(Lend<'static, u8>: Send + Sync + Unpin);
assert_not!(Lend<'static, Rc<u8>>: Send);
assert_not!(Lend<'static, u8>: Clone);

// An exit may be held across awaits, and looked at anywhere.
assert_is!(Exit<'static>: Send + Sync + Copy);

// A boxed context is `Send` by its making; its guard holds the resource besides.
assert_is!(BoxContextManager<'static, Rc<u8>, ()>: Send);
assert_is!(BoxGuard<'static, u8, ()>: Send + Unpin);
assert_not!(InfallibleBoxGuard<'static, Rc<u8>>: Send);
assert_is!(InfallibleBoxGuard<'static, Cell<u8>>: Send);
assert_not!(InfallibleBoxGuard<'static, u8>: Clone);

#[async_context(on_cancel = drop)]
async fn of<T>(mut value: T) -> T {
    let _ = yield_resource!(value);
}

fn is_send<T: Send>(_: &T) {}
fn is_sync<T: Sync>(_: &T) {}

/// Compiles only if the value's type doesn't have the trait, as [`assert_not`] does. No function: of its parameter nothing would be known.
macro_rules! is_not {
    ($bound:path: $value:expr) => {{
        trait AmbiguousIfItIs<A> {
            fn is_not(&self) {}
        }
        impl<T: ?Sized> AmbiguousIfItIs<()> for T {}
        struct Is;
        impl<T: ?Sized + $bound> AmbiguousIfItIs<Is> for T {}
        AmbiguousIfItIs::is_not(&$value);
    }};
}

/// Is what the context is.
fn context_of<C: AsyncContext>(_: &ContextManager<C, policy::Drop>) -> PhantomData<C> {
    PhantomData
}

struct Opened;

impl AsyncContextManager for Opened {
    type Resource = u8;
    type Kind = Infallible;

    async fn enter(&mut self) -> Result<u8, Never> {
        Ok(1)
    }

    async fn exit(&mut self, _: u8, _: Exit<'_>) -> Result<(), Never> {
        Ok(())
    }
}

#[test]
fn managers_and_guards_are_what_they_hold() {
    // A manager holds what the frame will be made from, which is as `Send` as that.
    is_not!(Send: of(Rc::new(1)));
    is_not!(Send: of(Rc::new(1)).enter());
    is_not!(Send: combine((of(1), of(Rc::new(1)))).on_cancel::<policy::Drop>());
    is_send(&combine((of(1), of(Cell::new(1)))).on_cancel::<policy::Drop>());
    let manager = of(Cell::new(1));
    is_send(&manager);
    // A frame is pinned before it runs, and must not be moved after that.
    is_not!(Unpin: context_of(&manager));
    let Ok(guard) = block_on(manager.enter());
    is_send(&guard);
    is_sync(&block_on(of(1).enter()));
    // Whatever else is in the box, only the resource is reached through a shared guard.
    is_sync(&block_on((of(1), of(2)).enter()));
    is_sync(&block_on(of(1).boxed().enter()));
    is_sync(&block_on(Opened.enter()));
    is_sync(&block_on(ExitStack::<()>::context().enter()));
    is_not!(Sync: guard);
    is_not!(Sync: block_on((of(1), of(Cell::new(1))).enter()));
    fn of_any<C: AsyncContext<Resource = u8, Kind = Infallible> + Send>(
        guard: Guard<C, policy::Drop>,
    ) -> impl Send {
        guard
    }
    drop(of_any(block_on(of(1_u8).enter()).unwrap()));
}
