// SPDX-License-Identifier: MIT OR Apache-2.0
// A room's media from peer to peer: one PeerConnection for each other participant; the server only relays.

import { noPath } from './errors.js';
import { send } from './sfu.js';

const KINDS = ['audio', 'video'];
/** An offer without an answer for so long is sent again: its receiver may have been reconnecting. */
const OFFER_AGAIN_MS = 5_000;
const RESTARTS_MOST = 3;
const LEVEL_INTERVAL_MS = 250;
/** Linear, 0 … 1: about −34 dBov. */
const SPEAKING_LEVEL = 0.02;
const SPEAKING_HOLD_MS = 700;

export class MeshTransport {
  /** By participant id. */
  peers = new Map();

  constructor(room) {
    this.room = room;
    this.levels = setInterval(() => this.#listen(), LEVEL_INTERVAL_MS);
  }

  /** In the room (again). As newcomers, and without the old id we are, we offer to all who were here before. */
  resumed(_sessions, known) {
    if (known) return;
    this.#hangUp();
    for (const id of this.room.participants.keys()) this.#peer(id).offerAll();
  }

  async publish() {
    this.room.tellAll();
    await this.#each((peer) => peer.sendAll());
  }

  replace(publication) {
    return this.#each((peer) => peer.replace(publication));
  }

  /** Returns whether the message was one for the media. */
  handle(message) {
    if (message.type !== 'signal') return false;
    if (this.room.participants.has(message.from)) this.#peer(message.from).handle(message);
    return true;
  }

  participantLeft(id) {
    this.peers.get(id)?.close();
    this.peers.delete(id);
  }

  async* reports() {
    for (const [participant, { received }] of this.peers) {
      for (const [track, receiver] of received) {
        yield { participant, track, kind: receiver.track.kind, report: await receiver.getStats() };
      }
    }
  }

  states() {
    return [...this.peers.values()].map(({ pc }) => pc.connectionState);
  }

  close() {
    clearInterval(this.levels);
    this.#hangUp();
  }

  #hangUp() {
    for (const id of this.peers.keys()) this.participantLeft(id);
  }

  #each(act) {
    return Promise.all([...this.peers.values()].map(act));
  }

  #peer(id) {
    if (!this.peers.has(id)) this.peers.set(id, new Peer(this.room, id));
    return this.peers.get(id);
  }

  /** No server tells who speaks: the level in the audio packets does. */
  #listen() {
    const now = performance.now();
    for (const [id, peer] of this.peers) {
      if (peer.level() > SPEAKING_LEVEL) peer.heard = now;
      this.room.setSpeaking(id, now - peer.heard < SPEAKING_HOLD_MS);
    }
  }
}

/** Perfect negotiation with one other participant (W3C WebRTC, “Perfect negotiation example”). */
class Peer {
  heard = -Infinity;
  /** Receivers by track name. */
  received = new Map();
  /** Transceivers that carry our publications, by track name. */
  #senders = new Map();
  /** Candidates that came before the description they belong to. */
  #early = [];
  #making = false;
  #ignoring = false;
  #answering = false;
  #restarts = 0;
  #again;

