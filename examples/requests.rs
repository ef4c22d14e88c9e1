//! A database transaction around an HTTP request, in four ways: when one would choose each, and what its limit is.
//!
//! ```console
//! cargo run --example requests
//! ```
//!
//! It serves itself to a client of its own, which looks into the database after each request.
//!
//! The Python it mirrors:
//!
//! ```python
//! async def tx():                              # 1. tx=Depends(tx)
//!     async with transaction(pool) as tx:
//!         yield tx
//!
//! @app.middleware("http")                      # 2.
//! async def in_transaction(request, call_next):
//!     tx = request.state.tx = await pool.begin()
//!     response = await call_next(request)
//!     await (tx.commit() if response.status_code < 400 else tx.rollback())
//!     return response
//!
//! @app.post("/within")                         # 3.
//! async def within_handler(party: Party):
//!     async with transaction(pool) as tx:
//!         ...
//!
//! async def lines():                           # 4. StreamingResponse(lines())
//!     async with transaction(pool) as tx:
//!         async for guest in tx.cursor(...):
//!             yield guest
//! ```

#![forbid(unsafe_code)]

use axum::{
    Router,
    body::Body,
    extract::{Extension, FromRequestParts, Query, Request, State},
    http::{StatusCode, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use contextlib::{BoxGuard, ExitKind, async_context, background::drained, within, yield_resource};
use futures::stream;
use serde::Deserialize;
use sqlx::{
    Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use std::{error::Error, fmt, future::pending, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    select,
    sync::{
        Mutex,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    time::timeout,
};

/// Committed if the body completes, rolled back however else it ends. `boxed`, so that the guard's type has a name.
#[async_context(boxed)]
async fn transaction(db: Db) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    let mut tx = db.pool.begin().await?;

    let exit = yield_resource!(tx).kind(); // The request is handled here.

    if exit == ExitKind::Completed {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    db.tell(Event::Ended(exit));
}

type TxGuard = BoxGuard<'static, Transaction<'static, Sqlite>, sqlx::Error>;

// ---- 1. An extractor.
// Choose it if only some handlers need a transaction, and each knows best when to commit.
// Its limit: a forgotten `exit` is a lost commit, and after a `?` the client may have its answer before the rollback is over.

struct Tx(TxGuard);

impl FromRequestParts<Db> for Tx {
    type Rejection = BookingError;

    async fn from_request_parts(_: &mut Parts, db: &Db) -> Result<Self, BookingError> {
        Ok(Tx(transaction(db.clone()).enter().await?))
    }
}

/// `Tx` is the last argument, so that a request that another extractor refuses doesn't begin a transaction.
async fn with_extractor(
    State(db): State<Db>,
    Query(party): Query<Party>,
    Tx(mut tx): Tx,
) -> Result<String, BookingError> {
    let booked = book(&db, &mut tx, party).await?; // An error drops the guard: rolled back in the background.
    tx.exit().await?;
    Ok(booked)
}

// ---- 2. A middleware.
// Choose it if every route shall be a transaction, by one rule for all of them: the response's status decides.
// Its limit: it is over before the response's body is sent, so a handler must not keep its share of the guard, in a stream or in a task.

type SharedTx = Arc<Mutex<TxGuard>>;

/// If the client hangs up, this is dropped at one of its `await`s, and the guard with it: rolled back in the background.
async fn in_transaction(
    State(db): State<Db>,
    mut request: Request,
    next: Next,
) -> Result<Response, BookingError> {
    let tx = Arc::new(Mutex::new(transaction(db).enter().await?));
    request.extensions_mut().insert(Arc::clone(&tx));
    let response = next.run(request).await;
    // The request is gone, and its extensions with it: unless the handler has kept its share, the guard is ours alone.
    let tx = Arc::into_inner(tx).ok_or(BookingError::Kept)?.into_inner();
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        tx.cancel().await?;
    } else {
        tx.exit().await?;
    }
    Ok(response)
}

async fn under_middleware(
    State(db): State<Db>,
    Extension(tx): Extension<SharedTx>,
    Query(party): Query<Party>,
) -> Result<String, BookingError> {
    book(&db, &mut *tx.lock().await, party).await
}

/// Refused, and rolled back: the stream would be read when the middleware is over.
async fn streamed_under_middleware(Extension(tx): Extension<SharedTx>) -> Body {
    Body::from_stream(stream::once(async move {
        let guests = "SELECT group_concat(guest, ', ') FROM bookings";
        let guests = sqlx::query_scalar::<_, String>(guests);
        guests.fetch_one(&mut ***tx.lock().await).await
    }))
}

// ---- 3. In the handler itself.
// Choose it wherever it is enough: nothing can be forgotten, and the answer waits for the commit or the rollback.
// Its limit: only an `Err` rolls back. A `Response` is committed, whatever its status; if that fails, it's a panic. A stream comes too late here too.

#[within(tx = transaction(db.clone()))]
async fn within_handler(
    State(db): State<Db>,
    Query(party): Query<Party>,
    tx: &mut Transaction<'static, Sqlite>,
) -> Result<String, BookingError> {
    book(&db, tx, party).await
}

// ---- 4. A response that is streamed.
// Choose it if the rows that are sent are one transaction's, and too many to be collected first.
// Its limits: a slow client keeps the transaction open, and once the status 200 is sent, a failure can only cut the body off.

/// A stream returns at each item. The body of `with` or `async_with!` is a function of its own and can't do that for it; a guard can be kept.
async fn hand_over(State(db): State<Db>) -> Result<Body, BookingError> {
    let tx = transaction(db.clone()).enter().await?;
    let lines = stream::try_unfold(Some(tx), move |tx| next_line(db.clone(), tx));
    Ok(Body::from_stream(lines))
}

/// If the client hangs up, the stream is dropped, and with it the guard: here at an `await`, or between two lines.
async fn next_line(
    db: Db,
    tx: Option<TxGuard>,
) -> Result<Option<(String, Option<TxGuard>)>, BookingError> {
    let Some(mut tx) = tx else {
        return Ok(None);
    };
    let next = "DELETE FROM bookings WHERE seat = (SELECT min(seat) FROM bookings) RETURNING guest";
    let Some(guest) = sqlx::query_scalar::<_, String>(next)
        .fetch_optional(&mut **tx)
        .await?
    else {
        // Before the last line, so that whoever reads that can rely on it. Who hangs up before it isn't told that this was committed.
        tx.exit().await?;
        return Ok(Some(("all handed over\n".to_owned(), None)));
    };
    confirmed(&db, &guest).await;
    Ok(Some((format!("{guest}\n"), Some(tx))))
}

// ---- What is booked.

#[derive(Clone)]
struct Db {
    pool: SqlitePool,
    events: UnboundedSender<Event>,
}

/// What the client waits for.
#[derive(PartialEq, Debug)]
enum Event {
    /// A request waits for what won't come.
    Waits,
    /// A transaction's teardown is over; this is what it was told.
    Ended(ExitKind),
}

/// `?guest=…&seat=…`: this seat and the next one.
#[derive(Deserialize)]
struct Party {
    guest: String,
    seat: i64,
}

/// If only the first of the two seats is free, there is something to roll back.
async fn book(db: &Db, tx: &mut SqliteConnection, party: Party) -> Result<String, BookingError> {
    let Party { guest, seat } = party;
    for seat in [seat, seat + 1] {
        sqlx::query("INSERT INTO bookings VALUES (?, ?)")
            .bind(seat)
            .bind(&guest)
            .execute(&mut *tx)
            .await?;
    }
    confirmed(db, &guest).await;
    Ok(format!("{guest} has seats {seat} and {}", seat + 1))
}

/// Waits for the guest to confirm, which zoe never does.
async fn confirmed(db: &Db, guest: &str) {
    if guest == "zoe" {
        db.tell(Event::Waits);
        pending().await
    }
}

impl Db {
    async fn open(url: &str) -> Result<(Db, UnboundedReceiver<Event>), sqlx::Error> {
        let options = url.parse::<SqliteConnectOptions>()?;
        let pool = SqlitePoolOptions::new().connect_with(options).await?;
        sqlx::query("CREATE TABLE bookings (seat INTEGER PRIMARY KEY, guest TEXT NOT NULL)")
            .execute(&pool)
            .await?;
        let (events, told) = mpsc::unbounded_channel();
        Ok((Db { pool, events }, told))
    }

    fn tell(&self, event: Event) {
        // In the end nobody listens any more.
        let _ = self.events.send(event);
    }

    /// What is committed, and nothing else: this connection isn't in any of the transactions.
    async fn bookings(&self) -> Result<String, sqlx::Error> {
        let all =
            "SELECT coalesce(group_concat(seat || ' ' || guest, ', '), 'no seat') FROM bookings";
        sqlx::query_scalar(all).fetch_one(&self.pool).await
    }
}

#[derive(Debug)]
enum BookingError {
    Taken,
    Kept,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for BookingError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(refused) if refused.is_unique_violation() => BookingError::Taken,
            _ => BookingError::Database(error),
        }
    }
}

impl fmt::Display for BookingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BookingError::Taken => f.write_str("a seat is taken"),
            BookingError::Kept => f.write_str("the handler has kept the transaction"),
            BookingError::Database(error) => error.fmt(f),
        }
    }
}

