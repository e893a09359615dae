// SPDX-License-Identifier: MIT OR Apache-2.0
// A room’s media from peer to peer: one PeerConnection for each other participant; the server relays.

import { noPath } from './errors.js';
import { send } from './sfu.js';

const KINDS = ['audio', 'video'];
/** No server tells who speaks: the level in the packets does; linear, 0 … 1. */
const SPEAKING = { level: 0.02, holdMs: 700, lookMs: 250 };
/** After so many looks an offer without an answer is sent again. */
const OFFER_AGAIN = 20;

export class MeshTransport {
	/** By participant id. */
	peers = new Map();

	constructor(room) {
		this.room = room;
	}

	/** Newcomers, and without the old id we are one, offer to all who were here before. */
	resumed(_sessions, known) {
		if (known) return;
		this.close();
		for (const id of this.room.participants.keys()) this.#peer(id).offer();
	}

	async publish() {
		this.room.tellAll();
		await this.replace();
	}

	replace() {
		return Promise.all([...this.peers.values()].map((peer) => peer.sendAll()));
	}

	handle({ type, from, ...message }) {
		if (this.room.participants.has(from)) this.#peer(from).handle(message);
		return type === 'signal';
	}

	participantLeft(id) {
		this.peers.get(id)?.close();
		this.peers.delete(id);
	}

	states() {
		return [...this.peers.values()].map(({ pc }) => pc.connectionState);
	}

	close() {
		for (const id of this.peers.keys()) this.participantLeft(id);
	}

	#peer(id) {
		if (!this.peers.has(id)) this.peers.set(id, new Peer(this.room, id));
		return this.peers.get(id);
	}
}

/** Perfect negotiation with one other participant (W3C WebRTC, “Perfect negotiation example”). */
class Peer {
	/** Of camera and microphone, for their synchronisation. */
	stream = new MediaStream();
	/** By track name. */
	#senders = new Map();
	#making = false;
	#ignoring = false;
	#answering = false;
	#looks = 0;
	#heard = -Infinity;
	#speaking = false;

	constructor(room, id) {
		Object.assign(this, { room, id });
		const pc = this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: room.iceServers });
		pc.onnegotiationneeded = () => this.#describe();
		pc.onicecandidate = ({ candidate }) => this.#signal({ candidate });
		pc.ontrack = ({ receiver }) => this.#receive(receiver);
		pc.onconnectionstatechange = () => this.#changed();
		this.timer = setInterval(() => this.#look(), SPEAKING.lookMs);
	}

	/** With audio and video always, so that turning them on needs no offer. */
	offer() {
		for (const kind of KINDS) this.#add(this.room.local.get(kind) ?? { track: kind, kind }, 'sendrecv');
		this.sendAll();
	}

	/** A screen gets its m-line once the peers are talking. */
	async sendAll() {
		for (const publication of this.room.local.values()) {
			const sender = this.#senders.get(publication.track);
			if (sender) await send(sender, publication);
			else if (publication.screen && this.pc.currentRemoteDescription) this.#add(publication, 'sendonly');
		}
	}

	async handle({ description, candidate }) {
		try {
			if (description) await this.#described(description);
			else await this.pc.addIceCandidate(candidate ?? undefined);
		} catch (error) {
			if (!this.#ignoring) console.warn(error);
		}
	}

	close() {
		clearInterval(this.timer);
		this.pc.close();
		for (const { track } of this.#received()) this.room.ended(this.id, track);
	}

	#signal(content) {
		this.room.signalling.send({ type: 'signal', to: this.id, ...content });
	}

	async #describe() {
		this.#making = true;
		await this.pc.setLocalDescription().catch(console.warn);
		this.#making = false;
		this.#signal({ description: this.pc.localDescription });
	}

	#add({ track, kind, media, screen }, direction) {
		const streams = [screen ? new MediaStream() : this.stream];
		this.#senders.set(track, this.pc.addTransceiver(media ?? kind, { direction, streams }).sender);
	}

	async #described(description) {
		const stable = this.pc.signalingState === 'stable';
		const offered = description.type === 'offer';
		const polite = this.room.id < this.id;
		this.#ignoring = offered && !polite && (this.#making || !(stable || this.#answering));
		if (this.#ignoring || (!offered && stable)) return; // answered twice: the offer was sent again
		this.#answering = !offered;
		await this.pc.setRemoteDescription(description);
		this.#answering = false;
		if (offered) {
			for (const kind of KINDS) this.#adopt(kind);
			await this.#describe();
		}
		await this.sendAll();
	}

	/** Sends ours back over the first m-line of the kind that the other offered. */
	#adopt(kind) {
		const transceiver = this.pc.getTransceivers().find(({ receiver }) => receiver.track.kind === kind);
		if (!transceiver || this.#senders.has(kind)) return;
		transceiver.direction = 'sendrecv';
		transceiver.sender.setStreams?.(this.stream);
		this.#senders.set(kind, transceiver.sender);
	}

	#received() {
		return [...this.room.received.values()].filter(({ participant }) => participant === this.id);
	}

	/** Names as in `sfu` mode: `audio`, `video`, `video1`, by m-line. */
	#receive(receiver) {
		const known = this.#received();
		const { kind } = receiver.track;
		const count = known.filter((one) => one.receiver.track.kind === kind).length;
		if (!known.some((one) => one.receiver === receiver)) this.room.receive(this.id, kind + (count || ''), receiver);
	}

	#look() {
		const { pc, room, id: participant } = this;
		if (++this.#looks % OFFER_AGAIN === 0 && pc.signalingState === 'have-local-offer') this.#signal({ description: pc.localDescription });
		const sources = pc.getReceivers().flatMap((receiver) => receiver.getSynchronizationSources());
		const now = performance.now();
		if (sources.some(({ audioLevel }) => audioLevel > SPEAKING.level)) this.#heard = now;
		const speaking = now - this.#heard < SPEAKING.holdMs;
		if (speaking !== this.#speaking) room.emit('speaking', { participant, speaking: this.#speaking = speaking });
	}

	#changed() {
		this.room.emit('state');
		if (this.pc.connectionState !== 'failed') return;
		this.room.problem(noPath(this.room.participants.get(this.id)?.name ?? 'a participant'));
		this.pc.restartIce();
	}
}
