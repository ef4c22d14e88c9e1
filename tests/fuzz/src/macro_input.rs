//! Any tokens at all as the input of the macros: what comes out is an error, or an expansion that parses. No macro panics.
//!
//! The modules of the macro crate are compiled in here, since nothing but the compiler can call a procedural macro. (Without `skip`, rustfmt looks for
//! their tests in the wrong place.)
#![no_main]

#[rustfmt::skip]
#[path = "../../../macros/src/args/mod.rs"]
mod args;
#[rustfmt::skip]
#[path = "../../../macros/src/async_with.rs"]
mod async_with;
#[rustfmt::skip]
#[path = "../../../macros/src/attributes.rs"]
mod attributes;
#[rustfmt::skip]
#[path = "../../../macros/src/bindings.rs"]
mod bindings;
#[rustfmt::skip]
#[path = "../../../macros/src/block.rs"]
mod block;
#[rustfmt::skip]
#[path = "../../../macros/src/borrows.rs"]
mod borrows;
#[rustfmt::skip]
#[path = "../../../macros/src/context.rs"]
mod context;
#[rustfmt::skip]
#[path = "../../../macros/src/editors.rs"]
mod editors;
#[rustfmt::skip]
#[path = "../../../macros/src/error.rs"]
mod error;
#[rustfmt::skip]
#[path = "../../../macros/src/expand/mod.rs"]
mod expand;
#[rustfmt::skip]
#[path = "../../../macros/src/flow/mod.rs"]
mod flow;
#[rustfmt::skip]
#[path = "../../../macros/src/function.rs"]
mod function;
#[rustfmt::skip]
#[path = "../../../macros/src/known.rs"]
mod known;
#[rustfmt::skip]
#[path = "../../../macros/src/nest.rs"]
mod nest;
#[rustfmt::skip]
#[path = "../../../macros/src/returns.rs"]
mod returns;
#[rustfmt::skip]
#[path = "../../../macros/src/spelling.rs"]
mod spelling;
#[rustfmt::skip]
#[path = "../../../macros/src/temporaries.rs"]
mod temporaries;
#[rustfmt::skip]
#[path = "../../../macros/src/tokens.rs"]
mod tokens;
#[rustfmt::skip]
#[path = "../../../macros/src/types.rs"]
mod types;
#[rustfmt::skip]
#[path = "../../../macros/src/validate/mod.rs"]
mod validate;
#[rustfmt::skip]
#[path = "../../../macros/src/within/mod.rs"]
mod within;
#[rustfmt::skip]
#[path = "../../../macros/src/yields/mod.rs"]
mod yields;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::{Expr, Token, parse::Parser, punctuated::Punctuated};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let input = match data.split_first() {
        Some((0xFF, words)) => spelt(words),
        _ => String::from_utf8_lossy(data).into_owned(),
    };
    // The first line is the attribute, or its arguments alone; the rest is what it is on.
    let (first, rest) = input.split_once('\n').unwrap_or((&input, ""));
    let (name, arguments) = attribute(first);
    let (Some(arguments), Some(item)) = (tokens(arguments), tokens(rest)) else {
        return;
    };
    match name {
        "async_with" => check_async_with(item),
        "within" => check_attribute(within::within, arguments, item),
        _ => check_attribute(expand::async_context, arguments, item),
    }
});

fn check_attribute(
    expand: fn(TokenStream, TokenStream) -> TokenStream,
    arguments: TokenStream,
    item: TokenStream,
) {
    let was_item = is_item(&item);
    let output = expand(arguments, item);
    // What wasn't Rust before need not be afterwards: a body that is being typed is passed on.
    if was_item {
        assert!(is_item(&output), "this doesn't parse: {output}");
    }
}

fn check_async_with(input: TokenStream) {
    let arguments = Punctuated::<Expr, Token![,]>::parse_terminated;
    let were_expressions = arguments.parse2(input.clone()).is_ok();
    let mut whole: TokenStream = "::contextlib;".parse().expect("tokens");
    whole.extend(input);
    let output = async_with::async_with(whole);
    if were_expressions {
        assert!(
            syn::parse2::<Expr>(output.clone()).is_ok(),
            "this doesn't parse: {output}"
        );
    }
}

/// Whether rustc would take it, in a module, a trait or an `impl`.
fn is_item(tokens: &TokenStream) -> bool {
    members::<syn::Item>(tokens)
        || members::<syn::ImplItem>(tokens)
        || members::<syn::TraitItem>(tokens)
}

fn members<T: syn::parse::Parse>(tokens: &TokenStream) -> bool {
    let all = |input: syn::parse::ParseStream<'_>| {
        while !input.is_empty() {
            input.parse::<T>()?;
        }
        Ok(())
    };
    all.parse2(tokens.clone()).is_ok()
}

