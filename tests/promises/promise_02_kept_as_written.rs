//! Visibility, attributes, generics, lifetimes, `where`, `impl Trait`, patterns, receivers, traits: all as written.

use contextlib::{async_context, yield_resource};
use contextlib_tests::{ContextError, Log};
use futures::executor::block_on;
use std::{
    borrow::Cow,
    collections::HashMap,
    fmt::{Debug, Display},
    pin::Pin,
    rc::Rc,
    sync::Arc,
};

mod visibility {
    use super::*;

    pub(super) mod inner {
        use super::*;

        #[async_context]
        pub(in super::super) async fn restricted() -> u8 {
            let _ = yield_resource!(1);
        }

        #[async_context]
        pub(super) async fn of_the_parent() -> u8 {
            let _ = yield_resource!(2);
        }
    }

    #[async_context]
    pub(crate) async fn of_the_crate() -> u8 {
        assert_eq!(inner::of_the_parent().run(async |value| *value).await, 2);
        let _ = yield_resource!(3);
    }
}

#[test]
fn visibility_is_kept() {
    assert_eq!(
        block_on(visibility::inner::restricted().run(async |value| *value)),
        1
    );
    assert_eq!(
        block_on(visibility::of_the_crate().run(async |value| *value)),
        3
    );
}

#[cfg(any())]
#[async_context]
async fn configured() -> DoesNotExist {
    let _ = yield_resource!(1);
}

/// Documented.
#[cfg(test)]
#[async_context]
#[allow(non_snake_case, clippy::needless_pass_by_value)]
#[inline(never)]
async fn configured(
    #[cfg(any())] gone: DoesNotExist,
    #[cfg(test)] mut kept: u8,
    #[allow(unused_variables)] NotUsed: u8,
) -> u8 {
    #![allow(clippy::no_effect)]
    let _ = yield_resource!(kept);
}

#[test]
fn attributes_are_kept() {
    assert_eq!(block_on(configured(4, 5).run(async |value| *value)), 4);
}

#[async_context]
async fn generic<T, U, const N: usize>(items: [T; N], with: U) -> Result<Vec<(T, U)>, T::Err>
where
    T: std::str::FromStr + Clone + Send + 'static,
    T::Err: Debug + Send + 'static,
    U: Clone + Send + 'static,
{
    let mut pairs = Vec::from_iter(items.into_iter().map(|item| (item, with.clone())));
    let _ = yield_resource!(pairs);
    let (first, _) = pairs.swap_remove(0);
    drop(first);
    "1".parse::<T>()?;
}

#[async_context(on_cancel = drop)]
async fn with_a_default<const N: usize, T: Default>(_of: [T; N]) -> [T; N]
where
    [T; N]: Default,
{
    let _ = yield_resource!(<[T; N]>::default());
}

#[test]
fn generics_are_kept() {
    let with = generic([1, 2, 3], "x")
        .with(async |pairs| -> Result<usize, std::num::ParseIntError> { Ok(pairs.len()) });
    assert_eq!(block_on(with), Ok(3));
    let with = generic::<f32, _, 1>([1.0], ())
        .with(async |pairs| -> Result<usize, std::num::ParseFloatError> { Ok(pairs.len()) });
    assert_eq!(block_on(with), Ok(1));
    assert_eq!(
        block_on(with_a_default([7_u8; 2]).run(async |value| *value)),
        [0; 2]
    );
}

struct View<'a>(&'a str);
struct Two<'a, 'b>(&'a str, &'b str);

#[async_context(on_cancel = drop)]
async fn named<'a>(mut text: &'a str) -> &'a str {
    let _ = yield_resource!(text);
}

#[async_context(on_cancel = drop)]
async fn elided(text: &str) -> &str {
    let _ = yield_resource!(&text[1..]);
}

#[async_context(on_cancel = drop)]
async fn hidden_in_a_path(view: View<'_>) -> View<'_> {
    let mut view = view;
    let _ = yield_resource!(view);
}

#[async_context(on_cancel = drop)]
async fn several<'long: 'short, 'short>(
    first: &'long str,
    second: &'short str,
    log: &Log,
) -> Two<'long, 'short> {
    let mut two = Two(first, second);
    let _ = yield_resource!(two);
    log.say(two.0);
    log.say(two.1);
}

#[async_context(on_cancel = drop)]
async fn not_mentioned<'a>(text: &str, _unused: &'a str) -> usize {
    let mut length = text.len();
    let _ = yield_resource!(length);
}

#[async_context(on_cancel = block)]
async fn mutable<'a>(numbers: &'a mut Vec<u32>) -> Result<&'a mut Vec<u32>, ContextError> {
    let mut numbers = numbers;
    numbers.push(1);
    if yield_resource!(numbers).is_completed() {
        numbers.push(3);
    }
}

#[async_context]
async fn of_static(
    text: &'static str,
    call: fn(&str) -> usize,
    boxed: Box<dyn Fn(&u8) -> &u8 + Send>,
) -> usize {
    let _ = yield_resource!(call(text) + usize::from(*boxed(&1)));
}

