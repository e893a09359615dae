# SPDX-License-Identifier: MIT OR Apache-2.0
"""An aiortc peer that tells when a picture flips and when it beeps by the clock of their sender.

    sync_peer.py OFFER

Prints its answer to the offer as a JSON string. On SIGINT it prints {"flips": […], "beeps": […]}
and ends: times in seconds of the sender's wall clock, to which the sender's own reports
(RFC 3550 §6.4.1) relate the timestamps of RTP.
"""

import array
import asyncio
import json
import signal
import sys

from aiortc import RTCPeerConnection, RTCSessionDescription, rtcpeerconnection, rtcrtpreceiver
from aiortc.rtp import RtcpSrPacket

BRIGHT = 127
LOUD = 3000
# Silence after which a loud sample begins another beep, in seconds.
PAUSE = 0.2


class RawTimestamps:
    """In place of aiortc's, which count from the first packet: frames keep the timestamps of RTP."""

    def map(self, timestamp):
        return timestamp


class Stream:
    """One medium: reports as (clock, timestamp) and marks as timestamps."""

    def __init__(self, rate):
        self.rate = rate
        self.reports = []
        self.marks = []

    def times(self):
        """The marks by the sender's clock. Load makes reports of sound late, never early: the earliest counts."""
        return [min(self.time(mark, *report) for report in self.reports) for mark in self.marks]

    def time(self, mark, clock, timestamp):
        return clock + self.distance(mark, timestamp) / self.rate

    @staticmethod
    def distance(one, other):
        return (one - other + (1 << 31)) % (1 << 32) - (1 << 31)


streams = {"video": Stream(90_000), "audio": Stream(48_000)}


class Receiver(rtcrtpreceiver.RTCRtpReceiver):
    """Notes sender reports."""

    async def _handle_rtcp_packet(self, packet):
        if isinstance(packet, RtcpSrPacket):
            info = packet.sender_info
            streams[self.track.kind].reports.append((info.ntp_timestamp / 2**32, info.rtp_timestamp))
        await super()._handle_rtcp_packet(packet)


async def watch(track):
    stream = streams["video"]
    before = None
    while True:
        frame = await track.recv()
        plane = frame.planes[0]
        middle = bytes(plane)[frame.height // 2 * plane.line_size + frame.width // 2]
        bright = middle > BRIGHT
        if before not in (None, bright):
            stream.marks.append(frame.pts)
        before = bright


async def listen(track):
    stream = streams["audio"]
    loud = None
    while True:
        frame = await track.recv()
        samples = array.array("h", bytes(frame.planes[0])[: frame.samples * 4])[::2]
        for i, sample in enumerate(samples):
            if abs(sample) > LOUD:
                at = (frame.pts + i) % (1 << 32)
                if loud is None or stream.distance(at, loud) > PAUSE * stream.rate:
                    stream.marks.append(at)
                loud = at


async def main(offer):
    rtcrtpreceiver.TimestampMapper = RawTimestamps
    rtcpeerconnection.RTCRtpReceiver = Receiver
    peer = RTCPeerConnection()
    tasks = []

    @peer.on("track")
    def track_added(track):
        act = watch if track.kind == "video" else listen
        tasks.append(asyncio.ensure_future(act(track)))

    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, end.set)
    await peer.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    print(json.dumps(peer.localDescription.sdp), flush=True)
    await end.wait()
    marks = {"flips": streams["video"].times(), "beeps": streams["audio"].times()}
    print(json.dumps(marks), flush=True)
    for task in tasks:
        task.cancel()
    await peer.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
