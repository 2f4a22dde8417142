// The till: a code comes in, the server says what it is worth, the cashier confirms, the answer fills the screen.

import { call, NetworkLost, newKey } from "./api.js";
import * as offline from "./offline.js";
import { canUseCamera, catchTyping, readPhoto, watch } from "./scanner.js";
import * as screen from "./screen.js";
import * as store from "./store.js";
import { parsePass } from "../../passes/verify.js";

const { words, fill, part } = screen;
const root = document.getElementById("till");
const codeField = document.getElementById("code");
const RETRY_AFTER_MS = [800, 2000];
const KNOCK_MS = 15_000;
const REFRESH_MS = 10 * 60_000;
const SCAN_LIVES_MS = 100_000;
let lost = !navigator.onLine;
let current = null; // what is being confirmed
let stopCamera = null;
const inFlight = new Set(); // keys being asked about just now: catching up leaves them alone

// The network ---------------------------------------------------------------------------------------------------------

async function paint() {
  const kept = await store.get("kept", "config");
  screen.network({ lost, ...(await offline.exposure(kept?.config)) });
}

async function setLost(now) {
  const returned = lost && !now;
  lost = now;
  await paint();
  if (returned) await catchUp();
}

/** Ask the server; knows afterwards whether there is a network. Raises: NetworkLost. */
async function ask(...given) {
  try {
    const said = await call(...given);
    if (lost) setLost(false);
    return said;
  } catch (error) {
    if (error instanceof NetworkLost) await setLost(true);
    throw error;
  }
}

/** Refresh what is kept for offline hours, ask again what has no answer, hand in what was served. */
async function catchUp() {
  try {
    const status = await offline.refresh();
    if (status === 401 || status === 403) {
      signedOut();
      return;
    }
    lost = false;
    await resumeAttempts();
    const settled = await offline.sync();
    if (settled.length > 0) {
      await offline.refresh();
      report(settled);
    }
  } catch (error) {
    if (!(error instanceof NetworkLost)) throw error;
    lost = true;
  }
  await paint();
}

function signedOut() {
  screen.result("no", { word: words.signed_out, next: words.signed_out_next, stays: true }, back);
}

function report(settled) {
  const good = settled.filter((record) => record.status === "recorded" || record.status === "repeated").length;
  const bad = settled.length - good;
  if (good) window.doorstep?.toast(fill(words.sync_done, { n: good }), "success");
  if (bad) window.doorstep?.toast(`${bad} · ${words.conflict}`, "error");
  if (document.getElementById("records").open) showRecords();
}

// A code comes in -------------------------------------------------------------------------------------------------------

function back() {
  current = null;
  codeField.value = "";
  screen.busy("");
  screen.stage("scan");
}

function no(text, next, detail) {
  screen.result("no", { word: text, next, detail }, back);
}

function refuse(code) {
  const [text, next] = words.offline_refusals[code] ?? words.refusals[code];
  // Placeholders can only be filled by the server: what is left without their sentence still says what happened.
  no(text.replace(/\{\w+\}/g, ""), next.includes("{") ? "" : next);
}

async function onCode(raw) {
  const code = raw.trim();
  if (code === "" || root.hasAttribute("data-busy")) return;
  screen.dismiss();
  screen.busy(" ");
  current = null;
  try {
    if (lost) await lookOffline(code);
    else await lookOnline(code);
  } finally {
    screen.busy("");
  }
}

async function lookOnline(code) {
  let said;
  try {
    said = await ask("preview", { body: { code } });
  } catch (error) {
    if (!(error instanceof NetworkLost)) throw error;
    await lookOffline(code);
    return;
  }
  if (said.status === 401) signedOut();
  else if (!said.ok) no(said.answer?.title ?? words.server, said.answer?.detail ?? words.network_next);
  else showPreview(code, said.answer);
}

