use quote::quote;

use super::*;
use crate::{args::Args, function::Function};

fn injected(body: TokenStream) -> String {
    Yields::find(body, Fixed::default()).body.to_string()
}

#[track_caller]
fn gets(argument: TokenStream, hidden: TokenStream) {
    assert_eq!(
        injected(quote!(yield_resource!(#argument))),
        quote!(yield_resource!(#hidden)).to_string()
    );
}

fn is_wrapping(body: TokenStream) -> bool {
    let yields = Yields::find(body, Fixed::default());
    assert_eq!(yields.points.len(), 1);
    yields.is_wrapping()
}

#[test]
fn each_form_gets_its_handle() {
    gets(quote!(), quote!(@unit yield_resource));
    gets(quote!(move tx), quote!(@move yield_resource, tx));
    gets(
        quote!(move open().await?,),
        quote!(@move yield_resource, open().await?),
    );
    for place in [
        quote!(tx),
        quote!(self.tx),
        quote!(pair.0),
        quote!(*boxed),
        quote!((tx)),
        quote!(list[i]),
        quote!(list[0].tx),
        quote!(r#type),
    ] {
        gets(place.clone(), quote!(@place yield_resource, #place));
    }
    for value in [
        quote!(5),
        quote!(()),
        quote!((a, b)),
        quote!(open().tx),
        quote!(list[next()]),
        quote!(&mut tx),
        quote!(NONE),
        quote!(module::VALUE),
        quote!(Tx { pool }),
        quote!(parse::<A, B>(x)),
        quote!(move || tx),
        quote!(|a, b| a + b),
        quote!(tx.await),
        quote!(half+),
    ] {
        gets(value.clone(), quote!(@value yield_resource, #value));
    }
    gets(quote!(tx,), quote!(@place yield_resource, tx));
}

#[track_caller]
fn mistaken(argument: TokenStream, message: &str) {
    let call = quote!(yield_resource!(#argument));
    let yields = Yields::find(call, Fixed::default());
    let Argument::Mistake(error) = &yields.points[0].argument else {
        panic!("{argument}");
    };
    assert_eq!(error.to_string(), message);
}

#[test]
fn what_is_no_expression_is_named() {
    let tuple =
        "a context yields one resource: put several into a tuple, `yield_resource!((a, b))`";
    let several = &format!(
        "{tuple}; if the teardown uses them, `let ((a, b), exit) = yield_resource!(move (a, b));`"
    );
    mistaken(quote!(a, b), several);
    mistaken(quote!(a; b), several);
    mistaken(quote!(move a, b), &tuple.replace("((", "(move ("));
    let one = "a yield takes one expression: write `yield_resource!(a.b)`, without";
    mistaken(quote!(mut a.b), &format!("{one} `mut`"));
    mistaken(quote!(ref mut a.b), &format!("{one} `ref`"));
    mistaken(
        quote!(ref a),
        "a yield takes one expression: write `yield_resource!(a)`, without `ref`; if it moves into an `async` block, and the teardown uses it, `yield_resource!(move a)`, which evaluates to `(a, exit)`",
    );
    mistaken(quote!(resource: a.b,), &format!("{one} `resource:`"));
    mistaken(quote!(a.b;), &format!("{one} the semicolon"));
    let moved = one.replace("(a", "(move a");
    mistaken(quote!(move mut a.b), &format!("{moved} `mut`"));
    mistaken(
        quote!(let a = open().await),
        "a yield takes one expression: put the `let` before it, and yield the variable",
    );
    mistaken(
        quote!(HashMap < u8, Vec < u8 >> ::new()),
        "the types of a path come after `::` in an expression: write `HashMap::<…>`",
    );
    mistaken(quote!(a < b, c > d), several);
    let missing = "`move` needs a value: write `yield_resource!(move value)`";
    mistaken(quote!(move), missing);
    mistaken(quote!(move,), missing);
}

fn is_put_back(args: TokenStream, function: TokenStream) -> bool {
    let args = Args::parse(args, &mut crate::error::Errors::default());
    let function: Function = syn::parse2(function).unwrap();
    let body = function.body.as_ref().unwrap().stream();
    let yields = Yields::find(body.clone(), Fixed::of(&function, &args, &body));
    matches!(yields.points[0].argument, Argument::Place(_))
}

macro_rules! put_back {
    ([$($args:tt)*] $($function:tt)*) => { is_put_back(quote!($($args)*), quote!($($function)*)) };
}

#[test]
fn what_can_not_be_assigned_is_not_put_back() {
    assert!(!put_back!([] async fn f(&self) { yield_resource!(self.tx); }));
    assert!(!put_back!([] async fn f(&mut self) { yield_resource!(self); }));
    assert!(!put_back!([] async fn f(self) { yield_resource!((self)); }));
    assert!(!put_back!([] async fn f(n: &u8) { yield_resource!(*n); }));
    assert!(!put_back!([] async fn f<'a>(list: &'a [u8]) { yield_resource!((list[0])); }));
    assert!(
        !put_back!([] async fn f(db: &Db) { log(db, |x| x); for x in &db.all { go(x); } yield_resource!(db.port); })
    );
    assert!(!put_back!([] async fn f<const n: usize>() { yield_resource!(n); }));
    assert!(put_back!([] async fn f(mut self) { yield_resource!(self); }));
    assert!(put_back!([] async fn f(&mut self) { yield_resource!(self.tx); }));
    assert!(put_back!([] async fn f(mut n: &u8) { yield_resource!(n); }));
    assert!(put_back!([] async fn f(n: &mut u8) { yield_resource!(*n); }));
    assert!(put_back!([own(n = n.clone())] async fn f(n: &Pair) { yield_resource!(n.0); }));
}

#[test]
fn another_variable_of_the_name_is_put_back() {
    assert!(put_back!([] async fn f(n: &N) { let mut n = n.clone(); yield_resource!(n.0); }));
    assert!(
        put_back!([] async fn f(n: &N) { if let Some((mut n, _)) = n.all() { yield_resource!(n.0); } })
    );
    assert!(put_back!([] async fn f(n: &N) { for n in n.all() { yield_resource!(n.0); break; } }));
    assert!(
        put_back!([] async fn f(n: &N) { match n.all() { None => { return; } Some(N { mut n }) if n.ok() => yield_resource!(n.0), _ => {} } })
    );
    assert!(put_back!([] async fn f(n: &N) { scope(async |mut n| yield_resource!(n.0)).await; }));
    assert!(put_back!([] async fn f(n: &N) { pin_mut!(n); yield_resource!(n.0); }));
    assert!(
        !put_back!([] async fn f(n: &N) { match x { 1 => { log(n); } _ if n.ok() => log(n), _ => {} } yield_resource!(n.0); })
    );
    assert!(
        !put_back!([] async fn f(n: &N) { println!("{n}"); info!("{}", n.0); yield_resource!(n.0); })
    );
}

#[test]
fn found_wherever_it_is_and_under_any_path() {
    let body = quote! {
        if matches!(contextlib::yield_resource!(tx), Exit::Completed) { select! { _ = async { yield_resource!() } => {} } }
    };
    let expected = quote! {
        if matches!(contextlib::yield_resource!(@place yield_resource, tx), Exit::Completed) {
            select! { _ = async { yield_resource!(@unit yield_resource) } => {} }
        }
    };
    assert_eq!(injected(body), expected.to_string());
}

#[test]
fn those_of_a_nested_function_are_its_own() {
    let body = quote! {
        #[async_context]
        async fn inner(f: fn(u8)) -> u8 { let _ = yield_resource!(1); }
        impl Other { async fn inner(&self) { let _ = yield_resource!(2); } }
        async fn of_a_constant<const N: u8 = { 1 }>() -> Of<{ N }, { 2 }> where A: B, { let _ = yield_resource!(3); }
        let f: fn(u8) = g;
        let _ = yield_resource!(3);
    };
    let yields = Yields::find(body, Fixed::default());
    assert_eq!(yields.points.len(), 1);
    assert!(!yields.is_wrapping());
}

#[test]
fn half_typed_bodies_keep_their_tokens() {
    let body = quote!(let mut tx = pool. ; yield_resource!(tx).is_ if let);
    let expected =
        quote!(let mut tx = pool. ; yield_resource!(@place yield_resource, tx).is_ if let);
    assert_eq!(injected(body), expected.to_string());
}

#[test]
fn plain_code_does_not_wrap() {
    assert!(!is_wrapping(quote!(
        if yield_resource!(tx).is_completed() {}
    )));
    assert!(!is_wrapping(quote!(match a | b {
        A | B => {
            let _ = yield_resource!(tx);
        }
    })));
    assert!(!is_wrapping(quote!(let _ = f(|a| a, yield_resource!(tx));)));
    assert!(!is_wrapping(
        quote!(let g = async { 1 }; let h = |x| x; let _ = yield_resource!(tx);)
    ));
    assert!(!is_wrapping(
        quote!(let flags = a || b; let _ = yield_resource!(tx);)
    ));
    assert!(!is_wrapping(
        quote!(let c = x? | y; let _ = yield_resource!(tx);)
    ));
    assert!(!is_wrapping(quote!(assert!(matches!(
        yield_resource!(tx),
        Exit::Completed
    )))));
    assert!(!is_wrapping(quote!(std::println!(
        "{:?}",
        yield_resource!()
    ))));
}

#[test]
fn what_may_be_a_closure_may_be_polled_by_others() {
    fn may_be(body: TokenStream) -> bool {
        Yields::find(body, Fixed::default()).may_be_polled_by_others()
    }
    assert!(!may_be(quote!(
        let a = open().await;
        yield_resource!(a);
    )));
    assert!(!may_be(quote!(
        let c = a | b;
        if c && d {
            yield_resource!();
        }
    )));
    assert!(!may_be(quote!(
        let f = |x| x + 1;
        yield_resource!(f);
    )));
    assert!(may_be(quote!(if a || b {
        yield_resource!()
    })));
    assert!(may_be(quote!(f(for<'a> |x| g(yield_resource!(x))))));
    assert!(may_be(quote!(f(
        #[inline]
        |x| match x {
            _ => yield_resource!(x),
        }
    ))));
    assert!(may_be(quote!(timeout(d, async { yield_resource!() }))));
}

#[test]
fn blocks_closures_and_foreign_macros_wrap() {
    assert!(is_wrapping(quote!(
        timeout(d, async { yield_resource!() }).await
    )));
    assert!(is_wrapping(quote!(
        timeout(d, async move { yield_resource!() }).await
    )));
    assert!(is_wrapping(quote!(retry(async || yield_resource!()).await)));
    assert!(is_wrapping(quote!(
        retry(|| async { yield_resource!() }).await
    )));
    assert!(is_wrapping(quote!(scope(move |a, b| -> u8 {
        yield_resource!()
    }))));
    assert!(is_wrapping(quote!(
        f().with(async move |_| -> Result<(), E> { yield_resource!() })
    )));
    assert!(is_wrapping(quote!(scope(|_| -> [u8; { 1 }] {
        yield_resource!()
    }))));
    assert!(is_wrapping(quote!(scope(|_| -> Sized<u8, { N }> {
        yield_resource!()
    }))));
    assert!(is_wrapping(quote!(let f = |x| yield_resource!(x);)));
    assert!(is_wrapping(quote!(scope(|x| g::<A, B>(yield_resource!(
        x
    ))))));
    assert!(is_wrapping(quote!(match x {
        A => |y| yield_resource!(y),
        B => c,
    })));
    assert!(is_wrapping(quote!(
        tokio::select! { _ = stop => {}, _ = f() => { yield_resource!() } }
    )));
}
