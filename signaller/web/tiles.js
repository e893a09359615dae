// SPDX-License-Identifier: MIT OR Apache-2.0
// The stage: a tile for each participant, one more for each shared screen, and the audio of all.

const GAP_PX = 8;
const SHAPE = 16 / 9;

/** @typedef {{id: string, name: string, self: boolean}} Person */

export class Stage {
  /**
   * @param {HTMLElement} grid
   * @param {HTMLElement} featured where shared screens are large
   * @param {(silent: boolean) => void} silenced told when the browser refuses to play sound before a click
   */
  constructor(grid, featured, silenced) {
    this.grid = grid;
    this.featured = featured;
    this.silenced = silenced;
    /** @type {Map<string, Person>} */
    this.people = new Map();
    /** @type {Map<string, HTMLElement>} by id and track */
    this.tiles = new Map();
    /** @type {Map<string, HTMLAudioElement>} by id and track */
    this.audio = new Map();
    new ResizeObserver(() => this.layout()).observe(grid);
  }

  /** @param {Person} person */
  add(person) {
    this.people.set(person.id, person);
    this.#tile(person, 'video');
  }

  /** @param {string} id */
  remove(id) {
    this.people.delete(id);
    for (const map of [this.tiles, this.audio]) {
      for (const key of [...map.keys()]) if (key.startsWith(`${id} `)) this.#drop(map, key);
    }
    this.layout();
  }

  clear() {
    for (const id of [...this.people.keys()]) this.remove(id);
  }

  /** @param {string} id @param {string} track @param {MediaStreamTrack} media */
  media(id, track, media) {
    const person = this.people.get(id);
    if (!person) return;
    if (media.kind === 'audio') this.#listen(person, track, media);
    else show(this.#tile(person, track), media);
  }

  /** @param {string} id @param {string} track */
  ended(id, track) {
    const key = `${id} ${track}`;
    this.#drop(this.audio, key);
    const tile = this.tiles.get(key);
    if (track === 'video' && tile) show(tile, null);
    else if (tile) this.#drop(this.tiles, key);
    this.layout();
  }

  /** @param {string} id @param {string} track @param {boolean} muted */
  muted(id, track, muted) {
    const main = this.tiles.get(`${id} video`);
    if (track === 'audio') main?.toggleAttribute('data-muted', muted);
    else this.tiles.get(`${id} ${track}`)?.toggleAttribute('data-off', muted);
    this.layout();
  }

  /** @param {string} id @param {boolean} speaking */
  speaking(id, speaking) {
    this.tiles.get(`${id} video`)?.toggleAttribute('data-speaking', speaking);
  }

  /** After a click the browser allows sound. */
  hear() {
    for (const element of this.audio.values()) this.#play(element);
  }

  /** Finds the number of columns that makes the tiles largest. */
  layout() {
    this.featured.hidden = !this.featured.querySelector('.tile:not([data-off])');
    const count = this.grid.querySelectorAll('.tile:not([data-off]), .tile[data-track="video"]').length;
    const { clientWidth: width, clientHeight: height } = this.grid;
    let best = 0;
    for (let columns = 1; columns <= count; columns++) {
      const rows = Math.ceil(count / columns);
      const across = (width - (columns - 1) * GAP_PX) / columns;
      best = Math.max(best, Math.min(across, SHAPE * (height - (rows - 1) * GAP_PX) / rows));
    }
    this.grid.style.setProperty('--tile', `${Math.floor(Math.max(best, 120))}px`);
  }

  #tile(person, track) {
    const key = `${person.id} ${track}`;
    let tile = this.tiles.get(key);
    if (tile) return tile;
    tile = build(person, track);
    this.tiles.set(key, tile);
    (track !== 'video' && !person.self ? this.featured : this.grid).append(tile);
    this.layout();
    return tile;
  }

  #listen(person, track, media) {
    const key = `${person.id} ${track}`;
    let element = this.audio.get(key);
    if (!element) {
      element = document.createElement('audio');
      Object.assign(element.dataset, { participant: person.name, track });
      this.tiles.get(`${person.id} video`)?.append(element);
      this.audio.set(key, element);
    }
    element.srcObject = new MediaStream([media]);
    this.#play(element);
  }

  #play(element) {
    element.play().then(() => this.silenced(false), (error) => {
      if (error.name === 'NotAllowedError') this.silenced(true);
    });
  }

  #drop(map, key) {
    const element = map.get(key);
    const media = element?.querySelector?.('video') ?? element;
    if (media) media.srcObject = null;
    element?.remove();
    map.delete(key);
  }
}

function build({ name, self }, track) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById('tile'));
  const tile = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  const main = track === 'video';
  Object.assign(tile.dataset, { participant: name, track });
  tile.toggleAttribute('data-self', self);
  const label = `${name}${self ? ' (you)' : ''}${main ? '' : track === 'video1' ? ', screen' : `, ${track}`}`;
  /** @type {HTMLElement} */ (tile.querySelector('.name')).textContent = label;
  const video = /** @type {HTMLVideoElement} */ (tile.querySelector('video'));
  video.muted = true;
  video.setAttribute('aria-label', `${main ? 'Camera' : 'Screen'} of ${name}`);
  const avatar = /** @type {HTMLElement} */ (tile.querySelector('.avatar'));
  avatar.textContent = [...name][0].toUpperCase();
  avatar.style.setProperty('--hue', String([...name].reduce((sum, c) => sum * 31 + c.codePointAt(0), 7) % 360));
  return tile;
}

/** @param {HTMLElement} tile @param {MediaStreamTrack|null} media */
function show(tile, media) {
  const video = /** @type {any} */ (tile.querySelector('video'));
  if (media && video.srcObject?.getTracks()[0] === media) return;
  tile.toggleAttribute('data-empty', !media);
  video.srcObject = media && new MediaStream([media]);
  video.play().catch(() => {});
}
