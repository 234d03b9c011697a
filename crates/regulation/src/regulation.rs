//! All catalogues of a site, checked against each other.

use std::collections::HashSet;

use crate::{
    Catalogue, CatalogueError, Clause, Decided, Kind, OptionEntry, Parameter, RoleEntry, Text,
    Unit, Value, wording,
};

/// A file of a catalogue, as it was read.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// What it says.
    pub text: &'a str,
}

/// What a site's regulation is made of: the built-in catalogue, and its own.
#[derive(Clone, Debug)]
pub struct Regulation {
    catalogues: Vec<Catalogue>,
}

/// Why catalogues do not make a regulation.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// One cannot be read.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// Something is wrong with what they say, or how they fit.
    #[error("catalogue {catalogue}: {problem}")]
    Problem {
        /// The catalogue's id.
        catalogue: String,
        /// What is wrong, and where.
        problem: String,
    },
}

/// The most catalogues, and the most clauses of one.
const MOST_CATALOGUES: usize = 32;
const MOST_CLAUSES: usize = 5_000;

/// The files of the regulation of 2006.
const BUILT_IN: &[File<'static>] = &[
    File {
        name: "2006/head.toml",
        text: include_str!("../catalogue/2006/head.toml"),
    },
    File {
        name: "2006/options.toml",
        text: include_str!("../catalogue/2006/options.toml"),
    },
    File {
        name: "2006/parameters.toml",
        text: include_str!("../catalogue/2006/parameters.toml"),
    },
    File {
        name: "2006/slips.toml",
        text: include_str!("../catalogue/2006/slips.toml"),
    },
    File {
        name: "2006/1-3.toml",
        text: include_str!("../catalogue/2006/1-3.toml"),
    },
    File {
        name: "2006/4.toml",
        text: include_str!("../catalogue/2006/4.toml"),
    },
    File {
        name: "2006/5.toml",
        text: include_str!("../catalogue/2006/5.toml"),
    },
    File {
        name: "2006/6.toml",
        text: include_str!("../catalogue/2006/6.toml"),
    },
    File {
        name: "2006/7.toml",
        text: include_str!("../catalogue/2006/7.toml"),
    },
    File {
        name: "2006/8.toml",
        text: include_str!("../catalogue/2006/8.toml"),
    },
    File {
        name: "2006/9-10.toml",
        text: include_str!("../catalogue/2006/9-10.toml"),
    },
];

impl Regulation {
    /// The built-in regulation of 2006 alone.
    ///
    /// # Errors
    /// Never, as the tests show; it is read like any other.
    pub fn built_in() -> Result<Self, LoadError> {
        Self::load(&[])
    }

    /// The built-in regulation and a site's own catalogues, one in each of `files`.
    ///
    /// # Errors
    /// When a file is no catalogue (with its name and line), two things have one id, a text is missing in a language, or what is
    /// named is not there.
    pub fn load(files: &[File<'_>]) -> Result<Self, LoadError> {
        let mut catalogues = vec![Catalogue::parse(BUILT_IN)?];
        for file in files {
            catalogues.push(Catalogue::parse(std::slice::from_ref(file))?);
        }
        Self::of(catalogues)
    }

    /// Of these catalogues, the first of which is the regulation that a site is under.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of(catalogues: Vec<Catalogue>) -> Result<Self, LoadError> {
        let made = Self { catalogues };
        made.check()?;
        Ok(made)
    }

    /// Its catalogues.
    #[must_use]
    pub fn catalogues(&self) -> &[Catalogue] {
        &self.catalogues
    }

    /// All clauses, items, definitions and assumptions, in order.
    pub fn clauses(&self) -> impl Iterator<Item = &Clause> {
        self.catalogues.iter().flat_map(Catalogue::clauses)
    }

