// SPDX-License-Identifier: MIT OR Apache-2.0
// A participant with data channels and nothing else, by the wire protocol alone (signaller/PROTOCOL.md).

globalThis.talk = async (room, name, channels) => {
  const socket = new WebSocket(`ws://${location.host}/ws/${room}`);
  await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
  const send = (message) => socket.send(JSON.stringify(message));
  const reply = (message, type) => new Promise((resolve, reject) => {
    socket.addEventListener('message', ({ data }) => {
      const heard = JSON.parse(data);
      if (heard.type === type) resolve(heard);
      if (heard.type === 'error') reject(new Error(`${heard.code}: ${heard.message}`));
    });
    send(message);
  });
  const { id } = await reply({ type: 'join', name }, 'joined');
  const pc = new RTCPeerConnection();
  const talker = { id, socket, pc, channels: {}, heard: [] };
  for (const { label, ...options } of channels) {
    const channel = pc.createDataChannel(label, options);
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => talker.heard.push({ label, data });
    talker.channels[label] = channel;
  }
  const opened = Object.values(talker.channels).map((channel) => new Promise((resolve) => { channel.onopen = resolve; }));
  pc.onicecandidate = ({ candidate }) => candidate?.candidate
    && send({ type: 'candidate', session: 'publish', candidate: candidate.candidate, mid: candidate.sdpMid });
  await pc.setLocalDescription();
  const { sdp } = await reply({ type: 'publish', request: 1, sdp: pc.localDescription.sdp }, 'published');
  await pc.setRemoteDescription({ type: 'answer', sdp });
  const late = new Promise((_, reject) => setTimeout(
    () => reject(new Error(`no channels: ICE ${pc.iceConnectionState}, connection ${pc.connectionState}`)), 45_000));
  await Promise.race([Promise.all(opened), late]);
  globalThis.talker = talker;
  return id;
};

// What was heard on a channel: text as it is, bytes by their length and the text they begin with.
globalThis.heard = (label) => globalThis.talker.heard.filter((message) => message.label === label).map(({ data }) => {
  if (typeof data === 'string') return data;
  const bytes = new Uint8Array(data);
  return `${bytes.length} bytes: ${new TextDecoder('latin1').decode(bytes.slice(0, 32))}`;
});
