// SPDX-License-Identifier: MIT OR Apache-2.0
// The page: name and devices, then the room. Parameters: name, join=1, camera=0, microphone=0, mix=1, mode, token, height,
// embed=1, controls=0. `window.gstRtc.room` is the Room; `body[data-state]` says where the page is.

import { Devices, captureScreen, recall, remember } from './devices.js';
import { lost, noNode } from './errors.js';
import { clear, notice } from './notices.js';
import { Room, SCREEN } from './rtc.js';
import { Stage } from './stage.js';

const DEVICES = { camera: 'video', microphone: 'audio' };
const FIGURES_MS = 2_000;
/** The name of the participant that is a mix of the others, where the node makes one. */
const MIX = 'mix';
const { body } = document;
const address = location.origin + location.pathname;
const roomName = location.pathname.split('/r/')[1] ?? '';
const given = Object.fromEntries(new URLSearchParams(location.search));
const ui = Object.fromEntries([...document.querySelectorAll('[id]')].map((element) => [element.id, element]));

const devices = new Devices(Math.min(2160, Math.max(90, Number(given.height) || 720)));
const stage = new Stage(ui, (silent) => { ui.hear.hidden = !silent; }, (...wish) => room?.prefer(...wish));
let muted = given.microphone === '0';
let mixed = given.mix === '1';
let opening;
let room = null;
window.gstRtc = { get room() { return room; } };

// States of the page.

function setState(state, heading, text = '') {
	body.dataset.state = state;
	(state === 'joined' ? ui.done : ui.error).before(ui.choosers);
	if (heading) ui.heading.textContent = heading;
	ui.error.textContent = text;
}

function prejoin(heading, text) {
	setState(roomName ? 'prejoin' : 'landing', heading, text);
	stage.remove();
	stage.add('self', 'You');
	showDevices();
	ui[roomName ? 'name' : 'room'].focus();
}

async function openDevices() {
	const wanted = Object.keys(DEVICES).filter((device) => given[device] !== '0');
	if (wanted.length) await devices.start(wanted).catch((error) => refuse(error, 'devices'));
}

async function enter(event) {
	event?.preventDefault();
	const name = ui.name.value.trim();
	remember('name', name);
	if (!roomName) return location.assign(`/r/${ui.room.value}${location.search}`);
	setState('joining');
	stage.remove();
	stage.add('self', `${name} (you)`);
	opening ??= openDevices();
	try {
		room = new Room(new URL(`/ws/${roomName}`, address));
		listen();
		await room.join({ name, mode: given.mode, token: given.token });
	} catch (error) {
		return prejoin('Not joined', error.message);
	}
	room.subscribe().catch(() => {}); // `problem` tells
	setState('joined');
	if (given.join !== '1') ui.mute.focus();
	showPeople();
	await opening;
	showDevices();
	const { camera: video, microphone: audio } = devices.open;
	if (audio || video) room.publish({ audio, video }).catch(() => {});
}

function gone(error) {
	if (body.dataset.state !== 'joined') return;
	for (const device of Object.keys(DEVICES)) devices.stop(device);
	room.local.get(SCREEN)?.media?.stop();
	opening = undefined;
	clear();
	prejoin(error ? 'You are no longer in the room' : 'You have left the room', error?.message);
}

// What the room tells.

function listen() {
	const on = (type, act) => room.addEventListener(type, ({ detail }) => act(detail));
	on('participantjoined', ({ participant: { id, name } }) => showPeople(`${name} joined`, stage.add(id, name)));
	on('participantleft', ({ participant: { id, name } }) => showPeople(`${name} left`, stage.remove(id)));
	on('track', ({ participant, track }) => stage.muted(participant, track.track, track.muted));
	on('media', ({ participant, track, media }) => {
		stage.media(participant, track, media);
		stage.muted(participant, track, room.participants.get(participant)?.tracks.get(track)?.muted);
		choose();
	});
	on('mediaended', ({ participant, track }) => {
		stage.media(participant, track, null);
		choose();
	});
	on('speaking', ({ participant, speaking }) => stage.tile(participant === room.id ? 'self' : participant)?.mark('speaking', speaking));
	on('quality', (detail) => stage.tile(detail.participant, detail.track)?.offer(detail));
	on('published', ({ track, publication: { media } }) => {
		if (track !== SCREEN) return;
		ui.share.ariaPressed = Boolean(media);
		stage.media('self', SCREEN, media);
	});
	on('problem', ({ error }) => notice(error.message, error.code));
	on('state', showConnection);
	on('left', ({ error }) => gone(error));
}

