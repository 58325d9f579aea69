/** Qr: <${Qr} text="https://…" label="…" />: a QR code, dark on light in both themes, as cameras expect. */
import { html } from "htm/preact";
import { useEffect, useRef } from "preact/hooks";

/** @param {{text: string, label: string}} props */
export function Qr({ text, label }) {
  const canvas = /** @type {{current: HTMLCanvasElement | null}} */ (useRef(null));
  useEffect(() => {
    let isGone = false;
    import("lean-qr").then(({ generate }) => {
      if (!isGone && canvas.current) generate(text).toCanvas(canvas.current, { on: [0, 0, 0], off: [255, 255, 255, 255], pad: 3 });
    }, () => undefined);
    return () => {
      isGone = true;
    };
  }, [text]);
  return html`<canvas class="qr" role="img" aria-label=${label} ref=${canvas} width="1" height="1"></canvas>`;
}
