//! How values, periods and references are said in a text.

use crate::{Choices, Clause, Language, Parameter, Regulation, Unit, Value};

/// Puts values in the place of what stands in braces in `text`: `{key}` is a parameter's value, `{every:key}` how often it comes to, and
/// `{clause:ID}` what `reference` says of a clause or section. What is not known stays as it is: a [`Regulation`] holds none such.
pub(crate) fn fill(
    text: &str,
    choices: &Choices,
    language: Language,
    reference: &dyn Fn(&str) -> Option<String>,
) -> String {
    let mut made = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        made.push_str(before);
        let Some((key, after)) = after.split_once('}') else {
            made.push('{');
            rest = after;
            continue;
        };
        let said = match key.split_once(':') {
            Some(("clause", id)) => reference(id),
            Some(("every", key)) => choices
                .parameter(key)
                .map(|(value, unit)| every(value, unit, language)),
            _ => choices
                .parameter(key)
                .map(|(found, unit)| value(found, unit, language)),
        };
        match said {
            Some(said) if made.is_empty() => made.push_str(&capitalised(&said)),
            Some(said) => made.push_str(&said),
            None => {
                made.push('{');
                made.push_str(key);
                made.push('}');
            }
        }
        rest = after;
    }
    made.push_str(rest);
    made
}

/// A value with its unit, as `3 months` or `3か月`. No time at all is none.
pub(crate) fn value(value: &Value, unit: Unit, language: Language) -> String {
    let number = match value {
        Value::Plain(text) => return text.clone(),
        Value::Text(text) => return text.of(language).to_owned(),
        Value::Number(number) => *number,
    };
    if number == 0 && unit != Unit::Characters {
        return match language {
            Language::Ja => "なし".to_owned(),
            Language::En => "none".to_owned(),
        };
    }
    let (number, (ja, en)) = simplest(number, unit);
    match language {
        Language::Ja => format!("{number}{ja}"),
        Language::En => format!("{number} {en}{}", plural(number)),
    }
}

/// How often, as `every 3 months` or `3か月に1度`.
fn every(found: &Value, unit: Unit, language: Language) -> String {
    let Value::Number(number) = found else {
        return value(found, unit, language);
    };
    let (number, (ja, en)) = simplest(*number, unit);
    match language {
        Language::Ja => format!("{number}{ja}に1度"),
        Language::En if number == 1 => format!("every {en}"),
        Language::En => format!("every {number} {en}s"),
    }
}

/// The largest unit that it comes to a whole number of, in both languages.
fn simplest(number: i64, unit: Unit) -> (i64, (&'static str, &'static str)) {
    match unit {
        Unit::Seconds if number % 86_400 == 0 => (number / 86_400, ("日", "day")),
        Unit::Seconds if number % 3600 == 0 => (number / 3600, ("時間", "hour")),
        Unit::Seconds if number % 60 == 0 => (number / 60, ("分", "minute")),
        Unit::Seconds => (number, ("秒", "second")),
        Unit::Days => (number, ("日", "day")),
        Unit::Months if number % 12 == 0 => (number / 12, ("年", "year")),
        Unit::Months => (number, ("か月", "month")),
        Unit::Years => (number, ("年", "year")),
        Unit::Characters => (number, ("文字", "character")),
        Unit::Text => (number, ("", "")),
    }
}

const fn plural(number: i64) -> &'static str {
    if number == 1 { "" } else { "s" }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first
        .into_iter()
        .flatten()
        .chain(letters)
        .collect::<String>()
}

/// A clause as people cite it: `4.1-1-a` is `4.1(1)a`.
#[must_use]
pub fn citation(id: &str) -> String {
    let parts: Vec<&str> = id.split('-').collect();
    match parts.as_slice() {
        [section, number, items @ ..]
            if section.bytes().next().is_some_and(|o| o.is_ascii_digit()) =>
        {
            format!("{section}({number}){}", items.join("-"))
        }
        _ => id.to_owned(),
    }
}

impl Choices {
    /// What `clause` demands of this site, with its values in place. Other clauses are cited as the catalogue numbers them.
    #[must_use]
    pub fn demand(&self, clause: &Clause, language: Language) -> String {
        fill(clause.demand.of(language), self, language, &|id| {
            Some(citation(id))
        })
    }

    /// A parameter's value as it is said, as `3 months`.
    #[must_use]
    pub fn said(&self, key: &str, language: Language) -> Option<String> {
        let (found, unit) = self.parameter(key)?;
        Some(value(found, unit, language))
    }
}

impl Parameter {
    /// What it is if nothing is said, as `3 months`.
    #[must_use]
    pub fn said(&self, language: Language) -> String {
        value(&self.default, self.unit, language)
    }
}

/// What stands in braces in `text`, each once it is closed; an error if one is not.
pub(crate) fn places(text: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let (key, after) = after
            .split_once('}')
            .ok_or_else(|| "a { in its demand is not closed".to_owned())?;
        found.push(key);
        rest = after;
    }
    Ok(found)
}

/// Whether a place in a demand can be filled.
pub(crate) fn is_known(regulation: &Regulation, clause: &Clause, place: &str) -> bool {
    if let Some(id) = place.strip_prefix("clause:") {
        let catalogues = regulation.catalogues().iter();
        let mut sections = catalogues
            .flat_map(|one| &one.chapters)
            .flat_map(|chapter| &chapter.sections);
        return regulation.clause(id).is_some() || sections.any(|section| section.id == id);
    }
    let key = place.strip_prefix("every:").unwrap_or(place);
    clause.parameters.iter().any(|one| one == key)
        || clause.schedule_parameter.as_deref() == Some(key)
}
