// SPDX-License-Identifier: MIT OR Apache-2.0
/**
 * A gst-rtc room for any page; the wire protocol is signaller/PROTOCOL.md.
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
 *     await room.subscribe();
 *     await room.publish(await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
 */

import { RtcError } from './errors.js';
import { MeshTransport } from './mesh.js';
import { SfuTransport } from './sfu.js';
import { Signalling } from './signalling.js';

export { RtcError };

/** @typedef {{track: string, kind: 'audio'|'video', muted: boolean}} Track */
/** @typedef {{id: string, name: string, tracks: Map<string, Track>}} Participant */
/** @typedef {Track & {media: MediaStreamTrack|null, screen: boolean, stream: MediaStream}} Publication */

export const SCREEN = 'video1';
const NAME_TAKEN = { tries: 16, pauseMs: 2_000 };
const MUTE = { tries: 6, pauseMs: 400 };

/**
 * Events, with these in `detail` (participants by id):
 * - `participantjoined`, `participantleft`: `{participant: Participant, reason?}`
 * - `trackadded`, `trackremoved`, `trackmuted`: `{participant, track: Track}`
 * - `media`: `{participant, track, kind, media: MediaStreamTrack}` to show or play; again when its source changes
 * - `mediaended`: `{participant, track}`
 * - `speaking`: `{participant, speaking}`; yourself included where the server tells
 * - `published`: `{track, publication: Publication}` when a local source changed or was (un)muted
 * - `state`: look at `state`, `mediaState`, `available`
 * - `problem`: `{error: RtcError}`; the room goes on trying
 * - `left`: `{error?: RtcError}`
 */
export class Room extends EventTarget {
  /** @type {'new'|'joining'|'joined'|'reconnecting'|'left'} */
  state = 'new';
  id = '';
  name = '';
  /** Whether a media node serves the room; always true in `p2p` rooms. */
  available = true;
  /** @type {Map<string, Participant>} by id, without yourself */
  participants = new Map();
  /** @type {Map<string, Publication>} by track: what you send */
  local = new Map();
  stream = new MediaStream();
  transport = null;
  #options;
  #resume;
  #speakers = new Set();
  #mutesLeft = 0;

  /** @param {string|URL} url `…/ws/{room}`; http(s) and ws(s) are both right */
  constructor(url) {
    super();
    this.signalling = new Signalling(url);
  }

