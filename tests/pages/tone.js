// SPDX-License-Identifier: MIT OR Apache-2.0
// Makes a page send a colour and a tone, and look and listen for those of others.

// Sends both instead of camera and microphone.
globalThis.sendTone = async (colour, hertz) => {
  const audio = new AudioContext();
  const [oscillator, gain, out] = [audio.createOscillator(), audio.createGain(), audio.createMediaStreamDestination()];
  oscillator.frequency.value = hertz;
  gain.gain.value = 0.2;
  oscillator.connect(gain).connect(out);
  oscillator.start();
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
  const paper = canvas.getContext('2d');
  let odd = false;
  setInterval(() => {
    paper.fillStyle = colour;
    paper.fillRect(0, 0, 320, 180);
    paper.fillStyle = 'white'; // something moves
    paper.fillRect(odd ? 2 : 0, 0, 2, 2);
    odd = !odd;
  }, 100);
  globalThis.sending = { audio, oscillator };
  const [sound] = out.stream.getTracks();
  const [picture] = canvas.captureStream(10).getTracks();
  await globalThis.gstRtc.room.publish({ audio: sound, video: picture });
  return true;
};

const mixed = (room) => [...room.received.values()].filter(({ participant }) => room.participants.get(participant)?.name === 'mix');

// The names of the sound tracks that the mix gives to this page.
globalThis.mixes = () => mixed(globalThis.gstRtc.room).filter(({ receiver }) => receiver.track.kind === 'audio').map(({ track }) => track);

// The receiver of a sound track of the mix; without a name that of a WHEP session.
const receiverOf = (name) => name
  ? mixed(globalThis.gstRtc.room).find(({ track }) => track === name)?.receiver
  : globalThis.pc.getReceivers().find(({ track }) => track.kind === 'audio');

// How loud each tone is, in decibels of full scale; null while there is no such track.
globalThis.hear = async (name, tones) => {
  const track = receiverOf(name)?.track;
  if (!track) return null;
  if (globalThis.ear?.track !== track) {
    const audio = new AudioContext({ sampleRate: 48_000 });
    const analyser = new AnalyserNode(audio, { fftSize: 16_384, smoothingTimeConstant: 0 });
    audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    globalThis.ear = { track, audio, analyser };
  }
  const { audio, analyser } = globalThis.ear;
  await new Promise((resolve) => { setTimeout(resolve, 500); });
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  const width = audio.sampleRate / analyser.fftSize;
  return tones.map((hertz) => {
    const bin = Math.round(hertz / width);
    return Math.max(-200, ...bins.slice(bin - 2, bin + 3));
  });
};

// Whether nothing more comes of anybody, the mix left out.
globalThis.rests = async () => {
  const packets = async () => (await globalThis.gstRtc.room.stats()).filter(({ participant }) => participant !== 'mix')
    .map(({ packetsReceived }) => packetsReceived).join();
  const before = await packets();
  await new Promise((resolve) => { setTimeout(resolve, 1000); });
  return await packets() === before;
};

// Which of red, green and blue the picture of the mix shows.
globalThis.colours = () => {
  const video = document.querySelector('.tile[data-participant="mix"] video');
  if (!video?.videoWidth) return [];
  const canvas = Object.assign(document.createElement('canvas'), { width: 32, height: 18 });
  const paper = canvas.getContext('2d', { willReadFrequently: true });
  paper.drawImage(video, 0, 0, 32, 18);
  const { data } = paper.getImageData(0, 0, 32, 18);
  const shown = new Set();
  for (let i = 0; i < data.length; i += 4) {
    const rgb = [...data.slice(i, i + 3)];
    const most = rgb.indexOf(Math.max(...rgb));
    if (rgb[most] > 120 && rgb.every((value, n) => n === most || value < rgb[most] / 2)) shown.add(['red', 'green', 'blue'][most]);
  }
  return [...shown].sort();
};
