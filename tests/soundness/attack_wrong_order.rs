//! The low-level steps in every order, wrong ones too: they panic at most.

use contextlib::{
    __private as p, AsyncContext, ContextManager, async_context,
    kind::Fallible,
    policy::{self, Storage},
    yield_resource,
};
use contextlib_tests::{
    BodyError, Census, ContextError, Counted, Skips, poll_once, quietly, yields,
};
use futures::{FutureExt, executor::block_on};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

#[derive(Clone, Copy, Debug)]
enum Shape {
    Plain,
    Forgets,
    Drops,
}

const SHAPES: [Shape; 3] = [Shape::Plain, Shape::Forgets, Shape::Drops];

#[async_context(on_cancel = drop, guard)]
async fn context(census: Census, shape: Shape) -> Result<Counted, ContextError> {
    let local = census.value("local");
    let mut resource = census.value("resource");
    match shape {
        Shape::Plain => {
            let exit = yield_resource!(resource);
            yields(1).await;
            drop(format!("{exit:?}"));
            resource.touch();
            yields(1).await;
            drop(format!("{exit:?}"));
        }
        Shape::Forgets => {
            let mut yields_it = Box::pin(async { yield_resource!(move resource).1.kind() });
            assert!(futures::poll!(yields_it.as_mut()).is_pending());
            mem::forget(yields_it);
            yields(2).await;
        }
        Shape::Drops => {
            let mut yields_it = Box::pin(async { yield_resource!(move resource).1.kind() });
            assert!(futures::poll!(yields_it.as_mut()).is_pending());
            yields(1).await;
            let _ = futures::poll!(yields_it.as_mut());
            drop(yields_it);
            yields(1).await;
        }
    }
    local.touch();
    Ok(())
}

/// Something to end a body with: taken from a frame that was told of it, since there is no other way to have one.
fn ending(result: Result<(), String>) -> p::Ending {
    #[async_context(on_cancel = drop)]
    async fn source() {
        let _ = yield_resource!();
        std::future::pending().await
    }
    let (mut opening, frame) = p::Block.open(source());
    let mut frame = Box::pin(frame);
    {
        let mut session = opening.session(frame.as_mut());
        let resource = block_on(session.setup()).unwrap();
        let body = pin!(Some(async {
            drop(resource);
            result
        }));
        assert!(
            session
                .run(body, std::convert::identity)
                .now_or_never()
                .is_none()
        );
        mem::forget(session);
    }
    Storage::frame(frame.as_mut())
        .finish()
        .expect("the frame has been told how the body ended")
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Setup,
    SetupIntoFull,
    BeginBody,
    Body,
    ResumeWell,
    ResumeBadly,
    ResumeWithNone,
    Teardown,
    Finish,
    DropSession,
}

const STEPS: [Step; 10] = [
    Step::Setup,
    Step::SetupIntoFull,
    Step::BeginBody,
    Step::Body,
    Step::ResumeWell,
    Step::ResumeBadly,
    Step::ResumeWithNone,
    Step::Teardown,
    Step::Finish,
    Step::DropSession,
];

/// Does one step, on a frame in whatever state.
fn step<C>(
    frame: Pin<&mut C>,
    mut opening: p::Opening<C, policy::Drop>,
    census: &Census,
    step: Step,
) where
    C: AsyncContext<Resource = Counted, Kind = Fallible<ContextError>>,
{
    let cx = &mut Context::from_waker(Waker::noop());
    match step {
        Step::Setup => {
            let mut room = None;
            if let Poll::Ready(Ok(())) = frame.poll_setup(&mut room, cx) {
                room.expect("the resource is there").touch();
            }
        }
        Step::SetupIntoFull => {
            let mut room = Some(census.value("in the way"));
            let _ = frame.poll_setup(&mut room, cx);
            room.expect("there is one or the other").touch();
        }
        Step::BeginBody => frame.begin_body(),
        Step::Body => {
            let mut session = opening.session(frame);
            let mut lent = None;
            if false {
                lent = block_on(session.setup()).ok();
            }
            {
                let body = pin!(Some(async {
                    let _local = census.value("local of the body");
                    yields(1).await;
                    let returned: Result<(), BodyError> = Ok(());
                    drop(lent.take().expect("there is no resource"));
                    returned
                }));
                let mut run = pin!(session.run(body, std::convert::identity));
                for _ in 0..3 {
                    if poll_once(run.as_mut()).is_ready() {
                        break;
                    }
                }
            }
            mem::forget(session);
        }
        Step::ResumeWell => {
            frame.resume(&mut Some(census.value("another resource")), ending(Ok(())))
        }
        Step::ResumeBadly => frame.resume(
            &mut Some(census.value("another resource")),
            ending(Err("an error on the heap".repeat(2))),
        ),
        Step::ResumeWithNone => frame.resume(&mut None, ending(Ok(()))),
        Step::Teardown => drop(frame.poll_teardown(cx)),
        Step::Finish => drop(frame.finish()),
        Step::DropSession => {
            drop(opening.session(frame));
        }
    }
}

