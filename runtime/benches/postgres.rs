//! A PostgreSQL server of our own, from the system's binaries, in a temporary folder and on a socket there: it listens on no port.

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

pub(crate) struct Server {
    binaries: PathBuf,
    folder: tempfile::TempDir,
}

impl Server {
    /// With the binaries that are on the path, or where Debian has them.
    pub(crate) fn start() -> Result<Self, String> {
        let Some(binaries) = binaries() else {
            return Err("there is no DATABASE_URL, and no initdb and pg_ctl".to_owned());
        };
        let folder = tempfile::Builder::new()
            .prefix("contextlib-benches-postgres-")
            .tempdir()
            .map_err(|error| format!("no temporary folder: {error}"))?;
        let server = Server { binaries, folder };
        let path = server.folder.path().display().to_string();
        if as_root() {
            // It refuses to run as root.
            said(Command::new("chown").args(["postgres", &path]))?;
        }
        said(server.command("initdb").args([
            "--pgdata",
            "data",
            "--username",
            "postgres",
            "--auth",
            "trust",
            "--no-sync",
        ]))?;
        said(
            server
                .command("pg_ctl")
                .args([
                    "--pgdata",
                    "data",
                    "--log",
                    "log",
                    "--wait",
                    "--silent",
                    "--options",
                ])
                .arg(format!("-k '{path}' -c listen_addresses='' -c fsync=off"))
                .arg("start"),
        )?;
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!(
            "postgres://postgres@localhost/postgres?host={}",
            self.folder.path().display()
        )
    }

    /// One of its programs, in its folder, as a user that it runs as.
    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = if as_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = self.command("pg_ctl");
        let _ = said(stop.args([
            "--pgdata",
            "data",
            "--mode",
            "immediate",
            "--silent",
            "stop",
        ]));
    }
}

fn as_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn binaries() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).find(|folder| folder.join("initdb").exists());
    // Links lead to the folder where the rest is.
    let on_path = on_path.and_then(|folder| fs::canonicalize(folder.join("initdb")).ok());
    let on_path = on_path.and_then(|program| program.parent().map(Path::to_path_buf));
    on_path.or_else(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
        let folders = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
        folders
            .filter(|folder| folder.join("initdb").exists())
            .max()
    })
}

fn said(command: &mut Command) -> Result<(), String> {
    // Its log would keep a pipe open as long as the server runs.
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} ended with {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
