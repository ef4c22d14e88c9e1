//! `Result` has another name, of which the attribute knows nothing.
use contextlib::{async_context, yield_resource};
use std::io;

type Opened<T> = Result<T, io::Error>;

#[async_context]
async fn opened() -> Opened<String> {
    let mut text = String::new();
    let _ = yield_resource!(text);
    Ok(())
}

fn main() {}
