// SPDX-License-Identifier: MIT OR Apache-2.0
// One PeerConnection with the media node, kept alive: offers, renegotiates, and is built again when it fails.

import { RtcError, noPath } from './errors.js';

const BACKOFF_MS = { first: 500, most: 10_000 };
const PERMANENT = new Set(['badSdp', 'badMessage', 'notAllowed', 'tooLarge', 'wrongMode']);
const RELEASE = { publish: 'unpublish', subscribe: 'unsubscribe' };

/** @typedef {'publish'|'subscribe'} Session */

/**
 * The publishing or the receiving half of a room in `sfu` mode. It has no transceivers of its own: `prepare` brings the
 * connection to what is wanted, before every offer.
 */
export class Leg {
  /**
   * @param {Session} session
   * @param {import('./signalling.js').Signalling} signalling
   * @param {{
   *   iceServers: () => RTCIceServer[],
   *   prepare: (pc: RTCPeerConnection) => void,
   *   reset: () => void,
   *   agreed: () => void,
   *   changed: () => void,
   *   problem: (error: RtcError) => void,
   * }} hooks `reset`: the old connection and its transceivers are gone; `agreed`: the
   *   answer is applied; `changed`: `state` differs
   */
  constructor(session, signalling, hooks) {
    this.session = session;
    this.signalling = signalling;
    this.hooks = hooks;
    /** @type {RTCPeerConnection|null} */
    this.pc = null;
    this.wanted = false;
    /** The server may still have the session of an earlier connection. */
    this.held = false;
    this.attempts = 0;
    this.queue = Promise.resolve();
  }

  /** @returns {RTCPeerConnectionState|'idle'} */
  get state() {
    return this.pc?.connectionState ?? (this.wanted ? 'new' : 'idle');
  }

  /**
   * Offers what `prepare` asks for; one exchange at a time. After a passing failure it goes on trying by itself.
   * @throws {RtcError} why the first try failed
   */
  negotiate() {
    this.wanted = true;
    const result = this.queue.then(() => this.#exchange());
    this.queue = result.catch((error) => this.#failed(error));
    return result;
  }

  /** Replaces the connection by a new one, at once. */
  rebuild() {
    if (!this.wanted) return;
    this.#drop();
    this.negotiate().catch(() => {});
  }

  /** The server has this session no longer. @param {string} [reason] */
  closedByServer(reason) {
    if (!this.wanted) return;
    console.info(`${this.session}: closed by the server: ${reason ?? 'no reason given'}`);
    this.held = false;
    this.#drop();
    this.#retryLater();
  }

  /**
   * The WebSocket is back: goes on with what is still there, and makes the rest anew.
   * @param {boolean} alive whether the server still has the session
   */
  resume(alive) {
    this.held &&= alive;
    if (!alive || !this.pc) this.rebuild();
    else if (this.pc.signalingState !== 'stable') this.negotiate().catch(() => {});
  }

  /** Something that was missing is there: does not wait for the next try. */
  retryNow() {
    if (this.wanted && this.timer) this.negotiate().catch(() => {});
  }

  /** @param {{candidate: string, mid?: string|null}} message from the server, which trickles when it must */
  async candidate({ candidate, mid }) {
    try {
      await this.pc?.addIceCandidate({ candidate, sdpMid: mid ?? '0' });
    } catch (error) {
      console.info(`${this.session}: candidate not usable: ${error}`);
    }
  }

  /** @param {string} mid */
  transceiver(mid) {
    return this.pc?.getTransceivers().find((transceiver) => transceiver.mid === mid);
  }

  close() {
    this.wanted = false;
    this.#drop();
  }

  async #exchange() {
    if (!this.wanted) return;
    this.#cancelRetry();
    const pc = this.pc ??= this.#connection();
    try {
      await this.#offer(pc);
      if (pc === this.pc) this.hooks.agreed();
    } catch (error) {
      if (pc === this.pc) throw error; // else it was dropped meanwhile, and what follows has its own exchange
    }
  }

  async #offer(pc) {
    this.hooks.prepare(pc);
    await pc.setLocalDescription();
    const reply = await this.signalling.request({ type: this.session, sdp: pc.localDescription?.sdp });
    this.held = true;
    if (pc === this.pc) await pc.setRemoteDescription({ type: 'answer', sdp: reply.sdp });
  }

  #connection() {
    if (this.held) this.signalling.send({ type: RELEASE[this.session] });
    this.held = false;
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.hooks.iceServers() });
    pc.onicecandidate = ({ candidate }) => this.signalling.send({
      type: 'candidate', session: this.session, candidate: candidate?.candidate ?? '', mid: candidate?.sdpMid ?? '0',
    });
    pc.onconnectionstatechange = () => this.#connectionChanged(pc);
    return pc;
  }

  #connectionChanged(pc) {
    if (pc !== this.pc) return;
    if (pc.connectionState === 'connected') this.attempts = 0;
    if (pc.connectionState === 'failed') {
      this.hooks.problem(noPath('the server'));
      this.#drop();
      this.#retryLater();
    }
    this.hooks.changed();
  }

  #failed(error) {
    if (!this.wanted) return;
    const known = error instanceof RtcError ? error : new RtcError('badSdp', `Media could not be set up: ${error}`);
    if (known.code === 'lost') return; // resume() takes it up again
    this.hooks.problem(known);
    if (!PERMANENT.has(known.code)) this.#retryLater();
  }

  #retryLater() {
    const delay = Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.attempts++);
    this.#cancelRetry();
    this.timer = setTimeout(() => this.negotiate().catch(() => {}), delay);
    this.hooks.changed();
  }

  #cancelRetry() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  #drop() {
    this.#cancelRetry();
    this.pc?.close();
    this.pc = null;
    this.hooks.reset();
    this.hooks.changed();
  }
}
