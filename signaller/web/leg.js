// SPDX-License-Identifier: MIT OR Apache-2.0
// One PeerConnection with the media node, kept alive: offers, renegotiates, and is built again when it fails.

import { RtcError, noPath } from './errors.js';

const BACKOFF_MS = { first: 500, most: 10_000 };
const PERMANENT = ['badSdp', 'badMessage', 'notAllowed', 'tooLarge', 'wrongMode'];

export class Leg {
  pc = null;
  #wanted = false;
  /** The server may still have the session of an earlier connection. */
  #held = false;
  #attempts = 0;
  #queue = Promise.resolve();
  #timer;

  /**
   * Of the hooks of a `publish` or `subscribe` session, `prepare(pc)` adds the transceivers that are wanted, before every
   * offer; `agreed()` says that the answer is applied, `reset()` that the connection is gone.
   */
  constructor(room, session, hooks) {
    Object.assign(this, { room, session, hooks });
  }

  get state() {
    return this.pc?.connectionState ?? (this.#wanted ? 'new' : 'idle');
  }

  /** One exchange at a time; rejects if the first try failed. After a passing failure it goes on trying by itself. */
  negotiate() {
    this.#wanted = true;
    const result = this.#queue.then(() => this.#exchange());
    this.#queue = result.catch((error) => this.#failed(error));
    return result;
  }

  /** Replaces the connection by a new one, at once. */
  rebuild() {
    if (!this.#wanted) return;
    this.#drop();
    this.#retry();
  }

  closedByServer(reason) {
    if (!this.#wanted) return;
    console.info(`${this.session}: closed by the server: ${reason}`);
    this.#held = false;
    this.#startOver();
  }

  /** The WebSocket is back: goes on if the server still has the session, else begins anew. */
  resume(alive) {
    this.#held &&= alive;
    if (!alive || !this.pc) this.rebuild();
    else if (this.pc.signalingState !== 'stable') this.#retry();
  }

  /** Something that was missing is there. */
  retryNow() {
    if (this.#timer) this.#retry();
  }

  candidate({ candidate, mid }) {
    this.pc?.addIceCandidate({ candidate, sdpMid: mid ?? '0' })
      .catch((error) => console.info(`${this.session}: candidate not usable: ${error}`));
  }

  receiver(mid) {
    return this.pc?.getTransceivers().find((transceiver) => transceiver.mid === mid)?.receiver;
  }

  close() {
    this.#wanted = false;
    this.#drop();
  }

  async #exchange() {
    if (!this.#wanted) return;
    this.#timer = clearTimeout(this.#timer);
    const pc = this.pc ??= this.#connection();
    try {
      this.hooks.prepare(pc);
      await pc.setLocalDescription();
      const { sdp } = await this.room.signalling.request({ type: this.session, sdp: pc.localDescription?.sdp });
      this.#held = true;
      await pc.setRemoteDescription({ type: 'answer', sdp });
      this.hooks.agreed?.();
    } catch (error) {
      if (pc === this.pc) throw error; // else it was dropped meanwhile, and what follows has its own exchange
    }
  }

  #connection() {
    const { session, room: { signalling, iceServers } } = this;
    if (this.#held) signalling.send({ type: `un${session}` });
    this.#held = false;
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers });
    pc.onicecandidate = ({ candidate }) => signalling.send({
      type: 'candidate', session, candidate: candidate?.candidate ?? '', mid: candidate?.sdpMid ?? '0',
    });
    pc.onconnectionstatechange = () => this.#connectionChanged();
    return pc;
  }

  #connectionChanged() {
    if (this.state === 'connected') this.#attempts = 0;
    if (this.state === 'failed') {
      this.room.problem(noPath('the server'));
      this.#startOver();
    }
    this.room.emit('state');
  }

  #failed(error) {
    if (!this.#wanted || error.code === 'lost') return; // resume() takes it up again
    const known = error instanceof RtcError ? error : new RtcError('badSdp', `Media could not be set up: ${error}`);
    this.room.problem(known);
    if (!PERMANENT.includes(known.code)) this.#retryLater();
  }

  #startOver() {
    this.#drop();
    this.#retryLater();
  }

  #retry() {
    this.negotiate().catch(() => {}); // `problem` tells
  }

  #retryLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#retry(), Math.min(BACKOFF_MS.most, BACKOFF_MS.first * 2 ** this.#attempts++));
  }

  #drop() {
    this.#timer = clearTimeout(this.#timer);
    this.pc?.close();
    this.pc = null;
    this.hooks.reset();
    this.room.emit('state');
  }
}
