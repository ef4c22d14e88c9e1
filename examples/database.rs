//! A class with setup and teardown: a database that is connected to on the way in and disconnected from on the way out.
//!
//! ```console
//! cargo run --example database
//! ```
//!
//! The Python it mirrors:
//!
//! ```python
//! class AsyncDatabase:
//!     def __init__(self, url):
//!         self.url = url
//!
//!     async def __aenter__(self):
//!         self.connection = await connect(self.url)
//!         return self.connection
//!
//!     async def __aexit__(self, exc_type, exc, traceback):
//!         await self.connection.close()
//!
//! async with AsyncDatabase("sqlite:inventory.db") as connection:
//!     await connection.execute("INSERT INTO items VALUES ('spoon', 6)")
//! ```

#![forbid(unsafe_code)]

use contextlib::{
    AsyncContextManager, Exit, IntoContextManager, async_with, background, kind::Fallible,
};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// The class: what it needs, before anything is connected.
#[derive(Clone)]
struct AsyncDatabase {
    path: PathBuf,
    /// Python's `self.…`: what `enter` leaves for `exit`.
    number: usize,
}

/// How many connections are open, and how many were.
static OPEN: AtomicUsize = AtomicUsize::new(0);
static OPENED: AtomicUsize = AtomicUsize::new(0);

impl AsyncDatabase {
    fn new(path: impl Into<PathBuf>) -> Self {
        AsyncDatabase {
            path: path.into(),
            number: 0,
        }
    }
}

impl AsyncContextManager for AsyncDatabase {
    type Resource = SqliteConnection;
    type Kind = Fallible<sqlx::Error>;

    async fn enter(&mut self) -> Result<SqliteConnection, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true);
        let connection = SqliteConnection::connect_with(&options).await?;
        self.number = OPENED.fetch_add(1, Ordering::Relaxed) + 1;
        OPEN.fetch_add(1, Ordering::Relaxed);
        println!("  connection {} opened", self.number);
        Ok(connection)
    }

    async fn exit(
        &mut self,
        connection: SqliteConnection,
        exit: Exit<'_>,
    ) -> Result<(), sqlx::Error> {
        let closed = connection.close().await;
        OPEN.fetch_sub(1, Ordering::Relaxed);
        match exit {
            Exit::Failed(error) => println!(
                "  connection {} closed; the body failed: {error:?}",
                self.number
            ),
            exit => println!("  connection {} closed; the body: {exit:?}", self.number),
        }
        closed
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    item: &str,
    count: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO items VALUES (?, ?)")
        .bind(item)
        .bind(count)
        .execute(connection)
        .await?;
    println!("    {count} × {item} inserted");
    Ok(())
}

async fn total(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("SELECT coalesce(sum(count), 0) FROM items")
        .fetch_one(connection)
        .await
}

async fn run(database: AsyncDatabase) -> Result<(), sqlx::Error> {
    println!("`async with AsyncDatabase(…) as connection:`");
    let spoons = database
        .clone()
        .with(async |connection| {
            sqlx::query("CREATE TABLE items (name TEXT PRIMARY KEY, count INTEGER)")
                .execute(&mut *connection)
                .await?;
            insert(connection, "spoon", 6).await?;
            total(connection).await
        })
        .await?;
    println!("  = {spoons}\n");

    println!("a body that fails: the same item again");
    let failed = database
        .clone()
        .with(async |connection| insert(connection, "spoon", 1).await)
        .await;
    println!("  = {}\n", failed.expect_err("the name is unique"));

    println!("entered by hand, as with `__aenter__`: a guard");
    let mut connection = database.clone().enter().await?;
    insert(&mut connection, "fork", 4).await?;
    println!("  = {}", total(&mut connection).await?);
    connection.exit().await?;

    println!("\ntwo of them, from a tuple, and one inside another's block");
    let (a, b) = (database.clone(), database.clone())
        .with(async |(one, two)| Ok::<_, sqlx::Error>((total(one).await?, total(two).await?)))
        .await?;
    println!("  = {a} and {b}");
    let sum = async_with!(outer = database.clone(), inner = database.clone(), async {
        Ok::<_, sqlx::Error>(total(outer).await? + total(inner).await?)
    })
    .await?;
    println!("  = {sum} together\n");

    println!("a body that is cancelled: the connection is closed in the background");
    let slow = database
        .clone()
        .with(async |_| -> Result<(), sqlx::Error> { std::future::pending().await });
    let cancelled = tokio::time::timeout(Duration::from_millis(20), slow).await;
    println!("  = {}", cancelled.expect_err("it waits for ever"));
    background::drain().await;

    println!("\nan `enter` that fails: no body, and nothing to exit");
    let nowhere = AsyncDatabase::new("/no/such/folder/inventory.db");
    let failed = nowhere
        .with(async |_| -> Result<(), sqlx::Error> { unreachable!() })
        .await;
    println!("  = {}", failed.expect_err("there is no such folder"));
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let done = run(AsyncDatabase::new(folder.path().join("inventory.db"))).await;
    let (opened, open) = (OPENED.load(Ordering::Relaxed), OPEN.load(Ordering::Relaxed));
    println!("\n{opened} connections opened, {open} left open");
    match done {
        Ok(()) if open == 0 => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
