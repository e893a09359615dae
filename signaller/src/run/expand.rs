// SPDX-License-Identifier: MIT OR Apache-2.0
//! Variables put into launch text.
//!
//! Values are put in as values: whatever they hold, they stay inside the property they were written into.

use super::finding::{Fault, Finding};
use super::params::{Value, Values};
use super::quote::{inside, plain, quoted, unescaped, unquoted};
use super::source::Launch;
use super::suggest::did_you_mean;
use super::token::{Around, Spanned, Token, tokens, variable_end};

/// How deep choices may stand in choices.
const DEPTH: usize = 4;
/// What is shown in place of a secret.
pub(super) const MASK: &str = "***";

/// A word of launch text with everything put in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Part {
    pub(super) what: What,
    /// As GStreamer reads it.
    pub(super) text: String,
    /// The same without secrets.
    pub(super) shown: String,
    /// Where it comes from in the file.
    pub(super) offset: usize,
}

/// What a word is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// `!`, caps, parentheses, addresses: what needs no more looking into.
    Link,
    Caps,
    Open,
    Close,
    Other,
    /// The name of a factory.
    Element(String),
    /// A property, and its value without quotes.
    Assign(String, String),
    /// An element by its name, and perhaps a pad of it.
    Reference(String, String),
}

/// Fills in and cuts a launch text.
///
/// # Errors
/// Everything that cannot be filled in.
pub(super) fn expand(
    file: &str,
    launch: &Launch,
    values: &Values,
) -> Result<Vec<Part>, Vec<Finding>> {
    let mut expander = Expander {
        file,
        values,
        parts: Vec::new(),
        findings: Vec::new(),
    };
    expander.launch(launch, Place::default());
    if expander.findings.is_empty() {
        Ok(expander.parts)
    } else {
        Err(expander.findings)
    }
}

/// Text with variables filled in, and nothing else done to it: for what is not launch text.
pub(super) fn fill(
    file: &str,
    text: &str,
    offset: usize,
    values: &Values,
) -> Result<String, Finding> {
    let mut out = String::new();
    for segment in segments(text) {
        match segment {
            Segment::Text(text) => out.push_str(text),
            Segment::Variable { name, default, .. } => {
                out.push_str(&match value(file, offset, name, default, values)? {
                    Value::Text(text) | Value::Secret(text) | Value::Caps(text) => text,
                    Value::Foreign(text) => text,
                    Value::Launch(launch) => launch.text,
                });
            }
        }
    }
    Ok(out)
}

/// The names of all variables in a text, each with its place and the default it has there.
pub(super) fn variables(text: &str) -> impl Iterator<Item = (usize, &str, Option<&str>)> {
    segments(text).filter_map(|segment| match segment {
        Segment::Variable { name, default, at } => Some((at, name, default)),
        Segment::Text(_) => None,
    })
}

enum Segment<'t> {
    Text(&'t str),
    Variable {
        name: &'t str,
        default: Option<&'t str>,
        at: usize,
    },
}

/// Cuts `a${b}c$$` into its pieces.
fn segments(text: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        if rest.starts_with("$$") {
            at += 2;
            return Some(Segment::Text("$"));
        }
        let start = at;
        if let Some(end) = variable_end(rest) {
            at += end;
            let inside = &rest[2..end - 1];
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            return Some(Segment::Variable {
                name,
                default,
                at: start,
            });
        }
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let end = rest[first..].find('$').map_or(rest.len(), |at| at + first);
        at += end;
        Some(Segment::Text(&rest[..end]))
    })
}

fn value(
    file: &str,
    offset: usize,
    name: &str,
    default: Option<&str>,
    values: &Values,
) -> Result<Value, Finding> {
    if let Some(value) = values.get(name) {
        return Ok(value.clone());
    }
    if let Some(default) = default {
        return Ok(Value::Text(default.to_owned()));
    }
    let help = did_you_mean(name, values.keys().map(String::as_str))
        .unwrap_or_else(|| format!("declare it in [params], or write ${{{name}:-DEFAULT}}"));
    let message = format!("there is no parameter or variable \"{name}\"");
    Err(Finding::at(file, offset, Fault::Parameter, message).help(help))
}

