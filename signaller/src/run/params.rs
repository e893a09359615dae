// SPDX-License-Identifier: MIT OR Apache-2.0
//! Typed parameters and their values.

use super::finding::{Fault, Finding};
use super::source::Launch;
use super::suggest::did_you_mean;
use std::collections::BTreeMap;

/// What a parameter takes.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind {
    /// Any text without control characters.
    String,
    /// The same, never shown.
    Secret,
    /// A whole number.
    Int {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// Two numbers, `30/1`.
    Fraction,
    /// Caps, `video/x-raw,width=640`.
    Caps,
    /// One of these words.
    Enum(Vec<String>),
    /// One of these words, each of which stands for a piece of launch text.
    Choice(BTreeMap<String, Launch>),
}

/// A parameter of a description.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Param {
    pub(super) kind: Kind,
    pub(super) default: Option<String>,
    /// The environment variable that it may come from.
    pub(super) env: Option<String>,
    pub(super) help: Option<String>,
    pub(super) unit: Option<String>,
    /// Where it stands in the file.
    pub(super) offset: usize,
}

/// The value of a variable, ready to be put in.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    /// Text of the description's user.
    Text(String),
    /// The same, never shown.
    Secret(String),
    /// Caps that were parsed.
    Caps(String),
    /// A piece of launch text of the description itself.
    Launch(Launch),
    /// Text that came from the network: in paths it is one file name.
    Foreign(String),
}

/// Variables by name.
pub(super) type Values = BTreeMap<String, Value>;

impl Param {
    /// Takes a value.
    pub(super) fn read(&self, text: &str) -> Result<Value, String> {
        if text.chars().any(char::is_control) {
            return Err("control characters are not allowed".to_owned());
        }
        let wrong = |what: &str| Err(format!("\"{text}\" is not {what}"));
        match &self.kind {
            Kind::Secret => return Ok(Value::Secret(text.to_owned())),
            Kind::Choice(choices) => {
                let chosen = choices.get(text).cloned().map(Value::Launch);
                return chosen.ok_or_else(|| none_of(text, choices.keys()));
            }
            Kind::Caps => {
                let caps: Result<gst::Caps, _> = text.parse();
                return caps
                    .map(|caps| Value::Caps(caps.to_string()))
                    .map_err(|_| format!("\"{text}\" is no caps"));
            }
            Kind::Int { min, max } => match text.parse::<i64>() {
                Ok(number) if (min..=max).contains(&&number) => {}
                Ok(number) => return Err(format!("{number} is not within {}", bounds(*min, *max))),
                Err(_) => return wrong("a whole number"),
            },
            Kind::Float if !text.parse().is_ok_and(f64::is_finite) => return wrong("a number"),
            Kind::Bool if !["true", "false"].contains(&text) => return wrong("true or false"),
            Kind::Fraction if !is_fraction(text) => {
                return wrong("a fraction such as 30/1");
            }
            Kind::Enum(values) if !values.iter().any(|value| value == text) => {
                return Err(none_of(text, values.iter()));
            }
            _ => {}
        }
        Ok(Value::Text(text.to_owned()))
    }
}

fn is_fraction(text: &str) -> bool {
    let halves = text.split_once('/');
    halves.is_some_and(|(a, b)| a.parse::<u32>().is_ok() && b.parse::<u32>().is_ok_and(|b| b > 0))
}

fn bounds(min: i64, max: i64) -> String {
    match (min, max) {
        (min, i64::MAX) => format!("{min} and more"),
        (i64::MIN, max) => format!("{max} and less"),
        (min, max) => format!("{min} to {max}"),
    }
}

fn none_of<'v>(text: &str, values: impl Iterator<Item = &'v String> + Clone) -> String {
    let all: Vec<&str> = values.clone().map(String::as_str).collect();
    let meant = did_you_mean(text, values.map(String::as_str)).unwrap_or_default();
    format!("\"{text}\" is none of {}; {meant}", all.join(", "))
        .trim_end_matches("; ")
        .to_owned()
}

