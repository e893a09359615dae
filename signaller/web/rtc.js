// SPDX-License-Identifier: MIT OR Apache-2.0
// A gst-rtc room for any page; docs/rtc.md has a page in ten lines, and all methods and events.

import { RtcError } from './errors.js';
import { MeshTransport } from './mesh.js';
import { SfuTransport } from './sfu.js';
import { Signalling } from './signalling.js';

export { RtcError };

/** The track of a shared screen. */
export const SCREEN = 'video1';
const MUTE = { tries: 6, pauseMs: 400 };

export class Room extends EventTarget {
	/** @type {'new'|'joining'|'joined'|'reconnecting'|'left'} */
	state = 'new';
	id = '';
	name = '';
	/** Whether a media node serves the room. */
	available = true;
	/** By id, without yourself: `{id, name, tracks}`. */
	participants = new Map();
	/** What you send, by track: `{track, kind, muted, media, screen}`. */
	local = new Map();
	/** What you get: `{participant, track, receiver: RTCRtpReceiver}`. */
	received = new Map();
	transport = null;
	#options;
	#resume;
	#mutesLeft = 0;

	/** The URL ends in `/ws/{room}`; http(s) and ws(s) are both right. */
	constructor(url) {
		super();
		this.signalling = new Signalling(url, {
			message: (message) => this.#handle(message),
			lost: () => this.state === 'joined' && this.#setState('reconnecting'),
			open: () => this.#enter().catch((error) => error.code === 'lost' || this.leave(error)), // lost: `open` comes again
			ended: (error) => this.leave(error),
		});
	}

	/** Enters, by `{name, mode, token}`; lost connections are made again until `leave()`. Throws an RtcError. */
	async join(options) {
		this.#options = options;
		this.#setState('joining');
		try {
			await this.signalling.open();
			await this.#enter();
		} catch (error) {
			this.leave(error);
			throw error;
		}
	}

	/** Leaves for good. Camera and microphone stay open: they are the caller’s. */
	leave(error) {
		if (this.state === 'left') return;
		this.#setState('left');
		this.signalling.close();
		this.transport?.close();
		this.emit('left', { error });
	}

	/** Sends the tracks of a MediaStream or of `{audio, video}`; what is missing can come later by `replace`. */
	async publish(source) {
		const own = source instanceof MediaStream;
		this.#setLocal('audio', own ? source.getAudioTracks()[0] : source.audio);
		this.#setLocal('video', own ? source.getVideoTracks()[0] : source.video);
		await this.transport?.publish();
	}

	/** Another source or none for a track. */
	async replace(track, media) {
		// The order gives tracks their names: camera and microphone keep theirs, even if they come later.
		for (const first of ['audio', 'video']) if (!this.local.has(first)) this.#setLocal(first);
		const publication = this.#setLocal(track, media);
		media?.addEventListener('ended', () => publication.media === media && this.replace(track, null));
		await this.transport?.replace(publication);
		this.#tell(publication);
	}

	/** The source stays open. */
	mute(track, muted = true) {
		const publication = this.local.get(track);
		if (!publication?.media) return;
		publication.media.enabled = !muted;
		publication.muted = muted;
		this.#tell(publication);
	}

	/** Asks for the others’ tracks, so many to begin with. */
	async subscribe({ audio = 4, video = 4 } = {}) {
		await this.transport?.subscribe?.({ audio, video });
	}

	/** What is wanted of a track: `{width, height, priority, layer, paused}`, all optional. */
	prefer(participant, track, wish) {
		this.transport?.prefer?.(participant, track, wish);
	}

	/** @returns {'none'|'connecting'|'connected'|'failed'} */
	get mediaState() {
		const states = this.transport?.states() ?? [];
		if (states.includes('failed')) return 'failed';
		if (states.some((state) => state !== 'connected')) return 'connecting';
		return states.length ? 'connected' : 'none';
	}

