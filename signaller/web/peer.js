// SPDX-License-Identifier: MIT OR Apache-2.0
// The connection with one other participant: perfect negotiation (W3C WebRTC, “Perfect negotiation example”).

import { noPath } from './errors.js';
import { tune } from './sfu.js';

/** @typedef {import('./rtc.js').Room} Room */
/** @typedef {import('./rtc.js').Publication} Publication */

/** An offer without an answer for so long is sent again: its receiver may have been reconnecting. */
const OFFER_AGAIN_MS = 5_000;
const RESTARTS_MOST = 3;

export class Peer {
  /**
   * @param {Room} room
   * @param {string} id of the other participant
   */
  constructor(room, id) {
    this.room = room;
    this.id = id;
    this.polite = room.id < id;
    this.making = false;
    this.ignoring = false;
    this.answering = false;
    this.restarts = 0;
    /** @type {(RTCIceCandidateInit|null|undefined)[]} that came before the description they belong to */
    this.early = [];
    /** @type {Map<string, RTCRtpTransceiver>} by track name: what carries our publications */
    this.senders = new Map();
    /** @type {Map<string, RTCRtpReceiver>} by track name: what comes from the other */
    this.received = new Map();
    this.pc = this.#connection();
  }

  /** Opens the connection from our side. Audio and video are always there, so that turning them on needs no offer. */
  offerAll() {
    for (const kind of ['audio', 'video']) {
      if (!this.senders.has(kind)) this.#add(kind, this.room.local.get(kind), kind, 'sendrecv');
    }
    this.sendAll();
  }

  /** Puts every publication on the wire; ones without an m-line (a screen) get one, once the peers are talking. */
  async sendAll() {
    for (const publication of this.room.local.values()) {
      if (this.senders.has(publication.track)) await this.replace(publication);
      else if (this.#talking() && publication.screen) {
        this.#add(publication.track, publication, publication.kind, 'sendonly');
      }
    }
  }

  /** @param {Publication} publication */
  async replace(publication) {
    const sender = this.senders.get(publication.track)?.sender;
    if (!sender) return;
    await sender.replaceTrack(publication.media);
    if (publication.media) await tune(sender, publication);
  }

  /** @param {{description?: RTCSessionDescriptionInit, candidate?: RTCIceCandidateInit|null}} message */
  async handle({ description, candidate }) {
    try {
      if (description) await this.#describe(description);
      else await this.#candidate(candidate);
    } catch (error) {
      console.warn(`${this.id}: ${error}`);
    }
  }

  /** @returns {number} of the other’s voice, linear, 0 … 1 */
  level() {
    const sources = this.received.get('audio')?.getSynchronizationSources() ?? [];
    return Math.max(0, ...sources.map(({ audioLevel }) => audioLevel ?? 0));
  }

  close() {
    clearTimeout(this.again);
    this.pc.close();
    for (const track of this.received.keys()) this.room.mediaEnded(this.id, track);
    this.received.clear();
  }

  #connection() {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: this.room.iceServers });
    pc.onnegotiationneeded = () => this.#offer();
    pc.onicecandidate = ({ candidate }) => this.#signal({ candidate: candidate?.toJSON() ?? null });
    pc.ontrack = ({ transceiver }) => this.#receive(transceiver);
    pc.onconnectionstatechange = () => this.#connectionChanged();
    return pc;
  }

  #signal(content) {
    this.room.signalling.send({ type: 'signal', to: this.id, ...content });
  }

  #talking() {
    return this.pc.currentRemoteDescription !== null;
  }

  #add(track, publication, kind, direction) {
    const transceiver = this.pc.addTransceiver(publication?.media ?? kind, {
      direction, streams: [publication?.stream ?? this.room.stream],
    });
    this.senders.set(track, transceiver);
  }

  async #offer() {
    this.making = true;
    try {
      await this.pc.setLocalDescription();
      this.#signal({ description: this.pc.localDescription });
      this.#offerAgain();
    } catch (error) {
      console.warn(`${this.id}: ${error}`);
    } finally {
      this.making = false;
    }
  }

  #offerAgain() {
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      if (this.pc.signalingState !== 'have-local-offer') return;
      this.#signal({ description: this.pc.localDescription });
      this.#offerAgain();
    }, OFFER_AGAIN_MS);
  }

  async #describe(description) {
    const offered = description.type === 'offer';
    const ready = !this.making && (this.pc.signalingState === 'stable' || this.answering);
    this.ignoring = offered && !ready && !this.polite;
    if (this.ignoring || (!offered && this.pc.signalingState === 'stable')) return; // answered twice: the offer was sent again
    this.answering = !offered;
    await this.pc.setRemoteDescription(description);
    this.answering = false;
    for (const candidate of this.early.splice(0)) await this.#candidate(candidate);
    if (offered) await this.#answer();
    await this.sendAll();
  }

  async #answer() {
    this.#adopt();
    await this.pc.setLocalDescription();
    this.#signal({ description: this.pc.localDescription });
  }

  /** Sends our audio and video back over the first m-line of each kind that the other offered. */
  #adopt() {
    for (const kind of ['audio', 'video']) {
      if (this.senders.has(kind)) continue;
      const transceiver = this.pc.getTransceivers().find(({ receiver }) => receiver.track.kind === kind);
      if (!transceiver) continue;
      const publication = this.room.local.get(kind);
      transceiver.direction = 'sendrecv';
      transceiver.sender.setStreams?.(this.room.stream);
      if (publication) transceiver.sender.replaceTrack(publication.media);
      this.senders.set(kind, transceiver);
    }
  }

  async #candidate(candidate) {
    if (!this.pc.remoteDescription) return void this.early.push(candidate);
    try {
      await this.pc.addIceCandidate(candidate ?? undefined);
    } catch (error) {
      if (!this.ignoring) throw error;
    }
  }

  /** Names as in `sfu` mode: the first of a kind is `audio` or `video`, further ones are numbered, by m-line. */
  #receive({ receiver }) {
    const names = [...this.received];
    if (names.some(([, known]) => known === receiver)) return;
    const { kind } = receiver.track;
    const before = names.filter(([, known]) => known.track.kind === kind).length;
    const track = before ? `${kind}${before}` : kind;
    this.received.set(track, receiver);
    this.room.mediaStarted(this.id, track, receiver.track);
  }

  #connectionChanged() {
    const { connectionState } = this.pc;
    if (connectionState === 'connected') this.restarts = 0;
    if (connectionState === 'failed') this.#restart();
    this.room.mediaChanged();
  }

  #restart() {
    const name = this.room.participants.get(this.id)?.name ?? 'a participant';
    this.room.problem(noPath(name));
    if (this.restarts++ < RESTARTS_MOST) this.pc.restartIce();
  }
}
