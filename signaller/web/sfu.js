// SPDX-License-Identifier: MIT OR Apache-2.0
// A room’s media through the server: one connection publishes, one receives into slots.

import { leg } from './leg.js';

const KINDS = ['audio', 'video'];
const SLOTS = { most: 64, step: 4 };
/** Layers from small to large, each twice as wide and high. */
const RIDS = { video: ['l', 'm', 'h'], screen: ['l', 'h'] };
/** Ceilings in bit/s; congestion control stays below. */
const BITRATE = { audio: [64_000], video: [200_000, 600_000, 1_700_000], screen: [500_000, 2_500_000] };
/** Pixels from which one, two and three layers are worth it: 480 × 270, 960 × 540. */
const WORTH = [0, 129_600, 518_400];

/** Layers of AV1 need a header extension. */
const layered = (to) => to.setHeaderExtensionsToNegotiate?.(to.getHeaderExtensionsToNegotiate()
	.map(({ uri, direction }) => ({ uri, direction: /dependency/.test(uri) ? 'sendrecv' : direction })));
const same = (one) => (other) => one.participant === other?.participant && one.track === other.track;

export class SfuTransport {
	/** By track name. */
	senders = new Map();
	/** What each slot shows, by mid: `{participant, track}`. */
	slots = new Map();
	wanted = { audio: 0, video: 0 };
	/** By participant and track. */
	#wishes = new Map();

	constructor(room) {
		this.room = room;
		this.publisher = leg(room, 'publish', (pc) => this.#offerPublications(pc), () => this.senders.clear(), () => this.#published());
		this.receiver = leg(room, 'subscribe', (pc) => this.#offerSlots(pc), () => this.#show([]));
		this.legs = [this.publisher, this.receiver];
	}

	/** `sessions` are those that the server still has. */
	resumed(sessions) {
		for (const leg of this.legs) leg.resume(sessions.includes(leg.session));
	}

	publish() {
		return this.publisher.negotiate();
	}

	async replace(publication) {
		const sender = this.senders.get(publication.track);
		if (sender) await send(sender, publication);
		else if (publication.media) await this.publish();
	}

	/** Asks for so many slots at least. */
	subscribe({ audio, video }) {
		this.wanted = { audio: Math.max(this.wanted.audio, audio), video: Math.max(this.wanted.video, video) };
		return this.receiver.negotiate();
	}

	prefer(participant, track, wish) {
		const key = `${participant} ${track}`;
		if (JSON.stringify(this.#wishes.get(key)) === JSON.stringify(wish)) return;
		this.#wishes.set(key, wish);
		for (const slot of this.slots.values()) if (same(slot)({ participant, track })) this.#ask(slot);
	}

	/** Returns whether the message was one for the media. */
	handle(message) {
		const { slots, available } = message;
		const own = this.legs.find(({ session }) => session === message.session);
		const act = {
			slots: () => this.#handleSlots(message),
			quality: () => slots.forEach((slot) => this.room.emit('quality', { ...this.slots.get(slot.mid), ...slot })),
			layers: () => {
				const sender = this.senders.get(message.track);
				if (sender) send(Object.assign(sender, { wanted: message.active }), this.room.local.get(message.track));
			},
			candidate: () => own?.candidate(message),
			sessionState: () => message.state === 'closed' && own?.closed(),
			media: () => {
				this.room.setAvailable(available);
				if (available) for (const leg of this.legs) leg.retryNow();
			},
		}[message.type];
		act?.();
		return Boolean(act);
	}

	states() {
		return this.legs.map(({ state }) => state).filter((state) => state !== 'idle');
	}

	close() {
		for (const leg of this.legs) leg.close();
	}

	/** The order of m-lines gives the tracks their names. */
	#offerPublications(pc) {
		for (const publication of this.room.local.values()) {
			const { track, media, kind, screen } = publication;
			if (this.senders.has(track) || (screen && !media)) continue;
			const init = { direction: 'sendonly', sendEncodings: simulcast(publication) };
			this.senders.set(track, pc.addTransceiver(media ?? kind, init).sender);
		}
	}

	#published() {
		this.room.tellAll();
		for (const [track, sender] of this.senders) send(sender, this.room.local.get(track));
	}

	#offerSlots(pc) {
		for (const kind of KINDS) {
			const have = pc.getTransceivers().filter(({ receiver }) => receiver.track.kind === kind).length;
			for (let i = have; i < this.wanted[kind]; i++) layered(pc.addTransceiver(kind, { direction: 'recvonly' }));
		}
	}

	#handleSlots({ slots, missing }) {
		this.#show(slots);
		// In steps, so that a filling room does not renegotiate at each join.
		const need = (kind) => {
			const all = slots.filter((slot) => slot.kind === kind).length + missing[kind];
			return missing[kind] ? Math.min(SLOTS.most, Math.ceil(all / SLOTS.step) * SLOTS.step) : 0;
		};
		if (KINDS.some((kind) => need(kind) > this.wanted[kind])) this.subscribe({ audio: need('audio'), video: need('video') }).catch(() => {});
	}

	#show(slots) {
		for (const shown of this.slots.values()) if (!slots.some(same(shown))) this.room.ended(shown.participant, shown.track);
		const before = this.slots;
		this.slots = new Map(slots.filter(({ participant }) => participant).map((slot) => [slot.mid, slot]));
		for (const [mid, slot] of this.slots) {
			const receiver = this.receiver.receiver(mid);
			if (!receiver || same(slot)(before.get(mid))) continue;
			this.room.receive(slot.participant, slot.track, receiver);
			this.#ask(slot);
		}
	}

	#ask({ mid, participant, track }) {
		const wish = this.#wishes.get(`${participant} ${track}`);
		if (wish) this.room.signalling.send({ type: 'prefer', mid, ...wish });
	}
}

const sort = ({ kind, screen }) => screen ? 'screen' : kind;

/** The `sendEncodings` of a publication. */
const simulcast = (publication) => layers((RIDS[sort(publication)] ?? []).map((rid) => ({ rid })), publication);

/** Puts the source of a publication on the wire. */
export async function send(sender, publication) {
	const { kind, screen, media } = publication;
	if (sender.track !== media) await sender.replaceTrack(media);
	const parameters = sender.getParameters();
	if (!media || !parameters.encodings?.length) return;
	layers(parameters.encodings, publication, sender.wanted);
	if (kind === 'video') parameters.degradationPreference = screen ? 'maintain-resolution' : 'balanced';
	await sender.setParameters(parameters).catch(console.info);
}

/** A small picture has fewer: browsers would leave out the largest. Nor is sent what nobody needs. */
function layers(encodings, publication, wanted = []) {
	const { width = 1280, height = 720 } = publication.media?.getSettings() ?? {};
	const used = WORTH.slice(0, encodings.length).filter((pixels) => width * height >= pixels).length;
	const rates = BITRATE[sort(publication)].slice(-encodings.length);
	for (const [i, encoding] of encodings.entries()) {
		encoding.maxBitrate = rates[i];
		if (encoding.rid) Object.assign(encoding, { active: i < used && (wanted[i] ?? true), scaleResolutionDownBy: 2 ** Math.max(0, used - 1 - i) });
	}
	return encodings;
}
