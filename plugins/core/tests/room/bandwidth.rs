// SPDX-License-Identifier: MIT OR Apache-2.0
//! Subscribers on links of all widths: each gets what its link carries, and no more than it wants.

use super::lab::Lab;
use super::link::Impairment;
use super::simulcast::Studio;
use gst_rtc_core::bwe::{Preference, Reason};
use gst_rtc_core::engine::{EngineEvent, SessionMediaStats};
use gst_rtc_core::id::SessionId;
use gst_rtc_core::media::MediaKind::Video;

/// Frames in a second.
const SECOND: usize = 30;

fn limit(lab: &mut Lab, client: usize, rate: u64) {
    lab.down[client].impairment = Impairment {
        rate: Some(rate),
        ..Impairment::GOOD
    };
}

fn stats(lab: &Lab, client: usize) -> SessionMediaStats {
    let mut all = lab.engine.session_stats();
    all.find(|stats| stats.session.0 == client as u32)
        .expect("the session lives")
}

/// The encoding a subscriber gets on its first slot.
fn encoding(lab: &Lab, client: usize) -> Option<u8> {
    stats(lab, client).slots[0]
        .layer
        .map(|layer| layer.encoding)
}

fn estimate(lab: &Lab, client: usize) -> Option<u64> {
    stats(lab, client).estimate
}

fn prefer(lab: &mut Lab, client: usize, preference: Preference) {
    let session = SessionId(client as u32);
    assert!(lab.engine.prefer(lab.now, session, "s0", preference));
}

/// Why a subscriber was last told to get what it gets.
fn reason(lab: &Lab, client: usize) -> Option<Reason> {
    let told = lab.events.iter().rev().find_map(|event| match event {
        EngineEvent::Quality { session, slots, .. } if session.0 == client as u32 => Some(slots),
        _ => None,
    });
    told.map(|slots| slots[0].reason)
}

#[test]
fn each_subscriber_gets_the_layer_its_link_carries() {
    let mut lab = Lab::new(1);
    let mut studio = Studio::new(&mut lab, 1);
    // The encodings take about 110, 330 and 980 kbit/s.
    let links = [5_000_000, 600_000, 200_000, 60_000];
    let clients: Vec<_> = (0..links.len() as u32)
        .map(|n| lab.reporting_subscriber(2 + n, &[Video]))
        .collect();
    for (client, rate) in clients.iter().zip(links) {
        limit(&mut lab, *client, rate);
    }
    lab.connect();
    studio.run(&mut lab, 15 * SECOND);
    let got: Vec<_> = clients.iter().map(|c| encoding(&lab, *c)).collect();
    let estimates: Vec<_> = clients.iter().map(|c| estimate(&lab, *c)).collect();
    assert_eq!(got, [Some(2), Some(1), Some(0), None], "{estimates:?}");
    assert_eq!(reason(&lab, clients[0]), Some(Reason::Best));
    for client in &clients[1..] {
        assert_eq!(reason(&lab, *client), Some(Reason::Bandwidth));
    }
}

#[test]
fn a_subscriber_moves_when_its_link_changes() {
    let mut lab = Lab::new(2);
    let mut studio = Studio::new(&mut lab, 1);
    let client = lab.reporting_subscriber(2, &[Video]);
    lab.connect();
    studio.run(&mut lab, 5 * SECOND);
    assert_eq!(encoding(&lab, client), Some(2));
    limit(&mut lab, client, 500_000);
    studio.run(&mut lab, 5 * SECOND);
    assert_eq!(
        encoding(&lab, client),
        Some(1),
        "{:?}",
        estimate(&lab, client)
    );
    limit(&mut lab, client, 200_000);
    studio.run(&mut lab, 5 * SECOND);
    assert_eq!(
        encoding(&lab, client),
        Some(0),
        "{:?}",
        estimate(&lab, client)
    );
    limit(&mut lab, client, 3_000_000);
    studio.run(&mut lab, 20 * SECOND);
    assert_eq!(
        encoding(&lab, client),
        Some(2),
        "{:?}",
        estimate(&lab, client)
    );
}

#[test]
fn a_wide_link_is_known_at_once_and_then_costs_no_padding() {
    let mut lab = Lab::new(3);
    let mut studio = Studio::new(&mut lab, 1);
    let client = lab.reporting_subscriber(2, &[Video]);
    lab.connect();
    studio.run(&mut lab, 2 * SECOND);
    assert_eq!(encoding(&lab, client), Some(2));
    assert!(estimate(&lab, client).is_some_and(|rate| rate > 1_000_000));
    studio.run(&mut lab, 3 * SECOND);
    let padding = lab.engine.stats().padding;
    assert!((1..100).contains(&padding), "{padding}");
    studio.run(&mut lab, 20 * SECOND);
    assert_eq!(lab.engine.stats().padding, padding);
}

