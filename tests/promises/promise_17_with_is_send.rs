//! `with` inside `tokio::spawn` on many threads, for every shape of context and of body: bodies that borrow from the caller, resources that
//! borrow from the context's arguments. `with_local` for the rest.

use contextlib::{IntoContextManager, async_context, yield_resource};
use contextlib_tests::{BodyError, ContextError, Log};
use std::{
    collections::HashMap,
    fmt::Debug,
    future::Future,
    rc::Rc,
    sync::{Arc, Mutex},
};

/// Runs it as a task among others.
async fn spawned<F: Future<Output: Send + 'static> + Send + 'static>(future: F) -> F::Output {
    tokio::spawn(future).await.unwrap()
}

async fn pause() {
    tokio::task::yield_now().await;
}

/// Borrows from a pool, as a transaction does.
struct Pool(Mutex<Vec<String>>);
struct Tx<'p> {
    pool: &'p Pool,
    rows: Vec<String>,
}
impl Tx<'_> {
    async fn insert(&mut self, row: &str) -> Result<usize, ContextError> {
        pause().await;
        if row.is_empty() {
            return Err(ContextError("empty"));
        }
        self.rows.push(row.to_owned());
        Ok(self.rows.len())
    }
}

#[async_context(on_cancel = block)]
async fn transaction(pool: &Pool) -> Result<Tx<'_>, ContextError> {
    pause().await;
    let mut tx = Tx { pool, rows: vec![] };
    if yield_resource!(tx).is_completed() {
        pause().await;
        tx.pool.0.lock().unwrap().append(&mut tx.rows);
    }
}

