// Three ways a code comes in: a camera, a photograph, and a scanner that types like a keyboard.

import { parsePass } from "../../passes/verify.js";
import { call } from "./api.js";

const LOOK_EVERY_MS = 160;
const SAME_AGAIN_MS = 20_000;
const PHOTO_SIDE = 1600;

export async function canUseCamera() {
  if (!("BarcodeDetector" in window) || !navigator.mediaDevices?.getUserMedia) return false;
  return (await BarcodeDetector.getSupportedFormats()).includes("qr_code");
}

/** Watch the camera until stopped. The same voucher is not read twice in a row: the phone may still be in view. */
export async function watch(video, onCode, mayRead) {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  video.srcObject = stream;
  await video.play();
  const detector = new BarcodeDetector({ formats: ["qr_code"] });
  let last = { subject: "", at: 0 };
  const timer = setInterval(async () => {
    if (!mayRead() || video.readyState < video.HAVE_CURRENT_DATA) return;
    const codes = await detector.detect(video);
    if (codes.length !== 1 || !mayRead()) return;
    const text = codes[0].rawValue;
    const subject = parsePass(text)?.subject ?? text;
    if (subject === last.subject && Date.now() - last.at < SAME_AGAIN_MS) return;
    last = { subject, at: Date.now() };
    onCode(text);
  }, LOOK_EVERY_MS);
  return () => {
    clearInterval(timer);
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
}

/** A smaller copy of a photograph: phones take twelve megapixels where one is plenty. */
async function smaller(file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(1, PHOTO_SIDE / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(image.width * scale);
  canvas.height = Math.round(image.height * scale);
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
}

/** Let the server read a photograph: {ok, answer}. Raises: NetworkLost. */
export async function readPhoto(file) {
  let photo = file;
  try {
    photo = (await smaller(file)) ?? file;
  } catch (error) {
    console.warn(error); // a kind of picture this browser cannot open: the server says so in words
  }
  const form = new FormData();
  form.append("photo", photo, "photo.jpg");
  return call("read-photo", { form, timeout: 15_000 });
}

/**
 * A scanner types a whole code and Enter within a moment, wherever the focus is. Without this, scanning the next customer
 * while the last one waits for confirmation would press the button that has the focus.
 */
export function catchTyping(onCode, isField) {
  let typed = "";
  let started = 0;
  document.addEventListener("keydown", (event) => {
    if (isField(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.length === 1) {
      if (performance.now() - started > 3000) typed = "";
      if (typed === "") started = performance.now();
      typed += event.key;
      return;
    }
    if (event.key !== "Enter") return;
    const code = typed;
    typed = "";
    if (code.length < 8 || performance.now() - started > 3000) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    onCode(code);
  }, { capture: true });
}
