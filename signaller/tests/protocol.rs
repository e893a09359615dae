// SPDX-License-Identifier: MIT OR Apache-2.0
//! `PROTOCOL.md` and the types say the same.

use gst_rtc_signaller::protocol::{RoomList, node, peer};
use gst_rtc_signaller::rooms::Code;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const CONTRACT: &str = include_str!("../PROTOCOL.md");

/// The JSON objects of the blocks marked so.
fn examples(mark: &str) -> Vec<Value> {
    let mut examples = Vec::new();
    for block in CONTRACT.split(&format!("```json {mark}\n")).skip(1) {
        let text = block.split("```").next().expect("a block has an end");
        let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        examples
            .extend(values.map(|v| v.unwrap_or_else(|error| panic!("{mark}: {error} in {text}"))));
    }
    assert!(!examples.is_empty(), "{mark}");
    examples
}

/// Each example parses, and what is written again says nothing else (absent and null are the same).
fn agree<T: DeserializeOwned + Serialize>(mark: &str) -> Vec<String> {
    let all = examples(mark);
    for example in &all {
        let parsed: T = serde_json::from_value(example.clone())
            .unwrap_or_else(|error| panic!("{error}: {example}"));
        let written = serde_json::to_value(&parsed).expect("JSON");
        assert_eq!(without_nulls(&written), without_nulls(example), "{example}");
    }
    all.iter()
        .filter_map(|e| e["type"].as_str().map(str::to_owned))
        .collect()
}

fn without_nulls(value: &Value) -> Value {
    let dispensable = |v: &Value| {
        v.is_null() || *v == Value::Bool(false) || v.as_array().is_some_and(Vec::is_empty)
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, v)| !dispensable(v))
            .map(|(k, v)| (k.clone(), without_nulls(v)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// The names of all variants, from the error for an unknown one.
fn types_of<T: DeserializeOwned>() -> Vec<String> {
    let error = serde_json::from_str::<T>("{\"type\":\"?\"}")
        .err()
        .expect("an unknown type")
        .to_string();
    error
        .split('`')
        .skip(3)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn complete(types: &[String], documented: &[String]) {
    assert!(types.len() > 5, "{types:?}");
    for name in types {
        assert!(documented.contains(name), "{name} is not in PROTOCOL.md");
    }
}

#[test]
fn messages_of_peers_are_as_written() {
    complete(
        &types_of::<peer::ClientMessage>(),
        &agree::<peer::ClientMessage>("peer-to-server"),
    );
}

#[test]
fn messages_to_peers_are_as_written() {
    complete(
        &types_of::<peer::ServerMessage>(),
        &agree::<peer::ServerMessage>("server-to-peer"),
    );
}

#[test]
fn messages_of_nodes_are_as_written() {
    complete(
        &types_of::<node::NodeMessage>(),
        &agree::<node::NodeMessage>("node-to-server"),
    );
}

#[test]
fn messages_to_nodes_are_as_written() {
    complete(
        &types_of::<node::ServerMessage>(),
        &agree::<node::ServerMessage>("server-to-node"),
    );
}

#[test]
fn the_list_of_rooms_is_as_written() {
    agree::<RoomList>("rooms");
}

#[test]
fn every_code_is_in_the_table_with_its_status() {
    let codes = [
        Code::BadMessage,
        Code::BadRoom,
        Code::BadName,
        Code::NameTaken,
        Code::UnknownRoom,
        Code::UnknownParticipant,
        Code::UnknownTrack,
        Code::UnknownSession,
        Code::NotPublished,
        Code::NotSubscribed,
        Code::Busy,
        Code::BadSdp,
        Code::TooLarge,
        Code::WrongMode,
        Code::NoNode,
        Code::NodeTimeout,
        Code::NodeLost,
        Code::Full,
        Code::RateLimited,
        Code::NotAllowed,
        Code::Mismatch,
        Code::Unsupported,
        Code::Internal,
    ];
    for code in codes {
        let word = format!("`{}`", code.as_str());
        let row = CONTRACT.lines().find(|line| {
            line.starts_with('|')
                && line.contains(&word)
                && line.contains(&format!("| {} |", code.status()))
        });
        assert!(
            row.is_some(),
            "{word} with {} is not in the table",
            code.status()
        );
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let message: peer::ClientMessage =
        serde_json::from_str(r#"{"type":"leave","why":"tired","request":3}"#).expect("a message");
    assert_eq!(message, peer::ClientMessage::Leave { request: Some(3) });
    let signal = r#"{"type":"signal","to":"p1","candidate":null,"extra":{"a":1}}"#;
    let message: peer::ClientMessage = serde_json::from_str(signal).expect("a message");
    assert!(matches!(
        message,
        peer::ClientMessage::Signal {
            payload: peer::Signal::Candidate(None),
            ..
        }
    ));
}
