// SPDX-License-Identifier: MIT OR Apache-2.0
// A tile for each participant, and one more for each shared screen.

const GAP_PX = 8;
const SHAPE = 16 / 9;
const LEAST_PX = 120;
const SETTLED_MS = 200;
const template = document.getElementById('tile').content.firstElementChild;

export class Stage {
	/** By id of the participant and track. */
	#tiles = new Map();
	#timer;

	/** Screens and pinned tiles are large in `featured`. `silenced` is told whether sound needs a click, `prefer` as `Room.prefer`. */
	constructor({ grid, featured }, silenced, prefer) {
		Object.assign(this, { grid, featured, silenced, prefer });
		new ResizeObserver(() => this.#layout()).observe(grid);
	}

	add(id, name, track = 'video') {
		const tile = new Tile(this, id, name, track);
		this.#tiles.set(`${id} ${track}`, tile);
		this.place(tile);
		return tile;
	}

	tile(id, track = 'video') {
		return this.#tiles.get(`${id} ${track}`);
	}

	/** One participant’s, or all. */
	remove(id) {
		for (const [key, tile] of this.#tiles) if (id === undefined || tile.id === id) this.#drop(key);
	}

	/** Shows or plays it; null when it has ended. */
	media(id, track, media) {
		const camera = this.tile(id);
		const tile = this.tile(id, track);
		if (track.startsWith('audio')) camera?.listen(track, media);
		else if (tile && (media || tile.camera)) tile.show(media);
		else if (tile) this.#drop(`${id} ${track}`);
		else if (media && camera) this.add(id, camera.element.dataset.participant, track).show(media);
	}

	muted(id, track, muted) {
		if (track === 'audio') this.tile(id)?.mark('muted', muted);
		else this.tile(id, track)?.mark('off', muted);
		this.#layout();
	}

	/** Shows the tiles of those that are wanted, and one’s own. */
	only(wanted) {
		for (const { id, element } of this.#tiles.values()) element.hidden = id !== 'self' && !wanted(id);
		this.#layout();
	}

	play() {
		for (const tile of this.#tiles.values()) tile.play();
	}

	place(tile) {
		const { element, pinned, camera, id, pin } = tile;
		const place = pinned || !(camera || id === 'self') ? this.featured : this.grid;
		if (element.parentElement !== place) {
			const focused = element.contains(document.activeElement);
			place.append(element);
			tile.play();
			if (focused) pin.focus();
		}
		this.#layout();
	}

	#drop(key) {
		this.#tiles.get(key).remove();
		this.#tiles.delete(key);
		this.#layout();
	}

	/** Finds the number of columns that makes the tiles largest. */
	#layout() {
		const shown = '.tile:not([hidden]):is(:not([data-off]), [data-track=video])';
		this.featured.hidden = !this.featured.querySelector(shown);
		const count = this.grid.querySelectorAll(shown).length;
		let best = LEAST_PX;
		for (let columns = 1; columns <= count; columns++) {
			const across = (this.grid.clientWidth + GAP_PX) / columns - GAP_PX;
			const down = (this.grid.clientHeight + GAP_PX) / Math.ceil(count / columns) - GAP_PX;
			best = Math.max(best, Math.min(across, SHAPE * down));
		}
		this.grid.style.setProperty('--tile', `${Math.floor(best)}px`);
		clearTimeout(this.#timer);
		this.#timer = setTimeout(() => this.#tellWishes(), SETTLED_MS);
	}

	#tellWishes() {
		for (const tile of this.#tiles.values()) {
			const wish = tile.id !== 'self' && tile.wish();
			if (wish) this.prefer(tile.id, tile.track, wish);
		}
	}
}

/** The picture of a camera or a screen, or an initial in its place; its name, sound and figures. */
class Tile {
	#audios = new Map();
	#sizes = new Map();
	#before = {};
	#wish = '';

	constructor(stage, id, name, track) {
		const element = this.element = template.cloneNode(true);
		const [video, avatar, figures, layers, pin] = ['video', '.avatar', '.figures span', 'select', '.name'].map((part) => element.querySelector(part));
		Object.assign(this, { stage, id, track, camera: track === 'video', video, figures, layers, pin });
		Object.assign(element.dataset, { participant: name, track });
		this.mark('self', id === 'self');
		pin.textContent = name + ({ video: '', video1: ', screen' }[track] ?? `, ${track}`);
		pin.onclick = () => {
			pin.ariaPressed = String(!this.pinned);
			stage.place(this);
		};
		layers.ariaLabel = `Quality of ${pin.textContent}`;
		layers.onchange = () => stage.place(this);
		video.muted = true;
		video.ariaLabel = `Picture of ${pin.textContent}`;
		avatar.textContent = [...name][0].toUpperCase();
		avatar.style.setProperty('--hue', [...name].reduce((sum, c) => sum * 31 + c.codePointAt(), 7) % 360);
	}

	get pinned() {
		return this.pin.ariaPressed === 'true';
	}

	mark(what, on) {
		this.element.toggleAttribute(`data-${what}`, Boolean(on));
	}

	show(media) {
		const { video } = this;
		if (media && video.srcObject?.getTracks()[0] === media) return;
		this.mark('empty', !media);
		video.srcObject = media && new MediaStream([media]);
		this.play();
	}

	listen(track, media) {
		const audio = this.#audios.get(track) ?? new Audio();
		if (media && audio.srcObject?.getTracks()[0] === media) return;
		audio.srcObject = media && new MediaStream([media]);
		this.#audios[media ? 'set' : 'delete'](track, audio);
		this.play();
	}

	play() {
		if (this.video.srcObject) this.video.play().catch(() => {});
		const { silenced } = this.stage;
		for (const audio of this.#audios.values()) audio.play().then(() => silenced(false), ({ name }) => name === 'NotAllowedError' && silenced(true));
	}

	remove() {
		this.video.srcObject = null;
		for (const track of this.#audios.keys()) this.listen(track, null);
		this.element.remove();
	}

	/** Shows a row of `Room.stats()`. */
	measure(row) {
		const at = performance.now();
		const since = (name) => row[name] - this.#before[name];
		const [came, missed] = [since('packetsReceived'), Math.max(0, since('packetsLost'))];
		const rate = Math.round(since('bytesReceived') * 8 / (at - this.#before.at));
		this.#before = { ...row, at };
		this.figures.textContent = came > 0 ? `${row.frameWidth} × ${row.frameHeight} · ${rate} kbit/s · `
			+ `${(missed * 100 / (came + missed)).toFixed(1)} % lost · ${Math.round((row.roundTrip ?? 0) * 1000)} ms` : '';
	}

	/** Layers to choose from. */
	offer({ available, reason }) {
		this.layers.title = reason;
		const before = [...this.#sizes.keys()].join();
		this.#sizes = new Map(available.filter(({ width }) => width).map(({ width, height, ...layer }) => [`${width} × ${height}`, layer]));
		const sizes = [...this.#sizes.keys()];
		if (sizes.join() === before) return;
		const { value } = this.layers;
		this.layers.replaceChildren(new Option('Automatic', ''), ...sizes.map((size) => new Option(size)));
		this.layers.value = sizes.includes(value) ? value : '';
	}

	/** What is wanted of the track, if that has changed. */
	wish() {
		const { encoding, spatial, temporal } = this.#sizes.get(this.layers.value) ?? {};
		const chosen = encoding !== undefined; // whatever the size of the tile
		const scale = chosen ? 0 : devicePixelRatio;
		const wish = {
			width: Math.round(this.element.clientWidth * scale), height: Math.round(this.element.clientHeight * scale),
			priority: this.pinned ? 'pinned' : this.camera ? 'normal' : 'screen', layer: chosen ? { encoding, spatial, temporal } : null,
			paused: this.element.hidden,
		};
		return this.#wish === (this.#wish = JSON.stringify(wish)) ? null : wish;
	}
}
