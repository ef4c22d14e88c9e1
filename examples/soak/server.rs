//! The server: one route, three ways to serve it, and a shutdown that doesn't wait for everybody.

use crate::{
    Deliberate, bank,
    bank::Database,
    contexts,
    figures::{Cause, Figures, Progress},
    plain, spawn_on_drop,
};
use axum::{
    Router,
    extract::{Query, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use contextlib::{async_context, background, yield_resource};
use serde::Deserialize;
use sqlx::{AnyConnection, AnyPool};
use std::{
    error::Error,
    fmt,
    future::pending,
    io,
    net::{SocketAddr, TcpListener},
    panic::panic_any,
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{select, sync::watch, time::sleep};

/// How long requests may go on after the server was told to stop: for some of them that isn't enough.
const GRACE: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Contexts,
    Plain,
    SpawnOnDrop,
}

impl Style {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Style::Contexts => "contexts",
            Style::Plain => "plain sqlx",
            Style::SpawnOnDrop => "spawn on drop",
        }
    }
}

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct App {
    style: Style,
    pool: AnyPool,
    figures: Arc<Figures>,
    cut: watch::Sender<bool>,
}

/// What a request asks for.
#[derive(Clone, Copy, Deserialize)]
struct Order {
    id: i64,
    from: i64,
    to: i64,
    amount: i64,
    mode: Mode,
    /// Microseconds that the body takes beside the database.
    pause: u64,
    /// Microseconds that the request may take in all.
    limit: u64,
}

#[derive(Clone, Copy, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Pay,
    Fail,
    Panic,
    Hang,
}

/// A request under way: what its contexts and guards need, which outlive its handler.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) pool: AnyPool,
    pub(crate) figures: Arc<Figures>,
    pub(crate) progress: Arc<Progress>,
    cut: watch::Sender<bool>,
    order: Order,
}

impl Job {
    /// Why the transaction is rolled back, where the exit doesn't say it.
    pub(crate) fn cause(&self) -> Cause {
        self.progress.cause().unwrap_or(match *self.cut.borrow() {
            true => Cause::ShutDown,
            false => Cause::HungUp,
        })
    }
}

async fn pay(State(app): State<App>, Query(order): Query<Order>) -> Result<&'static str, Failure> {
    let job = Job {
        id: order.id,
        pool: app.pool,
        figures: app.figures,
        progress: Arc::default(),
        cut: app.cut,
        order,
    };
    let handling = async {
        match app.style {
            Style::Contexts => contexts::handle(&job).await,
            Style::Plain => plain::handle(&job).await,
            Style::SpawnOnDrop => spawn_on_drop::handle(&job).await,
        }
    };
    let mut handling = pin!(handling);
    let handled = select! {
        handled = &mut handling => handled,
        () = sleep(Duration::from_micros(order.limit)) => {
            // Said before the handling is dropped, which is when its contexts are told.
            job.progress.ends_because(Cause::TimedOut);
            Err(Failure::TimedOut)
        }
    };
    job.progress.is_answered(&job.figures);
    handled.map(|()| "paid")
}

/// The body of the transaction, the same in all three styles.
pub(crate) async fn transfer(tx: &mut AnyConnection, job: &Job) -> Result<(), Failure> {
    let Order {
        from,
        to,
        amount,
        mode,
        pause,
        ..
    } = job.order;
    // The lower account first, so that no two transfers wait for each other.
    let mut changes = [(from, -amount), (to, amount)];
    changes.sort_unstable();
    let [(first, change), (second, change_back)] = changes;
    bank::change(tx, job.id, first, change).await?;
    match mode {
        Mode::Pay => sleep(Duration::from_micros(pause)).await,
        Mode::Hang => pending().await,
        Mode::Fail => {
            job.progress.ends_because(Cause::Failed);
            return Err(Failure::Refused);
        }
        Mode::Panic => {
            job.progress.ends_because(Cause::Panicked);
            panic_any(Deliberate);
        }
    }
    bank::change(tx, job.id, second, change_back).await?;
    Ok(())
}

