// SPDX-License-Identifier: MIT OR Apache-2.0
// The page: landing, device check, room. Parameters: name, join=1, camera=0, microphone=0, mode, token, height,
// embed=1, controls=0. `window.gstRtc.room` is the Room; `body[data-state]` says where the page is.

import { Devices, LevelMeter, captureScreen, recall, remember } from './devices.js';
import { fromServer, lost } from './errors.js';
import { clear, clearAll, notice } from './notices.js';
import { Room, SCREEN } from './rtc.js';
import { Stage } from './tiles.js';

const DEVICES = ['camera', 'microphone'];
const { body } = document;
const address = location.origin + location.pathname;
const roomName = decodeURIComponent(/^\/r\/([^/]+)/.exec(location.pathname)?.[1] ?? '');
const given = Object.fromEntries(new URLSearchParams(location.search));
const ui = Object.fromEntries([...document.querySelectorAll('[id]')].map((element) => [element.id, element]));

const devices = new Devices(Math.min(2160, Math.max(90, Number(given.height) || 720)));
const stage = new Stage(ui.grid, ui.featured, (silent) => { ui.hear.hidden = !silent; });
const meter = new LevelMeter((level) => { ui.level.value = level; });
let muted = given.microphone === '0';
let opening;
let room = null;
window.gstRtc = { get room() { return room; } };

// States of the page.

function setState(state) {
  body.dataset.state = state;
  const joined = state === 'joined';
  (joined ? ui.toolbar : ui.preview.parentElement).append(ui.controls);
  (joined ? ui.devices : ui.error).before(ui.choosers);
  document.title = { landing: 'gst-rtc', left: `Left ${roomName}` }[state] ?? `${roomName} · gst-rtc`;
}

function land() {
  setState('landing');
  ui.guest.value = recall('name');
  ui.room.focus();
}

function visit(event) {
  event.preventDefault();
  remember('name', ui.guest.value.trim());
  location.assign(`/r/${encodeURIComponent(ui.room.value)}${location.search}`);
}

function prejoin() {
  setState('prejoin');
  ui.title.textContent = roomName;
  ui.name.value = given.name ?? recall('name');
  opening = openDevices();
  if (given.join === '1' && ui.name.value) enter();
  else ui.name.focus();
}

async function openDevices() {
  const wanted = DEVICES.filter((device) => given[device] !== '0');
  if (wanted.length) await devices.startAll(wanted).catch((error) => refuse(error, 'devices'));
  showDevices();
}

async function enter(event) {
  event?.preventDefault();
  const name = ui.name.value.trim();
  remember('name', name);
  ui.error.textContent = '';
  ui.join.disabled = true;
  setState('joining');
  try {
    room = new Room(new URL(`/ws/${encodeURIComponent(roomName)}`, address));
    stage.clear();
    listen();
    await room.join({ name, mode: given.mode, token: given.token });
  } catch (error) {
    setState('error');
    ui.error.textContent = error.message;
    return ui.name.focus();
  } finally {
    ui.join.disabled = false;
  }
  entered();
  await opening;
  const { camera: video, microphone: audio } = devices.open;
  if (audio || video) room.publish({ audio, video }).catch(() => {});
}

function entered() {
  room.subscribe().catch(() => {}); // `problem` tells
  stage.add('self', room.name);
  ui.grid.prepend(ui.grid.lastElementChild);
  setState('joined');
  ui.address.textContent = address;
  if (given.join !== '1') ui.mute.focus();
  showDevices();
  showPeople();
  showConnection();
}

function gone(error) {
  if (body.dataset.state !== 'joined') return;
  for (const device of DEVICES) devices.stop(device);
  showScreen(null);
  stage.clear();
  clearAll();
  setState('left');
  ui.farewell.textContent = error ? 'You are no longer in the room' : 'You have left the room';
  ui.reason.textContent = error?.message ?? '';
  ui.rejoin.focus();
}

// What the room tells.

function listen() {
  const on = (type, act) => room.addEventListener(type, ({ detail }) => act(detail));
  on('participantjoined', ({ participant: { id, name } }) => {
    stage.add(id, name);
    showPeople(`${name} joined`);
  });
  on('participantleft', ({ participant: { id, name } }) => {
    stage.remove(id);
    showPeople(`${name} left`);
  });
  const mute = ({ participant, track }) => stage.muted(participant, track.track, track.muted);
  on('trackadded', mute);
  on('trackmuted', mute);
  on('trackremoved', ({ participant, track }) => stage.ended(participant, track.track));
  on('media', ({ participant, track, media }) => {
    stage.media(participant, track, media);
    stage.muted(participant, track, room.participants.get(participant)?.tracks.get(track)?.muted ?? false);
  });
  on('mediaended', ({ participant, track }) => stage.ended(participant, track));
  on('speaking', ({ participant, speaking }) => stage.speaking(participant === room.id ? 'self' : participant, speaking));
  on('published', ({ track, publication }) => { if (track === SCREEN) showScreen(publication.media); });
  on('problem', ({ error }) => notice(error.message, error.code));
  on('state', showConnection);
  on('left', ({ error }) => gone(error));
}

