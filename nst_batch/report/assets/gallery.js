"use strict";
/* The gallery: reads .gallery/data, filters and sorts, lays pictures out in rows, opens them, and keeps up with a
   daemon at work. Data come as scripts, which browsers load from the file system too; nst.index, nst.chunk and
   nst.live are what these scripts call. */
(() => {
  const part = {};
  for (const each of document.querySelectorAll("[data-part]")) part[each.dataset.part] = each;
  const AHEAD = 1.5, BEHIND = 0.5; // windows within which pictures stand in the page, by the way one scrolls
  const LIVE_SECONDS = 2.5, IDLE_SECONDS = 10, LOST_SECONDS = 30;
  const CAPTION = 46;
  const chunks = new Map(); // name: {version, tiles}
  let wanted = []; // [name, version] of every chunk
  let all = [], pictures = [], rows = [], lastOffset = 0, shownAt = -1, shownFolder = null, laid = false, opened = false, filtered = false;

  // -- little helpers ----------------------------------------------------------------------------------

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === true) element.setAttribute(name, "");
      else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return element;
  }

  // As clock.py has it.
  function duration(seconds) {
    if (!(seconds > 0)) return "";
    if (seconds < 59.5) return `${seconds >= 0.05 && seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
    const minutes = Math.floor(Math.round(seconds) / 60), rest = Math.round(seconds) % 60;
    if (minutes < 60) return rest ? `${minutes} min ${String(rest).padStart(2, "0")} s` : `${minutes} min`;
    return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  }

  /* A file's name of its link; one that is not UTF-8 stays as it is. */
  function plain(link) {
    try {
      return decodeURIComponent(link);
    } catch {
      return link;
    }
  }

  const isPicture = (tile) => tile.state === "done" || tile.state === "stopped";
  const names = { done: "finished", stopped: "stopped early", failed: "failed", cancelled: "cancelled" };
  const thumbnail = (thumb) => `./.gallery/thumbnails/${thumb[0]}`;
  const thumbs = new Thumbs("./.gallery/thumbnails/");
  const of = (tile, role) => tile.inputs.filter((input) => input.role === role);

  function load(path) {
    const script = make("script", { src: path });
    script.addEventListener("load", () => script.remove());
    script.addEventListener("error", () => script.remove());
    document.head.append(script);
  }

  // -- data --------------------------------------------------------------------------------------------

  const nst = {
    index(list, sheets) {
      wanted = list;
      steadily(() => showSheets(sheets));
      const missing = list.filter(([name, version]) => (chunks.get(name) || {}).version !== version);
      for (const [name, version] of missing.reverse()) load(`./.gallery/data/${name}.js?${version}`);
      if (!missing.length && !laid) steadily(gather);
    },
    chunk(name, version, tiles) {
      chunks.set(name, { version, tiles });
      if (wanted.every(([each]) => chunks.has(each))) steadily(gather);
    },
    live: (facts) => steadily(() => showLive(facts)),
  };
  window.nst = nst;

  let sheetsShown = null;

  function showSheets(sheets) {
    const told = JSON.stringify(sheets);
    if (told === sheetsShown) return;
    sheetsShown = told;
    part.sheets.hidden = !sheets.length;
    part.cards.replaceChildren(...sheets.map((sheet) => make("li", {}, make(
      "a",
      { href: `./${sheet.base}index.html` },
      sheet.thumb && make("img", { src: thumbnail(sheet.thumb), width: sheet.thumb[1], height: sheet.thumb[2], alt: "", loading: "lazy" }),
      make("span", { class: "name" }, sheet.name), " ", make("span", { class: "about" }, sheet.told),
    ))));
  }

  /* All jobs, newest first; called when data have changed. */
  function gather() {
    all = wanted.flatMap(([name]) => chunks.get(name).tiles).reverse();
    for (const tile of all) {
      if (tile.search) continue;
      const files = tile.inputs.map((input) => input.name).join(" ");
      tile.search = `${tile.title} ${tile.folder} ${files} ${tile.summary} ${tile.reason} ${tile.message} ${names[tile.state]}`.toLowerCase();
    }
    offer("state", (tile) => [names[tile.state]], "any");
    offer("style", (tile) => of(tile, "style").map((input) => input.name), "any");
    offer("content", (tile) => of(tile, "content").map((input) => input.name), "any");
    offer("where", (tile) => [tile.folder.includes("/") ? tile.folder.slice(0, tile.folder.lastIndexOf("/")) : ""].filter(Boolean), "any");
    part.filters.hidden = !all.length;
    if (part.older) part.older.hidden = true;
    sift();
    const named = plain(location.hash.slice(1));
    if (named && !opened) open(pictures.findIndex((tile) => tile.folder === named));
    opened = true;
  }

  /* The values that a filter chooses from, with how many have each. */
  function offer(key, valuesOf, any) {
    const counts = new Map();
    for (const tile of all) for (const value of new Set(valuesOf(tile))) counts.set(value, (counts.get(value) || 0) + 1);
    const select = part[key], chosen = select.value;
    const options = [...counts].sort((a, b) => a[0].localeCompare(b[0], undefined, { numeric: true }));
    const short = (value) => (value.length > 60 ? `${value.slice(0, 59)}…` : value);
    select.replaceChildren(
      make("option", { value: "" }, any),
      ...options.map(([value, count]) => make("option", { value }, `${short(value)} (${count})`)),
    );
    select.value = counts.has(chosen) ? chosen : "";
    select.closest("label").hidden = counts.size < 2 && !chosen;
  }

  /* What one looks at stays where it is while something new comes in above it, and what has the focus keeps it. */
  function steadily(renew) {
    const active = document.activeElement, box = [part.grid, part.failed, part.cards].find((each) => each.contains(active));
    const href = box && active.getAttribute("href");
    const offset = part.grid.getBoundingClientRect().top;
    const seen = offset < 0 && rows.find((row) => row.cells && offset + row.top + row.height > 0);
    renew();
    const row = seen && rows.find((each) => each.cells && each.cells.some((cell) => cell.tile.folder === seen.cells[0].tile.folder));
    if (row) {
      window.scrollBy(0, part.grid.getBoundingClientRect().top + row.top - offset - seen.top);
      draw();
    }
    const link = href && [...box.querySelectorAll("a")].find((each) => each.getAttribute("href") === href);
    if (link && link !== document.activeElement) link.focus({ preventScroll: true });
  }

  // -- filter and sort ---------------------------------------------------------------------------------

  const orders = {
    new: (a, b) => b.at - a.at,
    old: (a, b) => a.at - b.at,
    loss: (a, b) => (a.loss ?? Infinity) - (b.loss ?? Infinity) || b.at - a.at,
    long: (a, b) => b.seconds - a.seconds,
    short: (a, b) => a.seconds - b.seconds,
    title: (a, b) => a.title.localeCompare(b.title, undefined, { numeric: true }),
  };

  function sift() {
    const words = part.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { state, style, content, where, from, to } = part;
    const found = all.filter(
      (tile) =>
        words.every((word) => tile.search.includes(word)) &&
        (!state.value || names[tile.state] === state.value) &&
        (!style.value || of(tile, "style").some((input) => input.name === style.value)) &&
        (!content.value || of(tile, "content").some((input) => input.name === content.value)) &&
        (!where.value || tile.folder.startsWith(`${where.value}/`)) &&
        (!from.value || tile.when.slice(0, 10) >= from.value) &&
        (!to.value || tile.when.slice(0, 10) <= to.value),
    );
    pictures = found.filter(isPicture).sort(orders[part.sort.value]);
    shownAt = pictures.findIndex((tile) => tile.folder === shownFolder);
    const failed = found.filter((tile) => !isPicture(tile));
    const made = all.filter(isPicture).length, undone = all.length - made;
    part.summary.replaceChildren(...(all.length
      ? [`${made.toLocaleString("en")} picture${made === 1 ? "" : "s"}${undone ? ` · ${undone.toLocaleString("en")} not done` : ""} · `, make("span", { class: "whole" }, `the latest of ${all[0].when}`)]
      : ["No pictures yet. Results appear here as soon as a job is finished."]));
    filtered = found.length < all.length;
    part.count.textContent = filtered ? `${found.length.toLocaleString("en")} of ${all.length.toLocaleString("en")}` : "";
    part.reset.disabled = !filtered;
    part.failures.hidden = !failed.length;
    part.undone.textContent = failed.length.toLocaleString("en");
    part.failed.replaceChildren(...failed.slice(0, 200).map(failure));
    if (failed.length > 200) part.failed.append(make("li", { class: "failure" }, `and ${failed.length - 200} more; filter to see them`));
    if (state.value && failed.length) part.failures.open = true;
    layOut();
  }

  function failure(tile) {
    const links = tile.links.map(([file, label]) => make("a", { href: `./${tile.base}${file}` }, label));
    const page = tile.links.find(([, label]) => label === "page");
    return make(
      "li",
      { class: "failure" },
      make("h3", {}, page ? make("a", { href: `./${tile.base}${page[0]}` }, tile.title) : tile.title),
      make("p", { class: "why" }, make("b", {}, tile.reason || names[tile.state]), make("span", {}, tile.when)),
      tile.message && make("p", {}, tile.message),
      tile.advice && make("p", { class: "advice" }, tile.advice),
      make("p", { class: "links" }, ...links.flatMap((link) => [link, " "])),
    );
  }

  // -- the grid: rows of equal height, only those near the window in the page -----------------------------

  function layOut() {
    const width = part.grid.clientWidth;
    if (!width) return;
    laid = true;
    const gap = 12, target = width < 560 ? 150 : width > 2200 ? 330 : 240;
    const byDay = part.sort.value === "new" || part.sort.value === "old";
    rows = [];
    let top = 0, row = [], sum = 0, day = null;
    const close = (full) => {
      if (!row.length) return;
      const height = full ? (width - gap * (row.length - 1)) / sum : Math.min(target, (width - gap * (row.length - 1)) / sum);
      let left = 0;
      const cells = row.map(([tile, aspect, index]) => {
        const cell = { tile, index, left, width: height * aspect };
        left += height * aspect + gap;
        return cell;
      });
      rows.push({ top, height: height + CAPTION, cells });
      top += height + CAPTION + gap;
      row = [];
      sum = 0;
    };
    pictures.forEach((tile, index) => {
      const date = tile.when.slice(0, 10);
      if (byDay && date !== day) {
        close(false);
        day = date;
        if (rows.length) top += 14;
        rows.push({ top, height: 34, day });
        top += 36;
      }
      const aspect = tile.thumb ? Math.max(0.45, Math.min(3.2, tile.thumb[1] / tile.thumb[2])) : 4 / 3;
      row.push([tile, aspect, index]);
      sum += aspect;
      if ((width - gap * (row.length - 1)) / sum <= target) close(true);
    });
    close(false);
    part.grid.style.height = `${Math.ceil(top)}px`;
    part.grid.classList.add("laid");
    for (const canvas of part.grid.querySelectorAll("canvas")) thumbs.drop(canvas);
    part.grid.replaceChildren();
    for (const each of rows) each.elements = null;
    if (!pictures.length && filtered) {
      part.grid.style.height = "auto";
      part.grid.append(make("li", { class: "none" }, "No picture fits these filters."));
    }
    draw();
  }

  function draw() {
    if (!laid) return;
    const offset = part.grid.getBoundingClientRect().top, down = offset <= lastOffset;
    lastOffset = offset;
    const from = -(down ? BEHIND : AHEAD) * window.innerHeight - offset;
    const to = (1 + (down ? AHEAD : BEHIND)) * window.innerHeight - offset;
    for (const row of rows) {
      const near = row.top + row.height > from && row.top < to;
      if (near && !row.elements) {
        row.elements = row.cells ? row.cells.map((cell) => tileElement(cell, row)) : [dayElement(row)];
        const after = rows.slice(rows.indexOf(row) + 1).find((other) => other.elements);
        for (const element of row.elements) part.grid.insertBefore(element, after ? after.elements[0] : null);
      } else if (!near && row.elements && !row.elements.some((element) => element.contains(document.activeElement))) {
        for (const element of row.elements) {
          const canvas = element.querySelector("canvas");
          if (canvas) thumbs.drop(canvas);
          element.remove();
        }
        row.elements = null;
      }
    }
    thumbs.middle = window.innerHeight / 2 - offset;
    thumbs.next();
  }

  function place(element, left, top, width, height) {
    element.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)`;
    element.style.width = `${width.toFixed(1)}px`;
    element.style.height = `${height.toFixed(1)}px`;
    return element;
  }

  function dayElement(row) {
    const date = new Date(`${row.day}T12:00`);
    const text = date.toLocaleDateString("en", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
    return place(make("li", { class: "day" }, make("h3", {}, text)), 0, row.top, part.grid.clientWidth, row.height);
  }

  function tileElement({ tile, index, left, width }, row) {
    const page = tile.links.some(([file]) => file === "index.html");
    let inner;
    if (tile.thumb) {
      inner = thumbs.make(tile.thumb, row.top + row.height / 2, width);
    } else inner = make("span", { class: "blank" }, plain(tile.picture || "no picture"));
    const about = [tile.state === "stopped" ? "stopped early" : "", tile.when.slice(11), duration(tile.seconds), tile.untrained ? "untrained weights" : ""];
    const link = make(
      "a",
      { href: `./${tile.base}${page ? "index.html" : tile.picture || ""}` },
      inner,
      make("span", { class: "caption" }, make("span", { class: "name" }, tile.title), " ", make("span", { class: "about" }, about.filter(Boolean).join(" · "))),
    );
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(index);
    });
    const item = make("li", { class: "tile", "aria-setsize": pictures.length, "aria-posinset": index + 1 }, link);
    return place(item, left, row.top, width, row.height);
  }

  // -- the viewer ----------------------------------------------------------------------------------------

  const viewer = new Viewer(part.viewer, (step) => open(shownAt + step));

  function open(index) {
    if (index < 0 || index >= pictures.length) return;
    const tile = pictures[index];
    shownAt = index;
    shownFolder = tile.folder;
    const at = `./${tile.base}`;
    const content = of(tile, "content")[0];
    const before = content && (content.shown ? at + content.file : content.thumb && thumbnail(content.thumb));
    if (!part.dialog.open) part.dialog.showModal();
    viewer.show({
      src: new URL(tile.shown ? at + tile.picture : tile.thumb ? thumbnail(tile.thumb) : "", location.href).href,
      alt: tile.title,
      before: before ? new URL(before, location.href).href : null,
      epochs: tile.epochs.map((file) => new URL(at + file, location.href).href),
    });
    part["shown-title"].textContent = part["shown-title"].title = tile.title;
    part["shown-about"].textContent = [`${index + 1} of ${pictures.length}`, tile.when, tile.state === "stopped" ? "stopped early" : ""].filter(Boolean).join(" · ");
    part.previous.disabled = index === 0;
    part.next.disabled = index === pictures.length - 1;
    part.inputs.replaceChildren(...tile.inputs.map((input) => inputElement(tile, input)));
    const facts = [
      ["settings", tile.summary],
      ["weights", tile.untrained ? "untrained" : ""],
      ["steps", tile.steps ? tile.steps.toLocaleString("en") : ""],
      ["time", duration(tile.seconds)],
      ["a step", tile.steps && tile.seconds ? duration(tile.seconds / tile.steps) : ""],
      ["final loss", tile.loss ? number(tile.loss) : ""],
      ["folder", tile.folder],
    ];
    part.facts.replaceChildren(...facts.filter(([, value]) => value).flatMap(([key, value]) => [make("dt", {}, key), make("dd", {}, value)]));
    const links = tile.links.map(([file, label]) => make("a", { href: at + file }, label === "page" ? "this job's page" : label));
    if (tile.picture) links.unshift(make("a", { href: at + tile.picture }, "the file"));
    part.links.replaceChildren(...links.flatMap((link) => [link, " "]));
    history.replaceState(null, "", `#${encodeURIComponent(tile.folder)}`);
  }

  function inputElement(tile, input) {
    const picture = input.thumb ? make("img", { src: thumbnail(input.thumb), alt: input.role }) : "";
    const shown = input.file ? make("a", { href: `./${tile.base}${input.file}` }, picture || input.name) : picture;
    return make("figure", {}, shown, make("figcaption", {}, make("b", {}, input.role), input.name));
  }

  part.close.addEventListener("click", () => part.dialog.close());
  part.dialog.addEventListener("close", () => {
    viewer.stop();
    history.replaceState(null, "", "#");
    const row = rows.find((each) => each.cells && each.cells.some((cell) => cell.index === shownAt));
    if (!row) return;
    const top = part.grid.getBoundingClientRect().top + row.top;
    if (top < 0 || top + row.height > window.innerHeight) window.scrollBy(0, top - 80);
    draw();
    const cell = row.cells.findIndex((each) => each.index === shownAt);
    if (row.elements) row.elements[cell].querySelector("a").focus({ preventScroll: true });
  });
  part.dialog.addEventListener("keydown", (event) => {
    if (viewer.key(event)) event.preventDefault();
  });

  // -- what runs now ---------------------------------------------------------------------------------------

  let lastLive = 0, daemon = false, heard = null, heardAt = 0, hasChanged = false;

  /* Whether the daemon has not written for too long: by the clock of this machine where nothing else is known yet, and
     from then on by whether it writes, for the two machines' clocks may differ. */
  function isLost(at) {
    if (at !== heard) {
      hasChanged = heard !== null;
      heard = at;
      heardAt = performance.now();
    }
    return performance.now() - heardAt > 1000 * LOST_SECONDS || (!hasChanged && Math.abs(Date.now() / 1000 - at) > LOST_SECONDS);
  }

  function showLive(facts) {
    daemon = facts.daemon && !isLost(facts.at);
    const running = daemon ? facts.running : [];
    part.running.hidden = !running.length && !(daemon && facts.waiting);
    const cards = new Map([...part.jobs.children].map((card) => [card.dataset.id, card]));
    part.jobs.replaceChildren(...running.map((job) => jobElement(job, cards.get(job.id))));
    const left = facts.emptyAt ? facts.emptyAt - facts.at : 0;
    part.queue.textContent = facts.waiting
      ? [`${facts.waiting.toLocaleString("en")} waiting`, facts.held, left > 60 && `everything done in about ${duration(left)}`]
          .filter(Boolean).join(" · ")
      : "";
  }

  function jobElement(job, old) {
    const card = make("li", { class: "job", "data-id": job.id });
    const blank = make("span", { class: "blank" });
    if (job.preview) {
      // The old preview is seen until the new one is there, so that nothing flickers.
      let image = old && old.querySelector("img");
      if (!image) {
        image = make("img", { alt: "" });
        image.addEventListener("error", () => image.replaceWith(blank));
      }
      if (image.getAttribute("src") !== job.preview) image.src = job.preview;
      card.append(image);
    } else card.append(blank);
    const about = job.ends ? [job.ends] : [
      job.epochs ? `epoch ${job.epoch} of ${job.epochs}` : "beginning",
      job.loss ? `loss ${number(job.loss)}` : "",
      job.scale,
      job.left !== null && job.left !== undefined ? `${duration(job.left) || "0 s"} left` : "",
    ];
    card.append(
      make(
        "div",
        {},
        make("h3", { title: job.name }, job.name),
        make("p", {}, ...about.filter(Boolean).flatMap((each, index) => [index ? "\u00a0· " : "", make("span", { class: "whole" }, each)])),
        make("progress", { value: job.step || 0, max: job.steps || 1, "aria-label": `${job.name}, steps` }),
        sparkline(job.curve || [], 300, 38),
      ),
    );
    return card;
  }

  function poll() {
    const seconds = daemon ? LIVE_SECONDS : IDLE_SECONDS;
    if (document.hidden || Date.now() - lastLive < 1000 * seconds) return;
    lastLive = Date.now();
    load(`./.gallery/live.js?${lastLive}`);
    load(`./.gallery/data/index.js?${lastLive}`);
  }

  // -- begin -----------------------------------------------------------------------------------------------

  const wide = window.matchMedia("(min-width: 1100px)");
  const unfold = () => (part.more.open = wide.matches);
  wide.addEventListener("change", unfold);
  unfold();
  for (const key of ["state", "style", "content", "where", "from", "to", "sort"]) part[key].addEventListener("change", sift);
  part.text.addEventListener("input", sift);
  part.filters.addEventListener("submit", (event) => event.preventDefault());
  part.reset.addEventListener("click", () => {
    for (const key of ["text", "state", "style", "content", "where", "from", "to"]) part[key].value = "";
    sift();
  });
  let width = 0, asked = false;
  new ResizeObserver(() => {
    if (part.grid.clientWidth !== width && laid) steadily(layOut);
    width = part.grid.clientWidth;
  }).observe(part.grid);
  const drawSoon = () => {
    if (!asked) requestAnimationFrame(() => {
      asked = false;
      draw();
    });
    asked = true;
  };
  window.addEventListener("scroll", drawSoon, { passive: true });
  window.addEventListener("resize", drawSoon);
  document.addEventListener("visibilitychange", poll);
  setInterval(poll, 500);
  poll();
})();
