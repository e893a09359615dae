// SPDX-License-Identifier: MIT OR Apache-2.0
// Camera and microphone: opening, choosing, the level of the microphone.

import { RtcError, fromDevice, insecure } from './errors.js';

/** @typedef {'camera'|'microphone'} Device */

const KIND = { camera: 'videoinput', microphone: 'audioinput' };
const LEVEL_INTERVAL_MS = 80;

/** Fires `change` when a device was opened, closed, plugged in or unplugged, and `lost` `{device}` when one went away. */
export class Devices extends EventTarget {
  /** @param {number} height of the picture to ask for, in pixels; 16:9 */
  constructor(height = 720) {
    super();
    this.height = height;
    /** @type {Record<Device, MediaStreamTrack|null>} */
    this.open = { camera: null, microphone: null };
    navigator.mediaDevices?.addEventListener('devicechange', () => this.#changed());
  }

  /**
   * Opens a device in place of the one before.
   * @param {Device} device
   * @param {string} [id] of a certain one; default: the last used, else the browser’s choice
   * @throws {RtcError} why not
   */
  async start(device, id = recall(device)) {
    if (!navigator.mediaDevices) throw insecure(device);
    if (device === 'camera') this.stop(device); // some cameras cannot be open twice
    try {
      const stream = await navigator.mediaDevices.getUserMedia(this.#constraints(device, id));
      this.#opened(device, stream.getTracks()[0]);
    } catch (error) {
      if (id && /** @type {Error} */ (error).name === 'OverconstrainedError') return this.start(device, '');
      throw fromDevice(error, device);
    }
  }

  /**
   * Opens several with one question to the person; if that fails, each alone.
   * @param {Device[]} wanted
   * @throws {RtcError} why some could not be opened
   */
  async startAll(wanted) {
    try {
      if (!navigator.mediaDevices) throw insecure('camera and microphone');
      const constraints = wanted.map((device) => this.#constraints(device, recall(device)));
      const stream = await navigator.mediaDevices.getUserMedia(Object.assign({}, ...constraints));
      for (const track of stream.getTracks()) this.#opened(track.kind === 'video' ? 'camera' : 'microphone', track);
    } catch (error) {
      const tries = [];
      for (const device of wanted) tries.push(await this.start(device).then(() => '', () => device));
      const refused = tries.filter(Boolean);
      if (refused.length) throw fromDevice(error, refused.join(' and '));
    }
  }

  /** @param {Device} device */
  stop(device) {
    this.open[device]?.stop();
    this.open[device] = null;
    this.#changed();
  }

  /** @param {Device} device @returns {Promise<{id: string, label: string}[]>} */
  async list(device) {
    const all = await navigator.mediaDevices?.enumerateDevices() ?? [];
    return all.filter(({ kind, deviceId }) => kind === KIND[device] && deviceId)
      .map(({ deviceId, label }, i) => ({ id: deviceId, label: label || `${device} ${i + 1}` }));
  }

  #constraints(device, id) {
    const deviceId = id ? { exact: id } : undefined;
    if (device === 'microphone') return { audio: { deviceId, echoCancellation: true, noiseSuppression: true, autoGainControl: true } };
    const { height } = this;
    return { video: { deviceId, height: { ideal: height }, width: { ideal: Math.round(height * 16 / 9) }, frameRate: { ideal: 30, max: 30 } } };
  }

  #opened(device, track) {
    this.open[device]?.stop();
    this.open[device] = track;
    remember(device, track.getSettings().deviceId ?? '');
    track.addEventListener('ended', () => {
      if (this.open[device] !== track) return;
      this.stop(device);
      this.dispatchEvent(new CustomEvent('lost', { detail: { device } }));
    });
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** @returns {Promise<MediaStreamTrack|null>} null when the person changed their mind */
export async function captureScreen() {
  if (!navigator.mediaDevices?.getDisplayMedia) {
    throw navigator.mediaDevices ? new RtcError('unsupported', 'This browser cannot share its screen.') : insecure('screen');
  }
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } } });
    return stream.getVideoTracks()[0];
  } catch (error) {
    if (/** @type {Error} */ (error).name === 'NotAllowedError') return null;
    throw fromDevice(error, 'screen');
  }
}

/** Measures one track at a time, and calls back with 0 … 1 about twelve times a second. */
export class LevelMeter {
  /** @param {(level: number) => void} tell */
  constructor(tell) {
    this.tell = tell;
    /** @type {any} */
    this.audio = null;
  }

  /** @param {MediaStreamTrack|null} track */
  watch(track) {
    if (track === this.track) return;
    this.track = track;
    clearInterval(this.timer);
    this.audio?.close();
    this.audio = null;
    this.tell(0);
    if (!track) return;
    this.audio = new AudioContext();
    const analyser = this.audio.createAnalyser();
    this.audio.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    this.timer = setInterval(() => this.#measure(analyser), LEVEL_INTERVAL_MS);
  }

  #measure(analyser) {
    if (this.audio.state === 'suspended') this.audio.resume();
    const samples = new Float32Array(analyser.fftSize);
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
    this.tell(Math.max(0, 1 + Math.log10(power + 1e-9) / 6)); // −60 dB … 0 dB
  }
}

/** @param {string} key @returns {string} */
export function recall(key) {
  try {
    return localStorage.getItem(`gst-rtc.${key}`) ?? '';
  } catch {
    return '';
  }
}

/** @param {string} key @param {string} value kept for the next visit, where the browser allows it */
export function remember(key, value) {
  try {
    localStorage.setItem(`gst-rtc.${key}`, value);
  } catch { /* a private window: not kept */ }
}
