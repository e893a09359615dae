// SPDX-License-Identifier: MIT OR Apache-2.0
// What went wrong, in words: what, where, and what to do next.

/** With a `code`, of PROTOCOL.md or the page’s own, and a text for people. */
export class RtcError extends Error {
	name = 'RtcError';

	constructor(code, message) {
		super(message);
		this.code = code;
	}
}

export const lost = () => new RtcError('lost', 'The connection to the server was lost. It is being made again.');

export const noNode = () => new RtcError('noNode', 'No media node is connected, so nobody can be seen or heard yet. '
	+ 'Start “gst-rtc dev” or a pipeline with rtcsfu: this page goes on then.');

export const unreachable = (url) => new RtcError('signalling', `Cannot reach the server at ${new URL(url).host}. `
	+ 'Is it running, or does a proxy block WebSockets?');

export const noPath = (to) => new RtcError('ice', `No network path for media to ${to}. `
	+ 'If a firewall blocks UDP, allow it, or use a server with TCP or TURN. Trying again.');

/** Why the browser gave no camera, microphone or screen. */
export const refusal = (error, what) => error instanceof RtcError ? error : new RtcError(error.name, {
	NotAllowedError: `The browser refused the ${what}. Allow it in the address bar or the system’s settings, then try again.`,
	NotFoundError: `No ${what} was found. Plug one in, or join without it.`,
	NotReadableError: `The ${what} could not be started. Close other programs that may be using it, then try again.`,
}[error.name] ?? `The ${what} could not be started: ${error}. Choose another one, or try again.`);

export const insecure = (what) => new RtcError('insecure', `Browsers give the ${what} only to pages from https:// or localhost, `
	+ `not from ${location.origin}. Put HTTPS in front of the server. You can watch and listen.`);
