//! The resource is for an argument that has another name, or none.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn database() -> (u32, u32) {
    let _ = yield_resource!((1, 2));
}

#[within(database = database())]
async fn handler(db: &mut (u32, u32)) {
    db.0 += db.1;
}

#[within(database = database())]
async fn taken_apart((a, b): &mut (u32, u32)) {
    *a += *b;
}

async fn caller() {
    handler().await;
    taken_apart().await;
}

fn main() {}
