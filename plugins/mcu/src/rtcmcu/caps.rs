// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the pads take and give.

use std::sync::LazyLock;

/// All that a sink pad takes.
pub(super) fn inputs() -> gst::Caps {
    static CAPS: LazyLock<gst::Caps> = LazyLock::new(|| {
        let mut caps = gst::Caps::new_empty();
        let all = caps.get_mut().expect("it was just made");
        // Raw pictures first, in the format that costs least.
        let structure = gst::Structure::builder("video/x-raw")
            .field("format", "I420")
            .build();
        all.append_structure(structure);
        for name in ["video/x-raw", "audio/x-raw", "application/x-rtp"]
            .iter()
            .chain(ENCODED)
        {
            all.append_structure(gst::Structure::new_empty(*name));
        }
        caps
    });
    CAPS.clone()
}

const ENCODED: &[&str] = &[
    "video/x-h264",
    "video/x-h265",
    "video/x-vp8",
    "video/x-vp9",
    "video/x-av1",
    "video/mpeg",
    "image/jpeg",
    "audio/x-opus",
    "audio/mpeg",
    "audio/x-vorbis",
    "audio/x-alaw",
    "audio/x-mulaw",
    "audio/x-flac",
];

/// All that the picture may leave as.
pub(super) fn video() -> gst::Caps {
    "video/x-raw; video/x-h264; video/x-vp8; video/x-vp9; application/x-rtp, media=(string)video"
        .parse()
        .expect("valid caps")
}

/// All that sound may leave as.
pub(super) fn audio() -> gst::Caps {
    "audio/x-raw; audio/x-opus; audio/mpeg, mpegversion=(int)4; application/x-rtp, media=(string)audio"
        .parse()
        .expect("valid caps")
}
