//! A site's own runbooks: `DIR/runbooks/KIND.toml` takes the place of the one that is built in.

use std::{
    io,
    path::{Path, PathBuf},
};

use directory::runbook::{MOST_OCTETS, Runbook, Runbooks};
use regulation::Regulation;

/// Where they are, within the site's directory.
const FOLDER: &str = "runbooks";
/// Files that are looked at: more than there are kinds of incidents.
const MOST_FILES: usize = 100;

/// The runbooks of the site in `directory`.
///
/// # Errors
/// What is wrong with one of its own, with the file and the line.
pub(crate) fn load(directory: &Path, regulation: &Regulation) -> Result<Runbooks, String> {
    let mut books = Runbooks::built_in().map_err(|error| error.to_string())?;
    for (name, text) in files(directory)? {
        let book = Runbook::of_site(&name, &text).map_err(|error| error.to_string())?;
        let mut clauses = book.clauses.iter();
        if let Some(unknown) = clauses.find(|id| regulation.clause(id).is_none()) {
            return Err(format!("{name}: no clause is called {unknown:?}"));
        }
        books.put(book);
    }
    Ok(books)
}

/// The site's own, relative to its directory, in order of their names.
///
/// # Errors
/// When the folder cannot be listed; when it has more files than 100.
pub(crate) fn names(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(directory.join(FOLDER)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = Path::new(FOLDER).join(entry?.file_name());
        if path.extension().is_some_and(|ending| ending == "toml") {
            names.push(path);
        }
        if names.len() > MOST_FILES {
            return Err(io::Error::other(format!("more than {MOST_FILES} files")));
        }
    }
    names.sort();
    Ok(names)
}

fn files(directory: &Path) -> Result<Vec<(String, String)>, String> {
    let unreadable = |path: &Path, error: &io::Error| format!("{}: {error}", path.display());
    let names = names(directory).map_err(|error| unreadable(&directory.join(FOLDER), &error))?;
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let path = directory.join(&name);
        let size = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        if size.len() > MOST_OCTETS as u64 {
            let most = MOST_OCTETS >> 10;
            return Err(format!(
                "{}: a runbook has at most {most} KiB",
                path.display()
            ));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        found.push((name.display().to_string(), text));
    }
    Ok(found)
}
