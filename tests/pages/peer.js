// SPDX-License-Identifier: MIT OR Apache-2.0
// A participant that chooses its codec and its transport, by the wire protocol alone (signaller/PROTOCOL.md).

class Peer {
  /** @param {{codec?: string, tcp?: boolean}} options `codec`: a MIME type; `tcp`: no other transport */
  static async join(room, name, options = {}) {
    const peer = Object.assign(new Peer(), { options, legs: {}, replies: new Map(), request: 0 });
    peer.socket = new WebSocket(`ws://${location.host}/ws/${room}`);
    await new Promise((resolve, reject) => Object.assign(peer.socket, { onopen: resolve, onerror: reject }));
    peer.socket.onmessage = ({ data }) => peer.handle(JSON.parse(data));
    await peer.ask({ type: 'join', name });
    return peer;
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  ask(message) {
    const request = ++this.request;
    this.send({ ...message, request });
    return new Promise((resolve, reject) => this.replies.set(request, { resolve, reject }));
  }

  handle(message) {
    const waiting = this.replies.get(message.request);
    if (message.type === 'error') waiting?.reject(new Error(`${message.code}: ${message.message}`));
    else waiting?.resolve(message);
    if (message.type === 'candidate' && this.usable(message.candidate)) {
      this.legs[message.session]?.addIceCandidate({ candidate: message.candidate, sdpMid: message.mid ?? '0' });
    }
  }

  usable(candidate) {
    return !this.options.tcp || / tcp /i.test(candidate);
  }

  async publish() {
    const pc = this.leg('publish');
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: { height: 180, frameRate: 15 } });
    for (const track of stream.getTracks()) pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
    const { codecs } = RTCRtpSender.getCapabilities('video');
    const wanted = codecs.filter(({ mimeType }) => mimeType === this.options.codec);
    const repair = codecs.filter(({ mimeType }) => mimeType === 'video/rtx');
    if (this.options.codec) pc.getTransceivers().find(({ sender }) => sender.track.kind === 'video').setCodecPreferences([...wanted, ...repair]);
    await this.negotiate('publish');
  }

  async subscribe() {
    const pc = this.leg('subscribe');
    // Without a microphone some browsers hide addresses.
    await navigator.mediaDevices.getUserMedia({ audio: true });
    const stream = new MediaStream();
    pc.ontrack = ({ track }) => stream.addTrack(track);
    for (const kind of ['audio', 'video']) pc.addTransceiver(kind, { direction: 'recvonly' });
    await this.negotiate('subscribe');
    const video = document.body.appendChild(document.createElement('video'));
    Object.assign(video, { srcObject: stream, autoplay: true });
  }

  leg(session) {
    const pc = new RTCPeerConnection();
    this.legs[session] = pc;
    pc.onicecandidate = ({ candidate }) => candidate?.candidate
      && this.send({ type: 'candidate', session, candidate: candidate.candidate, mid: candidate.sdpMid });
    return pc;
  }

  async negotiate(session) {
    const pc = this.legs[session];
    await pc.setLocalDescription();
    const { sdp } = await this.ask({ type: session, sdp: pc.localDescription.sdp });
    const lines = sdp.split('\r\n').filter((line) => !line.startsWith('a=candidate:') || this.usable(line));
    await pc.setRemoteDescription({ type: 'answer', sdp: lines.join('\r\n') });
  }

  /** What goes over a connection: the transport it takes, and video as it is sent or received. */
  async stats(session) {
    const stats = [...(await this.legs[session].getStats()).values()];
    const by = (id) => stats.find((row) => row.id === id);
    const pair = by(stats.find(({ type }) => type === 'transport')?.selectedCandidatePairId);
    const of = (kind) => stats.find((row) => /^(in|out)bound-rtp$/.test(row.type) && row.kind === kind) ?? {};
    const { framesDecoded = 0, framesEncoded = 0, codecId } = of('video');
    return {
      protocol: by(pair?.localCandidateId)?.protocol, codec: by(codecId)?.mimeType, framesDecoded, framesEncoded,
      audioEnergy: of('audio').totalAudioEnergy ?? 0,
    };
  }
}
globalThis.Peer = Peer;
