// SPDX-License-Identifier: MIT OR Apache-2.0
//! `GET /metrics`: numbers for Prometheus, in its text format (version 0.0.4).

use super::router::App;
use crate::rooms::{Counts, HttpReply, HttpRequest};
use crate::turn::{Refusal, Stats};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, header};
use std::fmt::Write;

pub(super) async fn metrics(State(app): State<App>) -> Response<Body> {
    let mut text = String::new();
    if let Ok(HttpReply::Counts(counts)) = app.switchboard.ask(HttpRequest::Counts).await {
        rooms(&mut text, &counts);
    }
    if let Some(relays) = &app.relays
        && let Some(stats) = relays.stats().await
    {
        turn(&mut text, &stats);
    }
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn rooms(text: &mut String, counts: &Counts) {
    gauge(text, "rooms", "Open rooms.", counts.rooms);
    gauge(
        text,
        "participants",
        "Participants of all rooms, hidden ones included.",
        counts.participants,
    );
    gauge(
        text,
        "sessions",
        "PeerConnections with media nodes.",
        counts.sessions,
    );
    gauge(text, "nodes", "Media nodes.", counts.nodes);
    gauge(text, "websockets", "Open WebSockets.", counts.connections);
}

fn turn(text: &mut String, stats: &Stats) {
    gauge(
        text,
        "turn_allocations",
        "Allocations there are.",
        stats.allocations,
    );
    counter(
        text,
        "turn_allocations_total",
        "Allocations made.",
        &[("", stats.allocations_made)],
    );
    counter(
        text,
        "stun_bindings_total",
        "Binding requests answered.",
        &[("", stats.bindings)],
    );
    let ways = |peer: u64, client: u64| {
        [
            ("direction=\"to_peer\"", peer),
            ("direction=\"to_client\"", client),
        ]
    };
    counter(
        text,
        "turn_packets_total",
        "Datagrams relayed.",
        &ways(stats.packets_to_peers, stats.packets_to_clients),
    );
    counter(
        text,
        "turn_bytes_total",
        "Bytes of payload relayed.",
        &ways(stats.bytes_to_peers, stats.bytes_to_clients),
    );
    let reasons =
        Refusal::ALL.map(|why| (format!("reason=\"{}\"", why.as_str()), stats.refused(why)));
    let reasons = reasons
        .each_ref()
        .map(|(label, count)| (label.as_str(), *count));
    counter(
        text,
        "turn_refusals_total",
        "Requests and datagrams refused, by reason.",
        &reasons,
    );
}

fn gauge(text: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "# HELP gst_rtc_{name} {help}\n# TYPE gst_rtc_{name} gauge\ngst_rtc_{name} {value}"
    );
}

/// One value for each set of labels.
fn counter(text: &mut String, name: &str, help: &str, values: &[(&str, u64)]) {
    let _ = writeln!(
        text,
        "# HELP gst_rtc_{name} {help}\n# TYPE gst_rtc_{name} counter"
    );
    for (labels, value) in values {
        let labels = match *labels {
            "" => String::new(),
            labels => format!("{{{labels}}}"),
        };
        let _ = writeln!(text, "gst_rtc_{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_type_and_every_reason_its_line() {
        let mut text = String::new();
        rooms(&mut text, &Counts::default());
        turn(&mut text, &Stats::default());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let name = name.split('{').next().unwrap_or_default();
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
            assert_eq!(value, "0");
        }
        assert_eq!(text.matches("reason=").count(), Refusal::ALL.len());
        assert!(text.contains("gst_rtc_turn_bytes_total{direction=\"to_peer\"} 0\n"));
    }
}
