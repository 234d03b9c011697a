//! The database's own examination, a table at a time.

use crate::{Error, schema};

use super::{Check, Finding, Look};

/// Each table with its indexes, in a view of its own. A table cannot be examined in parts, so this is the longest view
/// that a check takes: as long as reading the largest table.
pub(super) struct Engine {
    tables: std::vec::IntoIter<String>,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            tables: schema::tables().into_iter(),
        }
    }
}

impl Check for Engine {
    fn name(&self) -> &'static str {
        "tables"
    }

    fn step(&mut self, look: &mut Look<'_, '_>) -> Result<bool, Error> {
        let Some(table) = self.tables.next() else {
            return Ok(false);
        };
        for said in look.sql.sql.examine(&table)? {
            look.tell(Finding::Table {
                table: table.clone(),
                said,
            });
        }
        look.rows += 1;
        Ok(true)
    }
}
