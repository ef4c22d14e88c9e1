//! A short-lived reference written through a guard, where the teardown would read it.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn label() -> &'static str {
    let mut label = "static";
    let _ = yield_resource!(label);
    println!("{label}");
}

async fn caller() {
    let Ok(mut label) = label().enter().await;
    {
        let short = String::from("short");
        *label = &short;
    }
    let Ok(()) = label.exit().await;
}

fn main() {}
