// SPDX-License-Identifier: MIT OR Apache-2.0
// One PeerConnection with the media node: offers, renegotiates, and is built again when it fails.

import { RtcError, noPath } from './errors.js';

const PERMANENT = ['badSdp', 'badMessage', 'notAllowed', 'tooLarge', 'wrongMode'];

/** `prepare(pc)` adds transceivers before an offer, `agreed()` comes after its answer, `reset()` when the connection is gone. */
export function leg(room, session, prepare, reset, agreed) {
	const { signalling } = room;
	let pc = null;
	let wanted = false;
	let attempts = 0;
	let timer;
	let queue = Promise.resolve();

	/** One exchange at a time; rejects if that failed, and then goes on trying by itself. */
	function negotiate() {
		wanted = true;
		const result = queue.then(exchange);
		queue = result.catch(failed);
		return result;
	}

	async function exchange() {
		timer = clearTimeout(timer);
		if (room.state === 'left') return;
		const own = pc ??= connect();
		try {
			prepare(own);
			await own.setLocalDescription();
			const { sdp } = await signalling.request({ type: session, sdp: own.localDescription?.sdp });
			await own.setRemoteDescription({ type: 'answer', sdp });
			agreed?.();
		} catch (error) {
			if (own === pc) throw error; // else closed meanwhile
		}
	}

	function connect() {
		const own = new RTCPeerConnection({ bundlePolicy: 'max-bundle', iceServers: room.iceServers });
		own.onicecandidate = ({ candidate: found }) =>
			signalling.send({ type: 'candidate', session, candidate: found?.candidate ?? '', mid: found?.sdpMid ?? '0' });
		own.onconnectionstatechange = () => {
			room.emit('state');
			if (own.connectionState === 'connected') attempts = 0;
			if (own.connectionState !== 'failed') return;
			close();
			failed(noPath('the server'));
		};
		return own;
	}

	function failed(error) {
		if (error.code === 'lost') return; // resume() takes it up again
		const known = error instanceof RtcError ? error : new RtcError('badSdp', `Media could not be set up: ${error}`);
		room.problem(known);
		if (!PERMANENT.includes(known.code)) retryLater();
	}

	function retry() {
		if (wanted) negotiate().catch(() => {}); // `problem` tells
	}

	function retryLater() {
		clearTimeout(timer);
		timer = setTimeout(retry, Math.min(10_000, 500 * 2 ** attempts++));
	}

	function close() {
		timer = clearTimeout(timer);
		if (pc) signalling.send({ type: `un${session}` });
		pc?.close();
		pc = null;
		reset();
		room.emit('state');
	}

	return {
		session, negotiate, close,
		get pc() { return pc; },
		get state() { return pc?.connectionState ?? (wanted ? 'new' : 'idle'); },
		receiver: (mid) => pc?.getTransceivers().find((one) => one.mid === mid)?.receiver,
		candidate: ({ candidate, mid: sdpMid = '0' }) => pc?.addIceCandidate({ candidate, sdpMid }).catch(console.info),
		/** By the server. */
		closed() {
			close();
			retryLater();
		},
		/** Goes on if the server still has the session, else begins anew. */
		resume(alive) {
			if (!alive) close();
			if (pc?.signalingState !== 'stable') retry();
		},
		/** Something that was missing is there. */
		retryNow() {
			if (timer) retry();
		},
	};
}
