// The small things every page shares. Each is an improvement of something that works without it.

const root = document.documentElement;
const words = document.getElementById("words").dataset;
const csrf = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";
const YEAR_SECONDS = 31_536_000;
const MOST_BYTES = 10 * 1024 * 1024;

function keep(name, value) {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax${secure}`;
}

function spriteIcon(name) {
  const source = document.querySelector("svg.icon use")?.getAttribute("href").split("#")[0];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${source}#${name}`);
  svg.append(use);
  return svg;
}

// Toasts ------------------------------------------------------------------------------------------------------------

function arm(toast) {
  toast.querySelector("[data-close]")?.addEventListener("click", () => toast.remove());
  // An error waits for the person; good news need not be dismissed.
  if (!toast.classList.contains("toast--error")) setTimeout(() => toast.remove(), 6000);
}

export function toast(text, level = "") {
  const box = document.createElement("div");
  box.className = `toast ${level ? `toast--${level}` : ""}`;
  const body = document.createElement("span");
  body.className = "grow";
  body.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.dataset.close = "";
  close.setAttribute("aria-label", words.close);
  close.append(spriteIcon("cross"));
  box.append(spriteIcon({ error: "alert", success: "check" }[level] ?? "info"), body, close);
  document.getElementById("toasts")?.append(box);
  arm(box);
}

// Sound: two rising notes for yes, one low for no; made here, so that a till works without a network. ------------------

let audio;
export function sound(kind) {
  audio ??= new AudioContext();
  const notes = { ok: [[880, 0, 0.1], [1320, 0.11, 0.16]], no: [[196, 0, 0.35]], wait: [[523, 0, 0.12]] }[kind] ?? [];
  for (const [pitch, start, length] of notes) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = pitch;
    tone.type = kind === "no" ? "square" : "sine";
    volume.gain.setValueAtTime(0.25, audio.currentTime + start);
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + start + length);
    tone.connect(volume).connect(audio.destination);
    tone.start(audio.currentTime + start);
    tone.stop(audio.currentTime + start + length);
  }
}

function result(element) {
  sound(element.dataset.result);
  navigator.vibrate?.(element.dataset.result === "no" ? [120, 60, 120] : 60);
  const seconds = Number(element.dataset.seconds);
  if (seconds > 0) {
    setTimeout(() => {
      element.remove();
      document.dispatchEvent(new CustomEvent("till:ready"));
    }, seconds * 1000);
  }
}

// Offline -----------------------------------------------------------------------------------------------------------

let waiting = 0;
export function offline(count = waiting) {
  waiting = count;
  for (const banner of document.querySelectorAll(".banner[data-offline]")) {
    banner.hidden = navigator.onLine && waiting === 0;
    const text = waiting ? words.offline.replace("{n}", waiting) : words.offlineNone;
    banner.querySelector("[data-text]").textContent = text;
  }
}

// Tables: filter and sort the rows that are here. ---------------------------------------------------------------------

function cellValue(row, column, kind) {
  const cell = row.cells[column];
  const raw = cell?.dataset.value ?? cell?.textContent.trim() ?? "";
  return kind === "num" ? Number(raw.replace(/[^\d.\-−]/g, "").replace("−", "-")) || 0 : raw;
}

