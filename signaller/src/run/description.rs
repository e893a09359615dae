// SPDX-License-Identifier: MIT OR Apache-2.0
//! A description as it is written: TOML, or launch text with comments and variables.

use super::expand::variables;
use super::file::{File, ParamTable, RoomTable, TYPES, TemplateTable};
use super::finding::{Fault, Finding};
use super::params::{Kind, Param};
use super::source::Launch;
use super::suggest::did_you_mean;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// A description that was read, with its parameters still open.
#[derive(Clone, Debug)]
pub struct Description {
    pub(super) text: String,
    pub(super) about: Option<String>,
    pub(super) requires: Vec<(String, usize)>,
    pub(super) params: BTreeMap<String, Param>,
    pub(super) room: BTreeMap<&'static str, (String, usize)>,
    pub(super) launch: Launch,
    pub(super) templates: Vec<Template>,
}

/// Launch text that is run once for each thing that comes, until that goes.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// For each of what.
    pub(super) each: Each,
    /// The element whose rooms, participants or pads are meant. None: the one that has any.
    pub(super) of: Option<String>,
    /// Caps a track must have.
    pub(super) caps: Option<gst::Caps>,
    /// The kinds of tracks a participant must have.
    pub(super) needs: Vec<String>,
    /// Names of participants who are not meant.
    pub(super) except: Vec<String>,
    pub(super) launch: Launch,
    /// Where it stands in the file.
    pub(super) offset: usize,
}

/// What a template is run for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Each {
    Room,
    Participant,
    Track,
}

impl Each {
    /// The variables that a template of this kind has besides the parameters.
    pub(super) fn variables(self) -> &'static [&'static str] {
        match self {
            Each::Room => &["room"],
            Each::Participant => &["room", "participant", "id", "video-depay", "audio-depay"],
            Each::Track => &["room", "participant", "track", "kind", "pad", "depay"],
        }
    }
}

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Each::Room => "on.room",
            Each::Participant => "on.participant",
            Each::Track => "on.track",
        })
    }
}

impl Description {
    /// Reads the text of a file called `name`: launch text if that ends in `.gst`, TOML if it ends in `.toml`, else
    /// whichever the text looks like.
    ///
    /// # Errors
    /// It is no TOML, or has keys that mean nothing.
    pub fn read(name: &str, text: &str) -> Result<Description, Vec<Finding>> {
        let is_toml = name.ends_with(".toml") || !name.ends_with(".gst") && looks_like_toml(text);
        if is_toml {
            from_toml(text)
        } else {
            Ok(from_launch(text))
        }
    }

    /// What it does, in its own words.
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// Each parameter in one line: name, type, default, help.
    pub fn params(&self) -> impl Iterator<Item = String> {
        self.params.iter().map(|(name, param)| {
            let default = match (&param.default, &param.kind) {
                (Some(_), Kind::Secret) => " = ***".to_owned(),
                (Some(default), _) => format!(" = {default}"),
                (None, _) => " (must be set)".to_owned(),
            };
            let unit = param.unit.iter().map(|unit| format!(" {unit}"));
            let help = param.help.iter().map(|help| format!(": {help}"));
            let about: String = unit.chain(help).collect();
            format!("{name}{default}{about}")
        })
    }
}

/// A table header or a key at the start of a line makes it TOML.
fn looks_like_toml(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim_start);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let keys = ["description", "requires"];
    first.is_some_and(|line| line.starts_with('[') || keys.iter().any(|key| line.starts_with(key)))
}

/// Launch text: what it uses is its parameters.
fn from_launch(text: &str) -> Description {
    let mut params: BTreeMap<String, Param> = BTreeMap::new();
    for (offset, name, default) in variables(text) {
        let param = params.entry(name.to_owned()).or_insert(Param {
            kind: Kind::String,
            default: None,
            env: None,
            help: None,
            unit: None,
            offset,
        });
        if param.default.is_none() {
            param.default = default.map(str::to_owned);
        }
    }
    let comments = text.lines().map_while(|line| line.strip_prefix('#'));
    let about = comments.map(str::trim).find(|line| !line.contains("SPDX"));
    Description {
        text: text.to_owned(),
        about: about.map(str::to_owned),
        requires: Vec::new(),
        params,
        room: BTreeMap::new(),
        launch: Launch::whole(text),
        templates: Vec::new(),
    }
}