  /**
   * Enters the room. From then on lost connections are made again until `leave()`.
   * @param {{name: string, mode?: 'sfu'|'p2p', token?: string}} options `mode` counts only if the room is new
   * @throws {RtcError} `signalling` (no server), `nameTaken`, `badName`, `badRoom`, `full`, `notAllowed`
   */
  async join(options) {
    this.#options = options;
    this.#setState('joining');
    const on = (type, act) => this.signalling.addEventListener(type, act);
    on('message', ({ detail }) => this.#handle(detail));
    try {
      await this.signalling.open();
      await this.#enter();
    } catch (error) {
      this.#end(error);
      throw error;
    }
    on('lost', () => this.#setState('reconnecting'));
    on('open', () => this.#rejoin());
    on('replaced', () => this.#end(new RtcError('replaced', 'This participant was continued in another window or connection.')));
  }

  /**
   * Publishes audio and video: what is null or missing can be brought later by `replace`, without a new offer.
   * @param {MediaStream|{audio?: MediaStreamTrack|null, video?: MediaStreamTrack|null}} source
   */
  async publish(source) {
    const { audio, video } = source instanceof MediaStream
      ? { audio: source.getAudioTracks()[0], video: source.getVideoTracks()[0] } : source;
    this.#setLocal('audio', audio);
    this.#setLocal('video', video);
    await this.transport?.publish();
  }

  /** Asks for the others’ tracks, to begin with that many; `media` tells. */
  async subscribe({ audio = 4, video = 4 } = {}) {
    await this.transport?.subscribe?.({ audio, video });
  }

  /**
   * Another source (device change) or none (camera off) for a track; others are told when it goes and when it is back.
   * @param {string} track
   * @param {MediaStreamTrack|null} media
   */
  async replace(track, media) {
    if (!this.local.size) return this.publish({ [track]: media });
    if (!this.local.has(track)) throw new RtcError('unknownTrack', `There is no local track “${track}”: publish it first.`);
    const publication = this.#setLocal(track, media);
    await this.transport?.replace(publication);
    this.#tell(publication);
  }

  /** Silences a track, or shows it again; the source stays open. */
  mute(track, muted = true) {
    const publication = this.local.get(track);
    if (!publication?.media) return;
    publication.media.enabled = !muted;
    publication.muted = muted;
    this.#tell(publication);
  }

  /** @param {MediaStreamTrack} media from getDisplayMedia; its end ends the sharing */
  async shareScreen(media) {
    media.addEventListener('ended', () => this.stopScreen(media));
    if (this.local.has(SCREEN)) return this.replace(SCREEN, media);
    // The order of m-lines gives tracks their names: camera and microphone keep theirs, even if they come later.
    for (const track of ['audio', 'video']) this.#setLocal(track, this.local.get(track)?.media);
    this.#setLocal(SCREEN, media);
    await this.transport?.publish();
  }

  /** @param {MediaStreamTrack} [media] only if it is (still) this one */
  async stopScreen(media = this.sharing) {
    if (!media || media !== this.sharing) return;
    media.stop();
    await this.replace(SCREEN, null);
  }

  /** The shared screen, if any. */
  get sharing() {
    return this.local.get(SCREEN)?.media;
  }

  /** Chooses what the slot `mid` shows: a participant by id; null gives the slot back to the server. */
  assign(mid, participant, track = 'video') {
    this.signalling.send({ type: 'assign', mid, participant, ...(participant && { track }) });
  }

  /** Leaves for good; the others see it at once. Camera and microphone stay open: they are the caller’s. */
  leave() {
    this.#end();
  }

  /** @returns {'none'|'connecting'|'connected'|'failed'} of all connections that carry media */
  get mediaState() {
    const states = this.transport?.states() ?? [];
    if (!states.length) return 'none';
    if (states.includes('failed')) return 'failed';
    return states.every((state) => state === 'connected') ? 'connected' : 'connecting';
  }

  /**
   * A row for each track received now, counted since its connection began: `{participant, track, kind, framesDecoded,
   * frameWidth, frameHeight, audioEnergy, bytes}`. `participant` is a name, `audioEnergy` that of its audio on all its rows.
   */
  async stats() {
    const rows = [];
    for await (const { participant, track, kind, report } of this.transport?.reports() ?? []) {
      const name = this.participants.get(participant)?.name;
      if (name) rows.push({ participant: name, track, kind, ...received(report) });
    }
    for (const row of rows) {
      const audio = rows.find(({ participant, track }) => participant === row.participant && track === 'audio');
      row.audioEnergy ||= audio?.audioEnergy ?? 0;
    }
    return rows;
  }

  // For the transports.

  emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  setSpeaking(participant, speaking) {
    if (this.#speakers.has(participant) === speaking) return;
    this.#speakers[speaking ? 'add' : 'delete'](participant);
    this.emit('speaking', { participant, speaking });
  }

  setAvailable(available) {
    this.available = available;
    this.emit('state');
  }

  problem(error) {
    if (error.code === 'noNode') this.setAvailable(false);
    else this.emit('problem', { error });
  }

  /** Tells the others which local tracks are muted. */
  tellAll() {
    this.#mutesLeft = MUTE.tries;
    this.#tellEach();
  }

  async #enter() {
    const joined = await this.signalling.request({ type: 'join', ...this.#options, resume: this.#resume });
    const { id, name, mode, resume, resumed, sessions = [], iceServers = [], participants } = joined;
    const known = Boolean(resumed) && id === this.id;
    Object.assign(this, { id, name, mode, iceServers, available: true });
    this.#resume = resume;
    this.#setParticipants(participants);
    this.#setState('joined');
    this.transport ??= mode === 'p2p' ? new MeshTransport(this) : new SfuTransport(this);
    this.transport.resumed(known ? sessions : [], known);
    this.tellAll();
  }

  async #rejoin() {
    for (let left = NAME_TAKEN.tries; this.state === 'reconnecting'; left--) {
      try {
        return await this.#enter();
      } catch (error) {
        if (error.code === 'lost') return; // the next `open` tries again
        // Until the server notices that our old connection is dead, it holds the name.
        if (!left || !['nameTaken', 'timeout', 'full'].includes(error.code)) return this.#end(error);
        await new Promise((resolve) => setTimeout(resolve, NAME_TAKEN.pauseMs));
      }
    }
  }

  /** Replaces the list by what `joined` says, telling the differences. */
  #setParticipants(list) {
    for (const id of this.participants.keys()) if (!list.some((present) => present.id === id)) this.#left(id, 'left');
    for (const { id, name, tracks } of list) {
      if (!this.participants.has(id)) this.#arrived({ id, name, tracks: [] });
      for (const known of this.mode === 'sfu' ? this.#tracks(id).keys() : []) {
        if (!tracks.some(({ track }) => track === known)) this.#trackRemoved(id, known);
      }
      for (const track of tracks) this.#trackAdded(id, track);
    }
  }

  #handle(message) {
    if (this.transport?.handle(message)) return;
    const { participant, track } = message;
    switch (message.type) {
      case 'participantJoined': return this.#arrived(participant);
      case 'participantLeft': return this.#left(message.id, message.reason);
      case 'trackAdded': return this.#trackAdded(participant, track);
      case 'trackRemoved': return this.#trackRemoved(participant, track);
      case 'trackMuted': return this.#trackMuted(participant, track, message.muted);
      case 'speaking': return this.setSpeaking(participant, message.speaking);
      case 'error': return this.#refused(message);
      default: // newer servers may say more
    }
  }

  #refused({ code, message }) {
    if (code !== 'unknownTrack') console.info(`server: ${code}: ${message}`);
    else if (this.#mutesLeft-- > 0) setTimeout(() => this.#tellEach(), MUTE.pauseMs); // its node has not announced it yet
  }

  #arrived({ id, name, tracks }) {
    const participant = { id, name, tracks: new Map() };
    this.participants.set(id, participant);
    this.emit('participantjoined', { participant });
    for (const track of tracks) this.#trackAdded(id, track);
    // There the server keeps no state of tracks: a newcomer hears ours from us.
    if (this.mode === 'p2p' && this.state === 'joined') this.tellAll();
  }

  #left(id, reason) {
    const participant = this.participants.get(id);
    if (!participant) return;
    this.setSpeaking(id, false);
    this.transport?.participantLeft?.(id);
    this.participants.delete(id);
    this.emit('participantleft', { participant, reason });
  }

  #tracks(id) {
    return this.participants.get(id)?.tracks;
  }