  constructor(room, id) {
    Object.assign(this, { room, id, polite: room.id < id });
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: room.iceServers });
    this.pc.onnegotiationneeded = () => this.#offer();
    this.pc.onicecandidate = ({ candidate }) => this.#signal({ candidate });
    this.pc.ontrack = ({ receiver }) => this.#receive(receiver);
    this.pc.onconnectionstatechange = () => this.#connectionChanged();
  }

  /** Audio and video are always there, so that turning them on needs no offer. */
  offerAll() {
    for (const kind of KINDS) this.#add(this.room.local.get(kind) ?? { track: kind, kind }, 'sendrecv');
    this.sendAll();
  }

  /** Puts every publication on the wire; ones without an m-line (a screen) get one, once the peers are talking. */
  async sendAll() {
    for (const publication of this.room.local.values()) {
      if (this.#senders.has(publication.track)) await this.replace(publication);
      else if (publication.screen && this.pc.currentRemoteDescription) this.#add(publication, 'sendonly');
    }
  }

  async replace(publication) {
    const sender = this.#senders.get(publication.track)?.sender;
    if (sender) await send(sender, publication);
  }

  async handle({ description, candidate }) {
    try {
      if (description) await this.#describe(description);
      else await this.#candidate(candidate);
    } catch (error) {
      console.warn(`${this.id}: ${error}`);
    }
  }

  /** Of the other’s voice, linear, 0 … 1. */
  level() {
    const sources = this.received.get('audio')?.getSynchronizationSources() ?? [];
    return Math.max(0, ...sources.map(({ audioLevel }) => audioLevel ?? 0));
  }

  close() {
    clearInterval(this.#again);
    this.pc.close();
    for (const track of this.received.keys()) this.room.emit('mediaended', { participant: this.id, track });
  }

  #signal(content) {
    this.room.signalling.send({ type: 'signal', to: this.id, ...content });
  }

  async #describeOurs() {
    await this.pc.setLocalDescription();
    this.#signal({ description: this.pc.localDescription });
  }

  #add({ track, kind, media, stream = this.room.stream }, direction) {
    this.#senders.set(track, this.pc.addTransceiver(media ?? kind, { direction, streams: [stream] }));
  }

  async #offer() {
    this.#making = true;
    try {
      await this.#describeOurs();
      clearInterval(this.#again);
      this.#again = setInterval(() => this.#offerAgain(), OFFER_AGAIN_MS);
    } catch (error) {
      console.warn(`${this.id}: ${error}`);
    } finally {
      this.#making = false;
    }
  }

  #offerAgain() {
    if (this.pc.signalingState === 'have-local-offer') this.#signal({ description: this.pc.localDescription });
    else clearInterval(this.#again);
  }

  async #describe(description) {
    const stable = this.pc.signalingState === 'stable';
    const offered = description.type === 'offer';
    this.#ignoring = offered && !this.polite && (this.#making || !(stable || this.#answering));
    if (this.#ignoring || (!offered && stable)) return; // answered twice: the offer was sent again
    this.#answering = !offered;
    await this.pc.setRemoteDescription(description);
    this.#answering = false;
    for (const candidate of this.#early.splice(0)) await this.#candidate(candidate);
    if (offered) {
      for (const kind of KINDS) if (!this.#senders.has(kind)) this.#adopt(kind);
      await this.#describeOurs();
    }
    await this.sendAll();
  }

  /** Sends our audio or video back over the first m-line of its kind that the other offered. */
  #adopt(kind) {
    const transceiver = this.pc.getTransceivers().find(({ receiver }) => receiver.track.kind === kind);
    if (!transceiver) return;
    transceiver.direction = 'sendrecv';
    transceiver.sender.setStreams?.(this.room.stream);
    this.#senders.set(kind, transceiver);
  }

  async #candidate(candidate) {
    if (!this.pc.remoteDescription) return void this.#early.push(candidate);
    try {
      await this.pc.addIceCandidate(candidate ?? undefined);
    } catch (error) {
      if (!this.#ignoring) throw error;
    }
  }

  /** Names as in `sfu` mode: the first of a kind is `audio` or `video`, further ones are numbered, by m-line. */
  #receive(receiver) {
    const known = [...this.received.values()];
    if (known.includes(receiver)) return;
    const media = receiver.track;
    const track = media.kind + (known.filter((other) => other.track.kind === media.kind).length || '');
    this.received.set(track, receiver);
    this.room.emit('media', { participant: this.id, track, kind: media.kind, media });
  }

  #connectionChanged() {
    const { connectionState } = this.pc;
    if (connectionState === 'connected') this.#restarts = 0;
    if (connectionState === 'failed') {
      this.room.problem(noPath(this.room.participants.get(this.id)?.name ?? 'a participant'));
      if (this.#restarts++ < RESTARTS_MOST) this.pc.restartIce();
    }
    this.room.emit('state');
  }
}
