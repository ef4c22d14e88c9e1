//! The clients: some wait for the answer, some hang up.

use crate::{bank::ACCOUNTS, figures::Figures};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Whatever the time allows, it ends here.
const MOST_REQUESTS: i64 = 500_000;

pub(crate) struct Clients {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

pub(crate) fn start(clients: u64, address: SocketAddr, figures: Arc<Figures>) -> Clients {
    let stop = watch::Sender::new(false);
    let next = Arc::new(AtomicI64::new(0));
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let client = Client {
            address,
            figures: figures.clone(),
            next: next.clone(),
            dice: Dice(number),
            connection: None,
        };
        let mut stopped = stop.subscribe();
        tasks.spawn(async move {
            tokio::select! {
                () = client.live() => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        });
    }
    Clients { tasks, stop }
}

impl Clients {
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.tasks.join_all().await;
    }
}

struct Client {
    address: SocketAddr,
    figures: Arc<Figures>,
    next: Arc<AtomicI64>,
    dice: Dice,
    connection: Option<TcpStream>,
}

impl Client {
    async fn live(mut self) {
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if id >= MOST_REQUESTS {
                return;
            }
            if self.ask(id).await.is_err() {
                // The server is down, or a handler's panic took the connection with it.
                self.connection = None;
                sleep(Duration::from_millis(2)).await;
            }
        }
    }

    async fn ask(&mut self, id: i64) -> io::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => TcpStream::connect(self.address).await?,
        };
        let request = self.request(id);
        connection.write_all(request.as_bytes()).await?;
        if self.dice.one_in(5) {
            sleep(Duration::from_micros(self.dice.moment())).await;
            self.figures.hung_up.add_one();
            return Ok(()); // Drops the connection.
        }
        let answer = timeout(Duration::from_secs(60), answer(&mut connection)).await??;
        self.figures.answered.add_one();
        if !answer.to_ascii_lowercase().contains("connection: close") {
            self.connection = Some(connection);
        }
        Ok(())
    }

    fn request(&mut self, id: i64) -> String {
        let dice = &mut self.dice;
        let (mode, limit) = match dice.below(20) {
            0 | 1 => ("fail", 10_000_000),
            2 => ("panic", 10_000_000),
            3 | 4 => ("hang", 1_000 + dice.moment()),
            _ => ("pay", 10_000_000),
        };
        let from = dice.below(ACCOUNTS as u64);
        let to = (from + 1 + dice.below(ACCOUNTS as u64 - 1)) % ACCOUNTS as u64;
        let (amount, pause) = (dice.below(50), dice.below(1_500));
        format!(
            "POST /pay?id={id}&from={from}&to={to}&amount={amount}&mode={mode}&pause={pause}&limit={limit} HTTP/1.1\r\n\
             Host: {}\r\nContent-Length: 0\r\n\r\n",
            self.address
        )
    }
}

/// An answer's head, after its body has been read too.
async fn answer(connection: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Ok(head.to_owned());
            }
        }
        if connection.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Random numbers (splitmix64), the same ones in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % most
    }

    /// Some microseconds: now in the setup of a request on an idle machine, now in its body on a busy one.
    fn moment(&mut self) -> u64 {
        let most = [2_000, 8_000, 32_000][self.below(3) as usize];
        self.below(most)
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}
