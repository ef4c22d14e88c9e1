//! Structs as contexts.

use contextlib::{
    AsyncContext, AsyncContextManager, BoxContextManager, ContextManager, Exit, ExitStack,
    IntoContextManager, async_context, async_with, background,
    kind::{Fallible, Infallible, Never, Suppressing},
    policy, protocol, within, yield_resource,
};
use std::{
    io,
    sync::{Arc, Mutex},
};

type Log = Arc<Mutex<Vec<String>>>;

#[derive(Clone, Default)]
struct Database {
    log: Log,
    fails_to_open: bool,
}

#[derive(Debug)]
struct Connection(u32);

#[derive(Debug)]
enum AppError {
    Io(#[allow(dead_code)] io::Error),
    Refused,
}
impl From<io::Error> for AppError {
    fn from(error: io::Error) -> Self {
        AppError::Io(error)
    }
}

impl Database {
    fn log(&self, line: impl Into<String>) {
        self.log.lock().unwrap().push(line.into());
    }
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

impl AsyncContextManager for Database {
    type Resource = Connection;
    type Kind = Fallible<io::Error>;

    async fn enter(&mut self) -> io::Result<Connection> {
        tokio::task::yield_now().await;
        if self.fails_to_open {
            return Err(io::Error::other("no such database"));
        }
        self.log("open");
        Ok(Connection(1))
    }

