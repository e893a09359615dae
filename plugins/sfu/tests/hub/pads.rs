// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pads to pads: no signaller.

use crate::support::{Node, config, has_media, local, opus, packet, vp8};
use gst_rtc_core::media::MediaKind;
use gstrtcsfu::hub::{NodeEvent, RequestError, TapRequest};
use std::time::Instant;

#[test]
fn what_is_pushed_into_a_track_comes_out_of_its_tap_unchanged() {
    let node = Node::start(config());
    let track = node.publish("camera", "video", vp8());
    let tap = node.tap("camera", MediaKind::Video);
    assert_eq!(node.tap_started(tap), "video");
    let capture = Instant::now();
    for n in 0..10 {
        node.hub.push(track, &packet(&vp8(), n), capture);
    }
    for n in 0..10 {
        let media = node.tap_media(tap);
        assert_eq!(media.bytes(), packet(&vp8(), n));
        assert_eq!((media.capture, media.description.keyframe), (capture, true));
    }
}

#[test]
fn a_tap_waits_for_its_track_and_for_the_next_of_its_name() {
    let node = Node::start(config());
    let tap = node.tap("late", MediaKind::Audio);
    let first = node.publish("late", "audio", opus());
    assert_eq!(node.tap_started(tap), "audio");
    node.hub.unpublish(first);
    node.expect("TapEnded", |event| {
        matches!(event, NodeEvent::TapEnded(ended) if ended == tap).then_some(())
    });
    node.expect("ParticipantLeft", |event| {
        matches!(event, NodeEvent::ParticipantLeft { .. }).then_some(())
    });
    let second = node.publish("late", "music", opus());
    assert_eq!(node.tap_started(tap), "music");
    node.hub.push(second, &packet(&opus(), 7), Instant::now());
    assert_eq!(node.tap_media(tap).bytes(), packet(&opus(), 7));
}

#[test]
fn a_tap_takes_only_its_kind_and_name() {
    let node = Node::start(config());
    let named = TapRequest {
        room: None,
        participant: "a".into(),
        track: Some("slides".into()),
        kind: MediaKind::Video,
    };
    let named = node.hub.tap(named).expect("valid names");
    let audio = node.tap("a", MediaKind::Audio);
    node.publish("a", "video", vp8());
    node.publish("b", "audio", opus());
    node.publish("a", "slides", vp8());
    assert_eq!(node.tap_started(named), "slides");
    node.publish("a", "voice", opus());
    assert_eq!(node.tap_started(audio), "voice");
}

#[test]
fn an_ended_tap_gets_nothing_and_others_go_on() {
    let node = Node::start(config());
    let track = node.publish("camera", "video", vp8());
    let (ended, other) = (
        node.tap("camera", MediaKind::Video),
        node.tap("camera", MediaKind::Video),
    );
    node.tap_started(other);
    node.hub.untap(ended);
    // Both orders go through the same queues, so what is pushed after the answer comes after the end.
    node.hub.stats();
    while has_media(&node, ended) {}
    node.hub.push(track, &packet(&vp8(), 1), Instant::now());
    node.tap_media(other);
    assert!(!has_media(&node, ended));
}

#[test]
fn a_keyframe_is_asked_of_the_pad_that_feeds_the_track() {
    let node = Node::start(config());
    let track = node.publish("camera", "video", vp8());
    let tap = node.tap("camera", MediaKind::Video);
    node.tap_started(tap);
    node.hub.request_keyframe(tap);
    let asked = node.expect("KeyframeNeeded", |event| match event {
        NodeEvent::KeyframeNeeded(track) => Some(track),
        _ => None,
    });
    assert_eq!(asked, track);
}

#[test]
fn a_second_track_of_one_name_is_refused_and_the_first_goes_on() {
    let node = Node::start(config());
    let first = node.publish("camera", "video", vp8());
    let second = node.publish("camera", "video", vp8());
    let message = node.expect("Refused", |event| match event {
        NodeEvent::Refused { message, .. } => Some(message),
        _ => None,
    });
    assert!(message.contains("set another"), "{message}");
    let tap = node.tap("camera", MediaKind::Video);
    node.tap_started(tap);
    node.hub.push(second, &packet(&vp8(), 1), Instant::now());
    node.hub.push(first, &packet(&vp8(), 2), Instant::now());
    assert_eq!(node.tap_media(tap).sequence as u16, 2);
    node.hub.unpublish(second);
    assert_eq!(node.hub.stats().tracks, 1);
}

#[test]
fn names_that_cannot_be_used_are_refused_at_once() {
    let node = Node::start(config());
    for (participant, track) in [("", "video"), ("a", ""), ("a\n", "video"), (" a", "video")] {
        let error = node
            .hub
            .publish(local(participant, track, vp8()))
            .expect_err("a bad name");
        assert!(matches!(error, RequestError::Name { .. }), "{error}");
    }
    let mut elsewhere = local("a", "video", vp8());
    elsewhere.room = Some("not a room".into());
    assert!(node.hub.publish(elsewhere).is_err());
}

#[test]
fn statistics_count_what_is_there() {
    let node = Node::start(config());
    node.publish("a", "video", vp8());
    node.publish("a", "audio", opus());
    node.publish("b", "video", vp8());
    let stats = node.hub.stats();
    assert_eq!(
        (
            stats.rooms,
            stats.participants,
            stats.tracks,
            stats.sessions
        ),
        (1, 2, 3, 0)
    );
    assert_eq!(stats.workers.len(), 2);
    assert_eq!(stats.workers[0].local.len(), 1);
}

#[test]
fn a_stopped_hub_takes_no_requests_and_says_so() {
    let node = Node::start(config());
    node.hub.stop();
    assert_eq!(
        node.hub.publish(local("a", "video", vp8())),
        Err(RequestError::Stopped)
    );
    node.hub.stop();
}
