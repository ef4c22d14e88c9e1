//! The argument's type isn't that of the resource.
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

#[within(database = database())]
async fn handler(database: &mut String) {
    database.push('a');
}

fn main() {}