	/** A row for each track received: `inbound-rtp` of the browser, and `{participant (name), id, track, roundTrip, audioEnergy}`. */
	async stats() {
		const rows = [];
		for (const { participant: id, track, receiver } of this.received.values()) {
			const report = [...(await receiver.getStats()).values()];
			const of = (wanted) => report.find(({ type, nominated = true }) => type === wanted && nominated);
			const { name: participant } = this.participants.get(id) ?? {};
			const roundTrip = of('candidate-pair')?.currentRoundTripTime;
			rows.push({ framesDecoded: 0, frameWidth: 0, frameHeight: 0, ...of('inbound-rtp'), participant, id, track, roundTrip });
		}
		const sound = (id) => rows.find((row) => row.id === id && row.track === 'audio')?.totalAudioEnergy ?? 0;
		return rows.map((row) => ({ ...row, audioEnergy: row.totalAudioEnergy ?? sound(row.id) }));
	}

	// For the transports.

	emit(type, detail = {}) {
		this.dispatchEvent(new CustomEvent(type, { detail }));
	}

	receive(participant, track, receiver) {
		const { track: media, track: { kind } } = receiver;
		this.received.set(`${participant} ${track}`, { participant, track, receiver });
		this.emit('media', { participant, track, kind, media });
	}

	ended(participant, track) {
		this.received.delete(`${participant} ${track}`);
		this.emit('mediaended', { participant, track });
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
		const { id, name, mode, iceServers } = joined;
		const known = joined.resumed && id === this.id;
		Object.assign(this, { id, name, mode, iceServers, available: true });
		this.#resume = joined.resume;
		this.#setParticipants(joined.participants);
		this.#setState('joined');
		this.transport ??= new (mode === 'p2p' ? MeshTransport : SfuTransport)(this);
		this.transport.resumed(known ? joined.sessions : [], known);
		this.tellAll();
	}

	#setParticipants(list) {
		for (const id of this.participants.keys()) if (!list.some((one) => one.id === id)) this.#left(id);
		for (const participant of list) {
			this.#arrived(participant);
			if (this.mode === 'p2p') continue; // there the server keeps no list of tracks
			const { id, tracks } = participant;
			for (const known of this.#tracks(id).keys()) if (!tracks.some(({ track }) => track === known)) this.#trackRemoved(id, known);
		}
	}

	#handle(message) {
		if (this.transport?.handle(message)) return;
		const { participant, track, muted } = message;
		({
			participantJoined: () => this.#arrived(participant),
			participantLeft: () => this.#left(message.id),
			trackAdded: () => this.#track(participant, track),
			trackMuted: () => this.#track(participant, { track, kind: track.replace(/\d+$/, ''), muted }),
			trackRemoved: () => this.#trackRemoved(participant, track),
			speaking: () => this.emit('speaking', message),
			error: () => this.#refused(message),
		})[message.type]?.(); // newer servers may say more
	}

	#refused({ code, message }) {
		if (code !== 'unknownTrack') console.info(`server: ${code}: ${message}`);
		else if (this.#mutesLeft-- > 0) setTimeout(() => this.#tellEach(), MUTE.pauseMs); // its node has not announced it yet
	}

	#arrived({ id, name, tracks }) {
		if (!this.participants.has(id)) {
			const participant = { id, name, tracks: new Map() };
			this.participants.set(id, participant);
			this.emit('participantjoined', { participant });
		}
		for (const track of tracks) this.#track(id, track);
		// There a newcomer hears of our tracks from us.
		if (this.mode === 'p2p' && this.state === 'joined') this.tellAll();
	}

	#left(id) {
		const participant = this.participants.get(id);
		if (!participant) return;
		this.transport?.participantLeft?.(id);
		this.participants.delete(id);
		this.emit('participantleft', { participant });
	}

	#tracks(id) {
		return this.participants.get(id)?.tracks ?? new Map();
	}

	#track(participant, news) {
		const track = { ...this.#tracks(participant).get(news.track), ...news };
		this.#tracks(participant).set(news.track, track);
		this.emit('track', { participant, track });
	}

	#trackRemoved(participant, name) {
		if (this.#tracks(participant).delete(name)) this.emit('trackremoved', { participant, track: name });
	}

	#setLocal(track, media = null) {
		const screen = track === SCREEN;
		const kind = track === 'audio' ? 'audio' : 'video';
		const publication = this.local.get(track) ?? { track, kind, screen };
		if (media) media.contentHint = screen ? 'detail' : kind === 'audio' ? 'speech' : 'motion';
		this.local.set(track, Object.assign(publication, { media, muted: !media?.enabled }));
		return publication;
	}

	#tellEach() {
		for (const publication of this.local.values()) if (publication.media || !publication.screen) this.#tell(publication);
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
}
