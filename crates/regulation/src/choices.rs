//! A site's parameters and options, within what the regulation permits.

use std::collections::BTreeMap;

use crate::{Clause, Decided, Period, PeriodUnit, Regulation, Schedule, Unit, Value};

/// What a site has chosen, whole: every parameter and every option of its regulation with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices {
    parameters: BTreeMap<String, (Value, Unit)>,
    options: BTreeMap<String, bool>,
}

/// Why something cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No catalogue has it.
    #[error("there is no {what} {key:?} in the regulation")]
    Unknown {
        /// `parameter` or `option`.
        what: &'static str,
        /// The key.
        key: String,
    },
    /// It is not the site's to say.
    #[error("the {what} {key:?} cannot be chosen: it is decided by {by}")]
    NotChosen {
        /// `parameter` or `option`.
        what: &'static str,
        /// The key.
        key: String,
        /// The setting that decides it, or `the program`.
        by: String,
    },
    /// A number where a text is wanted, or the other way.
    #[error("the parameter {key:?} is {wanted}")]
    Type {
        /// The key.
        key: String,
        /// `a number` or `a text`.
        wanted: &'static str,
    },
    /// Outside of what the regulation permits.
    #[error("the parameter {key:?} is {value}, and may be from {least} to {most}")]
    Bounds {
        /// The key.
        key: String,
        /// What was chosen.
        value: i64,
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
}

impl Choices {
    /// What `regulation` proposes.
    #[must_use]
    pub fn proposed(regulation: &Regulation) -> Self {
        let parameters = regulation.parameters();
        let options = regulation.options();
        Self {
            parameters: parameters
                .map(|entry| (entry.key.clone(), (entry.default.clone(), entry.unit)))
                .collect(),
            options: options
                .map(|entry| (entry.key.clone(), entry.default))
                .collect(),
        }
    }

    /// Sets a parameter that the site says in `[regulation.parameters]`.
    ///
    /// # Errors
    /// When there is none, it is not the site's to say, or the value is of another type or out of bounds.
    pub fn choose_parameter(
        &mut self,
        regulation: &Regulation,
        key: &str,
        value: Value,
    ) -> Result<(), ChoiceError> {
        let entry = regulation.parameter(key);
        let entry = entry.ok_or_else(|| unknown("parameter", key))?;
        may_choose("parameter", key, entry.decided, entry.setting.as_deref())?;
        self.set_parameter(regulation, key, value)
    }

    /// Sets a parameter to what the settings that decide it say.
    ///
    /// # Errors
    /// When there is none, or the value is of another type or out of bounds.
    pub fn set_parameter(
        &mut self,
        regulation: &Regulation,
        key: &str,
        value: Value,
    ) -> Result<(), ChoiceError> {
        let entry = regulation.parameter(key);
        let entry = entry.ok_or_else(|| unknown("parameter", key))?;
        let wrong = |wanted| ChoiceError::Type {
            key: key.to_owned(),
            wanted,
        };
        match &value {
            Value::Number(_) if entry.unit == Unit::Text => return Err(wrong("a text")),
            Value::Plain(_) | Value::Text(_) if entry.unit != Unit::Text => {
                return Err(wrong("a number"));
            }
            Value::Plain(_) | Value::Text(_) => {}
            Value::Number(number) => {
                let (least, most) = (entry.least.unwrap_or(0), entry.most.unwrap_or(i64::MAX));
                if !(least..=most).contains(number) {
                    return Err(ChoiceError::Bounds {
                        key: key.to_owned(),
                        value: *number,
                        least,
                        most,
                    });
                }
            }
        }
        self.parameters.insert(key.to_owned(), (value, entry.unit));
        Ok(())
    }

    /// Sets an option that the site says in `[regulation.options]`.
    ///
    /// # Errors
    /// When there is none, or it is not the site's to say.
    pub fn choose_option(
        &mut self,
        regulation: &Regulation,
        key: &str,
        on: bool,
    ) -> Result<(), ChoiceError> {
        let entry = regulation.option(key);
        let entry = entry.ok_or_else(|| unknown("option", key))?;
        may_choose("option", key, entry.decided, entry.setting.as_deref())?;
        self.set_option(regulation, key, on)
    }

    /// Sets an option to what follows from the settings.
    ///
    /// # Errors
    /// When there is none.
    pub fn set_option(
        &mut self,
        regulation: &Regulation,
        key: &str,
        on: bool,
    ) -> Result<(), ChoiceError> {
        if regulation.option(key).is_none() {
            return Err(unknown("option", key));
        }
        self.options.insert(key.to_owned(), on);
        Ok(())
    }

    /// A parameter's value and unit.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<(&Value, Unit)> {
        let (value, unit) = self.parameters.get(key)?;
        Some((value, *unit))
    }

    /// A parameter that is a number.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<i64> {
        match self.parameter(key)? {
            (Value::Number(number), _) => Some(*number),
            _ => None,
        }
    }

    /// Whether an option is on; what is not there is off.
    #[must_use]
    pub fn is_on(&self, key: &str) -> bool {
        self.options.get(key).copied().unwrap_or(false)
    }

    /// Whether `clause` is demanded of this site: it hangs on no option, or on one that is on, and so does what it is an item of.
    #[must_use]
    pub fn demands(&self, regulation: &Regulation, clause: &Clause) -> bool {
        let parent = clause.parent().and_then(|id| regulation.clause(id));
        clause.option.as_deref().is_none_or(|key| self.is_on(key))
            && parent.is_none_or(|parent| self.demands(regulation, parent))
    }

    /// How often `clause` is due at this site.
    #[must_use]
    pub fn schedule(&self, clause: &Clause) -> Schedule {
        let parameter = clause.schedule_parameter.as_deref();
        let chosen = parameter.and_then(|key| self.period(key));
        chosen.map_or(clause.schedule, Schedule::Every)
    }

    /// A parameter that is a period.
    #[must_use]
    pub fn period(&self, key: &str) -> Option<Period> {
        let (value, unit) = self.parameter(key)?;
        let Value::Number(number) = value else {
            return None;
        };
        let count = u32::try_from(*number).ok().filter(|count| *count > 0)?;
        // Twelve months are a year, as a clause that says `yearly` has it.
        let (count, unit) = match unit.period()? {
            PeriodUnit::Month if count % 12 == 0 => (count / 12, PeriodUnit::Year),
            unit => (count, unit),
        };
        Some(Period { count, unit })
    }
}

fn unknown(what: &'static str, key: &str) -> ChoiceError {
    ChoiceError::Unknown {
        what,
        key: key.to_owned(),
    }
}

fn may_choose(
    what: &'static str,
    key: &str,
    decided: Decided,
    setting: Option<&str>,
) -> Result<(), ChoiceError> {
    if decided == Decided::Choice {
        return Ok(());
    }
    Err(ChoiceError::NotChosen {
        what,
        key: key.to_owned(),
        by: setting.unwrap_or("the program").to_owned(),
    })
}
