// Makes the till's own key before pairing. It cannot leave this browser: what it signs, only this till can have served.

import * as store from "./store.js";

const form = document.getElementById("pair");

function base64(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}

async function makeKey() {
  const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  const publicKey = base64(await crypto.subtle.exportKey("raw", pair.publicKey));
  // Kept under its public half: should pairing fail, the till goes on with the key the server knows.
  await store.put("keys", { publicKey, privateKey: pair.privateKey });
  return publicKey;
}

form?.addEventListener("submit", async (event) => {
  const field = form.elements.namedItem("public_key");
  if (field.value || form.dataset.unable) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  try {
    field.value = await makeKey();
  } catch (error) {
    // An old browser, or not over TLS: it pairs without a key and serves online only.
    console.warn(error);
    form.dataset.unable = "1";
  }
  form.requestSubmit();
}, { capture: true });
