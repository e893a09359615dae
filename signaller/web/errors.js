// SPDX-License-Identifier: MIT OR Apache-2.0
// What went wrong, in words: each text says what, where, and what to do next.

/** An error with a stable `code` (those of PROTOCOL.md, and a few of the page's own) and a text meant for a person. */
export class RtcError extends Error {
  name = 'RtcError';

  constructor(code, message) {
    super(message);
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

/** The error behind a `{"type":"error"}` message. */
export function fromServer({ code = 'unknown', message = `The server refused with “${code}”.` }) {
  return new RtcError(code, SERVER_TEXT[code] ?? message);
}

export const lost = () => new RtcError('lost', 'The connection to the server was lost. It is being made again.');

export const unreachable = (url) => new RtcError('signalling', `Cannot reach the server at ${new URL(url).host}. `
  + 'Check that it is running and that no proxy blocks WebSockets, then try again.');

export const noPath = (to) => new RtcError('ice', `No network path for media to ${to}. A firewall probably blocks UDP: `
  + 'allow it, or use a server that offers TCP or TURN. Trying again.');

/** Why getUserMedia or getDisplayMedia gave no camera, microphone or screen. */
export function fromDevice(error, what) {
  if (error instanceof RtcError) return error;
  return new RtcError(error.name, {
    NotAllowedError: `The browser refused the ${what}. Allow it in the address bar `
      + 'or in the system’s privacy settings, then try again.',
    SecurityError: `This page may not use the ${what}. An embedding page must grant it: `
      + '<iframe allow="camera; microphone; display-capture">.',
    NotFoundError: `No ${what} was found. Plug one in, or join without it.`,
    NotReadableError: `The ${what} could not be started; another program may be using it. `
      + 'Close that program, then try again.',
    OverconstrainedError: `The chosen ${what} is no longer there. Choose another one.`,
    AbortError: `The ${what} stopped while starting. Try again.`,
  }[error.name] ?? `The ${what} could not be started: ${error}.`);
}

export function insecure(what) {
  const { origin, port } = location;
  return new RtcError('insecure', `Browsers give the ${what} only to pages from https:// or from localhost, `
    + `and this page came from ${origin}. On the server itself open http://localhost${port && `:${port}`}; `
    + 'elsewhere put HTTPS in front of it. You can watch and listen as it is.');
}