async function showPreview(code, preview) {
  current = { raw: code, code: preview.scan, preview, previewedAt: await offline.serverNow() };
  const box = document.getElementById("stage-preview");
  part("person", box).textContent = preview.person;
  part("kind", box).textContent = preview.kind;
  part("meal", box).textContent = preview.meal;
  part("collect", box).textContent = preview.worker_fen === 0 ? words.collect_none : words.collect_now;
  screen.money(box, preview);
  screen.stage("preview");
  part("confirm", box).focus();
}

// Confirming with network -------------------------------------------------------------------------------------------------

async function confirm() {
  if (current === null || root.hasAttribute("data-busy")) return;
  const { code, preview } = current;
  const attempt = { key: newKey(), code, preview, raw: current.raw, at: new Date().toISOString() };
  const servedAt = await tokenTime(current.previewedAt);
  current = null;
  screen.busy(" ");
  inFlight.add(attempt.key);
  try {
    // Kept before it is sent: whatever happens to this page, the same key asks again and the voucher is used once.
    await store.put("attempts", attempt);
    answer(attempt, await askTwice(attempt));
  } catch (error) {
    if (!(error instanceof NetworkLost)) throw error;
    await unanswered(attempt, servedAt);
  } finally {
    inFlight.delete(attempt.key);
    screen.busy("");
  }
}

/** When the meal was served, inside the life of the token the server gave at the preview. */
async function tokenTime(previewedAt) {
  const now = await offline.serverNow();
  if (previewedAt === null || now === null) return null;
  return Math.max(previewedAt + 1000, Math.min(now, previewedAt + SCAN_LIVES_MS));
}