    /// The clause or item of that id.
    #[must_use]
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        self.clauses().find(|clause| clause.id == id)
    }

    /// The items of a clause, in order; items of items are not among them.
    pub fn items<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Clause> {
        self.clauses()
            .filter(move |clause| clause.parent() == Some(id))
    }

    /// All roles.
    pub fn roles(&self) -> impl Iterator<Item = &RoleEntry> {
        self.catalogues.iter().flat_map(|one| &one.roles)
    }

    /// The role of that key.
    #[must_use]
    pub fn role(&self, key: &str) -> Option<&RoleEntry> {
        self.roles().find(|role| role.key == key)
    }

    /// All options.
    pub fn options(&self) -> impl Iterator<Item = &OptionEntry> {
        self.catalogues.iter().flat_map(|one| &one.options)
    }

    /// The option of that key.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&OptionEntry> {
        self.options().find(|option| option.key == key)
    }

    /// All parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.catalogues.iter().flat_map(|one| &one.parameters)
    }

    /// The parameter of that key.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&Parameter> {
        self.parameters().find(|parameter| parameter.key == key)
    }

    /// The names of all checks and workflows that clauses rest on, each once, in order of their first clause.
    #[must_use]
    pub fn machinery(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let ways = self.clauses().flat_map(|clause| &clause.ways);
        ways.map(|way| way.by.as_str())
            .filter(|name| seen.insert(*name))
            .collect()
    }

    fn check(&self) -> Result<(), LoadError> {
        let mut ids = Ids::default();
        for (at, catalogue) in self.catalogues.iter().enumerate() {
            let checked = if at >= MOST_CATALOGUES {
                Err(format!("there are more than {MOST_CATALOGUES} catalogues"))
            } else {
                self.check_one(catalogue, at > 0, &mut ids)
            };
            checked.map_err(|problem| LoadError::Problem {
                catalogue: catalogue.id.clone(),
                problem,
            })?;
        }
        Ok(())
    }

    fn check_one<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        of_site: bool,
        ids: &mut Ids<'a>,
    ) -> Result<(), String> {
        named(&catalogue.id, "the catalogue's id")?;
        if of_site && !catalogue.id.starts_with("site-") {
            return Err("the id of a site's own catalogue begins with site-".to_owned());
        }
        ids.once("catalogue", &catalogue.id)?;
        if catalogue.version.is_empty() || catalogue.version.len() > 40 {
            return Err("version must have 1 to 40 characters".to_owned());
        }
        both(&catalogue.title, "the catalogue's title")?;
        both(&catalogue.source.title, "the source's title")?;
        both(&catalogue.source.publisher, "the source's publisher")?;
        if catalogue.clauses().count() > MOST_CLAUSES {
            return Err(format!("it has more than {MOST_CLAUSES} clauses"));
        }
        self.check_entries(catalogue, ids)?;
        for chapter in &catalogue.chapters {
            both(
                &chapter.title,
                &format!("the title of chapter {}", chapter.number),
            )?;
            if let Some(role) = &chapter.audience {
                self.role_is_known(role, &format!("chapter {}", chapter.number))?;
            }
            for section in &chapter.sections {
                ids.once("section", &section.id)?;
                both(
                    &section.title,
                    &format!("the title of section {}", section.id),
                )?;
                for clause in &section.clauses {
                    ids.once("clause", &clause.id)?;
                    if of_site && !clause.id.starts_with("site-") {
                        return Err(format!(
                            "clause {}: the id of a site's own clause begins with site-",
                            clause.id
                        ));
                    }
                    self.check_clause(clause)
                        .map_err(|problem| format!("clause {}: {problem}", clause.id))?;
                }
            }
        }
        Ok(())
    }

    fn check_entries<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        ids: &mut Ids<'a>,
    ) -> Result<(), String> {
        for role in &catalogue.roles {
            ids.once("role", &role.key)?;
            both(&role.title, &format!("the title of role {}", role.key))?;
            both(&role.duty, &format!("the duty of role {}", role.key))?;
        }
        for option in &catalogue.options {
            named(&option.key, "an option's key")?;
            ids.once("option", &option.key)?;
            both(
                &option.condition,
                &format!("the condition of option {}", option.key),
            )?;
            both(
                &option.reason,
                &format!("the reason of option {}", option.key),
            )?;
            decided(
                "option",
                &option.key,
                option.decided,
                option.setting.as_ref(),
            )?;
        }
        for parameter in &catalogue.parameters {
            named(&parameter.key, "a parameter's key")?;
            ids.once("parameter", &parameter.key)?;
            both(
                &parameter.title,
                &format!("the title of parameter {}", parameter.key),
            )?;
            decided(
                "parameter",
                &parameter.key,
                parameter.decided,
                parameter.setting.as_ref(),
            )?;
            within(parameter)?;
        }
        for slip in &catalogue.slips {
            ids.once("slip", &slip.id)?;
            both(&slip.what, &format!("slip {}", slip.id))?;
            both(&slip.reading, &format!("the reading of slip {}", slip.id))?;
            let mut sections = catalogue.chapters.iter().flat_map(|one| &one.sections);
            let known = self.clause(&slip.place).is_some()
                || sections.any(|section| section.id == slip.place);
            if !known {
                return Err(format!(
                    "slip {} is at {}, which is not there",
                    slip.id, slip.place
                ));
            }
        }
        Ok(())
    }

    fn check_clause(&self, clause: &Clause) -> Result<(), String> {
        named(&clause.id.replace('.', "-"), "its id")?;
        both(&clause.title, "title")?;
        both(&clause.demand, "demand")?;
        if let Some(parent) = clause.parent()
            && self.clause(parent).is_none()
        {
            return Err(format!("it is an item of {parent}, which is not there"));
        }
        for role in &clause.owed_by {
            self.role_is_known(role, "owed_by")?;
        }
        for way in &clause.ways {
            named(&way.by, "by")?;
            both(&way.text, &format!("the text of {}", way.by))?;
        }
        let has_items = self.items(&clause.id).next().is_some();
        if clause.kind == Kind::Duty {
            if clause.ways.is_empty() && !has_items {
                return Err("it demands something, and no way says how it is met".to_owned());
            }
            if clause.owed_by.is_empty() {
                return Err("owed_by names nobody".to_owned());
            }
        }
        if let Some(option) = &clause.option
            && self.option(option).is_none()
        {
            return Err(format!("there is no option {option:?}"));
        }
        for key in clause.parameters.iter().chain(&clause.schedule_parameter) {
            if self.parameter(key).is_none() {
                return Err(format!("there is no parameter {key:?}"));
            }
        }
        if let Some(key) = &clause.schedule_parameter
            && self
                .parameter(key)
                .is_none_or(|one| one.unit.period().is_none())
        {
            return Err(format!("schedule_parameter {key:?} is no period"));
        }
        for id in &clause.preconditions {
            if self.clause(id).is_none() {
                return Err(format!("there is no precondition {id:?}"));
            }
        }
        self.check_places(clause)
    }

    /// Everything in braces in the demand can be filled.
    fn check_places(&self, clause: &Clause) -> Result<(), String> {
        for text in [&clause.demand.ja, &clause.demand.en] {
            for place in wording::places(text)? {
                if !wording::is_known(self, clause, place) {
                    return Err(format!(
                        "its demand has {{{place}}}, which is no parameter of it and no clause"
                    ));
                }
            }
        }
        Ok(())
    }

    fn role_is_known(&self, key: &str, place: &str) -> Result<(), String> {
        match self.role(key) {
            Some(_) => Ok(()),
            None => Err(format!(
                "{place} names the role {key:?}, which is not there"
            )),
        }
    }
}

