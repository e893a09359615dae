// SPDX-License-Identifier: MIT OR Apache-2.0
// Short messages in a corner, which screen readers read out.

const SHORT_MS = 5_000;
/** @type {Map<string, HTMLElement>} */
const shown = new Map();

/**
 * @param {string} text
 * @param {{bad?: boolean, key?: string}} [options] `bad` stays until dismissed or cleared; one at a time for each `key`
 */
export function notice(text, { bad = false, key = text } = {}) {
  if (shown.get(key)?.dataset.text === text) return;
  clear(key);
  const element = document.createElement('div');
  element.className = bad ? 'notice bad' : 'notice';
  element.dataset.text = text;
  const paragraph = document.createElement('p');
  paragraph.textContent = text;
  element.append(paragraph);
  if (bad) element.append(dismissal(key));
  else setTimeout(() => { if (shown.get(key) === element) clear(key); }, SHORT_MS);
  shown.set(key, element);
  document.getElementById('notices')?.append(element);
}

/** @param {string} [key] of one; default: all */
export function clear(key) {
  for (const [known, element] of [...shown]) {
    if (key !== undefined && known !== key) continue;
    element.remove();
    shown.delete(known);
  }
}

function dismissal(key) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = '✕';
  button.setAttribute('aria-label', 'Dismiss this message');
  button.addEventListener('click', () => clear(key));
  return button;
}
