// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;
use crate::media::CandidateKind;

fn candidate(addr: &str) -> Candidate {
    Candidate {
        foundation: "1".into(),
        component: 1,
        proto: Proto::Udp,
        tcp_type: None,
        priority: 2_130_706_431,
        addr: addr.parse().expect("an address"),
        kind: CandidateKind::Host,
    }
}

/// All datagrams sent in the first 20 seconds.
fn sent(local: &str, remotes: &[String]) -> Vec<Transmit> {
    let mut now = Instant::now();
    let mut full = Full::new(now, 1, &credentials(), &[candidate(local)]);
    for remote in remotes {
        full.add_remote_candidate(now, &candidate(remote));
    }
    let mut sent = Vec::new();
    let end = now + Duration::from_secs(20);
    while let Some(next) = full.poll_timeout().filter(|next| *next < end) {
        sent.extend(std::iter::from_fn(|| full.poll_transmit()));
        now = next.max(now);
        full.handle_timeout(now);
    }
    sent
}

#[test]
fn no_check_goes_to_groups_nowhere_or_the_host_itself() {
    let hostile = [
        "127.0.0.1:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
        "0.0.0.0:80",
        "[::]:80",
        "224.0.0.1:5000",
        "[ff02::1]:5000",
        "255.255.255.255:9",
        "192.0.2.7:0",
    ];
    assert!(sent("198.51.100.1:2000", &hostile.map(String::from)).is_empty());
}

#[test]
fn loopback_is_checked_from_loopback() {
    assert!(!sent("127.0.0.1:2000", &["127.0.0.1:3000".into()]).is_empty());
}

#[test]
fn of_many_candidates_50_are_checked_and_paced() {
    let many: Vec<_> = (0..1000)
        .map(|n| format!("203.0.113.{}:{}", n % 250, 1000 + n))
        .collect();
    let sent = sent("198.51.100.1:2000", &many);
    let targets: std::collections::HashSet<_> = sent.iter().map(|t| t.path.remote).collect();
    assert!(
        (1..=50).contains(&targets.len()),
        "{} targets",
        targets.len()
    );
    assert!(
        sent.len() <= 20 * 20 + 1,
        "more than one in 50 ms: {}",
        sent.len()
    );
}
