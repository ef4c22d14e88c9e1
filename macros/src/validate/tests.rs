use proc_macro2::TokenStream;
use quote::quote;
use syn::{File, Item};

use crate::expand::async_context;

/// The messages, in order; what else the attribute writes must be Rust.
fn messages(args: TokenStream, item: TokenStream) -> Vec<String> {
    let file: File = syn::parse2(async_context(args, quote!(#item))).expect("a stub is Rust");
    let errors = file.items.iter().filter_map(|item| match item {
        Item::Macro(call) => Some(
            syn::parse2::<syn::LitStr>(call.mac.tokens.clone())
                .unwrap()
                .value(),
        ),
        _ => None,
    });
    errors.collect()
}

macro_rules! wrong {
    ([$($args:tt)*] $($item:tt)*) => {{
        let messages = messages(quote!($($args)*), quote!($($item)*));
        assert_eq!(messages.len(), 1, "{messages:#?}");
        messages.into_iter().next().unwrap()
    }};
}

macro_rules! right {
    ([$($args:tt)*] $($item:tt)*) => {
        assert_eq!(messages(quote!($($args)*), quote!($($item)*)), [""; 0])
    };
}

/// A body alone.
macro_rules! body {
    ($($body:tt)*) => { wrong!([] async fn f() -> Result<Tx, Error> { $($body)* }) };
}

macro_rules! right_body {
    ($($body:tt)*) => { right!([] async fn f() -> Result<Tx, Error> { $($body)* }) };
}

#[test]
fn what_is_not_an_async_function() {
    assert_eq!(
        wrong!([] struct S;),
        "`#[async_context]` goes on an `async fn`, not on a `struct`"
    );
    assert_eq!(
        wrong!([] pub(crate) const A: u8 = 1;),
        "`#[async_context]` goes on an `async fn`, not on a `const`"
    );
    assert_eq!(
        wrong!([] #[doc = ""] impl S { async fn f() {} }),
        "`#[async_context]` goes on an `async fn`: put it on those in this `impl` that are contexts"
    );
    assert_eq!(
        wrong!([] fn f() {}),
        "a context function is async: write `async fn f`"
    );
    assert!(
        wrong!([] async unsafe fn f() { yield_resource!(); })
            .starts_with("a context function can't be `unsafe`")
    );
    assert!(
        wrong!([] async extern "C" fn f() { yield_resource!(); })
            .starts_with("a context function can't be `extern`")
    );
    assert_eq!(
        messages(
            quote!(),
            quote!(
                const fn f() {}
            )
        )
        .len(),
        2
    );
}

#[test]
fn async_trait_was_first() {
    let message = wrong!([] fn tx<'life0, 'async_trait>(&'life0 self)
        -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<Tx, Error>> + ::core::marker::Send + 'async_trait>> {
        Box::pin(async move { yield_resource!(1); })
    });
    assert!(
        message.starts_with(
            "`#[async_trait]` has rewritten `tx` before `#[async_context]` could see it"
        )
    );
}

#[test]
fn return_types() {
    assert!(
        wrong!([] async fn f() -> Result<_, Error> { yield_resource!(1); })
            .starts_with("`_` isn't allowed")
    );
    assert!(
        wrong!([] async fn f() -> ! { yield_resource!(1); })
            .starts_with("a context function returns the type of what it yields")
    );
    assert!(
        wrong!([] async fn f() -> ContextManager<Tx> { yield_resource!(1); })
            .starts_with("write the type of the resource here")
    );
    assert!(
        wrong!([fallible] async fn f() { yield_resource!(1); })
            .starts_with("`fallible` needs a return type")
    );
    assert!(
        wrong!([] async fn f() -> io::Result<impl Read> { yield_resource!(1); })
            .starts_with("`impl Trait` can't be seen through an alias")
    );
    assert!(
        wrong!([] async fn f() -> io::Result<impl Read> { yield_resource!(a?); })
            .starts_with("`impl Trait` can't be seen through an alias")
    );
    right!([] async fn f() -> Result<impl Read, Error> { yield_resource!(1); });
    right!([] async fn f() -> Result<Cow<'static, str>, Error> { yield_resource!(1); });
    assert!(
        wrong!([] async fn f() -> Option<&str> { yield_resource!(None); })
            .starts_with("this resource borrows, but there is no argument that lends it")
    );
}

#[test]
fn a_manager_is_no_resource() {
    macro_rules! manager {
        ($ty:ty) => {
            let message = wrong!([] async fn f() -> $ty { let _ = yield_resource!(1); });
            assert!(message.starts_with("write the type of the resource here"), "{message}");
        };
    }
    manager!(ContextManager<impl Resource>);
    manager!(Result<contextlib::ContextManager<Tx>, Error>);
    manager!(io::Result<BoxContextManager<'static, Tx, Error>>);
    manager!(contextlib::InfallibleBoxContextManager<'static, Tx>);
    manager!(impl AsyncContext<Resource = Tx> + Send);
    // These may be what is yielded.
    right!([] async fn f() -> BoxContextManager<'static, Tx, E> { let _ = yield_resource!(g().boxed()); });
    right!([] async fn f(m: InfallibleBoxContextManager<'static, Tx>) -> InfallibleBoxContextManager<'static, Tx> { let _ = yield_resource!(m); });
    right!([] async fn f<C: AsyncContext>(m: M<C>) -> Result<ContextManager<C>, E> { let _ = yield_resource!(m.0); });
    right!([] async fn f() -> Result<ContextManager<impl AsyncContext>, E> { let _ = yield_resource!(g()); });
    right!([] async fn f() -> Guard<u8> { let _ = yield_resource!(g()); });
}

#[test]
fn a_resource_has_a_size() {
    assert_eq!(
        wrong!([] async fn f() -> dyn Debug { let _ = yield_resource!(1); }),
        "a resource has a size: yield a `Box<dyn Debug + Send>`"
    );
    assert!(
        wrong!([on_cancel = drop] async fn f() -> Result<dyn fmt::Debug, E> { let _ = yield_resource!(1); })
            .ends_with("yield a `Box<dyn fmt::Debug>`")
    );
    assert!(wrong!([] async fn f() -> str { let _ = yield_resource!(1); }).ends_with("`String`"));
    assert!(wrong!([] async fn f() -> [u8] { let _ = yield_resource!(1); }).ends_with("`Vec<u8>`"));
    right!([] async fn f() -> io::Result<str> { let _ = yield_resource!(1); });
}

#[test]
fn a_resource_is_yielded_without_an_ok() {
    assert_eq!(
        body!(let _ = yield_resource!(Ok(begin().await?));),
        "a context yields the resource itself: write `yield_resource!(begin().await?)`"
    );
    assert!(
        wrong!([] async fn f() -> io::Result<Vec<u8>> { let _ = yield_resource!(Ok(v)); })
            .starts_with("a context yields the resource itself")
    );
    right!([] async fn f() -> Result<Result<Tx, E>, E> { let _ = yield_resource!(Ok(tx)); });
    right!([] async fn f() -> Result<Opened<Tx>, E> { let _ = yield_resource!(Ok(tx)); });
    right!([] async fn f() -> Result<Self::Opened, E> { let _ = yield_resource!(Ok(tx)); });
    right!([] async fn f() -> JoinResult<Tx> { let _ = yield_resource!(Ok(tx)); });
    right!([] async fn f() -> Opened<Tx> { let _ = yield_resource!(Ok(tx)); });
    right_body!(let _ = yield_resource!(Ok(tx).and(a)););
}

#[test]
fn a_context_that_borrows_needs_a_policy() {
    assert!(
        wrong!([] async fn f(name: &str) { yield_resource!(1); })
            .contains("`#[async_context(own(name = name.to_owned()))]`")
    );
    assert!(
        wrong!([] async fn f(&self) { yield_resource!(self.db.begin().await); })
            .contains("`#[async_context(own(db = self.db.clone()))]`")
    );
    assert!(
        wrong!([] async fn f(name: Option<&str>) { yield_resource!(1); })
            .contains("`#[async_context(own(name = name.map(str::to_owned)))]`")
    );
    assert!(
        wrong!([] async fn f(self: &Arc<Self>) { log(self.n); yield_resource!(1); })
            .contains("`#[async_context(own(this = self.clone()))]`")
    );
    assert!(
        wrong!([] async fn f(db: Db<'_>) { yield_resource!(1); })
            .contains("`#[async_context(own(db = …))]`")
    );
    assert!(
        wrong!([on_cancel = spawn_local] async fn f(a: Db<'_>) { yield_resource!(1); })
            .contains("a background task of this thread")
    );
    let nothing_to_lend =
        "this resource borrows, but with `own` the context has nothing of the caller's to lend";
    assert!(
        wrong!([own(a = a.b())] async fn f(a: &A) -> Tx<'_> { yield_resource!(1); })
            .starts_with(nothing_to_lend)
    );
    assert!(
        wrong!([own(a = a.b()), on_cancel = block] async fn f(a: &A) -> Tx<'_> { yield_resource!(1); })
            .starts_with(nothing_to_lend)
    );
    right!([on_cancel = block] async fn f(&self, name: &str) -> Tx<'_> { yield_resource!(1); });
    right!([on_cancel = drop] async fn f(&self, name: &str) -> Tx<'_> { yield_resource!(1); });
    right!([on_cancel = Mine] async fn f(&self, name: &str) { yield_resource!(1); });
    right!([own(n = name.len())] async fn f(&self, name: &str) { yield_resource!(n); });
    right!([] async fn f(&self, name: &str) -> Result<Tx, Error>;);
    right!([] async fn f(name: &'static str, f: fn(&str)) { yield_resource!(1); });
}

/// What is lent to be changed isn't copied.
#[test]
fn what_may_be_owned_instead() {
    let message = wrong!([] async fn f(s: &str) { yield_resource!(s.len()); });
    assert!(
        message.contains("#[async_context(own(s = s.to_owned()))]"),
        "{message}"
    );
    let message = wrong!([] async fn f(db: &mut Db) { yield_resource!(db.len()); });
    assert!(!message.contains("own("), "{message}");
    assert!(message.contains("on_cancel = block"), "{message}");
    for message in [
        wrong!([] async fn f(&mut self) { self.n += 1; yield_resource!(self.n); }),
        wrong!([] async fn f(self: &mut Self) { self.n += 1; yield_resource!(self.n); }),
        wrong!([] async fn f(self: Pin<&mut Self>, s: &str) { yield_resource!(self.n); }),
        wrong!([] async fn f(s: &str, db: &mut Db) { yield_resource!(db.len()); }),
    ] {
        assert!(!message.contains("own("), "{message}");
    }
}

#[test]
fn all_that_is_borrowed_may_be_owned() {
    let owned = |message: String, expected: &str| {
        let owned = format!("`#[async_context(own({expected}))]`");
        assert!(message.contains(&owned), "{message}");
    };
    owned(
        wrong!([] async fn f(a: &Pool, n: u8, name: &str) { yield_resource!(1); }),
        "a = a.clone(), name = name.to_owned()",
    );
    owned(
        wrong!([] async fn f(&self, name: &str) { log(self.db, self.n); yield_resource!(self.n); }),
        "db = self.db.clone(), n = self.n.clone(), name = name.to_owned()",
    );
    let whole = "this = self.clone()";
    owned(
        wrong!([] async fn f(&self) { log(self.n); self.go().await; yield_resource!(1); }),
        whole,
    );
    owned(
        wrong!([] async fn f(&self) { log(self); yield_resource!(1); }),
        whole,
    );
    owned(
        wrong!([] async fn f(&self) { yield_resource!(self.0); }),
        whole,
    );
    owned(
        wrong!([] async fn f(&self) { if self.on { self::go::<u8>(self.list[0]); } yield_resource!(1); }),
        "on = self.on.clone(), list = self.list.clone()",
    );
    owned(wrong!([] async fn f(&self) { yield_resource!(1); }), "");
    owned(
        wrong!([] async fn f<T: Debug, U>(t: &T, u: &U, v: &V) where U: Clone { yield_resource!(1); }),
        "t = …, u = u.clone(), v = v.clone()",
    );
}

#[test]
fn what_is_owned_replaces_self() {
    let message = wrong!([own(name = self.name.clone())] async fn f(&self) { let a = self.age; yield_resource!(a); });
    assert!(
        message.contains("`own(age = self.age.clone())`, and write `age` here"),
        "{message}"
    );
    right!([own(name = self.name.clone())] async fn f(self: Arc<Self>) { let a = self.age; yield_resource!(1); });
    right!([own()] async fn f(&self) { use std::fmt::{self}; self::g(); fn g() { self.x } yield_resource!(1); });
}

#[test]
fn what_is_owned_replaces_borrowed_arguments() {
    let message = wrong!([own()] async fn f(s: &str) { yield_resource!(s.to_owned()); });
    assert!(
        message.ends_with("the borrow of `s`: own what it needs, as in `own(s = s.to_owned())`"),
        "{message}"
    );
    assert!(
        wrong!([own(a = a.b())] async fn f(a: &A, b: &'_ dyn B) { println!("{b:?}"); yield_resource!(a); })
            .ends_with("as in `own(b = …)`")
    );
    let message =
        wrong!([own(a = c.a())] async fn f(c: &C) { println!("{a}{}", c.n); yield_resource!(1); });
    assert!(
        message.ends_with("as in `own(n = c.n.clone())`, and write `n` here"),
        "{message}"
    );
    for used in [
        quote!(c.0),
        quote!(c.await),
        quote!(c.go::<u8>()),
        quote!(c.go()),
    ] {
        let message = wrong!([own(a = c.a())] async fn f(c: &C) { yield_resource!(#used); });
        assert!(message.ends_with("as in `own(c = c.clone())`"), "{message}");
    }
    right!([own(s = s.to_owned())] async fn f(s: &str) { yield_resource!(s.len()); });
    let message =
        wrong!([own()] async fn f(s: &str) { let cfg = cfg!(test); yield_resource!(s.len()); });
    assert!(message.contains("the borrow of `s`"), "{message}");
    right!([own()] async fn f(s: &str) { let s = String::new(); yield_resource!(s.len()); });
    right!([own()] async fn f(s: &str) { let n = x.s.len(); fn g(s: &str) { s.len(); } yield_resource!(1); });
    right!([own()] async fn f(s: &str) { #[cfg(any())] log(s.len()); yield_resource!(1); });
    right!([own()] async fn f(s: &str) { trace!("{}", s.len()); println!("{s}", s = 1); yield_resource!(1); });
    right!([own()] async fn f<'s: 'static>(s: &'s str) { yield_resource!(s.len()); });
}

#[test]
fn a_self_that_the_caller_has_is_not_used() {
    let message = wrong!([on_cancel = drop] async fn f(&mut self) -> &mut Self { let exit = yield_resource!(self); self.close(); });
    assert!(
        message.contains("write `let mut this = self;`"),
        "{message}"
    );
    assert!(
        wrong!([on_cancel = drop] async fn f(&mut self) -> Result<&mut Self, E> { if yield_resource!(self).is_completed() { self.close(); } })
            .contains("`let mut this = self;`")
    );
    right!([on_cancel = drop] async fn f(&mut self) -> &mut Self { self.open(); let _ = yield_resource!(self); fn g() { self.x } });
    right!([on_cancel = drop] async fn f(&mut self) -> &Self { let _ = yield_resource!(self); self.close(); });
    right!([on_cancel = drop] async fn f(&mut self) -> &mut Self { if self.x { yield_resource!(self); return; } self.y(); yield_resource!(self); });
}

#[test]
fn a_context_yields() {
    assert!(
        body!(let tx = begin().await?;)
            .starts_with("`f` never yields: put `yield_resource!(resource)`")
    );
    assert!(body!().starts_with("`f` never yields"));
    assert!(body!(let tx = begin().await?; Ok(tx)).contains("write `yield_resource!(tx)`"));
    assert!(
        body!(let _ = yield_resource(tx);)
            .starts_with("write `yield_resource!(resource)`, a macro")
    );
    assert!(
        body!(loop {
            yield tx;
        })
        .starts_with("write `yield_resource!(resource)`, a macro")
    );
    assert!(
        body!(yield_resource!(a, b);)
            .starts_with("a context yields one resource: put several into a tuple")
    );
    let unknown = body!(info!("begin {tx}"); let _ = give!(tx););
    assert!(unknown.contains("never yields"), "{unknown}");
    assert!(
        unknown.contains("since `info!` can't be looked into"),
        "{unknown}"
    );
    assert!(!body!(println!("begin");).contains("looked into"));
    for slip in [body!(let _ = yield_!(tx);), body!(let _ = yields!(tx);)] {
        assert_eq!(slip, "write `yield_resource!(resource)`");
    }
}

#[test]
fn a_yield_whose_exit_an_inner_context_is_not_told() {
    let told = "the context around this yield would be told that its body has completed";
    for message in [
        body!(inner().with(async |_| { let _ = yield_resource!(tx); Ok(()) }).await?;),
        body!(inner().boxed().with(async |_| { let _ = yield_resource!(tx); Ok(()) }).await?;),
        body!(self.inner(a).run(async move |_| { go().await; yield_resource!(move tx); }).await;),
        body!(if a {
            db::inner(a)
                .outcome(async |a: &mut A| -> R {
                    let _ = contextlib::yield_resource!(tx);
                    Ok(())
                })
                .await;
        }),
        body!(async_with!(a = inner(), async || -> R { let _ = yield_resource!(tx); Ok(()) }).await?;),
        body!(async_with!(_ = timeout(d), a = inner(), async { timeout(d, async { yield_resource!(tx); }).await }).await?;),
    ] {
        assert!(message.starts_with(told), "{message}");
    }
    // What looks at it, or may.
    right_body!(inner().with(async |_| { let exit = yield_resource!(move tx); end(exit) }).await?;);
    right_body!(inner().with(async |_| { let _exit = yield_resource!(tx); Ok(()) }).await?;);
    right_body!(inner().with(async |_| { let ((), _) = yield_resource!(move ()); Ok(()) }).await?;);
    right_body!(inner().run(async |_| { if yield_resource!(tx).is_completed() {} }).await;);
    right_body!(inner().run(async |_| { { yield_resource!(tx) }.kind() }).await;);
    right_body!(retry().run(async || { let _ = yield_resource!(tx); }).await;);
    // To which it makes no difference, or which may be anything.
    right_body!(contexts::timeout(d).with(async |_| { let _ = yield_resource!(tx); Ok(()) }).await?;);
    right_body!(timeout(d).err_into::<E>().with(async |_| { let _ = yield_resource!(tx); Ok(()) }).await?;);
    right_body!(timeout(d).boxed().with(async |_| { let _ = yield_resource!(tx); Ok(()) }).await?;);
    right_body!(inner.with(async |_| { let _ = yield_resource!(tx); Ok(()) }).await?;);
    right_body!(async_with!(_ = timeout(d), n = null_context(1), async || f({ let _ = yield_resource!(tx); }).await).await?;);
    right_body!(let limit = inner().with(async |_| Ok(())).await?; let _ = yield_resource!(tx););
}

#[test]
fn a_resource_has_a_return_type() {
    let tx = "this context has no return type, and so it yields nothing: write the type of what it yields, `-> Tx`";
    for message in [
        wrong!([] async fn f() { let _ = yield_resource!(Tx); }),
        wrong!([] async fn f() { let _ = yield_resource!(Tx { a, b }); }),
        wrong!([] async fn f() { let _ = yield_resource!(Tx::new(pool)); }),
        wrong!([] async fn f() { let mut tx = Tx::new(); let _ = yield_resource!(tx); }),
        wrong!([] async fn f() { let tx = Tx { a }; if a { yield_resource!(tx); } }),
    ] {
        assert_eq!(message, tx);
    }
    assert!(
        wrong!([] async fn f() { let _ = yield_resource!(db::Tx { a }); }).ends_with("`-> db::Tx`")
    );
    right!([] async fn f() { let _ = yield_resource!(NOTHING); });
    right!([] async fn f() { let _ = yield_resource!(begin()); });
    right!([] async fn f() { let _ = yield_resource!(tx::new()); });
    right!([] async fn f() { let _ = yield_resource!(Tx::<u8>::new()); });
    right!([] async fn f() { let _ = yield_resource!(Vec::new()); });
    right!([] async fn f() { let _ = yield_resource!(Ends::Well); });
    right!([] async fn f() { let tx = Tx; let tx = tx.begin(); let _ = yield_resource!(tx); });
    right!([] async fn f() -> () { let _ = yield_resource!(Tx); });
}

#[test]
fn a_sketch_need_not_yield_yet() {
    right_body!(todo!());
    right_body!(let tx = begin().await?; std::unimplemented!("the teardown"););
    right!([] async fn f(a: u8) -> String { if a > 0 { wait().await; } unreachable!() });
    assert!(body!(let later = || todo!();).starts_with("`f` never yields"));
    assert!(wrong!([] async fn f() -> impl Read { todo!() }).starts_with("`f` never yields"));
    right_body!(let _ = yield_ressource!(tx););
}

#[test]
fn an_exit_is_no_result() {
    let exit = "a yield evaluates to an `Exit`, which says how the body ended";
    assert!(body!(yield_resource!(tx)).starts_with(exit));
    assert!(body!(contextlib::yield_resource!(tx)).starts_with(exit));
    assert!(body!(yield_resource!(tx)?;).ends_with("without a `?` here"));
    assert!(body!(if yield_resource!(tx).is_ok() {}).ends_with("write `.is_completed()`"));
    assert!(body!(if yield_resource!(tx).is_err() {}).contains("write `.is_failed()`"));
    assert!(body!(yield_resource!(tx).unwrap();).ends_with("by itself, without `.unwrap()` here"));
    assert!(body!(a.b(yield_resource!(tx).expect("a"));).ends_with("without `.expect(…)` here"));
    let completed = "write `yield_resource!(…).is_completed()`";
    assert!(
        body!(if yield_resource!(tx) {
            commit()
        })
        .ends_with(completed)
    );
    assert!(
        body!(if a {
        } else if !contextlib::yield_resource!(tx) {
        })
        .ends_with(completed)
    );
    assert!(body!(if let Ok(()) = yield_resource!(tx) {}).ends_with(completed));
    assert!(body!(let Ok(_) = yield_resource!(tx) else { return Ok(()) };).ends_with(completed));
    assert!(body!(if let Err(e) = yield_resource!(tx) {}).ends_with(".error()`"));
    assert!(
        body!(match yield_resource!(tx) {
            Ok(()) => {}
            _ => {}
        })
        .contains("`match … {")
    );
    assert!(
        body!(match yield_resource!(tx) {
            E => {}
            Err(e) => {}
        })
        .contains("`match … {")
    );
    assert!(
        body!(let mut tx = t; tx = yield_resource!(tx);)
            .ends_with("comes back into `tx` by itself: write `let exit = yield_resource!(tx);`")
    );
    assert!(
        body!(if a {
            self.tx = yield_resource!(self.tx);
        })
        .contains("into `self.tx`")
    );
}

#[test]
fn an_exit_that_is_used_as_one_is_right() {
    right_body!(_ = yield_resource!(tx));
    right_body!(let exit; exit = contextlib::yield_resource!(tx));
    right_body!(*last.lock() = yield_resource!(tx).is_completed());
    right_body!(if yield_resource!(tx).is_completed() {});
    right_body!(if let Err(e) = yield_resource!(tx).check() {
        log(e);
    });
    right_body!(if let Some(e) = yield_resource!(tx).error() {});
    right_body!(match yield_resource!(tx) {
        Exit::Failed(_) => match close() {
            Ok(()) => {}
            Err(_) => {}
        },
        _ => {}
    });
    right_body!(match yield_resource!(tx).check() {
        Ok(()) => {}
        Err(_) => {}
    });
    right_body!(let tx = yield_resource!(tx););
    right_body!(lend!(yield_resource!(tx).is_ok()););
    right_body!(let (tx, _) = yield_resource!(move tx););
    right_body!(#[async_context] async fn inner() { yield_resource!().is_ok(); } yield_resource!(tx););
}

#[test]
fn a_second_yield_on_a_path() {
    let second = "this is the second yield on one path";
    assert!(body!(yield_resource!(a); yield_resource!(b);).starts_with(second));
    assert!(body!(f(yield_resource!(a), yield_resource!(b));).starts_with(second));
    assert!(body!(if x { yield_resource!(a); } yield_resource!(b);).starts_with(second));
    assert!(
        body!(if x { yield_resource!(a); } else { return Err(e); } yield_resource!(b);)
            .starts_with(second)
    );
    assert!(
        body!(match x { A => drop(1), B => { let _ = yield_resource!(a); } } yield_resource!(b);)
            .starts_with(second)
    );
    assert!(
        body!(let Some(x) = yield_resource!(a).error() else { return Ok(()) }; yield_resource!(b);)
            .starts_with(second)
    );
    assert!(
        body!(assert!(matches!(yield_resource!(a), A)); yield_resource!(b);).starts_with(second)
    );
    assert!(
        body!(let f = async { yield_resource!(a) }; let g = async { yield_resource!(b) };)
            .starts_with(second)
    );
}

#[test]
fn one_yield_on_each_path_is_right() {
    right_body!(if x {
        yield_resource!(a);
    } else {
        yield_resource!(b);
    });
    right_body!(if x { yield_resource!(a); return Ok(()); } yield_resource!(b););
    right_body!(match x {
        A => {
            yield_resource!(a);
        }
        B => yield_resource!(b).check()?,
        C => panic!(),
    });
    right_body!(match x { A => { yield_resource!(a); panic!("stop"); } _ => {} } yield_resource!(b););
    // These may never return, as far as the macro knows.
    right_body!(if x { yield_resource!(a); std::process::exit(1); } yield_resource!(b););
    right_body!(if x { yield_resource!(a); bail!("stop"); } yield_resource!(b););
    right_body!(if x { yield_resource!(a); unsafe { exit() } } yield_resource!(b););
    right_body!(if x { yield_resource!(a); { { std::process::exit(0) } } } yield_resource!(b););
    right_body!(match x { A => { yield_resource!(a); unsafe { exit() } } B => {} } yield_resource!(b););
    right_body!(
        race! { _ = async { yield_resource!(a) } => {} _ = async { yield_resource!(b) } => {} }
    );
}

#[test]
fn the_futures_of_a_join_are_all_made() {
    let second = "this is the second yield on one path";
    assert!(
        body!(join!(async { yield_resource!(a) }, async { yield_resource!(b) });)
            .starts_with(second)
    );
    assert!(body!(select! { _ = async { yield_resource!(a) } => {} _ = async { yield_resource!(b) } => {} }).starts_with(second));
    assert!(
        body!(
            select! { _ = async { yield_resource!(a) } => {} _ = f() => { yield_resource!(b); } }
        )
        .starts_with(second)
    );
    assert!(body!(let x = select! { _ = async { yield_resource!(a) } => 1, _ = f() => 2 }; yield_resource!(b);).starts_with(second));
    // One of the handlers is run.
    right_body!(
        tokio::select! { biased; x = f() => { yield_resource!(x); } y = g(), if z => yield_resource!(y), else => yield_resource!(b) }
    );
    right_body!(select! { x = f() => { yield_resource!(x); return Ok(()); } _ = g() => {} } yield_resource!(b););
    right_body!(if x { select! { _ = async { yield_resource!(a) } => exit(1), never = f() => never } } yield_resource!(b););
    right_body!(select! { recv(a) -> a => yield_resource!(a), recv(b) -> b => yield_resource!(b) });
}

#[test]
fn a_yield_in_place_of_a_future() {
    assert_eq!(
        body!(tokio::join!(yield_resource!(3), f());),
        "this yields before `join!` has a future to poll: write `async { yield_resource!(3) }`"
    );
    let bare = "this yields before";
    assert!(body!(join!(biased; f(), yield_resource!(move a));).starts_with(bare));
    assert!(body!(try_join!(f(), yield_resource!(a),)?;).starts_with(bare));
    assert!(body!(select! { _ = yield_resource!(1) => {} _ = f() => {} }).starts_with(bare));
    assert!(body!(select! { _ = f() => {} _ = yield_resource!(1), if x => {} }).starts_with(bare));
    assert!(
        body!(time::timeout(d, yield_resource!(1)).await?;)
            .starts_with("this yields before `timeout` has")
    );
    assert!(body!(timeout_at(d, yield_resource!(1)).await?;).starts_with(bare));
    right_body!(join!(f(yield_resource!(1)), g()););
    right_body!(select! { x = f() => exit = yield_resource!(x), _ = g() => {} });
    right_body!(timeout(yield_resource!(1), f()).await?;);
    right_body!(timeout(yield_resource!(1)).await?;);
    right_body!(timeout(d, f(yield_resource!(1))).await?;);
}

#[test]
fn what_a_cfg_decides_is_left_to_rustc() {
    right_body!(#[cfg(a)] let exit = yield_resource!(1); #[cfg(not(a))] let exit = yield_resource!(2););
    right_body!(#[cfg(a)] { yield_resource!(1); } #[cfg_attr(a, cfg(b))] { yield_resource!(2); });
    right_body!(#[cfg(a)] yield_resource!(1); yield_resource!(2););
    right_body!(match x { #[cfg(a)] A => { yield_resource!(1); } B => {} } yield_resource!(2););
    right_body!(f(#[cfg(a)] yield_resource!(1), #[cfg(b)] yield_resource!(2)););
    right_body!(F { #[cfg(a)] a: yield_resource!(1), #[cfg(b)] a: yield_resource!(2) };);
    right_body!(let _ = async { #[cfg(a)] yield_resource!(1); }.await; yield_resource!(2););
    right_body!(if x { yield_resource!(1); #[cfg(a)] return Ok(()); #[cfg(b)] { exit(1) } } yield_resource!(2););
    right_body!(loop {
        #[cfg(a)]
        yield_resource!(1);
    });
    right_body!(loop {
        #[cfg(a)]
        {
            yield_resource!(1);
            continue;
        }
    });
    right_body!(timeout(d, async { yield_resource!(tx) }).await?; #[cfg(a)] tx.commit().await?;);
    right_body!(yield_resource!(tx); #[cfg(a)] Ok(tx));
    right!([] async fn f() { #[cfg(a)] let a = b?; yield_resource!(); });
    assert!(
        body!(#[cfg(a)] log(); match x { A => { yield_resource!(1); yield_resource!(2); } #[cfg(a)] B => {} })
            .starts_with("this is the second yield on one path")
    );
}

#[test]
fn a_yield_in_a_loop() {
    let again = "a loop would come by this yield again";
    assert!(
        body!(loop {
            let exit = yield_resource!(a);
            if exit.is_failed() {
                retry().await;
            }
        })
        .starts_with(again)
    );
    assert!(
        body!(while more() {
            yield_resource!(a);
        })
        .starts_with(again)
    );
    assert!(
        body!(for a in all {
            yield_resource!(a);
        })
        .starts_with(again)
    );
    assert!(
        body!(for a in all {
            if a.break_it() {
                break;
            }
            yield_resource!(a);
        })
        .starts_with(again)
    );
    assert!(
        body!(for attempt in 0..3 {
            if yield_resource!(a).is_completed() {
                break;
            }
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            match open().await {
                Ok(a) => {
                    yield_resource!(a);
                }
                Err(error) => return Err(error),
            }
        })
        .starts_with(again)
    );
    right_body!(loop {
        if yield_resource!(a).is_completed() {
            break;
        } else {
            return Ok(());
        }
    });
    right_body!(loop {
        if ready() {
            yield_resource!(a);
            break;
        }
    });
    right_body!(loop {
        match open().await {
            Ok(a) => {
                yield_resource!(a);
                return Ok(());
            }
            Err(_) => continue,
        }
    });
    assert!(
        body!(loop {
            select! { _ = async { yield_resource!(a) } => break, _ = tick() => {} }
        })
        .ends_with("and `select!` on `&mut body`")
    );
    right_body!(loop {
        select! { _ = async { yield_resource!(a) } => break, _ = tick() => break }
    });
    right_body!(loop {
        select! { x = f() => { yield_resource!(x); break; } _ = tick() => {} }
    });
    right_body!(loop {
        select! { never = f() => never, e = async { yield_resource!(a) } => break }
    });
    right_body!(let mut body = pin!(async { yield_resource!(a) }); loop { select! { _ = &mut body => break, _ = tick() => {} } });
    right_body!(for i in 0..yield_resource!(a).count() {});
    right_body!(for i in 0..3 { wait().await; } yield_resource!(a););
}

#[test]
fn a_loop_that_is_continued_after_its_yield() {
    let again = "a loop would come by this yield again";
    assert!(
        body!(for a in all {
            if yield_resource!(a).is_failed() {
                continue;
            }
            break;
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            match yield_resource!(a) {
                Exit::Failed(_) => continue,
                _ => break,
            }
        })
        .starts_with(again)
    );
    assert!(
        body!(while yield_resource!(n).is_failed() {
            n += 1;
        })
        .starts_with(again)
    );
    assert!(body!(while !yield_resource!(n).is_completed() {}).starts_with(again));
    right_body!(while yield_resource!(n).is_failed() {
        break;
    });
    right_body!(for a in all {
        let Ok(mut a) = a.open() else {
            continue;
        };
        yield_resource!(a);
        break;
    });
    right_body!(yield_resource!(a); for b in all { if b { continue; } go(b).await; });
    right_body!(loop {
        yield_resource!(a);
        for b in all {
            if b {
                continue;
            }
        }
        break;
    });
}

#[test]
fn a_yield_in_what_leaves_the_loop() {
    let again = "a loop would come by this yield again";
    right_body!(
        let exit = loop {
            if let Ok(mut a) = open().await {
                break yield_resource!(a);
            }
        };
    );
    right_body!(for n in 0..3 {
        if n == 2 {
            return finish(yield_resource!(n)).await;
        }
    });
    right_body!(loop {
        match open().await {
            Ok(a) => break f(async { yield_resource!(a) }).await,
            Err(_) => {
                yield_resource!(b);
                return Ok(());
            }
        }
    });
    right_body!('outer: loop {
        loop {
            if x {
                break 'outer yield_resource!(a);
            }
        }
    });
    right_body!(loop {
        for a in all {
            if x {
                return finish(yield_resource!(a));
            }
        }
    });
    right_body!(loop {
        let f: Box<dyn for<'a> Fn(&'a u8)> = g;
        if x {
            break h::<A, B>(yield_resource!(a));
        }
    });
    // The operand leaves something else.
    assert!(
        body!(loop {
            let exit = loop {
                break yield_resource!(a);
            };
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            let exit = 'inner: loop {
                break 'inner yield_resource!(a);
            };
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            let exit = 'block: { break 'block yield_resource!(a) };
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            wait(async { return yield_resource!(a) }).await;
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            if x {
                yield_resource!(a);
            } else {
                break yield_resource!(b);
            }
        })
        .starts_with(again)
    );
}

#[test]
fn a_yield_where_it_can_not_wait() {
    assert!(body!(let f = || yield_resource!(a);).contains("write `async ||`"));
    assert!(body!(scope(|s| { yield_resource!(a); });).contains("write `async ||`"));
    right_body!(retry(async || yield_resource!(a)).await?;);
    right_body!(retry(|| async { yield_resource!(a) }).await?;);
    assert!(
        body!(tokio::spawn(async move { yield_resource!(a) });)
            .contains("as `spawn` would have it")
    );
    assert!(
        body!(set.spawn_local(async move { yield_resource!(a) });)
            .contains("as `spawn_local` would have it")
    );
    right_body!(scope.spawn(async { yield_resource!(a) }).await;);
    right_body!(spawn(async { 1 }); yield_resource!(a););
}

#[test]
fn a_resource_is_not_returned() {
    let message = body!(let mut tx = t; let _ = yield_resource!(tx); Ok(tx));
    assert_eq!(
        message,
        "the caller got the resource by the yield: a context function ends in `Ok(())`, or in nothing at all"
    );
    assert!(body!(let _ = yield_resource!(tx); Ok(5)).starts_with("the caller got the resource"));
    assert!(
        body!(let _ = yield_resource!(tx); Ok((a, b))).starts_with("the caller got the resource")
    );
    assert!(
        wrong!([] async fn f() -> Tx { let _ = yield_resource!(tx); tx })
            .ends_with("a context function ends in nothing")
    );
    assert_eq!(
        body!(let _ = yield_resource!(tx); if x { return Ok(tx); } tx.commit().await?;),
        "the caller got the resource by the yield: write `return Ok(())`"
    );
    assert_eq!(
        body!(if x { return Ok(tx); } let _ = yield_resource!(tx);),
        "a context function yields its resource instead of returning it: write `let _ = yield_resource!(tx);` before a `return Ok(())`"
    );
    assert!(
        wrong!([] async fn f() -> Tx { if x { return tx; } let _ = yield_resource!(tx); })
            .ends_with("before a `return`")
    );
    right_body!(let _ = yield_resource!(tx); if x { return Ok(()); });
    right_body!(if x {
        let _ = yield_resource!(tx);
    } else {
        return Ok(());
    });
    right_body!(let open = async || { return Ok(tx) }; let tx = open().await?; let _ = yield_resource!(tx););
    right_body!(let _ = yield_resource!(tx); Ok(()));
    right_body!(let unit = yield_resource!(tx).into(); Ok(unit));
    right!([] async fn f() -> () { let mut u = (); let _ = yield_resource!(u); u });
}

#[test]
fn a_success_has_yielded() {
    let early = "this succeeds without a yield, which the caller waits for, and so it would panic:";
    assert_eq!(
        body!(if x { return Ok(()); } let _ = yield_resource!(tx);),
        format!(
            "{early} return an error here, or go on to the yield, of an `Option` where there may be nothing to lend"
        )
    );
    assert_eq!(
        wrong!([] async fn f() -> Tx { let Some(tx) = open() else { return }; let _ = yield_resource!(tx); }),
        format!(
            "{early} write `-> Result<Tx, YourError>`, and return an error here, or go on to the yield, of an `Option` where there may be nothing to lend"
        )
    );
    assert!(body!(loop { if x { return Ok(()); } } yield_resource!(tx);).starts_with(early));
    assert!(
        body!(match x {
            A => return Ok(()),
            B => {
                yield_resource!(tx);
            }
        })
        .starts_with(early)
    );
    right_body!(match x {
        A => {
            yield_resource!(tx);
        }
        B => return Ok(()),
    });
    right_body!(if x { return end(); } yield_resource!(tx););
    right_body!(if x { return Err(e); } yield_resource!(tx););
    right_body!(let open = || { return Ok(()) }; open()?; yield_resource!(tx););
    right_body!(async { if x { return Ok(()); } e() }.await?; yield_resource!(tx););
    right_body!(select! { exit = async { yield_resource!(tx) } => {} _ = stop() => return Ok(()) });
    right_body!(
        select! { _ = stop() => return Ok(()), exit = async { yield_resource!(tx) } => {} }
    );
    right_body!(mine! { yield_resource!(tx) } if x { return Ok(()) });
    right_body!(#[cfg(a)] yield_resource!(tx); if x { return Ok(()) } #[cfg(b)] yield_resource!(tx););
    right_body!(match n {
        _ if yield_resource!(tx).is_completed() => {
            return Ok(());
        }
        _ => {}
    });
    right_body!(macro_rules! lend { () => { yield_resource!(tx) } } lend!(); if x { return Ok(()) });
    right_body!(let s = S { #[cfg(a)] a: yield_resource!(tx), b }; if s.b { return Ok(()) });
    right_body!(let mut at_yield = pin!(async { yield_resource!(move tx) }); if x { return Ok(()) });
}

#[test]
fn a_resource_that_an_async_block_takes_along() {
    let lost = "`tx` moves into this `async` block";
    assert!(body!(let done = timeout(d, async { yield_resource!(tx).is_completed() }).await?; if done { tx.commit().await?; }).starts_with(lost));
    assert!(
        body!(match timeout(d, async { yield_resource!(tx) }).await {
            Ok(_) => tx.commit().await?,
            Err(_) => {}
        })
        .starts_with(lost)
    );
    assert!(
        body!(timeout(d, async { yield_resource!(tx.inner) }).await?; tx.inner.commit();)
            .contains("write `yield_resource!(move tx.inner)`")
    );
    assert!(body!(let (exit, _) = tokio::join!(async { yield_resource!(tx) }, beat()); tx.commit().await?;).starts_with(lost));
    assert!(
        body!(select! { _ = async move { yield_resource!(tx) } => { tx.commit().await?; } _ = stop() => {} })
            .starts_with(lost)
    );
    for after in [
        quote!(bye(&tx);),
        quote!(bye(&mut tx);),
        quote!(let other = tx;),
        quote!(let other = &mut tx;),
        quote!(let other = &tx;),
    ] {
        assert!(
            body!(let _ = timeout(d, async { yield_resource!(tx) }).await?; #after)
                .starts_with(lost),
            "{after}"
        );
    }
    assert!(
        body!(let _ = timeout(d, async { yield_resource!(a.tx) }).await?; a.tx.commit();)
            .contains("evaluates to `(tx, exit)`")
    );
    for ty in [quote!(u16), quote!(&'static str), quote!((u8, [bool; 2]))] {
        right!([] async fn f() -> Result<#ty, Error> { let _ = timeout(d, async { yield_resource!(tx) }).await?; show(&tx); let left = tx; tx.show(); });
    }
    for used in [
        quote!(let other = tx![2];),
        quote!(let closed = tx::close().await;),
        quote!(let all: Box<dyn Iterator<Item = &tx>> = all;),
        quote!(
            #[async_context(on_cancel = tx)]
            async fn inner() {}
        ),
        quote!(println!("{tx}", tx = 4);),
        quote!(a.tx = open(); a.tx.commit();),
    ] {
        right_body!(let _ = timeout(d, async { yield_resource!(tx) }).await?; #used);
    }
    right_body!(tx = async { let _ = yield_resource!(tx); tx }.await; let other = tx;);
    right_body!((ok, tx) = async { let ok = yield_resource!(tx); (ok, tx) }.await; let other = tx;);
    right_body!(
        if let Ok((tx, e)) = timeout(d, async { (tx, yield_resource!(tx)) }).await {
            let other = tx;
        }
    );
    right_body!(let _ = timeout(d, async { yield_resource!(a.tx) }).await?; show(&a.name); let n = a.name;);
    right_body!(let _ = timeout(d, async { yield_resource!(a.tx) }).await?; a.tx = open(); a.tx.commit(););
    // Rustc says that nothing can be moved out of it.
    right_body!(let _ = timeout(d, async { yield_resource!(*tx) }).await?; tx.commit(););
    right_body!(let _ = timeout(d, async { yield_resource!(tx) }).await?; for &tx in all { tx.commit() });
    right_body!(let _ = timeout(d, async { yield_resource!(tx) }).await?; let f = |&mut tx| tx;);
    right_body!(let ((tx, exit), _) = join!(async { yield_resource!(move tx) }, beat()); tx.commit().await?;);
    right_body!(exclusive!(async { yield_resource!(tx) }, tx.commit()););
    right_body!(let (tx, exit) = timeout(d, async { yield_resource!(move tx) }).await?; tx.commit().await?;);
    right_body!(let tx = timeout(d, async { yield_resource!(tx); 1 }).await?; tx.commit().await?;);
    right_body!(timeout(d, async { let mut tx = t; yield_resource!(tx); }).await?; tx.commit().await?;);
    right_body!(timeout(d, async { yield_resource!(tx); tx.commit().await }).await?;);
    right_body!(timeout(d, async { yield_resource!(tx); }).await?; tx = open(); tx.commit().await?;);
    right_body!(timeout(d, async { yield_resource!(tx); }).await?; pool.tx.commit().await?;);
}

#[test]
fn a_question_mark_where_nothing_can_fail() {
    let no_error = "this context has no error for `?` to return";
    let message =
        wrong!([] async fn f() -> Opened<u16> { let a = b?; let _ = yield_resource!(a); });
    assert!(message.starts_with(no_error), "{message}");
    assert!(
        message.contains("`-> Result<Opened<u16>, YourError>`"),
        "{message}"
    );
    assert!(
        wrong!([] async fn f() { let _ = yield_resource!(); if x { close().await?; } })
            .starts_with(no_error)
    );
    right!([] async fn f() { let g = || -> R { a?; Ok(()) }; let _ = yield_resource!(g()); });
    right!([] async fn f() { let _ = yield_resource!(); let r: R = async { a?; Ok(()) }.await; });
    right!([] async fn f() { let _ = yield_resource!(); fn g<T: ?Sized>() -> R { a?; Ok(()) } });
    right!([fallible] async fn f() -> Opened<u16> { let a = b?; let _ = yield_resource!(a); });
}

#[test]
fn a_question_mark_among_the_arguments_of_a_macro() {
    let no_error = "this context has no error for `?` to return";
    macro_rules! infallible {
        ($($body:tt)*) => { wrong!([] async fn f() -> u16 { $($body)* }) };
    }
    assert!(infallible!(let _ = yield_resource!(a?);).starts_with(no_error));
    assert!(infallible!(let (a, _) = yield_resource!(move a?.b);).starts_with(no_error));
    assert!(infallible!(println!("{}", a?); let _ = yield_resource!(1);).starts_with(no_error));
    assert!(infallible!(let b = vec![a?; 3]; yield_resource!(1);).starts_with(no_error));
    assert!(infallible!(join!(f()?, async { yield_resource!(1) });).starts_with(no_error));
    assert!(
        infallible!(select! { _ = async { yield_resource!(1) } => f()?, _ = g() => {} })
            .starts_with(no_error)
    );
    right!([] async fn f() -> u16 { println!("{:?}", (|| a?)()); let _ = yield_resource!(|| a?); });
    right!([] async fn f() -> u16 { pin!(async { a? }); info!(?a, b?); let _ = yield_resource!(1); });
    right!([] async fn f() -> u16 { let _ = try_join!(async { yield_resource!(1); f()?; Ok(()) }, g()); });
    right_body!(println!("{:?}", if x { yield_resource!(1) } else { yield_resource!(2) }););
}

#[test]
fn what_to_write_for_a_question_mark() {
    assert!(
        wrong!([] async fn f() -> Option<Vec<u8>> { yield_resource!(a?); }).contains(
            "can't end in `None`: write what it can fail with, `-> Result<Vec<u8>, YourError>`"
        )
    );
    assert!(
        wrong!([infallible] async fn f() -> Result<u8, Error> { yield_resource!(a?); })
            .ends_with("leave `infallible` out")
    );
    assert!(
        wrong!([infallible] async fn f() -> io::Result<u8> { yield_resource!(a?); })
            .ends_with("leave `infallible` out")
    );
}

#[test]
fn a_result_where_nothing_can_fail() {
    macro_rules! string {
        ($($body:tt)*) => { wrong!([] async fn f() -> String { $($body)* }) };
    }
    let fails = "this context can't fail: write `-> Result<String, YourError>`";
    let at_the_end = format!("{fails}, or end in nothing");
    assert_eq!(string!(let _ = yield_resource!(s); Ok(())), at_the_end);
    assert_eq!(string!(let _ = yield_resource!(s); Err(e)), at_the_end);
    assert_eq!(string!(let _ = yield_resource!(s); None), at_the_end);
    assert_eq!(
        string!(let _ = yield_resource!(s); if a { close(); } else { match b { B => {} _ => { Some(1) } } }),
        at_the_end
    );
    assert_eq!(
        string!(if a { return Err(e); } let _ = yield_resource!(s);),
        fails
    );
    assert_eq!(
        string!(let _ = yield_resource!(s); if a { return Ok(()); } close();),
        format!("{fails}, or `return` alone")
    );
    assert_eq!(
        wrong!([] async fn f() { let _ = yield_resource!(); Ok(()) }),
        "this context can't fail: write `-> Result<(), YourError>`, or end in nothing"
    );
    assert_eq!(
        wrong!([] async fn f() -> Opened<u8> { let _ = yield_resource!(1); Ok(()) }),
        "this context can't fail: write `-> Result<Opened<u8>, YourError>`, or end in nothing; if `Opened<u8>` is a `Result` by another name, write `#[async_context(fallible)]`"
    );
    assert!(
        wrong!([] async fn f() -> Vec<u8> { let _ = yield_resource!(v); Ok(()) })
            .ends_with("or end in nothing")
    );
    assert_eq!(
        wrong!([infallible] async fn f() -> QueryResult { let _ = yield_resource!(q); Ok(()) }),
        "`infallible` says that this context can't fail: leave that out, or end in nothing"
    );
    assert!(
        wrong!([] async fn f() -> Option<u8> { let Some(a) = g() else { return None }; let _ = yield_resource!(Some(a)); })
            .ends_with("write `let _ = yield_resource!(None);` before a `return`")
    );
    assert!(
        wrong!([] async fn f() -> Option<u8> { let _ = yield_resource!(a); Some(1) })
            .starts_with("the caller got the resource by the yield")
    );
    right!([] async fn f() -> u8 { let _ = yield_resource!(1); match close() { Ok(()) => {} Err(e) => log(e) } });
    right!([] async fn f() -> u8 { let _ = yield_resource!(1); if let Some(a) = b { g(Some(a)) } });
    right!([] async fn f() -> u8 { let g = async || { return Err(e) }; let _ = yield_resource!(1); drop(|| Ok(())) });
    right!([] async fn f() -> u8 { let a = loop { break Some(1) }; let _ = yield_resource!(1); { last = None } });
}

#[test]
fn a_test_is_no_context_function() {
    let no_test = "a context function is no test and no `main`";
    assert!(
        wrong!([] #[tokio::test] async fn f() { let _ = yield_resource!(); }).starts_with(no_test)
    );
    assert!(
        wrong!([] fn f() { let body = async { let _ = yield_resource!(); }; rt().block_on(body) })
            .starts_with(no_test)
    );
    let no_main = "a context function is no `main`: give it another name";
    assert!(
        wrong!([] #[tokio::main] async fn main() { let _ = yield_resource!(); })
            .starts_with(no_main)
    );
    assert!(
        wrong!([] fn main() { let body = async { let _ = yield_resource!(); }; rt().block_on(body) })
            .starts_with(no_main)
    );
}

#[test]
fn attributes_that_do_not_go_with_a_context() {
    let instrument = "`#[instrument]` can't see a context's body";
    assert!(
        wrong!([] #[tracing::instrument(err)] async fn f() { let _ = yield_resource!(); })
            .starts_with(instrument)
    );
    // What it makes of a function below it.
    assert!(
        body!(
            let __tracing_attr_span = span!("f");
            let future = async move { if yield_resource!(tx).is_completed() {} };
            if !__tracing_attr_span.is_disabled() { Instrument::instrument(future, __tracing_attr_span).await } else { future.await }
        )
        .starts_with(instrument)
    );
    assert_eq!(
        wrong!([] #[within(db())] async fn f() { let _ = yield_resource!(); }),
        "a context function isn't run by `#[within]`: enter the other context in its setup"
    );
    assert_eq!(
        wrong!([] #[contextlib::async_context(suppress)] async fn f() { let _ = yield_resource!(); }),
        "`#[async_context]` is given twice"
    );
    right!([] #[allow(unused)] #[must_use] async fn f() { let _ = yield_resource!(); });
}

#[test]
fn a_yield_that_is_being_typed_is_left_to_rustc() {
    let half = quote!(async fn f() -> Result<Tx, Error> { let _ = yield_resource! });
    let written = async_context(quote!(), half).to_string();
    assert!(!written.contains("compile_error"), "{written}");
    assert!(
        body!(#[async_context] async fn inner() { yield_resource!(); } inner();)
            .contains("never yields")
    );
}
