use expect_test::expect_file;
use quote::quote;

use super::*;

fn message(input: &str) -> String {
    let input = format!("::contextlib; {input}")
        .parse::<TokenStream>()
        .expect("tokens");
    match syn::parse2::<AsyncWith>(input) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn contexts_and_a_body() {
    assert_eq!(
        message("a = f(), b = g(a.pool()), async || -> Result<i64, E> { Ok(1) }"),
        ""
    );
    assert_eq!(message("a = f(), async { Ok(1) }"), "");
    assert_eq!(message("_ = f(), async move { Ok(1) },"), "");
    assert_eq!(message("_t = f(), async move || Ok(half typed . ),"), "");
    assert_eq!(message("?Send, a = f(), async { Ok(1) }"), "");
    assert_eq!(message("a = f(), ?Send, async { Ok(1) }"), "");
}

#[test]
fn mistakes_are_named() {
    assert!(message("a = f()").contains("no body"));
    assert!(message("?Send, async { 1 }").contains("no context"));
    assert!(message("?Sync, a = f(), async { 1 }").contains("expected `?Send`"));
    assert!(message("?, a = f(), async { 1 }").contains("expected `?Send`"));
    assert!(message("?Send a = f(), async { 1 }").contains("comma"));
    assert!(message("").contains("no body"));
    assert!(message("async { 1 }").contains("no context"));
    assert!(message("a = f() async { 1 }").contains("comma"));
    assert!(message("a = f(),, async { 1 }").contains("comma"));
    assert!(message("a = f(), body(a)").contains("name = context"));
    assert!(message("a == f(), async { 1 }").contains("name = context"));
    assert!(message("a = f(), || 1").contains("asynchronous"));
    assert!(message("a = f(), { 1 }").contains("asynchronous"));
    assert!(message("a = f(), async |a| { 1 }").contains("no arguments"));
    assert!(message("mut a = f(), async { 1 }").contains("without `mut`"));
    assert!(message("a = f(), move async { 1 }").contains("write `async move`"));
    assert!(message("a = f(), move async || 1").contains("write `async move`"));
    assert!(message("a: u8 = f(), async { 1 }").contains("write `a = context`"));
    assert!(message("a::f(), async { 1 }").contains("write `name = a::f()`"));
    assert!(message("a = , async { 1 }").contains("after `=`"));
    for body in [
        "async { 1 }",
        "async || { 1 }",
        "async || -> Result<[u8; 2], E> { 1 }",
    ] {
        assert!(message(&format!("a = f(), {body}, b = g()")).contains("last argument"));
    }
    assert_eq!(message("a = f(), async || { 1 }.max(2),"), "");
    assert!(message("a: f(1), async { 1 }").contains("write `a = f(1)`"));
    assert!(message("a := b, async { 1 }").contains("write `a = b`"));
    assert!(message("let a = f(), async { 1 }").contains("write `a = f()`, without `let`"));
    assert!(message("a = \"f()\", async { 1 }").contains("without quotes: `f()`"));
    assert!(message("on_cancel = drop, a = f(), async { 1 }").contains("`#[async_context(…)]`"));
    assert_eq!(message("setup = f(), on_cancel = policy, async { 1 }"), "");
}

#[test]
fn expansion() {
    let input = quote! {
        ::contextlib; db = database(url), _ = transaction(db.pool()), async move || -> Result<i64, AppError> { insert(db).await }
    };
    let block = async_with(input);
    let file = syn::parse2(quote!(fn block() { #block })).expect("the expansion is Rust");
    expect_file!["../../../tests/expand/async_with.rs"].assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn mistakes_are_shown_at_what_is_wrong() {
    assert!(message("a() as db, async { 1 }").contains("write `db = a()`"));
    assert!(message("db = a()").contains("no body"));
    assert!(!message("").contains("unexpected end"));
    assert!(!message("async { 1 }").contains("unexpected end"));
}

#[test]
fn a_context_without_a_name_is_given_one_or_none() {
    for context in ["f()", "a.f(1)", "(f(), g())", "a::CONTEXT", "f().await?"] {
        let message = message(&format!("{context}, async {{ Ok(1) }}"));
        assert!(
            message.contains(&format!("write `name = {context}`, or `_ = {context}`")),
            "{message}"
        );
    }
}

#[test]
fn a_pattern_is_for_the_body() {
    for pattern in [
        "(a, b)",
        "(a, mut b)",
        "[a, b]",
        "Some(a)",
        "Pair { a, .. }",
    ] {
        let message = message(&format!("{pattern} = f(), async {{ Ok(1) }}"));
        let written = written(pattern.parse::<TokenStream>().expect("tokens"));
        assert!(
            message.contains(&format!(
                "write `name = f()`, and in the body `let {written} = name;`"
            )),
            "{message}"
        );
    }
    assert!(message("&mut a = f(), async { Ok(1) }").contains("its name alone"));
    assert!(message("ref a = f(), async { Ok(1) }").contains("its name alone"));
}

/// As for `#[async_context]`: editors find a place by what stands before it.
#[test]
fn what_is_typed_changes_nothing_in_front_of_it() {
    let before = |arguments: TokenStream| {
        let expansion = async_with(quote!(::contextlib; #arguments)).to_string();
        assert!(expansion.contains("compile_error"), "{expansion}");
        let (before, _) = expansion.split_once("here").expect("it is shown");
        assert!(before.ends_with("let second = "), "{before}");
        before.to_owned()
    };
    for first in [quote!(), quote!(first = context(),)] {
        let (without, with) = (
            quote!(#first second = here.),
            quote!(#first second = here.name()),
        );
        assert_eq!(before(without), before(with));
    }
}
