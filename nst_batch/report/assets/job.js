"use strict";
/* A job's own page: the viewer, and the losses under the pointer. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const part = {};
  for (const each of document.querySelectorAll("[data-part]")) part[each.dataset.part] = each;
  const absolute = (file) => (file ? new URL(file, location.href).href : null);

  if (data.src) {
    part.plain.hidden = true;
    part.shown.hidden = false;
    const viewer = new Viewer(part.viewer, null);
    // So that the picture's place is no wider than the picture, where the window's height bounds it.
    viewer.part.picture.addEventListener("load", () => part.look.style.setProperty("--shape", viewer.part.stage.style.getPropertyValue("--shape")));
    viewer.show({ src: absolute(data.src), alt: data.alt, before: absolute(data.before), epochs: data.epochs.map(absolute) });
    part.viewer.addEventListener("keydown", (event) => {
      if (viewer.key(event)) event.preventDefault();
    });
  }

  if (part.copy && navigator.clipboard) {
    part.copy.hidden = false;
    part.copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(part.command.textContent);
      part.copy.textContent = "copied";
    });
  }

  const losses = data.losses, steps = losses.step;
  if (!steps.length || !part.pointer) return;
  const { left, right, first, last } = Object.fromEntries(Object.entries(part.svg.dataset).map(([key, value]) => [key, Number(value)]));
  let at = steps.length - 1;

  function line(list, name, value) {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = number(value);
    list.append(dt, dd);
  }

  function heading(list, text) {
    const dt = document.createElement("dt");
    dt.className = "head";
    dt.textContent = text;
    list.append(dt);
  }

  function tell(index) {
    at = Math.max(0, Math.min(steps.length - 1, index));
    const x = left + ((right - left) * (steps[at] - first)) / Math.max(1, last - first);
    part.pointer.setAttribute("transform", `translate(${x} 0)`);
    part.pointer.setAttribute("visibility", "visible");
    const where = document.createElement("p"), size = document.createElement("p"), list = document.createElement("dl");
    where.textContent = `step ${steps[at]}, epoch ${losses.epoch[at]}`;
    size.textContent = `${losses.width[at]} × ${losses.height[at]}, after ${losses.seconds[at].toFixed(1)} s`;
    heading(list, "weight × loss");
    for (const [name, values] of Object.entries(losses.parts)) line(list, name, values[at]);
    for (const role of ["content", "style"]) {
      if (!Object.keys(losses[role]).length) continue;
      heading(list, `${role} layers`);
      for (const [name, values] of Object.entries(losses[role])) line(list, name, values[at]);
    }
    part.values.hidden = false;
    part.values.replaceChildren(where, size, list);
  }

  function nearest(step) {
    let low = 0, high = steps.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (steps[middle] < step) low = middle + 1;
      else high = middle;
    }
    return low && step - steps[low - 1] < steps[low] - step ? low - 1 : low;
  }

  part.svg.addEventListener("pointermove", (event) => {
    const box = part.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * part.svg.viewBox.baseVal.width;
    tell(nearest(first + ((x - left) / (right - left)) * (last - first)));
  });
  part.svg.parentElement.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: 10, PageUp: -10 }[event.key];
    if (!by) return;
    event.preventDefault();
    tell(at + by);
  });
  tell(at);
})();
