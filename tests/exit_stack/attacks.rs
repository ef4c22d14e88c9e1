//! Safe code that tries to break the stack's unsafe code. Everything is counted and on the heap, so that AddressSanitizer sees what goes wrong too.

use crate::shared::*;
use contextlib::{
    AsyncContextManager, Exit, ExitStack, async_context, background,
    kind::{Infallible, Never},
    stack::Key,
    yield_resource,
};
use contextlib_tests::{
    Census, Counted, DropAt, Log, drop_at, message, poll_once, quiet, quietly, yields,
};
use std::{
    collections::VecDeque,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread,
};

/// Has something on the heap in its variables, in its resource and in its teardown.
#[async_context]
async fn counted(census: Census, waits: usize) -> Counted {
    let local = census.value("local");
    yields(waits).await;
    let mut resource = census.value("resource");
    let exit = yield_resource!(resource);
    yields(waits).await;
    local.touch();
    resource.touch();
    if let Some(error) = exit.error() {
        assert!(!format!("{error:?}").is_empty());
    }
}

async fn filled<'s>(
    stack: &'s ExitStack<'static, Numbered>,
    census: &Census,
    many: usize,
) -> Vec<&'s mut Counted> {
    let mut resources = Vec::new();
    for _ in 0..many {
        resources.push(
            stack
                .enter(counted(census.clone(), 0))
                .await
                .expect("it can't fail"),
        );
    }
    resources
}

/// The list grows and moves many times while all these references are alive.
#[tokio::test]
async fn a_hundred_references_at_once() {
    let census = Census::new();
    let stack = ExitStack::new();
    let mut resources = filled(&stack, &census, 100).await;
    stack.callback(|| ());
    for at in 0..50 {
        let (one, other) = resources.split_at_mut(50);
        mem::swap(one[at], other[49 - at]);
    }
    *resources[3] = census.value("in place of another");
    for resource in &resources {
        resource.touch();
    }
    stack.exit().await.expect("nothing fails");
    census.assert_balanced("exited");
}

/// Entered from several threads at a time, each of which uses what it has got, while others are entered.
#[test]
fn entered_from_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .build()
        .expect("a runtime");
    for exit in [true, false] {
        let census = Census::new();
        let stack = ExitStack::<Numbered>::new();
        let key = runtime
            .block_on(stack.enter_key(number(7)))
            .expect("it can't fail");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _on = runtime.enter();
                    futures::executor::block_on(async {
                        let resources = filled(&stack, &census, 50).await;
                        for resource in resources {
                            resource.touch();
                            assert_eq!(stack[key], 7);
                        }
                    });
                });
            }
        });
        assert_eq!(stack.len(), 401);
        runtime.block_on(async {
            if exit {
                stack.exit().await.expect("nothing fails");
            } else {
                drop(stack);
                background::drain().await;
            }
        });
        census.assert_balanced("exited");
    }
}

#[async_context]
async fn number(mut number: u64) -> u64 {
    let _ = yield_resource!(number);
}

#[async_context]
async fn text(mut text: String) -> String {
    let _ = yield_resource!(text);
}

/// Keys find their resource wherever it has gone to, and nothing once it is over, also among many.
#[tokio::test]
async fn keys() {
    struct Held {
        stack: ExitStack<'static, Numbered>,
        texts: Vec<Key<String>>,
        number: Key<u64>,
    }
    let stack = ExitStack::new();
    let mut texts = Vec::new();
    for at in 0..20 {
        stack.enter(number(at)).await.expect("it can't fail");
        texts.push(
            stack
                .enter_key(text(format!("text {at}")))
                .await
                .expect("it can't fail"),
        );
        stack.callback(|| ());
    }
    let key = stack.enter_key(number(5)).await.expect("it can't fail");
    let mut held = Box::new(Held {
        stack,
        texts,
        number: key,
    });
    held.stack[held.texts[3]].push('!');
    *held.stack.get_mut(key).expect("it is there") += 1;
    let mut popped = held.stack.pop_all();
    assert_eq!(held.stack.get(held.number), None);
    assert_eq!(held.stack.get_mut(held.texts[0]), None);
    assert_eq!(popped[held.number], 6);
    let found: Vec<_> = held.texts.iter().map(|key| popped[*key].clone()).collect();
    assert_eq!(
        (found[3].as_str(), found[19].as_str()),
        ("text 3!", "text 19")
    );
    mem::swap(&mut popped, &mut held.stack);
    assert_eq!(held.stack[held.number], 6);

    held.stack.close().await.expect("nothing fails");
    assert_eq!(held.stack.get(held.number), None);
    let _quiet = quiet();
    let indexed = catch_unwind(AssertUnwindSafe(|| held.stack[held.number]));
    let payload = indexed.expect_err("it is over");
    assert!(message(&*payload).contains("isn't on this stack"));
    popped.exit().await.expect("it is empty");
    held.stack.exit().await.expect("it is empty");
}

