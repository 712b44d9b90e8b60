// Seals and opens encoded frames as web clients of release 2.7 do (format 1):
// clear byte | AES-256-GCM of the rest, with its tag | IV | 12 | key id | its length | level.
// The clear byte is authenticated. What does not authenticate is dropped.

const CLEAR = 1;
const TAG = 16;
const IV = 12;
// -99 dBFS, as 100 above it.
const LEVEL = 1;

const counts = { sealed: 0, opened: 0, refused: 0 };
const openers = [];

async function seal(frame, { key, id }) {
  const iv = crypto.getRandomValues(new Uint8Array(IV));
  const clear = frame.subarray(0, CLEAR);
  const algorithm = { name: "AES-GCM", iv, additionalData: clear, tagLength: 8 * TAG };
  const secret = await crypto.subtle.encrypt(algorithm, key, frame.subarray(CLEAR));
  const parts = [clear, new Uint8Array(secret), iv, [IV], id, [id.length, LEVEL]];
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

async function open(sealed, { key, id }) {
  const named = sealed.length - 2;
  const length = sealed[named];
  const start = named - length - 1;
  const [ivStart, claimed] = [start - IV, sealed.subarray(named - length, named)];
  const known = length === id.length && claimed.every((byte, index) => byte === id[index]);
  if (ivStart < CLEAR + TAG || sealed[start] !== IV || !known) throw new Error("not for us");
  const clear = sealed.subarray(0, CLEAR);
  const iv = sealed.subarray(ivStart, start);
  const algorithm = { name: "AES-GCM", iv, additionalData: clear, tagLength: 8 * TAG };
  const frame = await crypto.subtle.decrypt(algorithm, key, sealed.subarray(CLEAR, ivStart));
  return Uint8Array.from([...clear, ...new Uint8Array(frame)]);
}

onrtctransform = async ({ transformer }) => {
  const { operation, key, keyId } = transformer.options;
  const bytes = Uint8Array.from(key.match(/../g), (pair) => parseInt(pair, 16));
  const keys = {
    key: await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]),
    id: new TextEncoder().encode(keyId),
  };
  const seals = operation === "seal";
  if (!seals) openers.push(transformer);
  const transform = async (frame, controller) => {
    try {
      const data = new Uint8Array(frame.data);
      frame.data = (await (seals ? seal : open)(data, keys)).buffer;
      counts[seals ? "sealed" : "opened"] += 1;
      controller.enqueue(frame);
    } catch {
      counts.refused += 1;
    }
    postMessage(counts);
  };
  transformer.readable.pipeThrough(new TransformStream({ transform })).pipeTo(transformer.writable);
};

onmessage = () => {
  for (const opener of openers) opener.sendKeyFrameRequest().catch(() => {});
};
