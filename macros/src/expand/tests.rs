//! What the attribute writes, one file per shape of function: `UPDATE_EXPECT=1 cargo test -p contextlib-macros` writes them anew.

use expect_test::{ExpectFile, expect_file};
use proc_macro2::{Group, TokenStream, TokenTree};
use quote::quote;

use super::async_context;

#[track_caller]
fn check(expected: ExpectFile, expansion: TokenStream) {
    let file = syn::parse2(expansion).expect("the expansion is Rust");
    expected.assert_eq(&prettyplease::unparse(&file));
}

macro_rules! shape {
    ($file:literal, [$($args:tt)*], impl $store:ident { $($item:tt)* }) => {
        let expansion = async_context(quote!($($args)*), quote!($($item)*));
        check(expect_file![concat!("../../../tests/expand/", $file, ".rs")], quote!(impl $store { #expansion }))
    };
    ($file:literal, [$($args:tt)*], trait $store:ident { $($item:tt)* }) => {
        let expansion = async_context(quote!($($args)*), quote!($($item)*));
        check(expect_file![concat!("../../../tests/expand/", $file, ".rs")], quote!(trait $store { #expansion }))
    };
    ($file:literal, [$($args:tt)*], $($item:tt)*) => {
        let expansion = async_context(quote!($($args)*), quote!($($item)*));
        check(expect_file![concat!("../../../tests/expand/", $file, ".rs")], expansion)
    };
}

#[test]
fn plain() {
    shape!(
        "plain",
        [],
        /// Commits if the body completed.
        pub async fn transaction(
            pool: SqlitePool,
        ) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
            let mut tx = pool.begin().await?;
            if yield_resource!(tx).is_completed() {
                tx.commit().await?;
            } else {
                tx.rollback().await?;
            }
        }
    );
}

#[test]
fn alias_result() {
    shape!(
        "alias_result",
        [],
        async fn lock_file(path: PathBuf) -> io::Result<File> {
            let mut file = File::create_new(&path).await?;
            let _ = yield_resource!(file);
            remove_file(&path).await?;
            Ok(())
        }
    );
}

#[test]
fn early_return() {
    shape!(
        "early_return",
        [],
        async fn lease(shop: Shop) -> Result<Lease, Box<dyn Error>> {
            let mut lease = shop.lease().await?;
            if yield_resource!(lease).is_cancelled() {
                return Ok(());
            }
            shop.give_back(lease).await?;
        }
    );
}

#[test]
fn borrows_without_a_policy() {
    let item = quote! {
        async fn lease(&self, name: &str) -> Lease {
            let mut lease = self.shop.lease(name);
            let _ = yield_resource!(lease);
        }
    };
    let expansion = async_context(quote!(), item);
    check(
        expect_file!["../../../tests/expand/borrows_without_a_policy.rs"],
        quote!(impl Store { #expansion }),
    );
}

#[test]
fn infallible() {
    shape!(
        "infallible",
        [],
        async fn counted(counter: Counter) -> usize {
            let _ = yield_resource!(counter.add());
            counter.remove();
        }
    );
}

#[test]
fn unit() {
    shape!(
        "unit",
        [],
        async fn announced() {
            println!("begins");
            let _ = yield_resource!();
            println!("ended");
        }
    );
}

#[test]
fn borrowed_with_block() {
    shape!(
        "borrowed_with_block",
        [on_cancel = block],
        async fn transaction<'c>(
            connection: &'c mut Connection,
            name: &str,
        ) -> Result<Transaction<'c>, Error> {
            let mut tx = connection.begin(name).await?;
            let _ = yield_resource!(tx);
            tx.rollback().await
        }
    );
}

#[test]
fn method() {
    shape!("method", [on_cancel = drop],
        impl Store {
            pub(crate) async fn lease(&self) -> Result<Lease<'_>, Error> {
                let mut lease = self.leases.take().await?;
                let _ = yield_resource!(lease);
                lease.give_back().await?;
            }
        }
    );
}

#[test]
fn own() {
    shape!("own", [own(pool = self.pool.clone(), name = name.to_owned())],
        impl Store {
            async fn transaction(&self, name: &str, retries: u32) -> Result<Transaction, Error> {
                let mut tx = pool.begin(&name, retries).await?;
                let _ = yield_resource!(tx);
                tx.commit().await?;
            }
        }
    );
}

#[test]
fn generics() {
    shape!(
        "generics",
        [on_cancel = crate::policy::Retry],
        #[cfg(unix)]
        async fn all<T, const N: usize>(items: [T; N]) -> Result<[T; N], T::Error>
        where
            T: Open + Send + 'static,
        {
            let mut items = items;
            let _ = yield_resource!(items);
            T::close(items).await?;
        }
    );
}

#[test]
fn impl_trait() {
    shape!(
        "impl_trait",
        [setup = finish],
        async fn lines(
            path: impl AsRef<Path> + Send + 'static,
        ) -> Result<impl Iterator<Item = String>, Error> {
            let mut lines = read(path.as_ref()).await?.lines();
            let _ = yield_resource!(lines);
        }
    );
}

#[test]
fn wrapping() {
    shape!(
        "wrapping",
        [],
        async fn at_most(limit: Duration) -> Result<(), Elapsed> {
            tokio::time::timeout(limit, async {
                let _ = yield_resource!();
            })
            .await
        }
    );
}

#[test]
fn suppress() {
    shape!(
        "suppress",
        [suppress, boxed, crate = facade::contextlib],
        async fn not_found_is_fine() {
            let exit = yield_resource!();
            if exit.error().is_some_and(is_not_found) {
                exit.suppress();
            }
        }
    );
}

#[test]
fn trait_method() {
    shape!(
        "trait_method",
        [],
        trait Store {
            /// Opened by each kind of store.
            async fn transaction(&self, name: &str) -> Result<Transaction, Error>;
        }
    );
}

#[test]
fn patterns() {
    shape!("patterns", [on_cancel = spawn_local],
        impl Store {
            async fn patterns(
                mut self: Box<Self>,
                mut count: u8,
                (a, mut b): (u8, u8),
                Wrapper(inner): Wrapper,
                _unused: u8,
                _: u8,
                #[cfg(unix)] #[allow(unused_variables)] fd: RawFd,
            ) -> Result<u8, Error> {
                count += a;
                b += count;
                yield_resource!(b + inner).into_result()
            }
        }
    );
}

#[test]
fn a_mistake_leaves_a_function_that_its_callers_can_use() {
    shape!(
        "mistake",
        [],
        async fn transaction(pool: Pool) -> Result<Transaction, Error> {
            let mut tx = pool.begin().await?;
            let _ = yield_resource!(tx);
            let _ = yield_resource!(tx);
        }
    );
}

/// While a function is being typed, any of its tokens may be missing, and all that come after one.
#[test]
fn half_written_functions_are_expanded() {
    let item = quote! {
        #[doc = "A lease."]
        pub async fn lease<T: Send>(&self, mut name: &str, (a, _): (u8, T)) -> io::Result<Lease> where T: Copy {
            let mut lease = loop {
                if let Some(lease) = self.shop.lease(name).await? { break lease; }
            };
            let exit = timeout(a, async move { yield_resource!(move lease) }).await?;
            match yield_resource!(lease) { Exit::Failed(e) if e.is::<E>() => return Ok(()), _ => {} }
            tokio::join!(async { yield_resource!(lease) }, lease.beat());
            Ok(lease)
        }
    };
    let args = quote!(on_cancel = block, setup = finish, own(mut name = name.to_owned()), crate = a::b, boxed);
    for fewer in with_fewer_tokens(item.clone()) {
        async_context(quote!(), fewer);
    }
    for fewer in with_fewer_tokens(args) {
        async_context(fewer, item.clone());
    }
}

/// All that comes of leaving out one token, or all from one on, at any depth.
fn with_fewer_tokens(tokens: TokenStream) -> Vec<TokenStream> {
    let tokens = Vec::from_iter(tokens);
    let mut all = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let (before, after) = (&tokens[..i], &tokens[i + 1..]);
        all.push(before.iter().cloned().collect());
        all.push(before.iter().chain(after).cloned().collect());
        if let TokenTree::Group(group) = token {
            for fewer in with_fewer_tokens(group.stream()) {
                let inner = TokenTree::from(Group::new(group.delimiter(), fewer));
                let around = before.iter().cloned().chain([inner]);
                all.push(around.chain(after.iter().cloned()).collect());
            }
        }
    }
    all
}

/// An editor asks what may stand somewhere by putting a name there, and looks at what has come of the function without that in the same place.
#[test]
fn what_is_typed_changes_nothing_in_front_of_it() {
    let before = |body: TokenStream| {
        let item = quote!(async fn lease(mut shop: Shop) -> io::Result<Lease> { #body });
        let expansion = async_context(quote!(), item).to_string();
        let (before, _) = expansion
            .split_once("here")
            .expect("it is an editor's business");
        before.to_owned()
    };
    for begun in [
        quote!(),
        quote!(let mut lease = shop.lease().await?;),
        quote!(let _ = yield_resource!(lease);),
        quote!(let name = 1; if yield_resource!(lease).is_failed() { return Ok(()); }),
    ] {
        // With and without a name there, and with the semicolon that an editor adds where a statement isn't ended.
        for (without, with) in [
            (quote!(), quote!(name)),
            (quote!(;), quote!(name;)),
            (quote!(Ok(())), quote!(name; Ok(()))),
            (quote!(let end = 1;), quote!(name; let end = 1;)),
        ] {
            let (without, with) = (quote!(#begun here.#without), quote!(#begun here.#with));
            assert_eq!(before(without), before(with.clone()), "{with}");
        }
    }
}
