// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables of a description in TOML, as they are written, and their JSON Schema.
//!
//! What is documented here is what editors show.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor, value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// The JSON Schema of descriptions, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(File).to_value()
}

/// A pipeline described for `gst-rtc run`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// What it does, in one line.
    pub(super) description: Option<String>,
    /// Elements it needs, besides those of the launch text.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) requires: Vec<Spanned<String>>,
    /// Its parameters by name. `${NAME}` in launch text stands for the value, `--set NAME=VALUE` sets it.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, ParamTable>")]
    pub(super) params: BTreeMap<String, Spanned<ParamTable>>,
    /// How webrtcbin elements join a room.
    #[serde(default)]
    pub(super) room: RoomTable,
    /// The pipeline. May be left out where templates are the whole.
    pub(super) pipeline: Option<PipelineTable>,
    /// Templates: launch text that is run once for each thing that comes, until that goes.
    #[serde(default)]
    pub(super) on: OnTable,
}

/// The pipeline.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PipelineTable {
    /// Launch text, with `${NAME}` for parameters and # comments.
    #[schemars(with = "String")]
    pub(super) launch: Spanned<String>,
}

/// How webrtcbin elements join a room.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomTable {
    /// URI of the server.
    #[schemars(with = "Option<String>")]
    pub(super) signaller: Option<Spanned<String>>,
    /// Name of the room.
    #[schemars(with = "Option<String>")]
    pub(super) room: Option<Spanned<String>>,
    /// Name of the participant.
    #[schemars(with = "Option<String>")]
    pub(super) participant: Option<Spanned<String>>,
    /// Kind of the room, where the participant is the first.
    #[schemars(with = "Option<String>")]
    pub(super) mode: Option<Spanned<String>>,
    /// What lets one in, where the server asks for it.
    #[schemars(with = "Option<String>")]
    pub(super) token: Option<Spanned<String>>,
}

/// A parameter.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ParamTable {
    /// What it takes.
    #[serde(rename = "type")]
    #[schemars(with = "Type")]
    pub(super) kind: Spanned<String>,
    /// The value where nobody sets one. Without it, one must be set.
    pub(super) default: Option<Scalar>,
    /// An environment variable that it is taken from.
    pub(super) env: Option<String>,
    /// What it is for.
    pub(super) help: Option<String>,
    /// What it is counted in.
    pub(super) unit: Option<String>,
    /// The least that an int may be.
    pub(super) min: Option<i64>,
    /// The most that an int may be.
    pub(super) max: Option<i64>,
    /// The words that an enum may be.
    pub(super) values: Option<Vec<String>>,
    /// The words that a choice may be, each with the launch text it stands for.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(super) choices: Option<BTreeMap<String, Spanned<String>>>,
}

/// The words for types of parameters.
struct Type;

/// What [`Type`] may be.
pub(super) const TYPES: [&str; 9] = [
    "string", "secret", "int", "float", "bool", "fraction", "caps", "enum", "choice",
];

impl JsonSchema for Type {
    fn schema_name() -> Cow<'static, str> {
        "Type".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": TYPES })
    }
}

/// A default may be written as what it is.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    String(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(value) => value.fmt(f),
            Scalar::Int(value) => value.fmt(f),
            Scalar::Float(value) => value.fmt(f),
            Scalar::String(value) => value.fmt(f),
        }
    }
}

/// Templates by what they are run for.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OnTable {
    /// For each room.
    #[serde(default)]
    pub(super) room: Several,
    /// For each participant.
    #[serde(default)]
    pub(super) participant: Several,
    /// For each track.
    #[serde(default)]
    pub(super) track: Several,
}

/// `[on.track]`, or several `[[on.track]]`.
#[derive(Default)]
pub(super) struct Several(pub(super) Vec<TemplateTable>);

/// A template.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateTable {
    /// The element whose rooms, participants or pads are meant. Without it, the one that has any.
    pub(super) of: Option<String>,
    /// Caps that a track must have.
    #[serde(rename = "match")]
    #[schemars(with = "Option<String>")]
    pub(super) caps: Option<Spanned<String>>,
    /// The kinds of tracks that a participant must have: audio, video.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) needs: Vec<Spanned<String>>,
    /// Names of participants who are not meant.
    #[serde(default)]
    pub(super) except: Vec<String>,
    /// Launch text, run for each.
    #[schemars(with = "String")]
    pub(super) launch: Spanned<String>,
}

impl JsonSchema for Several {
    fn schema_name() -> Cow<'static, str> {
        "Templates".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<TemplateTable>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

impl<'de> Deserialize<'de> for Several {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Several, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Several;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table, or an array of tables")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Several, A::Error> {
                let deserializer = value::MapAccessDeserializer::new(map);
                TemplateTable::deserialize(deserializer).map(|table| Several(vec![table]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Several, A::Error> {
                let deserializer = value::SeqAccessDeserializer::new(seq);
                Vec::deserialize(deserializer).map(Several)
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}
