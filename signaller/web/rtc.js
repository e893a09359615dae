// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * A gst-rtc room for any page. On its own:
 *
 *     import { Room } from 'https://rtc.example.org/static/rtc.js';
 *     const room = new Room('https://rtc.example.org/ws/lobby');
 *     room.addEventListener('media', ({ detail: { kind, media } }) => {
 *       const element = document.createElement(kind);
 *       element.srcObject = new MediaStream([media]);
 *       element.autoplay = true;
 *       document.body.append(element);
 *     });
 *     await room.join({ name: 'bob' });
 *     await Promise.all([room.subscribe(), room.publish(await navigator.mediaDevices.getUserMedia({ audio: true, video: true }))]);
 *
 * The wire protocol is signaller/PROTOCOL.md.
 */

import { RtcError } from './errors.js';
import { MeshTransport } from './mesh.js';
import { SfuTransport } from './sfu.js';
import { Signalling } from './signalling.js';

export { RtcError };

/** @typedef {'audio'|'video'} Kind */
/** @typedef {{track: string, kind: Kind, codec?: string, muted: boolean}} Track */
/** @typedef {{id: string, name: string, tracks: Map<string, Track>}} Participant */
/** @typedef {{track: string, kind: Kind, media: MediaStreamTrack|null, muted: boolean, screen: boolean, stream: MediaStream}} Publication */
/** @typedef {{name: string, mode?: 'sfu'|'p2p', token?: string|null}} JoinOptions `mode` counts only if the room is new */
/** @typedef {'new'|'joining'|'joined'|'reconnecting'|'left'} RoomState */
/**
 * @typedef {object} TrackStats of one received track, counted since its connection began
 * @property {string} participant name
 * @property {string} track
 * @property {Kind} kind
 * @property {number} framesDecoded
 * @property {number} frameWidth in pixels
 * @property {number} frameHeight in pixels
 * @property {number} audioEnergy `totalAudioEnergy` of the participant’s audio; on its video rows too
 * @property {number} bytes received
 */

export const SCREEN = 'video1';
const SLOTS = { audio: 4, video: 4 };
const NAME_TAKEN = { tries: 16, pauseMs: 2_000 };
const MUTE = { tries: 6, pauseMs: 400 };

/**
 * Events, each a CustomEvent with these in `detail` (participants by id):
 * - `participantjoined`, `participantleft`: `{participant: Participant, reason?}`
 * - `trackadded`, `trackremoved`, `trackmuted`: `{participant, track: Track}`
 * - `media`: `{participant, track, kind, media: MediaStreamTrack}` to show or play; again when its source changes
 * - `mediaended`: `{participant, track}`
 * - `speaking`: `{participant, speaking}`; yourself included where the server tells
 * - `published`: `{track, publication: Publication}` when a local source changed or was (un)muted
 * - `state`: nothing; look at `state`, `mediaState`, `available`
 * - `problem`: `{error: RtcError}`; the room goes on trying
 * - `left`: `{error?: RtcError}`
 */
export class Room extends EventTarget {
  /** @param {string|URL} url `…/ws/{room}`; http(s) and ws(s) are both right */
  constructor(url) {
    super();
    this.signalling = new Signalling(url);
    /** @type {RoomState} */
    this.state = 'new';
    this.id = '';
    this.name = '';
    this.mode = 'sfu';
    /** Whether a media node serves the room; always true in `p2p` rooms. */
    this.available = true;
    /** @type {Map<string, Participant>} by id, without yourself */
    this.participants = new Map();
    /** @type {Map<string, Publication>} by track name: what you send */
    this.local = new Map();
    /** @type {RTCIceServer[]} */
    this.iceServers = [];
    this.stream = new MediaStream();
    this.mutesLeft = 0;
    /** @type {string|undefined} proof for continuing after the server was lost */
    this.resume = undefined;
    /** @type {Set<string>} ids */
    this.speakers = new Set();
    /** @type {SfuTransport|MeshTransport|null} */
    this.transport = null;
  }