#[async_context(on_cancel = drop)]
async fn higher_ranked<F>(call: F) -> usize
where
    F: for<'a> Fn(&'a str) -> &'a str,
{
    let _ = yield_resource!(call("abc").len());
}

#[test]
fn lifetimes_are_kept() {
    let text = String::from("text");
    assert_eq!(block_on(named(&text).run(async |text| text.len())), 4);
    assert_eq!(block_on(elided(&text).run(async |text| text.len())), 3);
    assert_eq!(
        block_on(hidden_in_a_path(View(&text)).run(async |view| view.0.len())),
        4
    );
    assert_eq!(
        block_on(not_mentioned(&text, "").run(async |length| *length)),
        4
    );
    let log = Log::new();
    let second = String::from("second");
    block_on(several(&text, &second, &log).run(async |two| two.1 = &two.1[1..]));
    assert_eq!(log.lines(), ["text", "econd"]);
    let mut numbers = vec![];
    let with = mutable(&mut numbers).with(async |numbers| -> Result<(), ContextError> {
        numbers.push(2);
        Ok(())
    });
    block_on(with).unwrap();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(
        block_on(of_static("ab", str::len, Box::new(|one| one)).run(async |length| *length)),
        3
    );
    assert_eq!(
        block_on(higher_ranked(|text| &text[1..]).run(async |length| *length)),
        2
    );
}

#[async_context]
async fn impl_trait(
    name: impl Into<String> + Send + 'static,
    mut each: impl FnMut(u8) -> u8 + Send + 'static,
) -> Result<String, ContextError> {
    let mut name: String = name.into();
    let _ = yield_resource!(name);
    assert_eq!(each(1), 2);
}

#[async_context(on_cancel = drop)]
async fn impl_trait_that_borrows(items: impl IntoIterator<Item = impl Display>) -> String {
    let mut text = String::new();
    for item in items {
        text += &item.to_string();
    }
    let _ = yield_resource!(text);
}

#[test]
fn impl_trait_arguments_are_kept() {
    let with = impl_trait("name", |one| one + 1)
        .with(async |name| -> Result<usize, ContextError> { Ok(name.len()) });
    assert_eq!(block_on(with), Ok(4));
    let numbers = [1, 2];
    assert_eq!(
        block_on(impl_trait_that_borrows(&numbers).run(async |text| text.clone())),
        "12"
    );
}

struct Point {
    x: u8,
    y: u8,
}
struct Wrapper<T>(T, T);

#[async_context]
async fn patterns(
    mut number: u8,
    (a, mut b): (u8, u8),
    Point { x, y: renamed }: Point,
    Wrapper(inner, ..): Wrapper<String>,
    [first, .., last]: [u8; 3],
    &constant: &'static u8,
    whole @ (_, _): (u8, u8),
    ref by_reference: String,
    _: u8,
    _unused: u8,
) -> Vec<u8> {
    number += 1;
    b += 1;
    let mut all = vec![number, a, b, x, renamed, first, last, constant, whole.1];
    let _ = yield_resource!(all);
    assert_eq!(inner.len() + by_reference.len(), 3);
}

#[test]
fn pattern_arguments_are_kept() {
    let point = Point { x: 4, y: 5 };
    let wrapper = Wrapper("ab".to_owned(), String::new());
    let manager = patterns(
        0,
        (2, 2),
        point,
        wrapper,
        [6, 0, 7],
        &8,
        (0, 9),
        "c".to_owned(),
        0,
        0,
    );
    assert_eq!(
        block_on(manager.run(async |all| all.clone())),
        [1, 2, 3, 4, 5, 6, 7, 8, 9]
    );
}

#[derive(Default, Clone)]
struct Service {
    log: Log,
    count: u8,
}

impl Service {
    #[async_context]
    async fn by_value(self) -> u8 {
        let _ = yield_resource!(self.count);
        self.log.say("by value");
    }

    #[async_context]
    async fn by_mutable_value(mut self) -> u8 {
        self.count += 1;
        let _ = yield_resource!(self.count);
        assert_eq!(self.count, 9, "put back");
    }

    #[async_context(on_cancel = drop)]
    async fn by_reference(&self) -> &u8 {
        let _ = yield_resource!(&self.count);
        self.log.say("by reference");
    }

    #[async_context(on_cancel = block)]
    async fn by_mutable_reference(&mut self, by: u8) -> u8 {
        self.count += by;
        let _ = yield_resource!(self.count);
        self.count += by;
    }

    #[async_context]
    async fn by_arc(self: Arc<Self>, by: u8) -> u8 {
        let _ = yield_resource!(self.count + by);
        self.log.say("by arc");
    }

    #[async_context]
    async fn by_box(mut self: Box<Self>) -> u8 {
        self.count += 1;
        let _ = yield_resource!(self.count);
    }

    #[async_context(on_cancel = drop)]
    async fn by_rc(self: Rc<Self>) -> u8 {
        let _ = yield_resource!(self.count);
    }

    #[async_context(on_cancel = drop)]
    async fn by_pin(self: Pin<&mut Self>) -> u8 {
        let _ = yield_resource!(self.count);
    }