  #trackAdded(participant, track) {
    if (this.#tracks(participant)?.set(track.track, track)) this.emit('trackadded', { participant, track });
  }

  #trackRemoved(participant, name) {
    const track = this.#tracks(participant)?.get(name);
    if (this.#tracks(participant)?.delete(name)) this.emit('trackremoved', { participant, track });
  }

  #trackMuted(participant, name, muted) {
    const kind = name.startsWith('audio') ? 'audio' : 'video';
    const track = { track: name, kind, ...this.#tracks(participant)?.get(name), muted };
    if (this.#tracks(participant)?.set(name, track)) this.emit('trackmuted', { participant, track });
  }

  #setLocal(track, media = null) {
    const screen = track === SCREEN;
    const kind = track === 'audio' ? 'audio' : 'video';
    const publication = this.local.get(track) ?? { track, kind, screen, stream: screen ? new MediaStream() : this.stream };
    if (media) media.contentHint = screen ? 'detail' : { audio: 'speech', video: 'motion' }[kind];
    this.local.set(track, Object.assign(publication, { media, muted: !media?.enabled }));
    return publication;
  }

  #tellEach() {
    for (const publication of this.local.values()) {
      if (publication.media || !publication.screen) this.#tell(publication); // a stopped screen may have no track any more
    }
  }

  #tell(publication) {
    const { track, muted } = publication;
    this.signalling.send({ type: 'mute', track, muted });
    this.emit('published', { track, publication });
  }

  #setState(state) {
    this.state = state;
    this.emit('state');
  }

  #end(error) {
    if (this.state === 'left') return;
    this.#setState('left');
    this.signalling.close();
    this.transport?.close();
    this.sharing?.stop();
    this.#speakers.clear();
    this.participants.clear();
    this.emit('left', { error });
  }
}

/** What the report of one receiver counts. */
function received(report) {
  const {
    framesDecoded = 0, frameWidth = 0, frameHeight = 0, totalAudioEnergy: audioEnergy = 0, bytesReceived: bytes = 0,
  } = [...report.values()].find(({ type }) => type === 'inbound-rtp') ?? {};
  return { framesDecoded, frameWidth, frameHeight, audioEnergy, bytes };
}
