// SPDX-License-Identifier: MIT OR Apache-2.0
// The page: landing, device check, room. Parameters: name, join=1, camera=0, microphone=0, mode, token, height,
// embed=1, controls=0. `window.gstRtc.room` is the Room; `body[data-state]` says where the page is.

import { Devices, LevelMeter, captureScreen, recall, remember } from './devices.js';
import { fromServer, lost } from './errors.js';
import { clear, notice } from './notices.js';
import { Room, SCREEN } from './rtc.js';
import { Stage } from './tiles.js';

const params = new URLSearchParams(location.search);
const roomName = decodeURIComponent(/^\/r\/([^/]+)/.exec(location.pathname)?.[1] ?? '');
const $ = (id) => /** @type {any} */ (document.getElementById(id));

const devices = new Devices(Math.min(2160, Math.max(90, Number(params.get('height')) || 720)));
const stage = new Stage($('grid'), $('featured'), (silent) => { $('hear').hidden = !silent; });
const meter = new LevelMeter((level) => { $('level').value = level; });
const DEVICES = /** @type {const} */ (['camera', 'microphone']);
let muted = params.get('microphone') === '0';
let opening = Promise.resolve();
/** @type {any} a Room, while there is one */
let room = null;
const shared = { room };
Object.assign(window, { gstRtc: shared });

// States of the page.

function setState(state) {
  document.body.dataset.state = state;
  const place = state === 'joined';
  (place ? $('toolbar') : $('preview').parentElement).append($('controls'));
  (place ? $('devices') : $('error')).before($('choosers'));
  document.title = { landing: 'gst-rtc', left: `Left ${roomName}` }[state] ?? `${roomName} · gst-rtc`;
}

function land() {
  setState('landing');
  $('guest').value = recall('name');
  $('room').focus();
  $('landing').onsubmit = (event) => {
    event.preventDefault();
    remember('name', $('guest').value.trim());
    location.assign(`/r/${encodeURIComponent($('room').value)}${location.search}`);
  };
}

function prejoin() {
  setState('prejoin');
  $('title').textContent = roomName;
  $('name').value = params.get('name') ?? recall('name');
  opening = openDevices();
  if (params.get('join') === '1' && $('name').value) enter();
  else $('name').focus();
}

async function openDevices() {
  const wanted = DEVICES.filter((device) => params.get(device) !== '0');
  await (wanted.length && devices.startAll(wanted).catch((error) => refuse(error, 'devices')));
  showDevices();
}

async function enter() {
  const name = $('name').value.trim();
  remember('name', name);
  $('error').textContent = '';
  $('join').disabled = true;
  setState('joining');
  try {
    await join(name);
  } catch (error) {
    setState('error');
    $('error').textContent = /** @type {Error} */ (error).message;
    $('name').focus();
    return;
  } finally {
    $('join').disabled = false;
  }
  entered();
  await opening;
  if (devices.open.camera || devices.open.microphone) publish();
}

async function join(name) {
  room = new Room(new URL(`/ws/${encodeURIComponent(roomName)}`, location.href));
  shared.room = room;
  stage.clear();
  listen(room);
  await room.join({ name, mode: /** @type {any} */ (params.get('mode') ?? undefined), token: params.get('token') ?? undefined });
}

function entered() {
  room.subscribe().catch(() => {}); // `problem` tells
  stage.add({ id: 'self', name: room.name, self: true });
  $('grid').prepend($('grid').lastElementChild);
  setState('joined');
  $('address').textContent = location.origin + location.pathname;
  if (params.get('join') !== '1') $('mute').focus();
  showDevices();
  showPeople();
  showConnection();
}

function publish() {
  if (devices.open.microphone) devices.open.microphone.enabled = !muted;
  room.publish({ audio: devices.open.microphone, video: devices.open.camera }).catch(() => {});
}

function gone(error) {
  if (document.body.dataset.state !== 'joined') return;
  for (const device of DEVICES) devices.stop(device);
  showScreen(null);
  stage.clear();
  clear();
  setState('left');
  $('gone-title').textContent = error ? 'You are no longer in the room' : 'You have left the room';
  $('gone-why').textContent = error?.message ?? '';
  $('rejoin').focus();
}

// What the room tells.

function listen(room) {
  const on = (type, act) => room.addEventListener(type, ({ detail }) => act(detail));
  on('participantjoined', ({ participant: { id, name } }) => {
    stage.add({ id, name, self: false });
    if (room.state === 'joined') notice(`${name} joined`);
    showPeople();
  });
  on('participantleft', ({ participant: { id, name } }) => {
    stage.remove(id);
    if (room.state === 'joined') notice(`${name} left`);
    showPeople();
  });
  on('trackadded', ({ participant, track }) => stage.muted(participant, track.track, track.muted));
  on('trackmuted', ({ participant, track }) => stage.muted(participant, track.track, track.muted));
  on('trackremoved', ({ participant, track }) => stage.ended(participant, track.track));
  on('media', ({ participant, track, media }) => {
    stage.media(participant, track, media);
    const known = room.participants.get(participant)?.tracks.get(track);
    stage.muted(participant, track, known?.muted ?? false);
  });
  on('mediaended', ({ participant, track }) => stage.ended(participant, track));
  on('speaking', ({ participant, speaking }) => stage.speaking(participant === room.id ? 'self' : participant, speaking));
  on('published', ({ track, publication: { media } }) => { if (track === SCREEN) showScreen(media); });
  on('problem', ({ error }) => notice(error.message, { bad: true, key: error.code }));
  on('state', showConnection);
  on('left', ({ error }) => gone(error));
}

