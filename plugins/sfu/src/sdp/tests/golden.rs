// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whole answers, letter by letter.

use super::*;

const OFFER: &str = "v=0\r\n\
    o=- 1 2 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0 1 2\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 0 63\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:peer\r\n\
    a=ice-pwd:lmnopqrstuvwxyz0123456\r\n\
    a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
    a=setup:actpass\r\n\
    a=mid:0\r\n\
    a=DIRECTION\r\n\
    a=rtcp-mux\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=rtpmap:111 opus/48000/2\r\n\
    a=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=rtcp-fb:111 transport-cc\r\n\
    a=rtpmap:63 red/48000/2\r\n\
    a=fmtp:63 111/111\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 98 99 96 97\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=mid:1\r\n\
    a=DIRECTION\r\n\
    a=rtcp-mux\r\n\
    a=rtcp-rsize\r\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=rtpmap:98 VP9/90000\r\n\
    a=fmtp:98 profile-id=0\r\n\
    a=rtpmap:99 rtx/90000\r\n\
    a=fmtp:99 apt=98\r\n\
    a=rtpmap:96 VP8/90000\r\n\
    a=rtcp-fb:96 nack\r\n\
    a=rtcp-fb:96 nack pli\r\n\
    a=rtcp-fb:96 goog-remb\r\n\
    a=rtcp-fb:96 transport-cc\r\n\
    a=rtpmap:97 rtx/90000\r\n\
    a=fmtp:97 apt=96\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    a=mid:2\r\n\
    a=sctp-port:5000\r\n\
    a=max-message-size:262144\r\n";

const SESSION: &str = "v=0\r\n\
    o=- 7 1 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0 1 2\r\n\
    a=extmap-allow-mixed\r\n\
    a=msid-semantic: WMS *\r\n\
    a=ice-lite\r\n";

const TRANSPORT: &str = "a=ice-ufrag:sfu1\r\n\
    a=ice-pwd:0123456789abcdefghijkl\r\n\
    a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n\
    a=setup:passive\r\n";

const MUX: &str = "a=rtcp-mux\r\n";

const CANDIDATES: &str = "a=candidate:1 1 UDP 2130706431 127.0.0.1 5000 typ host\r\n\
    a=candidate:2 1 TCP 1015021823 127.0.0.1 5000 typ host tcptype passive\r\n\
    a=end-of-candidates\r\n";

const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=mid:2\r\n\
    a=sendrecv\r\n";

const DATA_PARAMETERS: &str = "a=sctp-port:5000\r\n\
    a=max-message-size:262144\r\n";

#[test]
fn the_answer_to_a_publisher() {
    let answer = publish(&OFFER.replace("DIRECTION", "sendonly"));
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=mid:0\r\n\
        a=recvonly\r\n";
    let audio_formats = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\n\
        a=rtpmap:63 red/48000/2\r\n\
        a=fmtp:63 111/111\r\n\
        a=rtpmap:0 PCMU/8000\r\n";
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=mid:1\r\n\
        a=recvonly\r\n";
    let video_formats = "a=rtcp-rsize\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=rtpmap:96 VP8/90000\r\n\
        a=rtcp-fb:96 nack\r\n\
        a=rtcp-fb:96 nack pli\r\n\
        a=rtcp-fb:96 transport-cc\r\n\
        a=rtpmap:97 rtx/90000\r\n\
        a=fmtp:97 apt=96\r\n\
        a=rtpmap:98 VP9/90000\r\n\
        a=fmtp:98 profile-id=0\r\n\
        a=rtpmap:99 rtx/90000\r\n\
        a=fmtp:99 apt=98\r\n";
    let expected = [
        SESSION,
        audio,
        TRANSPORT,
        MUX,
        audio_formats,
        CANDIDATES,
        video,
        TRANSPORT,
        MUX,
        video_formats,
        DATA,
        TRANSPORT,
        DATA_PARAMETERS,
    ];
    assert_eq!(
        crate::sdp::write(&answer.description, 7, 1),
        expected.concat()
    );
}

#[test]
fn the_answer_to_a_receiver() {
    let answer = receive(&OFFER.replace("DIRECTION", "recvonly"));
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 63\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=mid:0\r\n\
        a=sendonly\r\n";
    let audio_formats = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10;useinbandfec=1\r\n\
        a=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:63 red/48000/2\r\n\
        a=fmtp:63 111/111\r\n\
        a=msid:slot-0 track-0\r\n\
        a=ssrc:1001 cname:slot-0\r\n\
        a=ssrc:1001 msid:slot-0 track-0\r\n";
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 98 99 96 97\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=mid:1\r\n\
        a=sendonly\r\n";
    let video_formats = "a=rtcp-rsize\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=rtpmap:98 VP9/90000\r\n\
        a=fmtp:98 profile-id=0\r\n\
        a=rtpmap:99 rtx/90000\r\n\
        a=fmtp:99 apt=98\r\n\
        a=rtpmap:96 VP8/90000\r\n\
        a=rtcp-fb:96 nack\r\n\
        a=rtcp-fb:96 nack pli\r\n\
        a=rtcp-fb:96 transport-cc\r\n\
        a=rtpmap:97 rtx/90000\r\n\
        a=fmtp:97 apt=96\r\n\
        a=msid:slot-0 track-1\r\n\
        a=ssrc-group:FID 1002 1003\r\n\
        a=ssrc:1002 cname:slot-0\r\n\
        a=ssrc:1002 msid:slot-0 track-1\r\n\
        a=ssrc:1003 cname:slot-0\r\n\
        a=ssrc:1003 msid:slot-0 track-1\r\n";
    let expected = [
        SESSION,
        audio,
        TRANSPORT,
        MUX,
        audio_formats,
        CANDIDATES,
        video,
        TRANSPORT,
        MUX,
        video_formats,
        DATA,
        TRANSPORT,
        DATA_PARAMETERS,
    ];
    assert_eq!(
        crate::sdp::write(&answer.description, 7, 1),
        expected.concat()
    );
}
