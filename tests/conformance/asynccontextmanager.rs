//! `AsyncContextManagerTestCase`, `TestAbstractAsyncContextManager`, `AclosingTestCase` and `TestAsyncNullcontext` of `test_contextlib_async.py`.

use super::{Error, RuntimeError, State, ZeroDivisionError, one_by_zero};
use contextlib::{
    AsyncContextManager, BoxContextManager, Exit, IntoContextManager, async_context, background,
    contexts::{AsyncClose, closing, null_context},
    kind::{Fallible, Infallible, Never},
    within, yield_resource,
};
use futures::{FutureExt, Stream, StreamExt};
use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    task::{Context, Poll},
};

#[async_context]
async fn woohoo(state: State) -> i32 {
    state.append(1);
    let mut value = 42;
    let _ = yield_resource!(value);
    state.append(999);
}

#[tokio::test]
async fn contextmanager_plain() {
    let state = State::default();
    woohoo(state.clone())
        .run(async |x| {
            assert_eq!(state.get(), ["1"]);
            assert_eq!(*x, 42);
            state.append(x);
        })
        .await;
    assert_eq!(state.get(), ["1", "42", "999"]);
}

// `try: yield … finally:`: what comes after the yield point runs whatever the exit.
#[tokio::test]
async fn contextmanager_finally() {
    let state = State::default();
    let raised = woohoo(state.clone())
        .with(async |x| -> Result<(), ZeroDivisionError> {
            assert_eq!(state.get(), ["1"]);
            state.append(x);
            one_by_zero()
        })
        .await;
    assert_eq!(raised, Err(ZeroDivisionError(999)));
    assert_eq!(state.get(), ["1", "42", "999"]);
}

// An error has no traceback: it is the same value, not wrapped in another one.
#[tokio::test]
async fn contextmanager_traceback() {
    #[derive(Debug)]
    struct Unique(Arc<()>);
    let identity = Arc::new(());
    let raised = woohoo(State::default())
        .with(async |_| -> Result<(), Unique> { Err(Unique(identity.clone())) })
        .await;
    assert!(Arc::ptr_eq(&raised.unwrap_err().0, &identity));
    // A panic resumes with its own payload.
    let raised = woohoo(State::default()).run(async |_| std::panic::panic_any(identity.clone()));
    let raised = AssertUnwindSafe(raised).catch_unwind().await.unwrap_err();
    assert!(Arc::ptr_eq(raised.downcast_ref().unwrap(), &identity));
}

// `await ctx.__aexit__(TypeError, …)` by hand is a guard that is exited with an error.
#[tokio::test]
async fn contextmanager_no_reraise() {
    #[async_context]
    async fn whee() {
        let _ = yield_resource!();
    }
    let Ok(ctx) = whee().enter().await;
    // Calling `__aexit__` with an error isn't the context's error: it stays the body's.
    assert_eq!(
        ctx.exit_with(one_by_zero()).await,
        Err(ZeroDivisionError(999))
    );
}

// A second yield on a path that has yielded is a compile error (`ui/yielding/twice.rs`), also where only rustc sees it
// (`ui/yielding/twice_as_only_rustc_sees.rs`, `in_a_loop.rs`). What is left of the test: what runs in place of a second yield.
#[tokio::test]
async fn contextmanager_trap_yield_after_throw() {
    #[async_context]
    async fn whoo(state: State) {
        if yield_resource!().is_failed() {
            state.append("once");
        }
    }
    let state = State::default();
    let Ok(ctx) = whoo(state.clone()).enter().await;
    assert!(ctx.exit_with(one_by_zero()).await.is_err());
    assert_eq!(state.get(), ["once"]);
}

// No yield at all is a compile error (`ui/yielding/never.rs`), and so is a `return` of success before it (`ui/yielding/success_before_it.rs`); success by another path is a panic that names the function.
#[tokio::test]
async fn contextmanager_trap_no_yield() {
    #[async_context]
    async fn whoo(yields: bool) {
        if yields {
            let _ = yield_resource!();
        }
    }
    let panic = AssertUnwindSafe(whoo(false).enter())
        .catch_unwind()
        .await
        .unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("`whoo`") && message.contains("without yielding"),
        "{message}"
    );
    assert!(message.contains(file!()), "{message}");
    whoo(true).run(async |()| ()).await;
}

