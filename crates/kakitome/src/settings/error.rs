//! Errors that point at their line.

use std::{ops::Range, path::PathBuf};

use miette::{Diagnostic, NamedSource, SourceSpan};

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub(crate) enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    #[diagnostic(help("is this the site's directory? `kakitome init` makes a new one"))]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// One of the site's runbooks is wrong.
    #[error("{0}")]
    #[diagnostic(help("`kakitome runbook export KIND` prints one that is in order"))]
    Runbook(String),
    /// A place in the file is wrong.
    #[error("{message}")]
    At {
        message: String,
        #[source_code]
        text: NamedSource<String>,
        #[label("here")]
        span: SourceSpan,
    },
}

impl SettingsError {
    /// An error of the reader, which knows the place.
    pub(super) fn syntax(name: &str, text: &str, error: &toml::de::Error) -> Self {
        Self::at(
            name,
            text,
            error.span().unwrap_or(0..0),
            error.message().to_owned(),
        )
    }

    /// What is wrong and where, in one line.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Unreadable { .. } | Self::Runbook(_) => self.to_string(),
            Self::At {
                message,
                text,
                span,
            } => {
                let before = text.inner().get(..span.offset()).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                format!("{}, line {line}: {message}", text.name())
            }
        }
    }

    /// An error at `span`.
    pub(super) fn at(name: &str, text: &str, span: Range<usize>, message: String) -> Self {
        Self::At {
            message,
            text: NamedSource::new(name, text.to_owned()),
            span: span.into(),
        }
    }
}
