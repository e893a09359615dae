// SPDX-License-Identifier: MIT OR Apache-2.0
//! What GStreamer's parser says, put into its place; and why a link failed.

use super::expand::{Part, What};
use super::finding::{Fault, Finding};
use super::references::is_of_template;
use super::suggest::missing_element;
use gst::prelude::*;

/// The longest caps to show whole.
const CAPS_SHOWN: usize = 240;
/// Kinds of elements that can be put between two others.
const BETWEEN: [&str; 6] = [
    "Converter",
    "Payloader",
    "Depayloader",
    "Parser",
    "Encoder",
    "Decoder",
];

/// One end of a link.
#[derive(Clone, Debug)]
struct End {
    factory: Option<String>,
    name: String,
    pad: Option<String>,
    offset: usize,
    /// Properties that may change what the pads carry.
    properties: Vec<(String, String)>,
}

/// Two elements that are to be linked.
#[derive(Clone, Debug)]
struct Pair {
    from: End,
    to: End,
    caps: Option<gst::Caps>,
}

/// Lets GStreamer parse it, and tells what it does not like. The pipeline is dropped.
pub(super) fn parse(text: &str, parts: &[Part]) -> Option<Finding> {
    let (launch, ends) = named(parts);
    if launch.is_empty() {
        return Some(Finding::nowhere(Fault::Syntax, "there is no element in it"));
    }
    let mut context = gst::ParseContext::new();
    let flags = gst::ParseFlags::FATAL_ERRORS;
    if let Some(offset) = loose_link(parts) {
        let message = "this link has an open end";
        let help = "write ELEMENT ! ELEMENT".to_owned();
        return Some(Finding::at(text, offset, Fault::Syntax, message).help(help));
    }
    let error = match gst::parse::launch_full(&launch, Some(&mut context), flags) {
        Ok(_) => return None,
        Err(error) => error,
    };
    let says = error.message();
    let mentioned = |end: &End| mentions(says, &end.name);
    if let Some(pair) = pairs(parts, &ends)
        .iter()
        .find(|pair| mentioned(&pair.from) && mentioned(&pair.to))
    {
        return Some(explain(text, pair));
    }
    let offset = ends.iter().find(|end| mentioned(end)).map(|end| end.offset);
    let mut message = says.to_owned();
    for end in &ends {
        message = message.replace(&end.name, end.factory.as_deref().unwrap_or(&end.name));
    }
    let missing = context
        .missing_elements()
        .first()
        .map(|name| name.to_string());
    let help = missing.map(|name| missing_element(&name).0);
    Some(
        match offset {
            Some(offset) => Finding::at(text, offset, Fault::Refused, message),
            None => Finding::nowhere(Fault::Refused, message),
        }
        .help(help),
    )
}

/// Where a link has nothing before or behind it.
fn loose_link(parts: &[Part]) -> Option<usize> {
    let mut open: Option<usize> = None;
    let mut anything = false;
    for part in parts {
        match part.what {
            What::Link if open.is_some() || !anything => return Some(part.offset),
            What::Link => open = Some(part.offset),
            _ => (open, anything) = (None, true),
        }
    }
    open
}

/// Whether a name stands in a text as a word of its own.
fn mentions(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || "_-%".contains(c)))
        .any(|word| word == name)
}

/// The launch text with a name for every element, so that the parser's words can be traced back.
fn named(parts: &[Part]) -> (String, Vec<End>) {
    let mut ends = Vec::new();
    let mut launch = String::new();
    for (index, part) in parts.iter().enumerate() {
        launch.push_str(&part.text);
        launch.push(' ');
        let What::Element(factory) = &part.what else {
            continue;
        };
        let properties: Vec<(String, String)> = parts[index + 1..]
            .iter()
            .map_while(|part| match &part.what {
                What::Assign(name, value) => Some((name.clone(), value.clone())),
                _ => None,
            })
            .collect();
        let own = properties.iter().find(|(name, _)| name == "name");
        let name = own.map_or_else(|| format!("element-{index}-"), |(_, name)| name.clone());
        if own.is_none() {
            launch.push_str(&format!("name={name} "));
        }
        ends.push(End {
            factory: Some(factory.clone()),
            name,
            pad: None,
            offset: part.offset,
            properties,
        });
    }
    (launch, ends)
}

fn pairs(parts: &[Part], ends: &[End]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut last: Option<End> = None;
    let mut linked = false;
    let mut caps = None;
    for part in parts {
        let end = match &part.what {
            What::Link => {
                linked = true;
                continue;
            }
            What::Caps => {
                caps = part.text.parse().ok();
                continue;
            }
            What::Assign(..) => continue,
            What::Element(_) => ends.iter().find(|end| end.offset == part.offset).cloned(),
            What::Reference(name, pad) => reference(ends, last.as_ref(), name, pad, part.offset),
            _ => None,
        };
        if let (true, Some(from), Some(to)) = (linked, last.take(), end.clone()) {
            let caps = caps.take();
            pairs.push(Pair { from, to, caps });
        }
        (last, linked) = (end, false);
    }
    pairs
}

