/** ExportMenu: <${ExportMenu} filters />: what is filtered, as a file. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { Icon } from "../../components/icon.js";
import { Menu } from "../../components/menu.js";
import { toast } from "../../components/toast.js";
import { explain } from "../../errors.js";
import { isFiltered, queryOf } from "../../history/filters.js";
import { t } from "../../i18n/index.js";
import { download, today } from "../../lib/download.js";

const FORMATS = /** @type {const} */ (["csv", "jsonl"]);

/** @param {{filters: import("../../history/filters.js").Filters}} props */
export function ExportMenu({ filters }) {
  const [isBusy, setBusy] = useState(false);
  /** @param {"csv" | "jsonl"} format */
  const save = async (format) => {
    setBusy(true);
    try {
      await download("/predictions", { ...queryOf(filters), format }, `predictions-${today()}.${format}`);
    } catch (error) {
      toast(explain(error), { kind: "danger" });
    }
    setBusy(false);
  };
  const trigger = html`<${Icon} name="download" /><span>${isBusy ? t("history.exporting") : t("history.export")}</span>`;
  return html`<${Menu} label=${t("history.export")} trigger=${trigger}>
    ${(/** @type {() => void} */ close) => html`
      <p class="menu__who">${isFiltered(filters) ? t("history.export_filtered") : t("history.export_all")}</p>
      ${FORMATS.map(
        (format) => html`<button
          key=${format}
          class="menu__item"
          type="button"
          onClick=${() => {
            close();
            void save(format);
          }}
        >
          <${Icon} name="file" />${t(`history.format.${format}`)}
        </button>`,
      )}
    `}
  </${Menu}>`;
}