fn from_toml(text: &str) -> Result<Description, Vec<Finding>> {
    let file: File = toml::from_str(text).map_err(|error| vec![no_toml(text, &error)])?;
    let mut findings = Vec::new();
    let mut keep =
        |result: Result<_, Finding>| result.map_err(|finding| findings.push(finding)).ok();
    let params: BTreeMap<String, Param> = file
        .params
        .into_iter()
        .filter_map(|(name, table)| keep(param(text, &name, table)).map(|param| (name, param)))
        .collect();
    let kinds = [
        (Each::Room, file.on.room),
        (Each::Participant, file.on.participant),
        (Each::Track, file.on.track),
    ];
    let mut templates = Vec::new();
    for (each, tables) in kinds {
        for table in tables.0 {
            templates.extend(template(text, each, table).map_err(|found| findings.push(found)));
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    Ok(Description {
        text: text.to_owned(),
        about: file.description,
        requires: file.requires.into_iter().map(placed).collect(),
        params,
        room: file.room.placed(),
        launch: match file.pipeline {
            Some(pipeline) => launch(text, pipeline.launch),
            None => Launch::whole(""),
        },
        templates,
    })
}

impl RoomTable {
    fn placed(self) -> BTreeMap<&'static str, (String, usize)> {
        let fields = [
            ("signaller", self.signaller),
            ("room", self.room),
            ("participant", self.participant),
            ("mode", self.mode),
            ("token", self.token),
        ];
        let given = fields
            .into_iter()
            .filter_map(|(key, value)| Some((key, placed(value?))));
        given.collect()
    }
}

fn placed(value: Spanned<String>) -> (String, usize) {
    let start = value.span().start;
    (value.into_inner(), start)
}

fn launch(text: &str, value: Spanned<String>) -> Launch {
    let span = value.span();
    Launch::in_toml(text, span, value.into_inner())
}

fn no_toml(text: &str, error: &toml::de::Error) -> Finding {
    let message = error.message().trim().replace('\n', "; ");
    let (message, help) = match message.split_once(", expected ") {
        Some((message, expected)) => (message.to_owned(), unknown_key(message, expected)),
        None => (message, None),
    };
    match error.span() {
        Some(span) => Finding::at(text, span.start, Fault::Format, message),
        None => Finding::nowhere(Fault::Format, message),
    }
    .help(help)
}

/// From serde's words "unknown field `x`" and "one of `a`, `b`".
fn unknown_key(message: &str, expected: &str) -> Option<String> {
    let in_ticks = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let (wanted, known) = (in_ticks(message), in_ticks(expected));
    let meant = did_you_mean(wanted.first()?, known.iter().map(String::as_str));
    meant.or_else(|| Some(format!("known are {}", known.join(", "))))
}

fn param(text: &str, name: &str, table: Spanned<ParamTable>) -> Result<Param, Finding> {
    let offset = table.span().start;
    let table = table.into_inner();
    let (min, max) = (table.min.unwrap_or(i64::MIN), table.max.unwrap_or(i64::MAX));
    let needs = |key: &str| {
        let message = format!(
            "parameter {name} of type {} needs {key}",
            table.kind.get_ref()
        );
        Finding::at(text, offset, Fault::Format, message)
    };
    let kind = match table.kind.get_ref().as_str() {
        "string" => Kind::String,
        "secret" => Kind::Secret,
        "int" => Kind::Int { min, max },
        "float" => Kind::Float,
        "bool" => Kind::Bool,
        "fraction" => Kind::Fraction,
        "caps" => Kind::Caps,
        "enum" => Kind::Enum(table.values.ok_or_else(|| needs("values = [\"…\", …]"))?),
        "choice" => {
            let choices = table
                .choices
                .ok_or_else(|| needs("choices = { NAME = \"LAUNCH\", … }"))?;
            let placed = |(key, value)| (key, launch(text, value));
            Kind::Choice(choices.into_iter().map(placed).collect())
        }
        other => return Err(unknown_type(text, other, table.kind.span().start)),
    };
    Ok(Param {
        kind,
        default: table.default.map(|default| default.to_string()),
        env: table.env,
        help: table.help,
        unit: table.unit,
        offset,
    })
}

fn unknown_type(text: &str, given: &str, offset: usize) -> Finding {
    let help = did_you_mean(given, TYPES);
    let message = format!("\"{given}\" is no type of parameters");
    Finding::at(text, offset, Fault::Format, message)
        .help(help.unwrap_or_else(|| format!("types are {}", TYPES.join(", "))))
}

fn template(text: &str, each: Each, table: TemplateTable) -> Result<Template, Finding> {
    let offset = table.launch.span().start;
    let caps = table.caps.map(|caps| {
        let parsed = caps.get_ref().parse::<gst::Caps>();
        parsed.map_err(|_| {
            let message = format!("match = \"{}\" is no caps", caps.get_ref());
            Finding::at(text, caps.span().start, Fault::Format, message)
        })
    });
    for needed in &table.needs {
        if !["audio", "video"].contains(&needed.get_ref().as_str()) {
            let message = format!("needs \"{}\": there are audio and video", needed.get_ref());
            let start = needed.span().start;
            return Err(Finding::at(text, start, Fault::Format, message));
        }
    }
    Ok(Template {
        each,
        of: table.of,
        caps: caps.transpose()?,
        needs: table.needs.into_iter().map(Spanned::into_inner).collect(),
        except: table.except,
        launch: launch(text, table.launch),
        offset,
    })
}

#[cfg(test)]
mod tests {
    use super::super::source::Position;
    use super::*;
    use proptest::prelude::*;

    const WHOLE: &str = r#"
description = "all of it"
requires = ["rtcsfu"]
[params]
room = { type = "string", default = "lobby", help = "Name" }
rate = { type = "int", min = 1, max = 5, default = 2, unit = "fps" }
codec = { type = "choice", default = "vp8", choices = { vp8 = "vp8enc ! rtpvp8pay" } }
[room]
room = "${room}"
[pipeline]
launch = '''
videotestsrc ! ${codec} ! rtcsfu name=sfu
'''
[on.participant]
needs = ["video"]
launch = "sfu.video_${participant} ! fakesink"
[[on.track]]
match = "application/x-rtp,media=video"
launch = "fakesink"
[[on.track]]
launch = "fakesink"
"#;

    #[test]
    fn everything_has_its_place() {
        gst::init().expect("GStreamer starts");
        let read = Description::read("x.toml", WHOLE).expect("it is right");
        assert_eq!(read.params.len(), 3);
        assert_eq!(read.templates.len(), 3);
        assert_eq!(read.room["room"].0, "${room}");
        let at = read
            .launch
            .offset(read.launch.text.find("${codec}").expect("there"));
        let place = super::super::source::position(WHOLE, at);
        assert_eq!(
            place,
            Position {
                line: 12,
                column: 16
            }
        );
    }

    #[test]
    fn unknown_keys_are_told_with_place_and_advice() {
        let text = WHOLE.replace("needs =", "neds =");
        let findings = Description::read("x.toml", &text).expect_err("a slip");
        assert_eq!(findings[0].help.as_deref(), Some("did you mean \"needs\"?"));
        assert_eq!(findings[0].position.map(|place| place.line), Some(15));
    }

    #[test]
    fn launch_text_has_the_parameters_it_uses() {
        let text = "# Shows a picture\nvideotestsrc pattern=${pattern:-ball} ! ${sink}";
        let read = Description::read("-", text).expect("it is launch text");
        assert_eq!(read.params["pattern"].default.as_deref(), Some("ball"));
        assert_eq!(read.params["sink"].default, None);
        assert_eq!(read.about(), Some("Shows a picture"));
    }

    proptest! {
        #[test]
        fn no_file_panics(
            text in r#"([\[\]a-z="'${}!.# \n]|\[on\.track\]|launch|params|type){0,40}"#,
            name in prop::sample::select(vec!["a.toml", "a.gst", "-"]),
        ) {
            let _ = Description::read(name, &text);
        }

        #[test]
        fn no_broken_file_panics(cut in 0usize..WHOLE.len(), put in r"\PC{0,6}") {
            gst::init().expect("GStreamer starts");
            let mut text = WHOLE.to_owned();
            if text.is_char_boundary(cut) {
                text.insert_str(cut, &put);
            }
            let _ = Description::read("a.toml", &text);
        }
    }
}
