// Serving without network: what may be served, the signed record of it, and handing the records in.
//
// A code holds the voucher's id and not what it is worth (codes stay short and tell strangers nothing), so without network
// the cashier says which kind the customer's screen shows. That choice only decides what to collect now and how much of the
// declared exposure is used (the largest share when nobody can tell); what is booked is decided by the server from the
// voucher itself, and a difference is shown when the record comes back confirmed.

import { KINDS, readPass } from "../../passes/verify.js";
import { call, NetworkLost } from "./api.js";
import * as store from "./store.js";

const BATCH = 200;
const KEEP_RECORDS_MS = 2 * 24 * 3600 * 1000;
const CITY_OFFSET_MS = 8 * 3600 * 1000; // China has one time zone and no summer time
const DONE = new Set(["pending", "recorded", "repeated", "conflict"]);

/** Fetch what the till may do in the next hours. Gives the HTTP status. Raises: NetworkLost. */
export async function refresh() {
  const asked = Date.now();
  const { ok, status, answer } = await call("till-config");
  if (ok) {
    const heard = Date.now();
    const offset = Date.parse(answer.server_time) - (asked + heard) / 2;
    await store.put("kept", { name: "config", config: answer, offset, heard });
  }
  return status;
}

/** The configuration in force with the server's time, or why there is none. */
export async function ready() {
  const kept = await store.get("kept", "config");
  if (kept === undefined) return { refusal: "no_config" };
  if (Date.now() < kept.heard) return { refusal: "clock_moved" };
  const now = Date.now() + kept.offset;
  if (now >= Date.parse(kept.config.valid_until)) return { refusal: "no_config" };
  const key = await store.get("keys", kept.config.public_key);
  if (key === undefined) return { refusal: "no_signing_key" };
  return { config: kept.config, now, privateKey: key.privateKey };
}

export const cityDay = (ms) => new Date(ms + CITY_OFFSET_MS).toISOString().slice(0, 10);

function minutesOfDay(ms) {
  const wall = new Date(ms + CITY_OFFSET_MS);
  return wall.getUTCHours() * 60 + wall.getUTCMinutes();
}

function minutes(text) {
  const [hours, rest] = text.split(":").map(Number);
  return hours * 60 + rest;
}

function windowOf(kind, now) {
  const minute = minutesOfDay(now);
  return kind.windows.find((window) => minutes(window.start) <= minute && minute < minutes(window.end));
}

/** How much of today's declared exposure is used: what the union already bears, and what nobody has confirmed yet. */
export async function exposure(config) {
  const records = await store.all("records");
  const waiting = records.filter((record) => record.status === "pending");
  const used = waiting.reduce((sum, record) => sum + record.union_fen, config?.exposure_used_fen ?? 0);
  return { kept: records.length, waiting: waiting.length, used, cap: config?.exposure_cap_fen ?? 0 };
}

/**
 * May this code be served now, without network? Gives {refusal} or {entitlement, choices}: the kinds it can be, what each
 * costs, and for which meal. The checks are those of the server's rules that can be made here, in the same order.
 */
export async function look(code) {
  const state = await ready();
  if (state.refusal) return state;
  const { config, now } = state;
  if (/^[\d\s-]+$/.test(code)) return { refusal: "short_code_offline" };
  if (config.refusal) return { refusal: config.refusal };
  const pass = await readPass(code, config.keys, Math.floor(now / 1000));
  if (pass.error) return { refusal: pass.error };
  if (pass.kind !== KINDS.ENTITLEMENT && pass.kind !== KINDS.ENTITLEMENT_PRINTED) return { refusal: "foreign_code" };
  const revoked = config.revocations.some(
    (row) => row.kind === pass.kind && row.subject === pass.subject && Date.parse(row.at) / 1000 >= pass.issuedAt,
  );
  if (revoked) return { refusal: "pass_revoked" };
  if (config.used_today.includes(pass.subject)) return { refusal: "used_here" };
  const kinds = config.kinds.filter((kind) => pass.scope === "0" || kind.printed_scope === pass.scope);
  if (config.kinds.length === 0) return { refusal: "no_kind" };
  if (kinds.length === 0) return { refusal: "printed_elsewhere" };
  const open = config.open_periods.some(([start, end]) => Date.parse(start) <= now && now < Date.parse(end));
  const served = kinds.map((kind) => ({ kind, meal: windowOf(kind, now) })).filter((choice) => choice.meal);
  if (served.length === 0 || !open) return { refusal: served.length ? "venue_closed" : "outside_window" };
  const meals = new Set(served.map((choice) => `${cityDay(now)}:${choice.meal.code}`));
  if (await scannedHere(pass.subject, meals)) return { refusal: "scanned_here" };
  const { used, cap } = await exposure(config);
  const choices = served.filter((choice) => used + choice.kind.union_fen <= cap);
  if (choices.length === 0) return { refusal: "exposure_cap" };
  return { entitlement: pass.subject, seenAt: now, choices, unknown: unknown(served, used, cap) };
}

