"use strict";
/* The small pictures of the gallery, on canvases: what is drawn goes with its canvas, while a browser keeps what it has
   decoded of every image that was ever seen. Each is a blur of a few colours at once, which stand in the data, and
   sharp as soon as it is read; the nearest to the window first, and what has gone out of it is not read any more. */
class Thumbs {
  constructor(folder) {
    this.folder = folder;
    this.wanted = new Set(); // canvases that wait
    this.reading = new Map(); // canvas: its image
    this.idle = []; // images that have read what they were to: used again, they let go of it at once
    this.middle = 0; // of the window, on the scale of what make() is told
    this.most = 3; // read at a time; with more of them a tab that scrolls through thousands holds some 20 MB more, and is no sooner
  }

  /* thumb: [file, width, height, [how many colours across, the colours as #rgb without the #]]; at: where it stands on
     the page, across: how wide, both in pixels of the page. */
  make(thumb, at, across) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    canvas.thumb = thumb;
    canvas.at = at;
    canvas.across = across;
    this.blur(canvas, thumb[3]);
    this.wanted.add(canvas);
    return canvas;
  }

  blur(canvas, [across, colors]) {
    const rows = colors.length / 3 / across, context = canvas.getContext("2d", { alpha: true });
    canvas.width = across;
    canvas.height = rows;
    const data = context.createImageData(across, rows);
    for (let at = 0; at < across * rows; at++) {
      for (let channel = 0; channel < 3; channel++) data.data[4 * at + channel] = 17 * parseInt(colors[3 * at + channel], 16);
      data.data[4 * at + 3] = 255;
    }
    context.putImageData(data, 0, 0);
    canvas.dataset.blurred = "";
  }

  /* The canvas is not shown any more. */
  drop(canvas) {
    this.wanted.delete(canvas);
    const image = this.reading.get(canvas);
    if (image) image.src = "";
    this.reading.delete(canvas);
    canvas.width = canvas.height = 0;
  }

  /* Read what is wanted, the nearest to the middle of the window first. */
  next() {
    if (!this.wanted.size || this.reading.size >= this.most) return;
    const nearest = [...this.wanted].sort((one, other) => Math.abs(one.at - this.middle) - Math.abs(other.at - this.middle));
    for (const canvas of nearest.slice(0, this.most - this.reading.size)) this.read(canvas);
  }

  read(canvas) {
    const image = this.idle.pop() || new Image();
    this.wanted.delete(canvas);
    this.reading.set(canvas, image);
    const end = () => {
      if (this.reading.get(canvas) === image) this.reading.delete(canvas);
      image.onload = image.onerror = null;
      image.removeAttribute("src");
      if (!this.idle.includes(image)) this.idle.push(image);
      this.next();
    };
    image.onerror = end;
    image.onload = async () => {
      try {
        await this.draw(canvas, image);
      } finally {
        end();
      }
    };
    image.src = this.folder + canvas.thumb[0];
  }

  async draw(canvas, image) {
    const scale = Math.min(1, (canvas.across * window.devicePixelRatio) / image.naturalWidth);
    const width = Math.max(1, Math.round(image.naturalWidth * scale)), height = Math.max(1, Math.round(image.naturalHeight * scale));
    const bitmap = await createImageBitmap(image, { resizeWidth: width, resizeHeight: height, resizeQuality: "medium" });
    if (this.reading.get(canvas) === image) {
      canvas.width = width;
      canvas.height = height;
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
      canvas.dataset.drawn = "";
    }
    bitmap.close();
  }
}
