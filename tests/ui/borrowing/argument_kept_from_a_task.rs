//! `with` in a task that outlives what the context borrows.
use contextlib::{async_context, yield_resource};

#[async_context(on_cancel = drop)]
async fn locked(name: &str) -> String {
    let _ = yield_resource!(name.to_owned());
}

/// A task that outlives its caller.
fn task(_: impl Future<Output = ()> + Send + 'static) {}

fn caller() {
    let name = String::from("n");
    task(locked(&name).run(async |lock| println!("{lock}")));
}

fn main() {}
