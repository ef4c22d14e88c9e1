//! The forms of the yield, and what it may be nested in.

use contextlib::{Exit, ExitKind, async_context, yield_resource};
use contextlib_tests::{BodyError, Census, ContextError, Counted, Log, yields};
use futures::executor::block_on;

#[async_context]
async fn variable(log: Log) -> Vec<u8> {
    let mut numbers = vec![1];
    let exit = yield_resource!(numbers);
    log.say(format!("{exit:?} {numbers:?}"));
}

#[test]
fn a_variable_goes_out_and_comes_back() {
    let log = Log::new();
    block_on(variable(log.clone()).run(async |numbers| numbers.push(2)));
    block_on(variable(log.clone()).run(async |numbers| *numbers = vec![3]));
    let Ok(mut guard) = block_on(variable(log.clone()).enter());
    guard.push(4);
    let Ok(()) = block_on(guard.exit());
    assert_eq!(
        log.lines(),
        ["Completed [1, 2]", "Completed [3]", "Completed [1, 4]"]
    );
}

struct Holds {
    field: Inner,
    boxed: Box<u8>,
    array: [u8; 2],
}
struct Inner(u8, String);

impl Holds {
    fn new() -> Self {
        Holds {
            field: Inner(1, "text".to_owned()),
            boxed: Box::new(2),
            array: [3, 4],
        }
    }

    #[async_context(on_cancel = drop)]
    async fn of_self(&mut self) -> u8 {
        self.field.0 += 10;
        let _ = yield_resource!(self.field.0);
        self.field.0 += 10;
    }

    #[async_context(on_cancel = drop)]
    async fn itself(&mut self) -> &mut Self {
        self.field.0 += 10;
        let _ = yield_resource!(self);
    }

    #[async_context(on_cancel = drop)]
    async fn itself_taken_back(&mut self) -> &mut Self {
        let mut this = self;
        let _ = yield_resource!(this);
        this.field.0 += 10;
    }

    #[async_context(on_cancel = drop)]
    async fn of_shared_self(&self) -> u8 {
        // Nothing can be put back here: it is a copy that is yielded.
        let _ = yield_resource!(self.field.0);
    }
}

#[async_context(on_cancel = drop)]
async fn parts(log: &Log) -> u8 {
    let mut holds = Holds::new();
    let _ = yield_resource!(holds.field.0);
    log.say(format!("{} {}", holds.field.0, holds.field.1));
}

#[async_context(on_cancel = drop)]
async fn string_part(log: &Log) -> String {
    let mut holds = Holds::new();
    let _ = yield_resource!(holds.field.1);
    log.say(&holds.field.1);
}

#[async_context(on_cancel = drop)]
async fn behind_a_box(log: &Log) -> u8 {
    let mut holds = Holds::new();
    let _ = yield_resource!(*holds.boxed);
    log.say(holds.boxed.to_string());
}

#[async_context(on_cancel = drop)]
async fn behind_a_reference(number: &mut u8) -> u8 {
    let _ = yield_resource!(*number);
}

#[async_context(on_cancel = drop)]
#[allow(unused_parens, reason = "places may stand in them")]
async fn an_element(log: &Log) -> u8 {
    let mut holds = Holds::new();
    let _ = yield_resource!((holds.array[1]));
    log.say(format!("{:?}", holds.array));
}

#[test]
fn parts_of_variables_are_places_too() {
    let log = Log::new();
    block_on(parts(&log).run(async |number| *number = 9));
    block_on(string_part(&log).run(async |text| text.push('!')));
    block_on(behind_a_box(&log).run(async |number| *number = 9));
    block_on(an_element(&log).run(async |number| *number = 9));
    assert_eq!(log.lines(), ["9 text", "text!", "9", "[3, 9]"]);
    let mut number = 1;
    block_on(behind_a_reference(&mut number).run(async |number| *number = 9));
    assert_eq!(number, 9);
    let mut holds = Holds::new();
    block_on(holds.of_self().run(async |number| *number = 30));
    assert_eq!(holds.field.0, 40);
    block_on(holds.of_shared_self().run(async |number| *number = 1));
    assert_eq!(holds.field.0, 40);
}

struct Lent<'a>(u8, &'a str);

#[async_context(on_cancel = drop)]
async fn behind_a_shared_reference(number: &u8, log: &Log) -> u8 {
    let _ = yield_resource!(*number);
    log.say(number.to_string());
}