async function scannedHere(entitlement, meals) {
  const records = await store.all("records");
  return records.some((r) => r.entitlement === entitlement && meals.has(r.meal_slot) && DONE.has(r.status));
}

/** When nobody can tell the kind: nothing is collected, and the largest share counts against the exposure. */
function unknown(served, used, cap) {
  if (served.length < 2) return null;
  const largest = Math.max(...served.map((choice) => choice.kind.union_fen));
  return used + largest <= cap ? { union_fen: largest, meal: served[0].meal } : null;
}

/** Whether a redemption the server previewed but did not answer may be kept as served. */
export async function mayKeep(unionFen) {
  const state = await ready();
  if (state.refusal || state.config.refusal) return false;
  const { used, cap } = await exposure(state.config);
  return used + unionFen <= cap;
}

/** The server's time by this till's reckoning, or null when it was never asked. */
export async function serverNow() {
  const kept = await store.get("kept", "config");
  return kept === undefined ? null : Date.now() + kept.offset;
}

function base64(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}

/**
 * Sign a served meal and keep it. `servedAt` is when its code was seen: a code lives for a minute, a cashier may take longer
 * to confirm. `key` and `code` are those of the attempt when one was sent: had the server taken it after
 * all, the record comes back as repeated and nothing is booked twice.
 */
export async function keep({ key, code, servedAt, ...facts }) {
  const state = await ready();
  if (state.refusal) return state;
  const at = new Date(servedAt).toISOString();
  const text = `doorstep-offline-redemption/1\n${key}\n${code}\n${at}\n`;
  const signature = base64(await crypto.subtle.sign({ name: "Ed25519" }, state.privateKey, new TextEncoder().encode(text)));
  await store.put("records", { key, code, at, signature, status: "pending", day: cityDay(servedAt), ...facts });
  return { at };
}

let running = null;

/** Hand in what waits, oldest first. Gives the records that got an outcome. Raises: NetworkLost (the rest goes on waiting). */
export function sync() {
  running ??= handIn().finally(() => {
    running = null;
  });
  return running;
}

async function handIn() {
  const waiting = (await store.all("records")).filter((record) => record.status === "pending");
  waiting.sort((one, two) => one.at.localeCompare(two.at));
  const settled = [];
  for (let start = 0; start < waiting.length; start += BATCH) {
    const batch = waiting.slice(start, start + BATCH);
    const records = batch.map(({ key, code, at, signature }) => ({ key, code, at, signature }));
    const { ok, status, answer } = await call("sync", { body: { records }, timeout: 30_000 });
    if (!ok) throw new NetworkLost(`sync ${status}`);
    for (const outcome of answer.outcomes) {
      const record = batch.find((one) => one.key === outcome.key);
      const known = { ...record, status: outcome.result, text: outcome.text, bearer: outcome.bearer, receipt: outcome.receipt };
      await store.put("records", known);
      settled.push(known);
    }
  }
  await forgetOld();
  return settled;
}

async function forgetOld() {
  for (const record of await store.all("records")) {
    if (record.status !== "pending" && Date.now() - Date.parse(record.at) > KEEP_RECORDS_MS) {
      await store.remove("records", record.key);
    }
  }
}
