"""Judge a bundled sentiment model on rows that it was not trained on: `python -m tools.judge_sentiment DATA`.

DATA as for ``train_sentiment``; only rows of the split ``test`` are asked, up to ``--rows`` of each set, through the
model's own `predict`. The last lines say macro-F1 by language, how many positive and negative texts were called
neutral, and texts a second; below a floor the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from ml_service.runtime.bundled.sentiment.model import LABELS, Sentiment
from ml_service.runtime.bundled.sentiment_fast.model import SentimentFast
from tools.sentiment_data import rows_of
from tools.sentiment_table import HEADING, macro_f1, row_of, said_neutral

# Below what the card says: fewer rows vary by .02, and other processors round 8-bit products in another way.
MACRO_F1_MIN = {"sentiment": {"ru": 0.75, "en": 0.83}, "sentiment-fast": {"ru": 0.68, "en": 0.76}}
SAID_NEUTRAL_MAX = 0.20


def main() -> int:
    """Ask the model, print the table, compare with the floors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=2_000, help="of each set; the same ones each time")
    parser.add_argument("--model", choices=list(MACRO_F1_MIN), default="sentiment")
    arguments = parser.parse_args()
    model = Sentiment() if arguments.model == "sentiment" else SentimentFast()
    model.load()
    least = MACRO_F1_MIN[arguments.model]
    scores: dict[str, list[float]] = {"ru": [], "en": []}
    neutrals: list[float] = []
    asked, took_s = 0, 0.0
    print(HEADING)
    for file in sorted(arguments.data.glob("*.tsv.gz")):
        name = file.name.removesuffix(".tsv.gz")
        rows = [row for row in rows_of(file) if row[0] == "test"]
        chosen = [rows[place] for place in np.random.default_rng(1).permutation(len(rows))[: arguments.rows]]
        labels = np.array([row[1] for row in chosen])
        began = time.process_time()
        inputs = [{"text": row[2]} for row in chosen]
        batches = [inputs[start : start + model.batch_size] for start in range(0, len(inputs), model.batch_size)]
        outputs = [output for batch in batches for output in model.predict(batch)]
        took_s += time.process_time() - began
        asked += len(chosen)
        probabilities = np.array([[output["scores"][label] for label in LABELS] for output in outputs])
        print(row_of(name, labels, probabilities), flush=True)
        scores[name[:2]].append(macro_f1(labels, probabilities))
        neutrals.append(said_neutral(labels, probabilities))
    means = {language: float(np.mean(each)) for language, each in scores.items()}
    print(f"\nmacro-F1 RU {means['ru']:.3f} (at least {least['ru']}), EN {means['en']:.3f} "
          f"(at least {least['en']}); said neutral {np.mean(neutrals):.3f} (at most {SAID_NEUTRAL_MAX}); "
          f"{asked / took_s:.0f} texts a second and core")  # fmt: skip
    is_good = np.mean(neutrals) <= SAID_NEUTRAL_MAX and all(means[each] >= least[each] for each in means)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
