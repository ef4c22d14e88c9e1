//! The yield points: finds each `yield_resource!(…)` among the body's tokens, and gives it the handle that it consumes.

use proc_macro2::{Delimiter, Group, Ident, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::{ToTokens, TokenStreamExt, quote_spanned};

use crate::{
    known::{SPAWNS, YIELD, is_transparent},
    tokens::{
        begins_async_block, closure_head, ends_in_word, is_any_word, is_punct, is_word, macro_call,
        nested_item, regroup, turbofish,
    },
};

mod argument;
mod fixed;
mod mistakes;

pub(crate) use argument::{Argument, root};
pub(crate) use fixed::Fixed;

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

/// What a yield point is nested in.
#[derive(Clone, Copy, Default)]
pub(crate) struct Inside {
    pub(crate) async_block: bool,
    pub(crate) closure: bool,
    /// A macro other than the standard library's own.
    pub(crate) foreign_macro: bool,
    /// Behind a `|` in the same statement: of a closure, as far as tokens can tell, or not.
    pub(crate) after_bar: bool,
    pub(crate) repeated: bool,
    pub(crate) spawned: bool,
}

impl Inside {
    /// Whether something other than the context function itself polls the yield point.
    pub(crate) fn is_wrapped(self) -> bool {
        self.async_block || self.closure || self.foreign_macro
    }

    /// Among the arguments of this macro, which isn't a yield.
    fn in_macro(self, name: &Ident) -> Inside {
        Inside {
            foreign_macro: self.foreign_macro || !is_transparent(name),
            ..self
        }
    }
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

    /// Whether that can't be excluded: less is certain of tokens than is good enough for a guess.
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

        let site = Span::mixed_site().located_at(name.span());
        let form = Ident::new(form, site);
        let handle = Ident::new(HANDLE, site);
        let comma = (!tokens.is_empty()).then(|| quote_spanned!(site=> ,));
        regroup(group, quote_spanned!(site=> @ #form #handle #comma #tokens))
    }
}

/// What is known of the statement, argument or arm that is being walked.
struct Statement {
    /// What the group around it is inside of.
    outer: Inside,
    inside: Inside,
    /// A `loop`, `while` or `for` whose braces are still to come.
    loops: bool,
    /// In the condition of a `while`.
    condition: bool,
}

impl Statement {
    fn new(outer: Inside) -> Statement {
        Statement {
            outer,
            inside: outer,
            loops: false,
            condition: false,
        }
    }

    /// The length of what has no yield of this function's at `tokens[i]`: an item, the arguments of a type or a closure.
    fn skip(&mut self, tokens: &[TokenTree], i: usize) -> Option<usize> {
        if let Some(length) = nested_item(&tokens[i..]) {
            self.end();
            return Some(length);
        }
        if let Some(length) = closure_head(tokens, i) {
            self.inside.closure = true;
            self.inside.after_bar = true;
            return Some(length);
        }
        turbofish(&tokens[i..])
    }

    /// What a yield is inside of that stands here.
    fn inside_of_a_yield(&self) -> Inside {
        Inside {
            repeated: self.inside.repeated || self.condition,
            ..self.inside
        }
    }

    /// What the tokens of `group` are inside of, `before` being the tokens in front of it.
    fn inside_of_group(&self, group: &Group, before: &[TokenTree]) -> Inside {
        let mut inside = self.inside;
        match group.delimiter() {
            Delimiter::Brace => {
                inside.async_block |= begins_async_block(before);
                inside.repeated |= self.loops;
            }
            Delimiter::Parenthesis => {
                inside.spawned |= ends_in_word(before, &SPAWNS);
            }
            Delimiter::Bracket | Delimiter::None => {}
        }
        inside
    }

    fn after_group(&mut self, group: &Group) {
        if group.delimiter() == Delimiter::Brace {
            // A loop's braces end its statement; a closure's body goes on to a comma or semicolon.
            let closure = self.inside.closure;
            self.end();
            self.inside.closure = closure;
        }
    }

    fn after_token(&mut self, token: &TokenTree) {
        match token {
            TokenTree::Punct(punct) => match punct.as_char() {
                '|' => self.inside.after_bar = true,
                ',' => self.end(),
                ';' => *self = Statement::new(self.outer),
                _ => {}
            },
            token => {
                self.loops |= is_any_word(token, &["loop", "while", "for"]);
                self.condition |= is_word(token, "while");
            }
        }
    }

    /// Begins the next one. Only a `;` ends what a `|` may have begun.
    fn end(&mut self) {
        let after_bar = self.inside.after_bar;
        *self = Statement::new(self.outer);
        self.inside.after_bar = after_bar;
    }
}

impl ToTokens for YieldPoint {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.call.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests;
