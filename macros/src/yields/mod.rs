//! The yield points: finds each `yield_resource!(…)` among the body's tokens, and gives it the handle that it consumes.

use proc_macro2::{Group, Ident, Punct, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote_spanned};

use crate::{
    known::YIELD,
    tokens::{is_punct, macro_call, regroup, site_at},
};

mod argument;
mod fixed;
mod inside;
mod mistakes;

pub(crate) use argument::{Argument, root};
pub(crate) use fixed::Fixed;
use inside::{Inside, Statement};

/// The name of the handle. Rustc mentions it where the handle or what came of it is misused ("use of moved value: `yield_resource`",
/// "`yield_resource` escapes the closure body here"), so it is what the user calls the yield.
pub(crate) const HANDLE: &str = YIELD;

/// The yield points of a context function.
#[derive(Default)]
pub(crate) struct Yields {
    pub(crate) points: Vec<YieldPoint>,
    /// The body, each yield point with its handle.
    pub(crate) body: TokenStream,
    pub(crate) fixed: Fixed,
}

/// The name and the argument of a `yield_resource!(…)` at the start of `tokens`.
pub(crate) fn yield_call(tokens: &[TokenTree]) -> Option<(&Ident, &Group)> {
    macro_call(tokens).filter(|(name, _)| *name == YIELD)
}

/// One `yield_resource!(…)`.
pub(crate) struct YieldPoint {
    /// The call, without a path before it.
    pub(crate) call: TokenStream,
    /// The name that is called, if no path is before it.
    pub(crate) imported: Option<Ident>,
    pub(crate) argument: Argument,
    pub(crate) inside: Inside,
}

impl Yields {
    pub(crate) fn find(body: TokenStream, fixed: Fixed) -> Yields {
        let mut yields = Yields {
            fixed,
            ..Yields::default()
        };
        yields.body = yields.walk(body, Inside::default());
        yields
    }

    /// The braces around the body. Their edition decides when temporaries of the last expression are dropped: it stays the user's.
    pub(crate) fn in_braces(&self, body: &Group) -> Group {
        if self.points.is_empty() {
            // Untouched, as below.
            return body.clone();
        }
        regroup(body, self.body.clone())
    }

    /// Whether the body is polled inside something that the context function wraps around it.
    pub(crate) fn is_wrapping(&self) -> bool {
        self.points.iter().any(|point| point.inside.is_wrapped())
    }

    /// Whether that can't be ruled out: what tokens tell is good enough for a guess, but not certain.
    pub(crate) fn may_be_polled_by_others(&self) -> bool {
        self.is_wrapping() || self.points.iter().any(|point| point.inside.after_bar)
    }

    fn walk(&mut self, tokens: TokenStream, outer: Inside) -> TokenStream {
        let tokens = Vec::from_iter(tokens);
        let mut walked = TokenStream::new();
        let mut statement = Statement::new(outer);
        let mut i = 0;
        while i < tokens.len() {
            let (before, rest) = tokens.split_at(i);
            i += if let Some((name, group)) = macro_call(rest) {
                let arguments = if name == YIELD {
                    self.inject(name, before, group, statement.inside_of_a_yield())
                } else {
                    self.group(group, statement.inside.in_macro(name))
                };
                walked.append_all(&rest[..2]);
                walked.append(arguments);
                3
            } else if let Some(length) = statement.skip(&tokens, i) {
                walked.append_all(&rest[..length]);
                length
            } else if let TokenTree::Group(group) = &rest[0] {
                let inside = statement.inside_of_group(group, before);
                walked.append(self.group(group, inside));
                statement.after_group(group);
                1
            } else {
                walked.append(rest[0].clone());
                statement.after_token(&rest[0]);
                1
            };
        }
        walked
    }

    fn group(&mut self, group: &Group, inside: Inside) -> Group {
        let before = self.points.len();
        let walked = self.walk(group.stream(), inside);
        if self.points.len() == before {
            // Untouched: the original keeps the spans of both its delimiters.
            return group.clone();
        }
        regroup(group, walked)
    }

    /// `yield_resource!(tx)` becomes `yield_resource!(@place yield_resource, tx)`.
    fn inject(
        &mut self,
        name: &Ident,
        before: &[TokenTree],
        group: &Group,
        inside: Inside,
    ) -> Group {
        let (argument, tokens) = Argument::new(group.stream());
        let argument = match argument {
            Argument::Place(place) if self.fixed.holds(&place) => Argument::Value,
            other => other,
        };
        let form = match argument {
            Argument::Unit => "unit",
            Argument::Place(_) => "place",
            Argument::Move => "move",
            Argument::Value | Argument::Mistake(_) => "value",
        };
        let has_path = before.last().is_some_and(|token| is_punct(token, ':'));
        let bang = Punct::new('!', Spacing::Alone);
        self.points.push(YieldPoint {
            call: quote_spanned!(name.span()=> #name #bang #group),
            imported: (!has_path).then(|| name.clone()),
            argument,
            inside,
        });

        let site = site_at(name.span());
        let form = Ident::new(form, site);
        let handle = Ident::new(HANDLE, site);
        let comma = (!tokens.is_empty()).then(|| quote_spanned!(site=> ,));
        regroup(group, quote_spanned!(site=> @ #form #handle #comma #tokens))
    }
}

impl ToTokens for YieldPoint {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.call.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests;
