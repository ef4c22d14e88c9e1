//! In contexts that are dropped, by whichever policy.

use super::{OPENED, Opened, inner, open, outer};
use crate::shared::{Broken, Log, poll_once};
use contextlib::{
    AsyncContext, ExitStack, IntoContextManager, Rollback, async_context,
    background::drain,
    null_context,
    policy::{self, Boxed, Combine, Policy},
    yield_resource,
};
use std::future::pending;

/// What becomes of a context that holds one.
enum Discarded {}

impl<C: AsyncContext> Policy<C> for Discarded {
    type Storage = Boxed<C>;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        rollback.discard();
    }
}

enum Lost {}

impl<C: AsyncContext> Policy<C> for Lost {
    type Storage = Boxed<C>;
    type Origin = ();

    fn origin() {}

    fn rollback(rollback: Rollback<C>, (): ()) {
        rollback.lose("a policy of this test's");
    }
}

impl Combine<policy::Drop> for Discarded {
    type Policy = Discarded;
}

impl Combine<policy::Drop> for Lost {
    type Policy = Lost;
}

/// A context function that has entered both, holds the outer one, and is dropped in its setup or around its body: of the inner one, a rollback is pending.
#[tokio::test]
async fn in_a_context_that_is_dropped() {
    #[derive(Clone, Copy, Debug)]
    struct Case {
        first: Opened,
        second: Opened,
        in_setup: bool,
        style: Style,
    }

    #[derive(Clone, Copy, Debug)]
    enum Style {
        With,
        Guard,
        Tuple,
        OnAStack,
    }

    macro_rules! holding {
        ($name:ident, $($argument:tt)*) => {
            #[async_context($($argument)*)]
            async fn $name(log: Log, case: Case) -> Result<(), Broken> {
                let _outer = open(case.first, outer(&log)).await;
                drop(open(case.second, inner(&log)).await);
                if case.in_setup {
                    pending::<()>().await;
                }
                let _ = yield_resource!();
            }
        };
    }
    holding!(spawned, on_cancel = spawn);
    holding!(dropped, on_cancel = drop);
    holding!(discarded, on_cancel = Discarded);
    holding!(lost, on_cancel = Lost);

    macro_rules! cut {
        ($holding:ident, $log:ident, $case:ident) => {{
            let context = $holding($log.clone(), $case);
            match $case.style {
                Style::With => {
                    let body = async |_: &mut ()| -> Result<(), Broken> { pending().await };
                    assert!(poll_once(context.with(body)).await.is_none());
                }
                Style::Tuple => {
                    let body = async |_: &mut _| -> Result<(), Broken> { pending().await };
                    assert!(
                        poll_once((context, null_context(())).with(body))
                            .await
                            .is_none()
                    );
                }
                Style::Guard => {
                    let _guard = poll_once(context.enter()).await;
                }
                Style::OnAStack => {
                    let stack = ExitStack::<Broken>::new();
                    let _entered = poll_once(stack.enter(context)).await;
                }
            }
        }};
    }

    for first in OPENED {
        for second in OPENED {
            for in_setup in [true, false] {
                for style in [Style::With, Style::Guard, Style::Tuple, Style::OnAStack] {
                    let case = Case {
                        first,
                        second,
                        in_setup,
                        style,
                    };
                    for policy in ["spawn", "drop", "discarded", "lost"] {
                        let log = &Log::default();
                        match policy {
                            "spawn" => cut!(spawned, log, case),
                            "drop" => cut!(dropped, log, case),
                            "discarded" => cut!(discarded, log, case),
                            _ => cut!(lost, log, case),
                        }
                        drain().await;
                        assert_eq!(
                            log.said(),
                            "+outer, +inner, -inner, -outer Cancelled",
                            "{case:?}, {policy}"
                        );
                    }
                }
            }
        }
    }
}