/// Where a launch text stands.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The place in the file of the variable that stands for it, if one does.
    variable: Option<usize>,
    around: Around,
    /// Choices around it.
    depth: usize,
}

impl Place {
    /// The place in the file of a byte of the text.
    fn of(&self, launch: &Launch, at: usize) -> usize {
        self.variable.unwrap_or_else(|| launch.offset(at))
    }

    /// What stands around one token of the text.
    fn within(&self, tokens: &[Spanned], index: usize) -> Around {
        let is_link = |spanned: &Spanned| spanned.token == Token::Link;
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        let after = tokens.get(index + 1);
        Around {
            linked_before: before.map_or(self.around.linked_before, is_link),
            linked_after: after.map_or(self.around.linked_after, is_link),
        }
    }
}

struct Expander<'e> {
    file: &'e str,
    values: &'e Values,
    parts: Vec<Part>,
    findings: Vec<Finding>,
}

impl Expander<'_> {
    fn launch(&mut self, launch: &Launch, place: Place) {
        match tokens(&launch.text, place.around) {
            Ok(tokens) => {
                for (index, spanned) in tokens.iter().enumerate() {
                    let offset = place.of(launch, spanned.at.start);
                    let place = Place {
                        variable: Some(offset),
                        around: place.within(&tokens, index),
                        depth: place.depth,
                    };
                    if let Err(finding) = self.token(&launch.text, spanned, offset, place) {
                        self.findings.push(finding);
                    }
                }
            }
            Err(uncut) => {
                let offset = place.of(launch, uncut.at);
                let finding = Finding::at(self.file, offset, Fault::Syntax, uncut.message);
                self.findings.push(finding.help(uncut.help.to_owned()));
            }
        }
    }

    fn token(
        &mut self,
        text: &str,
        spanned: &Spanned,
        offset: usize,
        place: Place,
    ) -> Result<(), Finding> {
        let word = &text[spanned.at.clone()];
        let part = match &spanned.token {
            Token::Variable => return self.variable(word, offset, place),
            Token::Assign { name, value } => {
                self.assign(&text[name.clone()], &text[value.clone()], offset)?
            }
            Token::Reference { element, pad } => {
                let element = self.plain(&text[element.clone()], offset)?;
                let pad = self.reference(&text[pad.clone()], offset)?;
                let text = format!("{element}.{pad}");
                Part::new(What::Reference(element, pad), text, offset)
            }
            Token::Element => {
                let factory = self.plain(word, offset)?;
                Part::new(What::Element(factory.clone()), factory, offset)
            }
            Token::Caps => {
                let caps = self.plain(word, offset)?;
                self.caps(caps, offset)?
            }
            Token::Link => Part::new(What::Link, word.to_owned(), offset),
            Token::Open => Part::new(What::Open, self.plain(word, offset)?, offset),
            Token::Close => Part::new(What::Close, word.to_owned(), offset),
            Token::List | Token::Word => Part::new(What::Other, self.plain(word, offset)?, offset),
        };
        self.parts.push(part);
        Ok(())
    }

    fn caps(&self, caps: String, offset: usize) -> Result<Part, Finding> {
        if caps.parse::<gst::Caps>().is_err() {
            let message = format!("\"{caps}\" is no caps");
            let finding = Finding::at(self.file, offset, Fault::Syntax, message);
            let help =
                "caps are TYPE,FIELD=VALUE,…, for example video/x-raw,width=640,framerate=30/1";
            return Err(finding.help(help.to_owned()));
        }
        Ok(Part::new(What::Caps, caps, offset))
    }

    /// A variable in the place of an element: a piece of launch text, or caps.
    fn variable(&mut self, word: &str, offset: usize, place: Place) -> Result<(), Finding> {
        let Some(Segment::Variable { name, default, .. }) = segments(word).next() else {
            return Ok(());
        };
        match value(self.file, offset, name, default, self.values)? {
            Value::Launch(launch) if place.depth < DEPTH => {
                let depth = place.depth + 1;
                self.launch(&launch, Place { depth, ..place });
                Ok(())
            }
            Value::Launch(_) => {
                let message = format!("parameter {name} stands for itself");
                Err(Finding::at(self.file, offset, Fault::Parameter, message))
            }
            Value::Caps(caps) => {
                self.parts.push(self.caps(caps, offset)?);
                Ok(())
            }
            _ => {
                let factory = self.plain(word, offset)?;
                let part = Part::new(What::Element(factory.clone()), factory, offset);
                self.parts.push(part);
                Ok(())
            }
        }
    }

    fn assign(&self, name: &str, raw: &str, offset: usize) -> Result<Part, Finding> {
        let name = self.plain(name, offset)?;
        if variables(raw).next().is_none() && !raw.contains("$$") {
            let text = format!("{name}={raw}");
            let value = unquoted(raw);
            return Ok(Part::new(What::Assign(name, value), text, offset));
        }
        let (mut value_text, mut shown) = (String::new(), String::new());
        for segment in segments(inside(raw)) {
            let (text, secret) = match segment {
                Segment::Text(text) => (unescaped(text), false),
                Segment::Variable {
                    name: variable,
                    default,
                    ..
                } => match value(self.file, offset, variable, default, self.values)? {
                    Value::Text(text) | Value::Caps(text) => (text, false),
                    Value::Secret(text) => (text, true),
                    Value::Foreign(text) if keeps_names(&name) => (text, false),
                    Value::Foreign(text) => (file_name(&text), false),
                    Value::Launch(launch) => (launch.text, false),
                },
            };
            value_text.push_str(&text);
            shown.push_str(if secret { MASK } else { &text });
        }
        Ok(Part {
            text: format!("{name}={}", quoted(&value_text)),
            shown: format!("{name}={}", quoted(&shown)),
            what: What::Assign(name, value_text),
            offset,
        })
    }

    /// Text outside of values, where a value must be a single plain word.
    fn plain(&self, text: &str, offset: usize) -> Result<String, Finding> {
        self.words(text, offset, true)
    }

    /// The same for the pads of references, which are never parsed when a name of the network is in them.
    fn reference(&self, text: &str, offset: usize) -> Result<String, Finding> {
        self.words(text, offset, false)
    }

    fn words(&self, text: &str, offset: usize, strict: bool) -> Result<String, Finding> {
        let mut out = String::new();
        for segment in segments(text) {
            let Segment::Variable { name, default, .. } = segment else {
                if let Segment::Text(text) = segment {
                    out.push_str(text);
                }
                continue;
            };
            let word = match value(self.file, offset, name, default, self.values)? {
                Value::Text(text) => text,
                Value::Caps(caps) => caps,
                Value::Foreign(text) if !strict => text,
                Value::Foreign(text) => file_name(&text),
                Value::Secret(_) => return Err(self.misplaced(name, "a secret", offset)),
                Value::Launch(_) => return Err(self.misplaced(name, "launch text", offset)),
            };
            if strict && !plain(&word) {
                return Err(self.misplaced(name, &format!("\"{word}\""), offset));
            }
            out.push_str(&word);
        }
        Ok(out)
    }

    fn misplaced(&self, name: &str, what: &str, offset: usize) -> Finding {
        let message = format!("{name} is {what}, which cannot stand here");
        Finding::at(self.file, offset, Fault::Parameter, message).help(
            "outside of property values only letters, digits and _+-.:/@%, may be put in; \
             write it into a property, as in uri=${…}"
                .to_owned(),
        )
    }
}

