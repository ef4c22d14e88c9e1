use proc_macro2::{Delimiter, Group};
use quote::{ToTokens, quote};

use super::*;

fn parsed(tokens: TokenStream) -> (Args, Vec<String>) {
    let mut errors = Errors::default();
    let args = Args::parse(tokens, &mut errors);
    (args, errors.messages())
}

fn right(tokens: TokenStream) -> Args {
    let (args, messages) = parsed(tokens);
    assert_eq!(messages, [""; 0]);
    args
}

#[track_caller]
fn wrong(tokens: TokenStream, expected: &str) {
    let (_, messages) = parsed(tokens);
    assert_eq!(messages, [expected]);
}

#[test]
fn nothing_means_the_defaults() {
    let args = right(quote!());
    assert!(matches!(args.on_cancel, Policy::Spawn));
    assert!(args.own.is_none() && args.setup_finish.is_none() && args.suppress.is_none());
    assert_eq!(args.krate(Span::call_site()).to_string(), ":: contextlib");
}

#[test]
fn policies_by_name_and_by_type() {
    assert!(matches!(
        right(quote!(on_cancel = spawn)).on_cancel,
        Policy::Spawn
    ));
    assert!(matches!(
        right(quote!(on_cancel = spawn_local)).on_cancel,
        Policy::SpawnLocal
    ));
    assert!(matches!(
        right(quote!(on_cancel = block)).on_cancel,
        Policy::Block
    ));
    assert!(matches!(
        right(quote!(on_cancel = drop)).on_cancel,
        Policy::Drop
    ));
    for policy in [
        quote!(Retry),
        quote!(crate::policies::Retry<3>),
        quote!(policies::lower),
    ] {
        let Policy::Custom(ty) = right(quote!(on_cancel = #policy)).on_cancel else {
            panic!("{policy}")
        };
        assert_eq!(ty.to_token_stream().to_string(), policy.to_string());
    }
}

#[test]
fn everything_at_once() {
    let args = right(quote! {
        on_cancel = spawn, setup = finish, own(mut pool = self.pool.clone(), name = f::<A, B>(x),),
        suppress, wrapping, boxed, fallible, crate = facade::contextlib,
    });
    let own = args.own.as_ref().unwrap();
    assert_eq!(
        own.iter()
            .map(|owned| owned.name.to_string())
            .collect::<Vec<_>>(),
        ["pool", "name"]
    );
    assert!(own[0].mutability.is_some() && own[1].mutability.is_none());
    assert!(args.setup_finish.is_some() && args.suppress.is_some() && args.wrapping.is_some());
    assert!(
        args.boxed.is_some()
            && args.fallible.is_some()
            && args.infallible.is_none()
            && args.guard.is_none()
    );
    assert_eq!(
        args.krate(Span::call_site()).to_string(),
        "facade :: contextlib"
    );
}

#[test]
fn slips_are_answered_with_what_was_meant() {
    wrong(
        quote!(oncancel = block),
        "unknown argument `oncancel`: did you mean `on_cancel`?",
    );
    wrong(
        quote!(boxd),
        "unknown argument `boxd`: did you mean `boxed`?",
    );
    wrong(
        quote!(block),
        "`block` is a policy: write `on_cancel = block`",
    );
    wrong(quote!(finish), "write `setup = finish`");
    wrong(
        quote!(on_cancel = dorp),
        "unknown policy `dorp`: did you mean `drop`?",
    );
    wrong(
        quote!(on_cancel = spawn - local),
        "a policy's name has no hyphen: did you mean `spawn_local`?",
    );
    wrong(
        quote!(on_),
        "unknown argument `on_`: did you mean `on_cancel`?",
    );
    wrong(
        quote!(on_cancel = abort),
        "unknown policy `abort`: expected `spawn`, `spawn_local`, `block`, `drop` or the path of a policy type",
    );
    wrong(
        quote!(lifetime),
        "unknown argument `lifetime`: `#[async_context]` takes `on_cancel`, `setup`, `own`, `suppress`, `guard`, `wrapping`, `boxed`, \
         `fallible`, `infallible`, `crate`",
    );
}

#[test]
fn other_names_of_what_there_is() {
    wrong(quote!(policy = drop), "write `on_cancel = drop`");
    wrong(quote!(on_drop = block), "write `on_cancel = block`");
    wrong(quote!(finish_setup), "write `setup = finish`");
    for word in [quote!(send = false), quote!(Send), quote!(?Send)] {
        wrong(word, NOT_SEND);
    }
    for (word, meant) in [
        (quote!(local), "spawn_local"),
        (quote!(spawn_blocking), "block"),
        (quote!(block_in_place), "block"),
    ] {
        let message = format!("unknown policy `{word}`: did you mean `{meant}`?");
        wrong(quote!(on_cancel = #word), &message);
    }
    for (word, meant) in [
        (quote!(Spawn), "spawn"),
        (quote!(SpawnLocal), "spawn_local"),
        (quote!(Block), "block"),
        (quote!(Drop), "drop"),
    ] {
        let message = format!(
            "write `on_cancel = {meant}`, in lower case; or `on_cancel = self::{word}`, if that is a policy type of yours"
        );
        wrong(quote!(on_cancel = #word), &message);
    }
    let policy = Group::new(Delimiter::None, quote!(drop));
    assert!(matches!(
        right(quote!(on_cancel = #policy)).on_cancel,
        Policy::Drop
    ));
}

#[test]
fn values_that_are_missing_or_too_many() {
    wrong(
        quote!(on_cancel),
        "`on_cancel` needs a value, as in `on_cancel = block`",
    );
    wrong(
        quote!(on_cancel =),
        "`on_cancel` needs a value, as in `on_cancel = block`",
    );
    wrong(
        quote!(on_cancel()),
        "`on_cancel` needs a value, as in `on_cancel = block`",
    );
    for slip in [
        quote!(on_cancel(drop)),
        quote!(on_cancel: drop),
        quote!(on_cancel := drop),
        quote!(on_cancel drop),
    ] {
        wrong(slip, "write `on_cancel = drop`");
    }
    wrong(quote!(crate: a::b), "write `crate = a::b`");
    wrong(
        quote!(on_cancel = "block"),
        "without quotes: `on_cancel = block`",
    );
    wrong(quote!(crate = "a::b"), "without quotes: `crate = a::b`");
    wrong(
        quote!(suppress = true),
        "`suppress` takes no value: write just `suppress`",
    );
    wrong(
        quote!(boxed()),
        "`boxed` takes no value: write just `boxed`",
    );
    wrong(
        quote!(setup = abort),
        "expected `drop` (a cancelled setup is dropped) or `finish` (it runs on, and is torn down)",
    );
    wrong(
        quote!(boxed suppress),
        "`boxed` takes no value: write just `boxed`",
    );
    wrong(
        quote!("block"),
        "expected an argument such as `on_cancel = block`",
    );
}

#[test]
fn duplicates_and_contradictions() {
    wrong(quote!(boxed, boxed), "`boxed` is given twice");
    wrong(
        quote!(on_cancel = drop, on_cancel = block),
        "`on_cancel` is given twice",
    );
    wrong(
        quote!(fallible, infallible),
        "`infallible` contradicts `fallible`: a context is one or the other",
    );
    wrong(
        quote!(guard, wrapping),
        "`wrapping` contradicts `guard`: a wrapping context has no guard",
    );
    wrong(
        quote!(setup = finish, on_cancel = block),
        "`setup = finish` lets a background task finish the setup, so it goes with `on_cancel = spawn` only",
    );
}

#[test]
fn own_takes_pairs() {
    let example = "write `own(name = expression)`, as in `own(pool = self.pool.clone())`";
    wrong(quote!(own), example);
    wrong(quote!(own = pool), example);
    wrong(quote!(own[pool]), example);
    wrong(
        quote!(own(pool)),
        "what `own` owns needs a name: write `pool = pool.clone()`",
    );
    wrong(
        quote!(own(self.pool)),
        "what `own` owns needs a name: write `pool = self.pool.clone()`",
    );
    wrong(
        quote!(own(self.pool.clone())),
        "what `own` owns needs a name: write `pool = self.pool.clone()`",
    );
    wrong(
        quote!(own(self)),
        "what `own` owns needs a name: write `this = self.clone()`",
    );
    wrong(
        quote!(own(pool =)),
        "`pool` needs an expression, as in `pool = self.pool.clone()`",
    );
    wrong(quote!(own(pool = a, pool = b)), "`pool` is owned twice");
    assert!(right(quote!(own())).own.is_some_and(|own| own.is_empty()));
}

#[test]
fn what_own_owns_has_a_name_of_its_own() {
    let this = "`self` can't be the name of a variable: write `this = self.clone()`, and `this` in the body";
    wrong(quote!(own(self = self.clone())), this);
    let name = "what `own` owns needs a name: write `s = s.to_owned()`";
    wrong(quote!(own(_ = s.to_owned())), name);
    wrong(
        quote!(own((a, b) = pair())),
        "what `own` owns needs a name: write `name = pair()`",
    );
    wrong(
        quote!(own(let pool = self.pool.clone())),
        "write `pool = self.pool.clone()`, without `let`",
    );
    let equals = "`own` takes `=` for this: write `pool = self.pool.clone()`";
    wrong(quote!(own(pool: self.pool.clone())), equals);
    wrong(
        quote!(own(pool: Pool = self.pool.clone())),
        &format!("{equals}, without a type"),
    );
    wrong(
        quote!(own(a = b), own(c = d)),
        "`own` is given twice: put all that it owns into one",
    );
}

#[test]
fn a_policy_is_a_type() {
    for (value, ty) in [
        (quote!(spawn()), "spawn"),
        (quote!(Retry::new(3)), "Retry"),
        (quote!(policies::Retry::default()), "policies::Retry"),
        (quote!(Retry { times: 3 }), "Retry"),
        (quote!(Retry(3)), "Retry"),
        (quote!(Retry::new().times(3)), "Policy"),
    ] {
        wrong(
            quote!(on_cancel = #value, boxed),
            &format!("a policy is a type, not a value: write `on_cancel = {ty}`"),
        );
    }
    right(quote!(on_cancel = Retry<A, B>, own(a = b())));
    right(quote!(on_cancel = <A as Of<B>>::Policy));
}

#[test]
fn one_mistake_does_not_hide_another() {
    let (_, messages) = parsed(quote!(oncancel = block, suppress = true, boxed));
    assert_eq!(
        messages,
        [
            "unknown argument `oncancel`: did you mean `on_cancel`?",
            "`suppress` takes no value: write just `suppress`"
        ]
    );
}
