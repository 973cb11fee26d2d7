// Says in words whether the live connection stands; htmx's own extension does the rest.
const live = document.getElementById("live");
if (live) {
  live.addEventListener("htmx:sse:after:connection", () => { live.textContent = live.dataset.live; live.dataset.state = "live"; });
  for (const name of ["htmx:sse:error", "htmx:sse:close"]) {
    live.addEventListener(name, () => { live.textContent = live.dataset.lost; live.dataset.state = "lost"; });
  }
}