impl Error for BookingError {}

impl IntoResponse for BookingError {
    fn into_response(self) -> Response {
        let status = match self {
            BookingError::Taken => StatusCode::CONFLICT,
            BookingError::Kept | BookingError::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.to_string()).into_response()
    }
}

// ---- The server and its client.

fn router(db: Db) -> Router {
    Router::new()
        .route("/middleware", post(under_middleware))
        .route("/middleware/streamed", post(streamed_under_middleware))
        // Only around the routes above.
        .route_layer(middleware::from_fn_with_state(db.clone(), in_transaction))
        .route("/extractor", post(with_extractor))
        .route("/within", post(within_handler))
        .route("/hand_over", post(hand_over))
        .with_state(db)
}

#[within(drained())]
#[tokio::main]
async fn main() -> AnyResult {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}/seats.sqlite?mode=rwc", folder.path().display());
    let (db, events) = Db::open(&url).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = axum::serve(listener, router(db.clone()));
    let client = Client {
        address,
        db,
        events,
    };
    select! {
        served = server.into_future() => Ok(served?),
        shown = demonstration(client) => shown,
    }
}

type AnyResult = Result<(), Box<dyn Error + Send + Sync>>;

async fn demonstration(mut client: Client) -> AnyResult {
    use ExitKind::{Cancelled, Completed, Failed};

    println!("1. An extractor: committed by `exit`, rolled back by `?`");
    client.ask("/extractor?guest=ann&seat=2", 200).await?;
    client.finds(Completed, "2 ann, 3 ann").await?;
    client.ask("/extractor?guest=ben&seat=1", 409).await?;
    client.finds(Cancelled, "2 ann, 3 ann").await?;

    println!("2. A middleware: the status decides, and a share that is kept is refused");
    client.ask("/middleware?guest=cid&seat=4", 200).await?;
    let booked = "2 ann, 3 ann, 4 cid, 5 cid";
    client.finds(Completed, booked).await?;
    client.ask("/middleware?guest=ben&seat=1", 409).await?;
    client.finds(Cancelled, booked).await?;
    client.hang_up("/middleware?guest=zoe&seat=6").await?;
    client.finds(Cancelled, booked).await?;
    client.ask("/middleware/streamed", 500).await?;
    client.finds(Cancelled, booked).await?;

    println!("3. In the handler itself: its result decides");
    client.ask("/within?guest=dan&seat=6", 200).await?;
    let booked = "2 ann, 3 ann, 4 cid, 5 cid, 6 dan, 7 dan";
    client.finds(Completed, booked).await?;
    client.ask("/within?guest=ben&seat=1", 409).await?;
    client.finds(Failed, booked).await?;
    client.hang_up("/within?guest=zoe&seat=8").await?;
    client.finds(Cancelled, booked).await?;

    println!("4. A response that is streamed: committed at the stream's end, if it comes to that");
    client
        .change("UPDATE bookings SET guest = 'zoe' WHERE seat = 3")
        .await?;
    let booked = "2 ann, 3 zoe, 4 cid, 5 cid, 6 dan, 7 dan";
    client.hang_up_after("ann", "/hand_over").await?;
    client.finds(Cancelled, booked).await?;
    client
        .change("DELETE FROM bookings WHERE guest = 'zoe'")
        .await?;
    client.ask("/hand_over", 200).await?;
    client.finds(Completed, "no seat").await
}