    async fn exit(&mut self, connection: Connection, exit: Exit<'_>) -> io::Result<()> {
        tokio::task::yield_now().await;
        self.log(format!("close {} after {:?}", connection.0, exit.kind()));
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn works_wherever_a_context_function_does() {
    let database = Database::default();
    let task = database.clone();
    tokio::spawn(async move {
        let database = task;
        let local = String::from("borrowed");
        let length = database
            .clone()
            .with(async |connection| -> Result<usize, AppError> {
                connection.0 += 1;
                tokio::task::yield_now().await;
                Ok(local.len())
            })
            .await
            .unwrap();
        assert_eq!(length, 8);
        let mut guard = database.clone().enter().await.unwrap();
        guard.0 = 7;
        guard.exit().await.unwrap();
        let refused = async_with!(
            connection = database.clone(),
            async || -> Result<(), AppError> {
                connection.0 = 9;
                Err(AppError::Refused)
            }
        )
        .await;
        assert!(matches!(refused, Err(AppError::Refused)));
        drop(database.clone().enter().await.unwrap());
    })
    .await
    .unwrap();
    background::drain().await;
    assert_eq!(
        database.lines(),
        [
            "open",
            "close 2 after Completed",
            "open",
            "close 7 after Completed",
            "open",
            "close 9 after Failed",
            "open",
            "close 1 after Cancelled",
        ]
    );
}

#[tokio::test]
async fn a_failed_enter_is_not_exited() {
    let database = Database {
        fails_to_open: true,
        ..Database::default()
    };
    let failed = database
        .clone()
        .with(async |_| -> Result<(), AppError> { unreachable!() })
        .await;
    assert!(matches!(failed, Err(AppError::Io(_))));
    let failed = database.clone().enter().await.unwrap_err();
    assert_eq!(failed.to_string(), "no such database");
    assert!(database.lines().is_empty());
}

struct Forgiving;
impl AsyncContextManager for Forgiving {
    type Resource = ();
    type Kind = Infallible<Suppressing>;
    async fn enter(&mut self) -> Result<(), Never> {
        Ok(())
    }
    async fn exit(&mut self, (): (), exit: Exit<'_, Suppressing>) -> Result<(), Never> {
        exit.suppress();
        Ok(())
    }
}

#[tokio::test]
async fn suppression_is_in_the_kind() {
    let swallowed: Result<Option<()>, AppError> =
        Forgiving.with(async |()| Err(AppError::Refused)).await;
    assert!(matches!(swallowed, Ok(None)));
    assert_eq!(Forgiving.run(async |()| 1).await, Some(1));
}

#[tokio::test]
async fn local_bodies() {
    let shared = std::rc::Rc::new(3);
    let sum: Result<u32, AppError> = Database::default()
        .with_local(async |connection| Ok(connection.0 + *shared))
        .await;
    assert_eq!(sum.unwrap(), 4);
}

#[async_context]
async fn number() -> Result<u32, std::fmt::Error> {
    let _ = yield_resource!(1);
}

impl From<std::fmt::Error> for AppError {
    fn from(_: std::fmt::Error) -> Self {
        AppError::Refused
    }
}

#[within(connection = database, both = (number(), Database::default()))]
async fn decorated(
    database: Database,
    connection: &mut Connection,
    both: &mut (u32, Connection),
) -> Result<u32, AppError> {
    connection.0 = 5;
    Ok(connection.0 + both.0 + both.1.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_tuples_on_stacks_and_around_functions() {
    let database = Database::default();
    let task = database.clone();
    let sum = tokio::spawn(async move {
        let database = task;
        let sum = (database.clone(), number())
            .with(async |(connection, number)| -> Result<u32, AppError> {
                connection.0 = 3;
                tokio::task::yield_now().await;
                Ok(connection.0 + *number)
            })
            .await?;
        let on_stack = ExitStack::scope(async |stack| -> Result<u32, AppError> {
            let connection = stack.enter(database.clone()).await?;
            let number = stack.enter(number()).await?;
            connection.0 = 4;
            tokio::task::yield_now().await;
            Ok(connection.0 + *number)
        })
        .await?;
        Ok::<_, AppError>(sum + on_stack + decorated(database).await?)
    });
    assert_eq!(sum.await.unwrap().unwrap(), 4 + 5 + 7);
    assert_eq!(
        database.lines(),
        [
            "open",
            "close 3 after Completed",
            "open",
            "close 4 after Completed",
            "open",
            "close 5 after Completed",
        ]
    );
}

/// What a manager has can be had of whatever is a context.
#[tokio::test]
async fn converted_without_a_step_between() -> Result<(), AppError> {
    let database = Database::default();
    let guard = (database.clone(), number())
        .err_into::<AppError>()
        .enter()
        .await?;
    assert_eq!(guard.1, 1);
    guard.exit().await?;
    let contexts: Vec<BoxContextManager<'static, Connection, AppError>> = vec![
        database.clone().err_into().boxed(),
        Database::default().err_into().boxed(),
    ];
    for context in contexts {
        context
            .with(async |connection| -> Result<(), AppError> {
                connection.0 += 1;
                Ok(())
            })
            .await?;
    }
    assert_eq!(
        database.lines(),
        [
            "open",
            "close 1 after Completed",
            "open",
            "close 2 after Completed"
        ]
    );
    Ok(())
}

/// A struct that borrows.
struct Indent<'a>(&'a mut usize);

impl AsyncContextManager for Indent<'_> {
    type Resource = usize;
    type Kind = Infallible;

    async fn enter(&mut self) -> Result<usize, Never> {
        *self.0 += 1;
        Ok(*self.0)
    }

    async fn exit(&mut self, _: usize, _: Exit<'_>) -> Result<(), Never> {
        tokio::task::yield_now().await;
        *self.0 -= 1;
        Ok(())
    }
}

/// By a reference, a struct is a context more than once.
#[tokio::test]
async fn one_that_is_used_again() {
    let mut database = Database::default();
    for number in [2, 3] {
        let again = protocol(&mut database).on_cancel::<policy::Drop>();
        let body = again.with(async |connection| {
            connection.0 = number;
            Ok::<_, AppError>(())
        });
        body.await.unwrap();
    }
    let again = protocol(&mut database).on_cancel::<policy::Drop>();
    let guard = again.enter().await.unwrap();
    guard.exit().await.unwrap();
    let said = [
        "open",
        "close 2 after Completed",
        "open",
        "close 3 after Completed",
        "open",
        "close 1 after Completed",
    ];
    assert_eq!(database.lines(), said);
}

fn dropped(
    depth: &mut usize,
) -> ContextManager<impl AsyncContext<Resource = usize, Kind = Infallible> + Send, policy::Drop> {
    protocol(Indent(depth)).on_cancel()
}

#[within(inside = dropped(depth))]
async fn indented_inside(depth: &mut usize, inside: &mut usize) -> usize {
    *inside
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_borrows_in_every_style() {
    tokio::spawn(async {
        let (mut one, mut two) = (0, 10);
        assert_eq!(dropped(&mut one).run(async |depth| *depth).await, 1);
        let guard = dropped(&mut one).enter().await;
        assert_eq!(guard.map(|guard| *guard), Ok(1));
        // Dropped, and with this policy not torn down.
        assert_eq!(one, 1);
        let both = (dropped(&mut one), dropped(&mut two));
        assert_eq!(both.run(async |(one, two)| *one + *two).await, 2 + 11);
        let sum = async_with!(
            one = dropped(&mut one),
            two = dropped(&mut two),
            async || -> Result<usize, Never> {
                tokio::task::yield_now().await;
                Ok(*one + *two)
            }
        );
        assert_eq!(sum.await, Ok(2 + 11));
        let stack = ExitStack::<Never>::new();
        let on_stack = stack.enter(dropped(&mut one)).await;
        assert_eq!(on_stack.map(|depth| *depth), Ok(2));
        assert_eq!(stack.exit().await, Ok(()));
        assert_eq!(indented_inside(&mut one).await, 2);
        assert_eq!((one, two), (1, 10));
        let blocking = protocol(Indent(&mut one)).on_cancel::<policy::Block>();
        drop(blocking.enter().await);
        assert_eq!(one, 1, "torn down where it was dropped");
    })
    .await
    .unwrap();
}