/// `async_context(suppress)` is the attribute's name and its arguments; anything else is arguments.
fn attribute(line: &str) -> (&str, &str) {
    for name in ["async_context", "within", "async_with"] {
        if let Some(arguments) = line.trim().strip_prefix(name) {
            let inner = arguments
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'));
            return (name, inner.unwrap_or(arguments));
        }
    }
    ("async_context", line)
}

/// `None` for what the compiler's lexer refuses before any macro sees it.
fn tokens(text: &str) -> Option<TokenStream> {
    // Deeper than rustc goes by itself: its own recursion limit is 128.
    let depth = text
        .bytes()
        .fold((0_usize, 0), |(depth, deepest), byte| match byte {
            b'(' | b'[' | b'{' | b'<' => (depth + 1, deepest.max(depth + 1)),
            b')' | b']' | b'}' | b'>' => (depth.saturating_sub(1), deepest),
            _ => (depth, deepest),
        });
    if depth.1 > 64 {
        return None;
    }
    text.parse().ok().map(with_invisible_groups)
}

/// `invisible!(…)` becomes the group without delimiters that a `macro_rules` leaves around what it was given.
fn with_invisible_groups(tokens: TokenStream) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut out = TokenStream::new();
    while let Some(token) = tokens.next() {
        let invisible = matches!(&token, TokenTree::Ident(name) if name == "invisible");
        match tokens.peek() {
            Some(TokenTree::Group(group)) if invisible => {
                let inner = with_invisible_groups(group.stream());
                out.extend([TokenTree::from(Group::new(Delimiter::None, inner))]);
                tokens.next();
            }
            _ => out.extend([match token {
                TokenTree::Group(group) => {
                    Group::new(group.delimiter(), with_invisible_groups(group.stream())).into()
                }
                other => other,
            }]),
        }
    }
    out
}

/// Spells the bytes in words that mean something to the macros, with every bracket closed.
fn spelt(bytes: &[u8]) -> String {
    let mut text = String::new();
    let mut open = Vec::new();
    for byte in bytes {
        let word = WORDS[usize::from(*byte) % WORDS.len()];
        match word {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            "close" => {
                text.push_str(open.pop().unwrap_or(" "));
                continue;
            }
            _ => {}
        }
        text.push_str(word);
        text.push(' ');
    }
    while let Some(bracket) = open.pop() {
        text.push_str(bracket);
    }
    text
}

const WORDS: &[&str] = &[
    "async_context(",
    "within(",
    "async_with",
    "\n",
    "async fn f(",
    "async fn f(&self, ",
    ") {",
    ") -> T {",
    ") -> Result<T, E> {",
    ") -> io::Result<T> {",
    ") -> Result<impl Tr, E> {",
    "close",
    "close",
    "close",
    "(",
    "[",
    "{",
    "on_cancel = ",
    "spawn",
    "spawn_local",
    "block",
    "drop",
    "setup = ",
    "finish",
    "own(",
    "suppress",
    "guard",
    "wrapping",
    "boxed",
    "fallible",
    "infallible",
    "crate = ",
    "x",
    "y",
    "_",
    "self",
    "r#type",
    "the_one_yield",
    "yielder",
    "= ",
    "==",
    ",",
    ";",
    ":",
    "::",
    "->",
    "=>",
    ".",
    "..",
    "!",
    "?",
    "#",
    "&",
    "&mut ",
    "&'a ",
    "'a",
    "'_",
    "'static",
    "<",
    ">",
    "|",
    "||",
    "*",
    "+",
    "@",
    "$",
    "yield_resource!(",
    "yield_resource!()",
    "yield_resource!(x)",
    "yield_resource!(move x)",
    "yield_resource!",
    "contextlib::yield_resource!(x.y[0])",
    "let ",
    "mut ",
    "ref ",
    "if ",
    "else ",
    "match x {",
    "loop {",
    "while ",
    "for x in ",
    "return ",
    "break ",
    "continue",
    "async {",
    "async move {",
    "move ",
    "async || ",
    "async |x| ",
    "await",
    ".await",
    "pub ",
    "pub(crate) ",
    "const ",
    "unsafe ",
    "extern \"C\" ",
    "fn ",
    "impl Tr",
    "dyn Fn(&T)",
    "for<'a> ",
    "where T: Tr,",
    "<T: Tr, 'a>",
    "<const N: usize>",
    "[T; N]",
    "(A, B)",
    "fn(&T)",
    "Self",
    "#[cfg(a)]",
    "#![allow(b)]",
    "#[async_trait]",
    "#[doc = \"d\"]",
    "invisible(",
    "tokio::spawn(",
    "select!",
    "join!(",
    "matches!(",
    "macro_rules! m {",
    "struct S {",
    "mod m {",
    "1",
    "1.0",
    "\"s\"",
    "'c'",
    "b\"s\"",
    "r\"s\"",
    "true",
    "()",
    "Pin<Box<dyn Future<Output = ()> + Send + 'async_trait>>",
    "Box::pin(",
];
