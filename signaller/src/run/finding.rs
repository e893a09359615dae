// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with a description, for people and for tools.

use super::source::{Position, position};
use serde::Serialize;
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not run.
    Error,
    /// It runs, perhaps not as meant.
    Warning,
}

/// What kind of fault it is: stable words for tools.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fault {
    /// The file is no TOML, or has a key nobody knows.
    Format,
    /// The launch text is none.
    Syntax,
    /// A variable that is no parameter, or stands where it cannot.
    Parameter,
    /// The value of a parameter: missing, unfit, or for a parameter that is not there. The invocation is at fault.
    Argument,
    /// GStreamer has no such element.
    MissingElement,
    /// The element has no such property.
    UnknownProperty,
    /// The property does not take this value.
    BadValue,
    /// A name that no element of the description has.
    UnknownReference,
    /// Two elements cannot be linked.
    Link,
    /// GStreamer refuses for another reason.
    Refused,
}

/// One fault and where it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub fault: Fault,
    /// Where it is; none when it is not in the file, but for example on the command line.
    #[serde(flatten)]
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The Debian package that would help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

impl Finding {
    /// An error at a byte of the file.
    pub(super) fn at(text: &str, offset: usize, fault: Fault, message: impl Into<String>) -> Self {
        Finding {
            position: Some(position(text, offset)),
            ..Finding::nowhere(fault, message)
        }
    }

    /// An error that is not in the file.
    pub(super) fn nowhere(fault: Fault, message: impl Into<String>) -> Self {
        Finding {
            severity: Severity::Error,
            fault,
            position: None,
            message: message.into(),
            help: None,
            package: None,
        }
    }

    /// The same with advice.
    pub(super) fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    /// The same as a warning.
    pub(super) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// Whether it keeps the description from running.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// As compilers print it: `file:line:column: error: …`, with the advice on a line of its own.
    pub fn shown<'f>(&'f self, file: &'f str) -> impl fmt::Display + 'f {
        Shown {
            finding: self,
            file,
        }
    }
}

struct Shown<'f> {
    finding: &'f Finding,
    file: &'f str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            severity, message, ..
        } = self.finding;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        f.write_str(self.file)?;
        if let Some(position) = self.finding.position {
            write!(f, ":{position}")?;
        }
        write!(f, ": {severity}: {message}")?;
        if let Some(help) = &self.finding.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}