function showScreen(media) {
  $('share').setAttribute('aria-pressed', String(Boolean(media)));
  if (media) stage.media('self', SCREEN, media);
  else stage.ended('self', SCREEN);
}

function showPeople() {
  const count = (room?.participants.size ?? 0) + 1;
  $('count').textContent = count === 1 ? '1 participant' : `${count} participants`;
  $('stage').toggleAttribute('data-company', count > 1);
}

function showConnection() {
  if (room?.state === 'left') return;
  const [level, text] = connection();
  if ($('status').textContent !== text) $('status').textContent = text;
  $('status').dataset.level = level;
  if (room.available) clear('noNode');
  else notice(fromServer({ code: 'noNode' }).message, { bad: true, key: 'noNode' });
  if (room.mediaState === 'connected') clear('ice');
  if (room.state === 'reconnecting') notice(lost().message, { bad: true, key: 'lost' });
  else clear('lost');
}

function connection() {
  if (room.state === 'reconnecting') return ['wait', 'Reconnecting'];
  if (!room.available) return ['bad', 'No media node'];
  return {
    none: ['good', 'Connected'], connected: ['good', 'Connected'],
    connecting: ['wait', 'Connecting media'], failed: ['bad', 'No media'],
  }[room.mediaState];
}

// Devices.

/** @param {import('./devices.js').Device} device @param {string} [id] */
async function start(device, id) {
  $('error').textContent = '';
  try {
    await devices.start(device, id);
  } catch (error) {
    refuse(error, device);
  }
}

function refuse(error, key) {
  if (document.body.dataset.state === 'joined') notice(error.message, { bad: true, key });
  else $('error').textContent = error.message;
}

async function showDevices() {
  const { camera, microphone } = devices.open;
  if (microphone) microphone.enabled = !muted;
  $('mute').setAttribute('aria-pressed', String(muted || !microphone));
  $('camera-off').setAttribute('aria-pressed', String(!camera));
  meter.watch(microphone);
  showPicture(camera);
  stage.muted('self', 'audio', muted || !microphone);
  for (const device of DEVICES) await choices(device);
}

function showPicture(camera) {
  const video = $('preview').querySelector('video');
  if (video.srcObject?.getTracks()[0] !== camera) video.srcObject = camera && new MediaStream([camera]);
  $('preview').toggleAttribute('data-empty', !camera);
  if (camera) stage.media('self', 'video', camera);
  else stage.ended('self', 'video');
}

async function choices(device) {
  const list = await devices.list(device);
  const chosen = devices.open[device]?.getSettings().deviceId ?? recall(device);
  const options = list.map(({ id, label }) => new Option(label, id, false, id === chosen));
  $(device).replaceChildren(...(options.length ? options : [new Option(`No ${device} found`, '')]));
  $(device).disabled = !options.length;
}

async function choose(device) {
  await start(device, $(device).value);
  await send(device);
}

async function send(device) {
  if (room?.state !== 'joined' && room?.state !== 'reconnecting') return;
  const media = devices.open[device];
  if (media || room.local.size) await room.replace(device === 'camera' ? 'video' : 'audio', media);
}

// What people do.

async function toggleMute() {
  if (!devices.open.microphone) {
    muted = false;
    await start('microphone');
    await send('microphone');
  } else {
    muted = !muted;
    room?.mute('audio', muted);
  }
  showDevices();
}

async function toggleCamera() {
  if (devices.open.camera) devices.stop('camera');
  else await start('camera');
  await send('camera');
}

async function toggleScreen() {
  if (room?.sharing) return room.stopScreen();
  try {
    const screen = await captureScreen();
    if (screen) await room?.shareScreen(screen);
  } catch (error) {
    refuse(error, 'screen');
  }
}

async function copy() {
  const address = location.origin + location.pathname;
  try {
    await navigator.clipboard.writeText(address);
    notice('Link copied');
  } catch {
    notice(`The address of this room: ${address}`);
  }
}

function key(event) {
  const act = { m: toggleMute, v: toggleCamera, s: room?.state === 'joined' && toggleScreen }[event.key];
  const typing = event.target.closest('input, select, textarea, dialog');
  if (!act || typing || event.ctrlKey || event.altKey || event.metaKey || event.repeat || !$('shortcuts').checked) return;
  if (!['prejoin', 'joined', 'error'].includes(document.body.dataset.state ?? '')) return;
  event.preventDefault();
  act();
}

const clicks = {
  mute: toggleMute, 'camera-off': toggleCamera, share: toggleScreen, leave: () => room?.leave(),
  more: () => $('settings').showModal(), copy, hear: () => stage.hear(), rejoin: prejoin,
};
for (const [id, act] of Object.entries(clicks)) $(id).addEventListener('click', act);
for (const device of DEVICES) $(device).addEventListener('change', () => choose(device));
$('prejoin').addEventListener('submit', (event) => { event.preventDefault(); enter(); });
$('shortcuts').checked = recall('shortcuts') !== 'off';
$('shortcuts').addEventListener('change', () => remember('shortcuts', $('shortcuts').checked ? 'on' : 'off'));
devices.addEventListener('change', showDevices);
devices.addEventListener('lost', (/** @type {any} */ { detail: { device } }) => {
  notice(`The ${device} was disconnected.`, { bad: true, key: device });
  send(device);
});
addEventListener('keydown', key);
addEventListener('pagehide', () => room?.leave());
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

document.body.toggleAttribute('data-embed', params.get('embed') === '1');
document.body.dataset.controls = params.get('controls') ?? '1';
if (roomName) prejoin();
else land();