function sortable(table) {
  for (const head of table.querySelectorAll("th[data-sort]")) {
    if (head.querySelector("button")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const kind = head.dataset.sort;
      const rows = [...table.tBodies[0].rows].sort((one, two) => {
        const a = cellValue(one, head.cellIndex, kind);
        const b = cellValue(two, head.cellIndex, kind);
        const order = kind === "num" ? a - b : a.localeCompare(b, root.lang);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  }
}

function filterable(form) {
  const table = document.getElementById(form.dataset.filters);
  if (!table) return;
  const count = form.querySelector("[data-count]");
  const apply = () => {
    const wanted = [...form.querySelectorAll("[data-search], select")].map((f) => f.value.trim().toLowerCase()).filter(Boolean);
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) row.hidden = !wanted.every((word) => row.textContent.toLowerCase().includes(word));
    const shown = rows.filter((row) => !row.hidden).length;
    if (!count) return;
    if (shown === 0) count.textContent = words.none;
    else if (shown === rows.length) count.textContent = words.rows.replace("{n}", rows.length);
    else count.textContent = words.rowsOf.replace("{n}", shown).replace("{all}", rows.length);
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}

// Files ----------------------------------------------------------------------------------------------------------------

function droppable(drop) {
  const input = drop.querySelector("input[type=file]");
  const name = drop.querySelector("[data-name]");
  const first = name.textContent;
  for (const event of ["dragenter", "dragover"]) drop.addEventListener(event, () => drop.classList.add("is-over"));
  for (const event of ["dragleave", "drop", "dragend"]) drop.addEventListener(event, () => drop.classList.remove("is-over"));
  input.addEventListener("change", () => {
    const file = input.files[0];
    if (file && file.size > MOST_BYTES) {
      input.value = "";
      toast(words.tooBig, "error");
    }
    name.textContent = input.files[0]?.name ?? first;
  });
}

// Keyboard: the desk is worked by hands that do not want a mouse. ---------------------------------------------------------

function rowsOnScreen() {
  return [...document.querySelectorAll("tr[data-href], .desk .list a.list-row")].filter((row) => row.offsetParent);
}

function step(by) {
  const rows = rowsOnScreen();
  const at = rows.findIndex((row) => row.getAttribute("aria-selected") === "true" || row === document.activeElement);
  const next = rows[Math.max(0, Math.min(rows.length - 1, at + by))];
  if (!next) return;
  for (const row of rows) row.removeAttribute("aria-selected");
  if (next.matches("tr")) next.setAttribute("aria-selected", "true");
  (next.querySelector("a") ?? next).focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function keyHelp() {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-label", words.keys);
  const title = document.createElement("h2");
  title.textContent = words.keys;
  const list = document.createElement("dl");
  list.className = "facts";
  const own = [...document.querySelectorAll("[data-key]")].map((e) => [e.dataset.key, e.textContent.replace(e.dataset.key, "").trim()]);
  const pairs = [["/", words.keySearch], ["j", words.keyDown], ["k", words.keyUp], ["↵", words.keyOpen], ["?", words.keyHelp], ...own];
  for (const [key, meaning] of pairs) {
    const term = document.createElement("dt");
    const cap = document.createElement("kbd");
    const text = document.createElement("dd");
    cap.textContent = key;
    text.textContent = meaning;
    term.append(cap);
    list.append(term, text);
  }
  dialog.append(title, list);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
}

function onKey(event) {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const own = [...document.querySelectorAll("[data-key]")].find((e) => e.dataset.key.toLowerCase() === event.key.toLowerCase());
  const actions = {
    "/": () => document.querySelector("[data-search]")?.focus(),
    j: () => step(1),
    k: () => step(-1),
    "?": keyHelp,
  };
  const act = own ? () => own.click() : actions[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

// Everything that may arrive later through htmx is prepared by the same function. -------------------------------------------

function prepare(scope) {
  const find = (selector) => [...(scope.matches?.(selector) ? [scope] : []), ...scope.querySelectorAll(selector)];
  find("[data-toast]").forEach(arm);
  find("table[data-table]").forEach(sortable);
  find("form[data-filters]").forEach(filterable);
  find("[data-drop]").forEach(droppable);
  find("[data-result]").forEach(result);
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text);
    toast(words.copied, "success");
  } catch (refused) {
    console.warn(refused);
    toast(words.copyFailed, "error");
  }
}

function onClick(event) {
  const on = (selector) => event.target.closest(selector);
  const button = on("[data-copy], [data-print], [data-theme-set], [data-opens], [data-closes], tr[data-href]");
  if (!button) return;
  if (button.dataset.copy) copy(button);
  else if ("print" in button.dataset) window.print();
  else if (button.dataset.themeSet !== undefined) setTheme(button.dataset.themeSet);
  else if (button.dataset.opens) open(button);
  else if (button.dataset.closes) document.getElementById(button.dataset.closes)?.close();
  else if (!on("a, button, input, label, select") && !getSelection().toString()) location.assign(button.dataset.href);
}

// The invoker attributes do this without a script where the browser knows them.
function open(button) {
  if ("commandForElement" in HTMLButtonElement.prototype) return;
  document.getElementById(button.dataset.opens)?.showModal();
}

function setTheme(name) {
  keep("theme", name);
  if (name) root.dataset.theme = name;
  else delete root.dataset.theme;
}

function onSubmit(event) {
  const form = event.target;
  if ("largeSwitch" in form.dataset) {
    event.preventDefault();
    const large = root.toggleAttribute("data-large");
    keep("large_type", large ? "1" : "0");
    form.querySelector("button").setAttribute("aria-pressed", String(large));
    return;
  }
  // One press, one request: a second tap on a slow network must not send a payment twice.
  if (form.method === "post" && !form.hasAttribute("hx-post") && !event.defaultPrevented) {
    const button = event.submitter;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
    button?.setAttribute("aria-busy", "true");
  }
}

document.addEventListener("click", onClick);
document.addEventListener("submit", onSubmit);
document.addEventListener("keydown", onKey);
window.addEventListener("online", () => offline());
window.addEventListener("offline", () => offline());
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const button of document.querySelectorAll("form button[aria-busy]")) button.removeAttribute("aria-busy");
});
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = csrf();
});
document.addEventListener("htmx:load", (event) => event.detail.elt !== document.body && prepare(event.detail.elt));
document.addEventListener("htmx:afterRequest", (event) => event.detail.successful && event.target.closest("dialog")?.close());
document.addEventListener("htmx:sendError", () => toast(words.network, "error"));
document.addEventListener("htmx:responseError", (event) => event.detail.xhr.status >= 500 && toast(words.server, "error"));
document.addEventListener("toast", (event) => toast(event.detail.text, event.detail.level));

prepare(document);
if (!navigator.onLine) offline();
window.doorstep = { toast, sound, offline, csrf };
