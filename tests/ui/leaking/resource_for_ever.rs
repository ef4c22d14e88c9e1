//! Bodies that ask for a resource of a lifetime of their own, to keep it.
use contextlib::{async_context, yield_resource};
use std::{convert::Infallible, sync::Mutex};

static KEPT: Mutex<Option<&'static mut String>> = Mutex::new(None);

#[async_context]
async fn connection() -> String {
    let _ = yield_resource!(String::from("open"));
}

async fn keep(connection: &'static mut String) -> Result<(), Infallible> {
    *KEPT.lock().unwrap() = Some(connection);
    Ok(())
}

async fn caller<'a>(kept: &mut Option<&'a mut String>) {
    let Ok(()) = connection().with(keep).await;
    connection()
        .run(async |connection: &'static mut String| *KEPT.lock().unwrap() = Some(connection))
        .await;
    connection()
        .run(async |connection: &'a mut String| *kept = Some(connection))
        .await;
    connection()
        .run(|connection: &'static mut String| async move { connection })
        .await;
}

fn main() {}
