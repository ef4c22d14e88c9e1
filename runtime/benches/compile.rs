//! What a context costs the compiler: generated crates, built from clean with their dependencies built before.

use crate::{
    Options,
    table::{NONE, Table, figure, ratio},
};
use std::{
    collections::BTreeMap,
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

const FUNCTIONS: usize = 300;

/// No further round is begun after so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to build, and what that has for each of its functions.
struct Way {
    what: &'static str,
    function: fn(usize) -> String,
}

/// Each with the same two uses, so that only what is in them differs.
const WAYS: [Way; 3] = [
    Way {
        what: "by hand",
        function: by_hand,
    },
    Way {
        what: "`#[async_trait]` methods",
        function: trait_method,
    },
    Way {
        what: "context functions",
        function: context,
    },
];

const HEAD: &str = "\
#![allow(dead_code, unused_imports)]
use std::{future::Future, pin::Pin};

#[derive(Debug)]
pub struct Broken(pub usize);

pub type Used = Pin<Box<dyn Future<Output = Result<usize, Broken>> + Send>>;

async fn open(name: String, number: usize) -> Result<Vec<u8>, Broken> {
    if name.is_empty() { Err(Broken(number)) } else { Ok(name.into_bytes()) }
}

async fn close(bytes: Vec<u8>) -> Result<(), Broken> {
    if bytes.is_empty() { Err(Broken(0)) } else { Ok(()) }
}

async fn work(bytes: &mut Vec<u8>) -> Result<usize, Broken> {
    bytes.push(1);
    Ok(bytes.len())
}

#[async_trait::async_trait]
pub trait Context {
    async fn run(&self, name: String) -> Result<usize, Broken>;
}
";

fn by_hand(number: usize) -> String {
    format!(
        "
pub async fn first_{number}(name: String) -> Result<usize, Broken> {{
    let mut bytes = open(name, {number}).await?;
    let end = work(&mut bytes).await;
    close(bytes).await?;
    end
}}

pub async fn second_{number}(name: String) -> Result<usize, Broken> {{
    let mut bytes = open(name, {number}).await?;
    let end = work(&mut bytes).await;
    close(bytes).await?;
    end
}}
"
    )
}

fn trait_method(number: usize) -> String {
    format!(
        "
pub struct Context{number};

#[async_trait::async_trait]
impl Context for Context{number} {{
    async fn run(&self, name: String) -> Result<usize, Broken> {{
        let mut bytes = open(name, {number}).await?;
        let end = work(&mut bytes).await;
        close(bytes).await?;
        end
    }}
}}

pub async fn first_{number}(name: String) -> Result<usize, Broken> {{
    Context{number}.run(name).await
}}

pub async fn second_{number}(name: String) -> Result<usize, Broken> {{
    Context{number}.run(name).await
}}
"
    )
}

fn definition(number: usize) -> String {
    format!(
        "
#[contextlib::async_context]
pub async fn context_{number}(name: String) -> Result<Vec<u8>, Broken> {{
    let mut bytes = open(name, {number}).await?;
    let _ = contextlib::yield_resource!(bytes);
    close(bytes).await?;
}}
"
    )
}

fn context(number: usize) -> String {
    let definition = definition(number);
    format!(
        "{definition}
pub async fn first_{number}(name: String) -> Result<usize, Broken> {{
    context_{number}(name).with(async |bytes| -> Result<usize, Broken> {{ work(bytes).await }}).await
}}

pub async fn second_{number}(name: String) -> Result<usize, Broken> {{
    let mut bytes = context_{number}(name).enter().await?;
    let end = work(&mut bytes).await;
    bytes.exit_with(end).await
}}
"
    )
}

/// A library with so many of them. What nothing refers to isn't compiled to its end, so a list refers to all.
fn source(way: &Way, functions: usize) -> String {
    let mut source = HEAD.to_owned();
    for number in 0..functions {
        source.push_str(&(way.function)(number));
    }
    let _ = write!(
        source,
        "\npub static ALL: [fn(String) -> Used; {}] = [",
        2 * functions
    );
    for number in 0..functions {
        let _ = write!(
            source,
            "\n    |name| Box::pin(first_{number}(name)),\n    |name| Box::pin(second_{number}(name)),"
        );
    }
    source.push_str("\n];\n");
    source
}

pub(crate) fn run(options: &Options) -> Result<String, String> {
    let folder = env::temp_dir().join(format!("contextlib-benches-compile-{}", std::process::id()));
    let text = run_in(&folder, if options.quick { 30 } else { FUNCTIONS }, options);
    let _ = fs::remove_dir_all(&folder);
    text
}

fn run_in(folder: &Path, functions: usize, options: &Options) -> Result<String, String> {
    let crates = Crates::new(folder)?;
    let mut text = String::new();

    let empty = source(&WAYS[0], 0);
    let mut seconds = Vec::new();
    let most_rounds = if options.quick { 1 } else { 3 };
    for release in [false, true] {
        // They take turns too, and the best of each counts: the compiler does the same every time, and whatever comes on top is somebody else's.
        let sources: Vec<String> = [empty.clone()]
            .into_iter()
            .chain(WAYS.iter().map(|way| source(way, functions)))
            .collect();
        let mut best = vec![Taken::MAX; sources.len()];
        let start = Instant::now();
        for _ in 0..most_rounds {
            for (source, best) in sources.iter().zip(&mut best) {
                *best = best.least(crates.build(source, release)?);
            }
            if start.elapsed() > PATIENCE {
                break;
            }
        }
        seconds.push(best);
    }
    let mut table = Table::new(&[
        "",
        "dev, s",
        "ms for each",
        "ratio",
        "release, s",
        "ms for each",
        "ratio",
    ]);
    let each = |taken: &[Taken], way: usize| {
        1000.0 * (taken[way + 1].processor - taken[0].processor) / functions as f64
    };
    // The second way is what the target is about.
    let beside = 1;
    for (at, way) in WAYS.iter().enumerate() {
        let mut cells = vec![format!("{functions} {}", way.what)];
        for taken in &seconds {
            let own = each(taken, at);
            cells.extend([
                figure(taken[at + 1].processor),
                format!("{own:.2}"),
                ratio(Some(own), Some(each(taken, beside))),
            ]);
        }
        table.row(cells);
    }
    let _ = writeln!(
        text,
        "Seconds of processor time for a clean build of a library with {functions} functions of two uses each, its dependencies built before; the best of up to {most_rounds}. \
         *For each*: less what the library takes without them.\n\n{table}"
    );
    let mut targets = Table::new(&["target", "at most", "measured", ""]);
    let mut target = |what: &str, most: f64, measured: f64| {
        let verdict = if measured <= most {
            "reached"
        } else {
            "MISSED"
        };
        targets.row([
            what.to_owned(),
            format!("{most}"),
            format!("{measured:.2}"),
            verdict.to_owned(),
        ]);
    };
    for (taken, profile) in seconds.iter().zip(["dev", "release"]) {
        let ratio = each(taken, 2) / each(taken, 1);
        target(
            &format!("compile time beside `#[async_trait]`, {profile}"),
            1.3,
            ratio,
        );
    }

    text.push_str(&crates.generated_code()?);
    let lines = crates.lines_of_expansion()?;
    target("lines of expansion beside the user's own", 25.0, lines);
    let own_time = crates.expansion_seconds(&source(&WAYS[2], functions))?
        - crates.expansion_seconds(&source(&WAYS[0], functions))?;
    let for_traits = crates.expansion_seconds(&source(&WAYS[1], functions))?
        - crates.expansion_seconds(&source(&WAYS[0], functions))?;
    let _ = writeln!(
        text,
        "Expanding one context function and its two uses takes {:.0} µs; one `#[async_trait]` method {:.0} µs (macros built as `dev` builds them).\n",
        1e6 * own_time / functions as f64,
        1e6 * for_traits / functions as f64
    );

    let mut weight = Table::new(&["a cold build", "dev, s", "release, s", "crates in the tree"]);
    for (what, dependencies) in [
        (
            "tokio alone, with the features that contextlib needs",
            TOKIO,
        ),
        ("contextlib", CONTEXTLIB),
        ("contextlib, `default-features = false`", BARE),
        ("async-trait", ASYNC_TRAIT),
    ] {
        let mut cells = vec![what.to_owned()];
        for release in [false, true] {
            cells.push(if options.quick {
                NONE.to_owned()
            } else {
                figure(crates.cold(dependencies, release)?.processor)
            });
        }
        cells.push(crates.tree(dependencies)?.to_string());
        weight.row(cells);
    }
    let _ = writeln!(text, "{weight}");
    let _ = writeln!(text, "{targets}");
    Ok(text)
}

const TOKIO: &str =
    "tokio = { version = \"1\", features = [\"rt\", \"rt-multi-thread\", \"time\"] }";
const CONTEXTLIB: &str = "contextlib = { path = \"RUNTIME\" }";
const BARE: &str = "contextlib = { path = \"RUNTIME\", default-features = false }";
const ASYNC_TRAIT: &str = "async-trait = \"0.1\"";

/// What a build took.
#[derive(Clone, Copy)]
struct Taken {
    /// Of all the compiler's threads and processes.
    processor: f64,
}

impl Taken {
    const MAX: Taken = Taken {
        processor: f64::INFINITY,
    };

    fn least(self, other: Taken) -> Taken {
        Taken {
            processor: self.processor.min(other.processor),
        }
    }
}

/// A folder with one package after another in it.
struct Crates {
    folder: PathBuf,
}

impl Crates {
    fn new(folder: &Path) -> Result<Self, String> {
        let crates = Crates {
            folder: folder.to_path_buf(),
        };
        crates.set_up(&format!("{CONTEXTLIB}\n{ASYNC_TRAIT}"), "")?;
        Ok(crates)
    }

    /// Makes it a package with these dependencies, in the versions that this workspace has.
    fn set_up(&self, dependencies: &str, source: &str) -> Result<(), String> {
        let runtime = crate::folder().join("..");
        let root = runtime.join("..");
        let dependencies = dependencies.replace("RUNTIME", &runtime.display().to_string());
        let manifest = format!(
            "[package]\nname = \"generated\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\n[workspace]\n"
        );
        let write = |name: &str, text: &[u8]| {
            let path = self.folder.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        fs::create_dir_all(self.folder.join("src"))
            .map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let lock = root.join("Cargo.lock");
        let lock = fs::read(&lock).map_err(|error| format!("{}: {error}", lock.display()))?;
        write("Cargo.toml", manifest.as_bytes())?;
        write("Cargo.lock", &lock)?;
        write("src/lib.rs", source.as_bytes())
    }

    /// Builds the package alone: its dependencies are built if they aren't yet, which doesn't count.
    fn build(&self, source: &str, release: bool) -> Result<Taken, String> {
        let path = self.folder.join("src/lib.rs");
        let write = |text: &str| {
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        write("")?;
        self.cargo("target", &build(release), &[])?;
        write(source)?;
        self.timed("target", &build(release))
    }

    /// Builds everything that a package with these dependencies needs.
    fn cold(&self, dependencies: &str, release: bool) -> Result<Taken, String> {
        self.set_up(dependencies, "")?;
        let target = "target-cold";
        let _ = fs::remove_dir_all(self.folder.join(target));
        let taken = self.timed(target, &build(release))?;
        let _ = fs::remove_dir_all(self.folder.join(target));
        Ok(taken)
    }

    /// How many packages that is.
    fn tree(&self, dependencies: &str) -> Result<usize, String> {
        self.set_up(dependencies, "")?;
        let output = self.cargo(
            "target",
            &[
                "tree",
                "--edges",
                "normal,build",
                "--prefix",
                "none",
                "--no-dedupe",
            ],
            &[],
        )?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut names: Vec<&str> = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split(' ').next())
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names.len())
    }

    /// Lines that a context function becomes, less those that it is, by the compiler's own formatting of both.
    fn lines_of_expansion(&self) -> Result<f64, String> {
        let mut counts = Vec::new();
        for functions in [1, 2] {
            let definitions: String = (0..functions).map(definition).collect();
            let source = format!("{HEAD}{definitions}");
            for form in ["expanded", "normal"] {
                counts.push(self.unpretty(&source, form)?.lines().count() as f64);
            }
        }
        let [one, one_written, two, two_written] = counts[..] else {
            return Err("four counts".to_owned());
        };
        Ok((two - two_written) - (one - one_written))
    }

    fn unpretty(&self, source: &str, form: &str) -> Result<String, String> {
        self.set_up(&format!("{CONTEXTLIB}\n{ASYNC_TRAIT}"), source)?;
        let output = self.cargo(
            "target",
            &["rustc", "--quiet", "--", &format!("-Zunpretty={form}")],
            &[("RUSTC_BOOTSTRAP", "1")],
        )?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What the compiler generates for one function of each way, before it optimises: this is what its time goes into, and it doesn't depend on the machine.
    fn generated_code(&self) -> Result<String, String> {
        const FEW: usize = 10;
        let without = self.lines_of_code(&source(&WAYS[0], 0))?;
        let mut table = Table::new(&[
            "for each",
            "lines of LLVM",
            "from tokio",
            "from contextlib",
            "from std",
            "its own",
        ]);
        for way in &WAYS {
            let mut lines = self.lines_of_code(&source(way, FEW))?;
            for (origin, lines) in &mut lines {
                *lines -= without.get(origin).copied().unwrap_or_default();
                *lines /= FEW as f64;
            }
            let of = |origin: &str| lines.get(origin).copied().unwrap_or_default();
            table.row([
                way.what.to_owned(),
                figure(lines.values().sum()),
                figure(of("tokio")),
                figure(of("contextlib")),
                figure(of("std")),
                figure(of("generated")),
            ]);
        }
        Ok(format!("{table}\n"))
    }

    /// Lines of LLVM's intermediate representation, by the crate that the function is from.
    fn lines_of_code(&self, source: &str) -> Result<BTreeMap<&'static str, f64>, String> {
        self.set_up(&format!("{CONTEXTLIB}\n{ASYNC_TRAIT}"), source)?;
        let path = self.folder.join("generated.ll");
        let emit = format!("--emit=llvm-ir={}", path.display());
        self.cargo(
            "target",
            &[
                "rustc",
                "--quiet",
                "--",
                &emit,
                "-Ccodegen-units=1",
                "-Cdebuginfo=0",
            ],
            &[],
        )?;
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut lines = BTreeMap::new();
        let (mut name, mut origin) = ("", None);
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("; ")
                && !comment.starts_with("Function Attrs")
            {
                name = comment;
            }
            if line.starts_with("define ") {
                // `<tokio::task::Cell<contextlib::…>>::new` is tokio's.
                let own = name.trim_start_matches(['<', '&', '(']);
                let from = |origin: &&str| own.starts_with(*origin);
                let known = ["tokio", "contextlib", "generated"].into_iter().find(from);
                origin = Some(known.unwrap_or("std"));
            }
            if let Some(origin) = origin {
                *lines.entry(origin).or_default() += 1.0;
            }
            if line == "}" {
                origin = None;
            }
        }
        Ok(lines)
    }

    /// How long the compiler expands macros.
    fn expansion_seconds(&self, source: &str) -> Result<f64, String> {
        self.set_up(&format!("{CONTEXTLIB}\n{ASYNC_TRAIT}"), source)?;
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            // Another comment, so that cargo builds again.
            let path = self.folder.join("src/lib.rs");
            fs::write(&path, format!("{source}// {:?}\n", Instant::now()))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let output = self.cargo(
                "target",
                &[
                    "rustc",
                    "--quiet",
                    "--profile",
                    "check",
                    "--",
                    "-Ztime-passes",
                    "-Ztime-passes-format=json",
                ],
                &[("RUSTC_BOOTSTRAP", "1")],
            )?;
            let text = String::from_utf8_lossy(&output.stderr).into_owned()
                + &String::from_utf8_lossy(&output.stdout);
            let seconds = text
                .lines()
                .filter(|line| line.contains("\"macro_expand_crate\""))
                .find_map(|line| {
                    let (_, time) = line.split_once("\"time\":")?;
                    let end = time.find([',', '}'])?;
                    time[..end].trim().parse().ok()
                });
            best = best.min(seconds.ok_or("rustc doesn't say how long it expands macros")?);
        }
        Ok(best)
    }

    fn timed(&self, target: &str, args: &[&str]) -> Result<Taken, String> {
        let before = processor_seconds_of_children()?;
        self.cargo(target, args, &[])?;
        Ok(Taken {
            processor: processor_seconds_of_children()? - before,
        })
    }

    fn cargo(
        &self,
        target: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Output, String> {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .args(args)
            .current_dir(&self.folder)
            .env("CARGO_TARGET_DIR", self.folder.join(target))
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTFLAGS")
            .envs(variables.iter().copied());
        let output = command
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("cargo {}: {said}", args.join(" ")))
    }
}

fn build(release: bool) -> Vec<&'static str> {
    let mut args = vec!["build", "--quiet"];
    if release {
        args.push("--release");
    }
    args
}

/// Of those that have ended: the compilers. It is known in hundredths.
fn processor_seconds_of_children() -> Result<f64, String> {
    let stat = fs::read_to_string("/proc/self/stat").map_err(|error| {
        format!("processor time is only known on Linux: /proc/self/stat: {error}")
    })?;
    // The program's name, in parentheses, may have spaces in it; user and system time of children are the 16th and 17th.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    let mut fields = fields
        .into_iter()
        .flat_map(|fields| fields.split(' '))
        .skip(13);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    match (ticks(), ticks()) {
        (Some(user), Some(system)) => Ok((user + system) / 100.0),
        _ => Err("/proc/self/stat has another form".to_owned()),
    }
}
