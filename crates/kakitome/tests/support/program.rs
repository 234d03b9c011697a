//! Programs that nobody here wrote.

use std::{
    ffi::OsStr,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program and its words.
pub(crate) struct Program {
    command: Command,
    shown: String,
    input: Vec<u8>,
    patience: Duration,
}

impl Program {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            command: Command::new(name),
            shown: name.to_owned(),
            input: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// A script of `tests/programs`, for Python.
    pub(crate) fn python(script: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/programs")
            .join(script);
        Self::new("python3").word("-I").word(path)
    }

    pub(crate) fn word(mut self, word: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&word.as_ref().to_string_lossy());
        self.command.arg(word);
        self
    }

    pub(crate) fn words<W: AsRef<OsStr>>(self, words: impl IntoIterator<Item = W>) -> Self {
        words.into_iter().fold(self, Self::word)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn within(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// What it reads from standard input.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// Runs it to its end, whatever that is. Its own time limit is `PATIENCE`.
    #[track_caller]
    pub(crate) fn run(mut self) -> Ran {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{} does not start ({error}); ./test installs what the stories need",
                    self.shown
                )
            });
        let mut stdin = child.stdin.take().unwrap();
        let input = std::mem::take(&mut self.input);
        // A program that does not read all its input is judged by how it ends.
        let writer = thread::spawn(move || stdin.write_all(&input).ok());
        let pid = rustix::process::Pid::from_child(&child);
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        let patience = self.patience;
        let guard = thread::spawn(move || {
            if waiting.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
        });
        let began = Instant::now();
        let output = child.wait_with_output().unwrap();
        drop(done);
        guard.join().unwrap();
        writer.join().unwrap();
        assert!(
            began.elapsed() < patience,
            "{} hangs\n{}",
            self.shown,
            text(&output)
        );
        Ran {
            shown: self.shown,
            output,
        }
    }

    /// Runs it; it must succeed. Returns what it printed on standard output.
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        self.run().succeeded()
    }

    /// Runs it; it must not succeed. Returns all that it printed.
    #[track_caller]
    pub(crate) fn fails(self) -> String {
        let ran = self.run();
        assert!(
            !ran.output.status.success(),
            "{} should fail:\n{}",
            ran.shown,
            text(&ran.output)
        );
        text(&ran.output)
    }
}

/// How a program ended.
pub(crate) struct Ran {
    shown: String,
    pub(crate) output: Output,
}

impl Ran {
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        let status = self.output.status;
        assert!(
            status.success(),
            "{} ended with {status}:\n{}",
            self.shown,
            text(&self.output)
        );
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// As [`Self::succeeded`], with what it printed on standard error too.
    #[track_caller]
    pub(crate) fn succeeded_loudly(self) -> String {
        let all = self.text();
        self.succeeded();
        all
    }

    /// All that it printed.
    pub(crate) fn text(&self) -> String {
        text(&self.output)
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
