//! A caller in edition 2021, to which the library has another name, and none beside it. What the editions have in common is in the other one's
//! `shared.rs`.
#![forbid(unsafe_code)]
#![cfg(test)]

use renamed as library;

#[path = "../edition-2018/shared.rs"]
mod shared;

use futures::executor::block_on;
use renamed::{async_context, async_with, within, yield_resource};

#[async_context(crate = renamed)]
async fn context(numbers: Vec<u8>) -> Result<Vec<u8>, std::io::Error> {
    let mut numbers = numbers;
    let _ = yield_resource!(numbers);
}

#[async_context(crate = ::renamed, suppress)]
async fn suppressing() {
    renamed::yield_resource!().suppress();
}

#[within(numbers = context(vec![first]), crate = renamed)]
async fn inside(first: u8, numbers: &mut Vec<u8>) -> Result<usize, std::io::Error> {
    numbers.push(2);
    Ok(numbers.len())
}

#[test]
fn by_another_name() {
    let with = context(vec![1])
        .with(async |numbers| -> Result<usize, std::io::Error> { Ok(numbers.len()) });
    assert_eq!(block_on(with).unwrap(), 1);
    let with = async_with!(
        numbers = context(vec![1]),
        async || -> Result<usize, std::io::Error> { Ok(numbers.len()) }
    );
    assert_eq!(block_on(with).unwrap(), 1);
    assert_eq!(
        block_on(
            suppressing().with(async |()| -> Result<(), std::fmt::Error> { Err(std::fmt::Error) })
        ),
        Ok(None)
    );
    assert_eq!(block_on(inside(1)).unwrap(), 2);
}
