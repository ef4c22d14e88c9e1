//! On a method under `#[async_trait]`.
use async_trait::async_trait;
use contextlib::{async_context, within, yield_resource};

#[async_context]
async fn database() -> Vec<u32> {
    let _ = yield_resource!(Vec::new());
}

#[async_trait]
trait Store {
    async fn save(&self, number: u32) -> usize;
}

struct Numbers;

#[async_trait]
impl Store for Numbers {
    #[within(numbers = database())]
    async fn save(&self, number: u32, numbers: &mut Vec<u32>) -> usize {
        numbers.push(number);
        numbers.len()
    }
}

fn main() {}
