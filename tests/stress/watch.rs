//! Rounds, one after the other, each of which has to be over in time.

use crate::{contexts, record::World};
use contextlib::background::{lanes_in_use, stuck};
use contextlib_tests::{Dice, message, number_from_env};
use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// No round takes so long, however busy the machine is, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A test hangs: perhaps with what the others would ask locked.
static HANGS: AtomicBool = AtomicBool::new(false);

/// What a round is made with.
pub(crate) struct Round {
    pub(crate) dice: Dice,
    pub(crate) world: World,
    /// How many there are of the world, with this one, when nothing of the round is left.
    others: usize,
}

impl Round {
    /// Waits until nothing of it is left: no future, no frame, no rollback and no lane. `help` is called again and again meanwhile.
    pub(crate) fn settle(self, mut help: impl FnMut()) {
        help();
        while self.world.owners() > self.others || lanes_in_use() > 0 {
            // A task gives up its place before it is gone.
            thread::sleep(Duration::from_millis(1));
            help();
        }
    }
}

/// The rounds of a test.
pub(crate) struct Rounds {
    /// Its name.
    pub(crate) of: &'static str,
    /// How many, unless `ROUNDS` says so.
    pub(crate) number: u64,
    /// Those that have failed once, which come first: a few times each, since the threads take turns as they like.
    pub(crate) kept: &'static [u64],
    /// Whether teardowns may be lost in them.
    pub(crate) may_lose: bool,
}

/// How many times a round is run that has failed once.
const TIMES_KEPT: u64 = 20;

impl Rounds {
    /// Runs them, from the one with the seed `SEED` on, each so often as `TIMES` says.
    ///
    /// # Panics
    /// If one breaks a promise, or hangs.
    pub(crate) fn run(self, round: impl Fn(Round) + Send + Sync + 'static) {
        let reports = contexts::reports();
        assert!(
            !HANGS.load(SeqCst),
            "another test hangs, and leaves what it has"
        );
        assert_eq!(
            lanes_in_use(),
            0,
            "left behind by another test, which fails"
        );
        let first = number_from_env("SEED", 1);
        let number = number_from_env("ROUNDS", self.number);
        let times = number_from_env("TIMES", 1);
        let kept = self.kept.iter().map(|seed| (*seed, TIMES_KEPT));
        let rounds = kept.chain((first..first + number).map(|seed| (seed, times)));
        let round = Arc::new(round);
        for (seed, times) in rounds {
            for _ in 0..times {
                let world = World::default();
                let ended = run(seed, &world, round.clone());
                let reported = reports.take();
                let wrong = match ended {
                    Ok(()) => verdict(&world, &reported, self.may_lose),
                    Err(hangs) => Some(hangs),
                };
                if let Some(wrong) = wrong {
                    panic!(
                        "in the round with the seed {seed}:\n\n{wrong}\n\
                     The same choices again, though the threads take turns as they like:\n\
                     SEED={seed} ROUNDS=1 TIMES=1000 cargo test -p contextlib-tests --test stress {}\n",
                        self.of
                    );
                }
            }
        }
    }
}

/// Runs one round on a thread of its own. An error says what hangs.
fn run<R: Fn(Round) + Send + Sync + 'static>(
    seed: u64,
    world: &World,
    round: Arc<R>,
) -> Result<(), String> {
    let (over, is_over) = mpsc::channel();
    let of_round = Round {
        dice: Dice::new(seed),
        others: world.owners() + 1,
        world: world.clone(),
    };
    let thread = thread::spawn(move || {
        round(of_round);
        drop(round);
        over.send(()).expect("it is waited for");
    });
    match is_over.recv_timeout(PATIENCE) {
        Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
        Err(RecvTimeoutError::Timeout) => {
            HANGS.store(true, SeqCst);
            return Err(hangs(world));
        }
    }
    thread
        .join()
        .map_err(|payload| format!("the round has panicked: {}\n", message(&*payload)))
}

fn hangs(world: &World) -> String {
    let ours = world.hangs();
    // Asked on another thread: what hangs may be what would answer.
    let (answer, answers) = mpsc::channel();
    thread::spawn(move || {
        let mut text = format!("{} lanes are in use\n", lanes_in_use());
        for stuck in stuck() {
            let _ = writeln!(text, "pending: {stuck}");
        }
        // Nobody waits for it any more if it has taken long.
        let _ = answer.send(text);
    });
    let theirs = answers.recv_timeout(Duration::from_secs(5));
    let theirs = theirs.unwrap_or_else(|_| "the table of lanes is locked\n".to_owned());
    format!("it isn't over after {PATIENCE:?}\n{ours}\n{theirs}")
}

/// What is wrong once it is over, in which teardowns may have been lost or not.
fn verdict(world: &World, reported: &[String], may_lose: bool) -> Option<String> {
    let about = |what: &str| {
        let about = reported.iter().filter(|report| report.contains(what));
        about.count()
    };
    // Those that are planned have no text.
    if about(" panicked: ") > 0 {
        world.complain(format!("a context has panicked: {reported:?}"));
    }
    let lost = about(" lost its teardown");
    if lost > 0 && !may_lose {
        world.complain(format!("teardowns are lost: {reported:?}"));
    }
    world.verdict(lost)
}
