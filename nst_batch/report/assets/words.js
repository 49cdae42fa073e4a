"use strict";
/* A number as people write it, like report/markup.py: 12,346, 0.25, 1.72·10¹¹. */
function number(value) {
  const size = Math.abs(value);
  if (!size || !Number.isFinite(value)) return String(value);
  if (size >= 1e-3 && size < 1e6) return Number(value.toPrecision(5)).toLocaleString("en", { maximumFractionDigits: 7 });
  const [mantissa, power] = value.toExponential(3).split("e");
  return `${Number(mantissa)}·10${[...String(Number(power))].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("")}`;
}
