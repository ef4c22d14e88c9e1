//! `CONFORMANCE.md` and the tests say the same.

use std::{collections::BTreeSet, path::Path};

const TABLE: &str = include_str!("../CONFORMANCE.md");

/// Where the tests of the table are.
const SOURCES: [&str; 4] = [
    include_str!("async_with.rs"),
    include_str!("asynccontextmanager.rs"),
    include_str!("timeout.rs"),
    include_str!("../exit_stack/python.rs"),
];

/// What is in backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The functions that are tests.
fn tests() -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    for source in SOURCES {
        let mut lines = source.lines();
        while let Some(line) = lines.next() {
            if line.trim_start().starts_with("#[test")
                || line.trim_start().starts_with("#[tokio::test")
            {
                let function = lines
                    .find(|line| line.contains("fn "))
                    .expect("an attribute is on something");
                let name = function.split_once("fn ").expect("it was found by this").1;
                names.insert(name.split('(').next().expect("there is a first part"));
            }
        }
    }
    names
}

/// The tests that the table names, and the files.
fn named() -> (BTreeSet<String>, Vec<String>) {
    let (mut names, mut files) = (BTreeSet::new(), Vec::new());
    // What is translated everywhere has a table of its own, without tests.
    let (_, tables) = TABLE.split_once("\n## ").expect("there are sections");
    for row in tables
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("|---"))
    {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [python, here, test] = cells[..] else {
            panic!("a row of three: {row}")
        };
        if test.is_empty() {
            assert!(
                here.contains("can't hold") || here.contains("documentation is"),
                "no test and no reason: {row}"
            );
        }
        if test == "the same names" {
            names.extend(quoted(python).map(str::to_owned));
            continue;
        }
        let mut last = String::new();
        for name in quoted(test) {
            let name = match name.strip_prefix('…') {
                Some(more) => format!("{last}{more}"),
                None => name.to_owned(),
            };
            if name.ends_with(".rs") || name.ends_with('/') {
                // Beside the one before, if it is named alone.
                let folder = last.rsplit_once('/').map_or("", |(folder, _)| folder);
                let file = if name.contains('/') {
                    name
                } else {
                    format!("{folder}/{name}")
                };
                last.clone_from(&file);
                files.push(file);
            } else {
                last.clone_from(&name);
                names.insert(name);
            }
        }
    }
    (names, files)
}

#[test]
fn each_test_in_the_table_exists_and_each_test_is_in_the_table() {
    let (names, files) = named();
    let tests = tests();
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !tests.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "in the table, and no test: {missing:?}");
    let unnamed: Vec<_> = tests
        .iter()
        .filter(|&&name| !names.contains(name))
        .collect();
    assert!(
        unnamed.is_empty(),
        "tests that aren't in the table: {unnamed:?}"
    );
    assert!(names.len() > 60, "the table is read: {names:?}");
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        assert!(path.exists(), "in the table, and no file: {file}");
    }
}
