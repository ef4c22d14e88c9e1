//! Closures that ask for an `Exit`, or for a stack, of a lifetime of their own, to keep it.
use contextlib::{Exit, ExitStack, contexts::from_fn};
use std::{convert::Infallible, sync::Mutex};

static LAST: Mutex<Option<Exit<'static>>> = Mutex::new(None);
static STACK: Mutex<Option<&'static ExitStack<'static, Infallible>>> = Mutex::new(None);

async fn keep(exit: Exit<'static>) {
    *LAST.lock().unwrap() = Some(exit);
}

fn pushes(stack: &ExitStack<'static, Infallible>) {
    stack.push(keep);
    stack.push(async |exit: Exit<'static>| *LAST.lock().unwrap() = Some(exit));
    stack.async_callback_with(
        async |added: &'static ExitStack<'static, Infallible>| *STACK.lock().unwrap() = Some(added),
    );
}

fn makes_a_context() {
    let _ = from_fn(
        async || Ok::<(), Infallible>(()),
        async |(), exit: Exit<'static>| {
            *LAST.lock().unwrap() = Some(exit);
            Ok(())
        },
    );
}

fn main() {}
