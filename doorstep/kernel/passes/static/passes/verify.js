// Checks a pass without a network: its form, its Ed25519 signature and its time, as kernel/passes/codes.py does.
// Whether it was revoked is the caller's question (the list of revocations it last fetched).

const PREFIX = "DS1";
const VERSION = 1;
const PAYLOAD_BYTES = 35;
const SIGNATURE_BYTES = 64;
const TEXT_LENGTH = PREFIX.length + Math.ceil(((PAYLOAD_BYTES + SIGNATURE_BYTES) * 8) / 5);
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CONTEXT = new TextEncoder().encode("doorstep-pass/1\n");

export const KINDS = Object.freeze({
  ENTITLEMENT: 1,
  ENTITLEMENT_PRINTED: 2,
  DEVICE_PAIRING: 3,
  CHECK_IN: 4,
  PERSON: 5,
  THING: 6,
  BOOKING: 7,
});
const KNOWN = new Set(Object.values(KINDS));

export const ERRORS = Object.freeze({
  unreadable: "pass_unreadable",
  forged: "pass_forged",
  expired: "pass_expired",
  notYetValid: "pass_not_yet_valid",
  unsupported: "pass_check_unsupported", // this browser has no Ed25519: ask the server instead
});

function decodeBase32(text) {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  let buffer = 0;
  let bits = 0;
  let at = 0;
  for (const character of text) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return null;
    buffer = (buffer << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = (buffer >> bits) & 0xff;
      at += 1;
      buffer &= (1 << bits) - 1;
    }
  }
  // Spare bits must be zero: a code has one spelling only.
  return buffer === 0 ? bytes : null;
}

function decodeBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function concatenate(first, second) {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

function uuidText(bytes) {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Bytes of a code, or null when the text is none. */
export function parsePass(text) {
  const plain = text.replace(/\s+/g, "").toUpperCase();
  if (plain.length !== TEXT_LENGTH || !plain.startsWith(PREFIX)) return null;
  const bytes = decodeBase32(plain.slice(PREFIX.length));
  if (bytes === null || bytes[0] !== VERSION) return null;
  const view = new DataView(bytes.buffer);
  return {
    kind: bytes[1],
    keyId: bytes[2],
    subject: uuidText(bytes.slice(3, 19)),
    issuedAt: view.getUint32(19),
    lifetimeSeconds: view.getUint32(23),
    scope: view.getBigUint64(27).toString(),
    payload: bytes.slice(0, PAYLOAD_BYTES),
    signature: bytes.slice(PAYLOAD_BYTES),
  };
}

async function isGenuine(parsed, publicKey) {
  const key = await crypto.subtle.importKey("raw", decodeBase64(publicKey), { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, key, parsed.signature, concatenate(CONTEXT, parsed.payload));
}

/**
 * Check a code. `publicKeys` maps key ids to base64 public keys; `nowSeconds` is the time in Unix seconds.
 * Gives {kind, subject, issuedAt, expiresAt, scope} with times in Unix seconds and scope as decimal text, or {error}.
 */
export async function readPass(text, publicKeys, nowSeconds, clockSkewSeconds = 30) {
  const parsed = parsePass(text);
  if (parsed === null) return { error: ERRORS.unreadable };
  const publicKey = publicKeys[String(parsed.keyId)];
  if (publicKey === undefined) return { error: ERRORS.forged };
  let genuine;
  try {
    genuine = await isGenuine(parsed, publicKey);
  } catch (error) {
    if (error instanceof TypeError || error.name === "NotSupportedError") return { error: ERRORS.unsupported };
    throw error;
  }
  if (!genuine) return { error: ERRORS.forged };
  if (!KNOWN.has(parsed.kind)) return { error: ERRORS.unreadable };
  const expiresAt = parsed.issuedAt + parsed.lifetimeSeconds;
  if (nowSeconds < parsed.issuedAt - clockSkewSeconds) return { error: ERRORS.notYetValid };
  if (nowSeconds >= expiresAt) return { error: ERRORS.expired };
  return { kind: parsed.kind, subject: parsed.subject, issuedAt: parsed.issuedAt, expiresAt, scope: parsed.scope };
}
