"use strict";
/* One picture large: fit or pixel for pixel, before and after, the epochs as a strip and as a film. */
class Viewer {
  /* root holds elements marked data-part, as in templates/_viewer.html. turn(±1) asks for the neighbour. */
  constructor(root, turn) {
    this.part = {};
    for (const each of root.querySelectorAll("[data-part]")) this.part[each.dataset.part] = each;
    this.turn = turn;
    this.level = 0; // 0 fits the window; else pixels of the screen for each of the picture
    this.cut = 50;
    this.film = 0; // grows with each start and stop, so that an old film ends by itself
    const { part } = this;
    part.previous.hidden = part.next.hidden = !turn;
    part.previous.addEventListener("click", () => turn(-1));
    part.next.addEventListener("click", () => turn(1));
    part.compare.addEventListener("click", () => this.compare(part.before.hidden));
    part.play.addEventListener("click", () => this.play());
    part.level.addEventListener("click", () => this.zoom(this.level ? 0 : 1));
    part.in.addEventListener("click", () => this.zoom(this.level ? Math.min(8, this.level * 2) : 1));
    part.out.addEventListener("click", () => this.zoom(this.level > 1 ? this.level / 2 : 0));
    part.range.addEventListener("input", () => this.slide(Number(part.range.value)));
    part.picture.addEventListener("load", () => this.fit());
    part.picture.addEventListener("dblclick", () => this.zoom(this.level ? 0 : 1));
    new ResizeObserver(() => this.fit()).observe(part.stage);
    this.pointer();
  }

  /* item: {src, alt, before, epochs: [src …]}; before and epochs may be missing. */
  show(item) {
    const { part } = this;
    this.stop();
    this.item = item;
    this.epochs = item.epochs || [];
    part.picture.src = item.src;
    part.picture.alt = item.alt;
    part.compare.hidden = !item.before;
    part.play.hidden = this.epochs.length < 2;
    part.strip.hidden = !this.epochs.length;
    part.strip.replaceChildren(...this.epochs.map((src, index) => this.frame(src, index + 1)));
    if (this.epochs.length) part.strip.append(this.frame(item.src, 0));
    this.mark(item.src);
    this.compare(Boolean(item.before) && !part.before.hidden);
    this.zoom(0);
  }