/// A resource that isn't `Sync` may be on a shared stack: its key is good for exclusive access only (`ui/stack/resource_is_not_sync.rs`).
#[tokio::test]
async fn a_resource_that_is_not_sync() {
    #[async_context]
    async fn cell(log: Log) -> std::cell::Cell<u8> {
        let mut cell = std::cell::Cell::new(1);
        let _ = yield_resource!(cell);
        log.say(cell.get().to_string());
    }
    let log = Log::new();
    let mut stack = ExitStack::<Numbered>::new();
    let key = stack.enter_key(cell(log.clone())).await.unwrap();
    let cell_beside = stack.enter(cell(log.clone())).await.unwrap();
    cell_beside.set(2);
    let cell = stack.get_mut(key).expect("it is there");
    assert_eq!(cell.get(), 1);
    cell.set(3);
    assert_eq!(stack.get_mut(key).expect("it is there").get(), 3);
    stack.exit().await.expect("nothing fails");
    assert_eq!(log.lines(), ["2", "3"]);
}

/// Two stacks change places, with entries on both.
#[tokio::test]
async fn swapped() {
    let census = Census::new();
    let mut one = ExitStack::new();
    let mut other = ExitStack::new();
    filled(&one, &census, 5).await;
    filled(&other, &census, 3).await;
    mem::swap(&mut one, &mut other);
    assert_eq!((one.len(), other.len()), (3, 5));
    let result = ExitStack::scope(async |stack| {
        filled(stack, &census, 2).await;
        mem::swap(stack, &mut one);
        Ok::<_, Numbered>(())
    });
    result.await.expect("nothing fails");
    assert_eq!(one.len(), 2);
    drop(other);
    one.exit().await.expect("nothing fails");
    background::drain().await;
    census.assert_balanced("swapped");
}

/// Forgotten, at every stage: nothing is freed, and so nothing is freed that somebody reaches.
#[tokio::test]
async fn forgotten() {
    let census = Census::new();
    let stack = ExitStack::new();
    filled(&stack, &census, 3).await;
    mem::forget(stack);

    let stack = ExitStack::new();
    filled(&stack, &census, 3).await;
    let mut entering = Box::pin(stack.enter(counted(census.clone(), 3)));
    assert!(poll_once(entering.as_mut()).is_pending());
    mem::forget(entering);
    let resource = stack
        .enter(counted(census.clone(), 0))
        .await
        .expect("it can't fail");
    resource.touch();
    stack
        .enter(counted(census.clone(), 3))
        .await
        .expect("it can't fail");
    let mut exit = Box::pin(stack.exit());
    assert!(poll_once(exit.as_mut()).is_pending());
    mem::forget(exit);

    let mut scope = Box::pin(ExitStack::scope(async |stack| {
        filled(stack, &census, 3).await;
        std::future::pending::<Result<(), Numbered>>().await
    }));
    assert!(poll_once(scope.as_mut()).is_pending());
    mem::forget(scope);
    assert!(census.alive().len() >= 20);
}

/// Dropped after each number of polls, with a body that is fine, fails or panics, and then once more while the rollbacks run.
#[tokio::test]
async fn cancelled_at_each_poll() {
    let _quiet = quiet();
    for ends in ["well", "failed", "panicked"] {
        for polls in 0.. {
            let census = Census::new();
            let scope = ExitStack::scope(async |stack| {
                let first = stack.enter(counted(census.clone(), 1)).await?;
                let second = stack.enter(counted(census.clone(), 2)).await?;
                stack.push({
                    let value = census.value("captured");
                    async move |exit: Exit<'_>| {
                        yields(1).await;
                        value.touch();
                        assert!(!format!("{exit:?}").is_empty());
                    }
                });
                stack.async_callback_with({
                    let census = census.clone();
                    async move |stack| {
                        yields(1).await;
                        stack.enter(counted(census, 1)).await?.touch();
                        yields(1).await;
                        Ok(())
                    }
                });
                yields(1).await;
                mem::swap(first, second);
                match ends {
                    "well" => Ok(()),
                    "failed" => Err(Numbered(1)),
                    _ => panic!("body"),
                }
            });
            let end = drop_at(polls, scope).await;
            background::drain().await;
            census.assert_balanced(format!("{ends}, {polls} polls"));
            if let DropAt::Ended(end) = end {
                match ends {
                    "well" => assert_eq!(end.expect("no panic"), Ok(())),
                    "failed" => assert_eq!(end.expect("no panic"), Err(Numbered(1))),
                    _ => assert_eq!(message(&*end.expect_err("a panic")), "body"),
                }
                assert!(polls > 12);
                break;
            }
        }
    }
}

