/** Statement: every movement of credits, newest first, with the balance after each. */
import { html } from "htm/preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { api } from "../../api.js";
import { EmptyState } from "../../components/empty_state.js";
import { Money } from "../../components/money.js";
import { Time } from "../../components/time.js";
import { fmt, t } from "../../i18n/index.js";
import { Pages } from "../../lists/pages.js";
import { VirtualList } from "../../lists/virtual_list.js";

/**
 * @typedef {{id: number, kind: string, amount: number, change: number, balance_after?: number | null,
 *   prediction_id: string | null, reason: string | null, created_at: string}} Transaction
 */

const PAGE_ROWS = 100;

/** @param {Transaction} one */
function toneOf(one) {
  if (one.change > 0) return "trow__change--in";
  return one.change < 0 ? "" : "faint";
}

/** @param {{transaction: Transaction}} props */
function Movement({ transaction: one }) {
  const about = one.prediction_id
    ? html`<a
        href=${`/app/history?id=${one.prediction_id}`}
        aria-label=${`${t("credits.prediction")}, ${fmt.fullMoment(one.created_at)}`}
        >${t("credits.prediction")}</a
      >`
    : one.reason;
  return html`<div class="vlist__head vlist__head--still">
    <div class="trow">
      <span class="trow__kind">${t(`kind.${one.kind}`)}</span>
      <span class="trow__about truncate muted small">${about}</span>
      <span class="trow__time muted small"><${Time} at=${one.created_at} /></span>
      <span class=${`trow__change ${toneOf(one)}`}>
        ${one.change === 0 ? html`<span class="num small">${t("credits.from_held", { n: one.amount })}</span>` : html`<${Money} value=${one.change} isSigned=${true} />`}
      </span>
      <span class="trow__after muted">
        ${typeof one.balance_after === "number" ? html`<span class="visually-hidden">${t("credits.after")} </span><${Money} value=${one.balance_after} isBare=${true} />` : null}
      </span>
    </div>
  </div>`;
}

export function Statement() {
  const pages = useMemo(
    () =>
      /** @type {Pages<Transaction>} */ (
        new Pages({ fetchPage: (cursor, signal) => api.get("/transactions", { query: { limit: PAGE_ROWS, cursor }, signal }) })
      ),
    [],
  );
  const [, redraw] = useState(0);
  useEffect(() => {
    const stop = pages.subscribe(() => redraw((before) => before + 1));
    return () => {
      stop();
      pages.close();
    };
  }, [pages]);
  const isEmpty = pages.isAtEnd && pages.count === 0;
  return html`<section class="card card--list" aria-label=${t("credits.statement")}>
    <div class="card__head"><h2>${t("credits.statement")}</h2><span class="muted small">${t("credits.after_head")}</span></div>
    ${isEmpty
      ? html`<${EmptyState} icon="coins" title=${t("credits.no_movements")} />`
      : html`<${VirtualList}
          pages=${pages}
          label=${t("credits.statement")}
          row=${(/** @type {Transaction} */ one) => html`<${Movement} transaction=${one} />`}
          panel=${() => null}
          openId=${null}
          onOpen=${() => undefined}
        />`}
  </section>`;
}