// To swallow an error is in the type: `suppress`, and an `Option`.
#[tokio::test]
async fn contextmanager_except() {
    #[async_context(suppress)]
    async fn woohoo(state: State) -> i32 {
        state.append(1);
        let mut value = 42;
        let exit = yield_resource!(value);
        if let Some(error) = exit
            .error()
            .and_then(|error| error.downcast_ref::<ZeroDivisionError>())
        {
            state.append(error.0);
            exit.suppress();
        }
    }
    let state = State::default();
    let swallowed = woohoo(state.clone())
        .with(async |x| -> Result<(), ZeroDivisionError> {
            assert_eq!(state.get(), ["1"]);
            state.append(&x);
            assert_eq!(*x, 42);
            one_by_zero()
        })
        .await;
    assert_eq!(swallowed, Ok(None));
    assert_eq!(state.get(), ["1", "42", "999"]);
}

// Python's generators signal their end with exceptions that a body may raise, too. Here nothing of the library's own is an error type: not even
// its own error, from a context around another one, means anything to the outer one.
#[tokio::test]
async fn contextmanager_except_stopiter() {
    use contextlib::contexts::{Elapsed, RescheduleError};
    let raised = woohoo(State::default())
        .with(async |_| -> Result<(), RescheduleError> { Err(RescheduleError::Finished) })
        .await;
    assert_eq!(raised, Err(RescheduleError::Finished));
    let fails = async |_: &mut i32| -> Result<(), Elapsed> {
        let zero = std::time::Duration::ZERO;
        contextlib::timeout(zero)
            .with(async |_| std::future::pending().await)
            .await
    };
    assert!(woohoo(State::default()).with(fails).await.is_err());
}

#[tokio::test]
async fn contextmanager_wrap_runtimeerror() {
    #[async_context(suppress)]
    async fn woohoo() -> Result<(), RuntimeError> {
        let exit = yield_resource!();
        if exit.is_failed() {
            exit.suppress();
            return Err(RuntimeError); // in place of the body's error
        }
    }
    let raised = woohoo()
        .with(async |()| -> Result<(), Error> { Ok(one_by_zero()?) })
        .await;
    assert_eq!(raised, Err(Error::Runtime(RuntimeError)));
}

/// Attributes on the function stay where they are, as documentation does (`expand/`), and visibility (`inner::woohoo`).
mod inner {
    use super::*;

    #[async_context]
    #[allow(non_snake_case)]
    #[deprecated = "an attribute that can be seen"]
    pub(super) async fn WOOHOO() -> Result<u8, Never> {
        let _ = yield_resource!(7);
    }
}

#[tokio::test]
async fn contextmanager_attribs() {
    #[expect(deprecated)]
    let Ok(mut guard) = inner::WOOHOO().enter().await;
    *guard += 1;
    assert_eq!(
        format!("{guard:?}"),
        r#"Guard { context: "WOOHOO", resource: 8 }"#
    );
    guard.exit().await.unwrap();
}

/// What the attribute writes has the documentation that the function had: it wouldn't compile without.
//
// `main.rs` shows it to other crates: `missing_docs` asks for no others.
#[deny(missing_docs)]
pub mod documented {
    /// Whee!
    #[contextlib::async_context]
    pub async fn above() {
        let _ = contextlib::yield_resource!();
    }

    #[contextlib::async_context]
    /// Whee!
    pub async fn below() {
        let _ = contextlib::yield_resource!();
    }
}

#[tokio::test]
async fn contextmanager_doc_attrib() {
    documented::above().run(async |()| ()).await;
    documented::below().run(async |()| ()).await;
}

// `def woohoo(self, func, args, kwds)`: names that the decorator might use itself.
#[tokio::test]
async fn keywords() {
    #[async_context]
    #[expect(clippy::too_many_arguments)]
    async fn woohoo(
        self_: u8,
        func: u8,
        args: u8,
        kwds: u8,
        guard: u8,
        slot: u8,
        resource: u8,
        exit: u8,
        yielder: u8,
        frame: u8,
        body: u8,
    ) -> [u8; 11] {
        let mut all = [
            self_, func, args, kwds, guard, slot, resource, exit, yielder, frame, body,
        ];
        let _ = yield_resource!(all);
        assert_eq!(all[7], exit);
    }
    let all = woohoo(11, 22, 33, 44, 5, 6, 7, 8, 9, 10, 12)
        .run(async |all| *all)
        .await;
    assert_eq!(all, [11, 22, 33, 44, 5, 6, 7, 8, 9, 10, 12]);
}