    #[async_context(on_cancel = drop)]
    async fn by_typed_reference(self: &Self, other: &str) -> usize {
        let _ = yield_resource!(usize::from(self.count) + other.len());
    }

    #[async_context(on_cancel = drop)]
    async fn with_a_named_lifetime<'s>(&'s self, other: &str) -> &'s u8 {
        assert!(other.is_empty());
        let _ = yield_resource!(&self.count);
    }

    #[async_context]
    async fn associated(of: Self) -> Self {
        let mut of: Self = of;
        let _ = yield_resource!(of);
        assert_eq!(of.count, Self::LIMIT);
    }

    const LIMIT: u8 = 7;
}

#[test]
fn receivers_are_kept() {
    let mut service = Service::default();
    let log = service.log.clone();
    assert_eq!(
        block_on(service.clone().by_value().run(async |count| *count)),
        0
    );
    block_on(
        service
            .clone()
            .by_mutable_value()
            .run(async |count| *count = 9),
    );
    assert_eq!(
        block_on(service.by_reference().run(async |count| **count)),
        0
    );
    assert_eq!(
        block_on(service.by_mutable_reference(2).run(async |count| *count)),
        2
    );
    assert_eq!(service.count, 4);
    assert_eq!(
        block_on(
            Arc::new(service.clone())
                .by_arc(1)
                .run(async |count| *count)
        ),
        5
    );
    assert_eq!(
        block_on(Box::new(service.clone()).by_box().run(async |count| *count)),
        5
    );
    assert_eq!(
        block_on(
            Rc::new(service.clone())
                .by_rc()
                .run_local(async |count| *count)
        ),
        4
    );
    assert_eq!(
        block_on(Pin::new(&mut service).by_pin().run(async |count| *count)),
        4
    );
    assert_eq!(
        block_on(service.by_typed_reference("ab").run(async |count| *count)),
        6
    );
    assert_eq!(
        block_on(service.with_a_named_lifetime("").run(async |count| **count)),
        4
    );
    block_on(Service::associated(service).run(async |of| of.count = 7));
    assert_eq!(log.lines(), ["by value", "by reference", "by arc"]);
}

trait Store {
    type Item: Send + 'static;

    #[async_context]
    async fn item(self, name: &'static str) -> Result<Self::Item, ContextError>;

    #[async_context(on_cancel = drop)]
    async fn lent(&self) -> Result<&Self::Item, ContextError>;

    #[async_context(on_cancel = drop)]
    async fn provided(&self) -> usize
    where
        Self: Debug,
    {
        let _ = yield_resource!(format!("{self:?}").len());
    }
}

#[derive(Debug)]
struct Words(HashMap<&'static str, String>);

impl Store for Words {
    type Item = String;

    #[async_context]
    async fn item(mut self, name: &'static str) -> Result<String, ContextError> {
        let mut item = self.0.remove(name).ok_or(ContextError("no such word"))?;
        let _ = yield_resource!(item);
        assert_eq!(item, "words");
    }

    #[async_context(on_cancel = drop)]
    async fn lent(&self) -> Result<&String, ContextError> {
        let mut item = self.0.values().next().ok_or(ContextError("no word"))?;
        let _ = yield_resource!(item);
    }
}

async fn of_any_store<S: Store<Item: Debug>>(store: &S) -> Result<String, ContextError> {
    store
        .lent()
        .with_local(async |item| Ok(format!("{item:?}")))
        .await
}

#[test]
fn traits_and_their_impls() {
    let words = || Words(HashMap::from([("word", "word".to_owned())]));
    assert_eq!(block_on(of_any_store(&words())).unwrap(), "\"word\"");
    let with = words()
        .item("word")
        .with(async |item| -> Result<(), ContextError> {
            item.push('s');
            Ok(())
        });
    assert_eq!(block_on(with), Ok(()));
    let missing = words()
        .item("none")
        .with(async |_| -> Result<(), ContextError> { Ok(()) });
    assert_eq!(block_on(missing), Err(ContextError("no such word")));
    assert_eq!(
        block_on(words().provided().run(async |length| *length)),
        r#"Words({"word": "word"})"#.len()
    );
}

/// Inside of other items and macros.
#[test]
fn anywhere_a_function_may_stand() {
    macro_rules! make {
        ($(#[$attr:meta])* $vis:vis $name:ident($($arg:ident: $ty:ty),*) -> $output:ty $body:block) => {
            $(#[$attr])*
            #[async_context]
            $vis async fn $name($($arg: $ty),*) -> $output $body
        };
    }
    make! {
        /// Documented.
        pub made(of: Cow<'static, str>, times: usize) -> String {
            let mut text = of.repeat(times);
            let _ = yield_resource!(text);
        }
    }
    assert_eq!(
        block_on(made("ab".into(), 2).run(async |text| text.clone())),
        "abab"
    );
    const _: () = {
        #[async_context]
        async fn in_a_constant() {
            let _ = yield_resource!();
        }
        let _ = in_a_constant;
    };
}
