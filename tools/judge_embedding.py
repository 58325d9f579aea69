"""Judge the bundled embedding models on pairs of sentences of our own: `python -m tools.judge_embedding`.

``embedding_pairs.tsv`` has translations (Russian, English) and answers (a question, the passage that answers it). Each
sentence of the left column looks for its own among all of the right column of its kind, translations the other way as
well; the figure is how often it is nearest. Below a floor the exit code is 1.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_service.runtime.bundled.embedding.model import Embedding
from ml_service.runtime.bundled.embedding_e5.model import EmbeddingE5

PAIRS_FILE = Path(__file__).with_name("embedding_pairs.tsv")
# Below what the cards say: other processors round 8-bit products in another way.
FOUND_MIN = {"embedding": {"translation": 0.9, "answer": 0.6}, "embedding-e5": {"translation": 0.9, "answer": 0.8}}
Vectors = NDArray[np.float64]


def main() -> int:
    """Ask both models, print a table, compare with the floors."""
    pairs = [line.split("\t") for line in PAIRS_FILE.read_text(encoding="utf-8").splitlines()]
    is_good = True
    print("| model | translation found | answer found | product, pairs | product, others | texts a second and core |")
    print("|---|---|---|---|---|---|")
    for model in (Embedding(), EmbeddingE5()):
        model.load()
        began = time.process_time()
        products = {kind: _products(model, kind, pairs) for kind in ("translation", "answer")}
        pace = 2 * len(pairs) / (time.process_time() - began)
        found = {kind: _found(kind, each) for kind, each in products.items()}
        alike = np.concatenate([each.diagonal() for each in products.values()])
        others = np.concatenate([each[~np.eye(len(each), dtype=bool)] for each in products.values()])
        print(
            f"| {model.name} {model.version} | {found['translation']:.2f} | {found['answer']:.2f} "
            f"| {alike.mean():.2f} | {others.mean():.2f} | {pace:.0f} |",
            flush=True,
        )
        is_good &= all(found[kind] >= floor for kind, floor in FOUND_MIN[model.name].items())
    return 0 if is_good else 1


def _products(model: Any, kind: str, pairs: list[list[str]]) -> Vectors:
    """Return the products of each left sentence (a row) and each right one (a column)."""
    question, passage = _asking(model, "query"), _asking(model, "passage" if kind == "answer" else "query")
    mine = [pair for pair in pairs if pair[0] == kind]
    products: Vectors = question([left for _, left, _ in mine]) @ passage([right for *_, right in mine]).T
    return products


def _asking(model: Any, text_kind: str) -> Callable[[list[str]], Vectors]:
    more = {"kind": text_kind} if "kind" in model.input_schema["properties"] else {}

    def vectors(texts: list[str]) -> Vectors:
        return np.array([output["embedding"] for output in model.predict([{"text": text, **more} for text in texts])])

    return vectors


def _found(kind: str, products: Vectors) -> float:
    right = [each.argmax(axis=1) == np.arange(len(each)) for each in (products, products.T)]
    return float(np.mean(right if kind == "translation" else right[0]))


if __name__ == "__main__":
    sys.exit(main())
