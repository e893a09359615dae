// SPDX-License-Identifier: MIT OR Apache-2.0
//! A description with its parameters filled in, and everything that can be known to be wrong with it before it runs.

use super::description::{Description, Template};
use super::expand::{Part, What, expand};
use super::finding::{Fault, Finding};
use super::params::{Value, Values, values};
use super::property;
use super::quote::for_shell;
use super::source::Launch;
use super::suggest::{did_you_mean, missing_element};
use super::{link, references};
use std::collections::{BTreeMap, BTreeSet};

/// A description whose parameters have values: ready to be checked and run.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) description: Description,
    pub(super) values: Values,
    pub(super) parts: Vec<Part>,
}

impl Prepared {
    /// Gives the parameters their values: from `given`, else from `environment`, else their defaults.
    ///
    /// # Errors
    /// Parameters that are unknown, missing or do not fit, and launch text that cannot be filled in: all of them.
    pub fn new(
        description: Description,
        given: &BTreeMap<String, String>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Prepared, Vec<Finding>> {
        let (text, params) = (&description.text, &description.params);
        let (values, mut findings) = values(text, params, given, environment);
        // What cannot be filled in for want of a value was told already.
        if !findings.is_empty() {
            return Err(findings);
        }
        let parts = expand(text, &description.launch, &values);
        for template in &description.templates {
            let values = sample(template, &values);
            if let Err(found) = expand(text, &template.launch, &values) {
                findings.extend(found);
            }
        }
        match parts {
            Ok(parts) if findings.is_empty() => Ok(Prepared {
                description,
                values,
                parts,
            }),
            Ok(_) => Err(findings),
            Err(found) => Err(found.into_iter().chain(findings).collect()),
        }
    }

    /// What was read.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Everything that is wrong with it, as far as can be known without running it. GStreamer must be initialised.
    pub fn check(&self) -> Vec<Finding> {
        let text = &self.description.text;
        let mut findings = Vec::new();
        let mut seen = BTreeSet::new();
        for (element, offset) in &self.description.requires {
            if seen.insert(element.clone()) {
                findings.extend(missing(text, element, *offset));
            }
        }
        let names = references::names(&self.parts);
        check_parts(text, &self.parts, &names, &mut seen, &mut findings);
        let templates: Vec<_> = self.description.templates.iter().collect();
        let expanded: Vec<_> = templates
            .iter()
            .filter_map(|template| Some((template, self.sampled(template)?)))
            .collect();
        let mut of = names.clone();
        for (_, parts) in &expanded {
            of.extend(references::names(parts));
        }
        for (template, parts) in &expanded {
            let mut all = names.clone();
            all.extend(references::names(parts));
            check_parts(text, parts, &all, &mut seen, &mut findings);
            findings.extend(check_of(text, template, &of));
        }
        // GStreamer's own word, where ours found nothing: it stops at the first fault.
        if !findings.iter().any(Finding::is_error) {
            if !self.parts.is_empty() || templates.is_empty() {
                findings.extend(link::parse(text, &self.parts));
            }
            for (_, parts) in &expanded {
                let alone = references::without_outer(parts);
                findings.extend(link::parse(text, &alone));
            }
        }
        findings.sort_by_key(|finding| finding.position);
        findings
    }

    /// The `gst-launch-1.0` command that does the same, without what launch syntax cannot say. Secrets are `***`.
    pub fn launch_line(&self) -> String {
        // gst-launch-1.0 escapes blanks in its arguments by itself.
        let word = |part: &Part| for_shell(&part.shown.replace("\\ ", " "));
        let words: Vec<String> = self.parts.iter().map(word).collect();
        format!("gst-launch-1.0 -e {}", words.join(" "))
    }

    /// What `gst-launch-1.0` could not do.
    pub fn has_more_than_launch(&self) -> bool {
        let webrtcbin = |part: &Part| part.what == What::Element("webrtcbin".to_owned());
        !self.description.templates.is_empty() || self.parts.iter().any(webrtcbin)
    }

    /// A template with values it could have.
    pub(super) fn sampled(&self, template: &Template) -> Option<Vec<Part>> {
        let values = sample(template, &self.values);
        expand(&self.description.text, &template.launch, &values).ok()
    }

    /// The launch text as GStreamer reads it, secrets included.
    pub(super) fn launch(&self) -> String {
        join(&self.parts)
    }
}

/// The launch text of parts.
pub(super) fn join(parts: &[Part]) -> String {
    let words: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    words.join(" ")
}

/// Values a template could have, to look at it before anybody has come.
fn sample(template: &Template, values: &Values) -> Values {
    let mut values = values.clone();
    for name in template.each.variables() {
        let value = match *name {
            "depay" | "video-depay" => Value::Launch(Launch::whole("rtpvp8depay")),
            "audio-depay" => Value::Launch(Launch::whole("rtpopusdepay")),
            name => Value::Foreign(name.to_owned()),
        };
        values.insert((*name).to_owned(), value);
    }
    values
}

fn missing(text: &str, element: &str, offset: usize) -> Option<Finding> {
    if gst::ElementFactory::find(element).is_some() {
        return None;
    }
    let (help, package) = missing_element(element);
    let message = format!("there is no element \"{element}\"");
    let finding = Finding::at(text, offset, Fault::MissingElement, message).help(help);
    Some(Finding { package, ..finding })
}

fn check_parts(
    text: &str,
    parts: &[Part],
    names: &BTreeSet<String>,
    seen: &mut BTreeSet<String>,
    findings: &mut Vec<Finding>,
) {
    let mut element: Option<gst::Element> = None;
    for part in parts {
        match &part.what {
            What::Element(factory) => {
                element = gst::ElementFactory::make(factory).build().ok();
                if seen.insert(factory.clone()) {
                    findings.extend(missing(text, factory, part.offset));
                }
            }
            What::Assign(name, value) => {
                let complaint = element
                    .as_ref()
                    .and_then(|element| property::complaint(element, name, value));
                findings.extend(complaint.map(|complaint| complaint.at(text, part.offset)));
            }
            What::Reference(name, _) => {
                element = None;
                findings.extend(unknown_reference(text, name, part.offset, names));
            }
            _ => element = None,
        }
    }
}

fn unknown_reference(
    text: &str,
    name: &str,
    offset: usize,
    names: &BTreeSet<String>,
) -> Option<Finding> {
    // GStreamer numbers the elements it names itself: queue0.
    let numbered = name.trim_end_matches(|c: char| c.is_ascii_digit()) != name;
    if name.is_empty() || names.contains(name) || numbered {
        return None;
    }
    let help = did_you_mean(name, names.iter().map(String::as_str))
        .unwrap_or_else(|| format!("give an element name={name}"));
    let message = format!("no element is named \"{name}\"");
    Some(Finding::at(text, offset, Fault::UnknownReference, message).help(help))
}

/// The element that a template listens to must be there.
fn check_of(text: &str, template: &Template, names: &BTreeSet<String>) -> Option<Finding> {
    let of = template.of.as_ref()?;
    unknown_reference(text, of, template.offset, names)
}
