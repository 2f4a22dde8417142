// A shown member card dies after a minute. Without network it must not look alive; when the phone wakes up it renews at once.

const born = new WeakMap();

function codes() {
  return document.querySelectorAll("[data-card-code]");
}

function look() {
  for (const element of codes()) {
    if (!born.has(element)) born.set(element, performance.now());
    const age = (performance.now() - born.get(element)) / 1000;
    const dead = age >= Number(element.dataset.deadSeconds);
    element.querySelector("[data-live]").hidden = dead;
    element.querySelector("[data-dead]").hidden = !dead;
  }
}

function renew() {
  look();
  if (document.visibilityState !== "visible" || !window.htmx) return;
  for (const element of codes()) window.htmx.trigger(element, "renew");
}

// A page taken from the browser's memory shows the code of then.
window.addEventListener("pageshow", (event) => event.persisted && renew());
document.addEventListener("visibilitychange", renew);
window.addEventListener("online", renew);
setInterval(look, 1000);
look();
