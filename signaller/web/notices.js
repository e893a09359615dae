// SPDX-License-Identifier: MIT OR Apache-2.0
// Short messages in a corner, which screen readers read out.

const SHORT_MS = 5_000;
const shown = new Map();

/** With a `key` it stays until dismissed or cleared, one for each key. */
export function notice(text, key = '') {
	const name = key || text;
	if (shown.get(name)?.textContent === text) return;
	clear(name);
	const element = document.createElement('button');
	Object.assign(element, { className: 'notice', textContent: text, title: 'Dismiss', onclick: () => clear(name) });
	element.dataset.key = key;
	if (!key) setTimeout(() => shown.get(name) === element && clear(name), SHORT_MS);
	shown.set(name, element);
	document.getElementById('notices').append(element);
}

/** One of them, or all. */
export function clear(name) {
	for (const known of name ? [name] : shown.keys()) {
		shown.get(known)?.remove();
		shown.delete(known);
	}
}
