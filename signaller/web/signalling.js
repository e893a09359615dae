// SPDX-License-Identifier: MIT OR Apache-2.0
// The WebSocket to the server: JSON messages, requests with replies, reconnection with backoff.

import { RtcError, fromServer, lost, unreachable } from './errors.js';

const REPLY_TIMEOUT_MS = 10_000;
const BACKOFF_MS = { first: 250, most: 4_000 };
/** Close code: another connection has resumed this participant. */
const REPLACED = 4001;

/**
 * Fires `open` (also after every reconnection), `lost` (it reconnects by itself), `replaced` (it does not: another
 * connection took this participant over), and `message` with the parsed object as `detail`, replies to requests excepted.
 */
export class Signalling extends EventTarget {
  /** @param {string|URL} url `ws:` or `wss:`; `http:` and `https:` are converted */
  constructor(url) {
    super();
    this.url = String(url).replace(/^http/, 'ws');
    /** @type {WebSocket|null} */
    this.socket = null;
    this.closed = false;
    this.attempts = 0;
    this.lastRequest = 0;
    /** @type {Map<number, {resolve: (reply: object) => void, reject: (error: Error) => void}>} */
    this.pending = new Map();
    this.retryNow = () => this.#retryNow();
  }

  /**
   * Connects once; after it has succeeded, a lost connection is made again until `close()`.
   * @returns {Promise<void>}
   */
  async open() {
    await this.#connect();
    globalThis.addEventListener?.('online', this.retryNow);
  }

  /** @param {object} message dropped when there is no connection: state is sent again after `open` */
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /**
   * @param {object} message
   * @returns {Promise<any>} the reply
   * @throws {RtcError} the server's error, `timeout`, or `lost` when the connection went away
   */
  request(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return Promise.reject(lost());
    const request = ++this.lastRequest;
    this.send({ ...message, request });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(request)?.reject(new RtcError('timeout',
        'The server did not answer within ten seconds. Check its log, then try again.')), REPLY_TIMEOUT_MS);
      const done = (settle) => (value) => { clearTimeout(timer); settle(value); };
      this.pending.set(request, { resolve: done(resolve), reject: done(reject) });
    });
  }

  /** Says `leave` (if joined) and closes for good. Safe while the page goes away. */
  close() {
    this.closed = true;
    clearTimeout(this.retryTimer);
    globalThis.removeEventListener?.('online', this.retryNow);
    this.send({ type: 'leave' });
    this.socket?.close(1000, 'left');
    this.#rejectAll();
  }

  #connect() {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.url);
      this.socket = socket;
      let opened = false;
      socket.onopen = () => {
        opened = true;
        this.attempts = 0;
        resolve(undefined);
        this.dispatchEvent(new Event('open'));
      };
      socket.onmessage = (event) => this.#receive(event.data);
      socket.onclose = ({ code }) => {
        if (!opened) reject(unreachable(this.url));
        else if (socket === this.socket && !this.closed) this.#lost(code);
      };
    });
  }

  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      console.warn('signalling: not JSON:', text);
      return;
    }
    const pending = message.request === undefined ? undefined : this.#settle(message.request);
    if (!pending) this.dispatchEvent(new CustomEvent('message', { detail: message }));
    else if (message.type === 'error') pending.reject(fromServer(message));
    else pending.resolve(message);
  }

  #settle(request) {
    const pending = this.pending.get(request);
    this.pending.delete(request);
    return pending;
  }

  #rejectAll() {
    for (const request of [...this.pending.keys()]) this.#settle(request)?.reject(lost());
  }

  #lost(code) {
    this.#rejectAll();
    this.dispatchEvent(new CustomEvent(code === REPLACED ? 'replaced' : 'lost'));
    if (code !== REPLACED) this.#retryLater();
  }

  #retryLater() {
    const ceiling = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.attempts++);
    this.retryTimer = setTimeout(() => this.#retry(), ceiling * (0.5 + Math.random() / 2));
  }

  async #retry() {
    try {
      await this.#connect();
    } catch {
      if (!this.closed) this.#retryLater();
    }
  }

  #retryNow() {
    if (this.closed || (this.socket?.readyState ?? 0) <= WebSocket.OPEN) return;
    clearTimeout(this.retryTimer);
    this.#retry();
  }
}
