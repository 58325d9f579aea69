/** History: what was asked, newest first, as far back as it goes. The filters are in the address. */
import { html } from "htm/preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { api } from "../api.js";
import { useRoleOnce } from "../components/banner.js";
import { Button } from "../components/button.js";
import { EmptyState, ErrorState } from "../components/empty_state.js";
import { useQuery } from "../components/hooks.js";
import { Page } from "../components/page.js";
import { Loading, Skeleton } from "../components/skeleton.js";
import { filtersOf, isFiltered, passes, queryOf, searchOf } from "../history/filters.js";
import { withNews } from "../history/news.js";
import { t } from "../i18n/index.js";
import { Pages } from "../lists/pages.js";
import { VirtualList } from "../lists/virtual_list.js";
import { onPredictions } from "../live.js";
import { go, place, setQuery } from "../router.js";
import { ExportMenu } from "./history/export_menu.js";
import { FilterBar } from "./history/filter_bar.js";
import { PredictionPanel } from "./history/panel.js";
import { PredictionRow } from "./history/row.js";

/** @typedef {import("../live.js").Prediction} Prediction */
/** @typedef {import("../history/filters.js").Filters} Filters */

const PAGE_ROWS = 100;
const NEW_ROWS_MAX = 1000;
const AT_TOP_PX = 120;

/** @param {Filters} filters @param {number} round */
function usePages(filters, round) {
  const key = searchOf(filters);
  const pages = useMemo(() => {
    const query = { ...queryOf(filters), limit: PAGE_ROWS };
    return /** @type {Pages<Prediction>} */ (
      new Pages({ fetchPage: (cursor, signal) => api.get("/predictions", { query: { ...query, cursor }, signal }) })
    );
  }, [key, round]);
  useEffect(() => () => pages.close(), [pages]);
  return pages;
}

/**
 * What comes while one looks: at once where the list is at its top, else behind a button, so that nothing moves.
 * @param {Pages<Prediction>} pages @param {Filters} filters
 */
function useNews(pages, filters) {
  const [news, setNews] = useState(/** @type {Prediction[]} */ ([]));
  const latest = useRef(news); // an event may come before the last one is drawn
  const set = (/** @type {Prediction[]} */ next) => setNews((latest.current = next));
  useEffect(() => {
    set([]);
    return onPredictions((changed) => {
      const newest = pages.at(0)?.id ?? "";
      const others = pages.update(changed);
      const found = withNews(latest.current, others, (one) => one.id > newest && passes(filters, one));
      if (pages.isFirst || found.length + latest.current.length === 0) return;
      const isAtTop = scrollY < AT_TOP_PX;
      if (isAtTop) pages.insert(found);
      set(isAtTop ? [] : found);
    });
  }, [pages]);
  return { news, forget: () => set([]) };
}

/** @param {{id: string}} props */
function Found({ id }) {
  const { data, error, reload } = useQuery((signal) => api.get(`/predictions/${id}`, { signal }), [id]);
  const back = html`<${Button} kind="quiet" icon="left" onClick=${() => setQuery({ id: null })}>${t("history.all")}</${Button}>`;
  if (error) return html`<div class="stack"><div>${back}</div><${ErrorState} error=${error} onRetry=${reload} /></div>`;
  return html`<div class="stack">
    <div>${back}</div>
    <div class="card">
      ${data ? html`<${PredictionPanel} prediction=${data} />` : html`<${Loading}><${Skeleton} class="skeleton--block" /></${Loading}>`}
    </div>
  </div>`;
}

/** @param {{filters: Filters}} props */
function List({ filters }) {
  const [round, setRound] = useState(0);
  const pages = usePages(filters, round);
  const { news, forget } = useNews(pages, filters);
  const [, redraw] = useState(0);
  useEffect(() => pages.subscribe(() => redraw((before) => before + 1)), [pages]);
  const openId = place.value.query.open ?? null;
  const onOpen = (/** @type {string | null} */ id) => setQuery({ open: id });
  const showNews = () => {
    if (news.length < NEW_ROWS_MAX) pages.insert(news);
    else setRound(round + 1);
    forget();
    scrollTo({ top: 0 });
  };
  if (pages.isAtEnd && pages.count === 0) return html`<${Nothing} filters=${filters} />`;
  return html`
    ${news.length > 0 ? html`<${News} number=${news.length} onShow=${showNews} />` : null}
    <div class="card card--list">
      <${VirtualList}
        pages=${pages}
        label=${t("nav.history")}
        openId=${openId}
        onOpen=${onOpen}
        row=${(/** @type {Prediction} */ one, /** @type {object} */ toggle) =>
          html`<${PredictionRow} prediction=${one} toggle=${toggle} />`}
        panel=${(/** @type {Prediction} */ one) => html`<${PredictionPanel} prediction=${one} />`}
      />
    </div>
  `;
}

/** @param {{number: number, onShow: () => void}} props */
function News({ number, onShow }) {
  const role = useRoleOnce("status", true);
  return html`<div class="news" role=${role}>
    <${Button} kind="primary" size="small" onClick=${onShow}>${t("history.news", { n: number })}</${Button}>
  </div>`;
}

/** @param {{filters: Filters}} props */
function Nothing({ filters }) {
  if (!isFiltered(filters)) {
    const first = html`<${Button} kind="primary" icon="spark" href="/app/predict">${t("history.first")}</${Button}>`;
    return html`<${EmptyState} icon="clock" title=${t("history.empty")} text=${t("history.empty_text")} action=${first} />`;
  }
  const clear = html`<${Button} onClick=${() => go("/app/history")}>${t("history.clear")}</${Button}>`;
  return html`<${EmptyState} icon="search" title=${t("history.no_match")} action=${clear} />`;
}

export default function History() {
  const { query } = place.value; // the address has changed: read it again
  const filters = filtersOf(location.search);
  return html`<${Page} title=${t("nav.history")} actions=${html`<${ExportMenu} filters=${filters} />`}>
    <${FilterBar} filters=${filters} id=${query.id ?? ""} />
    ${query.id ? html`<${Found} key=${query.id} id=${query.id} />` : html`<${List} key=${searchOf(filters)} filters=${filters} />`}
  </${Page}>`;
}
