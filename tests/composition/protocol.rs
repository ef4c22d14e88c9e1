//! Structs as contexts.

use contextlib::{
    AsyncContextManager, Exit, IntoContextManager, async_with, background,
    kind::{Fallible, Infallible, Never, Suppressing},
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
