# SPDX-License-Identifier: MIT OR Apache-2.0
"""An aiortc peer that publishes by WHIP (RFC 9725) or receives by WHEP.

    aiortc_peer.py publish|receive URL

Prints the connection state as text, and what it received as one JSON object per line. On SIGINT
it deletes its session and ends.
"""

import asyncio
import fractions
import json
import math
import signal
import sys
import time
import urllib.parse
import urllib.request

import av
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack


class Tone(AudioStreamTrack):
    """440 Hz at 48 kHz, 20 ms at a time."""

    RATE = 48000
    SAMPLES = 960

    def __init__(self):
        super().__init__()
        self.position = 0
        self.began = None

    async def recv(self):
        now = time.monotonic()
        self.began = self.began or now
        await asyncio.sleep(max(0, self.began + self.position / self.RATE - now))
        wave = (
            int(8000 * math.sin(2 * math.pi * 440 * (self.position + i) / self.RATE))
            for i in range(self.SAMPLES)
        )
        frame = av.AudioFrame(format="s16", layout="mono", samples=self.SAMPLES)
        frame.planes[0].update(b"".join(s.to_bytes(2, "little", signed=True) for s in wave))
        frame.pts = self.position
        frame.sample_rate = self.RATE
        frame.time_base = fractions.Fraction(1, self.RATE)
        self.position += self.SAMPLES
        return frame


class Received:
    """Counts what arrives on all tracks of a connection."""

    def __init__(self):
        self.counts = {"frames": 0, "width": 0, "height": 0, "samples": 0}

    async def count(self, track):
        while True:
            frame = await track.recv()
            if track.kind == "video":
                self.counts["frames"] += 1
                self.counts["width"] = frame.width
                self.counts["height"] = frame.height
            else:
                self.counts["samples"] += frame.samples

    async def report(self):
        while True:
            print(json.dumps(self.counts), flush=True)
            await asyncio.sleep(0.2)


def request(method, url, body=None):
    """Sends an HTTP request and returns the headers and the text of the answer."""
    data = body.encode() if body is not None else None
    headers = {"Content-Type": "application/sdp"} if data else {}
    with urllib.request.urlopen(
        urllib.request.Request(url, data=data, headers=headers, method=method), timeout=30
    ) as response:
        return response.headers, response.read().decode()


async def connect(peer, url):
    """Offers, waits for the answer, and returns the URL of the session."""
    await peer.setLocalDescription(await peer.createOffer())
    headers, answer = await asyncio.to_thread(request, "POST", url, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    return urllib.parse.urljoin(url, headers["Location"])


async def main(verb, url):
    peer = RTCPeerConnection()
    received = Received()
    tasks = []

    @peer.on("connectionstatechange")
    def state_changed():
        print(peer.connectionState, flush=True)

    @peer.on("track")
    def track_added(track):
        tasks.append(asyncio.ensure_future(received.count(track)))

    if verb == "publish":
        peer.addTrack(VideoStreamTrack())
        peer.addTrack(Tone())
    else:
        peer.addTransceiver("video", direction="recvonly")
        peer.addTransceiver("audio", direction="recvonly")
        tasks.append(asyncio.ensure_future(received.report()))

    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, end.set)
    session = await connect(peer, url)
    await end.wait()
    await asyncio.to_thread(request, "DELETE", session)
    for task in tasks:
        task.cancel()
    await peer.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
