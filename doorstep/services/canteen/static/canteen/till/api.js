// Asking the server. Either it answered (whatever it said), or the network lost the question or the answer.

const TIMEOUT_MS = 6000;
const NOBODY_ANSWERED = new Set([502, 503, 504]); // a gateway spoke, not the service

export class NetworkLost extends Error {}

export async function call(path, { body, form, key, timeout = TIMEOUT_MS } = {}) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), timeout);
  const headers = { "X-Requested-With": "doorstep-till", Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key !== undefined) headers["Idempotency-Key"] = key;
  const asks = body !== undefined || form !== undefined;
  try {
    const response = await fetch(document.getElementById("till").dataset.api + path, {
      method: asks ? "POST" : "GET",
      headers,
      body: form ?? (body === undefined ? undefined : JSON.stringify(body)),
      credentials: "same-origin",
      cache: "no-store",
      signal: stop.signal,
    });
    if (NOBODY_ANSWERED.has(response.status)) throw new NetworkLost(String(response.status));
    const text = await response.text();
    const json = response.headers.get("Content-Type")?.includes("json");
    return { ok: response.ok, status: response.status, answer: json ? JSON.parse(text) : null };
  } catch (error) {
    if (error instanceof TypeError || error.name === "AbortError") throw new NetworkLost(error.message);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** A key of its own for each redemption, made before anything is sent. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
