/** Answer: <${Answer} output input model=${Model | undefined} />: an answer drawn for its kind (shape.js chooses), with the JSON behind it. */
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { CopyButton } from "../components/copy_button.js";
import { Segmented } from "../components/segmented.js";
import { t } from "../i18n/index.js";
import { writeJson } from "../lib/json.js";
import { Image } from "./image.js";
import { Json, JsonText } from "./json.js";
import { Label } from "./label.js";
import { imageOf, rowsOf, shapeOf, spansOf, textOf, vectorOf } from "./shape.js";
import { Spans } from "./spans.js";
import { TableOutput } from "./table.js";
import { Vector } from "./vector.js";

/** @param {{output: any, input?: any, model?: import("../service.js").Model | undefined}} props model: whose answer it is, where that is known */
export function Answer({ output, input, model }) {
  const [isRaw, setRaw] = useState(false);
  const shape = shapeOf(model?.view, output);
  const kinds = [
    { value: "shown", label: t("answer.shown") },
    { value: "json", label: "JSON" },
  ];
  return html`<div class="stack">
    ${isRaw ? html`<${JsonText} value=${output} />` : html`<${Drawn} shape=${shape} output=${output} input=${input} schema=${model?.output_schema} />`}
    <div class="row row--apart">
      <${Segmented}
        label=${t("answer.as")}
        value=${isRaw ? "json" : "shown"}
        options=${kinds}
        onValue=${(/** @type {string} */ next) => setRaw(next === "json")}
      />
      <${CopyButton} text=${() => writeJson(output, 2)} label=${t("answer.copy")} />
    </div>
  </div>`;
}

/** @param {{shape: import("./shape.js").Shape, output: any, input: any, schema: any}} props */
function Drawn({ shape, output, input, schema }) {
  switch (shape) {
    case "label":
      return html`<${Label} output=${output} />`;
    case "spans":
      return html`<${Spans} spans=${spansOf(output)} text=${textOf(input) ?? input?.text ?? ""} />`;
    case "vector":
      return html`<${Vector} values=${vectorOf(output)} />`;
    case "table":
      return html`<${TableOutput} rows=${rowsOf(output)} />`;
    case "image":
      return html`<${Image} source=${imageOf(output)} />`;
    case "text":
      return html`<p class="output-text">${textOf(output)}</p>`;
    default:
      return html`<${Json} value=${output} schema=${schema} />`;
  }
}