#[test]
fn probes_send_again_what_went_out_last() {
    let mut lab = Lab::new(7);
    let mut studio = Studio::new(&mut lab, 1);
    let client = lab.reporting_subscriber(2, &[Video]);
    lab.down[client].impairment = Impairment {
        loss: 0.02,
        ..Impairment::GOOD
    };
    lab.connect();
    studio.run(&mut lab, 5 * SECOND);
    let stats = lab.engine.stats();
    let (padding, again) = (stats.padding, stats.padding_again);
    assert!(again > 0 && again <= padding, "{again} of {padding}");
    let packets = lab.clients[client].packets.iter();
    let mut numbers: Vec<_> = packets.map(|packet| *packet.seq_no).collect();
    let came = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(came, numbers.len(), "nothing is taken twice");
}

#[test]
fn quality_is_told_at_most_once_a_second_and_only_when_it_changes() {
    let mut lab = Lab::new(4);
    let mut studio = Studio::new(&mut lab, 1);
    let client = lab.reporting_subscriber(2, &[Video]);
    limit(&mut lab, client, 600_000);
    lab.connect();
    studio.run(&mut lab, 30 * SECOND);
    let told = |lab: &Lab| {
        let quality = |event: &&EngineEvent| matches!(event, EngineEvent::Quality { .. });
        lab.events.iter().filter(quality).count()
    };
    assert!((1..=30).contains(&told(&lab)), "{}", told(&lab));
}

#[test]
fn a_viewer_gets_no_more_than_it_wants() {
    let mut lab = Lab::new(5);
    let mut studio = Studio::new(&mut lab, 1);
    let client = lab.subscriber(2, &[Video]);
    lab.connect();
    studio.run(&mut lab, 3 * SECOND);
    assert_eq!(encoding(&lab, client), Some(2));
    let small = Preference {
        width: 300,
        height: 170,
        ..Preference::default()
    };
    prefer(&mut lab, client, small);
    studio.run(&mut lab, 3 * SECOND);
    assert_eq!(encoding(&lab, client), Some(0));
    assert_eq!(reason(&lab, client), Some(Reason::Size));
    let hidden = Preference {
        paused: true,
        ..Preference::default()
    };
    prefer(&mut lab, client, hidden);
    studio.run(&mut lab, 2 * SECOND);
    assert_eq!(
        (encoding(&lab, client), reason(&lab, client)),
        (None, Some(Reason::Paused))
    );
    prefer(&mut lab, client, Preference::default());
    studio.run(&mut lab, 2 * SECOND);
    assert_eq!(
        (encoding(&lab, client), reason(&lab, client)),
        (Some(2), Some(Reason::Best))
    );
}

#[test]
fn a_peer_that_estimates_by_itself_gets_what_it_says() {
    let mut lab = Lab::new(8);
    let mut studio = Studio::new(&mut lab, 1);
    let client = lab.subscriber(2, &[Video]);
    lab.connect();
    studio.run(&mut lab, 3 * SECOND);
    // The encodings take about 110, 330 and 980 kbit/s.
    for (rate, wanted) in [(500_000, 1), (200_000, 0), (3_000_000, 2)] {
        for _ in 0..15 {
            lab.touch(client, |client| client.limit(Lab::slot_ssrc(0), rate));
            studio.run(&mut lab, SECOND);
        }
        assert_eq!(encoding(&lab, client), Some(wanted), "at {rate} bit/s");
    }
}

#[test]
fn one_narrow_link_costs_the_others_nothing() {
    let mut lab = Lab::new(6);
    let mut studio = Studio::new(&mut lab, 1);
    let wide = lab.reporting_subscriber(2, &[Video]);
    let narrow = lab.reporting_subscriber(3, &[Video]);
    limit(&mut lab, narrow, 150_000);
    lab.connect();
    studio.run(&mut lab, 10 * SECOND);
    assert_eq!(encoding(&lab, narrow), Some(0));
    let before = stats(&lab, wide).slots[0].packets;
    studio.run(&mut lab, 10 * SECOND);
    assert_eq!(
        stats(&lab, wide).slots[0].packets - before,
        9 * 10 * SECOND as u64
    );
    assert_eq!(stats(&lab, wide).slots[0].lost, 0);
}
