//! CPython's `TestBaseExitStack`, `TestExitStack` and `TestAsyncExitStack`, row for row and under their names.

use crate::shared::{self, *};
use contextlib::{Exit, ExitStack, async_context, yield_resource};
use contextlib_tests::{Log, Reports};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

#[tokio::test]
async fn no_resources() {
    let stack = ExitStack::new();
    assert_eq!(stack.exit_with(Ok::<_, Numbered>(1)).await, Ok(1));
    let result = ExitStack::scope(async |_| Err::<(), _>(Numbered(1))).await;
    assert_eq!(result, Err(Numbered(1)));
}

/// Arguments are captured; there is no function that could be called with others.
#[tokio::test]
async fn callback() -> Result<(), Numbered> {
    let log = Log::new();
    let expected = ["5", "4", "3", "2", "1", "0"];
    let stack = ExitStack::<Numbered>::new();
    for number in 0..6 {
        let log = log.clone();
        stack.callback(move || log.say(number.to_string()));
    }
    stack.exit().await?;
    assert_eq!(log.lines(), expected);
    Ok(())
}

#[tokio::test]
async fn async_callback() -> Result<(), Numbered> {
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    for number in 0..3 {
        let log = log.clone();
        stack.async_callback(async move || {
            tokio::task::yield_now().await;
            log.say(number.to_string());
        });
    }
    stack.exit().await?;
    assert_eq!(log.lines(), ["2", "1", "0"]);
    Ok(())
}

/// Two that look on, one that swallows, then two that see nothing any more.
#[tokio::test]
async fn push() {
    let log = Log::new();
    let stack = ExitStack::suppressing();
    let look = |name: &'static str| {
        let log = log.clone();
        async move |exit: Exit<'_, _>| {
            log.say(format!("{name} sees {}", seen(exit.error().as_ref())))
        }
    };
    stack.push(look("outermost"));
    stack.push(look("outer"));
    let swallows = log.clone();
    stack.push(async move |exit| {
        swallows.say(format!("swallows {}", seen(exit.error().as_ref())));
        exit.suppress();
    });
    stack.push(look("inner"));
    stack.push(look("innermost"));
    let result: Result<Option<()>, _> = stack.exit_with(Err(Numbered(1))).await;
    assert_eq!(result, Ok(None));
    assert_eq!(
        log.lines(),
        [
            "innermost sees Numbered(1)",
            "inner sees Numbered(1)",
            "swallows Numbered(1)",
            "outer sees no error",
            "outermost sees no error",
        ]
    );
}

/// With suspensions, and with a context in place of an exit function.
#[tokio::test]
async fn async_push() -> Result<(), Numbered> {
    let log = Log::new();
    let result = ExitStack::suppressing_scope(async |stack| {
        let outer = log.clone();
        stack.push(async move |exit| {
            tokio::task::yield_now().await;
            outer.say(format!("outer sees {}", seen(exit.error().as_ref())));
        });
        stack.enter(swallowing(log.clone())).await?;
        let inner = log.clone();
        stack.push(async move |exit| {
            tokio::task::yield_now().await;
            inner.say(format!("inner sees {}", seen(exit.error().as_ref())));
        });
        Err::<(), _>(Numbered(1))
    })
    .await;
    assert_eq!(result, Ok(None));
    assert_eq!(
        log.lines(),
        [
            "inner sees Numbered(1)",
            "swallows Numbered(1)",
            "outer sees no error"
        ]
    );
    Ok(())
}

#[async_context]
async fn steps(log: Log) -> &'static str {
    log.say("1");
    let mut resource = "resource";
    let _ = yield_resource!(resource);
    log.say("3");
}

/// One kind of context, one `enter`.
#[tokio::test]
async fn enter_context() -> Result<(), Numbered> {
    let log = Log::new();
    let stack = ExitStack::<Numbered>::new();
    let last = log.clone();
    stack.callback(move || last.say("4"));
    let resource = stack.enter(steps(log.clone())).await?;
    assert_eq!(*resource, "resource");
    log.say("2");
    stack.exit().await?;
    assert_eq!(log.lines(), ["1", "2", "3", "4"]);
    Ok(())
}

#[tokio::test]
async fn enter_async_context() -> Result<(), Numbered> {
    let log = Log::new();
    ExitStack::scope(async |stack| {
        let last = log.clone();
        stack.async_callback(async move || last.say("4"));
        let resource = stack.enter(steps(log.clone())).await?;
        assert_eq!(*resource, "resource");
        log.say("2");
        Ok(())
    })
    .await
    .inspect(|()| assert_eq!(log.lines(), ["1", "2", "3", "4"]))
}

