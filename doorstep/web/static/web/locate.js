// Lets a person count distances from where they are. The position goes into the address and nowhere else.

const form = document.querySelector("[data-locate]");
if (form && "geolocation" in navigator) {
  form.hidden = false;
  const note = form.querySelector("[data-locate-note]");
  form.addEventListener("submit", (event) => {
    if (form.elements.lat.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    note.textContent = note.dataset.wait;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        // A ten-thousandth of a degree is ten metres: enough to find lunch, no more is asked for.
        form.elements.lat.value = coords.latitude.toFixed(4);
        form.elements.lon.value = coords.longitude.toFixed(4);
        form.requestSubmit();
      },
      () => { note.textContent = note.dataset.denied; },
      { timeout: 8000, maximumAge: 60000 },
    );
  });
}
