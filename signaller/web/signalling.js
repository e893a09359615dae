// SPDX-License-Identifier: MIT OR Apache-2.0
// The WebSocket to the server: messages, requests with replies, reconnection.

import { RtcError, lost, unreachable } from './errors.js';

const REPLY_MS = 10_000;
/** Close codes after which nobody comes back by itself. */
const FINAL = {
	4001: ['replaced', 'You went on in another window.'],
	4003: ['removed', 'You were removed from the room.'],
};

export class Signalling {
	#socket;
	#closed = false;
	#attempts = 0;
	#requests = 0;
	#pending = new Map();

	/** Hooks: `message` gets what is no reply; `lost` means that it reconnects, `open` that it has, `ended` why it will not. */
	constructor(url, hooks) {
		Object.assign(this, { url: String(url).replace(/^http/, 'ws'), hooks });
	}

	/** Connects once; after it has succeeded, a lost connection is made again until `close()`. */
	open() {
		const socket = this.#socket = new WebSocket(this.url);
		return new Promise((resolve, reject) => {
			socket.onclose = () => reject(unreachable(this.url));
			socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
			socket.onopen = () => {
				this.#attempts = 0;
				socket.onclose = ({ code }) => this.#lost(code);
				resolve();
			};
		});
	}

	/** Dropped when there is no connection. */
	send(message) {
		if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
	}

	/** @throws {RtcError} the server’s, `timeout`, or `lost` */
	request(message) {
		const request = ++this.#requests;
		return new Promise((resolve, reject) => {
			if (this.#socket?.readyState !== WebSocket.OPEN) throw lost();
			this.send({ ...message, request });
			this.#pending.set(request, { resolve, reject });
			setTimeout(() => reject(new RtcError('timeout', 'The server did not answer in time. Check its log, then try again.')), REPLY_MS);
		});
	}

	/** Says `leave` and closes for good. */
	close() {
		this.#closed = true;
		this.send({ type: 'leave' });
		this.#socket?.close(1000, 'left');
		this.#rejectAll();
	}

	#receive(message) {
		const pending = this.#pending.get(message.request);
		this.#pending.delete(message.request);
		if (!pending) this.hooks.message(message);
		else if (message.type === 'error') pending.reject(new RtcError(message.code, message.message));
		else pending.resolve(message);
	}

	#rejectAll() {
		for (const { reject } of this.#pending.values()) reject(lost());
		this.#pending.clear();
	}

	#lost(code) {
		this.#rejectAll();
		if (this.#closed) return;
		if (FINAL[code]) return this.hooks.ended(new RtcError(...FINAL[code]));
		this.hooks.lost();
		this.#reconnect();
	}

	async #reconnect() {
		const most = Math.min(4_000, 250 * 2 ** this.#attempts++);
		await new Promise((resolve) => setTimeout(resolve, most * (0.5 + Math.random() / 2)));
		if (!this.#closed) this.open().then(this.hooks.open, () => this.#reconnect());
	}
}
