// SPDX-License-Identifier: MIT OR Apache-2.0
// The WebSocket to the server: JSON messages, requests with replies, reconnection with backoff.

import { RtcError, fromServer, lost, unreachable } from './errors.js';

const REPLY_TIMEOUT_MS = 10_000;
const BACKOFF_MS = { first: 250, most: 4_000 };
/** Close code: another connection has resumed this participant. */
const REPLACED = 4001;

/**
 * Fires `open` (also after every reconnection), `lost` (it reconnects by itself), `replaced` (it does not), and `message`
 * with the parsed object as `detail`, replies to requests excepted.
 */
export class Signalling extends EventTarget {
  #socket;
  #closed = false;
  #attempts = 0;
  #lastRequest = 0;
  #pending = new Map();
  #timer;

  constructor(url) {
    super();
    this.url = String(url).replace(/^http/, 'ws');
  }

  /** Connects once; after it has succeeded, a lost connection is made again until `close()`. */
  async open() {
    await this.#connect();
    addEventListener('online', this.#retry);
  }

  /** Dropped when there is no connection: state is sent again after `open`. */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Resolves to the reply, or rejects with the server's error, `timeout`, or `lost` when the connection went away. */
  request(message) {
    const request = ++this.#lastRequest;
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) throw lost();
      this.send({ ...message, request });
      this.#pending.set(request, { resolve, reject });
      setTimeout(() => reject(new RtcError('timeout',
        'The server did not answer within ten seconds. Check its log, then try again.')), REPLY_TIMEOUT_MS);
    });
  }

  /** Says `leave` and closes for good. Safe while the page goes away. */
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    removeEventListener('online', this.#retry);
    this.send({ type: 'leave' });
    this.#socket?.close(1000, 'left');
    this.#rejectAll();
  }

  #connect() {
    return new Promise((resolve, reject) => {
      const socket = this.#socket = new WebSocket(this.url);
      let opened = false;
      socket.onopen = () => {
        opened = true;
        this.#attempts = 0;
        resolve();
        this.dispatchEvent(new Event('open'));
      };
      socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
      socket.onclose = ({ code }) => {
        if (!opened) reject(unreachable(this.url));
        else if (!this.#closed) this.#lost(code);
      };
    });
  }

  #receive(message) {
    const pending = this.#pending.get(message.request);
    this.#pending.delete(message.request);
    if (!pending) this.dispatchEvent(new CustomEvent('message', { detail: message }));
    else if (message.type === 'error') pending.reject(fromServer(message));
    else pending.resolve(message);
  }

  #rejectAll() {
    for (const { reject } of this.#pending.values()) reject(lost());
    this.#pending.clear();
  }

  #lost(code) {
    this.#rejectAll();
    this.dispatchEvent(new Event(code === REPLACED ? 'replaced' : 'lost'));
    if (code !== REPLACED) this.#retryLater();
  }

  #retryLater() {
    const ceiling = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.#attempts++);
    this.#timer = setTimeout(this.#retry, ceiling * (0.5 + Math.random() / 2));
  }

  /** When it is time, or the network is back. */
  #retry = () => {
    if (this.#closed || this.#socket.readyState <= WebSocket.OPEN) return;
    clearTimeout(this.#timer);
    this.#connect().catch(() => this.#closed || this.#retryLater());
  };
}
