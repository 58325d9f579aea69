"""Trains the model and keeps it as `model.skops`, which `model.py` loads: docs/models.md, "From scikit-learn".

A skops file, unlike a pickle, runs no code of its own when it is read.
"""

import csv
from pathlib import Path
from typing import Any

TEXTS = Path(__file__).with_name("texts.csv")
WEIGHTS = Path(__file__).with_name("model.skops")


def train() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    with TEXTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    pipeline = make_pipeline(TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4)), LogisticRegression(C=10))
    return pipeline.fit([row["text"] for row in rows], [row["label"] for row in rows])


if __name__ == "__main__":
    import skops.io

    skops.io.dump(train(), WEIGHTS)
