//! A stack for `'static` entries is no stack for shorter ones: a short entry would get into it.
use contextlib::ExitStack;

fn shorter<'short>(stack: &'short ExitStack<'static, ()>) -> &'short ExitStack<'short, ()> {
    stack
}

fn main() {}
