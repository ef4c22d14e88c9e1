use quote::quote;

use super::*;

fn injected(body: TokenStream) -> String {
    Yields::find(body, false).body.to_string()
}

#[track_caller]
fn gets(argument: TokenStream, hidden: TokenStream) {
    assert_eq!(
        injected(quote!(yield_resource!(#argument))),
        quote!(yield_resource!(#hidden)).to_string()
    );
}

fn is_wrapping(body: TokenStream) -> bool {
    let yields = Yields::find(body, false);
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

#[test]
fn several_arguments_are_noticed() {
    let yields = Yields::find(quote!(yield_resource!(a, b)), false);
    assert!(
        matches!(&yields.points[0].argument, Argument::Several(second) if second.to_token_stream().to_string() == "b")
    );
}

#[test]
fn what_can_not_be_assigned_is_not_put_back() {
    let yields = Yields::find(quote!(yield_resource!(self.tx)), true);
    assert!(matches!(yields.points[0].argument, Argument::Value));
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
        let f: fn(u8) = g;
        let _ = yield_resource!(3);
    };
    let yields = Yields::find(body, false);
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
        Yields::find(body, false).may_be_polled_by_others()
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
