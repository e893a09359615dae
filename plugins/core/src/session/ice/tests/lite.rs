// SPDX-License-Identifier: MIT OR Apache-2.0

use super::super::check::sha1_hmac;
use super::*;
use is::stun::{StunMessage, TransId};
use proptest::prelude::*;

const HIGH: u32 = 2_000_000_000;
const LOW: u32 = 1_000_000_000;

/// A lite agent, and the checks of a client.
struct Bench {
    lite: Lite,
    now: Instant,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            lite: Lite::new(1, credentials()),
            now: Instant::now(),
        }
    }

    fn check(&mut self, path: Path, nominate: bool, priority: u32) -> Verdict {
        let request = request("serverufrag:clientufrag", nominate, priority, true);
        let data = bytes(request, &credentials().local_pwd);
        self.lite.handle_stun(self.now, path, &data)
    }

    fn sent(&mut self) -> Vec<Transmit> {
        std::iter::from_fn(|| self.lite.poll_transmit()).collect()
    }

    /// Our checks among what was sent.
    fn checks(&mut self) -> Vec<Transmit> {
        let is_request = |t: &Transmit| {
            StunMessage::parse(&t.data)
                .expect("STUN")
                .is_binding_request()
        };
        self.sent().into_iter().filter(is_request).collect()
    }

    fn answer(&mut self, check: &Transmit, path: Path) -> Verdict {
        let request = StunMessage::parse(&check.data).expect("STUN");
        let reply = StunMessage::binding_reply(request.trans_id(), check.path.local);
        self.lite
            .handle_stun(self.now, path, &bytes(reply, &credentials().remote_pwd))
    }
}

fn request(username: &str, nominate: bool, priority: u32, controlling: bool) -> StunMessage<'_> {
    StunMessage::binding_request(username, TransId::new(), controlling, 7, priority, nominate)
}

fn bytes(message: StunMessage<'_>, pwd: &str) -> Vec<u8> {
    let mut data = vec![0; 512];
    let len = message
        .to_bytes(Some(pwd.as_bytes()), &mut data, sha1_hmac)
        .expect("room");
    data.truncate(len);
    data
}

#[test]
fn a_check_is_answered_and_the_nominated_path_selected() {
    let mut bench = Bench::new();
    let udp = path(Proto::Udp, 1);
    assert_eq!(bench.check(udp, false, HIGH), Verdict::Authentic);
    assert!(bench.lite.is_validated(&udp));
    assert_eq!(bench.lite.selected(), None);
    assert_eq!(bench.check(udp, true, HIGH), Verdict::Authentic);
    assert_eq!(bench.lite.selected(), Some(udp));
    for reply in bench.sent() {
        let message = StunMessage::parse(&reply.data).expect("STUN");
        assert_eq!(reply.path, udp);
        assert!(message.is_successful_binding_response());
        assert_eq!(message.mapped_address(), Some(udp.remote));
        assert!(message.verify(credentials().local_pwd.as_bytes(), sha1_hmac));
    }
}

#[test]
fn checks_with_wrong_names_or_passwords_get_no_answer() {
    let mut bench = Bench::new();
    let udp = path(Proto::Udp, 1);
    let pwd = credentials().local_pwd;
    for (username, pwd) in [
        ("serverufrag:clientufrag", "wrong-password-of-22-or-more"),
        ("serverufrag:somebodyelse", &pwd),
        ("anotherufrag:clientufrag", &pwd),
        ("clientufrag:serverufrag", &pwd),
    ] {
        let data = bytes(request(username, true, HIGH, true), pwd);
        assert_eq!(
            bench.lite.handle_stun(bench.now, udp, &data),
            Verdict::Refused
        );
    }
    assert!(bench.sent().is_empty());
    assert!(!bench.lite.is_validated(&udp) && bench.lite.selected().is_none());
}

#[test]
fn a_peer_that_thinks_it_is_controlled_is_told_of_the_conflict() {
    let mut bench = Bench::new();
    let data = bytes(
        request("serverufrag:clientufrag", false, HIGH, false),
        &credentials().local_pwd,
    );
    assert_eq!(
        bench
            .lite
            .handle_stun(bench.now, path(Proto::Udp, 1), &data),
        Verdict::Authentic
    );
    let sent = bench.sent();
    let message = StunMessage::parse(&sent[0].data).expect("STUN");
    assert_eq!(message.error_code().map(|(code, _)| code), Some(487));
}

#[test]
fn media_moves_only_after_the_new_address_answered() {
    let mut bench = Bench::new();
    let (first, second) = (path(Proto::Udp, 1), path(Proto::Udp, 2));
    bench.check(first, true, HIGH);
    assert!(bench.checks().is_empty());
    bench.check(second, false, LOW);
    bench.check(second, true, LOW);
    assert_eq!(bench.lite.selected(), Some(first), "not before the answer");
    let checks = bench.checks();
    assert_eq!(checks.len(), 1);
    assert_eq!(checks[0].path, second);
    assert_eq!(
        bench.answer(&checks[0], first),
        Verdict::Refused,
        "an answer from elsewhere"
    );
    assert_eq!(bench.lite.selected(), Some(first));
    bench.now += Duration::from_millis(30);
    assert_eq!(
        bench.answer(&checks[0], second),
        Verdict::Answered(Duration::from_millis(30))
    );
    assert_eq!(bench.lite.selected(), Some(second));
}

