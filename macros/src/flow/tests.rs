use quote::quote;

use crate::testing::{body, right, right_body, wrong};

#[test]
fn a_second_yield_on_a_path() {
    let second = "this is the second yield on one path";
    assert!(body!(yield_resource!(a); yield_resource!(b);).starts_with(second));
    assert!(body!(f(yield_resource!(a), yield_resource!(b));).starts_with(second));
    assert!(body!(if x { yield_resource!(a); } yield_resource!(b);).starts_with(second));
    assert!(
        body!(if x { yield_resource!(a); } else { return Err(e); } yield_resource!(b);)
            .starts_with(second)
    );
    assert!(
        body!(match x { A => drop(1), B => { let _ = yield_resource!(a); } } yield_resource!(b);)
            .starts_with(second)
    );
    assert!(
        body!(let Some(x) = yield_resource!(a).error() else { return Ok(()) }; yield_resource!(b);)
            .starts_with(second)
    );
    assert!(
        body!(assert!(matches!(yield_resource!(a), A)); yield_resource!(b);).starts_with(second)
    );
    assert!(
        body!(let f = async { yield_resource!(a) }; let g = async { yield_resource!(b) };)
            .starts_with(second)
    );
}

#[test]
fn one_yield_on_each_path_is_right() {
    right_body!(if x {
        yield_resource!(a);
    } else {
        yield_resource!(b);
    });
    right_body!(if x { yield_resource!(a); return Ok(()); } yield_resource!(b););
    right_body!(match x {
        A => {
            yield_resource!(a);
        }
        B => yield_resource!(b).check()?,
        C => panic!(),
    });
    right_body!(match x { A => { yield_resource!(a); panic!("stop"); } _ => {} } yield_resource!(b););
    // These may never return, as far as the macro knows.
    right_body!(if x { yield_resource!(a); std::process::exit(1); } yield_resource!(b););
    right_body!(if x { yield_resource!(a); bail!("stop"); } yield_resource!(b););
    right_body!(if x { yield_resource!(a); unsafe { exit() } } yield_resource!(b););
    right_body!(if x { yield_resource!(a); { { std::process::exit(0) } } } yield_resource!(b););
    right_body!(match x { A => { yield_resource!(a); unsafe { exit() } } B => {} } yield_resource!(b););
    right_body!(
        race! { _ = async { yield_resource!(a) } => {} _ = async { yield_resource!(b) } => {} }
    );
}

#[test]
fn the_futures_of_a_join_are_all_made() {
    let second = "this is the second yield on one path";
    assert!(
        body!(join!(async { yield_resource!(a) }, async { yield_resource!(b) });)
            .starts_with(second)
    );
    assert!(body!(select! { _ = async { yield_resource!(a) } => {} _ = async { yield_resource!(b) } => {} }).starts_with(second));
    assert!(
        body!(
            select! { _ = async { yield_resource!(a) } => {} _ = f() => { yield_resource!(b); } }
        )
        .starts_with(second)
    );
    assert!(body!(let x = select! { _ = async { yield_resource!(a) } => 1, _ = f() => 2 }; yield_resource!(b);).starts_with(second));
    // One of the handlers is run.
    right_body!(
        tokio::select! { biased; x = f() => { yield_resource!(x); } y = g(), if z => yield_resource!(y), else => yield_resource!(b) }
    );
    right_body!(select! { x = f() => { yield_resource!(x); return Ok(()); } _ = g() => {} } yield_resource!(b););
    right_body!(if x { select! { _ = async { yield_resource!(a) } => exit(1), never = f() => never } } yield_resource!(b););
    right_body!(select! { recv(a) -> a => yield_resource!(a), recv(b) -> b => yield_resource!(b) });
}

#[test]
fn a_yield_in_place_of_a_future() {
    assert_eq!(
        body!(tokio::join!(yield_resource!(3), f());),
        "this yields before `join!` has a future to poll: write `async { yield_resource!(3) }`"
    );
    let bare = "this yields before";
    assert!(body!(join!(biased; f(), yield_resource!(move a));).starts_with(bare));
    assert!(body!(try_join!(f(), yield_resource!(a),)?;).starts_with(bare));
    assert!(body!(select! { _ = yield_resource!(1) => {} _ = f() => {} }).starts_with(bare));
    assert!(body!(select! { _ = f() => {} _ = yield_resource!(1), if x => {} }).starts_with(bare));
    assert!(
        body!(time::timeout(d, yield_resource!(1)).await?;)
            .starts_with("this yields before `timeout` has")
    );
    assert!(body!(timeout_at(d, yield_resource!(1)).await?;).starts_with(bare));
    right_body!(join!(f(yield_resource!(1)), g()););
    right_body!(select! { x = f() => exit = yield_resource!(x), _ = g() => {} });
    right_body!(timeout(yield_resource!(1), f()).await?;);
    right_body!(timeout(yield_resource!(1)).await?;);
    right_body!(timeout(d, f(yield_resource!(1))).await?;);
}