// A context function that enters itself: boxed, as a recursive future is.
#[tokio::test]
async fn recursive() {
    #[async_context]
    async fn woohoo(depth: Arc<AtomicI32>, ten: i32) -> Result<(), RuntimeError> {
        let before = depth.fetch_add(1, Ordering::SeqCst);
        assert_eq!(before, 10 - ten);
        if ten == 1 {
            let _ = yield_resource!();
        } else {
            let inner: BoxContextManager<'static, (), RuntimeError> =
                woohoo(depth.clone(), ten - 1).boxed();
            let inner = inner.enter().await?;
            let _ = yield_resource!();
            inner.exit().await?;
        }
        depth.fetch_sub(1, Ordering::SeqCst);
    }
    let depth = Arc::new(AtomicI32::new(0));
    let seen = woohoo(depth.clone(), 10)
        .with(async |()| -> Result<i32, RuntimeError> { Ok(depth.load(Ordering::SeqCst)) })
        .await;
    assert_eq!((seen, depth.load(Ordering::SeqCst)), (Ok(10), 0));
}

// A context as a decorator is `#[within]`.
#[tokio::test]
async fn decorator() {
    static ENTERED: AtomicI32 = AtomicI32::new(0);

    #[async_context]
    async fn context() {
        ENTERED.fetch_add(1, Ordering::SeqCst);
        let _ = yield_resource!();
        ENTERED.fetch_sub(1, Ordering::SeqCst);
    }

    #[within(context())]
    async fn test() -> i32 {
        tokio::task::yield_now().await;
        ENTERED.load(Ordering::SeqCst)
    }
    assert_eq!(ENTERED.load(Ordering::SeqCst), 0);
    assert_eq!(test().await, 1);
    assert_eq!(ENTERED.load(Ordering::SeqCst), 0);
    assert_eq!(test().await, 1, "a new context for each call");
}

