// Keeps the till's page and files, so that it opens without network. Money and codes never pass through here.

const setup = {{ setup|safe }};
const CACHE = `till-${setup.version}`;
const SLOW_MS = 5000;

async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(setup.files);
  await keepPage(cache, await fetch(setup.page, { credentials: "same-origin" }));
  await self.skipWaiting();
}

async function keepPage(cache, response) {
  // A browser that is no till is sent elsewhere: that answer must not be kept as the till.
  if (response.ok && !response.redirected) await cache.put(setup.page, response);
}

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith("till-") && name !== CACHE).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function pageOf(request) {
  const cache = await caches.open(CACHE);
  const slow = new AbortController();
  const timer = setTimeout(() => slow.abort(), SLOW_MS);
  try {
    const response = await fetch(request, { signal: slow.signal });
    if (request.url === new URL(setup.page, location).href) await keepPage(cache, response.clone());
    return response;
  } catch (lost) {
    const kept = await cache.match(setup.page);
    if (kept === undefined) throw lost;
    return kept;
  } finally {
    clearTimeout(timer);
  }
}

async function fileOf(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request)) ?? fetch(request);
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  if (event.request.mode === "navigate") event.respondWith(pageOf(event.request));
  else if (setup.files.includes(new URL(event.request.url).pathname)) event.respondWith(fileOf(event.request));
});
