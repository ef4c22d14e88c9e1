//! A yield as what `select!` is to poll.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn lease() -> String {
    tokio::select! {
        _ = yield_resource!(String::from("lease")) => {}
        _ = std::future::pending::<()>() => {}
    }
}

fn main() {}
