//! The program itself, as a process of its own, in a folder of its own: it sees nothing of whoever runs the tests.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, Command};

use super::discord::Discord;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kubertnetes");

/// How long a command, or the end of a process, may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the program lives: its home, its working folder and its database.
pub struct Home {
    folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
}

/// A command that ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("k.db").display());
        Self { folder, settings: Vec::new() }.set("KUBERT_STORE__URL", &url)
    }

    /// A home whose bot is told of this Discord.
    pub fn on(discord: &Discord) -> Self {
        Self::new().set("KUBERT_DISCORD__API", &discord.api()).set("KUBERT_DISCORD__TOKEN", &discord.token())
    }

    /// A variable of the environment, in the place of an earlier one.
    pub fn set(mut self, variable: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != variable);
        self.settings.push((variable.into(), value.into()));
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file of its working folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn database(&self) -> &str {
        &self.settings.iter().find(|(variable, _)| variable == "KUBERT_STORE__URL").unwrap().1
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        let home = self.path();
        command.args(args).current_dir(home).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"] {
            command.env(variable, home);
        }
        command.envs(self.settings.iter().map(|(variable, value)| (variable, value)));
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, args: &[&str]) -> Ended {
        self.run_program(PROGRAM, args).await
    }

    /// Runs a command to its end, and gives the kilobytes of memory that it had at most.
    pub async fn run_measured(&self, args: &[&str]) -> (Ended, usize) {
        let mut command = self.command(PROGRAM, args);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id().unwrap());
        let running = tokio::time::timeout(10 * PATIENCE, child.wait_with_output());
        tokio::pin!(running);
        let (mut peak, mut looks) = (0, tokio::time::interval(Duration::from_millis(2)));
        let output = loop {
            tokio::select! {
                output = &mut running => break output.expect("it does not end").unwrap(),
                // The kernel remembers the peak as long as the process lives.
                _ = looks.tick() => peak = peak.max(peak_of(&status)),
            }
        };
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }, peak)
    }

    /// Runs a line of shell in its place.
    pub async fn shell(&self, line: &str) -> Ended {
        self.run_program("sh", &["-c", line]).await
    }

    async fn run_program(&self, program: &str, args: &[&str]) -> Ended {
        let running = self.command(program, args).output();
        let output = tokio::time::timeout(PATIENCE, running).await;
        let output = output.unwrap_or_else(|_| panic!("`{}` did not end", args.join(" "))).unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the bot on the practice cluster.
    pub fn serve(&self) -> Bot {
        self.serve_with(&["--demo"])
    }

    pub fn serve_with(&self, args: &[&str]) -> Bot {
        self.start(&[&["serve"], args].concat())
    }

    /// Starts a command that goes on until it is told to stop.
    pub fn start(&self, args: &[&str]) -> Bot {
        let log = self.path().join("stderr.log");
        // All lives of one home write to one file.
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = self.command(PROGRAM, args).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Bot { child, log }
    }
}

/// The most memory that a process had, in kilobytes, as its status says; 0 where it is gone.
fn peak_of(status: &str) -> usize {
    let status = std::fs::read_to_string(status).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

/// The running bot. It is killed when this is dropped; a test that fails then shows what it logged.
pub struct Bot {
    child: Child,
    log: PathBuf,
}

impl Bot {
    /// As a power cut does it.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to end, and gives how it did.
    pub async fn terminate(self) -> ExitStatus {
        self.signal("TERM").await
    }

    /// As ctrl-c does it.
    pub async fn interrupt(self) -> ExitStatus {
        self.signal("INT").await
    }

    async fn signal(mut self, name: &str) -> ExitStatus {
        let pid = self.child.id().expect("it has ended by itself");
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().await.unwrap();
        assert!(sent.success());
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it does not end").unwrap()
    }

    /// What it logged, in all lives of its home.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            eprintln!("── the end of its log\n{}", tail.join("\n"));
        }
    }
}

/// The conversation's thread as a person sees it, printed if the test fails.
pub struct ShownOnFailure<'a>(pub &'a Discord);

impl Drop for ShownOnFailure<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for thread in self.0.threads() {
                eprintln!("{}", self.0.render(thread.id));
            }
        }
    }
}
