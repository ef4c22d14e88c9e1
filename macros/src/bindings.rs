//! The names that are bound: by a pattern, or somewhere among tokens.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use syn::{Pat, PatIdent};

use crate::{
    known::{YIELD, is_transparent},
    tokens::{arrow_before, closure_head, contains_word, first_token, is_punct},
};

/// The variables of a pattern.
pub(crate) fn bound_names(pat: &Pat) -> Vec<Ident> {
    let of_all = |pats: Vec<&Pat>| pats.into_iter().flat_map(bound_names).collect();
    match pat {
        // A name with a capital letter is a constant or a unit struct.
        Pat::Ident(pat) if pat.ident.to_string().starts_with(char::is_uppercase) => Vec::new(),
        Pat::Ident(pat) => {
            let part = pat.subpat.iter().flat_map(|(_, pat)| bound_names(pat));
            [pat.ident.clone()].into_iter().chain(part).collect()
        }
        // Each case binds the same.
        Pat::Or(pat) => of_all(pat.cases.iter().take(1).collect()),
        Pat::Paren(pat) => bound_names(&pat.pat),
        Pat::Reference(pat) => bound_names(&pat.pat),
        Pat::Slice(pat) => of_all(pat.elems.iter().collect()),
        Pat::Tuple(pat) => of_all(pat.elems.iter().collect()),
        Pat::TupleStruct(pat) => of_all(pat.elems.iter().collect()),
        Pat::Struct(pat) => of_all(pat.fields.iter().map(|field| &*field.pat).collect()),
        _ => Vec::new(),
    }
}

/// Gives each `_` of a pattern a name, so that what it stands for is kept. Not behind a reference, where nothing is the pattern's to keep, nor in one of several cases, which would all have to bind the same names.
pub(crate) fn name_wilds(pat: &mut Pat, name: &mut dyn FnMut() -> Ident) {
    let mut of_all = |pats: &mut dyn Iterator<Item = &mut Pat>| {
        pats.for_each(|pat| name_wilds(pat, name));
    };
    match pat {
        Pat::Wild(_) => {
            *pat = Pat::Ident(PatIdent {
                attrs: Vec::new(),
                by_ref: None,
                mutability: None,
                ident: name(),
                subpat: None,
            });
        }
        Pat::Paren(pat) => name_wilds(&mut pat.pat, name),
        Pat::Slice(pat) => of_all(&mut pat.elems.iter_mut()),
        Pat::Tuple(pat) => of_all(&mut pat.elems.iter_mut()),
        Pat::TupleStruct(pat) => of_all(&mut pat.elems.iter_mut()),
        Pat::Struct(pat) => of_all(&mut pat.fields.iter_mut().map(|field| &mut *field.pat)),
        _ => {}
    }
}

/// Whether something in `tokens` may be given this name too, by a pattern or by a macro such as `pin_mut!(name)`.
pub(crate) fn may_be_bound(name: &Ident, tokens: TokenStream) -> bool {
    let tokens = Vec::from_iter(tokens);
    // Where the pattern begins, if it turns out to be that of an arm.
    let mut arm = 0;
    for (i, token) in tokens.iter().enumerate() {
        let pattern = TokenStream::from_iter(pattern(&tokens, arm, i).iter().cloned());
        if contains_word(pattern, &name.to_string()) {
            return true;
        }
        match token {
            TokenTree::Group(group) => {
                if may_be_bound(name, group.stream()) || is_given(name, &tokens[..i], group) {
                    return true;
                }
                if arrow_before(&tokens, i) {
                    arm = i + 1;
                }
            }
            token if is_punct(token, ',') => arm = i + 1,
            _ => {}
        }
    }
    false
}

/// The pattern that begins at `tokens[i]`, or that of an arm if this is its `=>`; otherwise nothing.
fn pattern(tokens: &[TokenTree], arm: usize, i: usize) -> &[TokenTree] {
    let rest = &tokens[i..];
    let until = |tokens: &[TokenTree], word: &str| {
        let end = tokens.iter().position(|token| token.to_string() == word);
        end.unwrap_or(tokens.len())
    };
    match rest {
        [TokenTree::Ident(word), ..] if word == "let" => &rest[..until(rest, "=")],
        [TokenTree::Ident(word), ..] if word == "for" => &rest[..until(rest, "in")],
        [equals, arrow, ..] if is_punct(equals, '=') && is_punct(arrow, '>') => {
            let arm = &tokens[arm..i];
            &arm[..until(arm, "if")]
        }
        _ => &rest[..closure_head(tokens, i).unwrap_or(0)],
    }
}

/// Whether `name` is the first argument of a macro other than the standard library's, which may bind it.
fn is_given(name: &Ident, before: &[TokenTree], arguments: &Group) -> bool {
    let [.., TokenTree::Ident(called), bang] = before else {
        return false;
    };
    is_punct(bang, '!')
        && called != YIELD
        && !is_transparent(called)
        && matches!(first_token(&arguments.stream()), Some(TokenTree::Ident(first)) if first == *name)
}
