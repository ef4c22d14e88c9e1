//! Nothing that the attribute writes can clash with the user's names, or be named by the user.

use contextlib::{async_context, yield_resource};
use contextlib_tests::ContextError;
use futures::executor::block_on;

macro_rules! named {
    ($($name:ident)*) => {$(
        #[test]
        #[allow(non_snake_case)]
        fn $name() {
            #[async_context]
            async fn argument($name: u8) -> Result<u8, ContextError> {
                let mut local = $name + 1;
                let _ = yield_resource!(local);
                assert_eq!((local, $name), (9, 1));
            }
            #[async_context]
            async fn local(number: u8) -> Result<u8, ContextError> {
                let mut $name = number + 1;
                let _ = yield_resource!($name);
                assert_eq!(($name, number), (9, 1));
            }
            #[async_context]
            async fn pattern((first, mut $name): (u8, u8), arg0: u8, arg1: u8) -> u8 {
                assert_eq!((first, $name, arg0, arg1), (0, 1, 2, 3));
                let _ = yield_resource!($name);
                assert_eq!($name, 5);
            }
            #[async_context(own($name = number.clone()))]
            async fn owned(number: &u8) -> u8 {
                let mut $name = $name + 1;
                let _ = yield_resource!($name);
            }
            let body = async |value: &mut u8| -> Result<(), ContextError> {
                assert_eq!(*value, 2);
                *value = 9;
                Ok(())
            };
            assert_eq!(block_on(argument(1).with(body)), Ok(()));
            assert_eq!(block_on(local(1).with(body)), Ok(()));
            block_on(pattern((0, 1), 2, 3).run(async |value| *value += 4));
            let manager = { owned(&1) };
            assert_eq!(block_on(manager.run(async |value| *value)), 2);
            {
                #[async_context]
                async fn $name(mut number: u8) -> u8 {
                    let _ = yield_resource!(number);
                }
                assert_eq!(block_on($name(1).run(async |number| *number)), 1);
            }
        }
    )*};
}

// Those that the expansion uses, has used or may want to use, and the crates.
named! {
    self_ func args guard slot resource exit yielder the_one_yield end body contextlib core std r#type
}

/// Types and lifetimes of the names that generic code likes.
mod types {
    use super::*;

    #[async_context]
    async fn generic<'y, T, K, F, S, C, P>(
        t: T,
        k: K,
        f: F,
        s: S,
        c: C,
        p: P,
        y: &'static str,
    ) -> (T, K, F, S, C, P)
    where
        T: Send + 'static,
        K: Send + 'static,
        F: Send + 'static,
        S: Send + 'static,
        C: Send + 'static,
        P: Send + 'static,
    {
        let _: &'y str = y;
        let mut all = (t, k, f, s, c, p);
        let _ = yield_resource!(all);
    }

    #[test]
    fn work() {
        let manager = generic(1_u8, 2_u16, 3_u32, 4_u64, 5_i8, 6_i16, "");
        assert_eq!(block_on(manager.run(async |all| *all)), (1, 2, 3, 4, 5, 6));
    }
}

/// `r#` names, and one that begins with an underscore.
#[test]
fn raw_names() {
    #[async_context]
    async fn r#match(r#type: u8, _private: u8) -> u8 {
        let mut r#fn = r#type + _private;
        let _ = yield_resource!(r#fn);
    }
    assert_eq!(block_on(r#match(1, 2).run(async |value| *value)), 3);
    let text = format!("{:?}", r#match(1, 2));
    assert!(text.contains("\"match\""), "{text}");
}

/// A macro of the user's that has the names of ours.
#[test]
fn macros_of_the_same_names() {
    macro_rules! yield_it {
        ($resource:ident) => {{
            let yielder = 1;
            let the_one_yield = yielder + 1;
            $resource += the_one_yield;
        }};
    }
    #[async_context]
    async fn context() -> u8 {
        let mut resource = 1;
        yield_it!(resource);
        let _ = yield_resource!(resource);
        yield_it!(resource);
        assert_eq!(resource, 5);
    }
    assert_eq!(block_on(context().run(async |value| *value)), 3);
}
