/**
 * Chart: <${Chart} label="…" at=${[unix seconds]} series=${[{label, values, color: "--chart-1", isBars}]} format=${(n) => text}
 *   formatAt=${(date) => text} labelAt="Day" />: values over time by uPlot, which is loaded when the first chart is drawn. Colours are
 * tokens, so it follows the theme. Every chart has a table beside it: this one is a picture to screen readers.
 */
import { html } from "htm/preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { theme } from "../theme.js";
import { Skeleton } from "./skeleton.js";

/**
 * @typedef {{label: string, values: (number | null)[], color: string, isBars?: boolean}} Series
 * @typedef {{label: string, at: number[], series: Series[], format: (n: number) => string, formatAt: (at: Date) => string, labelAt: string}} ChartProps
 */

const HEIGHT = 220;
/** Lines differ by more than their colour. */
const DASHES = [[], [7, 4], [2, 3]];
const BAR_SHARE = 0.7;
const BAR_WIDTH_MAX = 36;
const TICK_GAP = 80;
/** Of the upright axis: room for its longest label, and never less than this, so that charts stand in line. */
const AXIS_WIDTH = 56;
const AXIS_PADDING = 10;
const AXIS_HEIGHT = 34;
/** Between the axis and its moments: the first one would touch the zero of the other axis. */
const AXIS_GAP = 10;
/** Steps of the upright axis: credits, answers and milliseconds are whole. */
const STEPS = [...Array(12).keys()].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));

/** @type {Promise<any> | null} */
let library = null;

function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const styles = document.createElement("link");
    styles.rel = "stylesheet";
    styles.href = "/web/vendor/uplot.css";
    styles.onload = () => import("uplot").then((found) => resolve(found.default), reject);
    styles.onerror = reject;
    document.head.append(styles);
  });
  return library;
}

/** A token's colour. A canvas does not know light-dark(), an element does. @param {Element} box @param {string} name */
function token(box, name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  box.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** @param {string} font @returns {(chart: any, labels: string[] | null) => number} */
function widthIn(font) {
  return ({ ctx }, labels) => {
    ctx.save();
    ctx.font = font;
    const longest = Math.max(0, ...(labels ?? []).map((label) => ctx.measureText(label).width));
    ctx.restore();
    return Math.max(AXIS_WIDTH, Math.ceil(longest) + AXIS_PADDING);
  };
}

/** @param {HTMLElement} box @param {ChartProps} props */
function axesOf(box, { format, formatAt }) {
  const font = `12px ${getComputedStyle(box).fontFamily}`;
  const common = { stroke: token(box, "--text-muted"), font, ticks: { show: false } };
  /** @param {(tick: number) => string} show */
  const labels = (show) => (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map(show);
  return [
    { ...common, grid: { show: false }, space: TICK_GAP, size: AXIS_HEIGHT, gap: AXIS_GAP, values: labels((tick) => formatAt(new Date(tick * 1000))) },
    { ...common, grid: { stroke: token(box, "--chart-grid"), width: 1 }, size: widthIn(font), incrs: STEPS, values: labels(format) },
  ];
}

/**
 * A line needs two values; one alone is drawn as a point.
 * @param {{data: (number | null)[][]}} chart @param {number} series @returns {number[]} the places of such values
 */
function lonely({ data }, series) {
  const values = data[series] ?? [];
  const isGap = (/** @type {number} */ place) => (values[place] ?? null) === null;
  return values.flatMap((_, place) => (!isGap(place) && isGap(place - 1) && isGap(place + 1) ? [place] : []));
}

/** Marks a chart at which nobody points: its legend has no values then. @param {any} chart */
function idle({ root, cursor }) {
  root.classList.toggle("is-idle", (cursor.idx ?? null) === null);
}

/** The whole is one picture. @param {any} chart */
function silent({ root }) {
  root.setAttribute("aria-hidden", "true");
}

/** @param {any} UPlot @param {HTMLElement} box @param {ChartProps} props */
function optionsOf(UPlot, box, props) {
  const { at, series, format, formatAt, labelAt } = props;
  const step = series.some(({ isBars }) => isBars) ? ((at[1] ?? 0) - (at[0] ?? 0)) / 2 : 0; // a bar stands around its moment
  return {
    width: box.clientWidth,
    height: HEIGHT,
    hooks: { init: [silent], ready: [idle], setCursor: [idle] },
    cursor: { y: false, drag: { setScale: false, x: false, y: false } },
    scales: {
      x: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => [low - step, high + step] },
      y: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] },
    },
    axes: axesOf(box, props),
    series: [
      { label: labelAt, value: (/** @type {any} */ _, /** @type {number | null} */ at) => (at === null ? "—" : formatAt(new Date(at * 1000))) },
      ...series.map((one, place) => ({
        label: one.label,
        stroke: token(box, one.color),
        width: one.isBars ? 0 : 1.75,
        dash: one.isBars ? [] : (DASHES[place % DASHES.length] ?? []),
        ...(one.isBars ? { fill: token(box, one.color), paths: UPlot.paths.bars({ size: [BAR_SHARE, BAR_WIDTH_MAX], radius: 0.15 }) } : {}),
        points: { show: !one.isBars, size: 5, filter: lonely },
        value: (/** @type {any} */ _, /** @type {number | null} */ value) => (value === null ? "—" : format(value)),
      })),
    ],
  };
}

/** Whether the system is dark: what is drawn on a canvas must be drawn again when it changes. */
function useSystemTheme() {
  const [isDark, setDark] = useState(false);
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setDark(system.matches);
    follow();
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, []);
  return isDark;
}

/** @param {ChartProps} props */
export function Chart(props) {
  const box = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  const chart = useRef(/** @type {any} */ (null));
  const [UPlot, setUPlot] = useState(/** @type {any} */ (null));
  const isDark = useSystemTheme();
  const { at, series, label } = props;
  const data = [at, ...series.map(({ values }) => values)];
  useEffect(() => {
    loadLibrary().then((found) => setUPlot(() => found), () => undefined);
  }, []);
  useEffect(() => {
    const element = box.current;
    if (!UPlot || !element) return undefined;
    chart.current = new UPlot(optionsOf(UPlot, element, props), data, element);
    const observer = new ResizeObserver(() => chart.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [UPlot, theme.value, isDark, label, series.map((one) => one.label).join()]);
  useEffect(() => chart.current?.setData(data), [at, series]);
  return html`<figure class=${`chart ${series.length === 1 ? "chart--one" : ""}`} role="img" aria-label=${label} ref=${box}>
    ${UPlot ? null : html`<${Skeleton} class="skeleton--chart" />`}
  </figure>`;
}
