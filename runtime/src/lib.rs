//! Async context managers: setup, use and teardown that runs for sure.

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod background;
mod exit;
mod frame;
mod guard;
pub mod kind;
mod macros;
mod manager;
mod outcome;
pub mod policy;
pub mod report;
mod session;
mod site;
mod teardown;

pub use background::{Interrupted, Rollback};
pub use contextlib_macros::{async_context, within};
pub use exit::{ErrorView, Exit, ExitKind, PanicView};
pub use frame::{AsyncContext, Lend, Yielder};
pub use guard::Guard;
pub use manager::{AsyncBody, ContextManager};
pub use outcome::Outcome;
pub use report::{set_report_hook, take_report_hook};
pub use site::Definition;
