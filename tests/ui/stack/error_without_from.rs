//! An entry whose error the stack's can't be made from.
use contextlib::{ExitStack, async_context, yield_resource};
use std::{io::Error, num::ParseIntError};

#[async_context]
async fn number(text: &'static str) -> Result<u32, ParseIntError> {
    let mut number = text.parse()?;
    let _ = yield_resource!(number);
}

async fn caller() -> Result<(), Error> {
    let stack = ExitStack::<Error>::new();
    let one = stack.enter(number("1")).await?;
    *one += 1;
    stack.exit().await
}

fn main() {}
