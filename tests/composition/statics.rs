//! Contexts whose types mention `'static`, as `Transaction<'static, Sqlite>` does, in a task. Inside an `async` block the compiler forgets what a lifetime was, and then has to
//! prove that the future is `Send` for whatever it may have been.

use contextlib::{
    AsyncContextManager, Exit, ExitStack, IntoContextManager, async_context, async_with, closing,
    combine, contexts::closing_with, from_fn, kind::Fallible, null_context, policy, suppress,
    timeout, within, yield_resource,
};
use std::{borrow::Cow, error::Error, fmt, future::Future, io, time::Duration};

type AnyError = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
struct Tx<'c>(#[allow(dead_code)] Cow<'c, str>);

#[async_context]
async fn transaction() -> io::Result<Tx<'static>> {
    let mut tx = Tx(Cow::Borrowed("tx"));
    let _ = yield_resource!(tx);
}

#[async_context(on_cancel = drop)]
async fn dropped() -> Tx<'static> {
    let _ = yield_resource!(Tx(Cow::Borrowed("tx")));
}

#[derive(Debug)]
struct Told(#[allow(dead_code)] Cow<'static, str>);
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("told")
    }
}
impl Error for Told {}
impl From<io::Error> for Told {
    fn from(error: io::Error) -> Self {
        Told(Cow::Owned(error.to_string()))
    }
}

#[async_context]
async fn failing() -> Result<&'static str, Told> {
    let _ = yield_resource!("name");
}

/// A struct whose resource mentions it.
struct Begin;

impl AsyncContextManager for Begin {
    type Resource = Tx<'static>;
    type Kind = Fallible<Told>;

    async fn enter(&mut self) -> Result<Tx<'static>, Told> {
        Ok(Tx(Cow::Borrowed("tx")))
    }

    async fn exit(&mut self, _: Tx<'static>, _: Exit<'_>) -> Result<(), Told> {
        Ok(())
    }
}

async fn pause() {
    tokio::task::yield_now().await;
}

async fn spawned<F: Future<Output = Result<(), AnyError>> + Send + 'static>(future: F) {
    tokio::spawn(future).await.unwrap().unwrap();
}

/// Each style in a task of its own. A macro, since a function wouldn't have the type itself.
macro_rules! in_each_style {
    ($($context:expr),* $(,)?) => {$(
        in_closure_and_block_style!($context);
        spawned(async {
            let guard = $context.enter().await?;
            pause().await;
            guard.exit().await?;
            Ok(())
        })
        .await;
        spawned(async {
            let stack = ExitStack::<AnyError>::new();
            let _ = stack.enter($context).await?;
            pause().await;
            stack.exit().await?;
            Ok(())
        })
        .await;
    )*};
}

macro_rules! in_closure_and_block_style {
    ($($context:expr),* $(,)?) => {$(
        spawned(async {
            let with = $context.with(async |_| {
                pause().await;
                Ok::<_, AnyError>(())
            });
            with.await
        })
        .await;
        spawned(async {
            async_with!(_ = $context, async || -> Result<(), AnyError> {
                pause().await;
                Ok(())
            })
            .await
        })
        .await;
        spawned({
            #[within(_it = $context)]
            async fn decorated() -> Result<(), AnyError> {
                pause().await;
                Ok(())
            }
            decorated()
        })
        .await;
    )*};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn context_functions() {
    in_each_style!(transaction(), dropped(), failing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn structs() {
    in_each_style!(Begin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tuples() {
    in_each_style!(
        (transaction(), transaction()).err_into::<Told>(),
        (dropped(), dropped()),
        (failing(), Begin, dropped()).err_into::<Told>(),
    );
    in_closure_and_block_style!(
        (transaction(), transaction()),
        (transaction(), failing(), Begin, dropped()),
        (timeout(Duration::from_secs(60)), transaction()),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boxed_and_converted() {
    in_each_style!(
        transaction().boxed(),
        (transaction(), Begin).err_into::<AnyError>().boxed(),
        combine((transaction().boxed(), transaction()))
            .on_cancel::<policy::Spawn>()
            .err_into::<AnyError>()
            .boxed(),
        (null_context("name"), transaction()).boxed(),
        transaction().map_err(Told::from),
        transaction().map_err(|error| AnyError::from(error.to_string())),
        transaction().err_into::<Told>(),
    );
}

impl contextlib::contexts::AsyncClose for Tx<'_> {
    type Kind = Fallible<Told>;
    async fn close(self) -> Result<(), Told> {
        Ok(())
    }
}

fn tx() -> Tx<'static> {
    Tx(Cow::Borrowed("tx"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_made() {
    in_each_style!(
        null_context(tx()),
        closing(tx()),
        closing_with(tx(), async |_: Tx<'static>| Ok::<_, Told>(())),
        from_fn(
            async || Ok::<_, Told>(tx()),
            async |_: Tx<'static>, _| Ok::<_, Told>(())
        ),
        (closing(tx()), transaction()).err_into::<Told>(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suppressing() {
    #[within(suppress::<AnyError>(), transaction())]
    async fn nested() -> Result<(), AnyError> {
        pause().await;
        Err("swallowed".into())
    }
    #[within((suppress::<AnyError>(), transaction()))]
    async fn in_a_tuple() -> Result<(), AnyError> {
        pause().await;
        Err("swallowed".into())
    }
    spawned(nested()).await;
    spawned(in_a_tuple()).await;
}
