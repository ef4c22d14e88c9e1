//! What `own` makes of a borrow depends on its type.
use contextlib::{async_context, yield_resource};
use std::{borrow::Cow, sync::Arc};

struct Store;

#[async_context]
async fn optional(label: Option<&str>) {
    println!("{label:?}");
    let _ = yield_resource!();
}

#[async_context]
async fn copied_on_write(label: Cow<'_, str>) {
    println!("{label}");
    let _ = yield_resource!();
}

impl Store {
    #[async_context]
    async fn shared(self: &Arc<Self>) {
        let _ = yield_resource!();
    }
}

fn main() {}
