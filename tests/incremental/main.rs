//! A program that uses contexts is compiled again after a change, as an editor does all the time.
//!
//! rustc ends with an internal error, and does so again until its cache is deleted, if it evaluates a bound now in one way and now in another. It does that with `async` closures and a trait that
//! is implemented for all that return a future, where this is an associated type: an open bug of rustc's, which what takes a body has to keep out of the way of. (See `AsyncBody`.)
#![forbid(unsafe_code)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

const PROGRAM: &str = include_str!("program.rs");
/// What is changed: each is called in a task then.
const FUNCTIONS: [&str; 7] = [
    "with",
    "of_a_tuple",
    "run",
    "outcome",
    "scope",
    "push",
    "teardown",
];

struct Project(PathBuf);

impl Project {
    fn new() -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runtime = tests.join("../runtime");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("incremental");
        fs::create_dir_all(folder.join("src")).expect("the target's folder can be written to");
        let manifest = format!(
            "[package]\nname = \"changed\"\nedition = \"2024\"\n\n[dependencies]\ncontextlib.path = {runtime:?}\ntokio = {{ version = \"1\", features = [\"macros\", \"rt\"] }}\n\n[workspace]\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("it can be written");
        fs::copy(tests.join("../Cargo.lock"), folder.join("Cargo.lock")).expect("it can be copied");
        Project(folder)
    }

    /// As if it had never been compiled.
    fn forget(&self) {
        let cache = self.0.join("target/debug/incremental");
        if cache.exists() {
            fs::remove_dir_all(cache).expect("it can be deleted");
        }
    }

    fn check(&self, program: &str) -> Result<(), String> {
        fs::write(self.0.join("src/main.rs"), program).expect("it can be written");
        let output = Command::new(env::var_os("CARGO").expect("cargo runs the tests"))
            .args(["check", "--quiet", "--offline"])
            .current_dir(&self.0)
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_TARGET_DIR", self.0.join("target"))
            .env_remove("RUSTFLAGS")
            .output()
            .expect("cargo can be run");
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

#[rustversion::attr(not(stable), ignore = "that of a stable compiler is tested")]
#[test]
fn a_change_compiles() {
    let project = Project::new();
    for function in FUNCTIONS {
        let changed = PROGRAM.replace(
            &format!("    {function}().await;"),
            &format!("    tokio::spawn({function}()).await;"),
        );
        assert_ne!(changed, PROGRAM);
        project.forget();
        for program in [PROGRAM, &changed] {
            if let Err(error) = project.check(program) {
                panic!("with `{function}` in a task: {error}");
            }
        }
    }
}
