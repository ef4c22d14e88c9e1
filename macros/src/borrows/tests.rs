use quote::quote;
use syn::parse_quote;

use super::*;

fn borrows(sig: TokenStream) -> Vec<String> {
    of_arguments(&syn::parse2(sig).unwrap())
        .iter()
        .map(|borrow| borrow.token.to_string())
        .collect()
}

#[test]
fn references_and_lifetimes_borrow() {
    assert_eq!(
        borrows(quote!(fn f(&self, a: &'a str, b: &mut [u8]))),
        ["&", "'a", "&"]
    );
    assert_eq!(borrows(quote!(fn f(&'a mut self))), ["'a"]);
    assert_eq!(borrows(quote!(fn f(self: Pin<&mut Self>))), ["&"]);
    assert_eq!(
        borrows(quote!(fn f(a: Cow<'_, str>, b: Option<(u8, &str)>))),
        ["'_", "&"]
    );
    assert_eq!(
        borrows(quote!(fn f(a: Box<dyn Store + '_>, b: impl Iterator<Item = &'b u8>))),
        ["'_", "'b"]
    );
    assert_eq!(borrows(quote!(fn f(a: &'static &str))), ["&"]);
}

#[test]
fn what_lives_for_ever_or_for_a_call_does_not() {
    assert_eq!(
        borrows(quote!(fn f(self, a: &'static str, b: Cow<'static, str>, c: Arc<Self>))),
        [""; 0]
    );
    assert_eq!(
        borrows(
            quote!(fn f(a: fn(&u8) -> &u8, b: Box<dyn Fn(&str) -> &str>, c: impl FnOnce(&mut Tx)))
        ),
        [""; 0]
    );
    assert_eq!(
        borrows(quote!(fn f(a: impl for<'a> Handler<&'a str>, b: Box<dyn for<'b> Handler<'b>>))),
        [""; 0]
    );
}

#[test]
fn what_owns_instead() {
    let owning = |ty: TokenStream| owning(&syn::parse2(ty).unwrap());
    assert_eq!(owning(quote!(&str)), Some(".to_owned()"));
    assert_eq!(owning(quote!(&'a [u8])), Some(".to_owned()"));
    assert_eq!(owning(quote!(&std::path::Path)), Some(".to_owned()"));
    assert_eq!(owning(quote!(&Db)), Some(".clone()"));
    assert_eq!(owning(quote!(&mut Vec<u8>)), Some(".clone()"));
    assert_eq!(owning(quote!(Cow<'_, str>)), Some(".into_owned()"));
    assert_eq!(owning(quote!(Option<&str>)), Some(".map(str::to_owned)"));
    assert_eq!(
        owning(quote!(Option<&Path>)),
        Some(".map(ToOwned::to_owned)")
    );
    assert_eq!(owning(quote!(Option<&Db>)), Some(".cloned()"));
    for ty in [
        quote!(&[&str]),
        quote!(&dyn Db),
        quote!(Db<'_>),
        quote!(Vec<&str>),
        quote!(impl Db + '_),
    ] {
        assert_eq!(owning(ty), None);
    }
}

fn lifetime(args: TokenStream, sig: Signature) -> Result<String, String> {
    let args = Args::parse(args, &mut crate::error::Errors::default());
    of_box(&args, &sig)
        .map(|lifetime| lifetime.to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn a_box_has_one_lifetime() {
    let block = || quote!(on_cancel = block);
    assert_eq!(
        lifetime(block(), parse_quote!(fn f(a: u8))).unwrap(),
        "'static"
    );
    assert_eq!(lifetime(block(), parse_quote!(fn f(&self))).unwrap(), "'_");
    assert_eq!(
        lifetime(block(), parse_quote!(fn f(a: Cow<'_, str>))).unwrap(),
        "'_"
    );
    assert_eq!(
        lifetime(block(), parse_quote!(fn f<'a>(&'a self, name: &'a str))).unwrap(),
        "'a"
    );
    assert_eq!(
        lifetime(quote!(), parse_quote!(fn f(&self))).unwrap(),
        "'static"
    );
    assert_eq!(
        lifetime(
            quote!(on_cancel = block, own(a = b)),
            parse_quote!(fn f(&self))
        )
        .unwrap(),
        "'static"
    );
    for sig in [
        parse_quote!(fn f<'a, T: Tr<'a> + 'a>(t: T)),
        parse_quote!(fn f<'a, T: Tr<'a>>(n: u8, t: (T)) where T: Send + 'a),
    ] {
        assert_eq!(lifetime(block(), sig).unwrap(), "'a");
    }
    for sig in [
        parse_quote!(fn f<'a, T: Tr<'a> + 'static>(t: T)),
        parse_quote!(fn f<'a, T: Tr<'a>>(t: T)),
        parse_quote!(fn f<'a, T: Tr<'a> + 'a>(t: T::Owned)),
        parse_quote!(fn f<'a, 'b, T: Tr<'b> + 'a>(t: T)),
    ] {
        assert_eq!(lifetime(block(), sig).unwrap(), "'static");
    }
    assert_eq!(
        lifetime(quote!(), parse_quote!(fn f<'a, T: 'a>(t: T))).unwrap(),
        "'static"
    );
    for sig in [
        parse_quote!(fn f(&self, name: &str)),
        parse_quote!(fn f<'a>(&'a self, name: &str)),
        parse_quote!(fn f<'a, 'b>(a: &'a str, b: &'b str)),
    ] {
        assert!(
            lifetime(block(), sig)
                .unwrap_err()
                .starts_with("a boxed context has one lifetime")
        );
    }
}