#[test]
fn a_forged_source_never_gets_more_than_small_checks() {
    let mut bench = Bench::new();
    let (own, victim) = (path(Proto::Udp, 1), path(Proto::Udp, 66));
    bench.check(own, true, LOW);
    bench.sent();
    for _ in 0..100 {
        bench.now += Duration::from_millis(100);
        bench.check(victim, false, HIGH);
        bench.check(victim, true, HIGH);
        bench.check(own, true, LOW);
    }
    assert_eq!(bench.lite.selected(), Some(own));
}

#[test]
fn a_guessed_answer_is_refused() {
    let mut bench = Bench::new();
    let (own, victim) = (path(Proto::Udp, 1), path(Proto::Udp, 66));
    bench.check(own, true, LOW);
    bench.check(victim, true, HIGH);
    let guess = StunMessage::binding_reply(TransId::new(), victim.local);
    let data = bytes(guess, &credentials().remote_pwd);
    assert_eq!(
        bench.lite.handle_stun(bench.now, victim, &data),
        Verdict::Refused
    );
    assert_eq!(bench.lite.selected(), Some(own));
}

#[test]
fn a_tcp_connection_needs_no_further_proof() {
    let mut bench = Bench::new();
    let (udp, tcp) = (path(Proto::Udp, 1), path(Proto::Tcp, 1));
    bench.check(udp, true, HIGH);
    bench.check(tcp, false, LOW);
    bench.check(tcp, true, LOW);
    assert_eq!(bench.lite.selected(), Some(tcp));
}

#[test]
fn a_peer_that_nominates_everything_gets_its_best_path_and_keeps_it() {
    let mut bench = Bench::new();
    let (low, high) = (path(Proto::Tcp, 1), path(Proto::Tcp, 2));
    bench.check(low, true, LOW);
    bench.check(high, true, HIGH);
    assert_eq!(bench.lite.selected(), Some(high));
    for _ in 0..10 {
        bench.now += Duration::from_millis(100);
        bench.check(low, true, LOW);
        bench.check(high, true, HIGH);
        assert_eq!(bench.lite.selected(), Some(high));
    }
    bench.now += Duration::from_secs(4);
    bench.check(low, true, LOW);
    assert_eq!(
        bench.lite.selected(),
        Some(low),
        "the better one fell silent"
    );
}

#[test]
fn the_handshake_path_is_adopted_and_a_later_move_has_to_be_proven() {
    let mut bench = Bench::new();
    let (first, second) = (path(Proto::Udp, 1), path(Proto::Udp, 2));
    bench.lite.adopt(first);
    assert_eq!(
        bench.lite.selected(),
        None,
        "nothing authentic came from there"
    );
    bench.check(first, false, HIGH);
    bench.lite.adopt(first);
    assert_eq!(bench.lite.selected(), Some(first));
    bench.check(second, true, HIGH);
    assert_eq!(bench.lite.selected(), Some(first));
}

#[test]
fn addresses_of_one_peer_are_bounded() {
    let mut bench = Bench::new();
    let first = path(Proto::Udp, 1);
    bench.check(first, true, HIGH);
    for host in 2..=255 {
        bench.now += Duration::from_millis(1);
        bench.check(path(Proto::Udp, host), false, LOW);
        bench.sent();
    }
    assert!(bench.lite.is_validated(&first), "the one in use is kept");
    let known = (1..=255)
        .filter(|host| bench.lite.is_validated(&path(Proto::Udp, *host)))
        .count();
    assert_eq!(known, 16);
}

#[test]
fn a_message_cut_off_anywhere_is_refused() {
    let mut bench = Bench::new();
    let data = bytes(
        request("serverufrag:clientufrag", true, HIGH, true),
        &credentials().local_pwd,
    );
    for len in 0..data.len() {
        let verdict = bench
            .lite
            .handle_stun(bench.now, path(Proto::Udp, 1), &data[..len]);
        assert_eq!(verdict, Verdict::Refused, "{len} bytes");
    }
}

proptest! {
    #[test]
    fn no_datagram_is_authentic_or_panics(
        tail in proptest::collection::vec(any::<u8>(), 0..200), kind in 0u16..0x200, fitting in any::<bool>(),
    ) {
        let mut data = kind.to_be_bytes().to_vec();
        let len = if fitting { tail.len().saturating_sub(12) as u16 & !3 } else { 0 };
        data.extend_from_slice(&len.to_be_bytes());
        data.extend_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        data.extend_from_slice(&tail);
        data.truncate(20 + usize::from(len).max(if fitting { 0 } else { 180 }));
        let mut bench = Bench::new();
        prop_assert_eq!(bench.lite.handle_stun(bench.now, path(Proto::Udp, 1), &data), Verdict::Refused);
    }
}