fn in_order(shape: Shape, steps: &[Step]) {
    fn run<C>(make: impl Fn() -> ContextManager<C, policy::Drop>, census: &Census, steps: &[Step])
    where
        C: AsyncContext<Resource = Counted, Kind = Fallible<ContextError>>,
    {
        let (_, frame) = p::Block.open(make());
        let mut frame: Pin<Box<C>> = Box::pin(frame);
        for &next in steps {
            let (opening, _) = p::Block.open(make());
            drop(catch_unwind(AssertUnwindSafe(|| {
                step(frame.as_mut(), opening, census, next)
            })));
        }
    }
    let census = Census::new();
    run(|| context(census.clone(), shape), &census, steps);
    census.assert_balanced(format!("{shape:?} {steps:?}"));
}

#[test]
fn all_orders_of_four_steps() {
    let mut skips = Skips::new();
    quietly(|| {
        for shape in SHAPES {
            for a in STEPS {
                for b in STEPS {
                    for c in STEPS {
                        for d in STEPS {
                            if skips.this_one() {
                                continue;
                            }
                            in_order(shape, &[a, b, c, d]);
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn long_orders() {
    // Pseudo-random, the same at every run.
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let orders = if cfg!(miri) { 100 } else { 2000 };
    quietly(|| {
        for _ in 0..orders {
            let shape = SHAPES[next() % SHAPES.len()];
            // Begun as it should be, now and then.
            let begin = [Step::Setup, Step::Body, Step::ResumeBadly];
            let begin = begin.into_iter().take(next() % 4);
            let length = 4 + next() % 8;
            let steps =
                Vec::from_iter(begin.chain((0..length).map(|_| STEPS[next() % STEPS.len()])));
            in_order(shape, &steps);
        }
    });
}

/// A second `resume` while the teardown looks at the error of the first.
#[test]
fn resumed_twice_under_a_view() {
    #[async_context(on_cancel = drop)]
    async fn looks(census: Census) -> Result<Counted, ContextError> {
        let mut resource = census.value("resource");
        let exit = yield_resource!(resource);
        let text: &String = exit.error().unwrap().downcast_ref().unwrap();
        for _ in 0..3 {
            yields(1).await;
            assert_eq!(text, "the first error");
        }
        Ok(())
    }
    let cx = &mut Context::from_waker(Waker::noop());
    let census = Census::new();
    let (_, frame) = p::Block.open(looks(census.clone()));
    {
        let mut frame = Box::pin(frame);
        let mut room = None;
        let set_up = frame.as_mut().poll_setup(&mut room, cx);
        assert!(matches!(set_up, Poll::Ready(Ok(()))));
        frame
            .as_mut()
            .resume(&mut room, ending(Err("the first error".to_owned())));
        assert!(room.is_none());
        assert!(frame.as_mut().poll_teardown(cx).is_pending());
        for _ in 0..2 {
            frame.as_mut().resume(
                &mut Some(census.value("another")),
                ending(Err("the second error".to_owned())),
            );
            assert!(frame.as_mut().poll_teardown(cx).is_pending());
        }
        assert!(frame.as_mut().poll_teardown(cx).is_ready());
        assert!(frame.as_mut().finish().is_some());
        assert!(frame.as_mut().finish().is_none());
    }
    census.assert_balanced("resumed thrice");
}
