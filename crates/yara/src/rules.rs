//! Rules, compiled, or what is wrong with them and where.

use malware::RuleFile;
use yara_x::{Compiler, SourceCode, errors::CompileError};

/// Faults that are told.
const MOST_FAULTS: usize = 20;

/// Characters of a fault.
const LONGEST_FAULT: usize = 400;

/// A set of rules that was understood.
pub struct Rules {
    pub(crate) compiled: yara_x::Rules,
    count: usize,
}

impl Rules {
    /// Compiles them, each file in its own namespace.
    ///
    /// # Errors
    /// Everything that is wrong, as `FILE:LINE:COLUMN: what`: at most twenty faults.
    pub fn compile(files: &[RuleFile]) -> Result<Self, Vec<String>> {
        let mut compiler = Compiler::new();
        compiler.enable_includes(false).max_warnings(0);
        let mut faults = Vec::new();
        for file in files {
            let before = compiler.errors().len();
            compiler.new_namespace(&file.namespace);
            let source = SourceCode::from(file.text.as_slice()).with_origin(file.path.as_str());
            if compiler.add_source(source).is_err() {
                let new = compiler.errors().iter().skip(before);
                faults.extend(new.map(|error| told(file, error)));
            }
            if faults.len() >= MOST_FAULTS {
                break;
            }
        }
        faults.truncate(MOST_FAULTS);
        if !faults.is_empty() {
            return Err(faults);
        }
        let compiled = compiler.build();
        let count = compiled.iter().count();
        Ok(Self { compiled, count })
    }

    /// One text alone, of the program's own.
    pub(crate) fn one(namespace: &str, text: &str) -> Result<Self, Vec<String>> {
        Self::compile(&[RuleFile {
            path: format!("{namespace}.yar"),
            namespace: namespace.to_owned(),
            text: text.as_bytes().to_vec(),
        }])
    }

    /// How many rules there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        u64::try_from(self.count).unwrap_or(u64::MAX)
    }
}

/// A fault and its place, in bounds.
fn told(file: &RuleFile, error: &CompileError) -> String {
    described(file, error).chars().take(LONGEST_FAULT).collect()
}

fn described(file: &RuleFile, error: &CompileError) -> String {
    let label = error.labels().next();
    let (title, path) = (error.title(), &file.path);
    let Some(label) = label else {
        return format!("{path}: {title}");
    };
    let before = file.text.get(..label.span().start()).unwrap_or_default();
    let line = before.split(|octet| *octet == b'\n').count();
    let on_line = before.rsplit(|octet| *octet == b'\n').next();
    let column = String::from_utf8_lossy(on_line.unwrap_or_default())
        .chars()
        .count();
    let text = label.text();
    format!(
        "{path}:{line}:{}: {title}: {text}",
        column.saturating_add(1)
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::matcher::tests::file;

    #[test]
    fn a_fault_has_its_place() {
        let good = file("good", "rule a { condition: true }");
        assert_eq!(
            Rules::compile(std::slice::from_ref(&good)).unwrap().count(),
            1
        );
        let bad = file("bad", "rule a {\n  condition:\n    あ\n}\n");
        let unknown = file(
            "unknown",
            "rule a {\n  strings: $x = \"x\"\n  condition: $x and nothing }\n",
        );
        let including = file("including", "include \"/etc/passwd\"\n");
        let broken = RuleFile {
            text: b"rule a { condition: \xff }".to_vec(),
            ..file("broken", "")
        };
        for (wrong, place) in [
            (bad, "rules/bad.yar:3:"),
            (unknown, "rules/unknown.yar:3:21: "),
            (including, "rules/including.yar:1:1: "),
            (broken, "rules/broken.yar:1:21: "),
        ] {
            let faults = Rules::compile(&[good.clone(), wrong]).err().unwrap();
            assert!(faults.first().unwrap().starts_with(place), "{faults:?}");
        }
    }

    #[test]
    fn the_same_name_in_two_files_is_two_rules() {
        let text = "rule a { condition: true }";
        let rules = Rules::compile(&[file("one", text), file("two", text)]).unwrap();
        assert_eq!(rules.count(), 2);
    }
}
