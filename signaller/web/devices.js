// SPDX-License-Identifier: MIT OR Apache-2.0
// Camera and microphone: opening and choosing.

import { insecure, refusal } from './errors.js';

const media = navigator.mediaDevices;

/** Fires `change`, and `lost` with the name of a device that went away. */
export class Devices extends EventTarget {
	open = { camera: null, microphone: null };

	constructor(height) {
		super();
		this.height = height;
		media?.addEventListener('devicechange', () => this.#tell('change'));
	}

	/** Opens devices with one question: that of the id, else the last used, else any. */
	async start(wanted, id) {
		if (!media) throw insecure(wanted.join(' and '));
		if (wanted.includes('camera')) this.stop('camera'); // some cannot be open twice
		try {
			await this.#ask(wanted, id);
		} catch (error) {
			const alone = wanted.length === 1;
			if (alone && (id === '' || error.name !== 'OverconstrainedError')) throw refusal(error, wanted[0]);
			const refused = [];
			for (const device of wanted) await this.start([device], alone ? '' : id).catch(() => refused.push(device));
			if (refused.length) throw refusal(error, refused.join(' and '));
		}
	}

	stop(device) {
		this.open[device]?.stop();
		this.open[device] = null;
		this.#tell('change');
	}

	async list(device) {
		const kind = device === 'camera' ? 'videoinput' : 'audioinput';
		return (await media?.enumerateDevices() ?? []).filter((known) => known.kind === kind && known.deviceId);
	}

	async #ask(wanted, chosen) {
		const of = (device, more) => {
			const id = chosen ?? recall(device);
			return wanted.includes(device) && { deviceId: id ? { exact: id } : undefined, ...more };
		};
		const { height } = this;
		const stream = await media.getUserMedia({
			video: of('camera', { height, width: Math.round(height * 16 / 9), frameRate: 30 }),
			audio: of('microphone'),
		});
		for (const track of stream.getTracks()) this.#opened(track.kind === 'video' ? 'camera' : 'microphone', track);
	}

	#opened(device, track) {
		this.open[device]?.stop();
		this.open[device] = track;
		remember(device, track.getSettings().deviceId ?? '');
		track.onended = () => {
			if (this.open[device] !== track) return;
			this.stop(device);
			this.#tell('lost', device);
		};
		this.#tell('change');
	}

	#tell(type, detail) {
		this.dispatchEvent(new CustomEvent(type, { detail }));
	}
}

/** Nothing when the person changed their mind. */
export async function captureScreen() {
	try {
		return (await media.getDisplayMedia({ video: { frameRate: { max: 30 } } })).getVideoTracks()[0];
	} catch (error) {
		if (error.name !== 'NotAllowedError') throw refusal(error, 'screen');
	}
}

/** Kept for the next visit, where the browser allows it. */
export const recall = (key) => kept[`gst-rtc.${key}`] ?? '';
export const remember = (key, value) => { kept[`gst-rtc.${key}`] = value; };
const kept = (() => {
	try {
		return localStorage;
	} catch {
		return {};
	}
})();
