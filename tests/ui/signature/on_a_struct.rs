//! The attribute on what isn't a function.
use contextlib::async_context;

#[async_context]
struct Connection {
    open: bool,
}

fn main() {}
