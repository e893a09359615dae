#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR Apache-2.0
"""An SFU inside of a Python program, and a word for everybody who comes.

    GST_PLUGIN_PATH=target/release python3 examples/embed_sfu.py ws://127.0.0.1:8080 lobby

Start `gst-rtc serve` before, and open its room in two browsers: they see each other through this program. It needs
python3-gi and gir1.2-gstreamer-1.0.
"""

import signal
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402


def main(server, room):
    sfu = Gst.ElementFactory.make("rtcsfu")
    if sfu is None:
        sys.exit("no element rtcsfu: set GST_PLUGIN_PATH to the folder of libgstrtcsfu.so")
    sfu.set_property("room", room)
    sfu.get_property("signaller").set_property("uri", server)
    react(sfu)

    loop = GLib.MainLoop()
    pipeline = Gst.Pipeline()
    pipeline.add(sfu)

    def on_error(_bus, message):
        print(*message.parse_error(), file=sys.stderr)
        loop.quit()

    def on_element(_bus, message):
        if message.get_structure().get_name() == "rtcsfu-signaller-connected":
            print("ready", flush=True)

    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message::error", on_error)
    bus.connect("message::element", on_element)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGINT, loop.quit)
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    pipeline.set_state(Gst.State.NULL)


def react(sfu):
    """Every signal of the element is also a message on the bus; here are the signals."""

    def tell(*words):
        print(*words, flush=True)

    sfu.connect("participant-joined", lambda _, room, id, name: tell(name, "joined", room))
    sfu.connect("participant-left", lambda _, room, id, name: tell(name, "left", room))
    sfu.connect("track-added", lambda _, room, who, track, kind, codec: tell(who, "sends", track, "in", codec))
    sfu.connect("speaking", lambda _, room, who, speaks: tell(who, "speaks") if speaks else None)


if __name__ == "__main__":
    Gst.init(None)
    given = sys.argv[1:] + ["ws://127.0.0.1:8080", "lobby"][len(sys.argv) - 1 :]
    main(*given[:2])
