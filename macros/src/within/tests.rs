use expect_test::{ExpectFile, expect_file};
use quote::quote;

use super::{TokenStream, within};

#[track_caller]
fn check(expected: ExpectFile, expansion: TokenStream) {
    let file = syn::parse2(expansion).expect("the expansion is Rust");
    expected.assert_eq(&prettyplease::unparse(&file));
}

/// What is said of a mistake, and that callers still see a function without the arguments that contexts stand for.
#[track_caller]
fn mistake(args: &str, item: &str, expected: &str) {
    let parsed = |text: &str| text.parse::<TokenStream>().expect("tokens");
    let text = within(parsed(args), parsed(item)).to_string();
    assert!(text.contains("compile_error"), "{text}");
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_test() {
    let expansion = within(
        quote!(database = database(), _ = logging()),
        quote! {
            /// Inserts.
            #[tokio::test]
            async fn inserts(database: &mut Database) {
                database.insert(1).await;
            }
        },
    );
    check(
        expect_file!["../../../tests/expand/within_test.rs"],
        expansion,
    );
}

#[test]
fn a_handler() {
    let expansion = within(
        quote!(tx = transaction(pool.clone())),
        quote! {
            pub(crate) async fn create(State(pool): State<Pool>, mut tx: &mut Tx<'_>, Json(new): Json<New>) -> Result<Json<Id>, AppError> {
                Ok(Json(insert(&mut tx, new).await?))
            }
        },
    );
    check(
        expect_file!["../../../tests/expand/within_handler.rs"],
        expansion,
    );
}

#[test]
fn named_arguments_are_injected_and_others_are_kept() {
    let arguments = |args: TokenStream, item: TokenStream| {
        let file = syn::parse2::<syn::ItemFn>(within(args, item)).expect("a function");
        let inputs = file.sig.inputs;
        quote!(#inputs).to_string()
    };
    let item = quote!(
        async fn f(&self, a: u8, mut b: &mut B, (c, d): (u8, u8)) {}
    );
    assert_eq!(
        arguments(quote!(b = b()), item.clone()),
        quote!(&self, a: u8, (c, d): (u8, u8)).to_string()
    );
    assert_eq!(
        arguments(quote!(c = b()), item.clone()),
        quote!(&self, a: u8, mut b: &mut B, (c, d): (u8, u8)).to_string()
    );
    assert_eq!(
        arguments(quote!(a = a(), b = b(a)), item),
        quote!(&self, (c, d): (u8, u8)).to_string()
    );
}

#[test]
fn what_a_function_returns_decides_what_becomes_of_errors() {
    let raises = |args: TokenStream, item: TokenStream| {
        within(args, item).to_string().contains("returned_whole")
    };
    for fallible in [
        quote!(
            async fn f() -> Result<u8, E> {}
        ),
        quote!(
            async fn f() -> io::Result<u8> {}
        ),
        quote!(
            async fn f() -> MyResult {}
        ),
    ] {
        assert!(raises(quote!(c()), fallible.clone()), "{fallible}");
        assert!(
            !raises(quote!(c(), infallible), fallible.clone()),
            "{fallible}"
        );
    }
    for infallible in [
        quote!(
            async fn f() {}
        ),
        quote!(
            async fn f() -> Answer {}
        ),
        quote!(
            async fn f() -> (u8, Result<u8, E>) {}
        ),
    ] {
        assert!(!raises(quote!(c()), infallible.clone()), "{infallible}");
        assert!(
            raises(quote!(fallible, c()), infallible.clone()),
            "{infallible}"
        );
    }
}

#[test]
fn inner_attributes_and_half_typed_bodies_are_kept() {
    let expansion = within(
        quote!(c()),
        quote!(async fn f() { #![allow(unused)] self. ; }),
    )
    .to_string();
    assert!(expansion.starts_with("# [allow (unused)]"), "{expansion}");
    assert!(expansion.contains("self . ;"), "{expansion}");
}

#[test]
fn the_crate_may_have_another_name() {
    let expansion = within(
        quote!(crate = facade::contextlib, c()),
        quote!(
            async fn f() {}
        ),
    )
    .to_string();
    assert!(
        expansion.contains("facade :: contextlib :: __private :: Block . open"),
        "{expansion}"
    );
    assert!(!expansion.contains("= :: contextlib"), "{expansion}");
}

#[test]
fn mistakes_in_the_arguments() {
    let item = "async fn f(db: &mut Db) {}";
    mistake("", item, "needs a context: write");
    mistake("fallible", item, "needs a context too");
    mistake("db = a() b()", item, "expected a comma");
    mistake("mut db = a()", item, "without `mut`");
    mistake("db = ", item, "expected a context after");
    mistake("db: &mut Db = a()", item, "write `db = context` here");
    mistake("(a, mut b) = a()", item, "`let (a, mut b) = name;`");
    mistake("a() as db", item, "write `db = a()`");
    mistake("db = a(), fallible, infallible", item, "contradicts");
    mistake("db: a(b)", item, "write `db = a(b)`");
    mistake("db := a", item, "write `db = a`");
    mistake("let db = a()", item, "write `db = a()`, without `let`");
    mistake("\"db()\"", item, "without quotes: `db()`");
    mistake("db = \"db()\"", item, "without quotes: `db()`");
    mistake("crate = \"x\", db = a()", item, "as in `crate = my_crate");
    mistake(
        "on_cancel = drop, db = a()",
        item,
        "in its `#[async_context(…)]`",
    );
    mistake(
        "setup = finish, db = a()",
        item,
        "in its `#[async_context(…)]`",
    );
    mistake("db = a(), infalible", item, "did you mean `infallible`?");
    mistake("db = a(), falible", item, "did you mean `fallible`?");
}

#[test]
fn mistakes_in_the_function() {
    mistake("c()", "fn f() {}", "write `async fn f`");
    mistake("c()", "#[test] fn f() {}", "write `async fn f`");
    mistake(
        "c()",
        "#[test] fn f() { let body = async {}; runtime().block_on(body) }",
        "the attribute above has made `f` synchronous",
    );
    mistake(
        "db = a()",
        "#[tokio::test] async fn f(database: &mut Db) {}",
        "no context of this test is called `database`",
    );
    mistake(
        "a = a()",
        "#[tokio::test] async fn f(a: &mut Db, (b, c): &mut (u8, u8)) {}",
        "a pattern has none: write one here",
    );
    mistake(
        "db = a()",
        "async fn f(x: u8, d: &mut Db) { d.go() }",
        "no argument of `f` is called `db`: rename its `d` to `db`",
    );
    mistake(
        "db = a()",
        "async fn f((b, c): &mut (u8, u8)) { *b = *c }",
        "no argument of `f` is called `db`: write it in place of the pattern",
    );
    mistake("c()", "async fn f();", "each implementation of `f`");
    mistake(
        "c()",
        "fn f<'life0, 'async_trait>(&'life0 self) -> Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>> { Box::pin(async move {}) }",
        "`#[async_trait]` has rewritten `f` before `#[within]` could see it",
    );
    mistake("c()", "struct F;", "goes on an `async fn`");
    mistake(
        "db = a()",
        "async fn f<'d>(db: &'d mut Db) {}",
        "leave this lifetime out",
    );
    mistake(
        "db = a()",
        "#[contextlib::async_context] async fn f(db: &mut Db) { let _ = yield_resource!(); }",
        "a context function isn't run by `#[within]`",
    );
    mistake(
        "db = a()",
        "async fn f(db: &mut Db) -> u8 { if let Some(db) = db.get() { yield_resource!(db); } }",
        "what yields is an `#[async_context] async fn` of its own",
    );
}

#[test]
fn a_context_function_inside_of_the_function_may_yield() {
    let item = quote!(
        async fn f() {
            #[async_context]
            async fn inner() {
                let _ = yield_resource!();
            }
            inner().run(g).await
        }
    );
    let expansion = within(quote!(a()), item).to_string();
    assert!(!expansion.contains("compile_error"), "{expansion}");
}

#[test]
fn a_name_may_be_for_others_than_an_argument() {
    let right = |args: &str, item: &str| {
        let parsed = |text: &str| text.parse::<TokenStream>().expect("tokens");
        let text = within(parsed(args), parsed(item)).to_string();
        assert!(!text.contains("compile_error"), "{text}");
    };
    right("db = a()", "async fn f(d: &mut Db) { db.go(d) }");
    right("db = a()", "async fn f(d: &mut Db) { d.log(f!(\"{db}\")) }");
    right("_db = a()", "async fn f(d: &mut Db) { d.go() }");
    right("db = a(), b(db)", "async fn f(d: &mut Db) { d.go() }");
    right("db = a(d)", "async fn f(d: &mut Db) { d.go() }");
    right(
        "db = a()",
        "async fn f(&mut self, d: u8, State(s): State<S>) {}",
    );
}

#[test]
fn what_passes_other_arguments_to_a_test_keeps_them() {
    let kept = |item: &str| {
        let parsed = |text: &str| text.parse::<TokenStream>().expect("tokens");
        let function = within(parsed("db = a()"), parsed(item));
        let function = syn::parse2::<syn::ItemFn>(function).expect("a function");
        let (attrs, inputs) = (function.attrs, function.sig.inputs);
        quote!(#(#attrs)* #inputs).to_string()
    };
    let spaced = |text: &str| text.parse::<TokenStream>().expect("tokens").to_string();
    assert_eq!(
        kept(
            "#[rstest] #[case(1)] #[tokio::test] async fn f(db: &mut Db, #[case] x: u32, seven: u32) {}"
        ),
        spaced("#[rstest] #[case(1)] #[tokio::test] #[case] x: u32, seven: u32")
    );
    assert_eq!(
        kept(
            "#[test_case::test_case(1, (2, 3))] #[tokio::test] async fn f(x: u32, db: &mut Db, (y, z): (u32, u32)) {}"
        ),
        spaced("#[test_case::test_case(1, (2, 3))] #[tokio::test] x: u32, (y, z): (u32, u32)")
    );
    // By an attribute that isn't known.
    assert_eq!(
        kept("#[table] #[tokio::test] async fn f(db: &mut Db, #[row] x: &mut Row) {}"),
        spaced("#[table] #[tokio::test] #[row] x: &mut Row")
    );
}

#[test]
fn an_argument_that_nothing_passes_is_a_mistake_beside_those_of_other_attributes() {
    mistake(
        "db = a()",
        "#[table] #[tokio::test] async fn f(db: &mut Db, #[row] x: u32, y: u32) {}",
        "no context of this test is called `y`",
    );
    mistake(
        "db = a()",
        "#[tokio::test] async fn f(db: &mut Db, #[allow(unused)] y: u32) {}",
        "no context of this test is called `y`",
    );
    mistake(
        "db = a()",
        "#[rstest] #[tokio::test] async fn f(#[case] x: &mut u32, d: &mut Db) { d.go(x) }",
        "no argument of `f` is called `db`: rename its `d` to `db`",
    );
}

#[test]
fn a_mistake_leaves_a_function_with_the_right_arguments() {
    let expansion = within(
        quote!(db = a() b()),
        quote!(
            #[test]
            async fn f(x: u8, db: &mut Db) {
                db.go()
            }
        ),
    )
    .to_string();
    assert!(expansion.contains("async fn f (x : u8) {"), "{expansion}");
    // Nor is a test left with arguments, which its own attribute would complain of.
    let expansion = within(
        quote!(db = a()),
        quote!(
            #[tokio::test]
            async fn f(database: &mut Db) {}
        ),
    )
    .to_string();
    assert!(expansion.contains("async fn f () {"), "{expansion}");
}

/// As for `#[async_context]`: editors find a place by what stands before it.
#[test]
fn what_is_typed_changes_nothing_in_front_of_it() {
    let before = |body: TokenStream| {
        let item = quote!(async fn insert(db: &mut Database) -> io::Result<u32> { #body });
        let expansion = within(quote!(db = database()), item).to_string();
        let (before, _) = expansion.split_once("here").expect("the body is there");
        before.to_owned()
    };
    for (without, with) in [
        (quote!(), quote!(name)),
        (quote!(Ok(1)), quote!(name; Ok(1))),
    ] {
        let (without, with) = (quote!(here.#without), quote!(here.#with));
        assert_eq!(before(without), before(with.clone()), "{with}");
    }
}
