//! Several resources, as Python would take them.
use contextlib::{async_context, yield_resource};

#[async_context]
async fn connections() -> (String, String) {
    let mut reader = String::from("r");
    let mut writer = String::from("w");
    let _ = yield_resource!(reader, writer);
}

fn main() {}
