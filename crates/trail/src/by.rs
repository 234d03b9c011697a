//! Who does something, and by what right: for the events of it.

use crate::{Actor, Event, Kind};

/// An actor with the role that it acts by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// The role by which a person may do it; `None`: any person may, or it is no person.
    pub role: Option<&'static str>,
    /// Whether one person does what the regulation gives to two.
    pub single_person: bool,
}

impl By {
    /// An event of what is done.
    #[must_use]
    pub fn event(&self, kind: Kind) -> Event {
        let mut event = Event::new(kind, self.actor.clone());
        if let Some(role) = self.role {
            event = event.detail("acting_role", role);
        }
        event
    }

    /// The same of what the regulation gives to two people: it says where one person did both.
    #[must_use]
    pub fn event_of_two(&self, kind: Kind) -> Event {
        match self.single_person {
            true => self.event(kind).detail("single_person", true),
            false => self.event(kind),
        }
    }

    /// Who does it, as people are named.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.actor {
            Actor::Person(name) => name.clone(),
            other => other.to_text(),
        }
    }
}

impl From<Actor> for By {
    fn from(actor: Actor) -> Self {
        Self {
            actor,
            role: None,
            single_person: false,
        }
    }
}

impl From<&str> for By {
    /// A person of that short name.
    fn from(name: &str) -> Self {
        Actor::Person(name.to_owned()).into()
    }
}