/// What isn't a context, or none that can be entered, is a compile error: see the `ui` tests. A failed enter leaves the stack as it was.
#[tokio::test]
async fn enter_context_errors() {
    let log = Log::new();
    let stack = ExitStack::new();
    let _ = stack.enter(named(log.clone(), "a".into())).await;
    assert_eq!(
        stack.enter(closed_door(7)).await.map(drop),
        Err(Numbered(7))
    );
    assert_eq!(stack.len(), 1);
    stack.exit().await.expect("nothing fails");
    assert_eq!(log.lines(), ["enter a", "exit a: completed"]);
}

/// Closed inside the body: the entry is exited there, and not again.
#[tokio::test]
async fn close() {
    let log = Log::new();
    let result: Result<(), Numbered> = ExitStack::scope(async |stack| {
        let last = log.clone();
        stack.callback(move || last.say("4"));
        stack.enter(steps(log.clone())).await?;
        log.say("2");
        stack.close().await?;
        log.say("after");
        assert!(stack.is_empty());
        // It can be used again.
        let again = log.clone();
        stack.callback(move || again.say("again"));
        Ok(())
    })
    .await;
    assert_eq!(result, Ok(()));
    assert_eq!(log.lines(), ["1", "2", "3", "4", "after", "again"]);
}

/// Moved entries run only with the new stack, in their order.
#[tokio::test]
async fn pop_all() -> Result<(), Numbered> {
    let log = Log::new();
    let new_stack = ExitStack::scope(async |stack| {
        for number in 0..5 {
            let log = log.clone();
            stack.callback(move || log.say(number.to_string()));
        }
        let new_stack = stack.pop_all();
        assert!(stack.is_empty());
        let own = log.clone();
        stack.callback(move || own.say("the old stack's"));
        Ok::<_, Numbered>(new_stack)
    })
    .await?;
    assert_eq!(log.take(), ["the old stack's"]);
    new_stack.callback({
        let log = log.clone();
        move || log.say("5")
    });
    new_stack.exit().await?;
    assert_eq!(log.lines(), ["5", "4", "3", "2", "1", "0"]);
    Ok(())
}

#[tokio::test]
async fn exit_raise() {
    let stack = ExitStack::new();
    stack.push(async |exit| assert!(exit.is_failed()));
    let result: Result<(), _> = stack.exit_with(Err(Numbered(1))).await;
    assert_eq!(result, Err(Numbered(1)));
}

#[tokio::test]
async fn exit_suppress() {
    let stack = ExitStack::suppressing();
    stack.push(async |exit| exit.suppress());
    let result: Result<Option<()>, _> = stack.exit_with(Err(Numbered(1))).await;
    assert_eq!(result, Ok(None));
}

/// The outcome as it goes from entry to entry: the body's error stays the one that is returned, later ones are reported, and what is swallowed is gone.
#[tokio::test]
async fn exit_exception_chaining() {
    let reports = Reports::keep();
    let log = Log::new();
    let stack = ExitStack::suppressing();
    let fails = |number: u32| {
        let log = log.clone();
        async move |exit: Exit<'_, _>| {
            log.say(format!("{number} sees {}", seen(exit.error().as_ref())));
            Err(Numbered(number))
        }
    };
    stack.push(fails(5));
    stack.push(async |exit| exit.suppress());
    stack.push(fails(3));
    stack.push(fails(2));
    let result: Result<Option<()>, _> = stack.exit_with(Err(Numbered(1))).await;
    assert_eq!(result, Err(Numbered(5)));
    assert_eq!(
        log.lines(),
        [
            "2 sees Numbered(1)",
            "3 sees Numbered(1)",
            "5 sees no error"
        ]
    );
    assert_eq!(
        reports.take(),
        [
            "push failed: Numbered(2) after failed",
            "push failed: Numbered(3) after failed"
        ]
    );
}

/// The same result as really nested contexts, the same views and the same reports.
#[tokio::test]
async fn exit_exception_chaining_reference() {
    let reports = shared::reports();
    let (nested, stacked) = (Log::new(), Log::new());

    let result = failing(nested.clone(), 5)
        .with(async |_| {
            swallowing(nested.clone())
                .with(async |_| {
                    failing(nested.clone(), 3)
                        .with(async |_| {
                            failing(nested.clone(), 2)
                                .with(async |_| Err::<(), _>(Numbered(1)))
                                .await
                        })
                        .await
                })
                .await
        })
        .await;
    let reported = reports.take();
    assert_eq!(reported.len(), 2);

    let stack = ExitStack::suppressing();
    let same = async {
        stack.enter(failing(stacked.clone(), 5)).await?;
        stack.enter(swallowing(stacked.clone())).await?;
        stack.enter(failing(stacked.clone(), 3)).await?;
        stack.enter(failing(stacked.clone(), 2)).await?;
        Err(Numbered(1))
    }
    .await;
    assert_eq!(stack.exit_with(same).await, result);
    assert_eq!(result, Err(Numbered(5)));
    assert_eq!(stacked.lines(), nested.lines());
    assert_eq!(reports.take(), reported);
}

