//! What a yield point is nested in, as far as the tokens around it tell.

use proc_macro2::{Delimiter, Group, Ident, TokenTree};

use crate::{
    known::{SPAWNS, is_transparent},
    tokens::{
        begins_async_block, closure_head, ends_in_word, is_any_word, is_word, nested_item,
        turbofish,
    },
};

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
    pub(super) fn in_macro(self, name: &Ident) -> Inside {
        Inside {
            foreign_macro: self.foreign_macro || !is_transparent(name),
            ..self
        }
    }
}

/// What is known of the statement, argument or arm that is being walked.
pub(super) struct Statement {
    /// What the group around it is nested in.
    outer: Inside,
    pub(super) inside: Inside,
    /// A `loop`, `while` or `for` whose braces are still to come.
    loops: bool,
    /// In the condition of a `while`.
    condition: bool,
}

impl Statement {
    pub(super) fn new(outer: Inside) -> Statement {
        Statement {
            outer,
            inside: outer,
            loops: false,
            condition: false,
        }
    }

    /// The length of what holds none of this function's yields at `tokens[i]`: an item, the arguments of a type or a closure.
    pub(super) fn skip(&mut self, tokens: &[TokenTree], i: usize) -> Option<usize> {
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

    /// What a yield that stands here is nested in.
    pub(super) fn inside_of_a_yield(&self) -> Inside {
        Inside {
            repeated: self.inside.repeated || self.condition,
            ..self.inside
        }
    }

    /// What the tokens of `group` are nested in; `before` are the tokens in front of it.
    pub(super) fn inside_of_group(&self, group: &Group, before: &[TokenTree]) -> Inside {
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

    pub(super) fn after_group(&mut self, group: &Group) {
        if group.delimiter() == Delimiter::Brace {
            // A loop's braces end its statement; a closure's body goes on to a comma or semicolon.
            let closure = self.inside.closure;
            self.end();
            self.inside.closure = closure;
        }
    }

    pub(super) fn after_token(&mut self, token: &TokenTree) {
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
