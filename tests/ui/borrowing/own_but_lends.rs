//! The context owns what it needs, and lends what it has borrowed all the same.
use contextlib::{async_context, yield_resource};

#[async_context(own(name = name.to_owned()))]
async fn labelled<'a>(name: &'a str) -> &'a str {
    let mut label = &*name;
    let _ = yield_resource!(label);
}

fn main() {}
