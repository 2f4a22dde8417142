// Draws the places of the list beside it on a map. The list is the truth: without this script, or without tiles, nothing is lost.

const words = document.getElementById("words").dataset;

// GCJ-02, the shifted grid most Chinese tile servers draw on. Only drawing is shifted; the data stay WGS-84.
function shifted(lat, lon) {
  const a = 6378245, ee = 0.006693421622965943, x = lon - 105, y = lat - 35, pi = Math.PI;
  const wave = (v) => (20 * Math.sin(6 * v * pi) + 20 * Math.sin(2 * v * pi)) * 2 / 3;
  let dLat = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * Math.sqrt(Math.abs(x)) + wave(x);
  dLat += (20 * Math.sin(y * pi) + 40 * Math.sin(y / 3 * pi)) * 2 / 3;
  dLat += (160 * Math.sin(y / 12 * pi) + 320 * Math.sin(y * pi / 30)) * 2 / 3;
  let dLon = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * Math.sqrt(Math.abs(x)) + wave(x);
  dLon += (20 * Math.sin(x * pi) + 40 * Math.sin(x / 3 * pi)) * 2 / 3;
  dLon += (150 * Math.sin(x / 12 * pi) + 300 * Math.sin(x / 30 * pi)) * 2 / 3;
  const rad = lat / 180 * pi, magic = 1 - ee * Math.sin(rad) ** 2, root = Math.sqrt(magic);
  return [
    lat + dLat * 180 / (a * (1 - ee) / (magic * root) * pi),
    lon + dLon * 180 / (a / root * Math.cos(rad) * pi),
  ];
}

function pin(text, classes) {
  return window.L.divIcon({ className: `pin ${classes}`, html: text, iconSize: null });
}

// Without tiles there are no streets, so distance is drawn instead: circles a person can judge a walk by.
function rings(map, centre) {
  const { L } = window;
  for (const metres of [2000, 1000, 500]) {
    L.circle(centre, { radius: metres, className: "ring", interactive: false, color: "", fillColor: "" }).addTo(map);
    const edge = [centre[0] - metres / 111_320, centre[1]];
    const text = metres < 1000 ? words.metres.replace("{n}", metres) : words.kilometres.replace("{n}", metres / 1000);
    L.marker(edge, { icon: L.divIcon({ className: "ring-label", html: text, iconSize: null }), interactive: false, keyboard: false }).addTo(map);
  }
}

function popup(place) {
  const box = document.createElement("div");
  const name = document.createElement("strong");
  name.textContent = place.name;
  box.append(name, place.note);
  return box;
}

function draw(element) {
  const { L } = window;
  const data = JSON.parse(document.getElementById(element.dataset.source).textContent);
  const point = (p) => (element.dataset.gcj02 === "1" ? shifted(p.lat, p.lon) : [p.lat, p.lon]);
  const map = L.map(element, { zoomControl: false, attributionControl: Boolean(element.dataset.tiles), scrollWheelZoom: false });
  L.control.zoom({ zoomInTitle: words.zoomIn, zoomOutTitle: words.zoomOut }).addTo(map);
  L.control.scale({ imperial: false }).addTo(map);
  if (element.dataset.tiles) L.tileLayer(element.dataset.tiles, { maxZoom: 18, detectRetina: true }).addTo(map);

  if (!element.dataset.tiles && data.here) rings(map, point(data.here));

  const rows = element.closest("[data-places]").querySelectorAll("[data-place]");
  const markers = data.places.map((place, index) => {
    const tone = place.open ? "tone-jade" : "pin--closed";
    const marker = L.marker(point(place), { icon: pin(String(index + 1), tone), title: place.name, alt: place.name });
    return marker.bindPopup(popup(place), { closeButton: false }).addTo(map);
  });
  if (data.here) L.marker(point(data.here), { icon: pin("", "pin--here"), title: words.here, interactive: false, keyboard: false }).addTo(map);

  rows.forEach((row, index) => {
    const mark = (on) => markers[index]?.getElement()?.classList.toggle("is-active", on);
    for (const name of ["mouseenter", "focus"]) row.addEventListener(name, () => mark(true));
    for (const name of ["mouseleave", "blur"]) row.addEventListener(name, () => mark(false));
  });

  const all = [...data.places, ...(data.here ? [data.here] : [])].map(point);
  if (all.length) map.fitBounds(L.latLngBounds(all), { padding: [36, 48], maxZoom: 16, animate: false });
}

for (const element of document.querySelectorAll("[data-map]")) if (window.L) draw(element);