function showOwn(track, media) {
  if (media) stage.media('self', track, media);
  else stage.ended('self', track);
}

function showScreen(media) {
  ui.share.ariaPressed = Boolean(media);
  showOwn(SCREEN, media);
}

function showPeople(news) {
  const count = room.participants.size + 1;
  ui.count.textContent = count === 1 ? '1 participant' : `${count} participants`;
  ui.stage.toggleAttribute('data-company', count > 1);
  if (news && room.state === 'joined') notice(news);
}

function showConnection() {
  if (room.state === 'left') return;
  const reconnecting = room.state === 'reconnecting';
  const [text, level] = reconnecting ? ['Reconnecting', 'wait'] : !room.available ? ['No media node', 'bad'] : {
    connecting: ['Connecting media', 'wait'], failed: ['No media', 'bad'],
  }[room.mediaState] ?? ['Connected', 'good'];
  if (ui.status.textContent !== text) ui.status.textContent = text;
  ui.status.dataset.level = level;
  standing('noNode', !room.available && fromServer({ code: 'noNode' }));
  standing('lost', reconnecting && lost());
  if (room.mediaState === 'connected') clear('ice');
}

function standing(key, error) {
  if (error) notice(error.message, key);
  else clear(key);
}

// Devices.

async function start(device, id) {
  ui.error.textContent = '';
  await devices.start(device, id).catch((error) => refuse(error, device));
  await send(device);
}

function refuse({ message }, key) {
  if (body.dataset.state === 'joined') notice(message, key);
  else ui.error.textContent = message;
}

async function showDevices() {
  const { camera, microphone } = devices.open;
  if (microphone) microphone.enabled = !muted;
  ui.mute.ariaPressed = muted || !microphone;
  ui['camera-off'].ariaPressed = !camera;
  meter.watch(microphone);
  const video = ui.preview.querySelector('video');
  if (video.srcObject?.getTracks()[0] !== camera) video.srcObject = camera && new MediaStream([camera]);
  ui.preview.toggleAttribute('data-empty', !camera);
  showOwn('video', camera);
  stage.muted('self', 'audio', muted || !microphone);
  for (const device of DEVICES) await showChoices(device);
}

async function showChoices(device) {
  const list = await devices.list(device);
  const chosen = devices.open[device]?.getSettings().deviceId ?? recall(device);
  const options = list.map(({ id, label }) => new Option(label, id, false, id === chosen));
  ui[device].replaceChildren(...(list.length ? options : [new Option(`No ${device} found`, '')]));
  ui[device].disabled = !list.length;
}

async function send(device) {
  if (!['joined', 'reconnecting'].includes(room?.state)) return;
  const media = devices.open[device];
  if (media || room.local.size) await room.replace(device === 'camera' ? 'video' : 'audio', media);
}

// What people do.

async function toggleMute() {
  if (devices.open.microphone) {
    muted = !muted;
    room?.mute('audio', muted);
  } else {
    muted = false;
    await start('microphone');
  }
  showDevices();
}

async function toggleCamera() {
  if (!devices.open.camera) return start('camera');
  devices.stop('camera');
  await send('camera');
}

async function toggleScreen() {
  if (room.sharing) return room.stopScreen();
  const screen = await captureScreen().catch((error) => refuse(error, 'screen'));
  if (screen) await room.shareScreen(screen);
}

async function copy() {
  try {
    await navigator.clipboard.writeText(address);
    notice('Link copied');
  } catch {
    notice(`The address of this room: ${address}`);
  }
}

function key(event) {
  const { state } = body.dataset;
  const act = { m: toggleMute, v: toggleCamera, s: state === 'joined' && toggleScreen }[event.key];
  if (!act || event.ctrlKey || event.altKey || event.metaKey || event.repeat || !ui.shortcuts.checked) return;
  if (event.target.closest('input, select, dialog') || !['prejoin', 'joined', 'error'].includes(state)) return;
  event.preventDefault();
  act();
}

const clicks = {
  mute: toggleMute, 'camera-off': toggleCamera, share: toggleScreen, leave: () => room.leave(),
  more: () => ui.settings.showModal(), copy, hear: () => stage.hear(), rejoin: prejoin,
};
for (const [id, act] of Object.entries(clicks)) ui[id].onclick = act;
for (const device of DEVICES) ui[device].onchange = () => start(device, ui[device].value);
ui.landing.onsubmit = visit;
ui.prejoin.onsubmit = enter;
ui.shortcuts.checked = recall('shortcuts') !== 'off';
ui.shortcuts.onchange = () => remember('shortcuts', ui.shortcuts.checked ? 'on' : 'off');
devices.addEventListener('change', showDevices);
devices.addEventListener('lost', ({ detail: device }) => {
  notice(`The ${device} was disconnected.`, device);
  send(device);
});
addEventListener('keydown', key);
addEventListener('pagehide', () => room?.leave());
addEventListener('pageshow', ({ persisted }) => persisted && location.reload());

body.toggleAttribute('data-embed', given.embed === '1');
body.dataset.controls = given.controls ?? '1';
if (roomName) prejoin();
else land();
