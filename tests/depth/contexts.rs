//! Contexts of one block.
use contextlib::{async_context, async_with, yield_resource};
use std::fmt;

#[async_context]
async fn one_more(than: u32) -> u32 {
    let mut number = than + 1;
    let _ = yield_resource!(number);
}

#[tokio::main]
async fn main() {
    let task = tokio::spawn(async_with!(
        a = one_more(0),
        b = one_more(*a),
        c = one_more(*b),
        d = one_more(*c),
        e = one_more(*d),
        f = one_more(*e),
        g = one_more(*f),
        h = one_more(*g),
        i = one_more(*h),
        j = one_more(*i),
        k = one_more(*j),
        l = one_more(*k),
        m = one_more(*l),
        n = one_more(*m),
        o = one_more(*n),
        p = one_more(*o),
        q = one_more(*p),
        r = one_more(*q),
        s = one_more(*r),
        t = one_more(*s),
        u = one_more(*t),
        v = one_more(*u),
        async || -> Result<u32, fmt::Error> { Ok(*v) }
    ));
    assert_eq!(task.await.expect("it doesn't panic"), Ok(22));
}