fn reference(
    ends: &[End],
    last: Option<&End>,
    name: &str,
    pad: &str,
    offset: usize,
) -> Option<End> {
    let element = match name {
        "" => last.cloned(),
        name => ends.iter().find(|end| end.name == name).cloned(),
    };
    Some(End {
        pad: Some(pad.to_owned()).filter(|pad| !pad.is_empty()),
        offset,
        ..element?
    })
}

fn explain(text: &str, pair: &Pair) -> Finding {
    let (from, to) = (pair.from.shown(), pair.to.shown());
    let finding = |message: String| Finding::at(text, pair.to.offset, Fault::Link, message);
    let (Some(gives), Some(takes)) = (
        pair.from.caps(gst::PadDirection::Src),
        pair.to.caps(gst::PadDirection::Sink),
    ) else {
        return finding(format!("{from} cannot be linked to {to}"));
    };
    for (end, caps, direction) in [(&pair.from, &gives, "gives"), (&pair.to, &takes, "takes")] {
        if caps.is_empty() {
            let message = format!("{} {direction} nothing", end.shown());
            return finding(format!("{from} cannot be linked to {to}: {message}")).help(end.pads());
        }
    }
    let filtered = match &pair.caps {
        Some(filter) => gives.intersect(filter),
        None => gives.clone(),
    };
    if let (true, Some(filter)) = (filtered.is_empty(), &pair.caps) {
        let message = format!(
            "{from} cannot give {}: it gives {}",
            shortened(filter),
            shortened(&gives)
        );
        return finding(message).help(between(&gives, filter));
    }
    let message = format!(
        "{from} cannot be linked to {to}: it gives {}, which takes {}",
        shortened(&filtered),
        shortened(&takes)
    );
    finding(message).help(between(&filtered, &takes))
}

impl End {
    fn shown(&self) -> String {
        let factory = self.factory.as_deref().unwrap_or(&self.name);
        match &self.pad {
            Some(pad) => format!("{factory}.{pad}"),
            None => factory.to_owned(),
        }
    }

    /// What its pads of a direction may carry; nothing where it has no such pad.
    fn caps(&self, direction: gst::PadDirection) -> Option<gst::Caps> {
        let element = gst::ElementFactory::make(self.factory.as_ref()?)
            .build()
            .ok()?;
        for (name, value) in &self.properties {
            if element.find_property(name).is_some() && name != "name" {
                element.set_property_from_str(name, value);
            }
        }
        let wanted = |name: &str| self.pad.as_ref().is_none_or(|pad| pad == name);
        let mut all = gst::Caps::new_empty();
        let pads = element.pads();
        for pad in pads.iter().filter(|pad| pad.direction() == direction) {
            if wanted(&pad.name()) {
                all.merge(pad.query_caps(None));
            }
        }
        for template in element.pad_template_list().iter() {
            let made = |pad: &String| is_of_template(pad, template.name_template());
            let fits = self.pad.as_ref().is_none_or(made);
            let later = template.presence() != gst::PadPresence::Always;
            if template.direction() == direction && later && fits {
                all.merge(template.caps().clone());
            }
        }
        Some(all)
    }

    fn pads(&self) -> Option<String> {
        let factory = gst::ElementFactory::find(self.factory.as_ref()?)?;
        let templates = factory.static_pad_templates();
        let names: Vec<String> = templates
            .iter()
            .map(|template| template.name_template().to_string())
            .collect();
        Some(format!("its pads are {}", names.join(", ")))
    }
}

fn shortened(caps: &gst::Caps) -> String {
    let whole = caps.to_string();
    if whole.len() <= CAPS_SHOWN {
        return whole;
    }
    let mut names: Vec<String> = caps.iter().map(|one| one.name().to_string()).collect();
    names.dedup();
    names.join(" or ")
}

/// The best single element that takes one and gives the other.
fn between(gives: &gst::Caps, takes: &gst::Caps) -> Option<String> {
    let registry = gst::Registry::get();
    let mut found: Vec<(usize, gst::Rank, String)> = registry
        .features(gst::ElementFactory::static_type())
        .into_iter()
        .filter_map(|feature| feature.downcast::<gst::ElementFactory>().ok())
        .filter(|factory| {
            let any = |template: &gst::StaticPadTemplate| template.caps().is_any();
            !factory.static_pad_templates().iter().any(any)
                && factory.can_sink_any_caps(gives)
                && factory.can_src_any_caps(takes)
        })
        .filter_map(|factory| {
            let class = factory.metadata("klass")?;
            let kind = BETWEEN.iter().position(|kind| class.contains(kind))?;
            Some((kind, factory.rank(), factory.name().to_string()))
        })
        .collect();
    found.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then(b.1.cmp(&a.1))
            .then(a.2.len().cmp(&b.2.len()))
    });
    if let Some((_, _, name)) = found.first() {
        return Some(format!("put {name} between them"));
    }
    let rtp = |caps: &gst::Caps| caps.iter().any(|one| one.name() == "application/x-rtp");
    match (rtp(gives), rtp(takes)) {
        (false, true) => {
            Some("encode and payload before it, as in vp8enc deadline=1 ! rtpvp8pay".into())
        }
        (true, false) => Some("depayload and decode before it, as in rtpvp8depay ! vp8dec".into()),
        _ => None,
    }
}
