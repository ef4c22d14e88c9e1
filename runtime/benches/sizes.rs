//! How large everything is: of the stack or task that holds it, and of the heap.

use crate::{
    harness::Row,
    row,
    work::{Broken, suspend},
};
use contextlib::{AsyncContext, Enter, Guard, async_context, policy::Policy, yield_resource};
use std::{
    hint::black_box,
    mem::{size_of, size_of_val},
};

async fn acquire<const WORDS: usize>() -> Result<[u64; WORDS], Broken> {
    suspend().await;
    Ok(black_box([1; WORDS]))
}

async fn release<const WORDS: usize>(words: [u64; WORDS]) -> Result<(), Broken> {
    suspend().await;
    black_box(words);
    Ok(())
}

async fn work<const WORDS: usize>(words: &mut [u64; WORDS]) -> Result<u64, Broken> {
    suspend().await;
    Ok(black_box(words[0]))
}

async fn by_hand<const WORDS: usize>() -> Result<u64, Broken> {
    let mut words = acquire::<WORDS>().await?;
    let end = work(&mut words).await;
    let released = release(words).await;
    let value = end?;
    released?;
    Ok(value)
}

#[async_context]
async fn spawning<const WORDS: usize>() -> Result<[u64; WORDS], Broken> {
    let mut words = acquire::<WORDS>().await?;
    let _ = yield_resource!(words);
    release(words).await?;
}

#[async_context(on_cancel = drop)]
async fn dropping<const WORDS: usize>() -> Result<[u64; WORDS], Broken> {
    let mut words = acquire::<WORDS>().await?;
    let _ = yield_resource!(words);
    release(words).await?;
}

async fn entered<const WORDS: usize>() -> Result<(), Broken> {
    spawning::<WORDS>().enter().await?.exit().await
}

fn of_guard<C: AsyncContext, P: Policy<C>>(_: &Enter<C, P>) -> usize {
    size_of::<Guard<C, P>>()
}

/// What has a size: its name, and the sizes themselves or the row whose bytes they are.
#[derive(Debug)]
pub enum Size {
    /// Known to the compiler.
    Known(&'static str, usize),
    /// Allocated by that row.
    Allocated(&'static str, &'static str),
}

macro_rules! boxes {
    ($($words:literal: $with:literal, $guard:literal;)*) => {
        /// What is allocated.
        pub fn rows() -> Vec<Row> {
            vec![$(
                row!($with, beside $with, spawning::<$words>().with(async |words| work(words).await)),
                row!($guard, beside $guard, entered::<$words>()),
            )*]
        }

        /// How many words the resource of each column has, and what there is in each.
        pub fn columns() -> Vec<(usize, Vec<Size>)> {
            vec![$(($words, sizes::<$words>($with, $guard)),)*]
        }
    };
}

boxes! {
    1: "box of `with`, 8", "box of a guard, 8";
    32: "box of `with`, 256", "box of a guard, 256";
    512: "box of `with`, 4096", "box of a guard, 4096";
}

fn sizes<const WORDS: usize>(with_box: &'static str, guard_box: &'static str) -> Vec<Size> {
    let enter = spawning::<WORDS>().enter();
    let guard = of_guard(&enter);
    vec![
        Size::Known(
            "the future by hand: setup, body, teardown",
            size_of_val(&by_hand::<WORDS>()),
        ),
        Size::Known("the body's future", size_of_val(&work(&mut [0; WORDS]))),
        Size::Known(
            "a context that isn't entered yet",
            size_of_val(&spawning::<WORDS>()),
        ),
        Size::Known(
            "the future of `with`, `drop`",
            size_of_val(&dropping::<WORDS>().with(async |words| work(words).await)),
        ),
        Size::Known(
            "the future of `with`, `spawn`",
            size_of_val(&spawning::<WORDS>().with(async |words| work(words).await)),
        ),
        Size::Allocated("… and its box", with_box),
        Size::Known("the future of `enter`", size_of_val(&enter)),
        Size::Known("a guard", guard),
        Size::Allocated("… and its box", guard_box),
    ]
}
