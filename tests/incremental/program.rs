//! Bodies and other `async` closures, in futures that are joined.
#![allow(unused_must_use)]

use contextlib::{ExitStack, IntoContextManager, async_context, contexts::from_fn, yield_resource};
use std::convert::Infallible;
use tokio::join;

#[async_context]
async fn number() -> Result<u32, Infallible> {
    let mut number = 1;
    let _ = yield_resource!(number);
}

#[async_context]
async fn plain() -> u32 {
    let _ = yield_resource!(1);
}

async fn with() {
    async { join!(number().with(async |number| Ok::<_, Infallible>(*number))) }.await;
}

async fn of_a_tuple() {
    let pair = (number(), number());
    async { join!(pair.with(async |_| Ok::<_, Infallible>(1))) }.await;
}

async fn run() {
    async { join!(plain().run(async |number| *number)) }.await;
}

async fn outcome() {
    async { join!(number().outcome(async |number| Ok::<_, Infallible>(*number))) }.await;
}

async fn scope() {
    async { join!(ExitStack::scope(async |_| Ok::<_, Infallible>(1))) }.await;
}

async fn push() {
    async {
        let stack = ExitStack::<Infallible>::new();
        stack.push(async |exit| drop(exit));
        stack.async_callback_with(async |stack| stack.callback(|| ()));
        join!(stack.exit())
    }
    .await;
}

async fn teardown() {
    async {
        let context = from_fn(async || Ok::<_, Infallible>(1), async |_, exit| {
            drop(exit);
            Ok(())
        });
        join!(context.with(async |_| Ok::<_, Infallible>(1)))
    }
    .await;
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    with().await;
    of_a_tuple().await;
    run().await;
    outcome().await;
    scope().await;
    push().await;
    teardown().await;
}
