// What the till shows: one stage at a time, the answer that fills the screen, the line about the network.

const root = document.getElementById("till");
export const words = JSON.parse(document.getElementById("till-words").textContent);
const stages = ["scan", "preview", "offline"];
const SECONDS = { ok: 4, no: 9, wait: 5 };
let clear;

export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
export const yuan = (fen) => `${Math.trunc(fen / 100)}.${String(fen % 100).padStart(2, "0")}`;
export const collect = (fen) => (fen === 0 ? words.collect_none : fill(words.collect, { amount: yuan(fen) }));
export const part = (name, within = root) => within.querySelector(`[data-part="${name}"]`);

export function say(name, text) {
  part(name).textContent = text;
}

export function stage(name) {
  root.dataset.stage = name;
  for (const one of stages) document.getElementById(`stage-${one}`).hidden = one !== name;
  if (name === "scan") document.getElementById("code").focus({ preventScroll: true });
}

export const stageNow = () => (document.querySelector("#result .till-result") ? "result" : root.dataset.stage);

export function busy(text) {
  root.toggleAttribute("data-busy", Boolean(text));
  say("busy", text);
}

export function money(within, { list_price_fen, union_fen, worker_fen }) {
  part("list", within).textContent = yuan(list_price_fen);
  part("union", within).textContent = yuan(union_fen);
  part("worker", within).textContent = yuan(worker_fen);
}

/** The answer fills the screen: a colour, a symbol, a word and a sound; it leaves by itself. `stays` waits for a hand. */
export function result(state, { word, amount, detail, next, stays }, done) {
  dismiss();
  const copy = document.getElementById(`result-${state}`).content.cloneNode(true);
  const box = copy.querySelector(".till-result");
  part("word", box).textContent = word;
  part("amount", box).textContent = amount ?? "";
  part("detail", box).textContent = detail ?? "";
  part("next", box).textContent = next ?? "";
  for (const line of box.querySelectorAll("p")) line.hidden = line.textContent === "";
  document.getElementById("result").replaceChildren(copy);
  window.doorstep?.sound(state);
  navigator.vibrate?.(state === "no" ? [120, 60, 120] : 60);
  const bar = part("bar", box);
  clear = { done, timer: null };
  box.querySelector("button").addEventListener("click", () => dismiss());
  box.querySelector("button").focus();
  if (stays) {
    bar.hidden = true;
  } else {
    bar.style.animationDuration = `${SECONDS[state]}s`;
    clear.timer = setTimeout(() => dismiss(), SECONDS[state] * 1000);
  }
}

export function dismiss() {
  if (clear === undefined) return;
  clearTimeout(clear.timer);
  const { done } = clear;
  clear = undefined;
  document.getElementById("result").replaceChildren();
  done?.();
}

/** The bar about the network: hidden while all is well, else what is kept here and how much of the exposure is used. */
export function network({ lost, kept, waiting, used, cap }) {
  window.doorstep?.offline(waiting); // the shell's own bar must not leave while something waits
  const bar = document.querySelector(".banner[data-offline]");
  const parts = [];
  if (lost) parts.push(fill(words.offline, { n: waiting }));
  else if (waiting > 0) parts.push(fill(words.waiting, { n: waiting }));
  if (lost || waiting > 0) parts.push(fill(words.exposure, { cap: yuan(cap).replace(/\.00$/, ""), used: yuan(used).replace(/\.00$/, "") }));
  bar.hidden = parts.length === 0;
  bar.querySelector("[data-text]").textContent = parts.join(" · ");
  root.toggleAttribute("data-lost", lost);
  part("sync", document).hidden = kept === 0;
}
