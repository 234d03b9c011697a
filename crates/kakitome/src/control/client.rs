//! The client's side: send the words, show the answer.

use std::{
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use comfy_table::{Table, presets::NOTHING};
use indicatif::ProgressBar;
use serde_json::Value;

use super::{Record, Reply, Request, short_path, socket_path};

/// Why a command did not reach the server, or what the server said.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum CallError {
    /// Nobody listens.
    #[error("no server answers at {socket}: {source}")]
    #[diagnostic(help("start it with `kakitome serve {directory}`"))]
    NotRunning {
        socket: String,
        directory: String,
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the server broke: {0}")]
    Broken(#[from] io::Error),
    /// What came is not understood: another version, perhaps.
    #[error("the server's answer is not understood: {0}")]
    Garbled(#[from] serde_json::Error),
    /// The server refused or failed.
    #[error("{0}")]
    Refused(String),
}

/// Sends `request` to the site in `directory` and prints the answer.
pub(crate) fn call(directory: &Path, request: &Request, json: bool) -> Result<(), CallError> {
    let socket = socket_path(directory);
    let connected = short_path(&socket).and_then(|(path, _open)| UnixStream::connect(path));
    let mut stream = connected.map_err(|source| CallError::NotRunning {
        socket: socket.display().to_string(),
        directory: directory.display().to_string(),
        source,
    })?;
    serde_json::to_writer(&mut stream, request)?;
    stream.write_all(b"\n")?;
    let mut shown = Shown::new(json);
    for line in BufReader::new(stream.take(u64::MAX)).lines() {
        match serde_json::from_str(&line?)? {
            Reply::Row(record) => shown.row(record)?,
            Reply::Progress { what, done, total } => shown.progress(&what, done, total),
            Reply::Note(text) => shown.note(&text)?,
            Reply::Done => return Ok(shown.finish()?),
            Reply::Error(text) => {
                shown.finish()?;
                return Err(CallError::Refused(text));
            }
        }
    }
    Err(CallError::Broken(io::ErrorKind::UnexpectedEof.into()))
}

/// Whether a server answers for the site in `directory`.
pub(crate) fn is_answered(directory: &Path) -> bool {
    short_path(&socket_path(directory))
        .and_then(|(path, _open)| UnixStream::connect(path))
        .is_ok()
}

/// What was received so far, on its way to the terminal.
struct Shown {
    json: bool,
    rows: Vec<Record>,
    bar: Option<ProgressBar>,
}

impl Shown {
    fn new(json: bool) -> Self {
        Self {
            json,
            rows: Vec::new(),
            bar: None,
        }
    }

    fn row(&mut self, record: Record) -> io::Result<()> {
        if self.json {
            let mut out = io::stdout().lock();
            serde_json::to_writer(&mut out, &record)?;
            return out.write_all(b"\n");
        }
        self.rows.push(record);
        Ok(())
    }

    fn progress(&mut self, what: &str, done: u64, total: Option<u64>) {
        if self.json || !io::stderr().is_terminal() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::new_spinner(),
        });
        bar.set_message(what.to_owned());
        bar.set_position(done);
    }

    fn note(&self, text: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        writeln!(io::stderr().lock(), "{text}")
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let rows = std::mem::take(&mut self.rows);
        let mut out = io::stdout().lock();
        match rows.as_slice() {
            [] => Ok(()),
            [only] => {
                let width = only.keys().map(String::len).max().unwrap_or_default();
                for (name, value) in only {
                    writeln!(out, "{name:width$}  {}", plain(value))?;
                }
                Ok(())
            }
            [first, ..] => {
                let mut columns: Vec<&String> = first.keys().collect();
                for row in &rows {
                    for name in row.keys() {
                        if !columns.contains(&name) {
                            columns.push(name);
                        }
                    }
                }
                let mut table = Table::new();
                table.load_style(NOTHING);
                table.set_header(columns.iter().map(|name| name.replace('_', " ")));
                for row in &rows {
                    table.add_row(
                        columns
                            .iter()
                            .map(|name| row.get(*name).map(plain).unwrap_or_default()),
                    );
                }
                writeln!(out, "{table}")
            }
        }
    }
}

/// A value as a person reads it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name}={}", plain(value)))
            .collect::<Vec<_>>()
            .join(" "),
    }
}
