// SPDX-License-Identifier: MIT OR Apache-2.0
// What went wrong, in words: each text says what, where, and what to do next.

/** An error with a stable code (those of PROTOCOL.md, and a few of the page's own) and a text meant for a person. */
export class RtcError extends Error {
  /**
   * @param {string} code for programs, e.g. `nameTaken`, `noNode`, `signalling`, `timeout`
   * @param {string} message for people
   */
  constructor(code, message) {
    super(message);
    this.name = 'RtcError';
    this.code = code;
  }
}

const SERVER_TEXT = {
  nameTaken: 'Somebody in this room already has that name. Choose another name and join again.',
  noNode: 'No media node is connected, so nobody can be seen or heard yet. Start “gst-rtc dev”, '
    + 'or a pipeline with an rtcsfu element. This page goes on by itself when one connects.',
  unknownRoom: 'There is no room of this name on the server. Check the address.',
  notAllowed: 'The server does not let you do that in this room. Ask for a link with the right token.',
};

/**
 * The error behind a `{"type":"error"}` message.
 * @param {{code?: string, message?: string}} reply
 */
export function fromServer(reply) {
  const code = reply.code ?? 'unknown';
  return new RtcError(code, SERVER_TEXT[code] ?? reply.message ?? `The server refused with “${code}”.`);
}

export function lost() {
  return new RtcError('lost', 'The connection to the server was lost. It is being made again.');
}

/** @param {string} url of the WebSocket */
export function unreachable(url) {
  return new RtcError('signalling', `Cannot reach the server at ${new URL(url).host}. `
    + 'Check that it is running and that no proxy blocks WebSockets, then try again.');
}

/** @param {string} to whom no path was found */
export function noPath(to) {
  return new RtcError('ice', `No network path for media to ${to}. A firewall probably blocks UDP: `
    + 'allow it, or use a server that offers TCP or TURN. Trying again.');
}

const DEVICE_TEXT = {
  NotAllowedError: (what) => `The browser refused the ${what}. Allow it in the address bar `
    + 'or in the system’s privacy settings, then try again.',
  SecurityError: (what) => `This page may not use the ${what}. An embedding page must grant it: `
    + '<iframe allow="camera; microphone; display-capture">.',
  NotFoundError: (what) => `No ${what} was found. Plug one in, or join without it.`,
  NotReadableError: (what) => `The ${what} could not be started; another program may be using it. `
    + 'Close that program, then try again.',
  OverconstrainedError: (what) => `The chosen ${what} is no longer there. Choose another one.`,
  AbortError: (what) => `The ${what} stopped while starting. Try again.`,
};

/**
 * Why a camera, microphone or screen could not be had.
 * @param {unknown} error what getUserMedia or getDisplayMedia threw
 * @param {string} what `camera`, `microphone` or `screen`
 */
export function fromDevice(error, what) {
  if (error instanceof RtcError) return error;
  const name = error instanceof Error ? error.name : 'Error';
  const text = DEVICE_TEXT[name]?.(what) ?? `The ${what} could not be started: ${error}.`;
  return new RtcError(name, text);
}

/** @param {string} what device is wanted */
export function insecure(what) {
  return new RtcError('insecure', `Browsers give the ${what} only to pages from https:// or from localhost, `
    + `and this page came from ${location.origin}. On the server itself open http://localhost`
    + `${location.port ? `:${location.port}` : ''}; elsewhere put HTTPS in front of it. You can watch and listen as it is.`);
}
