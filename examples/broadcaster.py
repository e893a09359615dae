#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""Broadcasts a room: the picture of whoever speaks, and the sound of all, to an RTMP server.

    GST_PLUGIN_PATH=target/release python3 examples/broadcaster.py ws://127.0.0.1:8080 lobby rtmp://127.0.0.1/live/key

Join the room with two browsers and talk in turns: the stream shows who talks. It needs python3-gi and gir1.2-gstreamer-1.0.
"""

import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

# What comes of the room: one picture, one sound, encoded once, as streaming platforms take them.
STUDIO = """
    rtcsfu name=room expose=all
    rtcmcu name=mix layout=single width=640 height=360 video-bitrate=1500000 audio-bitrate=128000 end-with-inputs=false
    mix.video ! h264parse config-interval=-1 ! queue ! mux.
    mix.audio ! aacparse ! queue ! mux.
    flvmux name=mux streamable=true ! rtmp2sink name=platform async=false
"""


def main(server, room, platform):
    loop = GLib.MainLoop()
    pipeline = Gst.parse_launch(STUDIO)
    sfu, mix = pipeline.get_by_name("room"), pipeline.get_by_name("mix")
    pipeline.get_by_name("platform").set_property("location", platform)
    sfu.set_property("room", room)
    sfu.get_property("signaller").set_property("uri", server)

    # Every track of the room is mixed as long as it is there; the mixer itself sees whose is whose, and who speaks.
    def take_in(_sfu, track):
        track.connect("unlinked", lambda _, into: mix.release_request_pad(into))
        track.link(mix.request_pad_simple("sink_%u"))

    def on_element(_bus, message):
        told = message.get_structure()
        if told.get_name() == "rtcsfu-speaking" and told.get_value("speaking"):
            print(told.get_string("participant"), "speaks", flush=True)

    def on_error(_bus, message):
        print(*message.parse_error(), file=sys.stderr)
        loop.quit()

    sfu.connect("pad-added", take_in)
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", on_error)
    bus.connect("message::element", on_element)
    bus.connect("message::latency", lambda *_: pipeline.recalculate_latency())
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGINT, loop.quit)
    pipeline.set_state(Gst.State.PLAYING)
    print("broadcasting", room, flush=True)
    loop.run()
    pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    Gst.init(None)
    given = sys.argv[1:] + ["ws://127.0.0.1:8080", "lobby", "rtmp://127.0.0.1/live/key"][len(sys.argv) - 1 :]
    main(*given[:3])
