//! Calling a context function keeps its arguments and runs nothing; `enter` runs the setup up to the yield point.

use contextlib::{async_context, yield_resource};
use contextlib_tests::{Census, Counted, Log, poll_once, yields};
use futures::executor::block_on;

#[async_context]
async fn context(log: Log, argument: Counted) -> u8 {
    log.say("setup");
    yields(2).await;
    log.say("set up");
    let _ = yield_resource!(1);
    log.say("teardown");
    yields(2).await;
    argument.touch();
    log.say("torn down");
}

#[test]
fn the_call() {
    let (log, census) = (Log::new(), Census::new());
    let manager = context(log.clone(), census.value("argument"));
    assert!(log.lines().is_empty());
    assert_eq!(census.alive(), ["argument"]);
    drop(manager);
    assert!(log.lines().is_empty());
    census.assert_balanced("never entered");
}

#[test]
fn the_futures_before_their_first_poll() {
    let (log, census) = (Log::new(), Census::new());
    let context = || context(log.clone(), census.value("argument"));
    drop(context().enter());
    drop(context().run(async |_| unreachable!()));
    drop(context().with(async |_| -> Result<(), ()> { unreachable!() }));
    drop(context().with_local(async |_| -> Result<(), ()> { unreachable!() }));
    drop(context().outcome(async |_| -> Result<(), ()> { unreachable!() }));
    assert!(log.lines().is_empty());
    census.assert_balanced("never polled");
}

#[test]
fn enter_and_exit_run_their_halves() {
    let (log, census) = (Log::new(), Census::new());
    let mut enter = Box::pin(context(log.clone(), census.value("argument")).enter());
    assert!(poll_once(enter.as_mut()).is_pending());
    assert_eq!(log.take(), ["setup"]);
    let Ok(guard) = block_on(enter);
    assert_eq!(log.take(), ["set up"]);
    let mut exit = Box::pin(guard.exit());
    assert!(log.take().is_empty());
    assert!(poll_once(exit.as_mut()).is_pending());
    assert_eq!(log.take(), ["teardown"]);
    let Ok(()) = block_on(exit);
    assert_eq!(log.take(), ["torn down"]);
    census.assert_balanced("entered and exited");
}

/// An argument lives as long as in a plain `async fn`, be it used, unused, or without a name.
mod arguments_live_as_long_as_in_a_plain_function {
    use super::*;

    struct Said(Log, &'static str);
    impl Drop for Said {
        fn drop(&mut self) {
            self.0.say(self.1);
        }
    }

    struct Pair {
        left: Said,
        right: Said,
    }

    macro_rules! function {
        ($(#[$attribute:meta])* $name:ident, $log:ident => $middle:expr) => {
            $(#[$attribute])*
            #[allow(clippy::used_underscore_binding)]
            async fn $name(
                $log: Log,
                used: Said,
                _named: Said,
                _: Said,
                unused: Said,
                (first, _, third): (Said, Said, Said),
                Pair { left, .. }: Pair,
                mut moved: Option<Said>,
            ) {
                let _local = Said($log.clone(), "local");
                $middle;
                $log.say("after the yield");
                drop(moved.take());
                let _ = (&used, &third, &left);
                let _: (&Said, &Said) = (&unused, &first);
                $log.say("end");
            }
        };
    }

    function!(plain, log => log.say("body"));
    function!(#[async_context] in_context, log => { let _ = yield_resource!(); });

    fn arguments(
        log: &Log,
    ) -> (
        Log,
        Said,
        Said,
        Said,
        Said,
        (Said, Said, Said),
        Pair,
        Option<Said>,
    ) {
        let said = |name| Said(log.clone(), name);
        (
            log.clone(),
            said("used"),
            said("named"),
            said("unnamed"),
            said("unused"),
            (said("first"), said("second"), said("third")),
            Pair {
                left: said("left"),
                right: said("right"),
            },
            Some(said("moved")),
        )
    }

    #[test]
    fn and_is_dropped_in_the_same_order() {
        let log = Log::new();
        let (a, b, c, d, e, f, g, h) = arguments(&log);
        block_on(plain(a, b, c, d, e, f, g, h));
        let of_plain = log.take();
        let (a, b, c, d, e, f, g, h) = arguments(&log);
        let manager = in_context(a, b, c, d, e, f, g, h);
        assert_eq!(log.lines(), [""; 0]);
        block_on(manager.run(async |()| log.say("body")));
        assert_eq!(log.take(), of_plain);
        // The part of a pattern that isn't bound, too.
        assert!(
            of_plain.iter().any(|line| line == "second")
                && of_plain.iter().any(|line| line == "right")
        );
        let pair = Pair {
            left: Said(log.clone(), "left"),
            right: Said(log.clone(), "right"),
        };
        drop(pair.right);
        drop(pair.left);
    }
}
