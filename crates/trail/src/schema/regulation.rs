//! The regulation.

use super::Schema;

pub(super) const REGULATION: &[Schema] = schemas! {
    RegulationRendered {
        subject: "the file; empty if it was printed";
        outcome: Success;
        facts:
            Always "language" Text: "`ja` or `en`.";
            Always "format" Text: "`html`, `md` or `pdf`.";
            Always "edition" Number: "The edition of the site's regulation.";
            Always "catalogues" List: "What it was made of: of each catalogue its id and its version.";
            Always "bytes" Number: "Octets of the file.";
            Always "sha256" Text: "SHA-256 of the file, in hexadecimal digits.";
    }
    RegulationExported {
        subject: "the directory; empty if it was printed";
        outcome: Success;
        facts:
            Always "format" Text: "`oscal`.";
            Always "edition" Number: "The edition of the site's regulation.";
            Always "catalogues" List: "What it was made of: of each catalogue its id and its version.";
            Always "files" List: "The files, each with its name (`file`) and the SHA-256 of what it holds (`sha256`).";
    }
};
