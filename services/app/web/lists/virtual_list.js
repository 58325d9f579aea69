/**
 * VirtualList: <${VirtualList} pages=${Pages} label="…" row=${(item, toggle) => node} panel=${(item) => node} openId onOpen />
 * A long list that scrolls with the page and draws only what is in view. Rows have one height (`--vlist-row`); the open
 * one has its panel below it. Up and down move between rows. The row that has the focus stays drawn, however far the page is
 * scrolled, so that the focus is not lost.
 */
import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { ErrorState } from "../components/empty_state.js";
import { Loading, Skeleton } from "../components/skeleton.js";
import { rebased, topOf, windowOf } from "./window.js";

const FIRST_ROWS = 8;
const MORE_ROWS = 2;
const ROW_HEIGHT = 56;

/**
 * @typedef {{pages: import("./pages.js").Pages<any>, label: string, row: (item: any, toggle: any) => any,
 *   panel: (item: any) => any, openId: string | null, onOpen: (id: string | null) => void}} ListProps
 */

/** Where the list is on the screen. @param {{current: HTMLElement | null}} list */
function useViewport(list) {
  const [view, setView] = useState({ scroll: 0, viewport: globalThis.innerHeight ?? 800 });
  useEffect(() => {
    let frame = 0;
    const look = () => {
      frame = 0;
      if (list.current) setView({ scroll: -list.current.getBoundingClientRect().top, viewport: innerHeight });
    };
    const later = () => {
      frame ||= requestAnimationFrame(look);
    };
    look();
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later, { passive: true });
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", later);
      removeEventListener("resize", later);
    };
  }, []);
  return view;
}

/** The heights that the styles give: of a row, and of the open row's panel. @param {{current: HTMLElement | null}} list */
function useHeights(list) {
  const [heights, setHeights] = useState({ rowHeight: ROW_HEIGHT, extra: 0 });
  useLayoutEffect(() => {
    const measure = () => {
      const rowHeight = list.current?.querySelector(".vlist__head")?.getBoundingClientRect().height ?? heights.rowHeight;
      const extra = list.current?.querySelector(".vlist__panel")?.getBoundingClientRect().height ?? heights.extra;
      if (rowHeight > 0 && (rowHeight !== heights.rowHeight || extra !== heights.extra)) setHeights({ rowHeight, extra });
    };
    measure();
    const panel = list.current?.querySelector(".vlist__panel");
    if (!panel) return undefined;
    const observer = new ResizeObserver(measure);
    observer.observe(panel);
    return () => observer.disconnect();
  });
  return heights;
}

/** @param {ListProps} props */
function useOpen({ pages, openId }) {
  const at = useRef(/** @type {number | null} */ (null));
  if (openId === null) at.current = null;
  else if (at.current === null || pages.at(at.current)?.id !== openId) at.current = pages.indexOf(openId) ?? at.current;
  return at.current;
}

/**
 * The row that has the focus, and what its keys do.
 * @param {import("./pages.js").Pages<any>} pages @param {{current: HTMLElement | null}} list @param {() => void} redraw
 */
function useHeld(pages, list, redraw) {
  const held = useRef(/** @type {{index: number, item: any, element: HTMLElement} | null} */ (null));
  const isMoved = useRef(false);
  if (held.current) held.current.index = pages.indexOf(held.current.item.id) ?? held.current.index; // new rows came above it
  useEffect(() => () => void (held.current = null), [pages]);
  useLayoutEffect(() => {
    const { index = 0, element } = held.current ?? {};
    if (isMoved.current) /** @type {any} */ (list.current?.querySelector(`[aria-posinset="${index + 1}"] > .vlist__head`))?.focus();
    else if (document.activeElement === document.body) element?.focus({ preventScroll: true }); // its row was put in another place
    isMoved.current = false;
  });
  /** @param {FocusEvent} event */
  const onFocusIn = ({ target }) => {
    const element = /** @type {HTMLElement} */ (target);
    const index = Number(element.closest("[aria-posinset]")?.getAttribute("aria-posinset")) - 1;
    const item = pages.at(index) ?? held.current?.item;
    if (item) held.current = { index, item, element };
  };
  const onFocusOut = () =>
    queueMicrotask(() => {
      if (!list.current?.contains(document.activeElement)) held.current = null; // another window leaves it where it is
    });
  /** @param {KeyboardEvent} event */
  const onKeyDown = (event) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const { current } = held;
    if (!step || !current || !current.element.matches("button.vlist__head")) return;
    const index = current.index + step;
    const item = pages.at(index);
    if (!item) return; // at an end the page scrolls
    event.preventDefault();
    held.current = { ...current, index, item };
    isMoved.current = true;
    redraw();
  };
  return { held: held.current, keys: { onFocusIn, onFocusOut, onKeyDown } };
}

