use quote::quote;

use crate::{
    expand::async_context,
    testing::{body, messages, right, right_body, wrong},
};

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
        "the size of a resource has to be known: yield a `Box<dyn Debug + Send>`"
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
        unknown.contains("since the attribute can't look into `info!`"),
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
fn a_test_is_no_context_function() {
    let no_test = "a context function can't be a test or a `main`";
    assert!(
        wrong!([] #[tokio::test] async fn f() { let _ = yield_resource!(); }).starts_with(no_test)
    );
    assert!(
        wrong!([] fn f() { let body = async { let _ = yield_resource!(); }; rt().block_on(body) })
            .starts_with(no_test)
    );
    let no_main = "a context function can't be `main`: give it another name";
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
