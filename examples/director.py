#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Directs a room: everybody is in one picture, which the room gets back as a participant named "mix", and whose layout
follows who is there and who speaks. Open the room in two browsers, then in a third, and look at "mix".

    GST_PLUGIN_PATH=target/release python3 examples/director.py ws://127.0.0.1:8080 lobby

It needs python3-gi and gir1.2-gstreamer-1.0.
"""

import json
import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

# The room's tracks go into the mixer as they come; picture and sound of all come back.
STUDIO = """
rtcsfu name=sfu sink_0::participant=mix sink_1::participant=mix
rtcmcu name=mcu width=1280 height=720 end-with-inputs=false
mcu.video ! application/x-rtp,encoding-name=VP8 ! sfu.sink_0
mcu.audio ! application/x-rtp,encoding-name=OPUS ! sfu.sink_1
"""

# Two beside each other, whatever their shape. Rectangles are in pixels of the canvas.
TWO = json.dumps([{"x": x, "y": 120, "width": 610, "height": 480} for x in (20, 650)])


class Director:
    def __init__(self, server, room):
        self.room = room
        self.cast = {}  # who is in the picture: their pads from the room and into the mixer
        self.loop = GLib.MainLoop()
        try:
            self.pipeline = Gst.parse_launch(STUDIO)
        except GLib.Error as error:
            sys.exit(f"{error.message}: set GST_PLUGIN_PATH to the folder of the plugins")
        self.sfu = self.pipeline.get_by_name("sfu")
        self.mcu = self.pipeline.get_by_name("mcu")
        self.sfu.set_property("room", room)
        self.sfu.get_property("signaller").set_property("uri", server)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        bus.connect("message::element", self.on_element)

    def run(self):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGINT, self.loop.quit)
        self.pipeline.set_state(Gst.State.PLAYING)
        print(f"directing {self.room}", flush=True)
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)

    def on_error(self, _bus, message):
        sys.exit(" ".join(map(str, message.parse_error())))

    def on_element(self, _bus, message):
        told = message.get_structure()
        name, who = told.get_name(), told.get_string("participant")
        if name == "rtcsfu-track-added" and who != "mix":
            self.take(who, told.get_string("kind"))
        elif name == "rtcsfu-participant-left":
            self.dismiss(told.get_string("name"))
        elif name == "rtcmcu-speaker-changed":
            print(f"{who} speaks", flush=True)
        else:
            return
        self.arrange()

    def take(self, who, kind):
        """Of each participant one picture and one voice."""
        if self.sfu.get_static_pad(f"{kind}_{who}"):
            return
        track = self.sfu.request_pad_simple(f"{kind}_{who}")
        seat = self.mcu.request_pad_simple("sink_%u")
        seat.set_property("participant", who)
        track.link(seat)
        self.cast.setdefault(who, []).append((track, seat))

    def dismiss(self, who):
        for track, seat in self.cast.pop(who, []):
            track.unlink(seat)
            self.sfu.release_request_pad(track)
            self.mcu.release_request_pad(seat)

    def arrange(self):
        """One has it all; two have halves; of more, who speaks is big."""
        if not self.cast:
            return
        layouts = {1: ("one alone", "single"), 2: ("two halves", TWO)}
        name, layout = layouts.get(len(self.cast), ("who speaks is big", "speaker"))
        # Nothing, or why not; then the layout before stays.
        reason = self.mcu.emit("set-layout", layout)
        print(f"{name} is refused: {reason}" if reason else f"layout: {name}", flush=True)


if __name__ == "__main__":
    Gst.init(None)
    given = sys.argv[1:] + ["ws://127.0.0.1:8080", "lobby"][len(sys.argv) - 1 :]
    Director(*given[:2]).run()
