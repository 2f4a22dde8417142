// Adds where the phone is to the check-in, when it will say. Without it the form works as it is.

const form = document.querySelector("[data-visit]");
if (form && "geolocation" in navigator) {
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      // A position good to a kilometre only says nothing about a door.
      if (coords.accuracy > 200) return;
      form.elements.lat.value = coords.latitude.toFixed(5);
      form.elements.lon.value = coords.longitude.toFixed(5);
    },
    () => {},
    { enableHighAccuracy: true, timeout: 8000, maximumAge: 60000 },
  );
}
