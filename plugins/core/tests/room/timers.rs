// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is due does not become more with time, however long a room lasts.

use super::Camera;
use super::lab::Lab;
use gst_rtc_core::media::MediaKind::Video;

/// Times that something was due while a camera that answers is asked for `requests` keyframes, twice a second, and another that has
/// stopped is still asked for its own.
fn wakes(lab: &mut Lab, camera: &mut Camera, requests: u64) -> u64 {
    let before = lab.engine.stats().wakes;
    for _ in 0..requests {
        let track = Lab::track(camera.id, Video);
        lab.engine.request_keyframe(lab.now, track);
        camera.frame = 0; // a keyframe
        camera.run(lab, 15);
    }
    lab.engine.stats().wakes - before
}

#[test]
fn requests_that_nobody_answers_do_not_pile_up() {
    let mut lab = Lab::new(61);
    let [alive, dead] = [1, 2].map(|id| (lab.publisher(id, &[Video]), id));
    lab.connect();
    let [mut alive, mut dead] = [alive, dead].map(|(client, id)| Camera::new(client, id));
    dead.run(&mut lab, 1);
    lab.engine
        .request_keyframe(lab.now, Lab::track(dead.id, Video));
    let first = wakes(&mut lab, &mut alive, 60);
    wakes(&mut lab, &mut alive, 240);
    let last = wakes(&mut lab, &mut alive, 60);
    let asked = lab.clients[dead.client].keyframe_requests.len();
    assert!(asked > 300, "asked {asked} times");
    assert!(
        last < first * 3 / 2,
        "{first} in the first half minute, {last} in the last"
    );
}