function showPeople(news) {
	choose();
	const count = room.participants.size + (findMix() ? 0 : 1);
	ui.count.textContent = count === 1 ? '1 participant' : `${count} participants`;
	if (count > 1) clear('alone');
	else notice(`Nobody else is here yet. Send them this address: ${address}`, 'alone');
	if (room.state === 'joined' && news) notice(news);
}

const findMix = () => [...room.participants.values()].find(({ name }) => name === MIX)?.id;

/** Takes either the mix or the others. Of the sound of the mix that without ourselves, where there is one. */
function choose() {
	const mix = findMix();
	ui.mix.hidden = !mix;
	ui.mix.ariaPressed = mixed;
	const wanted = (id) => (id === mix) === (mixed && Boolean(mix));
	const sounds = [...room.received.values()].filter(({ receiver }) => receiver.track.kind === 'audio');
	const own = sounds.some(({ participant, track }) => participant === mix && track !== 'audio');
	for (const { participant, track, receiver } of sounds) {
		const heard = wanted(participant) && !(participant === mix && own && track === 'audio');
		stage.media(participant, track, heard ? receiver.track : null);
		room.prefer(participant, track, { paused: !heard });
	}
	stage.only(wanted);
}

function showConnection() {
	const { state, available, mediaState } = room;
	if (state === 'left') return;
	const standing = (error, holds) => holds ? notice(error.message, error.code) : clear(error.code);
	standing(lost(), state === 'reconnecting');
	standing(noNode(), !available);
	if (mediaState === 'connected') clear('ice');
	const text = state === 'reconnecting' ? 'Reconnecting' : !available ? 'No media node'
		: { connecting: 'Connecting media', failed: 'No media' }[mediaState] ?? 'Connected';
	if (ui.status.textContent !== text) ui.status.textContent = text;
	ui.status.toggleAttribute('data-wait', text !== 'Connected');
}

// Devices.

async function start(device, id) {
	ui.error.textContent = '';
	await devices.start([device], id).catch((error) => refuse(error, device));
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
	stage.media('self', 'video', camera);
	stage.muted('self', 'audio', muted || !microphone);
	for (const device of Object.keys(DEVICES)) {
		const list = await devices.list(device);
		const chosen = devices.open[device]?.getSettings().deviceId ?? recall(device);
		const options = list.map(({ deviceId: id, label }, i) => new Option(label || `${device} ${i + 1}`, id, false, id === chosen));
		ui[device].replaceChildren(...(list.length ? options : [new Option(`No ${device} found`, '')]));
		ui[device].disabled = !list.length;
	}
}

async function send(device) {
	if (['joined', 'reconnecting'].includes(room?.state)) await room.replace(DEVICES[device], devices.open[device]);
}

// What people do.

async function toggleMute() {
	muted = Boolean(devices.open.microphone) && !muted;
	if (devices.open.microphone) room?.mute('audio', muted);
	else await start('microphone');
	showDevices();
}

async function toggleCamera() {
	if (!devices.open.camera) return start('camera');
	devices.stop('camera');
	await send('camera');
}

async function toggleScreen() {
	const shared = room.local.get(SCREEN)?.media;
	shared?.stop();
	const screen = shared ? null : await captureScreen().catch((error) => refuse(error, 'screen'));
	if (screen !== undefined) await room.replace(SCREEN, screen);
}

async function copy() {
	await navigator.clipboard?.writeText(address).catch(console.info);
	notice(`The address of this room: ${address}`);
}

const clicks = {
	mute: toggleMute, 'camera-off': toggleCamera, share: toggleScreen, leave: () => room.leave(),
	more: () => ui.settings.showModal(), copy, hear: () => stage.play(),
	mix: () => choose(mixed = !mixed),
};
for (const [id, act] of Object.entries(clicks)) ui[id].onclick = act;
for (const device of Object.keys(DEVICES)) ui[device].onchange = () => start(device, ui[device].value);
ui.enter.onsubmit = enter;
devices.addEventListener('change', showDevices);
devices.addEventListener('lost', ({ detail: device }) => notice(`The ${device} was disconnected.`, device));
addEventListener('pagehide', () => room?.leave());
setInterval(async () => {
	for (const row of await room?.stats() ?? []) stage.tile(row.id, row.track)?.measure(row);
}, FIGURES_MS);

ui.share.hidden = !navigator.mediaDevices?.getDisplayMedia;
body.toggleAttribute('data-embed', given.embed === '1');
body.dataset.controls = given.controls ?? '1';
ui.name.value = given.name ?? recall('name');
prejoin(roomName && 'Ready to join?');
if (roomName) {
	document.title = `${roomName} · gst-rtc`;
	ui.title.textContent = roomName;
	opening = openDevices();
	if (given.join === '1' && ui.name.value) enter();
}
