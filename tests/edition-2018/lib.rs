//! A caller in edition 2018. What the editions have in common is in `shared.rs`; here nobody says where the library is.
#![forbid(unsafe_code)]
#![cfg(test)]

use contextlib as library;

mod shared;

use contextlib::{async_context, async_with, within, yield_resource};
use futures::executor::block_on;

#[async_context]
async fn context(numbers: Vec<u8>) -> Result<Vec<u8>, std::io::Error> {
    let mut numbers = numbers;
    let _ = yield_resource!(numbers);
}

#[within(numbers = context(vec![first]))]
async fn inside(first: u8, numbers: &mut Vec<u8>) -> Result<usize, std::io::Error> {
    numbers.push(2);
    Ok(numbers.len())
}

#[test]
fn by_its_own_name() {
    let with = context(vec![1])
        .with(async |numbers| -> Result<usize, std::io::Error> { Ok(numbers.len()) });
    assert_eq!(block_on(with).unwrap(), 1);
    let with = async_with!(
        numbers = context(vec![1]),
        async || -> Result<usize, std::io::Error> { Ok(numbers.len()) }
    );
    assert_eq!(block_on(with).unwrap(), 1);
    assert_eq!(block_on(inside(1)).unwrap(), 2);
}

/// A word that edition 2018 doesn't reserve.
#[test]
fn words_of_later_editions() {
    #[async_context]
    async fn gen(try_: u8) -> u8 {
        let mut gen = try_;
        let _ = yield_resource!(gen);
    }
    assert_eq!(block_on(gen(1).run(async |value| *value)), 1);
}
