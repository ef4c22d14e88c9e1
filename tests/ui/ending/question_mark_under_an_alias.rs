//! The alias of a `Result` has another name, so the context is taken for one that can't fail.
use contextlib::{async_context, yield_resource};
use std::io;

type Opened<T> = Result<T, io::Error>;

#[async_context]
async fn file(path: String) -> Opened<Vec<u8>> {
    let mut file = std::fs::read(path)?;
    let _ = yield_resource!(file);
}

fn main() {}