  /**
   * Enters the room. From then on lost connections are made again until `leave()`.
   * @param {JoinOptions} options
   * @throws {RtcError} `signalling` (no server), `nameTaken`, `badName`, `badRoom`, `full`, `notAllowed`
   */
  async join(options) {
    this.options = options;
    this.#setState('joining');
    this.signalling.addEventListener('message', (event) => this.#handle(/** @type {CustomEvent} */ (event).detail));
    try {
      await this.signalling.open();
      this.#joined(await this.#enter());
    } catch (error) {
      this.#end(/** @type {RtcError} */ (error));
      throw error;
    }
    this.signalling.addEventListener('lost', () => this.#setState('reconnecting'));
    this.signalling.addEventListener('open', () => this.#rejoin());
    this.signalling.addEventListener('replaced', () => this.#end(new RtcError('replaced',
      'This participant was continued in another window or connection.')));
  }

  /**
   * Publishes audio and video: what is null or missing can be brought later by `replace`, without a new offer.
   * @param {MediaStream|{audio?: MediaStreamTrack|null, video?: MediaStreamTrack|null}} source
   */
  async publish(source) {
    const { audio, video } = source instanceof MediaStream
      ? { audio: source.getAudioTracks()[0], video: source.getVideoTracks()[0] } : source;
    this.#setLocal('audio', 'audio', audio ?? null, 'speech');
    this.#setLocal('video', 'video', video ?? null, 'motion');
    await this.transport?.publish();
  }

  /**
   * Shows or plays the others’ tracks: `media` tells. Slots grow by themselves when more is there.
   * @param {{audio?: number, video?: number}} [slots] to begin with
   */
  async subscribe(slots = {}) {
    await this.transport?.subscribe(slots.audio ?? SLOTS.audio, slots.video ?? SLOTS.video);
  }

  /**
   * Another source (device change) or none (camera off) for a track; others are told when it goes and when it is back.
   * @param {string} track
   * @param {MediaStreamTrack|null} media
   */
  async replace(track, media) {
    if (this.local.size === 0) return this.publish({ [track]: media });
    const publication = this.local.get(track);
    if (!publication) throw new RtcError('unknownTrack', `There is no local track “${track}”: publish it first.`);
    this.#setLocal(track, publication.kind, media, publication.screen ? 'detail' : publication.kind === 'audio' ? 'speech' : 'motion');
    await this.transport?.replace(publication);
    this.#tell(publication);
  }

  /**
   * Silences or shows a track again; the source stays open.
   * @param {string} track
   * @param {boolean} muted
   */
  mute(track, muted = true) {
    const publication = this.local.get(track);
    if (!publication) return;
    if (publication.media) publication.media.enabled = !muted;
    publication.muted = muted || !publication.media;
    this.#tell(publication);
  }

  /** @param {MediaStreamTrack} media from getDisplayMedia; its end ends the sharing */
  async shareScreen(media) {
    media.addEventListener('ended', () => this.stopScreen(media));
    if (this.local.has(SCREEN)) return this.replace(SCREEN, media);
    // The order of m-lines gives tracks their names: camera and microphone keep theirs, even if they come later.
    this.#setLocal('audio', 'audio', this.local.get('audio')?.media ?? null, 'speech');
    this.#setLocal('video', 'video', this.local.get('video')?.media ?? null, 'motion');
    this.#setLocal(SCREEN, 'video', media, 'detail', true);
    await this.transport?.publish();
  }

  /** @param {MediaStreamTrack} [media] only if it is (still) this one */
  async stopScreen(media) {
    const publication = this.local.get(SCREEN);
    if (!publication?.media || (media && media !== publication.media)) return;
    publication.media.stop();
    await this.replace(SCREEN, null);
  }

  get sharing() {
    return Boolean(this.local.get(SCREEN)?.media);
  }

  /**
   * Chooses what a slot shows.
   * @param {string} mid of the slot
   * @param {string|null} participant id; null gives the slot back to the server
   * @param {string} [track]
   */
  async assign(mid, participant, track = 'video') {
    this.signalling.send({ type: 'assign', mid, participant, ...(participant && { track }) });
  }

  /** Leaves for good; the others see it at once. Camera and microphone stay open: they are the caller’s. */
  leave() {
    this.#end();
  }

  /** @returns {'none'|'connecting'|'connected'|'failed'} of all connections that carry media */
  get mediaState() {
    const states = this.transport?.states() ?? [];
    if (states.length === 0) return 'none';
    if (states.includes('failed')) return 'failed';
    return states.every((state) => state === 'connected') ? 'connected' : 'connecting';
  }

  /** @returns {Promise<TrackStats[]>} a row for each track received now */
  async stats() {
    const rows = [];
    for await (const { participant, track, kind, report } of this.transport?.reports() ?? []) {
      const name = this.participants.get(participant)?.name;
      if (name !== undefined) rows.push({ participant: name, track, kind, ...received(report) });
    }
    for (const row of rows.filter(({ kind }) => kind === 'video')) {
      row.audioEnergy = rows.find(({ participant, track }) => participant === row.participant && track === 'audio')?.audioEnergy ?? 0;
    }
    return rows;
  }

  // For the transports.

  /** @param {string} id @param {string} track @param {MediaStreamTrack} media */
  mediaStarted(id, track, media) {
    this.#track(id, track, /** @type {Kind} */ (media.kind));
    this.#emit('media', { participant: id, track, kind: media.kind, media });
  }

  /** @param {string} id @param {string} track */
  mediaEnded(id, track) {
    this.#emit('mediaended', { participant: id, track });
  }

  mediaChanged() {
    this.#emit('state', {});
  }

  /** @param {string} id @param {boolean} speaking */
  setSpeaking(id, speaking) {
    if (this.speakers.has(id) === speaking) return;
    if (speaking) this.speakers.add(id);
    else this.speakers.delete(id);
    this.#emit('speaking', { participant: id, speaking });
  }

  /** @param {boolean} available */
  setAvailable(available) {
    if (this.available === available) return;
    this.available = available;
    this.#emit('state', {});
  }

  /** @param {RtcError} error */
  problem(error) {
    if (error.code === 'noNode') this.setAvailable(false);
    else this.#emit('problem', { error });
  }

  /** Tells the others which local tracks are muted. */
  tellAll() {
    this.mutesLeft = MUTE.tries;
    this.#tellEach();
  }

  #enter() {
    const { name, mode, token } = this.options ?? { name: '' };
    return this.signalling.request({ type: 'join', name, mode, token, resume: this.resume });
  }