async function askTwice(attempt) {
  for (const wait of RETRY_AFTER_MS) {
    try {
      return await redeem(attempt);
    } catch (error) {
      if (!(error instanceof NetworkLost)) throw error;
      screen.busy(words.asking);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return redeem(attempt);
}

async function redeem(attempt) {
  const said = await call("redeem", { body: { code: attempt.code }, key: attempt.key });
  await store.remove("attempts", attempt.key);
  return said;
}

function answer(attempt, said, word = words.ok) {
  if (said.ok) {
    const { person, kind, meal_title: meal, worker_fen: worker } = said.answer;
    screen.result("ok", { word, amount: screen.collect(worker), detail: [person, kind, meal].join(" · ") }, back);
    count(said.answer);
  } else if (said.status === 401) {
    signedOut();
  } else {
    no(said.answer?.title ?? words.server, said.answer?.detail ?? words.network_next);
  }
}

function count({ union_fen, worker_fen }) {
  const tally = part("tally");
  if (!tally) return;
  tally.dataset.meals = Number(tally.dataset.meals) + 1;
  tally.dataset.fen = Number(tally.dataset.fen) + worker_fen;
  part("meals").textContent = tally.dataset.meals;
  part("taken").textContent = screen.yuan(Number(tally.dataset.fen));
}

/**
 * No answer came: the server may have recorded it or not. The signed record carries the same key and the same code, so the
 * server will know it again. If it may not be kept (exposure, no key), nothing is served until the server answers.
 */
async function unanswered(attempt, servedAt) {
  lost = true;
  const { preview } = attempt;
  if (servedAt !== null && (await offline.mayKeep(preview.union_fen))) {
    const kept = await offline.keep({
      key: attempt.key,
      code: attempt.code,
      servedAt,
      entitlement: parsePass(attempt.raw)?.subject ?? "",
      meal_slot: "",
      person: preview.person,
      name: preview.kind,
      meal: preview.meal,
      list_price_fen: preview.list_price_fen,
      union_fen: preview.union_fen,
      worker_fen: preview.worker_fen,
    });
    if (!kept.refusal) {
      await store.remove("attempts", attempt.key);
      waits(screen.collect(preview.worker_fen), [preview.person, preview.kind, preview.meal].join(" · "));
      await paint();
      return;
    }
  }
  screen.result("wait", { word: words.unanswered, next: words.unanswered_next, stays: true }, back);
  await paint();
}

function waits(amount, detail) {
  screen.result("wait", { word: words.wait, amount, detail, next: words.unconfirmed }, back);
}

async function resumeAttempts() {
  const open = (await store.all("attempts")).filter((attempt) => !inFlight.has(attempt.key));
  for (const attempt of open) {
    const said = await redeem(attempt);
    if (screen.stageNow() === "scan" || screen.stageNow() === "result") answer(attempt, said, words.resumed);
    else window.doorstep?.toast(said.ok ? words.resumed : said.answer.title, said.ok ? "success" : "error");
  }
}

// Without network ---------------------------------------------------------------------------------------------------------

async function lookOffline(code) {
  const seen = await offline.look(code);
  if (seen.refusal) {
    refuse(seen.refusal);
    return;
  }
  current = { raw: code, code, ...seen };
  const list = part("choices");
  list.replaceChildren(...seen.choices.map(({ kind, meal }) => choice(kind.name, screen.collect(kind.worker_fen), {
    name: kind.name, meal, list_price_fen: kind.list_price_fen, union_fen: kind.union_fen, worker_fen: kind.worker_fen,
  })));
  if (seen.unknown) {
    list.append(choice(words.pick_unknown, words.collect_hold, {
      name: words.voucher, meal: seen.unknown.meal, list_price_fen: null, union_fen: seen.unknown.union_fen, worker_fen: null,
    }));
  }
  screen.stage("offline");
  list.querySelector("button").focus();
}

function choice(title, note, facts) {
  const button = document.getElementById("choice").content.cloneNode(true).querySelector("button");
  part("title", button).textContent = title;
  part("note", button).textContent = note;
  button.addEventListener("click", () => keepOffline(facts));
  return button;
}

async function keepOffline({ meal, ...facts }) {
  if (current === null) return;
  const { code, entitlement, seenAt } = current;
  current = null;
  const kept = await offline.keep({
    key: newKey(), code, servedAt: seenAt, entitlement, meal_slot: `${offline.cityDay(seenAt)}:${meal.code}`,
    person: "", meal: meal.title, ...facts,
  });
  if (kept.refusal) {
    refuse(kept.refusal);
    return;
  }
  const amount = facts.worker_fen === null ? words.collect_later : screen.collect(facts.worker_fen);
  waits(amount, [facts.name, meal.title].join(" · "));
  await paint();
}

async function showRecords() {
  const records = (await store.all("records")).sort((one, two) => two.at.localeCompare(one.at)).slice(0, 100);
  const list = part("records", document);
  list.replaceChildren(...records.map(recordRow));
  part("no-records", document).hidden = records.length > 0;
}

function recordRow(record) {
  const row = document.getElementById("record").content.cloneNode(true).querySelector("li");
  const known = record.receipt ?? {};
  const paid = known.worker_fen ?? record.worker_fen;
  row.dataset.status = record.status;
  part("when", row).textContent = new Date(Date.parse(record.at) + 8 * 3600_000).toISOString().slice(11, 16);
  part("what", row).textContent = [known.person ?? record.person, known.kind ?? record.name, record.meal].filter(Boolean).join(" · ");
  part("fen", row).textContent = paid === null || paid === undefined ? "" : screen.yuan(paid);
  const notes = [words[record.status], record.text];
  if (record.status === "conflict") notes.push(record.bearer === "union" ? words.bearer_union : words.bearer_venue);
  if (record.receipt && record.worker_fen !== null && record.receipt.worker_fen !== record.worker_fen) {
    notes.push(fill(words.differs, { right: screen.yuan(record.receipt.worker_fen), taken: screen.yuan(record.worker_fen) }));
  }
  part("state", row).textContent = notes.filter(Boolean).join(" · ");
  return row;
}

// Hands -------------------------------------------------------------------------------------------------------------------

function groupDigits() {
  const digits = codeField.value.replace(/[\s-]/g, "");
  if (/^\d+$/.test(digits)) codeField.value = digits.replace(/(.{4})(?=.)/g, "$1 ");
}

function onKeypad(event) {
  const key = event.target.closest("button[data-digit]")?.dataset.digit;
  if (key === undefined) return;
  codeField.value = key === "back" ? codeField.value.trimEnd().slice(0, -1) : codeField.value + key;
  groupDigits();
  codeField.focus({ preventScroll: true });
}

async function onPhoto(event) {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  if (lost) {
    refuse("photo_offline");
    return;
  }
  screen.busy(words.reading);
  try {
    const { ok, answer: said } = await readPhoto(file);
    screen.busy("");
    if (ok) await onCode(said.code);
    else no(said?.title ?? words.server, said?.detail ?? words.network_next);
  } catch (error) {
    if (!(error instanceof NetworkLost)) throw error;
    await setLost(true);
    no(words.network, words.network_next);
  } finally {
    screen.busy("");
  }
}

async function toggleCamera() {
  const frame = part("frame");
  if (stopCamera) {
    stopCamera();
    stopCamera = null;
    frame.hidden = true;
    return;
  }
  frame.hidden = false;
  try {
    stopCamera = await watch(frame.querySelector("video"), onCode, () => screen.stageNow() === "scan");
  } catch (error) {
    console.warn(error);
    frame.hidden = true;
    window.doorstep?.toast(words.camera_refused, "error");
  }
}

function onKey(event) {
  if (document.querySelector("dialog[open]")) return;
  const now = screen.stageNow();
  if (event.key === "Escape" && now === "result") screen.dismiss();
  else if (event.key === "Escape" && now !== "scan") back();
}

function tick() {
  const wall = new Date(Date.now() + 8 * 3600_000).toISOString().slice(11, 16);
  part("clock", document).textContent = wall;
}

function wire() {
  document.getElementById("type").addEventListener("submit", (event) => {
    event.preventDefault();
    onCode(codeField.value);
  });
  document.getElementById("confirm").addEventListener("submit", (event) => {
    event.preventDefault();
    confirm();
  });
  document.getElementById("type").addEventListener("click", onKeypad);
  codeField.addEventListener("input", groupDigits);
  codeField.addEventListener("blur", () => setTimeout(() => {
    const free = document.activeElement === document.body && screen.stageNow() === "scan";
    if (free) codeField.focus({ preventScroll: true });
  }, 50));
  document.getElementById("photo").addEventListener("change", onPhoto);
  for (const cancel of root.querySelectorAll("[data-cancel]")) {
    cancel.addEventListener("click", (event) => {
      event.preventDefault();
      back();
    });
  }
  part("camera").addEventListener("click", toggleCamera);
  part("sync", document).addEventListener("click", async () => {
    document.getElementById("records").showModal();
    await showRecords();
    await catchUp();
    await showRecords();
    if (lost) window.doorstep?.toast(words.sync_failed, "");
  });
  document.addEventListener("keydown", onKey);
  catchTyping(onCode, (target) => target === codeField);
  window.addEventListener("online", () => catchUp());
  window.addEventListener("offline", () => setLost(true));
}

async function start() {
  root.toggleAttribute("data-scripts", true);
  wire();
  tick();
  setInterval(tick, 5000);
  part("camera").hidden = !(await canUseCamera());
  if (document.querySelector("#result .till-result") === null && root.dataset.stage === "scan") codeField.focus();
  await catchUp();
  setInterval(() => (lost ? catchUp() : undefined), KNOCK_MS);
  setInterval(() => (lost ? undefined : catchUp()), REFRESH_MS);
  if ("serviceWorker" in navigator) {
    await navigator.serviceWorker.register(root.dataset.worker, { scope: root.dataset.scope });
    root.toggleAttribute("data-kept", (await navigator.serviceWorker.ready).active !== null);
  }
}

await start();
