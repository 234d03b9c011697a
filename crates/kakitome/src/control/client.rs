//! The client's side: send the words, show the answer.

use std::{
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use comfy_table::{Table, presets::NOTHING};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::{Record, Reply, Request, short_path, socket_path};

/// Why a command did not reach the server, or what the server said.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(crate) enum CallError {
    /// The socket is there, but not for this user.
    #[error("{socket} cannot be reached: {source}")]
    #[diagnostic(help(
        "may you pass through the directories above it? `chmod 0711` lets people of the site reach the socket and nothing else"
    ))]
    Forbidden { socket: String, source: io::Error },
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
    Broken(#[source] io::Error),
    /// The answer cannot be shown.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    /// What came is not understood: another version, perhaps.
    #[error("the server's answer is not understood: {0}")]
    Garbled(#[from] serde_json::Error),
    /// The server refused or failed.
    #[error("{0}")]
    Refused(String),
    /// The words cannot be meant.
    #[error("{0}")]
    Usage(String),
}

impl CallError {
    /// The program's exit status: 1 refused or failed, 2 usage. `None` when whoever read the answer had
    /// enough of it, which is no failure.
    pub(crate) fn status(&self) -> Option<u8> {
        match self {
            Self::Usage(_) => Some(2),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => None,
            _ => Some(1),
        }
    }
}

/// Sends `request` to the site in `directory` and prints the answer. `style` is how the person wants it.
pub(crate) fn call(directory: &Path, request: &Request, style: Style) -> Result<(), CallError> {
    let mut shown = Shown::new(style);
    let asked = exchange(directory, request, |reply| match reply {
        Reply::Row(record) => shown.record(&record),
        Reply::Item(record) => shown.item(record),
        Reply::Progress { what, done, total } => {
            shown.progress(&what, done, total);
            Ok(())
        }
        Reply::Text(text) => shown.text(text),
        Reply::Note(text) => shown.note(&text),
        Reply::Done | Reply::Error(_) | Reply::Usage(_) => Ok(()),
    });
    match asked {
        Ok(()) => Ok(shown.done()?),
        Err(error @ CallError::Refused(_)) => {
            shown.finish()?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

/// Gives a command whose answer is a list, and returns that.
pub(crate) fn ask(directory: &Path, words: &[&str]) -> Result<Vec<Record>, CallError> {
    let request = Request {
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        attachment: None,
        line: None,
    };
    let mut records = Vec::new();
    exchange(directory, &request, |reply| {
        if let Reply::Row(record) | Reply::Item(record) = reply {
            records.push(record);
        }
        Ok(())
    })?;
    Ok(records)
}

/// Sends `request`, and gives each part of the answer to `take`.
fn exchange(
    directory: &Path,
    request: &Request,
    mut take: impl FnMut(Reply) -> io::Result<()>,
) -> Result<(), CallError> {
    let socket = socket_path(directory);
    let connected = short_path(&socket).and_then(|(path, _open)| UnixStream::connect(path));
    let mut stream = connected.map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => CallError::Forbidden {
            socket: socket.display().to_string(),
            source,
        },
        _ => CallError::NotRunning {
            socket: socket.display().to_string(),
            directory: directory.display().to_string(),
            source,
        },
    })?;
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    // A server that will not read all of it says why before it hangs up.
    let sent = stream.write_all(&text);
    for line in BufReader::new(stream.take(u64::MAX)).lines() {
        match serde_json::from_str(&line.map_err(CallError::Broken)?)? {
            Reply::Done => return Ok(()),
            Reply::Error(text) => return Err(CallError::Refused(text)),
            Reply::Usage(text) => return Err(CallError::Usage(text)),
            part => take(part)?,
        }
    }
    sent.map_err(CallError::Broken)?;
    Err(CallError::Broken(io::ErrorKind::UnexpectedEof.into()))
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// For people.
    Tables,
    /// One JSON object a line, for each thing found.
    JsonList,
    /// The same, with one object in any case: `{"done":true}` when there is nothing else to tell.
    JsonDone,
}

/// Whether a server answers for the site in `directory`.
pub(crate) fn is_answered(directory: &Path) -> bool {
    short_path(&socket_path(directory))
        .and_then(|(path, _open)| UnixStream::connect(path))
        .is_ok()
}

/// What was received so far, on its way to the terminal.
struct Shown {
    style: Style,
    /// Whether anything of the result was shown.
    told: bool,
    rows: Vec<Record>,
    bar: Option<ProgressBar>,
}

impl Shown {
    fn new(style: Style) -> Self {
        Self {
            style,
            told: false,
            rows: Vec::new(),
            bar: None,
        }
    }

    fn is_json(&self) -> bool {
        self.style != Style::Tables
    }

    /// One thing: its fields below each other.
    fn record(&mut self, record: &Record) -> io::Result<()> {
        self.told = true;
        if self.is_json() {
            return line(record);
        }
        let mut out = io::stdout().lock();
        let width = record.keys().map(String::len).max().unwrap_or_default();
        for (name, value) in record {
            writeln!(out, "{:width$}  {}", name.replace('_', " "), plain(value))?;
        }
        Ok(())
    }

    /// A document.
    fn text(&mut self, text: String) -> io::Result<()> {
        self.told = true;
        if self.is_json() {
            return line(&Record::from_iter([(
                "text".to_owned(),
                Value::String(text),
            )]));
        }
        io::stdout().lock().write_all(text.as_bytes())
    }

    /// One of several: a row of the table that is drawn at the end.
    fn item(&mut self, record: Record) -> io::Result<()> {
        self.told = true;
        if self.is_json() {
            return line(&record);
        }
        self.rows.push(record);
        Ok(())
    }

    fn progress(&mut self, what: &str, done: u64, total: Option<u64>) {
        if self.is_json() || !io::stderr().is_terminal() {
            return;
        }
        // Another part of the work is another bar.
        if let Some(bar) = self.bar.take_if(|bar| bar.message() != what) {
            bar.finish_and_clear();
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            bar.set_style(style(total.is_some()));
            bar.with_message(what.to_owned())
        });
        bar.set_length(total.unwrap_or(done));
        bar.set_position(done);
    }

    fn note(&self, text: &str) -> io::Result<()> {
        if self.is_json() {
            return Ok(());
        }
        writeln!(io::stderr().lock(), "{text}")
    }

    fn done(&mut self) -> io::Result<()> {
        self.finish()?;
        if self.style == Style::JsonDone && !self.told {
            line(&Record::from_iter([("done".to_owned(), Value::Bool(true))]))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let rows = std::mem::take(&mut self.rows);
        let Some(first) = rows.first() else {
            return Ok(());
        };
        let mut columns: Vec<&String> = first.keys().collect();
        for name in rows.iter().flat_map(|row| row.keys()) {
            if !columns.contains(&name) {
                columns.push(name);
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
        writeln!(io::stdout().lock(), "{table}")
    }
}

/// How progress looks: what, how far, of how much if that is known.
fn style(known: bool) -> ProgressStyle {
    let template = match known {
        true => "{msg} {wide_bar} {pos}/{len}",
        false => "{msg} {pos}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// One line of JSON.
fn line(record: &Record) -> io::Result<()> {
    let mut text = serde_json::to_vec(record)?;
    text.push(b'\n');
    io::stdout().lock().write_all(&text)
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