#[tokio::test]
async fn exit_exception_non_suppressing() {
    let log = Log::new();
    let stack = ExitStack::suppressing();
    stack.push({
        let log = log.clone();
        async move |exit| log.say(format!("sees {}", seen(exit.error().as_ref())))
    });
    // It fails, and swallows nothing.
    stack.push(async |_| Err(Numbered(2)));
    let result: Result<Option<()>, _> = stack.exit_with(Ok(())).await;
    assert_eq!(result, Err(Numbered(2)));
    assert_eq!(log.lines(), ["sees Numbered(2)"]);
}

/// Contexts that fail with 2, 3 and 4 over the body's 1: all four are to be found, the body's as what is returned.
#[tokio::test]
async fn exit_exception_with_correct_context() {
    let reports = shared::reports();
    let log = Log::new();
    let result = ExitStack::scope(async |stack| {
        for number in [4, 3, 2] {
            stack.enter(failing(log.clone(), number)).await?;
        }
        Err::<(), _>(Numbered(1))
    })
    .await;
    assert_eq!(result, Err(Numbered(1)));
    assert_eq!(
        reports.take(),
        [
            "failing failed: Numbered(2) after failed",
            "failing failed: Numbered(3) after failed",
            "failing failed: Numbered(4) after failed",
        ]
    );
}

#[tokio::test]
async fn body_exception_suppress() {
    let log = Log::new();
    let result = ExitStack::suppressing_scope(async |stack| {
        stack.enter(swallowing(log.clone())).await?;
        Err::<(), _>(Numbered(1))
    })
    .await;
    assert_eq!(result, Ok(None));
    assert_eq!(log.lines(), ["swallows Numbered(1)"]);
}

/// The body is fine, two exits fail, the outermost swallows that: no error. The body's value is there, since nobody swallowed the body's outcome.
#[tokio::test]
async fn exit_exception_chaining_suppress() {
    let reports = Reports::keep();
    let stack = ExitStack::suppressing();
    stack.push(async |exit| exit.suppress());
    stack.push(async |_| Err(Numbered(2)));
    stack.push(async |_| Err(Numbered(1)));
    assert_eq!(stack.exit_with(Ok("value")).await, Ok(Some("value")));
    // Of the two, the outcome was swallowed, and the second one is not lost.
    assert_eq!(reports.take(), ["push failed: Numbered(2) after failed"]);
}

/// 10,000 in Python. `scale` has the same in a thread with a small stack.
#[tokio::test]
async fn excessive_nesting() -> Result<(), Numbered> {
    let stack = ExitStack::<Numbered>::new();
    let many = if cfg!(miri) { 100 } else { 100_000 };
    let left = Arc::new(AtomicU32::new(many));
    for below in 0..many {
        let left = left.clone();
        // No assertion here: it would fail a hundred thousand times.
        stack.callback(move || {
            let _ = left.compare_exchange(below + 1, below, Relaxed, Relaxed);
        });
    }
    stack.exit().await?;
    assert_eq!(left.load(Relaxed), 0, "left out, or out of order");
    Ok(())
}

/// The body's error goes through, though an entry answers it with one of its own that is of the same type when it is raised.
#[tokio::test]
async fn dont_reraise_runtime_error() {
    #[async_context]
    async fn first() -> Result<(), Foreign> {
        let how = yield_resource!();
        if how.is_failed() {
            Err(Foreign(2))?;
        }
    }
    let reports = Reports::keep();
    let result: Result<(), _> = ExitStack::scope(async |stack| {
        stack.enter(first()).await?;
        Err(Numbered(1))
    })
    .await;
    assert_eq!(result, Err(Numbered(1)));
    assert_eq!(reports.take(), ["first failed: Numbered(2) after failed"]);
}

/// Everything that a callback adds while the stack is unwound runs next.
#[tokio::test]
async fn callbacks_added_while_unwinding_run_next() -> Result<(), Numbered> {
    let log = Log::new();
    let say = |line: &'static str| {
        let log = log.clone();
        move || log.say(line)
    };
    let stack = ExitStack::<Numbered>::new();
    stack.callback(say("last"));
    let (first, second, third, entered) = (say("first"), say("second"), say("third"), log.clone());
    stack.async_callback_with(async move |stack| {
        first();
        stack.callback(third);
        stack.enter(named(entered, "added".into())).await?;
        stack.callback(second);
        Ok(())
    });
    stack.exit().await?;
    assert_eq!(
        log.lines(),
        [
            "first",
            "enter added",
            "second",
            "exit added: completed",
            "third",
            "last"
        ]
    );
    Ok(())
}