#[tokio::test]
async fn decorator_with_exception() {
    static ENTERED: AtomicI32 = AtomicI32::new(0);

    #[async_context]
    async fn context() {
        ENTERED.fetch_add(1, Ordering::SeqCst);
        assert!(yield_resource!().is_failed());
        ENTERED.fetch_sub(1, Ordering::SeqCst);
    }

    #[within(context())]
    async fn test() -> Result<(), ZeroDivisionError> {
        assert_eq!(ENTERED.load(Ordering::SeqCst), 1);
        one_by_zero()
    }
    assert_eq!(test().await, Err(ZeroDivisionError(999)));
    assert_eq!(ENTERED.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn decorating_method() {
    #[async_context]
    async fn context() -> u8 {
        let _ = yield_resource!(1);
    }

    struct Test {
        a: u8,
    }

    impl Test {
        #[within(one = context())]
        async fn method(&self, b: u8, c: Option<u8>, one: &mut u8) -> (u8, u8, Option<u8>, u8) {
            (self.a, b, c, *one)
        }
    }

    let test = Test { a: 1 };
    assert_eq!(test.method(2, Some(3)).await, (1, 2, Some(3), 1));
    assert_eq!(test.method(4, None).await, (1, 4, None, 1));
}

/// A stream that holds an open context: Python's async generator with a `yield` in an `async with`.
fn ticks_of(state: State) -> Pin<Box<dyn Stream<Item = u32> + Send>> {
    enum At {
        Start,
        Open(contextlib::Guard<Box_, contextlib::policy::Inherited>, u32),
    }
    type Box_ = contextlib::BoxContext<'static, (), Infallible>;
    #[async_context]
    async fn ctx(state: State) {
        state.append("open");
        let exit = yield_resource!();
        tokio::task::yield_now().await;
        state.append(format_args!("closed {:?}", exit.kind()));
    }
    Box::pin(futures::stream::unfold(At::Start, move |at| {
        let state = state.clone();
        async move {
            match at {
                At::Start => {
                    let Ok(guard) = ctx(state).boxed().enter().await;
                    Some((11, At::Open(guard, 0)))
                }
                At::Open(guard, 2) => {
                    let Ok(()) = guard.exit().await;
                    None
                }
                At::Open(guard, n) => Some((22, At::Open(guard, n + 1))),
            }
        }
    }))
}

// Cancellation, from outside: the stream is dropped half-way, and the context that it holds is closed.
#[tokio::test]
async fn async_gen_propagates_generator_exit() {
    let state = State::default();
    let mut ticks = ticks_of(state.clone());
    assert_eq!(ticks.next().await, Some(11));
    assert_eq!(state.get(), ["open"]);
    drop(ticks);
    background::drain().await;
    assert_eq!(state.get(), ["open", "closed Cancelled"]);
    // Left to run, it closes it itself.
    let all: Vec<_> = ticks_of(State::default()).collect().await;
    assert_eq!(all, [11, 22, 22]);
}

// Cancellation, from inside: a context that drops its yield point drops a body that holds the stream.
#[tokio::test]
async fn async_gen_propagates_generator_exit_inside() {
    #[async_context]
    async fn ctx() -> Result<(), RuntimeError> {
        let polled = async { yield_resource!(move ()) };
        let mut polled = Box::pin(polled);
        for _ in 0..2 {
            assert!(futures::poll!(&mut polled).is_pending());
            tokio::task::yield_now().await;
        }
        drop(polled);
        return Err(RuntimeError);
    }
    let state = State::default();
    let raised = ctx()
        .with(async |()| -> Result<(), RuntimeError> {
            let mut ticks = ticks_of(state.clone());
            ticks.next().await;
            std::future::pending().await
        })
        .await;
    assert_eq!(raised, Err(RuntimeError));
    // Inner before outer: `with` returns when what its body had opened is closed.
    assert_eq!(state.get(), ["open", "closed Cancelled"]);
}

struct DefaultEnter(State);

// Nothing is provided: `enter` and `exit` have to be written, and the resource is what `enter` returns. Python's `__aenter__` returns `self`
// by default; here the struct stays with the context, and hands out what it likes.
impl AsyncContextManager for DefaultEnter {
    type Resource = State;
    type Kind = Infallible;

    async fn enter(&mut self) -> Result<State, Never> {
        Ok(self.0.clone())
    }

    async fn exit(&mut self, state: State, exit: Exit<'_>) -> Result<(), Never> {
        state.append(format_args!("{:?}", exit.kind()));
        Ok(())
    }
}

#[tokio::test]
async fn abstract_async_context_manager_enter() {
    let state = State::default();
    let Ok(manager) = DefaultEnter(state.clone()).enter().await;
    manager.append("entered");
    let Ok(()) = manager.exit().await;
    assert_eq!(state.get(), ["entered", "Completed"]);
}

// `ui/protocol/exit_is_missing.rs`: it doesn't compile.
#[tokio::test]
async fn abstract_async_context_manager_exit_is_abstract() {
    assert_eq!(DefaultEnter(State::default()).run(async |_| 1).await, 1);
}

/// Something with an `aclose`.
struct C(State);

impl AsyncClose for C {
    type Kind = Fallible<RuntimeError>;

    async fn close(self) -> Result<(), RuntimeError> {
        tokio::task::yield_now().await;
        self.0.append(1);
        Ok(())
    }
}

#[tokio::test]
async fn aclosing() {
    let state = State::default();
    closing(C(state.clone()))
        .with(async |y| -> Result<(), Error> {
            assert_eq!(y.0.get(), [] as [&str; 0]);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(state.get(), ["1"]);
}

#[tokio::test]
async fn aclosing_error() {
    let state = State::default();
    let raised = closing(C(state.clone()))
        .with(async |_| -> Result<(), Error> { Ok(one_by_zero()?) })
        .await;
    assert_eq!(raised, Err(Error::ZeroDivision(ZeroDivisionError(999))));
    assert_eq!(state.get(), ["1"]);
}

// A stream that a loop is left early is closed promptly, not when somebody gets round to it.
#[tokio::test]
async fn aclosing_bpo41229() {
    /// Counts up, until it is closed.
    struct Ticks(State, u32);
    impl Stream for Ticks {
        type Item = u32;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
            self.1 += 1;
            Poll::Ready(Some(self.1))
        }
    }
    impl AsyncClose for Ticks {
        type Kind = Infallible;
        async fn close(self) -> Result<(), Never> {
            self.0.append("closed");
            Ok(())
        }
    }
    let state = State::default();
    let found = closing(Ticks(state.clone(), 0))
        .run(async |ticks| {
            while let Some(tick) = ticks.next().await {
                if tick == 3 {
                    return tick;
                }
            }
            unreachable!()
        })
        .await;
    state.append("after");
    assert_eq!(found, 3);
    assert_eq!(state.get(), ["closed", "after"]);
}

#[tokio::test]
async fn async_nullcontext() {
    struct C;
    let c = Arc::new(C);
    let same = null_context(c.clone())
        .run(async |c_in| Arc::ptr_eq(c_in, &c))
        .await;
    assert!(same);
}