#[async_context(on_cancel = drop)]
async fn field_of_a_shared_argument<'a>(lent: &'a Lent<'_>, log: &'a Log) -> u8 {
    let exit = async { yield_resource!(lent.0) }.await;
    log.say(format!("{exit:?} {} {}", lent.0, lent.1));
}

#[async_context(on_cancel = drop)]
async fn another_of_the_name(number: &u8, log: &Log) -> u8 {
    let number = &mut number.clone();
    let _ = yield_resource!(*number);
    log.say(number.to_string());
}

#[async_context]
#[allow(non_upper_case_globals, reason = "its name looks like a variable's")]
async fn a_constant<const n: usize>() -> usize {
    let _ = yield_resource!(n);
}

fn length(text: &'static str) -> usize {
    text.len()
}

#[async_context]
async fn a_function() -> fn(&'static str) -> usize {
    let _ = yield_resource!(self::length);
}

#[test]
fn what_is_not_the_contexts_to_change_is_yielded_as_a_value() {
    let log = Log::new();
    block_on(behind_a_shared_reference(&1, &log).run(async |number| *number = 9));
    let text = String::from("text");
    block_on(field_of_a_shared_argument(&Lent(2, &text), &log).run(async |number| *number = 9));
    block_on(another_of_the_name(&3, &log).run(async |number| *number = 9));
    assert_eq!(log.lines(), ["1", "Completed 2 text", "9"]);
    assert_eq!(block_on(a_constant::<7>().run(async |n| *n)), 7);
    assert_eq!(block_on(a_function().run(async |f| f("text"))), 4);
    let mut holds = Holds::new();
    block_on(holds.itself().run(async |holds| holds.field.0 += 1));
    assert_eq!(holds.field.0, 12);
    block_on(
        holds
            .itself_taken_back()
            .run(async |holds| holds.field.0 += 1),
    );
    assert_eq!(holds.field.0, 23);
}

#[async_context(on_cancel = drop)]
async fn temporary<'a>(census: &'a Census, log: &'a Log) -> Counted {
    let exit = yield_resource!(census.value("temporary"));
    log.say(format!("{exit:?}, alive: {:?}", census.alive()));
}

#[async_context(on_cancel = drop)]
async fn several_at_once<'a>(log: &'a Log) -> (u8, String) {
    let text = String::from("text");
    let exit = yield_resource!((1, text.clone()));
    log.say(format!("{exit:?} {text}"));
}

#[async_context(on_cancel = drop)]
async fn unit(log: &Log) {
    let exit = yield_resource!();
    log.say(format!("{exit:?}"));
}

#[async_context(on_cancel = drop)]
async fn trailing_comma(log: &Log) -> u8 {
    let mut number = 1;
    let _ = yield_resource!(number,);
    log.say(number.to_string());
}

#[async_context(on_cancel = drop)]
async fn by_path(log: &Log) -> u8 {
    let mut number = 1;
    let _ = contextlib::yield_resource!(number);
    log.say(number.to_string());
}

#[async_context(on_cancel = drop)]
async fn by_brackets(log: &Log) -> u8 {
    let mut number = 1;
    let _ = yield_resource![number];
    let exit = number;
    log.say(exit.to_string());
}

#[test]
fn temporaries_and_nothing() {
    let (log, census) = (Log::new(), Census::new());
    block_on(temporary(&census, &log).run(async |value| value.touch()));
    assert_eq!(
        log.take(),
        ["Completed, alive: []"],
        "a temporary ends with the body"
    );
    census.assert_balanced("temporary");
    block_on(several_at_once(&log).run(async |(number, text)| text.push_str(&number.to_string())));
    block_on(unit(&log).run(async |()| {}));
    assert_eq!(log.take(), ["Completed text", "Completed"]);
    block_on(trailing_comma(&log).run(async |number| *number = 2));
    block_on(by_path(&log).run(async |number| *number = 3));
    block_on(by_brackets(&log).run(async |number| *number = 4));
    assert_eq!(log.take(), ["2", "3", "4"]);
}

#[async_context(on_cancel = drop)]
async fn moved(log: &Log) -> Vec<u8> {
    let numbers = vec![1];
    let (numbers, exit) = yield_resource!(move numbers);
    log.say(format!("{exit:?} {numbers:?}"));
}

#[async_context(on_cancel = drop)]
async fn moved_in_an_async_block(log: &Log) -> Vec<u8> {
    let numbers = vec![1];
    let (numbers, exit) = async { yield_resource!(move numbers) }.await;
    log.say(format!("{exit:?} {numbers:?}"));
}