  frame(src, number) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.src = src;
    const label = number ? String(number) : "result";
    button.setAttribute("aria-label", number ? `Epoch ${number}` : "Result");
    const image = new Image();
    image.loading = "lazy";
    image.decoding = "async";
    image.alt = "";
    image.src = src;
    const text = document.createElement("span");
    text.textContent = label;
    text.setAttribute("aria-hidden", "true");
    button.append(image, text);
    button.addEventListener("click", () => {
      this.stop();
      this.picture(src);
    });
    return button;
  }

  picture(src) {
    this.part.picture.src = src;
    this.mark(src);
  }

  mark(src) {
    for (const each of this.part.strip.children) {
      const current = each.dataset.src === src;
      each.setAttribute("aria-current", String(current));
      if (current) {
        const { strip } = this.part;
        strip.scrollLeft = each.offsetLeft - strip.offsetLeft - (strip.clientWidth - each.clientWidth) / 2;
      }
    }
  }

  /* The epochs one after another, each once it is decoded, then the result. */
  async play() {
    if (this.playing) return this.stop();
    const film = ++this.film;
    this.playing = true;
    this.part.play.setAttribute("aria-pressed", "true");
    for (const src of [...this.epochs, this.item.src]) {
      const next = new Image();
      next.src = src;
      const shown = new Promise((resolve) => setTimeout(resolve, 220));
      await Promise.all([next.decode().catch(() => {}), shown]);
      if (this.film !== film) return;
      this.picture(src);
    }
    this.stop();
  }

  stop() {
    this.film++;
    this.playing = false;
    this.part.play.setAttribute("aria-pressed", "false");
  }

  compare(on) {
    const { part } = this;
    if (on && part.before.src !== this.item.before) part.before.src = this.item.before;
    part.before.hidden = part.cut.hidden = part.slide.hidden = !on;
    part.compare.setAttribute("aria-pressed", String(on));
    part.stage.classList.toggle("comparing", on);
    this.slide(this.cut);
  }

  slide(percent) {
    this.cut = Math.max(0, Math.min(100, percent));
    this.part.range.value = String(Math.round(this.cut));
    this.part.canvas.style.setProperty("--cut", `${this.cut}%`);
  }

  zoom(level) {
    this.level = level;
    const { part } = this;
    part.level.textContent = level ? `${Math.round(level * 100)} %` : "fit";
    part.stage.classList.toggle("zoomed", level > 0);
    part.canvas.classList.toggle("pixels", level > 0);
    this.fit();
  }

  /* The picture's size on the page; what was in the middle stays there. */
  fit() {
    const { stage, canvas, picture } = this.part;
    const width = picture.naturalWidth, height = picture.naturalHeight;
    if (!width || !stage.clientWidth) return;
    stage.style.setProperty("--shape", `${width} / ${height}`); // of the stage too, where the page asks for that
    const fitting = Math.min(stage.clientWidth / width, stage.clientHeight / height);
    const scale = this.level ? this.level / window.devicePixelRatio : fitting;
    const x = (stage.scrollLeft + stage.clientWidth / 2) / Math.max(1, canvas.clientWidth);
    const y = (stage.scrollTop + stage.clientHeight / 2) / Math.max(1, canvas.clientHeight);
    canvas.style.width = `${Math.floor(width * scale)}px`;
    canvas.style.height = `${Math.floor(height * scale)}px`;
    if (this.level) {
      stage.scrollLeft = x * canvas.clientWidth - stage.clientWidth / 2;
      stage.scrollTop = y * canvas.clientHeight - stage.clientHeight / 2;
    }
  }

  /* Dragging moves the cut, or a large picture; a swipe turns to the neighbour. */
  pointer() {
    const { stage, canvas } = this.part;
    let from = null;
    const cutAt = (event) => {
      const box = canvas.getBoundingClientRect();
      this.slide((100 * (event.clientX - box.left)) / box.width);
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      from = { x: event.clientX, y: event.clientY, left: stage.scrollLeft, top: stage.scrollTop };
      if (stage.classList.contains("comparing")) {
        stage.setPointerCapture(event.pointerId);
        cutAt(event);
      } else if (this.level && event.pointerType === "mouse") {
        stage.setPointerCapture(event.pointerId);
        event.preventDefault();
        stage.focus();
      }
    });
    stage.addEventListener("pointermove", (event) => {
      if (!from) return;
      if (stage.classList.contains("comparing")) cutAt(event);
      else if (this.level && event.pointerType === "mouse") {
        stage.scrollLeft = from.left + from.x - event.clientX;
        stage.scrollTop = from.top + from.y - event.clientY;
      }
    });
    stage.addEventListener("pointerup", (event) => {
      const across = from ? event.clientX - from.x : 0, down = from ? event.clientY - from.y : 0;
      const free = from && !this.level && !stage.classList.contains("comparing");
      from = null;
      if (free && this.turn && Math.abs(across) > 45 && Math.abs(across) > 2 * Math.abs(down)) this.turn(across < 0 ? 1 : -1);
    });
    stage.addEventListener("pointercancel", () => (from = null));
  }

  /* Whether a key was one of the viewer's. */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const { part } = this;
    const at = event.target;
    if (at.matches("input, select, textarea")) return false;
    if (this.level && at === part.stage && event.key.startsWith("Arrow")) return false; // scrolls it
    const does = {
      ArrowLeft: this.turn && (() => this.turn(-1)),
      ArrowRight: this.turn && (() => this.turn(1)),
      c: !part.compare.hidden && (() => this.compare(part.before.hidden)),
      z: () => this.zoom(this.level ? 0 : 1),
      "+": () => part.in.click(),
      "-": () => part.out.click(),
      " ": !at.matches("button, a, summary") && !part.play.hidden && (() => this.play()),
    }[event.key];
    if (!does) return false;
    does();
    return true;
  }
}