/// What there may be once only.
#[derive(Default)]
struct Ids<'a>(HashSet<(&'static str, &'a str)>);

impl<'a> Ids<'a> {
    fn once(&mut self, what: &'static str, id: &'a str) -> Result<(), String> {
        if self.0.insert((what, id)) {
            return Ok(());
        }
        Err(format!("{what} {id} is there twice"))
    }
}

/// Names are small letters, digits and hyphens.
fn named(text: &str, what: &str) -> Result<(), String> {
    let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    if !text.is_empty() && text.len() <= 80 && text.bytes().all(plain) {
        return Ok(());
    }
    Err(format!(
        "{what} is {text:?}: 1 to 80 small letters, digits and hyphens"
    ))
}

fn both(text: &Text, what: &str) -> Result<(), String> {
    for (language, said) in [("Japanese", &text.ja), ("English", &text.en)] {
        if said.trim().is_empty() {
            return Err(format!("{what} is empty in {language}"));
        }
    }
    Ok(())
}

fn decided(
    what: &str,
    key: &str,
    decided: Decided,
    setting: Option<&String>,
) -> Result<(), String> {
    match (decided, setting) {
        (Decided::Design, Some(_)) => Err(format!(
            "{what} {key} is decided by design, so no setting decides it"
        )),
        (Decided::Settings | Decided::Choice, None) => Err(format!(
            "{what} {key} must name the setting that decides it"
        )),
        (Decided::Choice, Some(setting)) if setting != &format!("regulation.{what}s.{key}") => {
            Err(format!(
                "{what} {key} is the site's choice, so its setting is regulation.{what}s.{key}"
            ))
        }
        _ => Ok(()),
    }
}

fn within(parameter: &Parameter) -> Result<(), String> {
    let key = &parameter.key;
    match (&parameter.default, parameter.unit) {
        (Value::Number(_), Unit::Text) => Err(format!("the default of {key} is no text")),
        (Value::Plain(text), Unit::Text) => both(
            &Text::new(text.as_str(), text.as_str()),
            &format!("the default of {key}"),
        ),
        (Value::Text(text), Unit::Text) => both(text, &format!("the default of {key}")),
        (Value::Plain(_) | Value::Text(_), _) => Err(format!("the default of {key} is no number")),
        (Value::Number(number), _) => {
            let (least, most) = (parameter.least, parameter.most);
            let over = most.is_some_and(|most| *number > most);
            if over || least.is_some_and(|least| *number < least) {
                return Err(format!("the default of {key} is out of its own bounds"));
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_built_in_catalogue_is_in_order() {
        match Regulation::built_in() {
            Ok(regulation) => assert!(regulation.clauses().count() > 100),
            Err(error) => panic!("{error}"),
        }
    }
}