#[async_context(on_cancel = drop)]
async fn moved_expression(log: &Log) -> Vec<u8> {
    let (numbers, exit) = async move { yield_resource!(move Vec::from([1])) }.await;
    log.say(format!("{exit:?} {numbers:?}"));
}

#[async_context(on_cancel = drop)]
async fn in_an_async_block(log: &Log) -> Vec<u8> {
    let exit = async {
        let mut numbers = vec![1];
        let exit = yield_resource!(numbers);
        log.say(format!("{numbers:?}"));
        exit
    }
    .await;
    log.say(format!("{exit:?}"));
}

/// A closure is a closure, though.
#[async_context(on_cancel = drop)]
async fn a_closure_that_is_yielded() -> fn(u8) -> u8 {
    let _ = yield_resource!(move |one| one + 1);
}

#[test]
fn move_gives_the_value_back() {
    let log = Log::new();
    block_on(moved(&log).run(async |numbers| numbers.push(2)));
    block_on(moved_in_an_async_block(&log).run(async |numbers| numbers.push(3)));
    block_on(moved_expression(&log).run(async |numbers| numbers.push(4)));
    assert_eq!(
        log.take(),
        ["Completed [1, 2]", "Completed [1, 3]", "Completed [1, 4]"]
    );
    block_on(in_an_async_block(&log).run(async |numbers| numbers.push(5)));
    assert_eq!(log.take(), ["[1, 5]", "Completed"]);
    assert_eq!(
        block_on(a_closure_that_is_yielded().run(async |add| add(1))),
        2
    );
}

#[async_context(on_cancel = drop)]
async fn nested(how: u8, log: &Log) -> Result<u8, ContextError> {
    let mut number = how;
    match how {
        0 => {
            if yield_resource!(number).is_completed() {
                log.say("if");
            }
        }
        1 => match yield_resource!(number) {
            Exit::Completed => log.say("match"),
            Exit::Failed(_) | Exit::Panicked(_) | Exit::Cancelled => unreachable!(),
        },
        2 => {
            let Exit::Completed = yield_resource!(number) else {
                unreachable!()
            };
            log.say("let else");
        }
        3 => {
            if let exit @ Exit::Completed = yield_resource!(number) {
                log.say(format!("if let {exit:?}"));
            }
        }
        4 => {
            if how > 3 && matches!(yield_resource!(number), Exit::Completed) {
                log.say("matches");
            }
        }
        5 => {
            assert!(yield_resource!(number).is_completed());
            log.say("assert");
        }
        6 => {
            let kinds = [yield_resource!(number).kind()];
            assert_eq!(kinds, [ExitKind::Completed]);
            log.say("array");
        }
        7 => {
            {
                {
                    let _ = yield_resource!(number);
                }
            }
            log.say("blocks");
        }
        8 => {
            let text = format!("{:?}", (yield_resource!(number).kind(), 1));
            log.say(text);
        }
        9 => 'label: {
            let exit = yield_resource!(number);
            if exit.is_completed() {
                log.say("labelled");
                break 'label;
            }
            unreachable!();
        }
        10 => {
            let exit: Result<ExitKind, ContextError> = Ok(yield_resource!(number).kind());
            log.say(format!("{:?}", exit?));
        }
        11 => {
            loop {
                let _ = yield_resource!(number);
                break;
            }
            log.say("loop");
        }
        12 => log.say(match yield_resource!(number).kind() {
            ExitKind::Completed => "argument",
            _ => "wrong",
        }),
        13 => {
            yields(1).await;
            let exit = yield_resource!(number);
            yields(1).await;
            log.say(format!("{exit:?}"));
        }
        _ => return Err(ContextError("no such case")),
    }
    log.say(number.to_string());
}

#[test]
fn in_blocks_match_if_and_the_macros_of_std() {
    let log = Log::new();
    let said = [
        "if",
        "match",
        "let else",
        "if let Completed",
        "matches",
        "assert",
        "array",
        "blocks",
        "(Completed, 1)",
        "labelled",
        "Completed",
        "loop",
        "argument",
        "Completed",
    ];
    for (how, said) in said.into_iter().enumerate() {
        let with = nested(how as u8, &log).with(async |number| -> Result<(), BodyError> {
            *number += 100;
            Ok(())
        });
        assert_eq!(block_on(with), Ok(()));
        assert_eq!(log.take(), [said.to_owned(), (how + 100).to_string()]);
        // With a guard, too: none of these wraps its body.
        let guard = block_on(nested(how as u8, &log).enter()).unwrap();
        block_on(guard.exit()).unwrap();
        assert_eq!(log.take(), [said.to_owned(), how.to_string()]);
    }
}

