"use strict";
/* A small curve of the losses so far. points: [[step, loss, scale] …]; each scale is a line of its own. */
function sparkline(points, width, height) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const usable = points.filter((point) => point[1] > 0);
  if (usable.length < 2) return svg;
  const logs = usable.map((point) => Math.log10(point[1]));
  const low = Math.min(...logs), high = Math.max(...logs);
  const first = usable[0][0], last = usable[usable.length - 1][0];
  let path = "", scale = null;
  usable.forEach((point, index) => {
    const x = (width * (point[0] - first)) / Math.max(1, last - first);
    const y = height - 2 - ((height - 4) * (logs[index] - low)) / Math.max(1e-9, high - low);
    path += `${point[2] === scale ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    scale = point[2];
  });
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
