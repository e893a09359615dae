// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whose a stream is, by what it says of itself.

/// What the stream itself says of whose it is.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Identity {
    /// A name, from the stream id of `rtcsfu` or the media stream id.
    pub(super) name: Option<String>,
    /// Streams of one group are one participant's.
    pub(super) group: Option<gst::GroupId>,
}

impl Identity {
    /// Learns from an event. True: something is known that was not.
    pub(super) fn learn(&mut self, event: &gst::EventRef) -> bool {
        let before = self.clone();
        match event.view() {
            gst::EventView::StreamStart(start) => {
                self.group = start.group_id();
                self.name = participant_of(start.stream_id());
            }
            gst::EventView::Caps(caps) => {
                if let Some(name) = caps.caps().structure(0).and_then(media_stream) {
                    self.name.get_or_insert(name);
                }
            }
            _ => {}
        }
        *self != before
    }
}

/// The participant that `rtcsfu` names in its stream ids: `rtcsfu/room/participant…`.
fn participant_of(stream_id: &str) -> Option<String> {
    let mut parts = stream_id.split('/');
    (parts.next() == Some("rtcsfu")).then_some(())?;
    let name = parts.nth(1)?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The media stream of RTP caps: `a-msid` or `ssrc-…-msid`, of which the first word names the stream.
fn media_stream(structure: &gst::StructureRef) -> Option<String> {
    let is_msid =
        |name: &str| name == "a-msid" || (name.starts_with("ssrc-") && name.ends_with("-msid"));
    let (name, _) = structure.iter().find(|(name, _)| is_msid(name))?;
    let value = structure.get::<String>(name).ok()?;
    let stream = value.split_whitespace().next()?;
    (stream != "-").then(|| stream.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_say_whose_they_are() {
        gst::init().expect("GStreamer starts");
        assert_eq!(
            participant_of("rtcsfu/room/alice/video").as_deref(),
            Some("alice")
        );
        assert_eq!(
            participant_of("rtcsfu/room/alice").as_deref(),
            Some("alice")
        );
        assert_eq!(participant_of("0123/src"), None);
        let caps: gst::Caps = "application/x-rtp,ssrc-7-msid=(string)\"alice cam\""
            .parse()
            .expect("valid caps");
        let structure = caps.structure(0).expect("it has one");
        assert_eq!(media_stream(structure).as_deref(), Some("alice"));
    }
}
