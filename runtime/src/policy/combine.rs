//! The policy of contexts put together.

use super::{Block, Drop, FinishSetup, Spawn, SpawnLocal};

/// One policy for a context of this policy and one of `P`, put together in a [tuple](crate::IntoContextManager).
///
/// | with | [`Drop`] | [`Spawn`] | [`FinishSetup`] | [`SpawnLocal`] | [`Block`] |
/// |---|---|---|---|---|---|
/// | the same | `Drop` | `Spawn` | `FinishSetup` | `SpawnLocal` | `Block` |
/// | `Drop` | | the other | the other | the other | the other |
/// | `Spawn` | | | `FinishSetup` | `SpawnLocal` | `Block` |
///
/// One frame has one policy. So, if a context of `Drop` has a neighbour that isn't of `Drop`, its teardown is run, too, which is more than it asks
/// for. (In [`async_with!`](crate::async_with), and in an [`ExitStack`](crate::ExitStack), each context keeps its own.)
///
/// What isn't in the table needs [`combine(…)`](crate::combine)`.on_cancel::<P>()`. So does a tuple with a [boxed](crate::ContextManager::boxed)
/// context, even one of boxed contexts only: their policies are inside them, where a tuple doesn't see them.
///
/// Or implement this trait. By the following, a policy of yours takes in `Drop`, the policy of `contextlib::timeout`:
/// ```
/// use contextlib::policy;
/// # use contextlib::{AsyncContext, policy::{Boxed, Policy, Rollback}};
/// # pub enum Mine {}
/// # impl<C: AsyncContext> Policy<C> for Mine {
/// #     type Storage = Boxed<C>;
/// #     type Origin = ();
/// #     fn origin() {}
/// #     fn rollback(rollback: Rollback<C>, (): ()) { rollback.discard(); }
/// # }
///
/// impl policy::Combine<policy::Drop> for Mine {
///     type Policy = Mine;
/// }
/// impl policy::Combine<Mine> for policy::Drop {
///     type Policy = Mine;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the `on_cancel` policies `{Self}` and `{P}` don't go together by themselves",
    label = "these contexts have different policies",
    note = "choose one for all of them: `combine((a, b)).on_cancel::<contextlib::policy::Block>()`"
)]
pub trait Combine<P> {
    /// The policy for both.
    type Policy;
}

/// The policy that takes in `P` and `Q`.
pub type Combined<P, Q> = <P as Combine<Q>>::Policy;

impl<P> Combine<P> for P {
    type Policy = P;
}

macro_rules! combine {
    ($($p:ty, $q:ty => $r:ty;)*) => {
        $(
            impl Combine<$q> for $p {
                type Policy = $r;
            }
            impl Combine<$p> for $q {
                type Policy = $r;
            }
        )*
    };
}

combine! {
    Drop, Spawn => Spawn;
    Drop, FinishSetup => FinishSetup;
    Drop, SpawnLocal => SpawnLocal;
    Drop, Block => Block;
    Spawn, FinishSetup => FinishSetup;
    Spawn, SpawnLocal => SpawnLocal;
    Spawn, Block => Block;
}
