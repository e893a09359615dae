// SPDX-License-Identifier: MIT OR Apache-2.0
// A room's media through the server: one connection that publishes, and one that receives into slots.

import { Leg } from './leg.js';

/** @typedef {import('./rtc.js').Room} Room */
/** @typedef {import('./rtc.js').Publication} Publication */
/** @typedef {{participant: string, track: string}} Shown */

const SLOTS_MOST = 64;
const SLOTS_STEP = 4;
/** Ceilings in bit/s; congestion control stays below them. */
const BITRATE = { audio: 64_000, video: 1_500_000, screen: 2_500_000 };

export class SfuTransport {
  /** @param {Room} room */
  constructor(room) {
    this.room = room;
    this.publisher = this.#leg('publish', {
      prepare: (pc) => this.#offerPublications(pc), reset: () => this.senders.clear(), agreed: () => this.#published(),
    });
    this.receiver = this.#leg('subscribe', {
      prepare: (pc) => this.#offerSlots(pc), reset: () => this.#show(new Map()), agreed: () => {},
    });
    this.legs = [this.publisher, this.receiver];
    /** @type {Map<string, RTCRtpTransceiver>} by track name */
    this.senders = new Map();
    /** @type {Map<string, Shown>} by mid: what each slot shows */
    this.slots = new Map();
    this.wanted = { audio: 0, video: 0 };
  }

  /** Nothing to do until somebody publishes or subscribes. */
  start() {}

  /** The WebSocket is back. @param {string[]} sessions which the server still has */
  resumed(sessions) {
    for (const leg of this.legs) leg.resume(sessions.includes(leg.session));
  }

  /** Brings the publishing connection to what `room.local` holds. */
  async publish() {
    await this.publisher.negotiate();
  }

  /** @param {Publication} publication whose source changed */
  async replace(publication) {
    const sender = this.senders.get(publication.track)?.sender;
    if (!sender) return publication.media ? this.publish() : undefined;
    await sender.replaceTrack(publication.media);
    if (publication.media) await tune(sender, publication);
  }

  /** @param {number} audio @param {number} video slots at least */
  async subscribe(audio, video) {
    this.wanted.audio = Math.max(this.wanted.audio, audio);
    this.wanted.video = Math.max(this.wanted.video, video);
    await this.receiver.negotiate();
  }

  /** @param {any} message @returns {boolean} whether it was one for the media */
  handle(message) {
    switch (message.type) {
      case 'slots': this.#handleSlots(message); return true;
      case 'candidate': this.#legOf(message)?.candidate(message); return true;
      case 'sessionState': this.#handleState(message); return true;
      case 'media': this.#handleAvailable(message); return true;
      default: return false;
    }
  }

  /** @returns {AsyncGenerator<{participant: string, track: string, kind: string, report: RTCStatsReport}>} */
  async* reports() {
    for (const [mid, { participant, track }] of this.slots) {
      const receiver = this.receiver.transceiver(mid)?.receiver;
      if (receiver) yield { participant, track, kind: receiver.track.kind, report: await receiver.getStats() };
    }
  }

  /** @returns {string[]} connection states that matter */
  states() {
    return this.legs.map(({ state }) => state).filter((state) => state !== 'idle');
  }

  participantLeft() {}

  close() {
    for (const leg of this.legs) leg.close();
  }

  #leg(session, hooks) {
    return new Leg(session, this.room.signalling, {
      ...hooks,
      iceServers: () => this.room.iceServers,
      changed: () => this.room.mediaChanged(),
      problem: (error) => this.room.problem(error),
    });
  }

  #legOf({ session }) {
    return { publish: this.publisher, subscribe: this.receiver }[session];
  }

  #handleState(message) {
    if (message.state === 'closed') this.#legOf(message)?.closedByServer(message.reason);
  }

  #handleAvailable({ available }) {
    this.room.setAvailable(available);
    if (available) for (const leg of this.legs) leg.retryNow();
  }

  /** Adds an m-line for each publication that has none; the order gives the tracks their names. */
  #offerPublications(pc) {
    for (const publication of this.room.local.values()) {
      if (this.senders.has(publication.track) || (publication.screen && !publication.media)) continue;
      const transceiver = pc.addTransceiver(publication.media ?? publication.kind, {
        direction: 'sendonly', streams: [publication.stream],
      });
      this.senders.set(publication.track, transceiver);
    }
  }

  #offerSlots(pc) {
    for (const kind of ['audio', 'video']) {
      const have = pc.getTransceivers().filter(({ receiver }) => receiver.track.kind === kind).length;
      for (let i = have; i < this.wanted[kind]; i++) pc.addTransceiver(kind, { direction: 'recvonly' });
    }
  }

  /** Tells the encoders what to give up first, and when to stop asking for bits. */
  #published() {
    this.room.tellAll();
    for (const [track, { sender }] of this.senders) {
      const publication = this.room.local.get(track);
      if (publication?.media) tune(sender, publication);
    }
  }

  #handleSlots({ slots, missing }) {
    const next = new Map(this.slots);
    for (const { mid, participant, track } of slots) {
      if (participant && track) next.set(mid, { participant, track });
      else next.delete(mid);
    }
    this.#show(next);
    this.#grow(slots, missing ?? {});
  }

  #show(next) {
    const before = places(this.slots);
    const after = places(next);
    this.slots = next;
    for (const [key, { shown }] of before) {
      if (!after.has(key)) this.room.mediaEnded(shown.participant, shown.track);
    }
    for (const [key, { mid, shown }] of after) {
      if (before.get(key)?.mid === mid) continue;
      const media = this.receiver.transceiver(mid)?.receiver.track;
      if (media) this.room.mediaStarted(shown.participant, shown.track, media);
    }
  }

  /** More tracks than slots: asks for more, in steps, so that a filling room does not renegotiate at each join. */
  #grow(slots, missing) {
    let grown = false;
    for (const kind of ['audio', 'video']) {
      const have = slots.filter((slot) => slot.kind === kind).length;
      const steps = Math.ceil((have + (missing[kind] ?? 0)) / SLOTS_STEP);
      const need = Math.min(SLOTS_MOST, steps * SLOTS_STEP);
      if (!missing[kind] || need <= this.wanted[kind]) continue;
      this.wanted[kind] = need;
      grown = true;
    }
    if (grown) this.receiver.negotiate().catch(() => {});
  }
}

/**
 * @param {RTCRtpSender} sender
 * @param {Publication} publication
 */
export async function tune(sender, publication) {
  const parameters = sender.getParameters();
  if (!parameters.encodings?.length) return;
  const use = publication.screen ? 'screen' : publication.kind;
  parameters.encodings[0].maxBitrate = BITRATE[use];
  if (publication.kind === 'video') {
    parameters.degradationPreference = publication.screen ? 'maintain-resolution' : 'balanced';
  }
  try {
    await sender.setParameters(parameters);
  } catch (error) {
    console.info(`${publication.track}: encoder settings refused: ${error}`);
  }
}

/** @param {Map<string, Shown>} slots @returns {Map<string, {mid: string, shown: Shown}>} by participant and track */
function places(slots) {
  const result = new Map();
  for (const [mid, shown] of slots) result.set(`${shown.participant}\n${shown.track}`, { mid, shown });
  return result;
}