#[test]
fn what_a_cfg_decides_is_left_to_rustc() {
    right_body!(#[cfg(a)] let exit = yield_resource!(1); #[cfg(not(a))] let exit = yield_resource!(2););
    right_body!(#[cfg(a)] { yield_resource!(1); } #[cfg_attr(a, cfg(b))] { yield_resource!(2); });
    right_body!(#[cfg(a)] yield_resource!(1); yield_resource!(2););
    right_body!(match x { #[cfg(a)] A => { yield_resource!(1); } B => {} } yield_resource!(2););
    right_body!(f(#[cfg(a)] yield_resource!(1), #[cfg(b)] yield_resource!(2)););
    right_body!(F { #[cfg(a)] a: yield_resource!(1), #[cfg(b)] a: yield_resource!(2) };);
    right_body!(let _ = async { #[cfg(a)] yield_resource!(1); }.await; yield_resource!(2););
    right_body!(if x { yield_resource!(1); #[cfg(a)] return Ok(()); #[cfg(b)] { exit(1) } } yield_resource!(2););
    right_body!(loop {
        #[cfg(a)]
        yield_resource!(1);
    });
    right_body!(loop {
        #[cfg(a)]
        {
            yield_resource!(1);
            continue;
        }
    });
    right_body!(timeout(d, async { yield_resource!(tx) }).await?; #[cfg(a)] tx.commit().await?;);
    right_body!(yield_resource!(tx); #[cfg(a)] Ok(tx));
    right!([] async fn f() { #[cfg(a)] let a = b?; yield_resource!(); });
    assert!(
        body!(#[cfg(a)] log(); match x { A => { yield_resource!(1); yield_resource!(2); } #[cfg(a)] B => {} })
            .starts_with("this is the second yield on one path")
    );
}

#[test]
fn a_yield_in_a_loop() {
    let again = "a loop would reach this yield again";
    assert!(
        body!(loop {
            let exit = yield_resource!(a);
            if exit.is_failed() {
                retry().await;
            }
        })
        .starts_with(again)
    );
    assert!(
        body!(while more() {
            yield_resource!(a);
        })
        .starts_with(again)
    );
    assert!(
        body!(for a in all {
            yield_resource!(a);
        })
        .starts_with(again)
    );
    assert!(
        body!(for a in all {
            if a.break_it() {
                break;
            }
            yield_resource!(a);
        })
        .starts_with(again)
    );
    assert!(
        body!(for attempt in 0..3 {
            if yield_resource!(a).is_completed() {
                break;
            }
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            match open().await {
                Ok(a) => {
                    yield_resource!(a);
                }
                Err(error) => return Err(error),
            }
        })
        .starts_with(again)
    );
    right_body!(loop {
        if yield_resource!(a).is_completed() {
            break;
        } else {
            return Ok(());
        }
    });
    right_body!(loop {
        if ready() {
            yield_resource!(a);
            break;
        }
    });
    right_body!(loop {
        match open().await {
            Ok(a) => {
                yield_resource!(a);
                return Ok(());
            }
            Err(_) => continue,
        }
    });
    assert!(
        body!(loop {
            select! { _ = async { yield_resource!(a) } => break, _ = tick() => {} }
        })
        .ends_with("and `select!` on `&mut body`")
    );
    right_body!(loop {
        select! { _ = async { yield_resource!(a) } => break, _ = tick() => break }
    });
    right_body!(loop {
        select! { x = f() => { yield_resource!(x); break; } _ = tick() => {} }
    });
    right_body!(loop {
        select! { never = f() => never, e = async { yield_resource!(a) } => break }
    });
    right_body!(let mut body = pin!(async { yield_resource!(a) }); loop { select! { _ = &mut body => break, _ = tick() => {} } });
    right_body!(for i in 0..yield_resource!(a).count() {});
    right_body!(for i in 0..3 { wait().await; } yield_resource!(a););
}

#[test]
fn a_loop_that_is_continued_after_its_yield() {
    let again = "a loop would reach this yield again";
    assert!(
        body!(for a in all {
            if yield_resource!(a).is_failed() {
                continue;
            }
            break;
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            match yield_resource!(a) {
                Exit::Failed(_) => continue,
                _ => break,
            }
        })
        .starts_with(again)
    );
    assert!(
        body!(while yield_resource!(n).is_failed() {
            n += 1;
        })
        .starts_with(again)
    );
    assert!(body!(while !yield_resource!(n).is_completed() {}).starts_with(again));
    right_body!(while yield_resource!(n).is_failed() {
        break;
    });
    right_body!(for a in all {
        let Ok(mut a) = a.open() else {
            continue;
        };
        yield_resource!(a);
        break;
    });
    right_body!(yield_resource!(a); for b in all { if b { continue; } go(b).await; });
    right_body!(loop {
        yield_resource!(a);
        for b in all {
            if b {
                continue;
            }
        }
        break;
    });
}

#[test]
fn a_yield_in_what_leaves_the_loop() {
    let again = "a loop would reach this yield again";
    right_body!(
        let exit = loop {
            if let Ok(mut a) = open().await {
                break yield_resource!(a);
            }
        };
    );
    right_body!(for n in 0..3 {
        if n == 2 {
            return finish(yield_resource!(n)).await;
        }
    });
    right_body!(loop {
        match open().await {
            Ok(a) => break f(async { yield_resource!(a) }).await,
            Err(_) => {
                yield_resource!(b);
                return Ok(());
            }
        }
    });
    right_body!('outer: loop {
        loop {
            if x {
                break 'outer yield_resource!(a);
            }
        }
    });
    right_body!(loop {
        for a in all {
            if x {
                return finish(yield_resource!(a));
            }
        }
    });
    right_body!(loop {
        let f: Box<dyn for<'a> Fn(&'a u8)> = g;
        if x {
            break h::<A, B>(yield_resource!(a));
        }
    });
    // The operand leaves something else.
    assert!(
        body!(loop {
            let exit = loop {
                break yield_resource!(a);
            };
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            let exit = 'inner: loop {
                break 'inner yield_resource!(a);
            };
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            let exit = 'block: { break 'block yield_resource!(a) };
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            wait(async { return yield_resource!(a) }).await;
        })
        .starts_with(again)
    );
    assert!(
        body!(loop {
            if x {
                yield_resource!(a);
            } else {
                break yield_resource!(b);
            }
        })
        .starts_with(again)
    );
}

#[test]
fn a_yield_where_it_can_not_wait() {
    assert!(body!(let f = || yield_resource!(a);).contains("write `async ||`"));
    assert!(body!(scope(|s| { yield_resource!(a); });).contains("write `async ||`"));
    right_body!(retry(async || yield_resource!(a)).await?;);
    right_body!(retry(|| async { yield_resource!(a) }).await?;);
    assert!(
        body!(tokio::spawn(async move { yield_resource!(a) });)
            .contains("as `spawn` would have it")
    );
    assert!(
        body!(set.spawn_local(async move { yield_resource!(a) });)
            .contains("as `spawn_local` would have it")
    );
    right_body!(scope.spawn(async { yield_resource!(a) }).await;);
    right_body!(spawn(async { 1 }); yield_resource!(a););
}

#[test]
fn a_resource_is_not_returned() {
    let message = body!(let mut tx = t; let _ = yield_resource!(tx); Ok(tx));
    assert_eq!(
        message,
        "the caller got the resource through the yield: a context function ends in `Ok(())`, or without a value"
    );
    assert!(body!(let _ = yield_resource!(tx); Ok(5)).starts_with("the caller got the resource"));
    assert!(
        body!(let _ = yield_resource!(tx); Ok((a, b))).starts_with("the caller got the resource")
    );
    assert!(
        wrong!([] async fn f() -> Tx { let _ = yield_resource!(tx); tx })
            .ends_with("a context function ends without a value")
    );
    assert_eq!(
        body!(let _ = yield_resource!(tx); if x { return Ok(tx); } tx.commit().await?;),
        "the caller got the resource through the yield: write `return Ok(())`"
    );
    assert_eq!(
        body!(if x { return Ok(tx); } let _ = yield_resource!(tx);),
        "a context function yields its resource instead of returning it: write `let _ = yield_resource!(tx);` before a `return Ok(())`"
    );
    assert!(
        wrong!([] async fn f() -> Tx { if x { return tx; } let _ = yield_resource!(tx); })
            .ends_with("before a `return`")
    );
    right_body!(let _ = yield_resource!(tx); if x { return Ok(()); });
    right_body!(if x {
        let _ = yield_resource!(tx);
    } else {
        return Ok(());
    });
    right_body!(let open = async || { return Ok(tx) }; let tx = open().await?; let _ = yield_resource!(tx););
    right_body!(let _ = yield_resource!(tx); Ok(()));
    right_body!(let unit = yield_resource!(tx).into(); Ok(unit));
    right!([] async fn f() -> () { let mut u = (); let _ = yield_resource!(u); u });
}

#[test]
fn a_success_has_yielded() {
    let early = "this succeeds without a yield, which would panic, since the caller waits for the resource:";
    assert_eq!(
        body!(if x { return Ok(()); } let _ = yield_resource!(tx);),
        format!(
            "{early} return an error here, or go on to the yield, of an `Option` if there may be nothing to lend"
        )
    );
    assert_eq!(
        wrong!([] async fn f() -> Tx { let Some(tx) = open() else { return }; let _ = yield_resource!(tx); }),
        format!(
            "{early} write `-> Result<Tx, YourError>`, and return an error here, or go on to the yield, of an `Option` if there may be nothing to lend"
        )
    );
    assert!(body!(loop { if x { return Ok(()); } } yield_resource!(tx);).starts_with(early));
    assert!(
        body!(match x {
            A => return Ok(()),
            B => {
                yield_resource!(tx);
            }
        })
        .starts_with(early)
    );
    right_body!(match x {
        A => {
            yield_resource!(tx);
        }
        B => return Ok(()),
    });
    right_body!(if x { return end(); } yield_resource!(tx););
    right_body!(if x { return Err(e); } yield_resource!(tx););
    right_body!(let open = || { return Ok(()) }; open()?; yield_resource!(tx););
    right_body!(async { if x { return Ok(()); } e() }.await?; yield_resource!(tx););
    right_body!(select! { exit = async { yield_resource!(tx) } => {} _ = stop() => return Ok(()) });
    right_body!(
        select! { _ = stop() => return Ok(()), exit = async { yield_resource!(tx) } => {} }
    );
    right_body!(mine! { yield_resource!(tx) } if x { return Ok(()) });
    right_body!(#[cfg(a)] yield_resource!(tx); if x { return Ok(()) } #[cfg(b)] yield_resource!(tx););
    right_body!(match n {
        _ if yield_resource!(tx).is_completed() => {
            return Ok(());
        }
        _ => {}
    });
    right_body!(macro_rules! lend { () => { yield_resource!(tx) } } lend!(); if x { return Ok(()) });
    right_body!(let s = S { #[cfg(a)] a: yield_resource!(tx), b }; if s.b { return Ok(()) });
    right_body!(let mut at_yield = pin!(async { yield_resource!(move tx) }); if x { return Ok(()) });
}

#[test]
fn a_resource_that_an_async_block_takes_along() {
    let lost = "`tx` moves into this `async` block";
    assert!(body!(let done = timeout(d, async { yield_resource!(tx).is_completed() }).await?; if done { tx.commit().await?; }).starts_with(lost));
    assert!(
        body!(match timeout(d, async { yield_resource!(tx) }).await {
            Ok(_) => tx.commit().await?,
            Err(_) => {}
        })
        .starts_with(lost)
    );
    assert!(
        body!(timeout(d, async { yield_resource!(tx.inner) }).await?; tx.inner.commit();)
            .contains("write `yield_resource!(move tx.inner)`")
    );
    assert!(body!(let (exit, _) = tokio::join!(async { yield_resource!(tx) }, beat()); tx.commit().await?;).starts_with(lost));
    assert!(
        body!(select! { _ = async move { yield_resource!(tx) } => { tx.commit().await?; } _ = stop() => {} })
            .starts_with(lost)
    );
    for after in [
        quote!(bye(&tx);),
        quote!(bye(&mut tx);),
        quote!(let other = tx;),
        quote!(let other = &mut tx;),
        quote!(let other = &tx;),
    ] {
        assert!(
            body!(let _ = timeout(d, async { yield_resource!(tx) }).await?; #after)
                .starts_with(lost),
            "{after}"
        );
    }
    assert!(
        body!(let _ = timeout(d, async { yield_resource!(a.tx) }).await?; a.tx.commit();)
            .contains("evaluates to `(tx, exit)`")
    );
    for ty in [quote!(u16), quote!(&'static str), quote!((u8, [bool; 2]))] {
        right!([] async fn f() -> Result<#ty, Error> { let _ = timeout(d, async { yield_resource!(tx) }).await?; show(&tx); let left = tx; tx.show(); });
    }
    for used in [
        quote!(let other = tx![2];),
        quote!(let closed = tx::close().await;),
        quote!(let all: Box<dyn Iterator<Item = &tx>> = all;),
        quote!(
            #[async_context(on_cancel = tx)]
            async fn inner() {}
        ),
        quote!(println!("{tx}", tx = 4);),
        quote!(a.tx = open(); a.tx.commit();),
    ] {
        right_body!(let _ = timeout(d, async { yield_resource!(tx) }).await?; #used);
    }
    right_body!(tx = async { let _ = yield_resource!(tx); tx }.await; let other = tx;);
    right_body!((ok, tx) = async { let ok = yield_resource!(tx); (ok, tx) }.await; let other = tx;);
    right_body!(
        if let Ok((tx, e)) = timeout(d, async { (tx, yield_resource!(tx)) }).await {
            let other = tx;
        }
    );
    right_body!(let _ = timeout(d, async { yield_resource!(a.tx) }).await?; show(&a.name); let n = a.name;);
    right_body!(let _ = timeout(d, async { yield_resource!(a.tx) }).await?; a.tx = open(); a.tx.commit(););
    // Rustc says that nothing can be moved out of it.
    right_body!(let _ = timeout(d, async { yield_resource!(*tx) }).await?; tx.commit(););
    right_body!(let _ = timeout(d, async { yield_resource!(tx) }).await?; for &tx in all { tx.commit() });
    right_body!(let _ = timeout(d, async { yield_resource!(tx) }).await?; let f = |&mut tx| tx;);
    right_body!(let ((tx, exit), _) = join!(async { yield_resource!(move tx) }, beat()); tx.commit().await?;);
    right_body!(exclusive!(async { yield_resource!(tx) }, tx.commit()););
    right_body!(let (tx, exit) = timeout(d, async { yield_resource!(move tx) }).await?; tx.commit().await?;);
    right_body!(let tx = timeout(d, async { yield_resource!(tx); 1 }).await?; tx.commit().await?;);
    right_body!(timeout(d, async { let mut tx = t; yield_resource!(tx); }).await?; tx.commit().await?;);
    right_body!(timeout(d, async { yield_resource!(tx); tx.commit().await }).await?;);
    right_body!(timeout(d, async { yield_resource!(tx); }).await?; tx = open(); tx.commit().await?;);
    right_body!(timeout(d, async { yield_resource!(tx); }).await?; pool.tx.commit().await?;);
}

#[test]
fn a_question_mark_where_nothing_can_fail() {
    let no_error = "this context has no error for `?` to return";
    let message =
        wrong!([] async fn f() -> Opened<u16> { let a = b?; let _ = yield_resource!(a); });
    assert!(message.starts_with(no_error), "{message}");
    assert!(
        message.contains("`-> Result<Opened<u16>, YourError>`"),
        "{message}"
    );
    assert!(
        wrong!([] async fn f() { let _ = yield_resource!(); if x { close().await?; } })
            .starts_with(no_error)
    );
    right!([] async fn f() { let g = || -> R { a?; Ok(()) }; let _ = yield_resource!(g()); });
    right!([] async fn f() { let _ = yield_resource!(); let r: R = async { a?; Ok(()) }.await; });
    right!([] async fn f() { let _ = yield_resource!(); fn g<T: ?Sized>() -> R { a?; Ok(()) } });
    right!([fallible] async fn f() -> Opened<u16> { let a = b?; let _ = yield_resource!(a); });
}

#[test]
fn a_question_mark_among_the_arguments_of_a_macro() {
    let no_error = "this context has no error for `?` to return";
    macro_rules! infallible {
        ($($body:tt)*) => { wrong!([] async fn f() -> u16 { $($body)* }) };
    }
    assert!(infallible!(let _ = yield_resource!(a?);).starts_with(no_error));
    assert!(infallible!(let (a, _) = yield_resource!(move a?.b);).starts_with(no_error));
    assert!(infallible!(println!("{}", a?); let _ = yield_resource!(1);).starts_with(no_error));
    assert!(infallible!(let b = vec![a?; 3]; yield_resource!(1);).starts_with(no_error));
    assert!(infallible!(join!(f()?, async { yield_resource!(1) });).starts_with(no_error));
    assert!(
        infallible!(select! { _ = async { yield_resource!(1) } => f()?, _ = g() => {} })
            .starts_with(no_error)
    );
    right!([] async fn f() -> u16 { println!("{:?}", (|| a?)()); let _ = yield_resource!(|| a?); });
    right!([] async fn f() -> u16 { pin!(async { a? }); info!(?a, b?); let _ = yield_resource!(1); });
    right!([] async fn f() -> u16 { let _ = try_join!(async { yield_resource!(1); f()?; Ok(()) }, g()); });
    right_body!(println!("{:?}", if x { yield_resource!(1) } else { yield_resource!(2) }););
}

#[test]
fn what_to_write_for_a_question_mark() {
    assert!(
        wrong!([] async fn f() -> Option<Vec<u8>> { yield_resource!(a?); }).contains(
            "can't end in `None`: write what it can fail with, `-> Result<Vec<u8>, YourError>`"
        )
    );
    assert!(
        wrong!([infallible] async fn f() -> Result<u8, Error> { yield_resource!(a?); })
            .ends_with("leave `infallible` out")
    );
    assert!(
        wrong!([infallible] async fn f() -> io::Result<u8> { yield_resource!(a?); })
            .ends_with("leave `infallible` out")
    );
}

#[test]
fn a_result_where_nothing_can_fail() {
    macro_rules! string {
        ($($body:tt)*) => { wrong!([] async fn f() -> String { $($body)* }) };
    }
    let fails = "this context can't fail: write `-> Result<String, YourError>`";
    let at_the_end = format!("{fails}, or end without a value");
    assert_eq!(string!(let _ = yield_resource!(s); Ok(())), at_the_end);
    assert_eq!(string!(let _ = yield_resource!(s); Err(e)), at_the_end);
    assert_eq!(string!(let _ = yield_resource!(s); None), at_the_end);
    assert_eq!(
        string!(let _ = yield_resource!(s); if a { close(); } else { match b { B => {} _ => { Some(1) } } }),
        at_the_end
    );
    assert_eq!(
        string!(if a { return Err(e); } let _ = yield_resource!(s);),
        fails
    );
    assert_eq!(
        string!(let _ = yield_resource!(s); if a { return Ok(()); } close();),
        format!("{fails}, or `return` alone")
    );
    assert_eq!(
        wrong!([] async fn f() { let _ = yield_resource!(); Ok(()) }),
        "this context can't fail: write `-> Result<(), YourError>`, or end without a value"
    );
    assert_eq!(
        wrong!([] async fn f() -> Opened<u8> { let _ = yield_resource!(1); Ok(()) }),
        "this context can't fail: write `-> Result<Opened<u8>, YourError>`, or end without a value; if `Opened<u8>` is a `Result` by another name, write `#[async_context(fallible)]`"
    );
    assert!(
        wrong!([] async fn f() -> Vec<u8> { let _ = yield_resource!(v); Ok(()) })
            .ends_with("or end without a value")
    );
    assert_eq!(
        wrong!([infallible] async fn f() -> QueryResult { let _ = yield_resource!(q); Ok(()) }),
        "`infallible` says that this context can't fail: leave it out, or end without a value"
    );
    assert!(
        wrong!([] async fn f() -> Option<u8> { let Some(a) = g() else { return None }; let _ = yield_resource!(Some(a)); })
            .ends_with("write `let _ = yield_resource!(None);` before a `return`")
    );
    assert!(
        wrong!([] async fn f() -> Option<u8> { let _ = yield_resource!(a); Some(1) })
            .starts_with("the caller got the resource through the yield")
    );
    right!([] async fn f() -> u8 { let _ = yield_resource!(1); match close() { Ok(()) => {} Err(e) => log(e) } });
    right!([] async fn f() -> u8 { let _ = yield_resource!(1); if let Some(a) = b { g(Some(a)) } });
    right!([] async fn f() -> u8 { let g = async || { return Err(e) }; let _ = yield_resource!(1); drop(|| Ok(())) });
    right!([] async fn f() -> u8 { let a = loop { break Some(1) }; let _ = yield_resource!(1); { last = None } });
}
