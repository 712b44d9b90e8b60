// A participant as a plain WebRTC page: it sends a picture that counts, shows what comes, and
// does what the test says over a socket. Frames are sealed and opened in worker.js.

const WIDTH = 320;
const HEIGHT = 180;
const PER_SECOND = 15;
// The number of the picture in black and white, highest bit first.
const BITS = 16;
const STRIP = { top: 80, bottom: 100 };
// Luma and chroma of the quarters, row by row: red, green, blue, yellow.
const COLORS = [[81, 90, 240], [145, 54, 34], [41, 240, 110], [210, 16, 146]];
const [WHITE, BLACK, GREY] = [235, 16, 128];

const worker = new Worker("worker.js");
const counts = { sealed: 0, opened: 0, refused: 0 };
worker.onmessage = ({ data }) => Object.assign(counts, data);

const peers = {};
const screens = [];

// Between 0 and 15, and different in every picture: frames take more than one packet.
function grain(x, y, number) {
  const mixed = Math.imul(x, 73856093) ^ Math.imul(y, 19349663) ^ Math.imul(number, 83492791);
  return (Math.imul(mixed, 2654435761) >>> 28) & 15;
}

// One picture in planes, as a camera delivers it.
function picture(number) {
  const color = (part, x, y) => {
    if (y < STRIP.top || y >= STRIP.bottom) {
      const quarter = COLORS[Math.floor((x * 2) / WIDTH) + 2 * Math.floor((y * 2) / HEIGHT)];
      return part ? quarter[part] : quarter[0] - 8 + grain(x >> 2, y >> 2, number);
    }
    const bit = BITS - 1 - Math.floor((x * BITS) / WIDTH);
    return part ? GREY : (number >> bit) & 1 ? WHITE : BLACK;
  };
  const bytes = [];
  for (let part = 0; part < 3; part++) {
    const step = part ? 2 : 1;
    for (let y = 0; y < HEIGHT; y += step) {
      for (let x = 0; x < WIDTH; x += step) bytes.push(color(part, x, y));
    }
  }
  const tv = "smpte170m";
  return new VideoFrame(Uint8Array.from(bytes), {
    format: "I420",
    codedWidth: WIDTH,
    codedHeight: HEIGHT,
    timestamp: Math.round(performance.now() * 1000),
    colorSpace: { primaries: tv, transfer: tv, matrix: tv, fullRange: false },
  });
}

function moving_picture() {
  const track = new MediaStreamTrackGenerator({ kind: "video" });
  const writer = track.writable.getWriter();
  let number = 0;
  setInterval(() => writer.write(picture(number++)), 1000 / PER_SECOND);
  return new MediaStream([track]);
}

async function gathered(peer) {
  while (peer.iceGatheringState !== "complete") {
    await new Promise((done) => peer.addEventListener("icegatheringstatechange", done, { once: true }));
  }
  return peer.localDescription.sdp;
}

function show(track, began) {
  const video = Object.assign(document.createElement("video"), { muted: true, autoplay: true });
  const screen = { video, frames: 0 };
  const count = () => {
    screen.frames += 1;
    counts.first_picture_ms ??= Math.round(performance.now() - began);
    video.requestVideoFrameCallback(count);
  };
  video.requestVideoFrameCallback(count);
  video.srcObject = new MediaStream([track]);
  document.body.append(video);
  screens.push(screen);
}

function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

const KEPT = [
  "framesEncoded keyFramesEncoded framesDecoded keyFramesDecoded framesDropped framesReceived",
  "pliCount firCount nackCount packetsLost packetsSent packetsReceived retransmittedPacketsSent",
  "targetBitrate availableOutgoingBitrate qualityLimitationReason frameWidth frameHeight",
  "encoderImplementation decoderImplementation rtxSsrc fractionLost roundTripTime",
].flatMap((line) => line.split(" "));

async function figures(peer) {
  const found = { state: peer.connectionState };
  for (const report of (await peer.getStats()).values()) {
    const of_video = /^(in|out)bound-rtp$/.test(report.type) && report.kind === "video";
    const remote = report.type === "remote-inbound-rtp" && report.kind === "video";
    if (of_video || remote || (report.type === "candidate-pair" && report.nominated)) {
      for (const name of KEPT.filter((name) => name in report)) found[name] = report[name];
    }
  }
  return found;
}

const commands = {
  // Offers the moving picture.
  async publish(room) {
    const peer = (peers.publisher = new RTCPeerConnection());
    const stream = moving_picture();
    const { sender } = peer.addTransceiver(stream.getVideoTracks()[0], {
      direction: "sendonly",
      streams: [stream],
    });
    sender.transform = new RTCRtpScriptTransform(worker, { operation: "seal", ...room });
    await peer.setLocalDescription();
    return gathered(peer);
  },

  async answered({ sdp }) {
    await peers.publisher.setRemoteDescription({ type: "answer", sdp });
  },

  // Answers an offer, the first or a later one.
  async subscribe({ sdp, ...room }) {
    const began = performance.now();
    let peer = peers.subscriber;
    if (!peer) {
      peer = peers.subscriber = new RTCPeerConnection();
      peer.createDataChannel("JanusDataChannel");
      peer.ontrack = ({ receiver, track }) => {
        // Again for a line that is used again, as web clients do.
        const known = receiver.transform;
        receiver.transform = new RTCRtpScriptTransform(worker, { operation: "open", ...room });
        if (track.kind === "video" && !known) show(track, began);
      };
    }
    await peer.setRemoteDescription({ type: "offer", sdp });
    await peer.setLocalDescription();
    return gathered(peer);
  },

  // The next picture that is shown, pixel by pixel.
  async look() {
    while (!screens.length) await new Promise((done) => setTimeout(done, 50));
    const { video, frames } = screens[0];
    await new Promise((shown) => video.requestVideoFrameCallback(shown));
    const [width, height] = [video.videoWidth, video.videoHeight];
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(video, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    return { width, height, frames, rgba: base64(data) };
  },

  async want_key_frame() {
    worker.postMessage("key frame");
  },

  async figures() {
    const found = { counts };
    for (const [name, peer] of Object.entries(peers)) found[name] = await figures(peer);
    return found;
  },
};

const socket = new WebSocket(`ws://${location.host}/socket`);
socket.onmessage = async ({ data }) => {
  const { id, command, options } = JSON.parse(data);
  const answer = { id };
  try {
    answer.done = (await commands[command](options)) ?? null;
  } catch (error) {
    answer.failed = `${error}\n${error.stack}`;
  }
  socket.send(JSON.stringify(answer));
};
