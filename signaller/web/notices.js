// SPDX-License-Identifier: MIT OR Apache-2.0
// Short messages in a corner, which screen readers read out.

const SHORT_MS = 5_000;
const shown = new Map();

/** With a `key` it stays until dismissed or cleared, one for each key. */
export function notice(text, key) {
  const known = key ?? text;
  if (shown.get(known)?.firstChild.textContent === text) return;
  clear(known);
  const element = create('div', { className: key ? 'notice bad' : 'notice' });
  element.append(create('p', { textContent: text }));
  if (key) element.append(create('button', { textContent: '✕', ariaLabel: 'Dismiss this message', onclick: () => clear(key) }));
  else setTimeout(() => { if (shown.get(text) === element) clear(text); }, SHORT_MS);
  shown.set(known, element);
  document.getElementById('notices').append(element);
}

export function clear(...keys) {
  for (const key of keys) {
    shown.get(key)?.remove();
    shown.delete(key);
  }
}

export const clearAll = () => clear(...shown.keys());

const create = (name, properties) => Object.assign(document.createElement(name), properties);
