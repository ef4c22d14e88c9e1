//! `?` among the arguments of a macro, in a context whose return type has no error.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn port(text: String) -> u16 {
    println!("opening {}", text.parse::<u16>()?);
    let _ = yield_resource!(8080);
}

fn main() {}
