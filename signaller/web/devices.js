// SPDX-License-Identifier: MIT OR Apache-2.0
// Camera and microphone: opening, choosing, the level of the microphone.

import { RtcError, fromDevice, insecure } from './errors.js';

const LEVEL_INTERVAL_MS = 80;
const media = navigator.mediaDevices;

/** Fires `change` when a device was opened, closed, plugged in or unplugged, and `lost` with the name of one that went away. */
export class Devices extends EventTarget {
  open = { camera: null, microphone: null };

  constructor(height) {
    super();
    this.height = height;
    media?.addEventListener('devicechange', () => this.#changed());
  }

  /** Opens a device in place of the one before: that of this id, else the last used, else the browser’s choice. */
  async start(device, id = recall(device)) {
    if (!media) throw insecure(device);
    if (device === 'camera') this.stop(device); // some cameras cannot be open twice
    try {
      await this.#ask(this.#constraints(device, id));
    } catch (error) {
      if (id && error.name === 'OverconstrainedError') return this.start(device, '');
      throw fromDevice(error, device);
    }
  }

  /** Opens several with one question to the person; if that fails, each alone. */
  async startAll(wanted) {
    if (!media) throw insecure('camera and microphone');
    try {
      await this.#ask(Object.assign({}, ...wanted.map((device) => this.#constraints(device, recall(device)))));
    } catch (error) {
      const refused = [];
      for (const device of wanted) await this.start(device).catch(() => refused.push(device));
      if (refused.length) throw fromDevice(error, refused.join(' and '));
    }
  }

  stop(device) {
    this.open[device]?.stop();
    this.open[device] = null;
    this.#changed();
  }

  async list(device) {
    const kind = device === 'camera' ? 'videoinput' : 'audioinput';
    return (await media?.enumerateDevices() ?? []).filter((known) => known.kind === kind && known.deviceId)
      .map(({ deviceId: id, label }, i) => ({ id, label: label || `${device} ${i + 1}` }));
  }

  #constraints(device, id) {
    const deviceId = id ? { exact: id } : undefined;
    const { height } = this;
    return device === 'camera'
      ? { video: { deviceId, height, width: Math.round(height * 16 / 9), frameRate: { ideal: 30, max: 30 } } }
      : { audio: { deviceId, echoCancellation: true, noiseSuppression: true, autoGainControl: true } };
  }

  async #ask(constraints) {
    const stream = await media.getUserMedia(constraints);
    for (const track of stream.getTracks()) this.#opened(track.kind === 'video' ? 'camera' : 'microphone', track);
  }

  #opened(device, track) {
    this.open[device]?.stop();
    this.open[device] = track;
    remember(device, track.getSettings().deviceId ?? '');
    track.addEventListener('ended', () => {
      if (this.open[device] !== track) return;
      this.stop(device);
      this.dispatchEvent(new CustomEvent('lost', { detail: device }));
    });
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** Nothing when the person changed their mind. */
export async function captureScreen() {
  if (!media) throw insecure('screen');
  if (!media.getDisplayMedia) throw new RtcError('unsupported', 'This browser cannot share its screen.');
  try {
    return (await media.getDisplayMedia({ video: { frameRate: { max: 30 } } })).getVideoTracks()[0];
  } catch (error) {
    if (error.name === 'NotAllowedError') return;
    throw fromDevice(error, 'screen');
  }
}

/** Measures one track at a time, and calls back with 0 … 1 about twelve times a second. */
export class LevelMeter {
  #track = null;
  #audio;
  #timer;

  constructor(tell) {
    this.tell = tell;
  }

  watch(track) {
    if (track === this.#track) return;
    this.#track = track;
    clearInterval(this.#timer);
    this.#audio?.close();
    this.#audio = null;
    this.tell(0);
    if (!track) return;
    this.#audio = new AudioContext();
    const analyser = this.#audio.createAnalyser();
    this.#audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    this.#timer = setInterval(() => this.#measure(analyser), LEVEL_INTERVAL_MS);
  }

  #measure(analyser) {
    if (this.#audio.state === 'suspended') this.#audio.resume();
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
    this.tell(Math.max(0, 1 + Math.log10(power + 1e-9) / 6)); // −60 dB … 0 dB
  }
}

/** What was kept from the last visit, where the browser allows it. */
export function recall(key) {
  try {
    return localStorage[`gst-rtc.${key}`] ?? '';
  } catch {
    return '';
  }
}

export function remember(key, value) {
  try {
    localStorage[`gst-rtc.${key}`] = value;
  } catch { /* not kept */ }
}
