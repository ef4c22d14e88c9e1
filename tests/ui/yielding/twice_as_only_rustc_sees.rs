//! Two yields on one path, which has a `return` beside it, so that only the borrow checker can tell.
use contextlib::{async_context, yield_resource};

macro_rules! on_error_again {
    ($first:expr, $again:expr) => {
        if !$first.is_completed() {
            let _ = $again;
        }
    };
}

#[async_context]
async fn connection() -> String {
    let mut connection = String::from("open");
    on_error_again!(yield_resource!(connection), yield_resource!(connection));
}

fn main() {}