#[async_context(on_cancel = drop)]
async fn in_select(log: &Log) -> Result<Vec<u8>, ContextError> {
    let numbers = vec![1];
    tokio::select! {
        (numbers, exit) = async { yield_resource!(move numbers) } => log.say(format!("{exit:?} {numbers:?}")),
        () = std::future::pending() => unreachable!(),
    }
}

#[async_context(on_cancel = drop)]
async fn in_join(log: &Log) -> Result<Vec<u8>, ContextError> {
    let numbers = vec![1];
    let ((numbers, exit), two, ()) = tokio::join!(
        async { yield_resource!(move numbers) },
        async { 2 },
        yields(3)
    );
    log.say(format!("{exit:?} {numbers:?} {two}"));
}

#[async_context(on_cancel = drop)]
async fn in_try_join(log: &Log) -> Result<u8, ContextError> {
    let (exit, ()) = futures::try_join!(
        async { Ok::<_, ContextError>(yield_resource!(1).kind()) },
        async { Ok(()) }
    )?;
    log.say(format!("{exit:?}"));
}

#[test]
fn in_other_macros() {
    let log = Log::new();
    let body = async |numbers: &mut Vec<u8>| -> Result<(), BodyError> {
        yields(2).await;
        numbers.push(2);
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    assert_eq!(runtime.block_on(in_select(&log).with(body)), Ok(()));
    assert_eq!(runtime.block_on(in_join(&log).with(body)), Ok(()));
    assert_eq!(
        block_on(in_try_join(&log).with(async |_| -> Result<(), BodyError> { Ok(()) })),
        Ok(())
    );
    assert_eq!(
        log.lines(),
        ["Completed [1, 2]", "Completed [1, 2] 2", "Completed"]
    );
}

/// A yield on each of several paths: one of them is taken.
#[async_context(on_cancel = drop)]
async fn on_each_path(how: u8, log: &Log) -> &'static str {
    let exit = if how == 0 {
        yield_resource!("first")
    } else {
        match how {
            1 => yield_resource!("second"),
            _ => {
                let mut third = "third";
                yield_resource!(third)
            }
        }
    };
    log.say(format!("{exit:?}"));
}

#[test]
fn one_on_each_path() {
    let log = Log::new();
    let names = [0, 1, 2].map(|how| block_on(on_each_path(how, &log).run(async |name| *name)));
    assert_eq!(names, ["first", "second", "third"]);
    assert_eq!(log.lines(), ["Completed"; 3]);
}

/// `loop` around the whole, with the yield behind a `return` or `break`: what rustc accepts, the attribute accepts.
#[async_context(on_cancel = drop)]
async fn after_retries(fails: usize, log: &Log) -> Result<usize, ContextError> {
    let mut tries = 0;
    let mut connection = loop {
        tries += 1;
        if tries > fails {
            break tries;
        }
        yields(1).await;
    };
    let _ = yield_resource!(connection);
    log.say(connection.to_string());
}

#[test]
fn after_a_loop() {
    let log = Log::new();
    assert_eq!(
        block_on(
            after_retries(2, &log).with(async |tries| -> Result<usize, BodyError> { Ok(*tries) })
        ),
        Ok(3)
    );
    assert_eq!(log.lines(), ["3"]);
}

/// A yield in the operand of what leaves the loop.
#[async_context(on_cancel = drop)]
async fn in_a_break(fails: usize, log: &Log) -> Result<usize, ContextError> {
    let mut tries = 0;
    let exit = loop {
        tries += 1;
        if tries > fails {
            break yield_resource!(tries);
        }
        yields(1).await;
    };
    log.say(format!("{exit:?}"));
}

#[async_context(on_cancel = drop)]
async fn in_a_return(log: &Log) -> Result<usize, ContextError> {
    async fn finish(log: &Log, exit: Exit<'_>) -> Result<(), ContextError> {
        yields(1).await;
        log.say(format!("{exit:?}"));
        Ok(())
    }
    'tries: for tries in 0.. {
        loop {
            if tries == 2 {
                return finish(log, yield_resource!(tries + 1)).await;
            }
            continue 'tries;
        }
    }
    Err(ContextError("unreachable"))
}

