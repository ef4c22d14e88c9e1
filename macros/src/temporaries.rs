//! Values without a name, which an expression borrows: `&format!("…")`.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::tokens::{is_punct, is_word};

/// Whether a `&` in the expression is of a value that has no place of its own. What is in blocks and in macros lives no longer than these.
pub(crate) fn borrows_a_temporary(expression: TokenStream) -> bool {
    let tokens = Vec::from_iter(expression);
    (0..tokens.len()).any(|i| {
        let before = i.checked_sub(1).map(|before| &tokens[before]);
        match &tokens[i] {
            TokenTree::Group(group) if group.delimiter() != Delimiter::Brace => {
                let in_macro = before.is_some_and(|before| is_punct(before, '!'));
                !in_macro && borrows_a_temporary(group.stream())
            }
            // Behind an operand, a `&` is "and".
            token if is_punct(token, '&') => {
                let begins = matches!(before, None | Some(TokenTree::Punct(_)));
                begins && is_temporary(&tokens[i + 1..])
            }
            _ => false,
        }
    })
}

/// Whether the operand of a `&`, up to a comma, is a value: one that is made here, and not a name, nor a part of what has one.
fn is_temporary(operand: &[TokenTree]) -> bool {
    let end = operand.iter().position(|token| is_punct(token, ','));
    let operand = &operand[..end.unwrap_or(operand.len())];
    match operand.split_first() {
        // A constant that is only read is in the program itself; one that may be written to is a copy.
        Some((first, operand)) if is_word(first, "mut") => {
            is_constant(operand) || makes_a_value(operand)
        }
        _ => makes_a_value(operand),
    }
}

fn makes_a_value(operand: &[TokenTree]) -> bool {
    let makes = |token: &TokenTree| match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            is_temporary(&Vec::from_iter(group.stream()))
        }
        // Brackets are an index.
        TokenTree::Group(group) => group.delimiter() != Delimiter::Bracket,
        TokenTree::Ident(word) => word == "await",
        token => is_punct(token, '!') || is_punct(token, '?'),
    };
    let is_array = matches!(operand.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket);
    is_array || operand.iter().any(makes)
}

/// Whether this is a literal, or a path to something with a capital letter: no variable.
fn is_constant(operand: &[TokenTree]) -> bool {
    let Some((last, before)) = operand.split_last() else {
        return false;
    };
    let is_whole = before
        .last()
        .is_none_or(|before| is_punct(before, ':') || is_punct(before, '-'));
    let is_cast = before.iter().any(|token| is_word(token, "as"));
    let is_value = match last {
        TokenTree::Literal(_) => true,
        TokenTree::Ident(word) => {
            let word = word.to_string();
            word == "true" || word == "false" || word.starts_with(char::is_uppercase)
        }
        _ => false,
    };
    is_value && is_whole && !is_cast
}

#[cfg(test)]
mod tests {
    use super::*;

    fn borrows(expression: &str) -> bool {
        borrows_a_temporary(expression.parse().expect("tokens"))
    }

    #[test]
    fn a_borrowed_value_is_a_temporary() {
        for expression in [
            "f(&format!(\"{a}\"))",
            "f(a, &b.join(\"c\"), d)",
            "f(&mut a())",
            "f(&mut 1, a)",
            "f(&mut -1)",
            "f(&mut \"a\")",
            "f(&mut true)",
            "f(&mut None)",
            "f(&mut a::B)",
            "f(&mut [a, b])",
            "f(&&a())",
            "f(Some(&a()))",
            "f(&[a, b])",
            "f(&a().b)",
            "f(&a()[0])",
            "f(&A { b })",
            "f(&a?)",
            "f(&a.await)",
            "a(&b()).boxed()",
            "(a(), b(&c()))",
            "a().b(c, &d())",
            "f(a & b, &c())",
        ] {
            assert!(borrows(expression), "{expression}");
        }
    }

    #[test]
    fn a_borrowed_place_is_none() {
        for expression in [
            "f(&a, b())",
            "f(&self.a.0, b())",
            "f(&mut *a, b())",
            "f(&mut a, 1)",
            "f(&mut a.0)",
            "f(&mut *A, c())",
            "f(&mut a as &mut dyn B, c())",
            "f(&mut a as &mut b::C, c())",
            "f(&mut a.0.1)",
            "f(&mut a[0])",
            "f(&1)",
            "f(&a[b()], c())",
            "f(&a::B)",
            "f(&\"a\")",
            "f(a & b())",
            "f(a.lock().unwrap().clone())",
            "f(vec![&a()])",
            "f({ g(&a()).clone() })",
        ] {
            assert!(!borrows(expression), "{expression}");
        }
    }
}
