// SPDX-License-Identifier: MIT OR Apache-2.0
// A room's media from peer to peer: one PeerConnection for each other participant; the server only relays.

import { Peer } from './peer.js';

/** @typedef {import('./rtc.js').Room} Room */
/** @typedef {import('./rtc.js').Publication} Publication */

const LEVEL_INTERVAL_MS = 250;
/** Linear, 0 … 1: about −34 dBov. */
const SPEAKING_LEVEL = 0.02;
const SPEAKING_HOLD_MS = 700;

export class MeshTransport {
  /** @param {Room} room */
  constructor(room) {
    this.room = room;
    /** @type {Map<string, Peer>} by participant id */
    this.peers = new Map();
    /** @type {Map<string, number>} when each was last heard, in ms */
    this.heard = new Map();
    this.levels = setInterval(() => this.#listen(), LEVEL_INTERVAL_MS);
  }

  /** We are the newcomer: offers to all who were here before. */
  start() {
    for (const id of this.room.participants.keys()) this.#peer(id).offerAll();
  }

  /** The WebSocket is back. Without the old id everything starts anew. @param {string[]} _sessions @param {boolean} known */
  resumed(_sessions, known) {
    if (known) return;
    for (const id of [...this.peers.keys()]) this.participantLeft(id);
    this.start();
  }

  async publish() {
    this.room.tellAll();
    await Promise.all([...this.peers.values()].map((peer) => peer.sendAll()));
  }

  /** @param {Publication} publication whose source changed */
  async replace(publication) {
    await Promise.all([...this.peers.values()].map((peer) => peer.replace(publication)));
  }

  /** Peers send everything they have: nothing to ask for. */
  async subscribe() {}

  /** @param {any} message @returns {boolean} whether it was one for the media */
  handle(message) {
    if (message.type !== 'signal') return false;
    if (this.room.participants.has(message.from)) this.#peer(message.from).handle(message);
    return true;
  }

  /** @param {string} id */
  participantLeft(id) {
    this.peers.get(id)?.close();
    this.peers.delete(id);
    this.heard.delete(id);
  }

  async* reports() {
    for (const [participant, peer] of this.peers) {
      for (const [track, receiver] of peer.received) {
        yield { participant, track, kind: receiver.track.kind, report: await receiver.getStats() };
      }
    }
  }

  /** @returns {string[]} connection states that matter */
  states() {
    return [...this.peers.values()].map(({ pc }) => pc.connectionState);
  }

  close() {
    clearInterval(this.levels);
    for (const id of [...this.peers.keys()]) this.participantLeft(id);
  }

  #peer(id) {
    let peer = this.peers.get(id);
    if (!peer) this.peers.set(id, peer = new Peer(this.room, id));
    return peer;
  }

  /** There is no server that tells who speaks: the level in the audio packets does. */
  #listen() {
    const now = performance.now();
    for (const [id, peer] of this.peers) {
      if (peer.level() > SPEAKING_LEVEL) this.heard.set(id, now);
      this.room.setSpeaking(id, now - (this.heard.get(id) ?? -Infinity) < SPEAKING_HOLD_MS);
    }
  }
}