#[test]
fn in_what_leaves_a_loop() {
    let log = Log::new();
    let body = async |tries: &mut usize| -> Result<usize, BodyError> { Ok(*tries) };
    assert_eq!(block_on(in_a_break(2, &log).with(body)), Ok(3));
    assert_eq!(block_on(in_a_return(&log).with(body)), Ok(3));
    assert_eq!(log.lines(), ["Completed"; 2]);
}

/// One of two paths ends in a block that never returns.
#[async_context(on_cancel = drop)]
async fn before_a_panic_in_a_block(panics: bool) -> u8 {
    fn never(why: &str) -> ! {
        panic!("{why}")
    }
    if panics {
        let _ = yield_resource!(1);
        {
            let why = "as it should";
            never(why)
        }
    }
    let _ = yield_resource!(2);
}

#[test]
fn a_block_that_never_returns_ends_its_path() {
    assert_eq!(
        block_on(before_a_panic_in_a_block(false).run(async |number| *number)),
        2
    );
}

/// What is there is for rustc to decide.
#[async_context(on_cancel = drop)]
async fn as_configured(how: u8, log: &Log) -> u8 {
    match how {
        0 => {
            #[cfg(test)]
            let exit = yield_resource!(10);
            #[cfg(not(test))]
            let exit = yield_resource!(20);
            log.say(format!("{exit:?}"));
        }
        1 => {
            #[cfg(test)]
            {
                let _ = yield_resource!(11);
            }
            #[cfg(not(test))]
            {
                let _ = yield_resource!(21);
            }
        }
        #[cfg(test)]
        2.. => {
            let _ = yield_resource!(12);
        }
        #[cfg(not(test))]
        _ => {
            let _ = yield_resource!(22);
        }
    }
}

#[test]
fn yields_under_a_cfg() {
    let log = Log::new();
    let numbers =
        [0, 1, 2].map(|how| block_on(as_configured(how, &log).run(async |number| *number)));
    assert_eq!(numbers, [10, 11, 12]);
    assert_eq!(log.lines(), ["Completed"]);
}

/// One handler is run, whichever it is.
#[async_context(on_cancel = drop)]
async fn in_a_handler(ready: bool, log: &Log) -> u8 {
    let exit = tokio::select! {
        biased;
        mut number = async { 1 }, if ready => yield_resource!(number),
        mut number = async { 2 }, if !ready => {
            yield_resource!(number)
        }
        else => unreachable!(),
    };
    log.say(format!("{exit:?}"));
}

#[async_context(on_cancel = drop)]
async fn in_a_handler_in_a_loop(log: &Log) -> u8 {
    let mut ticks = 0;
    loop {
        ticks += 1;
        tokio::select! {
            mut number = std::future::ready(ticks), if ticks == 3 => {
                let _ = yield_resource!(number);
                break;
            }
            () = std::future::ready(()), if ticks < 3 => log.say("tick"),
        }
    }
}

/// A block that is made once may be selected on in a loop.
#[async_context(on_cancel = drop)]
async fn beside_a_loop(log: &Log) -> u8 {
    let mut body = std::pin::pin!(async { yield_resource!(1).kind() });
    loop {
        tokio::select! {
            biased;
            exit = &mut body => {
                log.say(format!("{exit:?}"));
                break;
            }
            () = yields(1) => log.say("tick"),
        }
    }
}

#[test]
fn in_the_handlers_of_select() {
    let log = Log::new();
    for (ready, expected) in [(true, 1), (false, 2)] {
        let number = block_on(in_a_handler(ready, &log).run(async |number| *number));
        assert_eq!(number, expected);
    }
    assert_eq!(log.take(), ["Completed"; 2]);
    let number = block_on(in_a_handler_in_a_loop(&log).run(async |number| *number));
    assert_eq!((number, log.take()), (3, vec!["tick".to_owned(); 2]));
    block_on(beside_a_loop(&log).run(async |_| yields(3).await));
    assert_eq!(log.take(), ["tick", "tick", "Completed"]);
}

#[async_context]
async fn assigned_at_last(log: Log) -> u8 {
    log.say("opened");
    _ = yield_resource!(3)
}

#[test]
fn an_assignment_may_come_last() {
    let log = Log::new();
    assert_eq!(
        block_on(assigned_at_last(log.clone()).run(async |three| *three)),
        3
    );
    assert_eq!(log.lines(), ["opened"]);
}
