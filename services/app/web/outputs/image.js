/** Image: a picture that came as a data: URL (shape.js lets only pixel formats through). */
import { html } from "htm/preact";
import { t } from "../i18n/index.js";

/** @param {{source: string | null}} props */
export function Image({ source }) {
  return source ? html`<img class="output-image" src=${source} alt=${t("answer.image")} />` : null;
}