  #joined(reply) {
    const known = Boolean(reply.resumed) && reply.id === this.id;
    Object.assign(this, { id: reply.id, name: reply.name, mode: reply.mode, resume: reply.resume, iceServers: reply.iceServers ?? [] });
    this.available = true;
    this.#setParticipants(reply.participants);
    this.#setState('joined');
    if (this.transport) {
      this.transport.resumed(known ? reply.sessions ?? [] : [], known);
    } else {
      this.transport = this.mode === 'p2p' ? new MeshTransport(this) : new SfuTransport(this);
      this.transport.start();
    }
    this.tellAll();
  }

  async #rejoin() {
    for (let left = NAME_TAKEN.tries; this.state === 'reconnecting'; left--) {
      try {
        return this.#joined(await this.#enter());
      } catch (error) {
        const { code } = /** @type {RtcError} */ (error);
        if (code === 'lost') return; // the next `open` tries again
        // Until the server notices that our old connection is dead, it holds the name.
        if (left === 0 || !['nameTaken', 'timeout', 'full'].includes(code)) return this.#end(/** @type {RtcError} */ (error));
        await pause(NAME_TAKEN.pauseMs);
      }
    }
  }

  /** Replaces the list by what `joined` says, telling the differences. */
  #setParticipants(list) {
    const present = new Set(list.map(({ id }) => id));
    for (const id of [...this.participants.keys()]) {
      if (!present.has(id)) this.#left(id, 'left');
    }
    for (const { id, name, tracks } of list) {
      if (!this.participants.has(id)) this.#arrived({ id, name, tracks: [] });
      const known = this.participants.get(id)?.tracks ?? new Map();
      const names = new Set(tracks.map(({ track }) => track));
      if (this.mode === 'sfu') for (const track of [...known.keys()]) if (!names.has(track)) this.#trackRemoved(id, track);
      for (const track of tracks) this.#trackAdded(id, track);
    }
  }

  #handle(message) {
    if (this.transport?.handle(message)) return;
    switch (message.type) {
      case 'participantJoined': this.#arrived(message.participant); this.#welcome(); break;
      case 'participantLeft': this.#left(message.id, message.reason); break;
      case 'trackAdded': this.#trackAdded(message.participant, message.track); break;
      case 'trackRemoved': this.#trackRemoved(message.participant, message.track); break;
      case 'trackMuted': this.#trackMuted(message); break;
      case 'speaking': this.setSpeaking(message.participant, message.speaking); break;
      case 'error': this.#handleError(message); break;
      default: // newer servers may say more
    }
  }

  #handleError({ code, message }) {
    if (code !== 'unknownTrack') console.info(`server: ${code}: ${message}`);
    else if (this.mutesLeft-- > 0) setTimeout(() => this.#tellEach(), MUTE.pauseMs); // its node has not announced it yet
  }

  #arrived({ id, name, tracks }) {
    const participant = { id, name, tracks: new Map() };
    this.participants.set(id, participant);
    this.#emit('participantjoined', { participant });
    for (const track of tracks) this.#trackAdded(id, track);
  }

  /** In `p2p` rooms the server keeps no state of tracks: a newcomer hears ours from us. */
  #welcome() {
    if (this.mode === 'p2p') this.tellAll();
  }

  #left(id, reason) {
    const participant = this.participants.get(id);
    if (!participant) return;
    this.setSpeaking(id, false);
    this.transport?.participantLeft(id);
    this.participants.delete(id);
    this.#emit('participantleft', { participant, reason });
  }

  #trackAdded(id, track) {
    const participant = this.participants.get(id);
    if (!participant) return;
    participant.tracks.set(track.track, { ...track });
    this.#emit('trackadded', { participant: id, track });
  }

  #trackRemoved(id, name) {
    const tracks = this.participants.get(id)?.tracks;
    const track = tracks?.get(name);
    if (!track) return;
    tracks?.delete(name);
    this.#emit('trackremoved', { participant: id, track });
  }

  #trackMuted({ participant, track, muted }) {
    const known = this.#track(participant, track, track.startsWith('audio') ? 'audio' : 'video');
    if (!known) return;
    known.muted = muted;
    this.#emit('trackmuted', { participant, track: known });
  }

  /** The track, made if the server keeps no list of tracks (`p2p`). */
  #track(id, name, kind) {
    const tracks = this.participants.get(id)?.tracks;
    if (tracks && !tracks.has(name) && this.mode === 'p2p') tracks.set(name, { track: name, kind, muted: false });
    return tracks?.get(name);
  }

  #setLocal(track, kind, media, hint, screen = false) {
    const publication = this.local.get(track)
      ?? { track, kind, media: null, muted: true, screen, stream: screen ? new MediaStream() : this.stream };
    if (media) media.contentHint = hint;
    publication.media = media;
    publication.muted = !media?.enabled;
    this.local.set(track, publication);
  }

  #tellEach() {
    for (const publication of this.local.values()) {
      if (publication.media || !publication.screen) this.#tell(publication); // a stopped screen may have no track any more
    }
  }

  /** Tells the others whether a track is muted. */
  #tell(publication) {
    const { track, muted } = publication;
    this.signalling.send({ type: 'mute', track, muted });
    this.#emit('published', { track, publication });
  }

  #setState(state) {
    this.state = state;
    this.#emit('state', {});
  }

  #end(error) {
    if (this.state === 'left') return;
    this.state = 'left';
    this.signalling.close();
    this.transport?.close();
    this.local.get(SCREEN)?.media?.stop();
    this.speakers.clear();
    this.participants.clear();
    this.#emit('state', {});
    this.#emit('left', { error });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {RTCStatsReport} report of one receiver */
function received(report) {
  const row = { framesDecoded: 0, frameWidth: 0, frameHeight: 0, audioEnergy: 0, bytes: 0 };
  for (const entry of report.values()) {
    if (entry.type !== 'inbound-rtp') continue;
    row.framesDecoded += entry.framesDecoded ?? 0;
    row.frameWidth ||= entry.frameWidth ?? 0;
    row.frameHeight ||= entry.frameHeight ?? 0;
    row.audioEnergy += entry.totalAudioEnergy ?? 0;
    row.bytes += entry.bytesReceived ?? 0;
  }
  return row;
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
