//! CAB (MS-CAB).

use std::{collections::HashSet, io::Cursor};

use cab::Cabinet;
use malware::What;

use super::closed;
use malware::walk::{File, Inspector};

/// Files of one cabinet that are opened: to get at one, all before it are unpacked again.
const MOST_FILES: usize = 100;

pub(super) fn open(inspector: &mut Inspector<'_>, file: File<'_>, data: &[u8]) {
    let mut cabinet = match Cabinet::new(Cursor::new(data)) {
        Ok(cabinet) => cabinet,
        Err(error) => {
            inspector.note(What::Damaged, file.path, &error.to_string());
            return;
        }
    };
    let names: Vec<String> = cabinet
        .folder_entries()
        .flat_map(|folder| folder.file_entries())
        .map(|entry| entry.name().to_owned())
        .collect();
    let mut seen = HashSet::new();
    for (number, name) in names.iter().enumerate() {
        if !inspector.may_go_on(file.path) {
            return;
        }
        if number >= MOST_FILES {
            closed(inspector, file, name, What::TooMany, "cab");
            continue;
        }
        // The library finds files by their names, so it would unpack the first again.
        if !seen.insert(name.as_str()) {
            let why = "another file of this name stands before it";
            closed(inspector, file, name, What::Damaged, why);
            continue;
        }
        let path = format!("{}/{name}", file.path);
        match cabinet.read_file(name) {
            Ok(reader) => {
                let unpacked = inspector.unpack(reader, &path);
                inspector.inner(file, name, &unpacked);
            }
            Err(error) => closed(inspector, file, name, What::Damaged, &error.to_string()),
        }
    }
}
