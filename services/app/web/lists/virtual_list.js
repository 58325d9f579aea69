/**
 * VirtualList: <${VirtualList} pages=${Pages} label="…" row=${(item, toggle) => node} panel=${(item) => node} openId onOpen />
 * A long list that scrolls with the page and draws only what is in view. Rows have one height (`--vlist-row`); the open
 * one has its panel below it. Up and down move between rows.
 */
import { html } from "htm/preact";
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { ErrorState } from "../components/empty_state.js";
import { Loading, Skeleton } from "../components/skeleton.js";
import { rebased, windowOf } from "./window.js";

const FIRST_ROWS = 8;
const MORE_ROWS = 2;
const ROW_HEIGHT = 56;

/**
 * @typedef {{pages: import("./pages.js").Pages<any>, label: string, row: (item: any, toggle: any) => any,
 *   panel: (item: any) => any, openId: string | null, onOpen: (id: string | null) => void}} Props
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

/** @param {Props} props */
function useOpen({ pages, openId }) {
  const at = useRef(/** @type {number | null} */ (null));
  if (openId === null) at.current = null;
  else if (at.current === null || pages.at(at.current)?.id !== openId) at.current = pages.indexOf(openId) ?? at.current;
  return at.current;
}

/** @param {Props} props */
export function VirtualList(props) {
  const { pages, label, row, panel, onOpen } = props;
  const list = /** @type {{current: HTMLElement | null}} */ (useRef(null));
  const [base, setBase] = useState(0);
  const [, redraw] = useReducer((/** @type {number} */ round) => round + 1, 0);
  const openAt = useOpen(props);
  const heights = useHeights(list);
  const view = windowOf({ base, count: pages.count, openAt, ...heights, ...useViewport(list) });
  useEffect(() => pages.subscribe(() => redraw(0)), [pages]);
  useEffect(() => pages.need(view.first, view.last));
  useLayoutEffect(() => {
    const next = rebased(base, view.seenFirst);
    if (next === base) return;
    setBase(next);
    scrollBy({ top: (base - next) * heights.rowHeight, behavior: "instant" });
  });
  if (pages.isFirst) return html`<${Loading}><ol class="vlist">${placeholders(FIRST_ROWS)}</ol></${Loading}>`;
  const rows = [];
  for (let index = view.first; index <= view.last && index < pages.count; index += 1) {
    const item = pages.at(index);
    rows.push(html`<${Row} key=${item?.id ?? `at ${index}`} item=${item} index=${index} isOpen=${index === openAt} ...${{ row, panel, onOpen }} />`);
  }
  return html`<ol
      class="vlist"
      role="list"
      ref=${list}
      aria-label=${label}
      onKeyDown=${moveByKey}
      style=${{ height: `${view.height}px`, paddingTop: `${view.top}px` }}
    >
      ${rows}
    </ol>
    ${pages.error ? html`<${ErrorState} error=${pages.error} onRetry=${() => pages.retry()} />` : null}
    ${pages.isAtEnd || pages.error ? null : html`<${Loading}><ol class="vlist">${placeholders(MORE_ROWS)}</ol></${Loading}>`}`;
}

/** @param {number} count */
function placeholders(count) {
  return Array.from({ length: count }, (_, nth) => html`<${Placeholder} key=${nth} />`);
}

function Placeholder() {
  return html`<li class="vlist__row"><div class="vlist__head vlist__head--empty"><${Skeleton} /></div></li>`;
}

/** @param {{item: any, index: number, isOpen: boolean, row: Props["row"], panel: Props["panel"], onOpen: Props["onOpen"]}} props */
function Row({ item, index, isOpen, row, panel, onOpen }) {
  if (!item) return html`<${Placeholder} />`;
  const toggle = {
    type: "button",
    class: "vlist__head",
    "aria-expanded": isOpen ? "true" : "false",
    onClick: () => onOpen(isOpen ? null : item.id),
  };
  return html`<li class=${`vlist__row ${isOpen ? "vlist__row--open" : ""}`} aria-setsize="-1" aria-posinset=${index + 1}>
    ${row(item, toggle)}
    ${isOpen ? html`<div class="vlist__panel">${panel(item)}</div>` : null}
  </li>`;
}

/** @param {KeyboardEvent} event */
function moveByKey(event) {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  const target = event.target instanceof Element && event.target.closest(".vlist__head");
  if (!step || !target || !(event.currentTarget instanceof Element)) return;
  const heads = [...event.currentTarget.querySelectorAll(".vlist__head")];
  const next = heads[heads.indexOf(target) + step];
  if (!(next instanceof HTMLElement)) return;
  event.preventDefault();
  next.focus();
}