struct Client {
    address: SocketAddr,
    db: Db,
    events: UnboundedReceiver<Event>,
}

impl Client {
    /// Reads the whole answer.
    async fn ask(&self, path: &str, status: u16) -> io::Result<()> {
        let mut answer = String::new();
        self.begin(path).await?.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        say(path, format_args!("{status} {body:?}"));
        let got = head.split(' ').nth(1);
        assert_eq!(got, Some(&*status.to_string()), "{answer}");
        Ok(())
    }

    /// Hangs up when the server has got to where it waits.
    async fn hang_up(&mut self, path: &str) -> io::Result<()> {
        let _connection = self.begin(path).await?;
        self.next_is(Event::Waits).await?;
        say(path, "the client hangs up");
        Ok(())
    }

    /// Hangs up when it has read this line, while the server waits.
    async fn hang_up_after(&mut self, line: &str, path: &str) -> io::Result<()> {
        let mut answer = self.begin(path).await?.lines();
        while answer.next_line().await?.expect("the answer goes on") != line {}
        self.next_is(Event::Waits).await?;
        say(path, format_args!("{line:?}, the client hangs up"));
        Ok(())
    }

    /// Waits for the end of a transaction, and looks into the database.
    async fn finds(&mut self, exit: ExitKind, booked: &str) -> AnyResult {
        self.next_is(Event::Ended(exit)).await?;
        assert_eq!(self.db.bookings().await?, booked);
        say("", format_args!("{exit:?}; booked: {booked}"));
        Ok(())
    }

    /// By hand, between two requests.
    async fn change(&self, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(sql).execute(&self.db.pool).await?;
        Ok(())
    }

    async fn next_is(&mut self, expected: Event) -> io::Result<()> {
        // The limit is for a bug only.
        let event = timeout(Duration::from_secs(20), self.events.recv()).await?;
        assert_eq!(event, Some(expected));
        Ok(())
    }

    /// In HTTP/1.0, whose bodies don't come in chunks: they can be read without a library.
    async fn begin(&self, path: &str) -> io::Result<BufReader<TcpStream>> {
        let mut connection = TcpStream::connect(self.address).await?;
        let head = format!("POST {path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
        connection.write_all(head.as_bytes()).await?;
        Ok(BufReader::new(connection))
    }
}

fn say(path: &str, what: impl fmt::Display) {
    println!("   {path:<30} {what}");
}