impl Part {
    fn new(what: What, text: String, offset: usize) -> Part {
        Part {
            what,
            shown: text.clone(),
            text,
            offset,
        }
    }
}

/// Properties that take names as they are; all others may be paths.
fn keeps_names(property: &str) -> bool {
    let last = property.rsplit("::").next().unwrap_or(property);
    ["participant", "track", "audience", "room", "text"].contains(&last)
}

/// A name of the network as a single, visible and harmless file name.
fn file_name(name: &str) -> String {
    let harmless = |c: char| {
        if c.is_alphanumeric() || "-_.@+ ".contains(c) {
            c
        } else {
            '_'
        }
    };
    let mut safe: String = name.chars().map(harmless).collect();
    if safe.is_empty() || safe.starts_with(['.', ' ']) {
        safe.insert(0, '_');
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst::prelude::*;
    use proptest::prelude::*;

    fn text_of(launch: &str, values: &[(&str, Value)]) -> String {
        let values = values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let parts = expand(launch, &Launch::whole(launch), &values.collect());
        let parts = parts.unwrap_or_else(|findings| panic!("{findings:?}"));
        let words: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
        words.join(" ")
    }

    #[test]
    fn names_of_the_network_stay_in_their_folder() {
        let values = [("p", Value::Foreign("../../etc/passwd".into()))];
        assert_eq!(
            text_of("filesink location=/srv/${p}.mkv", &values),
            "filesink location=/srv/_.._.._etc_passwd.mkv"
        );
        assert_eq!(file_name(""), "_");
    }

    #[test]
    fn choices_are_launch_text_and_dollars_can_be_written() {
        let values = [(
            "enc",
            Value::Launch(Launch::whole("vp8enc deadline=1 ! rtpvp8pay")),
        )];
        assert_eq!(
            text_of("a ! ${enc} ! b name=x$$y", &values),
            "a ! vp8enc deadline=1 ! rtpvp8pay ! b name=x\\$y"
        );
    }

    #[test]
    fn choices_may_begin_and_end_with_caps() {
        gst::init().expect("GStreamer starts");
        let piece = |text: &str| Value::Launch(Launch::whole(text));
        let values = [
            ("enc", piece("vp8enc ! video/x-vp8, width=3")),
            ("raw", piece("video/x-raw ! videoscale")),
            ("both", piece("${raw} ! ${enc}")),
        ];
        assert_eq!(
            text_of("a ! ${both} ! b", &values),
            "a ! video/x-raw ! videoscale ! vp8enc ! video/x-vp8, width=3 ! b"
        );
        let alone = Launch::whole("a ! ${enc}");
        let values = values.map(|(name, value)| (name.to_owned(), value));
        assert!(expand("", &alone, &values.into()).is_err());
    }

    #[test]
    fn elements_cannot_be_put_in_by_a_value() {
        let launch = Launch::whole("a ! ${x} ! b");
        let values = Values::from([("x".to_owned(), Value::Text("c ! filesink".into()))]);
        assert!(expand("", &launch, &values).is_err());
    }

    proptest! {
        #[test]
        fn a_value_arrives_as_it_was_given(
            value in r#"[ a-z!:.,;()=\\"'$#{}/0-9-]{0,12}|NULL|\PC{0,12}"#,
            template in prop::sample::select(vec!["${v}", "\"${v}\"", "'${v}'"]),
        ) {
            gst::init().expect("GStreamer starts");
            prop_assume!(!value.chars().any(char::is_control));
            let given = [("v", Value::Text(value.clone()))];
            let launch = text_of(&format!("filesrc location={template} ! fakesink name=b"), &given);
            let pipeline = gst::parse::launch(&launch).expect("it parses");
            let bin = pipeline.downcast::<gst::Bin>().expect("two elements");
            prop_assert_eq!(bin.children().len(), 2);
            let source = bin.iterate_sources().next().ok().flatten().expect("a source");
            let location: Option<String> = source.property("location");
            prop_assert_eq!(location.unwrap_or_default(), value);
        }
    }
}