#[derive(Debug)]
pub(crate) enum Failure {
    Refused,
    TimedOut,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Database(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused => f.write_str("refused"),
            Failure::TimedOut => f.write_str("timed out"),
            Failure::Database(error) => error.fmt(f),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self {
            Failure::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            Failure::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Failure::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.to_string()).into_response()
    }
}

/// A listener on loopback, on a port of the system's choice at first, and on the same one after that.
pub(crate) fn listen(at: Option<SocketAddr>) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(at.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0))))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A server's life, from the start of its runtime to the end of it.
pub(crate) fn live(
    style: Style,
    database: Arc<Database>,
    figures: Arc<Figures>,
    listener: TcpListener,
    duration: Duration,
) -> Result<(), Box<dyn Error>> {
    figures.spawned.add(-figures.spawned.get()); // What an earlier life took with it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let lived = runtime.block_on(async {
        let stop = sleep(duration);
        match style {
            Style::Contexts => {
                lifespan(database, figures.clone())
                    .with(async |app| -> Result<(), Failure> {
                        serve(app.clone(), listener, stop).await
                    })
                    .await?;
                figures.pending_at_end.add(background::pending() as i64);
            }
            Style::Plain | Style::SpawnOnDrop => {
                let pool = database.open().await?;
                let app = App::new(style, pool.clone(), figures.clone());
                serve(app, listener, stop).await?;
                figures.pending_after_serving.add(figures.spawned.get());
                // As much as such a server can do: it waits for the connections to come back, and knows of no teardown.
                pool.close().await;
                figures.pending_at_end.add(figures.spawned.get());
            }
        }
        Ok::<(), Failure>(())
    });
    drop(runtime);
    lived.map_err(|failure| failure.to_string().into())
}

/// The pool, for as long as the server runs; and after it until the last rollback is over.
#[async_context]
async fn lifespan(database: Arc<Database>, figures: Arc<Figures>) -> Result<App, Failure> {
    let pool = database.open().await?;
    let mut app = App::new(Style::Contexts, pool, figures);

    let _ = yield_resource!(app);

    let pending = background::pending() as i64;
    app.figures.pending_after_serving.add(pending);
    if let Err(stuck) = background::drain_timeout(Duration::from_secs(30)).await {
        eprintln!("{stuck}");
    }
    // Before the pool's connections are waited for: their coming back would hide a rollback that the drain has missed.
    app.figures.pending_at_end.add(background::pending() as i64);
    let missing = database.missing_connections(&app.pool).await;
    app.figures.left_in_pool.add(missing);
    app.pool.close().await;
}

impl App {
    fn new(style: Style, pool: AnyPool, figures: Arc<Figures>) -> Self {
        App {
            style,
            pool,
            figures,
            cut: watch::Sender::new(false),
        }
    }
}

/// Serves until `stop`; what takes longer than [`GRACE`] after it is cut off, which drops its handler.
async fn serve(
    app: App,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(sqlx::Error::from)?;
    let cut = app.cut.clone();
    let (stopped, mut is_stopped) = watch::channel(false);
    let router = Router::new()
        .route("/pay", post(pay))
        .layer(middleware::from_fn_with_state(cut.subscribe(), unless_cut))
        .with_state(app);
    let serving = axum::serve(listener, router)
        .with_graceful_shutdown(async move { drop(is_stopped.wait_for(|stopped| *stopped).await) });
    let ending = async {
        stop.await;
        stopped.send_replace(true);
        sleep(GRACE).await;
        cut.send_replace(true);
        sleep(Duration::from_secs(10)).await;
    };
    // The limit is for a client that takes no answer.
    let ended = select! {
        served = serving.into_future() => served,
        () = ending => Ok(()),
    };
    ended.map_err(|error| sqlx::Error::from(error).into())
}

async fn unless_cut(
    State(mut is_cut): State<watch::Receiver<bool>>,
    request: Request,
    next: Next,
) -> Response {
    select! {
        response = next.run(request) => response,
        _ = is_cut.wait_for(|cut| *cut) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
