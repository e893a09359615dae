// SPDX-License-Identifier: MIT OR Apache-2.0
// A camera that looks at confetti: each picture is wholly new, so that it costs an encoder all the bits it may spend, and a keyframe
// costs no more than any other.

globalThis.paint = (width, height, rate, pieces) => {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const any = (below) => Math.floor(Math.random() * below);
  const drop = () => {
    const { width, height } = canvas; // which may change
    context.fillStyle = '#888';
    context.fillRect(0, 0, width, height);
    for (let i = 0; i < pieces; i++) {
      context.fillStyle = `rgb(${any(256)} ${any(256)} ${any(256)})`;
      context.fillRect(any(width), any(height), any(width / 6), any(height / 6));
    }
  };
  drop();
  globalThis.painting = setInterval(drop, 1000 / rate);
  return canvas.captureStream(rate).getVideoTracks()[0];
};

// Publishes it in layers of at most so many bit/s each, and of one frame rate where a browser lets itself be told.
globalThis.publishPaint = async (rates, ...how) => {
  const { room } = globalThis.gstRtc;
  await room.publish({ video: globalThis.paint(...how) });
  const sender = room.transport.senders.get('video');
  for (let tries = 50; ; tries--) {
    const parameters = sender.getParameters();
    parameters.encodings.forEach((encoding, i) => Object.assign(encoding, { maxBitrate: rates[i], scalabilityMode: 'L1T1' }));
    try {
      await sender.setParameters(parameters);
      return true;
    } catch (error) {
      // The page sets its own parameters at the same time; who comes second has to look again.
      if (!tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
};
