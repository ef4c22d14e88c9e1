//! A body that does away with the future that polls it.

use contextlib::{async_context, background, yield_resource};
use contextlib_tests::{
    BodyError, Census, ContextError, Counted, Log, message, poll_once, quiet, yields,
};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex},
};

#[async_context(on_cancel = drop)]
async fn context(log: Log, census: Census) -> Result<Counted, ContextError> {
    let mut resource = census.value("resource");
    let exit = yield_resource!(resource);
    yields(1).await;
    resource.touch();
    log.say(format!("{:?}", exit.kind()));
    Ok(())
}

type With = Pin<Box<dyn Future<Output = Result<(), BodyError>>>>;

#[test]
fn through_a_cell() {
    let (log, census) = (Log::new(), Census::new());
    let cell = Rc::new(Cell::<Option<With>>::new(None));
    let (its_cell, its_census) = (cell.clone(), census.clone());
    cell.set(Some(Box::pin(
        context(log.clone(), census.clone()).with_local(async move |resource: &mut Counted| {
            let _local = its_census.value("local of the body");
            // Whoever polls has taken the future out: there is nothing to be dropped here.
            assert!(its_cell.take().is_none());
            yields(1).await;
            assert!(its_cell.take().is_none());
            resource.touch();
            Ok(())
        }),
    )));
    while let Some(mut with) = cell.take() {
        if poll_once(with.as_mut()).is_pending() {
            cell.set(Some(with));
        }
    }
    assert_eq!(log.lines(), ["Completed"]);
    census.assert_balanced("a cell");
}

#[test]
fn through_a_ref_cell() {
    let _quiet = quiet();
    let (log, census) = (Log::new(), Census::new());
    let cell = Rc::new(RefCell::<Option<With>>::new(None));
    let (its_cell, its_census) = (cell.clone(), census.clone());
    *cell.borrow_mut() = Some(Box::pin(context(log.clone(), census.clone()).with_local(
        async move |resource: &mut Counted| {
            let _local = its_census.value("local of the body");
            resource.touch();
            yields(1).await;
            its_cell.borrow_mut().take();
            Ok(())
        },
    )));
    let run = catch_unwind(AssertUnwindSafe(|| {
        loop {
            if poll_once(cell.borrow_mut().as_mut().unwrap().as_mut()).is_ready() {
                break;
            }
        }
    }));
    assert!(message(&*run.unwrap_err()).contains("borrowed"));
    assert_eq!(log.lines(), ["Panicked"]);
    cell.borrow_mut().take();
    census.assert_balanced("a ref cell");
}

/// The body aborts the task that it runs in.
#[tokio::test]
async fn through_its_task() {
    let (log, census) = (Log::new(), Census::new());
    let handle = Arc::new(Mutex::new(None::<tokio::task::AbortHandle>));
    #[async_context]
    async fn context(log: Log, census: Census) -> Counted {
        let mut resource = census.value("resource");
        let exit = yield_resource!(resource);
        yields(1).await;
        resource.touch();
        log.say(format!("{exit:?}"));
    }
    let (its_log, its_census, its_handle) = (log.clone(), census.clone(), handle.clone());
    let task = tokio::spawn(async move {
        let with = context(its_log, its_census.clone()).with(
            async |resource: &mut Counted| -> Result<(), BodyError> {
                let local = its_census.value("local of the body");
                its_handle.lock().unwrap().as_ref().unwrap().abort();
                resource.touch();
                local.touch();
                yields(1).await;
                unreachable!("aborted");
            },
        );
        with.await
    });
    *handle.lock().unwrap() = Some(task.abort_handle());
    assert!(task.await.unwrap_err().is_cancelled());
    background::drain().await;
    assert_eq!(log.lines(), ["Cancelled"]);
    census.assert_balanced("its task");
}

/// The body polls the future that polls it.
#[test]
fn polled_from_inside() {
    let (log, census) = (Log::new(), Census::new());
    let with = Arc::new(Mutex::new(
        None::<Pin<Box<dyn Future<Output = Result<(), BodyError>> + Send>>>,
    ));
    let its_with = with.clone();
    *with.lock().unwrap() = Some(Box::pin(context(log.clone(), census.clone()).with(
        async move |resource: &mut Counted| {
            assert!(its_with.try_lock().is_err());
            yields(1).await;
            assert!(its_with.try_lock().is_err());
            resource.touch();
            Ok(())
        },
    )));
    while poll_once(with.lock().unwrap().as_mut().unwrap().as_mut()).is_pending() {}
    assert_eq!(log.lines(), ["Completed"]);
    with.lock().unwrap().take();
    census.assert_balanced("polled from inside");
}