/// The destructor of something on every entry panics: in the variables, the resource, a callback's captures, an error. All else is dropped, once.
#[test]
fn destructors_that_panic_everywhere() {
    struct Bomb(Counted);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.touch();
            resume_unwind(Box::new("bomb"));
        }
    }
    // One each: two that panic in the same drop glue are the language's abort.
    #[async_context]
    async fn armed(census: Census) -> Bomb {
        let mut resource = Bomb(census.value("bomb as a resource"));
        let _ = yield_resource!(resource);
        yields(1).await;
    }
    #[async_context]
    async fn armed_inside(census: Census) -> Counted {
        let _local = Bomb(census.value("bomb in a variable"));
        let mut resource = census.value("resource");
        let _ = yield_resource!(resource);
        yields(1).await;
    }
    #[async_context(on_cancel = drop)]
    async fn dropping(census: Census) -> Bomb {
        let mut resource = Bomb(census.value("bomb as a resource"));
        let _ = yield_resource!(resource);
    }
    async fn fill(stack: &ExitStack<'static, Numbered>, census: &Census) -> Result<(), Numbered> {
        for _ in 0..5 {
            stack.enter(armed(census.clone())).await?;
            stack.enter(armed_inside(census.clone())).await?;
            stack.enter(dropping(census.clone())).await?;
            stack.enter(counted(census.clone(), 1)).await?;
            let captured = Bomb(census.value("captured bomb"));
            stack.callback(move || captured.0.touch());
        }
        Ok(())
    }
    fn caught(f: impl FnOnce()) -> bool {
        quietly(|| catch_unwind(AssertUnwindSafe(f))).is_err()
    }
    for unwinds_already in [false, true] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let census = Census::new();
        let panicked = caught(|| {
            runtime.block_on(async {
                let stack = ExitStack::new();
                fill(&stack, &census).await.expect("it can't fail");
                if unwinds_already {
                    panic!("while it is dropped");
                }
                drop(stack);
            })
        });
        // In a rollback they are reported.
        assert_eq!(panicked, unwinds_already);
        runtime.block_on(background::drain());
        census.assert_balanced("dropped");

        let census = Census::new();
        assert!(caught(|| runtime.block_on(async {
            let stack = ExitStack::new();
            fill(&stack, &census).await.expect("it can't fail");
            let mut exit = pin!(stack.exit());
            if unwinds_already {
                assert!(poll_once(exit.as_mut()).is_pending());
                panic!("while it is exited");
            }
            let _ = exit.await;
        })));
        runtime.block_on(background::drain());
        census.assert_balanced("exited");
    }
}

/// Wakers whose `wake` and drop panic.
#[tokio::test]
async fn wakers_that_panic() {
    struct Unwilling;
    impl Wake for Unwilling {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new("woken"));
        }
    }
    let _quiet = quiet();
    let census = Census::new();
    let stack = ExitStack::new();
    filled(&stack, &census, 3).await;
    stack
        .enter(counted(census.clone(), 1))
        .await
        .expect("it can't fail");
    let waker = Waker::from(Arc::new(Unwilling));
    let mut exit = Box::pin(stack.exit());
    // The teardown that wakes it has panicked, and that is what comes out in the end; the others were exited.
    let polled = catch_unwind(AssertUnwindSafe(|| {
        exit.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    }));
    let payload = polled.expect_err("it panicked");
    assert_eq!(message(&*payload), "woken");
    drop(exit);
    background::drain().await;
    census.assert_balanced("exited");
}

/// Each poll of enter and exit on another thread.
#[test]
fn every_poll_on_another_thread() {
    let census = Census::new();
    let stack = ExitStack::<Numbered>::new();
    let mut entering = Box::pin(async {
        for _ in 0..3 {
            stack.enter(counted(census.clone(), 2)).await?.touch();
        }
        Ok::<_, Numbered>(())
    });
    while !thread::scope(|scope| {
        let poll = scope.spawn(|| poll_once(entering.as_mut()).is_ready());
        poll.join().expect("no panic")
    }) {}
    drop(entering);
    let mut exit = Box::pin(stack.exit());
    loop {
        let (back, ready) = thread::spawn(move || {
            let ready = poll_once(exit.as_mut()).is_ready();
            (exit, ready)
        })
        .join()
        .expect("no panic");
        exit = back;
        if ready {
            break;
        }
    }
    census.assert_balanced("exited");
}