#[async_context]
async fn owned(log: Log) -> Result<Vec<u8>, ContextError> {
    let mut numbers = vec![1];
    let exit = yield_resource!(numbers);
    pause().await;
    log.say(format!("{exit:?} {numbers:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_and_resources_that_borrow() {
    let rows = spawned(async {
        let pool = Pool(Mutex::default());
        let first = String::from("first");
        let second = &first[1..];
        let mut counter = 0;
        let count = transaction(&pool)
            .with(async |tx| -> Result<usize, BodyError> {
                tx.insert(&first).await?;
                counter += 1;
                pause().await;
                Ok(tx.insert(second).await?)
            })
            .await;
        assert_eq!((count, counter), (Ok(2), 1));
        let failed = transaction(&pool)
            .with(async |tx| -> Result<usize, BodyError> {
                tx.insert(second).await?;
                Ok(tx.insert("").await?)
            })
            .await;
        assert_eq!(failed, Err(BodyError::Context(ContextError("empty"))));
        pool.0.into_inner().unwrap()
    })
    .await;
    assert_eq!(rows, ["first", "irst"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_in_the_other() {
    let rows = spawned(async {
        let pool = Pool(Mutex::default());
        let (log, name) = (Log::new(), String::from("name"));
        transaction(&pool)
            .with(async |outer| {
                transaction(outer.pool)
                    .with(async |inner| {
                        owned(log.clone())
                            .with(async |numbers| -> Result<(), BodyError> {
                                numbers.push(2);
                                inner.insert(&name).await?;
                                outer.insert("outer").await?;
                                pause().await;
                                Ok(())
                            })
                            .await
                    })
                    .await
            })
            .await
            .unwrap();
        assert_eq!(log.lines(), ["Completed [1, 2]"]);
        pool.0.into_inner().unwrap()
    })
    .await;
    assert_eq!(rows, ["name", "outer"]);
}

#[derive(Clone)]
struct Service {
    pool: Arc<Pool>,
    hits: u32,
}

impl Service {
    #[async_context(on_cancel = block)]
    async fn by_reference(&self) -> Result<Tx<'_>, ContextError> {
        transaction(&self.pool)
            .with(async |tx| yield_tx(tx).await)
            .await?;
        let mut tx = Tx {
            pool: &self.pool,
            rows: vec![],
        };
        let _ = yield_resource!(tx);
        pause().await;
    }

    #[async_context(on_cancel = drop)]
    async fn by_mutable_reference(&mut self, by: &u32) -> &mut u32 {
        let mut hits = &mut self.hits;
        *hits += by;
        let _ = yield_resource!(hits);
        pause().await;
        *hits += by;
    }

    #[async_context]
    async fn by_arc(self: Arc<Self>) -> Result<Arc<Pool>, ContextError> {
        let _ = yield_resource!(self.pool.clone());
        pause().await;
    }

    #[async_context]
    async fn by_value(self) -> u32 {
        let _ = yield_resource!(self.hits);
        pause().await;
    }

    #[async_context(own(pool = self.pool.clone()))]
    async fn that_owns(&self) -> Result<usize, ContextError> {
        let mut length = pool.0.lock().unwrap().len();
        let _ = yield_resource!(length);
        pause().await;
    }
}

async fn yield_tx(tx: &mut Tx<'_>) -> Result<(), ContextError> {
    tx.insert("from a method").await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods() {
    spawned(async {
        let mut service = Service {
            pool: Arc::new(Pool(Mutex::default())),
            hits: 1,
        };
        let text = String::from("text");
        let count = service
            .by_reference()
            .with(async |tx| -> Result<usize, BodyError> { Ok(tx.insert(&text).await?) })
            .await;
        assert_eq!(count, Ok(1));
        let by = 2;
        let hits = service.by_mutable_reference(&by).run(async |hits| {
            pause().await;
            **hits += 1;
            **hits
        });
        assert_eq!(hits.await, 4);
        assert_eq!(service.hits, 6);
        let length =
            Arc::new(service.clone())
                .by_arc()
                .with(async |pool| -> Result<usize, BodyError> {
                    pause().await;
                    Ok(pool.0.lock().unwrap().len())
                });
        assert_eq!(length.await, Ok(1));
        assert_eq!(
            service
                .that_owns()
                .with(async |length| -> Result<usize, BodyError> { Ok(*length) })
                .await,
            Ok(1)
        );
        assert_eq!(service.by_value().run(async |hits| *hits).await, 6);
    })
    .await;
}

#[async_context]
async fn generic<T, const N: usize>(items: [T; N]) -> Result<HashMap<usize, T>, ContextError>
where
    T: Clone + Debug + Send + 'static,
{
    let mut map: HashMap<_, _> = items.into_iter().enumerate().collect();
    pause().await;
    let _ = yield_resource!(map);
    pause().await;
}

#[async_context(on_cancel = block)]
async fn impl_trait<'a>(
    names: impl IntoIterator<Item = &'a str> + Send,
    mut each: impl FnMut(&'a str) + Send,
) -> Vec<&'a str> {
    let mut names = Vec::from_iter(names);
    let _ = yield_resource!(names);
    pause().await;
    for name in names {
        each(name);
    }
}

trait Repository {
    #[async_context]
    async fn open(self, name: &'static str) -> Result<String, ContextError>;
    #[async_context(on_cancel = block)]
    async fn lent(&self) -> Result<&str, ContextError>;
}
impl Repository for Arc<Pool> {
    #[async_context]
    async fn open(self, name: &'static str) -> Result<String, ContextError> {
        let mut text = name.to_owned();
        let _ = yield_resource!(text);
        self.0.lock().unwrap().push(text);
    }
    #[async_context(on_cancel = block)]
    async fn lent(&self) -> Result<&str, ContextError> {
        pause().await;
        let _ = yield_resource!("lent");
        pause().await;
    }
}

async fn of_any_repository<R: Repository + Send + 'static>(
    repository: R,
) -> Result<usize, BodyError> {
    repository
        .open("name")
        .with(async |text| {
            pause().await;
            text.push('!');
            Ok(text.len())
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generics_impl_trait_and_traits() {
    let pool = Arc::new(Pool(Mutex::default()));
    let its = pool.clone();
    spawned(async move {
        let extra = String::from("extra");
        let count = generic(["a".to_owned(), "b".to_owned()]).with(
            async |map| -> Result<usize, BodyError> {
                map.insert(2, extra.clone());
                pause().await;
                Ok(map.len())
            },
        );
        assert_eq!(count.await, Ok(3));
        let names = String::from("x,y");
        let mut seen = Vec::new();
        impl_trait(names.split(','), |name| seen.push(name))
            .run(async |names| names.push("z"))
            .await;
        assert_eq!(seen, ["x", "y", "z"]);
        let length = its.lent().with(async |text| -> Result<usize, BodyError> {
            pause().await;
            Ok(text.len())
        });
        assert_eq!(length.await, Ok(4));
        assert_eq!(of_any_repository(its.clone()).await, Ok(5));
    })
    .await;
    assert_eq!(*pool.0.lock().unwrap(), ["name!"]);
}

/// What else a body may be: a function, a closure that returns a future, an `async move` closure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_other_kinds() {
    async fn function(numbers: &mut Vec<u8>) -> Result<usize, BodyError> {
        pause().await;
        Ok(numbers.len())
    }
    struct Body;
    impl Body {
        async fn method(numbers: &mut Vec<u8>) -> Result<usize, BodyError> {
            Ok(numbers.len())
        }
    }
    spawned(async {
        let log = Log::new();
        assert_eq!(owned(log.clone()).with(function).await, Ok(1));
        assert_eq!(owned(log.clone()).with(Body::method).await, Ok(1));
        let moved = vec![1, 2];
        assert_eq!(
            owned(log.clone())
                .with(async move |numbers: &mut Vec<u8>| Ok::<_, BodyError>(
                    numbers.len() + moved.len()
                ))
                .await,
            Ok(3)
        );
        let joined = tokio::join!(
            owned(log.clone()).with(function),
            owned(log.clone()).with(function)
        );
        assert_eq!(joined, (Ok(1), Ok(1)));
        let mut set = tokio::task::JoinSet::new();
        for _ in 0..4 {
            set.spawn(owned(log.clone()).with(function));
        }
        assert_eq!(set.join_all().await, [Ok(1), Ok(1), Ok(1), Ok(1)]);
    })
    .await;
}

/// Several at once over borrowing closures: each in a box, since rustc can't prove them otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once() {
    use futures::{FutureExt, StreamExt, TryStreamExt, stream};
    spawned(async {
        let pool = Pool(Mutex::default());
        let rows = ["a", "b", "c"].map(str::to_owned);
        let inserts = Vec::from_iter(rows.iter().map(|row| {
            transaction(&pool)
                .with(async move |tx| -> Result<usize, BodyError> { Ok(tx.insert(row).await?) })
                .boxed()
        }));
        let counts: Vec<_> = stream::iter(inserts)
            .buffer_unordered(2)
            .try_collect()
            .await
            .unwrap();
        assert_eq!(counts, [1, 1, 1]);
        assert_eq!(pool.0.into_inner().unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn with_local_is_the_same_without_send() {
    #[async_context(on_cancel = spawn_local)]
    async fn local(log: Rc<Log>) -> Result<Rc<Vec<u8>>, ContextError> {
        let mut numbers = Rc::new(vec![1]);
        let exit = yield_resource!(numbers);
        pause().await;
        log.say(format!("{exit:?} {numbers:?}"));
    }
    #[derive(Debug)]
    struct LocalError(Rc<str>);
    impl From<ContextError> for LocalError {
        fn from(_: ContextError) -> Self {
            unreachable!()
        }
    }
    let log = Rc::new(Log::new());
    let shared = Rc::new(2);
    let sum = local(log.clone())
        .with_local(async |numbers| -> Result<Rc<u8>, LocalError> {
            pause().await;
            Rc::make_mut(numbers).push(*shared);
            Ok(Rc::new(numbers.iter().sum()))
        })
        .await
        .unwrap();
    assert_eq!(*sum, 3);
    let error = local(log.clone())
        .with_local(async |_| -> Result<(), LocalError> { Err(LocalError("why".into())) })
        .await
        .unwrap_err();
    assert_eq!(&*error.0, "why");
    assert_eq!(
        log.lines(),
        ["Completed [1, 2]", "Failed(LocalError(\"why\")) [1]"]
    );
}

#[tokio::test]
async fn run_local_is_the_same_without_send() {
    #[async_context(on_cancel = spawn_local)]
    async fn local(log: Rc<Log>) -> Rc<u8> {
        let mut number = Rc::new(1);
        let exit = yield_resource!(number);
        pause().await;
        log.say(format!("{exit:?} {number}"));
    }
    let log = Rc::new(Log::new());
    let shared = Rc::new(2);
    let body = async |number: &mut Rc<u8>| {
        pause().await;
        *Rc::make_mut(number) += *shared;
        number.clone()
    };
    assert_eq!(*local(log.clone()).run_local(body).await, 3);
    let one_of_two = (local(log.clone()), contextlib::null_context(()));
    let one_of_two = one_of_two.run_local(async |(number, ())| **number).await;
    assert_eq!(one_of_two, 1);
    assert_eq!(log.lines(), ["Completed 3", "Completed 1"]);
}

/// Block style is `Send` where what it holds is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn block_style() {
    let rows = spawned(async {
        let pool = Pool(Mutex::default());
        let (log, text) = (Log::new(), String::from("text"));
        let done = contextlib::async_with!(
            outer = transaction(&pool),
            numbers = owned(log.clone()),
            inner = transaction(outer.pool),
            async || -> Result<usize, BodyError> {
                numbers.push(2);
                inner.insert(&text).await?;
                Ok(outer.insert("outer").await?)
            }
        )
        .await;
        assert_eq!(done, Ok(1));
        pool.0.into_inner().unwrap()
    })
    .await;
    assert_eq!(rows, ["text", "outer"]);
}
