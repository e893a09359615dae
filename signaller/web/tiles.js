// SPDX-License-Identifier: MIT OR Apache-2.0
// The stage: a tile for each participant, one more for each shared screen, and the audio of all.

const GAP_PX = 8;
const SHAPE = 16 / 9;
const LEAST_PX = 120;

export class Stage {
  /** Names by id; `self` is one's own. */
  #names = new Map();
  /** Tiles and audio elements, by id and track. */
  #elements = new Map();

  /** Shared screens are large in `featured`; `silenced` is told when the browser refuses to play sound before a click. */
  constructor(grid, featured, silenced) {
    Object.assign(this, { grid, featured, silenced });
    new ResizeObserver(() => this.#layout()).observe(grid);
  }

  add(id, name) {
    this.#names.set(id, name);
    this.#tile(id, 'video');
  }

  remove(id) {
    this.#names.delete(id);
    for (const key of this.#elements.keys()) if (key.startsWith(`${id} `)) this.#drop(key);
    this.#layout();
  }

  clear() {
    for (const id of this.#names.keys()) this.remove(id);
  }

  media(id, track, media) {
    if (!this.#names.has(id)) return;
    if (media.kind === 'audio') this.#listen(id, track, media);
    else show(this.#tile(id, track), media);
  }

  ended(id, track) {
    const tile = this.#elements.get(`${id} ${track}`);
    if (tile && track === 'video') show(tile, null);
    else this.#drop(`${id} ${track}`);
    this.#layout();
  }

  muted(id, track, muted) {
    if (track === 'audio') this.#mark(id, 'video', 'data-muted', muted);
    else this.#mark(id, track, 'data-off', muted);
    this.#layout();
  }

  speaking(id, speaking) {
    this.#mark(id, 'video', 'data-speaking', speaking);
  }

  /** After a click the browser allows sound. */
  hear() {
    for (const element of this.#elements.values()) if (element.matches('audio')) this.#play(element);
  }

  #mark(id, track, attribute, value) {
    this.#elements.get(`${id} ${track}`)?.toggleAttribute(attribute, value);
  }

  /** Finds the number of columns that makes the tiles largest. */
  #layout() {
    this.featured.hidden = !this.featured.querySelector('.tile:not([data-off])');
    const count = this.grid.querySelectorAll('.tile:not([data-off]), .tile[data-track=video]').length;
    let best = LEAST_PX;
    for (let columns = 1; columns <= count; columns++) {
      const across = (this.grid.clientWidth + GAP_PX) / columns - GAP_PX;
      const down = (this.grid.clientHeight + GAP_PX) / Math.ceil(count / columns) - GAP_PX;
      best = Math.max(best, Math.min(across, SHAPE * down));
    }
    this.grid.style.setProperty('--tile', `${Math.floor(best)}px`);
  }

  /** The element for a track, made on first use and put into its place. */
  #element(id, track, make, place) {
    const key = `${id} ${track}`;
    if (!this.#elements.has(key)) {
      const element = make();
      Object.assign(element.dataset, { participant: this.#names.get(id), track });
      this.#elements.set(key, element);
      place.append(element);
      this.#layout();
    }
    return this.#elements.get(key);
  }

  #tile(id, track) {
    const place = track === 'video' || id === 'self' ? this.grid : this.featured;
    return this.#element(id, track, () => build(this.#names.get(id), track, id === 'self'), place);
  }

  #listen(id, track, media) {
    const element = this.#element(id, track, () => document.createElement('audio'), this.#tile(id, 'video'));
    element.srcObject = new MediaStream([media]);
    this.#play(element);
  }

  #play(element) {
    element.play().then(() => this.silenced(false), ({ name }) => name === 'NotAllowedError' && this.silenced(true));
  }

  #drop(key) {
    const element = this.#elements.get(key);
    const player = element?.querySelector('video') ?? element;
    if (player) player.srcObject = null;
    element?.remove();
    this.#elements.delete(key);
  }
}

function build(name, track, self) {
  const tile = document.getElementById('tile').content.firstElementChild.cloneNode(true);
  const [video, avatar, label] = ['video', '.avatar', '.name'].map((part) => tile.querySelector(part));
  tile.toggleAttribute('data-self', self);
  label.textContent = name + (self ? ' (you)' : '') + ({ video: '', video1: ', screen' }[track] ?? `, ${track}`);
  video.muted = true;
  video.ariaLabel = `${track === 'video' ? 'Camera' : 'Screen'} of ${name}`;
  avatar.textContent = [...name][0].toUpperCase();
  avatar.style.setProperty('--hue', [...name].reduce((sum, c) => sum * 31 + c.codePointAt(), 7) % 360);
  return tile;
}

function show(tile, media) {
  const video = tile.querySelector('video');
  if (media && video.srcObject?.getTracks()[0] === media) return;
  tile.toggleAttribute('data-empty', !media);
  video.srcObject = media && new MediaStream([media]);
  video.play().catch(() => {});
}
