#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Records a room: for each participant one Matroska file with picture and sound in sync, as sent.

    GST_PLUGIN_PATH=target/release python3 examples/recorder.py ws://127.0.0.1:8080 lobby recordings

Whatever kills this program, the files play up to the last second. It needs python3-gi and gir1.2-gstreamer-1.0.
"""

import os
import re
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

DEPAY = {
    "VP8": "rtpvp8depay",
    "VP9": "rtpvp9depay ! vp9parse",
    "H264": "rtph264depay ! h264parse",
    "OPUS": "rtpopusdepay ! opusparse",
}


class Recorder:
    def __init__(self, server, room, folder):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.tracks = {}
        self.recorded = set()
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline()
        self.sfu = Gst.ElementFactory.make("rtcsfu")
        if self.sfu is None:
            sys.exit("no element rtcsfu: set GST_PLUGIN_PATH to the folder of libgstrtcsfu.so")
        self.sfu.set_property("room", room)
        self.sfu.get_property("signaller").set_property("uri", server)
        self.pipeline.add(self.sfu)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        bus.connect("message::eos", lambda *_: self.loop.quit())
        bus.connect("message::element", self.on_element)

    def run(self):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGINT, self.on_interrupt)
        self.pipeline.set_state(Gst.State.PLAYING)
        print("waiting for participants", flush=True)
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)

    def on_interrupt(self):
        if self.recorded:
            self.pipeline.send_event(Gst.Event.new_eos())
        else:
            self.loop.quit()
        return GLib.SOURCE_REMOVE

    def on_error(self, _bus, message):
        sys.exit(" ".join(map(str, message.parse_error())))

    def on_element(self, _bus, message):
        told = message.get_structure()
        if told.get_name() != "rtcsfu-track-added":
            return
        who, kind, codec = (told.get_string(f) for f in ("participant", "kind", "encoding-name"))
        tracks = self.tracks.setdefault(who, {})
        tracks[kind] = codec
        if {"video", "audio"} <= tracks.keys() and who not in self.recorded:
            self.recorded.add(who)
            self.record(who, tracks)

    def record(self, who, tracks):
        name = re.sub(r"\W", "_", who)  # a name of the network is no path
        path = os.path.join(self.folder, f"{name}.mkv")
        record = Gst.parse_bin_from_description(
            "matroskamux name=mux offset-to-zero=true ! filesink name=file async=false "
            + " ".join(
                f"identity name={kind} ! {DEPAY[tracks[kind]]} ! queue ! mux."
                for kind in ("video", "audio")
            ),
            False,
        )
        record.get_by_name("file").set_property("location", path)
        record.set_property("async-handling", True)
        self.pipeline.add(record)
        record.sync_state_with_parent()
        for kind in ("video", "audio"):
            ghost = Gst.GhostPad.new(kind, record.get_by_name(kind).get_static_pad("sink"))
            ghost.set_active(True)
            record.add_pad(ghost)
            self.sfu.request_pad_simple(f"{kind}_{who}").link(ghost)
        print(f"{who} is recorded to {path}", flush=True)


if __name__ == "__main__":
    Gst.init(None)
    given = sys.argv[1:] + ["ws://127.0.0.1:8080", "lobby", "."][len(sys.argv) - 1 :]
    Recorder(*given[:3]).run()
