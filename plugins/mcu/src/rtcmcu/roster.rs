// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose stream is whose.

use super::input::Input;
use super::scene::{Key, Seat};
use gst::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The participant of each input, in the order of their coming.
pub(super) fn participants(inputs: &[Arc<Input>]) -> Vec<String> {
    let named: Vec<Option<String>> = inputs.iter().map(|input| own_name(input)).collect();
    let groups: Vec<_> = inputs.iter().map(|input| input.identity().group).collect();
    let of_group = |index: usize| {
        let group = groups[index]?;
        let same = (0..inputs.len()).filter(|other| groups[*other] == Some(group));
        let mut same = same.collect::<Vec<_>>().into_iter();
        let first = inputs[*same.as_slice().first()?].pad.name().to_string();
        Some(same.find_map(|other| named[other].clone()).unwrap_or(first))
    };
    let name = |(index, named): (usize, &Option<String>)| {
        let known = named.clone().or_else(|| of_group(index));
        known.unwrap_or_else(|| inputs[index].pad.name().to_string())
    };
    named.iter().enumerate().map(name).collect()
}

/// What the application or the stream calls its participant.
fn own_name(input: &Input) -> Option<String> {
    input
        .pad
        .wishes()
        .participant
        .or_else(|| input.identity().name)
}

/// Who has a tile: every picture, and everybody who is only heard.
pub(super) fn seats(inputs: &[Arc<Input>], participants: &[String]) -> Vec<Seat> {
    let mut muted: BTreeMap<&str, bool> = BTreeMap::new();
    let mut seen: Vec<&str> = Vec::new();
    for (input, name) in inputs.iter().zip(participants) {
        match input.is_video() {
            Some(false) => {
                *muted.entry(name).or_insert(true) &= input.pad.wishes().mute;
            }
            Some(true) => seen.push(name),
            None => {}
        }
    }
    let mut seats: Vec<Seat> = Vec::new();
    for (input, name) in inputs.iter().zip(participants) {
        let is_seen = seen.contains(&name.as_str());
        let key = match input.is_video() {
            Some(true) => Key::Input(input.id),
            Some(false) if !is_seen => Key::Participant(name.clone()),
            _ => continue,
        };
        if seats.iter().any(|seat| seat.key == key) {
            continue;
        }
        let wishes = input.pad.wishes();
        seats.push(Seat {
            key,
            participant: name.clone(),
            label: wishes.label.clone().unwrap_or_else(|| name.clone()),
            muted: muted.get(name.as_str()).copied().unwrap_or(false),
            wishes,
            picture: input.picture(),
        });
    }
    seats
}