/** @param {ListProps} props */
export function VirtualList(props) {
  const { pages, label, row, panel, onOpen } = props;
  const list = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  const [base, setBase] = useState(0);
  const [, redraw] = useReducer((/** @type {number} */ round) => round + 1, 0);
  const openAt = useOpen(props);
  const heights = useHeights(list);
  const place = { base, count: pages.count, openAt, ...heights, ...useViewport(list) };
  const view = windowOf(place);
  const { held, keys } = useHeld(pages, list, () => redraw(0));
  useEffect(() => pages.subscribe(() => redraw(0)), [pages]);
  useEffect(() => pages.need(view.first, view.last));
  useLayoutEffect(() => {
    const next = rebased(base, view.seenFirst);
    if (next === base) return;
    setBase(next);
    scrollBy({ top: (base - next) * heights.rowHeight, behavior: "instant" });
  });
  if (pages.isFirst) return html`<${Loading}><ol class="vlist" aria-hidden="true">${placeholders(FIRST_ROWS)}</ol></${Loading}>`;
  /** @param {number} index @param {any} item @param {object} [style] */
  const drawn = (index, item, style) =>
    html`<${Row} key=${item?.id ?? `at ${index}`} item=${item} index=${index} isOpen=${index === openAt} style=${style} ...${{ row, panel, onOpen }} />`;
  const rows = [];
  for (let index = view.first; index <= view.last && index < pages.count; index += 1) rows.push(drawn(index, pages.at(index)));
  if (held && held.index < view.first) rows.unshift(drawn(held.index, held.item, { top: `${topOf(place, held.index)}px` }));
  if (held && held.index > view.last) rows.push(drawn(held.index, held.item, { top: `${topOf(place, held.index)}px` }));
  return html`<ol
      class="vlist"
      role="list"
      ref=${list}
      aria-label=${label}
      ...${keys}
      style=${{ height: `${view.height}px`, paddingTop: `${view.top}px` }}
    >
      ${rows}
    </ol>
    ${pages.error ? html`<div class="vlist__error"><${ErrorState} error=${pages.error} onRetry=${() => pages.retry()} /></div>` : null}
    ${pages.isAtEnd || pages.error ? null : html`<${Loading}><ol class="vlist" aria-hidden="true">${placeholders(MORE_ROWS)}</ol></${Loading}>`}`;
}

/** @param {number} count */
function placeholders(count) {
  return Array.from({ length: count }, (_, nth) => html`<${Placeholder} key=${nth} />`);
}

function Placeholder() {
  return html`<li class="vlist__row"><div class="vlist__head vlist__head--empty"><${Skeleton} /></div></li>`;
}

/**
 * @param {{item: any, index: number, isOpen: boolean, style?: object, row: ListProps["row"], panel: ListProps["panel"], onOpen: ListProps["onOpen"]}} props
 *   style: of a row that stands outside of what is in view
 */
function Row({ item, index, isOpen, style, row, panel, onOpen }) {
  if (!item) return html`<${Placeholder} />`;
  const toggle = {
    type: "button",
    class: "vlist__head",
    "aria-expanded": isOpen ? "true" : "false",
    onClick: () => onOpen(isOpen ? null : item.id),
  };
  const classes = `vlist__row ${isOpen ? "vlist__row--open" : ""} ${style ? "vlist__row--apart" : ""}`;
  return html`<li class=${classes} style=${style} aria-setsize="-1" aria-posinset=${index + 1}>
    ${row(item, toggle)}
    ${isOpen ? html`<div class="vlist__panel">${panel(item)}</div>` : null}
  </li>`;
}
