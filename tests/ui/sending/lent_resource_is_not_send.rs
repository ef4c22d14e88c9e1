//! What block style lends, sent to another thread though the resource mayn't be.
use contextlib::{__private::Block, async_context, yield_resource};
use std::{pin::pin, rc::Rc};

#[async_context(on_cancel = drop)]
async fn shared() -> Rc<u32> {
    let _ = yield_resource!(Rc::new(1));
}

async fn caller() {
    let (mut opening, frame) = Block.open(shared());
    let mut session = opening.session(pin!(frame));
    if let Ok(lent) = session.setup().await {
        std::thread::scope(|scope| {
            scope.spawn(move || drop(lent));
        });
    }
}

fn main() {}