/// The values of all parameters: from `given` (`--set`), else the environment, else the default.
///
/// All that is wrong is told at once.
pub(super) fn values(
    file: &str,
    params: &BTreeMap<String, Param>,
    given: &BTreeMap<String, String>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (Values, Vec<Finding>) {
    let mut findings: Vec<Finding> = given
        .keys()
        .filter(|name| !params.contains_key(*name))
        .map(|name| unknown(name, params))
        .collect();
    let mut values = Values::new();
    for (name, param) in params {
        let from_environment = || param.env.as_deref().and_then(environment);
        let value = given.get(name).cloned().or_else(from_environment);
        let Some(text) = value.or_else(|| param.default.clone()) else {
            findings.push(missing(file, name, param));
            continue;
        };
        match param.read(&text) {
            Ok(value) => drop(values.insert(name.clone(), value)),
            Err(reason) => findings.push(Finding::at(
                file,
                param.offset,
                Fault::Argument,
                format!("parameter {name}: {reason}"),
            )),
        }
    }
    (values, findings)
}

fn unknown(name: &str, params: &BTreeMap<String, Param>) -> Finding {
    let names: Vec<&str> = params.keys().map(String::as_str).collect();
    let help = did_you_mean(name, names.iter().copied()).unwrap_or_else(|| match names.len() {
        0 => "this description has no parameters".to_owned(),
        _ => format!("there are {}", names.join(", ")),
    });
    let message = format!("there is no parameter \"{name}\" to set");
    Finding::nowhere(Fault::Argument, message).help(help)
}

fn missing(file: &str, name: &str, param: &Param) -> Finding {
    let help = match &param.env {
        Some(env) => format!("set the environment variable {env}, or give --set {name}=VALUE"),
        None => format!("give --set {name}=VALUE"),
    };
    let about = param.help.as_ref().map(|help| format!(" ({help})"));
    let message = format!("parameter {name}{} has no value", about.unwrap_or_default());
    Finding::at(file, param.offset, Fault::Argument, message).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(kind: Kind) -> Param {
        Param {
            kind,
            default: None,
            env: None,
            help: None,
            unit: None,
            offset: 0,
        }
    }

    #[test]
    fn values_are_checked_by_type() {
        gst::init().expect("GStreamer starts");
        let int = Kind::Int { min: 1, max: 9 };
        let words = Kind::Enum(vec!["vp8".into(), "h264".into()]);
        for (kind, good, bad) in [
            (int, "5", "10"),
            (Kind::Float, "1.5", "nan"),
            (Kind::Bool, "true", "yes"),
            (Kind::Fraction, "30/1", "30:1"),
            (Kind::Caps, "video/x-raw,width=3", "video/x-raw,width="),
            (words, "vp8", "vp9"),
            (Kind::String, "a \"b\"", "a\nb"),
        ] {
            let param = param(kind);
            assert!(param.read(good).is_ok(), "{good}: {:?}", param.kind);
            assert!(param.read(bad).is_err(), "{bad}: {:?}", param.kind);
        }
    }

    #[test]
    fn what_is_set_comes_before_the_environment_and_that_before_the_default() {
        let mut one = param(Kind::String);
        (one.default, one.env) = (Some("default".into()), Some("ENV".into()));
        let params = BTreeMap::from([("one".to_owned(), one)]);
        let text = |given: &BTreeMap<_, _>, env: Option<&str>| {
            let env = env.map(str::to_owned);
            let (values, findings) = values("", &params, given, &move |_| env.clone());
            assert_eq!(findings, []);
            values["one"].clone()
        };
        let set = BTreeMap::from([("one".to_owned(), "set".to_owned())]);
        assert_eq!(text(&set, Some("env")), Value::Text("set".into()));
        assert_eq!(
            text(&BTreeMap::new(), Some("env")),
            Value::Text("env".into())
        );
        assert_eq!(text(&BTreeMap::new(), None), Value::Text("default".into()));
    }

    #[test]
    fn everything_missing_is_told_at_once() {
        let params = BTreeMap::from([
            ("one".to_owned(), param(Kind::String)),
            ("two".to_owned(), param(Kind::Secret)),
        ]);
        let (_, findings) = values("", &params, &BTreeMap::new(), &|_| None);
        assert_eq!(findings.len(), 2);
    }
}
