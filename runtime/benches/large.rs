//! A resource of some size, as connections and transactions have: what is measured is how often it is moved.

use crate::{
    contexts::name::{BOXED_LARGE, INLINE_LARGE},
    harness::Row,
    row,
    work::Broken,
};
use contextlib::{async_context, yield_resource};
use std::{hint::black_box, pin::Pin};

/// 256 bytes.
struct Large([u64; 32]);

// Not inlined into what is measured, as little as a pool's or a driver's functions would be.
#[inline(never)]
async fn acquire() -> Result<Large, Broken> {
    Ok(Large(black_box([1; 32])))
}

#[inline(never)]
async fn work(large: &mut Large) -> Result<u64, Broken> {
    large.0[7] += 1;
    Ok(black_box(large.0[7]))
}

#[inline(never)]
async fn release(large: Large) -> Result<(), Broken> {
    black_box(&large.0);
    Ok(())
}

async fn inline() -> Result<u64, Broken> {
    let mut large = acquire().await?;
    let end = work(&mut large).await;
    let released = release(large).await;
    let value = end?;
    released?;
    Ok(value)
}

fn boxed() -> Pin<Box<dyn Future<Output = Result<u64, Broken>> + Send>> {
    Box::pin(inline())
}

#[async_context]
async fn spawning() -> Result<Large, Broken> {
    let mut large = acquire().await?;
    let _ = yield_resource!(large);
    release(large).await?;
}

#[async_context(on_cancel = drop)]
async fn dropping() -> Result<Large, Broken> {
    let mut large = acquire().await?;
    let _ = yield_resource!(large);
    release(large).await?;
}

async fn guard() -> Result<u64, Broken> {
    let mut large = spawning().enter().await?;
    let end = work(&mut large).await;
    large.exit_with(end).await
}

/// This library's two styles, and the same by hand.
pub fn rows() -> Vec<Row> {
    vec![
        row!(INLINE_LARGE, beside INLINE_LARGE, inline()),
        row!(BOXED_LARGE, beside INLINE_LARGE, boxed()),
        row!("`with`, `drop`, 256 bytes", beside INLINE_LARGE, dropping().with(async |large| work(large).await)),
        row!("`with`, `spawn`, 256 bytes", beside INLINE_LARGE, spawning().with(async |large| work(large).await)),
        row!("`enter` and `exit_with`, `spawn`, 256 bytes", beside BOXED_LARGE, guard()),
    ]
}
