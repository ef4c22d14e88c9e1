//! A lease that is renewed while its holder works, and given back in the end.
//!
//! ```console
//! cargo run --example lease
//! ```
//!
//! There are two contexts, one around the other. The outer one holds the lease. The inner one renews it *around its yield point*. If a renewal fails,
//! the inner one ends the body, whose own contexts are rolled back. Its error is what the outer one is told. So the lease is given back last, in any
//! case, also where the holder's client hangs up.

#![forbid(unsafe_code)]

use contextlib::{async_context, async_with, background, yield_resource};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{sleep, timeout};

const RENEWED_EVERY: Duration = Duration::from_millis(10);

#[async_context]
async fn leased(leases: Leases, name: &'static str) -> Result<Lease, Error> {
    let mut lease = leases.acquire(name).await?;
    let exit = yield_resource!(lease);
    println!("{lease} is given back: {exit:?}");
    leases.release(&lease).await;
}

/// Ends its body when the lease can't be renewed.
#[async_context]
async fn renewed(leases: Leases, lease: Lease) -> Result<(), Error> {
    tokio::select! {
        _ = async { yield_resource!() } => {}
        lost = keep(&leases, &lease) => return Err(lost),
    }
}

async fn keep(leases: &Leases, lease: &Lease) -> Error {
    loop {
        sleep(RENEWED_EVERY).await;
        if let Err(error) = leases.renew(lease).await {
            return error;
        }
    }
}

/// Work that only one may do at a time.
async fn report(leases: &Leases, takes: Duration) -> Result<&'static str, Error> {
    async_with!(
        lease = leased(leases.clone(), "report"),
        _ = renewed(leases.clone(), lease.clone()),
        async || -> Result<&'static str, Error> {
            println!("{lease} is mine");
            sleep(takes).await;
            Ok("reported")
        }
    )
    .await
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let leases = Leases::default();

    println!("— done in time, with the lease renewed meanwhile:");
    println!("{:?}", report(&leases, 3 * RENEWED_EVERY).await);

    println!("— the lease is lost:");
    let steal = async {
        sleep(2 * RENEWED_EVERY).await;
        leases.take_away("report");
    };
    let (result, ()) = tokio::join!(report(&leases, Duration::MAX), steal);
    println!("{result:?}");

    println!("— the client hangs up:");
    let hung_up = timeout(RENEWED_EVERY, report(&leases, Duration::MAX)).await;
    println!("{hung_up:?}");
    background::drain().await;
}

/// What grants leases: in a real program a table of a database, or a service.
#[derive(Clone, Default)]
struct Leases(Arc<Mutex<Granted>>);

#[derive(Default)]
struct Granted {
    holders: HashMap<&'static str, u32>,
    last: u32,
}

#[derive(Clone, PartialEq, Debug)]
struct Lease {
    name: &'static str,
    holder: u32,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Error {
    Taken,
    Lost,
}

impl Leases {
    async fn acquire(&self, name: &'static str) -> Result<Lease, Error> {
        self.with(|granted| {
            if granted.holders.contains_key(name) {
                return Err(Error::Taken);
            }
            granted.last += 1;
            let holder = granted.last;
            granted.holders.insert(name, holder);
            Ok(Lease { name, holder })
        })
    }

    async fn renew(&self, lease: &Lease) -> Result<(), Error> {
        self.with(|granted| match granted.holders.get(lease.name) {
            Some(holder) if *holder == lease.holder => Ok(()),
            _ => Err(Error::Lost),
        })
    }

    /// Does nothing if it is somebody else's by now.
    async fn release(&self, lease: &Lease) {
        if self.renew(lease).await.is_ok() {
            self.take_away(lease.name);
        }
    }

    fn take_away(&self, name: &str) {
        self.with(|granted| granted.holders.remove(name));
    }

    fn with<R>(&self, look: impl FnOnce(&mut Granted) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lease {} of `{}`", self.holder, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn is_given_back() {
        let leases = Leases::default();
        let reported = report(&leases, 3 * RENEWED_EVERY).await;
        assert_eq!(reported, Ok("reported"));
        assert!(leases.acquire("report").await.is_ok());
        assert_eq!(report(&leases, RENEWED_EVERY).await, Err(Error::Taken));
    }

    #[tokio::test]
    async fn ends_the_work_when_it_is_lost() {
        let leases = Leases::default();
        let steal = async {
            sleep(2 * RENEWED_EVERY).await;
            leases.take_away("report");
        };
        let (result, ()) = tokio::join!(report(&leases, Duration::MAX), steal);
        assert_eq!(result, Err(Error::Lost));
    }

    #[tokio::test]
    async fn is_given_back_by_who_hangs_up() {
        let leases = Leases::default();
        let hung_up = timeout(RENEWED_EVERY, report(&leases, Duration::MAX)).await;
        assert!(hung_up.is_err());
        background::drain().await;
        assert!(leases.acquire("report").await.is_ok());
    }
}