/// Contexts that are built around stacks: a stack in a context's variables, a stack as a resource of an entry of a stack, ten deep.
#[tokio::test]
async fn stacks_in_stacks() {
    #[async_context]
    async fn with_stack(census: Census) -> ExitStack<'static, Numbered> {
        let own = ExitStack::<Numbered>::new();
        own.enter(counted(census.clone(), 0))
            .await
            .expect("it can't fail");
        let mut lent = ExitStack::<Numbered>::new();
        lent.enter(counted(census.clone(), 1))
            .await
            .expect("it can't fail");
        let _ = yield_resource!(lent);
        lent.exit().await.expect("nothing fails");
        own.exit().await.expect("nothing fails");
    }
    for exit in [true, false] {
        let census = Census::new();
        let outermost = ExitStack::<Numbered>::new();
        let mut stack = &outermost;
        for _ in 0..10 {
            stack = stack
                .enter(with_stack(census.clone()))
                .await
                .expect("it can't fail");
        }
        filled(stack, &census, 2).await;
        if exit {
            outermost.exit().await.expect("nothing fails");
        } else {
            drop(outermost);
            background::drain().await;
        }
        census.assert_balanced("a stack in a stack");
    }
}

/// A struct as a context: its own destructor runs right after its exit.
#[tokio::test]
async fn structs() {
    struct Pushes(Arc<Mutex<VecDeque<u32>>>, u32);
    impl AsyncContextManager for Pushes {
        type Resource = u32;
        type Kind = Infallible;
        async fn enter(&mut self) -> Result<u32, Never> {
            Ok(self.1)
        }
        async fn exit(&mut self, resource: u32, _: Exit<'_>) -> Result<(), Never> {
            self.0.lock().expect("no panic").push_back(resource);
            Ok(())
        }
    }
    impl Drop for Pushes {
        fn drop(&mut self) {
            self.0.lock().expect("no panic").push_back(self.1 + 100);
        }
    }
    let queue = Arc::new(Mutex::new(VecDeque::new()));
    let stack = ExitStack::<Numbered>::new();
    for at in 0..3 {
        let resource = stack
            .enter(Pushes(queue.clone(), at))
            .await
            .expect("it can't fail");
        *resource += 10;
    }
    stack.exit().await.expect("nothing fails");
    assert_eq!(
        *queue.lock().expect("no panic"),
        [12, 102, 11, 101, 10, 100]
    );
}

/// Entries that borrow, in their frames and as their resources.
#[tokio::test]
async fn entries_that_borrow() {
    #[async_context(on_cancel = drop)]
    async fn longer<'t>(log: &Mutex<Vec<String>>, text: &'t mut String) -> &'t mut String {
        let mut text = text;
        let _ = yield_resource!(text);
        text.push('.');
        log.lock().expect("no panic").push(text.clone());
    }
    for exit in [true, false] {
        let log = Mutex::new(Vec::new());
        let mut texts = ["a", "b", "c"].map(String::from);
        {
            let stack = ExitStack::<Numbered>::new();
            let mut lent = Vec::new();
            for text in &mut texts {
                lent.push(
                    stack
                        .enter(longer(&log, text))
                        .await
                        .expect("it can't fail"),
                );
            }
            lent.iter_mut().for_each(|text| text.push('!'));
            if exit {
                stack.exit().await.expect("nothing fails");
            }
        }
        let (log, texts) = (log.into_inner().expect("no panic"), texts.concat());
        match exit {
            true => assert_eq!(
                (log.concat(), texts.as_str()),
                ("c!.b!.a!.".into(), "a!.b!.c!.")
            ),
            false => assert_eq!((log.concat(), texts.as_str()), (String::new(), "a!b!c!")),
        }
    }
}

/// What may cross threads: all of it but what says otherwise.
#[test]
fn auto_traits() {
    fn sends<T: Send>(_: &T) {}
    fn shared<T: Sync>(_: &T) {}
    let stack = ExitStack::<Numbered>::suppressing();
    sends(&stack);
    shared(&stack);
    sends(&&stack);
    sends(&stack.enter(number(1)));
    sends(&stack.enter_key(number(1)));
    sends(&stack.exit_with(Ok(1)));
    sends(&ExitStack::scope(async |stack| {
        stack.enter(number(1)).await?;
        stack.close().await?;
        yields(1).await;
        Ok::<_, Numbered>(())
    }));
}

/// A key is a name only: it is the stack that says who may reach the resource.
#[test]
fn keys_are_plain_data() {
    fn plain<T: Copy + Send + Sync + 'static>() {}
    plain::<Key<String>>();
    plain::<Key<std::rc::Rc<u8>>>();
}

/// Polled by hand, nothing of the executor's: the stack needs none.
#[test]
fn without_an_executor() {
    let census = Census::new();
    let stack = ExitStack::new();
    let mut fill = Box::pin(filled(&stack, &census, 3));
    let Poll::Ready(resources) = poll_once(fill.as_mut()) else {
        panic!("nothing suspends")
    };
    drop(resources);
    drop(fill);
    assert!(poll_once(pin!(stack.exit())).is_ready());
    census.assert_balanced("exited");
}
