// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of elements, and words that lead from a template to the pipeline around it.

use super::expand::{Part, What};
use std::collections::BTreeSet;

/// The names that the parts give to elements.
pub(super) fn names(parts: &[Part]) -> BTreeSet<String> {
    let name = |part: &Part| match &part.what {
        What::Assign(property, value) if property == "name" => Some(value.clone()),
        _ => None,
    };
    parts.iter().filter_map(name).collect()
}

/// A place where a template reaches out to an element of the pipeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Outer {
    /// The element of the pipeline.
    pub(super) element: String,
    /// Its pad; empty: any that fits.
    pub(super) pad: String,
    /// The element that stands for it inside of the template.
    pub(super) stand_in: String,
    /// Whether data comes in by it, or goes out.
    pub(super) incoming: bool,
    /// What stands behind it: properties of the pad, which launch syntax itself does not have.
    pub(super) properties: Vec<(String, String)>,
}

/// The parts with stand-ins in the places where they reach out, and these places.
pub(super) fn cut_outer(parts: &[Part]) -> (Vec<Part>, Vec<Outer>) {
    let own = names(parts);
    let is_outer = |name: &String| !name.is_empty() && !own.contains(name);
    let mut outers: Vec<Outer> = Vec::new();
    let mut out = Vec::new();
    let mut behind_outer = false;
    let mut linked = false;
    for part in parts {
        match &part.what {
            What::Assign(name, value) if behind_outer => {
                let outer = outers.last_mut().expect("one was just met");
                outer.properties.push((name.clone(), value.clone()));
                continue;
            }
            What::Reference(element, pad) if is_outer(element) => {
                behind_outer = true;
                let stand_in = format!("outer-{}", outers.len());
                out.extend(identity(&stand_in, part.offset));
                outers.push(Outer {
                    element: element.clone(),
                    pad: pad.clone(),
                    stand_in,
                    incoming: !linked,
                    properties: Vec::new(),
                });
            }
            _ => {
                behind_outer = false;
                out.push(part.clone());
            }
        }
        linked = part.what == What::Link;
    }
    (out, outers)
}

fn identity(name: &str, offset: usize) -> [Part; 2] {
    let assign = What::Assign("name".to_owned(), name.to_owned());
    [
        word("identity", What::Element("identity".to_owned()), offset),
        word(&format!("name={name}"), assign, offset),
    ]
}

/// The parts with stand-ins only.
pub(super) fn without_outer(parts: &[Part]) -> Vec<Part> {
    cut_outer(parts).0
}

fn word(text: &str, what: What, offset: usize) -> Part {
    Part {
        what,
        text: text.to_owned(),
        shown: text.to_owned(),
        offset,
    }
}

/// Whether a pad can have been made from a template of that name: `sink_3` from `sink_%u`.
pub(super) fn is_of_template(pad: &str, template: &str) -> bool {
    match template.split_once('%') {
        Some((prefix, _)) => pad.len() > prefix.len() && pad.starts_with(prefix),
        None => pad == template,
    }
}
