//! Contexts that come with the library.
//!
//! | here | Python | |
//! |---|---|---|
//! | [`timeout`](https://docs.rs/contextlib/latest/contextlib/contexts/fn.timeout.html), [`timeout_at`](https://docs.rs/contextlib/latest/contextlib/contexts/fn.timeout_at.html) | `asyncio.timeout`, `asyncio.timeout_at` | ends its body with an error when time is up |
//! | [`move_on_after`](https://docs.rs/contextlib/latest/contextlib/contexts/fn.move_on_after.html), [`move_on_at`](https://docs.rs/contextlib/latest/contextlib/contexts/fn.move_on_at.html) | `trio.move_on_after`, `trio.move_on_at` | ends its body without an error when time is up |
//! | [`closing`], [`closing_with`] | `contextlib.aclosing` | closes a resource in the end |
//! | [`null_context`] | `contextlib.nullcontext` | does nothing |
//! | [`suppress`], [`suppress_if`] | `contextlib.suppress` | swallows errors of one type |
//! | [`from_fn`] | | a setup and a teardown, without an attribute |

mod closing;
mod from_fn;
mod null_context;
mod suppress;
#[cfg(feature = "tokio")]
mod timeout;

pub use closing::{AsyncClose, Closed, closing, closing_with};
pub use from_fn::{Teardown, from_fn};
pub use null_context::null_context;
pub use suppress::{suppress, suppress_if};
#[cfg(feature = "tokio")]
pub use timeout::{
    Deadline, Delay, Elapsed, RescheduleError, Timed, Timeout, TimeoutManager, move_on_after,
    move_on_at, timeout, timeout_at,
};
