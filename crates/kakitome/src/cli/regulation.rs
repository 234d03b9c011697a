//! `regulation`: the words.

use std::path::PathBuf;

use clap::Subcommand;

/// `regulation`
#[derive(Debug, Subcommand)]
pub(crate) enum RegulationCommand {
    /// Show the catalogues, and each parameter and option with its value and the setting that decides it
    Show,
    /// Write the site's own regulation as a document: what is adopted, who holds which role, how each clause is met
    Render {
        /// The language: ja or en
        #[arg(long, default_value = "ja", value_parser = ["ja", "en"])]
        lang: String,
        /// html (one page that needs nothing else), md (Markdown) or pdf
        #[arg(long, default_value = "html", value_parser = ["html", "md", "pdf"])]
        format: String,
        /// The file to make, on the server's machine [default: the document is printed; pdf needs a file]
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Write the regulation, and how each clause stands, for auditors' programs
    Export {
        /// oscal: NIST's Open Security Controls Assessment Language, as JSON
        #[arg(long, default_value = "oscal", value_parser = ["oscal"])]
        format: String,
        /// The directory to make, on the server's machine [default: the documents are printed, one JSON object a line]
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}
