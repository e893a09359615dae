// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pipelines described in files: read, checked and run.

mod check;
mod description;
mod expand;
mod file;
mod finding;
mod instance;
mod line;
mod link;
mod member;
mod params;
mod property;
mod quote;
mod references;
mod runner;
mod source;
mod stage;
mod suggest;
mod token;

pub use check::Prepared;
pub use description::Description;
pub use file::schema;
pub use finding::{Fault, Finding, Severity};
pub use line::Line;
pub use runner::{Options, RunError, run};
pub use source::Position;
