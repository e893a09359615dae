// SPDX-License-Identifier: MIT OR Apache-2.0
// A room's media through the server: one connection that publishes, and one that receives into slots.

import { Leg } from './leg.js';

const SLOTS_MOST = 64;
const SLOTS_STEP = 4;
/** Ceilings in bit/s; congestion control stays below them. */
const BITRATE = { audio: 64_000, video: 1_500_000, screen: 2_500_000 };

export class SfuTransport {
  /** Transceivers by track name. */
  senders = new Map();
  /** What each slot shows, by mid: `{participant, track}`. */
  slots = new Map();
  /** Slots. */
  wanted = { audio: 0, video: 0 };

  constructor(room) {
    this.room = room;
    this.publisher = new Leg(room, 'publish', {
      prepare: (pc) => this.#offerPublications(pc), reset: () => this.senders.clear(), agreed: () => this.#published(),
    });
    this.receiver = new Leg(room, 'subscribe', { prepare: (pc) => this.#offerSlots(pc), reset: () => this.#show(new Map()) });
    this.legs = [this.publisher, this.receiver];
  }

  /** In the room (again); `sessions` are those that the server still has. */
  resumed(sessions) {
    for (const leg of this.legs) leg.resume(sessions.includes(leg.session));
  }

  /** Brings the publishing connection to what `room.local` holds. */
  publish() {
    return this.publisher.negotiate();
  }

  async replace(publication) {
    const sender = this.senders.get(publication.track)?.sender;
    if (sender) await send(sender, publication);
    else if (publication.media) await this.publish();
  }

  /** Asks for so many slots at least. */
  subscribe({ audio, video }) {
    this.wanted = { audio: Math.max(this.wanted.audio, audio), video: Math.max(this.wanted.video, video) };
    return this.receiver.negotiate();
  }

  /** Returns whether the message was one for the media. */
  handle(message) {
    const leg = this.legs.find(({ session }) => session === message.session);
    switch (message.type) {
      case 'slots': this.#handleSlots(message); return true;
      case 'candidate': leg?.candidate(message); return true;
      case 'sessionState': if (message.state === 'closed') leg?.closedByServer(message.reason); return true;
      case 'media': this.#handleAvailable(message.available); return true;
      default: return false;
    }
  }

  async* reports() {
    for (const [mid, shown] of this.slots) {
      const receiver = this.receiver.receiver(mid);
      if (receiver) yield { ...shown, kind: receiver.track.kind, report: await receiver.getStats() };
    }
  }

  states() {
    return this.legs.map(({ state }) => state).filter((state) => state !== 'idle');
  }

  close() {
    for (const leg of this.legs) leg.close();
  }

  #handleAvailable(available) {
    this.room.setAvailable(available);
    if (available) for (const leg of this.legs) leg.retryNow();
  }

  /** Adds an m-line for each publication that has none; the order gives the tracks their names. */
  #offerPublications(pc) {
    for (const { track, media, kind, screen, stream } of this.room.local.values()) {
      if (this.senders.has(track) || (screen && !media)) continue;
      this.senders.set(track, pc.addTransceiver(media ?? kind, { direction: 'sendonly', streams: [stream] }));
    }
  }

  #offerSlots(pc) {
    for (const kind of ['audio', 'video']) {
      const have = pc.getTransceivers().filter(({ receiver }) => receiver.track.kind === kind).length;
      for (let i = have; i < this.wanted[kind]; i++) pc.addTransceiver(kind, { direction: 'recvonly' });
    }
  }

  #published() {
    this.room.tellAll();
    for (const [track, { sender }] of this.senders) tune(sender, this.room.local.get(track));
  }

  #handleSlots({ slots, missing = {} }) {
    const next = new Map(this.slots);
    for (const { mid, participant, track } of slots) {
      if (participant && track) next.set(mid, { participant, track });
      else next.delete(mid);
    }
    this.#show(next);
    this.#grow(slots, missing);
  }

  #show(next) {
    const before = this.slots;
    this.slots = next;
    const same = (one, other) => one?.participant === other.participant && one.track === other.track;
    for (const shown of before.values()) {
      if (![...next.values()].some((other) => same(shown, other))) this.room.emit('mediaended', shown);
    }
    for (const [mid, shown] of next) {
      const media = !same(before.get(mid), shown) && this.receiver.receiver(mid)?.track;
      if (media) this.room.emit('media', { ...shown, kind: media.kind, media });
    }
  }

  /** More tracks than slots: asks for more, in steps, so that a filling room does not renegotiate at each join. */
  #grow(slots, missing) {
    const need = { ...this.wanted };
    for (const kind of ['audio', 'video']) {
      if (!missing[kind]) continue;
      const all = slots.filter((slot) => slot.kind === kind).length + missing[kind];
      need[kind] = Math.min(SLOTS_MOST, Math.ceil(all / SLOTS_STEP) * SLOTS_STEP);
    }
    if (need.audio > this.wanted.audio || need.video > this.wanted.video) this.subscribe(need).catch(() => {});
  }
}

/** Puts the source of a publication on the wire. */
export async function send(sender, publication) {
  await sender.replaceTrack(publication.media);
  await tune(sender, publication);
}

/** Tells the encoder what to give up first, and when to stop asking for bits. */
async function tune(sender, { track, kind, media, screen }) {
  const parameters = sender.getParameters();
  if (!media || !parameters.encodings?.length) return;
  parameters.encodings[0].maxBitrate = BITRATE[screen ? 'screen' : kind];
  if (kind === 'video') parameters.degradationPreference = screen ? 'maintain-resolution' : 'balanced';
  await sender.setParameters(parameters).catch((error) => console.info(`${track}: encoder settings refused: ${error}`));
}
